// The customer's mouse cursor, from XFixes: read when it changes. It is never part of the captured picture.
import type { CursorImage, Fixes } from 'x11';
import { type CursorPicture, PIXEL_BYTES } from '../../customer-core/screen-source.ts';
import { refusalOf, type XConnection } from '../x11/connection.ts';
import { arrow } from './arrow.ts';

const BAD_ACCESS = 10;
/** A larger one would be no cursor but a picture that moves. */
const MAX_SIDE = 256;

/** @returns null where none is to be seen */
export async function readCursor(connection: XConnection, fixes: Fixes): Promise<CursorPicture | null> {
  try {
    return cursorPicture(await connection.ask<CursorImage>(answer => fixes.GetCursorImage(answer)));
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    // The server shows nobody a cursor whose owner has gone, such as one that xsetroot put on the desktop's ground.
    return refusal === BAD_ACCESS ? arrow() : null;
  }
}

export function isSameCursor(a: CursorPicture | null, b: CursorPicture | null): boolean {
  if (a === null || b === null) return a === b;
  const sameForm = a.width === b.width && a.height === b.height && a.hotX === b.hotX && a.hotY === b.hotY;
  return sameForm && Buffer.compare(a.pixels, b.pixels) === 0;
}

function cursorPicture({ width, height, xhot, yhot, cursorImage }: CursorImage): CursorPicture | null {
  if (width === 0 || height === 0 || width > MAX_SIDE || height > MAX_SIDE) return null;
  const pixels = new Uint8Array(width * height * PIXEL_BYTES);
  let visible = false;
  for (let at = 0; at < pixels.length; at += PIXEL_BYTES) {
    const alpha = cursorImage[at + 3] ?? 0;
    if (alpha === 0) continue; // a program that hides the cursor sets an empty one
    visible = true;
    for (let colour = at; colour < at + 3; colour++) {
      pixels[colour] = Math.min(255, Math.round(((cursorImage[colour] ?? 0) * 255) / alpha));
    }
    pixels[at + 3] = alpha;
  }
  return visible ? { width, height, hotX: Math.min(xhot, width - 1), hotY: Math.min(yhot, height - 1), pixels } : null;
}
