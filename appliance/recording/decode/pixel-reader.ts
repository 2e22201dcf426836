// Reads pixels as a viewer has asked for them, into blue, green, red.
import type { Bytes } from '../../protocol/bytes.ts';
import type { PixelFormat } from '../../protocol/rfb.ts';
import { CHANNELS } from './picture.ts';

export class PixelReader {
  readonly #format: PixelFormat;
  /** Bytes of a pixel. */
  readonly bytes: number;
  /** Bytes of a pixel in Tight: three where the format has eight bits of each colour (TPIXEL). */
  readonly tightBytes: number;
  /** Where blue, green and red are in a pixel of four bytes; null where they are no whole bytes. */
  readonly #order: readonly [number, number, number] | null;

  constructor(format: PixelFormat) {
    this.#format = format;
    this.bytes = format.bitsPerPixel / 8;
    const { redMax, greenMax, blueMax, redShift, greenShift, blueShift } = format;
    const isEight = redMax === 255 && greenMax === 255 && blueMax === 255;
    this.tightBytes = format.bitsPerPixel === 32 && format.depth === 24 && isEight ? 3 : this.bytes;
    const shifts = [blueShift, greenShift, redShift] as const;
    const place = (shift: number) => (format.bigEndian ? 3 - shift / 8 : shift / 8);
    const isWhole = format.bitsPerPixel === 32 && isEight && shifts.every(shift => shift % 8 === 0);
    this.#order = isWhole ? [place(blueShift), place(greenShift), place(redShift)] : null;
  }

  /** @param to where the first pixel goes in `into`, which has CHANNELS bytes for each */
  read(from: Bytes, at: number, count: number, into: Bytes, to: number): void {
    if (this.#order === null) return void this.#readBits(from, at, count, into, to);
    const [blue, green, red] = this.#order;
    for (const end = at + count * 4; at < end; at += 4, to += CHANNELS) {
      into[to] = from[at + blue] ?? 0;
      into[to + 1] = from[at + green] ?? 0;
      into[to + 2] = from[at + red] ?? 0;
    }
  }

  /** The same for pixels of `tightBytes`. */
  readTight(from: Bytes, at: number, count: number, into: Bytes, to: number): void {
    if (this.tightBytes !== 3) return void this.read(from, at, count, into, to);
    for (const end = at + count * 3; at < end; at += 3, to += CHANNELS) {
      into[to] = from[at + 2] ?? 0;
      into[to + 1] = from[at + 1] ?? 0;
      into[to + 2] = from[at] ?? 0;
    }
  }

  #readBits(from: Bytes, at: number, count: number, into: Bytes, to: number): void {
    const { bigEndian, redMax, greenMax, blueMax, redShift, greenShift, blueShift } = this.#format;
    const size = this.bytes;
    for (let pixel = 0; pixel < count; pixel++, at += size, to += CHANNELS) {
      let value = 0;
      for (let byte = 0; byte < size; byte++)
        value = value * 256 + (from[at + (bigEndian ? byte : size - 1 - byte)] ?? 0);
      into[to] = scaled(value, blueShift, blueMax);
      into[to + 1] = scaled(value, greenShift, greenMax);
      into[to + 2] = scaled(value, redShift, redMax);
    }
  }
}

function scaled(value: number, shift: number, max: number): number {
  return Math.round((((value >>> shift) & max) * 255) / max);
}
