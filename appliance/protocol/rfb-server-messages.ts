// What the picture server sends: RFC 6143 §7.1 to 7.3, §7.6, and the community's extensions. A FramebufferUpdate is its head
// and as many rectangles as it says, or 0xffff and as many as come before LastRect.
import { type Bytes, ByteWriter, utf8Bytes } from './bytes.ts';
import {
  ENCODING,
  FENCE,
  OWN_PIXEL_FORMAT,
  RFB_VERSION,
  SECURITY_NONE,
  SERVER_MESSAGE,
  writePixelFormat,
} from './rfb.ts';
import type { RfbArea, RfbScreen } from './rfb-client-messages.ts';

/** So many rectangles: until LastRect. */
export const UNTIL_LAST_RECT = 0xffff;

/** Why a size is told, and whether what was asked for was done (ExtendedDesktopSize). */
export const SIZE_REASON = { server: 0, thisViewer: 1 } as const;
export const SIZE_STATUS = { done: 0, prohibited: 1 } as const;

export function writeVersion(): Bytes {
  return RFB_VERSION.slice();
}

export function writeSecurityTypes(): Bytes {
  return Uint8Array.of(1, SECURITY_NONE);
}

export function writeSecurityDone(): Bytes {
  return new Uint8Array(4);
}

/** @param name of the desktop; cut to 255 bytes */
export function writeServerInit(width: number, height: number, name: string): Bytes {
  const text = utf8Bytes(name).subarray(0, 255);
  const writer = writePixelFormat(new ByteWriter(24 + text.length).uint(2, width).uint(2, height), OWN_PIXEL_FORMAT);
  return writer.uint(4, text.length).bytes(text).done();
}

export function writeUpdateHead(rectangles: number): Bytes {
  return new ByteWriter(4).uint(1, SERVER_MESSAGE.update).uint(1, 0).uint(2, rectangles).done();
}

/** @param rest what the encoding puts behind the rectangle's head */
export function writeRectangle({ x, y, width, height }: RfbArea, encoding: number, rest?: Uint8Array): Bytes {
  const writer = new ByteWriter(12 + (rest?.length ?? 0)).uint(2, x).uint(2, y).uint(2, width).uint(2, height);
  writer.uint(4, encoding >>> 0);
  return rest === undefined ? writer.done() : writer.bytes(rest).done();
}

export function writeScreens(screens: readonly RfbScreen[]): Bytes {
  const writer = new ByteWriter(4 + 16 * screens.length).uint(1, screens.length).bytes(new Uint8Array(3));
  for (const { id, x, y, width, height, flags } of screens) {
    writer.uint(4, id).uint(2, x).uint(2, y).uint(2, width).uint(2, height).uint(4, flags);
  }
  return writer.done();
}

/** Says that continuous updates are known; later, that they have ended. */
export function writeEndOfContinuousUpdates(): Bytes {
  return Uint8Array.of(SERVER_MESSAGE.endOfContinuousUpdates);
}

export function writeFence(flags: number, payload: Uint8Array): Bytes {
  const writer = new ByteWriter(9 + payload.length).uint(1, SERVER_MESSAGE.fence).bytes(new Uint8Array(3));
  return writer
    .uint(4, flags >>> 0)
    .uint(1, payload.length)
    .bytes(payload)
    .done();
}

/** The answer to a viewer's fence: what of it we know, and no longer a request. */
export function writeFenceAnswer(flags: number, payload: Uint8Array): Bytes {
  return writeFence(flags & (FENCE.blockBefore | FENCE.blockAfter | FENCE.syncNext), payload);
}

/** @param extended bytes of an ExtendedClipboard message; else Latin-1 */
export function writeCutText(bytes: Uint8Array, extended: boolean): Bytes {
  const writer = new ByteWriter(8 + bytes.length).uint(1, SERVER_MESSAGE.cutText).bytes(new Uint8Array(3));
  return writer
    .uint(4, (extended ? -bytes.length : bytes.length) >>> 0)
    .bytes(bytes)
    .done();
}

export function writeLastRect(): Bytes {
  return writeRectangle({ x: 0, y: 0, width: 0, height: 0 }, ENCODING.lastRect);
}
