// Pixels as 32-bit words, the way every loop here reads them: blue in the lowest byte, then green, red, and one that means
// nothing. Little-endian machines only, which is what the applet and every supported browser run on.
import { defect } from '../../errors.ts';
import { type Grabbed, PIXEL_BYTES, type Rectangle } from '../screen-source.ts';

export interface Pixels {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  /** Words from one row to the next. */
  readonly stride: number;
}

export const COLOUR = 0xff_ffff;

/** Black, without gaps, and with a row to spare below: a JPEG encoder may ask for whole rows from anywhere in the last. */
export function newPixels(width: number, height: number): Pixels {
  return { words: new Uint32Array(width * (height + 1)), width, height, stride: width };
}

/** A view of what was grabbed; a copy where it does not lie on a word's boundary. */
export function pixelsOf({ pixels, stride }: Grabbed, { width, height }: Rectangle): Pixels {
  const bytes = height === 0 ? 0 : (height - 1) * stride + width * PIXEL_BYTES;
  if (stride % PIXEL_BYTES !== 0 || stride < width * PIXEL_BYTES || pixels.length < bytes) {
    throw defect(`${pixels.length} bytes grabbed of ${width}×${height} pixels, ${stride} bytes a row`);
  }
  const aligned = pixels.byteOffset % PIXEL_BYTES === 0 ? pixels : pixels.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, bytes / PIXEL_BYTES);
  return { words, width, height, stride: stride / PIXEL_BYTES };
}

/** Shorter rows are copied sooner than handed over. */
const MIN_WIDE = 32;

export function copyPixels(from: Pixels, to: Pixels, { x, y, width, height }: Rectangle): void {
  const source = from.words;
  const target = to.words;
  for (let row = y; row < y + height; row++) {
    const a = row * from.stride + x;
    const b = row * to.stride + x;
    if (width >= MIN_WIDE) target.set(source.subarray(a, a + width), b);
    else for (let i = 0; i < width; i++) target[b + i] = source[a + i] ?? 0;
  }
}

/** Bytes of `width` pixels of one row, or of whole rows where they lie without gaps. */
export function bytesOf({ words, stride }: Pixels, x: number, y: number, width: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + (y * stride + x) * PIXEL_BYTES, width * PIXEL_BYTES);
}
