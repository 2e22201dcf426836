// Cursor (RFC 6143 §7.8.1): the viewer draws it himself, where his own mouse is. Pixels in his format, and a mask of one bit
// each: what is less than half there is not there.
import { type Bytes, concat } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';
import { type CursorPicture, PIXEL_BYTES } from '../screen-source.ts';
import type { PixelWriter } from './pixel-writer.ts';

/** Larger ones are cut: a cursor is sent whenever it changes. */
const MAX_CURSOR_SIDE = 256;
const HALF = 128;
const NO_CURSOR: CursorPicture = { width: 0, height: 0, hotX: 0, hotY: 0, pixels: new Uint8Array() };

export function writeCursor(cursor: CursorPicture | null, writer: PixelWriter): Bytes {
  const picture = fittingCursor(cursor);
  const { width, height } = picture;
  const rowBytes = Math.ceil(width / 8);
  const pixels = new Uint8Array(width * height * writer.size);
  const mask = new Uint8Array(rowBytes * height);
  let at = 0;
  for (let i = 0; i < width * height; i++) {
    const [blue = 0, green = 0, red = 0, alpha = 0] = picture.pixels.subarray(i * PIXEL_BYTES);
    at = writer.write((red << 16) | (green << 8) | blue, pixels, at);
    const [x, y] = [i % width, Math.floor(i / width)];
    const byte = y * rowBytes + (x >> 3);
    if (alpha >= HALF) mask[byte] = (mask[byte] ?? 0) | (0x80 >> (x & 7));
  }
  return writeCursorRectangle(picture, ENCODING.cursor, concat(pixels, mask));
}

/** The cursor with sides of at most MAX_CURSOR_SIDE, its hot spot in it; of no size when there is none. */
export function fittingCursor(cursor: CursorPicture | null): CursorPicture {
  if (cursor === null) return NO_CURSOR;
  const width = Math.min(cursor.width, MAX_CURSOR_SIDE);
  const height = Math.min(cursor.height, MAX_CURSOR_SIDE);
  const hotX = Math.min(cursor.hotX, Math.max(0, width - 1));
  const hotY = Math.min(cursor.hotY, Math.max(0, height - 1));
  if (width === cursor.width) return { width, height, hotX, hotY, pixels: cursor.pixels };
  const rows = Array.from({ length: height }, (_, y) => {
    const start = y * cursor.width * PIXEL_BYTES;
    return cursor.pixels.subarray(start, start + width * PIXEL_BYTES);
  });
  return { width, height, hotX, hotY, pixels: concat(...rows) };
}

/** The hot spot stands where a rectangle has its place. */
export function writeCursorRectangle(cursor: CursorPicture, encoding: number, rest: Uint8Array): Bytes {
  const { width, height, hotX, hotY } = cursor;
  return writeRectangle({ x: hotX, y: hotY, width, height }, encoding, rest);
}

/** Red, green, blue, alpha. */
export function rgbaOf({ width, height, pixels }: CursorPicture, premultiplied: boolean): Bytes {
  const rgba = new Uint8Array(width * height * PIXEL_BYTES);
  for (let at = 0; at < rgba.length; at += PIXEL_BYTES) {
    const [blue = 0, green = 0, red = 0, alpha = 0] = pixels.subarray(at, at + PIXEL_BYTES);
    const of = (colour: number) => (premultiplied ? Math.round((colour * alpha) / 255) : colour);
    rgba.set([of(red), of(green), of(blue), alpha], at);
  }
  return rgba;
}
