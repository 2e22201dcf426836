// Areas of our own picture encoding, out of what was decompressed (customer-core/README.md): each is checked against the box
// it must lie in before anything is made of it, and together they paint that box a few times at most.
import type { Rectangle } from '../../customer-core/screen-source.ts';

const KIND = { fill: 1, places: 2, colours: 3 } as const;
const PALETTE = 256;
const OPAQUE = 255;
/** An exact area may follow a lossy one, and a moved one both. */
const MAX_COATS = 4;

/** Numbers of one area in `areas`: x, y, width, height, and its colour as 0xRRGGBB, or OWN_PIXELS. */
export const AREA_NUMBERS = 5;
export const OWN_PIXELS = -1;

export interface Painted {
  readonly areas: Int32Array<ArrayBuffer>;
  /** RGBA of those areas that have pixels of their own, one after the other. */
  readonly pixels: Uint8Array<ArrayBuffer>;
}

export class AreaReader {
  /** 0xRRGGBB; it lasts from the first rectangle to the last. */
  readonly #palette = new Int32Array(PALETTE);
  #plain: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** @throws RangeError when it is not what an encoder writes */
  read(plain: Uint8Array, box: Rectangle): Painted {
    this.#plain = plain;
    this.#at = 0;
    const areas: number[] = [];
    const pieces: Uint8Array[] = [];
    for (let left = MAX_COATS * box.width * box.height; this.#at < plain.length; ) {
      const kind = this.#byte();
      const area = { x: this.#two(), y: this.#two(), width: this.#two(), height: this.#two() };
      const size = area.width * area.height;
      left -= size;
      if (size === 0 || !lies(area, box)) throw new RangeError('an area outside of its box');
      if (left < 0) throw new RangeError('areas that paint their box over and over');
      const colour = this.#body(kind, area, pieces);
      areas.push(area.x, area.y, area.width, area.height, colour);
    }
    return { areas: Int32Array.from(areas), pixels: joined(pieces) };
  }

  #body(kind: number, area: Rectangle, pieces: Uint8Array[]): number {
    if (kind === KIND.colours) {
      pieces.push(this.#colours(area));
      return OWN_PIXELS;
    }
    if (kind !== KIND.fill && kind !== KIND.places) throw new RangeError(`an area of kind ${kind}`);
    this.#changes();
    if (kind === KIND.fill) return this.#palette[this.#byte()] ?? 0;
    pieces.push(this.#places(area.width * area.height));
    return OWN_PIXELS;
  }

  #changes(): void {
    for (let count = this.#byte(); count > 0; count--) {
      const place = this.#byte();
      const [blue, green, red] = [this.#byte(), this.#byte(), this.#byte()];
      this.#palette[place] = (red << 16) | (green << 8) | blue;
    }
  }

  #places(size: number): Uint8Array {
    this.#has(size);
    const rgba = new Uint8Array(4 * size);
    for (let i = 0, out = 0; i < size; i++) {
      const colour = this.#palette[this.#plain[this.#at++] ?? 0] ?? 0;
      rgba[out++] = colour >> 16;
      rgba[out++] = colour >> 8;
      rgba[out++] = colour;
      rgba[out++] = OPAQUE;
    }
    return rgba;
  }

  /** Expected is left + above − above left, each 0 outside of the area. */
  #colours({ width, height }: Rectangle): Uint8Array {
    this.#has(3 * width * height);
    const rgba = new Uint8Array(4 * width * height);
    const plain = this.#plain;
    const row = 4 * width;
    let at = this.#at;
    for (let y = 0, out = 0; y < height; y++) {
      for (let x = 0; x < width; x++, out += 4) {
        const [byBlue, byGreen, byRed] = [plain[at] ?? 0, plain[at + 1] ?? 0, plain[at + 2] ?? 0];
        at += 3;
        const rise = [byRed + byGreen, byGreen, byBlue + byGreen];
        for (let c = 0; c < 3; c++) {
          const left = x === 0 ? 0 : (rgba[out + c - 4] ?? 0);
          const above = y === 0 ? 0 : (rgba[out + c - row] ?? 0);
          const aboveLeft = x === 0 || y === 0 ? 0 : (rgba[out + c - row - 4] ?? 0);
          rgba[out + c] = left + above - aboveLeft + (rise[c] ?? 0);
        }
        rgba[out + 3] = OPAQUE;
      }
    }
    this.#at = at;
    return rgba;
  }

  #two(): number {
    return this.#byte() * 256 + this.#byte();
  }

  #byte(): number {
    this.#has(1);
    return this.#plain[this.#at++] ?? 0;
  }

  #has(count: number): void {
    if (this.#at + count > this.#plain.length) throw new RangeError('an area that is cut off');
  }
}

function lies({ x, y, width, height }: Rectangle, box: Rectangle): boolean {
  return x >= box.x && y >= box.y && x + width <= box.x + box.width && y + height <= box.y + box.height;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
