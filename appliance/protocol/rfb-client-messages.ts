// What a viewer sends once it is connected: RFC 6143 §7.5 and the community's extensions. Each has a length that its first
// bytes tell.
//   0 SetPixelFormat          pad 3 · pixel format 16
//   2 SetEncodings            pad 1 · count uint16 · count × int32
//   3 FramebufferUpdateRequest incremental · x y width height uint16
//   4 KeyEvent                down · pad 2 · keysym uint32
//   5 PointerEvent            buttons · x y uint16
//   6 ClientCutText           pad 3 · length int32 · Latin-1; a negative length: ExtendedClipboard (rfb-clipboard.ts)
//   150 EnableContinuousUpdates on · x y width height uint16
//   248 ClientFence           pad 3 · flags uint32 · length uint8 · payload
//   251 SetDesktopSize        pad 1 · width height uint16 · count uint8 · pad 1 · count × screen 16
//   255 QEMU                  0 extended key: down uint16 · keysym uint32 · scan code uint32
import { ByteReader, type Bytes, malformed } from './bytes.ts';
import {
  CLIENT_MESSAGE,
  MAX_CUT_TEXT_BYTES,
  MAX_ENCODINGS,
  MAX_FENCE_BYTES,
  MAX_KEYSYM,
  MAX_RFB_SCREENS,
  MAX_SCAN_CODE,
  type PixelFormat,
  readPixelFormat,
} from './rfb.ts';

export interface RfbArea {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One screen of an ExtendedDesktopSize. */
export interface RfbScreen extends RfbArea {
  readonly id: number;
  readonly flags: number;
}

export interface RfbKey {
  readonly type: 'key';
  readonly down: boolean;
  readonly keysym: number;
  /** PC XT, codes after an 0xe0 with bit 7 set; 0 where the viewer doesn't know it. */
  readonly scanCode: number;
}

export interface RfbPointer {
  readonly type: 'pointer';
  /** In the picture. */
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
}

export type RfbInput = RfbKey | RfbPointer;

export type RfbClientMessage =
  | RfbInput
  | { readonly type: 'pixel-format'; readonly format: PixelFormat }
  | { readonly type: 'encodings'; readonly encodings: readonly number[] }
  | { readonly type: 'update-request'; readonly incremental: boolean; readonly area: RfbArea }
  | { readonly type: 'cut-text'; readonly extended: boolean; readonly bytes: Bytes }
  | { readonly type: 'continuous-updates'; readonly on: boolean; readonly area: RfbArea }
  | { readonly type: 'fence'; readonly flags: number; readonly payload: Bytes }
  | {
      readonly type: 'desktop-size';
      readonly width: number;
      readonly height: number;
      readonly screens: readonly RfbScreen[];
    };

const SCREEN_BYTES = 16;
const QEMU_KEY = 0;

/**
 * @param start the first bytes of a message, at least one
 * @returns how long it is, or null while that can't be told
 * @throws ApplianceError `protocol.malformed` for a message that is unknown, or longer than one may be
 */
export function clientMessageBytes(start: Uint8Array): number | null {
  const type = start[0];
  switch (type) {
    case CLIENT_MESSAGE.setPixelFormat:
      return 20;
    case CLIENT_MESSAGE.setEncodings:
      return counted(start, 2, 2, MAX_ENCODINGS, 4, 4);
    case CLIENT_MESSAGE.updateRequest:
    case CLIENT_MESSAGE.continuousUpdates:
      return 10;
    case CLIENT_MESSAGE.key:
      return 8;
    case CLIENT_MESSAGE.pointer:
      return 6;
    case CLIENT_MESSAGE.cutText:
      return cutTextBytes(start);
    case CLIENT_MESSAGE.fence:
      return counted(start, 8, 1, MAX_FENCE_BYTES, 1, 9);
    case CLIENT_MESSAGE.setDesktopSize:
      return counted(start, 6, 1, MAX_RFB_SCREENS, SCREEN_BYTES, 8);
    case CLIENT_MESSAGE.qemu:
      if (start.length > 1 && start[1] !== QEMU_KEY) throw malformed(`a QEMU message of kind ${start[1]}`);
      return 12;
    default:
      throw malformed(`a viewer's message of type ${type}`);
  }
}

/** One whole message. @throws ApplianceError `protocol.malformed` */
export function parseClientMessage(bytes: Bytes): RfbClientMessage {
  if (bytes.length === 0 || clientMessageBytes(bytes) !== bytes.length)
    throw malformed('not one whole message of a viewer');
  const reader = new ByteReader(bytes);
  const type = reader.uint(1);
  switch (type) {
    case CLIENT_MESSAGE.setPixelFormat:
      reader.bytes(3);
      return { type: 'pixel-format', format: readPixelFormat(reader) };
    case CLIENT_MESSAGE.setEncodings:
      return readEncodings(reader);
    case CLIENT_MESSAGE.updateRequest:
      return { type: 'update-request', incremental: reader.uint(1) !== 0, area: readArea(reader) };
    case CLIENT_MESSAGE.cutText:
      return readCutText(reader);
    case CLIENT_MESSAGE.continuousUpdates:
      return { type: 'continuous-updates', on: reader.uint(1) !== 0, area: readArea(reader) };
    case CLIENT_MESSAGE.fence:
      reader.bytes(3);
      return { type: 'fence', flags: reader.uint(4), payload: reader.bytes(reader.uint(1)) };
    case CLIENT_MESSAGE.setDesktopSize:
      return readDesktopSize(reader);
    default:
      return readInput(reader, type);
  }
}

/** One whole event of mouse or keyboard. @throws ApplianceError `protocol.malformed` for anything else */
export function parseInputEvent(bytes: Bytes): RfbInput {
  const message = parseClientMessage(bytes);
  if (message.type !== 'key' && message.type !== 'pointer') throw malformed(`${message.type} where input was due`);
  return message;
}

function counted(start: Uint8Array, at: number, size: 1 | 2, most: number, each: number, head: number): number | null {
  if (start.length < at + size) return null;
  const count = size === 1 ? (start[at] ?? 0) : (start[at] ?? 0) * 256 + (start[at + 1] ?? 0);
  if (count > most) throw malformed(`${count} where a viewer may send ${most}`);
  return head + count * each;
}

function cutTextBytes(start: Uint8Array): number | null {
  if (start.length < 8) return null;
  const length = ((start[4] ?? 0) << 24) | ((start[5] ?? 0) << 16) | ((start[6] ?? 0) << 8) | (start[7] ?? 0);
  if (Math.abs(length) > MAX_CUT_TEXT_BYTES) throw malformed(`a clipboard of ${Math.abs(length)} bytes`);
  return 8 + Math.abs(length);
}

function readArea(reader: ByteReader): RfbArea {
  return { x: reader.uint(2), y: reader.uint(2), width: reader.uint(2), height: reader.uint(2) };
}

function readEncodings(reader: ByteReader): RfbClientMessage {
  reader.bytes(1);
  const encodings = Array.from({ length: reader.uint(2) }, () => reader.uint(4) | 0);
  return { type: 'encodings', encodings };
}

function readCutText(reader: ByteReader): RfbClientMessage {
  reader.bytes(3);
  const extended = (reader.uint(4) | 0) < 0;
  return { type: 'cut-text', extended, bytes: reader.bytes(reader.left) };
}

function readDesktopSize(reader: ByteReader): RfbClientMessage {
  reader.bytes(1);
  const [width, height, count] = [reader.uint(2), reader.uint(2), reader.uint(1)];
  reader.bytes(1);
  const screens = Array.from({ length: count }, () => ({
    ...{ id: reader.uint(4), ...readArea(reader), flags: reader.uint(4) },
  }));
  return { type: 'desktop-size', width, height, screens };
}

function readInput(reader: ByteReader, type: number): RfbInput {
  if (type === CLIENT_MESSAGE.pointer) {
    const buttons = reader.uint(1);
    return { type: 'pointer', buttons, x: reader.uint(2), y: reader.uint(2) };
  }
  const qemu = type === CLIENT_MESSAGE.qemu;
  if (qemu) reader.bytes(1);
  const down = reader.uint(qemu ? 2 : 1) !== 0;
  if (!qemu) reader.bytes(2);
  const keysym = reader.uint(4);
  const scanCode = qemu ? reader.uint(4) : 0;
  if (keysym > MAX_KEYSYM || scanCode > MAX_SCAN_CODE) throw malformed('a key that no keyboard has');
  return { type: 'key', down, keysym, scanCode };
}
