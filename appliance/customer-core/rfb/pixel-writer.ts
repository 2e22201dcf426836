// Writes pixels the way a viewer asked for them (RFC 6143 §7.4).
import type { PixelFormat } from '../../protocol/rfb.ts';
import type { Rectangle } from '../screen-source.ts';
import type { Pixels } from './pixels.ts';

export class PixelWriter {
  /** Bytes of a pixel. */
  readonly size: number;
  /** Bytes of a pixel in Tight, which sends red, green and blue alone where each has eight bits. */
  readonly tightSize: number;
  readonly #format: PixelFormat;

  constructor(format: PixelFormat) {
    this.#format = format;
    this.size = format.bitsPerPixel / 8;
    const { redMax, greenMax, blueMax } = format;
    const plain = format.bitsPerPixel === 32 && format.depth === 24 && (redMax & greenMax & blueMax) === 255;
    this.tightSize = plain ? 3 : this.size;
  }

  /** One colour: blue in the lowest byte, then green and red. @returns where the next goes */
  write(colour: number, out: Uint8Array, at: number): number {
    const { redShift, greenShift, blueShift, bigEndian } = this.#format;
    const red = scaled((colour >>> 16) & 255, this.#format.redMax) << redShift;
    const green = scaled((colour >>> 8) & 255, this.#format.greenMax) << greenShift;
    const pixel = red | green | (scaled(colour & 255, this.#format.blueMax) << blueShift);
    for (let i = 0; i < this.size; i++) out[at + i] = pixel >>> (8 * (bigEndian ? this.size - 1 - i : i));
    return at + this.size;
  }

  /** One colour in Tight. @returns where the next goes */
  writeTight(colour: number, out: Uint8Array, at: number): number {
    if (this.tightSize !== 3) return this.write(colour, out, at);
    out[at] = colour >>> 16;
    out[at + 1] = colour >>> 8;
    out[at + 2] = colour;
    return at + 3;
  }

  /** An area row by row. @returns where the next goes */
  area(pixels: Pixels, area: Rectangle, out: Uint8Array, start: number): number {
    return this.#each(pixels, area, start, (colour, at) => this.write(colour, out, at));
  }

  areaTight(pixels: Pixels, area: Rectangle, out: Uint8Array, start: number): number {
    return this.#each(pixels, area, start, (colour, at) => this.writeTight(colour, out, at));
  }

  #each(
    pixels: Pixels,
    { x, y, width, height }: Rectangle,
    start: number,
    write: (colour: number, at: number) => number,
  ) {
    const { words, stride } = pixels;
    let at = start;
    for (let row = y; row < y + height; row++) {
      const end = row * stride + x + width;
      for (let i = row * stride + x; i < end; i++) at = write(words[i] ?? 0, at);
    }
    return at;
  }
}

/** 0 to 255 in 0 to `max`, to the nearest. */
function scaled(value: number, max: number): number {
  return max === 255 ? value : Math.round((value * max) / 255);
}
