// Numbers of RFB 3.8 (RFC 6143) and of the extensions the picture server knows, and what a viewer may ask of it at most.
// Layouts stand where they are read and written: rfb-client-messages.ts, rfb-server-messages.ts, rfb-clipboard.ts.
import { type ByteReader, type Bytes, type ByteWriter, malformed, utf8Bytes } from './bytes.ts';
import { MAX_MONITORS } from './screen.ts';

/** The only version spoken; both sides send it first. */
export const RFB_VERSION: Bytes = utf8Bytes('RFB 003.008\n');
/** Who may see is settled before the stream exists. */
export const SECURITY_NONE = 1;

export const CLIENT_MESSAGE = {
  ...{ setPixelFormat: 0, setEncodings: 2, updateRequest: 3, key: 4, pointer: 5, cutText: 6 },
  ...{ continuousUpdates: 150, fence: 248, setDesktopSize: 251, qemu: 255 },
} as const;

export const SERVER_MESSAGE = { update: 0, bell: 2, cutText: 3, endOfContinuousUpdates: 150, fence: 248 } as const;

export const ENCODING = {
  ...{ raw: 0, copyRect: 1, tight: 7 },
  /** Ours: customer-core/README.md has its layout. Its number spells "appZ". */
  zstd: 0x6170705a,
  ...{ desktopSize: -223, lastRect: -224, cursor: -239, qemuKeys: -258, desktopName: -307, extendedDesktopSize: -308 },
  ...{ fence: -312, continuousUpdates: -313, cursorWithAlpha: -314 },
  extendedClipboard: 0xc0a1e5ce | 0,
  /** A cursor with alpha as noVNC knows it. */
  vmwareCursor: 0x574d5664,
  /** JPEG quality 0 to 9 counts up from here, compression 0 to 9 from the other. */
  ...{ quality0: -32, compression0: -256 },
} as const;

export const MAX_ENCODINGS = 64;
export const MAX_FENCE_BYTES = 64;
export const MAX_RFB_SCREENS = MAX_MONITORS;
/** A clipboard on the wire, as text or compressed: one message of the link has to hold it. */
export const MAX_CUT_TEXT_BYTES = 1_000_000;
/** X11 has 29 bits for a keysym. */
export const MAX_KEYSYM = 0x1fff_ffff;
export const MAX_SCAN_CODE = 0xffff;

/** Bits of a fence. */
export const FENCE = { blockBefore: 1, blockAfter: 2, syncNext: 4, request: 0x8000_0000 } as const;

/** True colour only. */
export interface PixelFormat {
  readonly bitsPerPixel: 8 | 16 | 32;
  readonly depth: number;
  readonly bigEndian: boolean;
  readonly redMax: number;
  readonly greenMax: number;
  readonly blueMax: number;
  readonly redShift: number;
  readonly greenShift: number;
  readonly blueShift: number;
}

/** Of a screen's own pixels: blue, green, red, nothing. */
export const OWN_PIXEL_FORMAT: PixelFormat = {
  ...{ bitsPerPixel: 32, depth: 24, bigEndian: false },
  ...{ redMax: 255, greenMax: 255, blueMax: 255, redShift: 16, greenShift: 8, blueShift: 0 },
};

/** RFC 6143 §7.4: 16 bytes. @throws ApplianceError `protocol.malformed`, for colour maps too */
export function readPixelFormat(reader: ByteReader): PixelFormat {
  const [bits, depth, bigEndian, trueColour] = [reader.uint(1), reader.uint(1), reader.uint(1), reader.uint(1)];
  const [redMax, greenMax, blueMax] = [reader.uint(2), reader.uint(2), reader.uint(2)];
  const [redShift, greenShift, blueShift] = [reader.uint(1), reader.uint(1), reader.uint(1)];
  reader.bytes(3);
  if (bits !== 8 && bits !== 16 && bits !== 32) throw malformed(`pixels of ${bits} bits`);
  if (trueColour === 0) throw malformed('pixels with a colour map: only true colour is sent');
  const colours = { redMax, greenMax, blueMax, redShift, greenShift, blueShift };
  const format: PixelFormat = { bitsPerPixel: bits, depth, bigEndian: bigEndian !== 0, ...colours };
  if (depth === 0 || depth > bits || !holdsColours(format)) throw malformed('a pixel format that contradicts itself');
  return format;
}

export function writePixelFormat(writer: ByteWriter, format: PixelFormat): ByteWriter {
  writer.uint(1, format.bitsPerPixel).uint(1, format.depth);
  writer.uint(1, format.bigEndian ? 1 : 0).uint(1, 1);
  writer.uint(2, format.redMax).uint(2, format.greenMax).uint(2, format.blueMax);
  writer.uint(1, format.redShift).uint(1, format.greenShift).uint(1, format.blueShift);
  return writer.bytes(new Uint8Array(3));
}

/** Each colour a run of 1 to 8 bits within the pixel, and none over another. */
function holdsColours(format: PixelFormat): boolean {
  let used = 0;
  for (const [max, shift] of [
    [format.redMax, format.redShift],
    [format.greenMax, format.greenShift],
    [format.blueMax, format.blueShift],
  ] as const) {
    const bits = 32 - Math.clz32(max);
    if (max === 0 || max > 255 || max !== 2 ** bits - 1 || shift + bits > format.bitsPerPixel) return false;
    const mask = max << shift;
    if ((used & mask) !== 0) return false;
    used |= mask;
  }
  return true;
}
