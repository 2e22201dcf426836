// The mouse cursor of Windows: one with colours, or one of two masks, as the text cursor is.
import { type CursorPicture, PIXEL_BYTES } from '../../customer-core/screen-source.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import type { Windows } from '../ffi-windows.ts';
import { arrow } from './arrow.ts';
import { bitmapInfo } from './windows-bitmap.ts';

const SHOWING = 1;
const MAX_SIDE = 256;
/** CURSORINFO, ICONINFO (winuser.h), BITMAP (wingdi.h) */
const CURSOR = { size: 24, flags: 4, handle: 8 } as const;
const ICON = { size: 32, hotX: 4, hotY: 8, mask: 16, colours: 24 } as const;
const BITMAP = { size: 32, width: 4, height: 8 } as const;

/** @returns 0 where none is shown */
export function cursorHandle(windows: Windows): bigint {
  const cursor = Buffer.alloc(CURSOR.size);
  cursor.writeUInt32LE(CURSOR.size, 0);
  if (windows.GetCursorInfo(cursor) === 0) return 0n;
  return (cursor.readUInt32LE(CURSOR.flags) & SHOWING) === 0 ? 0n : cursor.readBigUInt64LE(CURSOR.handle);
}

export function readWindowsCursor(windows: Windows, handle: bigint): CursorPicture | null {
  if (handle === 0n) return null;
  const icon = Buffer.alloc(ICON.size);
  if (windows.GetIconInfo(handle, icon) === 0) return arrow(); // of a program that has just ended
  const [mask, colours] = [icon.readBigUInt64LE(ICON.mask), icon.readBigUInt64LE(ICON.colours)];
  try {
    const masks = readBitmap(windows, mask);
    const picture = colours === 0n ? fromMasks(masks) : fromColours(readBitmap(windows, colours), masks);
    if (picture === null) return arrow();
    const hot = { hotX: icon.readUInt32LE(ICON.hotX), hotY: icon.readUInt32LE(ICON.hotY) };
    return { ...picture, hotX: Math.min(hot.hotX, picture.width - 1), hotY: Math.min(hot.hotY, picture.height - 1) };
  } finally {
    windows.DeleteObject(mask);
    if (colours !== 0n) windows.DeleteObject(colours);
  }
}

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Bytes;
}

/** As BGRA, whatever the bitmap's own form is. */
function readBitmap(windows: Windows, handle: bigint): Picture | null {
  const bitmap = Buffer.alloc(BITMAP.size);
  if (windows.GetObjectW(handle, BITMAP.size, bitmap) === 0) return null;
  const [width, height] = [bitmap.readInt32LE(BITMAP.width), bitmap.readInt32LE(BITMAP.height)];
  if (width < 1 || height < 1 || width > MAX_SIDE || height > 2 * MAX_SIDE) return null;
  const pixels = new Uint8Array(width * height * PIXEL_BYTES);
  const context = windows.CreateCompatibleDC(0n);
  const rows = windows.GetDIBits(context, handle, 0, height, pixels, bitmapInfo(width, height), 0);
  windows.DeleteDC(context);
  return rows === height ? { width, height, pixels } : null;
}

/** One whose alpha is nowhere set has none: its mask says what is seen. */
export function fromColours(colours: Picture | null, mask: Picture | null): Picture | null {
  if (colours === null) return null;
  const pixels = colours.pixels.slice();
  const alphas = pixels.filter((_, at) => at % PIXEL_BYTES === 3);
  if (alphas.some(alpha => alpha !== 0)) return { ...colours, pixels };
  for (let at = 0; at < pixels.length; at += PIXEL_BYTES) pixels[at + 3] = mask?.pixels[at] === 0 ? 255 : 0;
  return { ...colours, pixels };
}

/**
 * Two masks, one below the other: what is kept of the screen, and what is turned over on it. What is kept and turned over, as
 * the text cursor is everywhere, is black here: a picture can't turn over what is under it.
 */
export function fromMasks(masks: Picture | null): Picture | null {
  if (masks === null || masks.height < 2) return null;
  const height = Math.floor(masks.height / 2);
  const pixels = new Uint8Array(masks.width * height * PIXEL_BYTES);
  for (let at = 0; at < pixels.length; at += PIXEL_BYTES) {
    const [keep, turn] = [masks.pixels[at] !== 0, masks.pixels[pixels.length + at] !== 0];
    if (keep && !turn) continue;
    pixels.fill(keep ? 0 : turn ? 255 : 0, at, at + 3);
    pixels[at + 3] = 255;
  }
  return { width: masks.width, height, pixels };
}
