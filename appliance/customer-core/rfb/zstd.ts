// Our own encoding, for viewers that name it: many areas in one rectangle, and one zstd frame (RFC 8878) from the first
// rectangle to the last, flushed after each. The rectangle is the box around its areas; behind its head stand
//   compressed uint32 · plain uint32, at most MAX_PLAIN_BYTES · the compressed bytes
// which decompress to areas, one after another and nothing else, in pixels of the whole picture:
//   kind 1 byte · x y width height uint16, then
//     1 fill     changes · the place of every pixel
//     2 places   changes · the place of each pixel, row by row
//     3 colours  each pixel, row by row: blue − green, green, red − green, each less what its neighbours let expect
// Places are those of one palette of 256 that begins black and lasts as long as the stream; changes are their number, uint8,
// and for each: place, blue, green, red. What is expected is left + above − above left, each 0 outside of the area. All sums
// are modulo 256.
import { type Bytes, ByteWriter, concat } from '../../protocol/bytes.ts';
import { ENCODING } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';
import type { StreamCompressor } from '../picture-codecs.ts';
import type { Rectangle } from '../screen-source.ts';
import { type AreaEncoder, MAX_PAINTED_BYTES } from './area-encoder.ts';
import { MAX_AREA_PIXELS } from './merge.ts';
import { Palette, PLACES } from './palette.ts';
import type { Pixels } from './pixels.ts';

export const MAX_PLAIN_BYTES = MAX_PAINTED_BYTES;
/** A rectangle with so much is done: the compressor's blocks are no longer either. */
const ENOUGH_BYTES = 128 * 1024;

const KIND = { fill: 1, places: 2, colours: 3 } as const;
const HEAD_BYTES = 9;
/** The most one area takes. */
const MAX_AREA_BYTES = HEAD_BYTES + 3 * MAX_AREA_PIXELS;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export class ZstdEncoder implements AreaEncoder {
  readonly #compressor: StreamCompressor;
  readonly #palette = new Palette();
  readonly #plain: Bytes = new Uint8Array(MAX_PLAIN_BYTES);
  #used = 0;
  /** Around the areas. */
  #box: Box | null = null;
  /** Where the places of an area go before it is known how many changes stand in front of them. */
  readonly #places: Bytes = new Uint8Array(MAX_AREA_PIXELS);

  constructor(compressor: StreamCompressor) {
    this.#compressor = compressor;
  }

  get count(): number {
    return this.#box === null ? 0 : 1;
  }

  get full(): boolean {
    return this.#used >= ENOUGH_BYTES || this.#used + MAX_AREA_BYTES > MAX_PLAIN_BYTES;
  }

  few(pixels: Pixels, area: Rectangle): boolean {
    if (!this.#palette.index(pixels, area, PLACES - 1, this.#places, 0)) return false;
    const fill = this.#palette.usedCount === 1;
    this.#head(fill ? KIND.fill : KIND.places, area);
    this.#changes();
    const places = this.#places.subarray(0, fill ? 1 : area.width * area.height);
    this.#plain.set(places, this.#used);
    this.#used += places.length;
    return true;
  }

  many(pixels: Pixels, area: Rectangle): void {
    this.#head(KIND.colours, area);
    this.#used = writeColours(pixels, area, this.#plain, this.#used);
  }

  async finish(): Promise<Bytes[]> {
    if (this.#box === null) return [];
    const { left, top, right, bottom } = this.#box;
    const plain = this.#plain.subarray(0, this.#used);
    const compressed = await this.#compressor.compress(plain);
    const lengths = new ByteWriter(8).uint(4, compressed.length).uint(4, plain.length).done();
    const area = { x: left, y: top, width: right - left, height: bottom - top };
    this.#used = 0;
    this.#box = null;
    return [writeRectangle(area, ENCODING.zstd, concat(lengths, compressed))];
  }

  close(): void {
    this.#compressor.close();
  }

  #head(kind: number, area: Rectangle): void {
    const { x, y, width, height } = area;
    const plain = this.#plain;
    plain[this.#used++] = kind;
    for (const value of [x, y, width, height]) {
      plain[this.#used++] = value >> 8;
      plain[this.#used++] = value;
    }
    const [right, bottom] = [x + width, y + height];
    const box = this.#box ?? { left: x, top: y, right, bottom };
    this.#box = {
      ...{ left: Math.min(box.left, x), top: Math.min(box.top, y) },
      ...{ right: Math.max(box.right, right), bottom: Math.max(box.bottom, bottom) },
    };
  }

  #changes(): void {
    const { freshCount } = this.#palette;
    this.#plain[this.#used++] = freshCount;
    for (let i = 0; i < freshCount; i++) {
      const place = this.#palette.freshPlace(i);
      const colour = this.#palette.colour(place);
      this.#plain[this.#used++] = place;
      this.#plain[this.#used++] = colour;
      this.#plain[this.#used++] = colour >>> 8;
      this.#plain[this.#used++] = colour >>> 16;
    }
  }
}

/** @returns where the next byte goes */
function writeColours({ words, stride }: Pixels, area: Rectangle, out: Uint8Array, start: number): number {
  let to = start;
  for (let y = 0; y < area.height; y++) {
    const row = (area.y + y) * stride + area.x;
    let left = 0;
    let aboveLeft = 0;
    for (let x = 0; x < area.width; x++) {
      const word = words[row + x] ?? 0;
      const above = y === 0 ? 0 : (words[row + x - stride] ?? 0);
      const green = ((word >>> 8) & 255) - ((left >>> 8) & 255) - ((above >>> 8) & 255) + ((aboveLeft >>> 8) & 255);
      out[to++] = (word & 255) - (left & 255) - (above & 255) + (aboveLeft & 255) - green;
      out[to++] = green;
      out[to++] =
        ((word >>> 16) & 255) - ((left >>> 16) & 255) - ((above >>> 16) & 255) + ((aboveLeft >>> 16) & 255) - green;
      left = word;
      aboveLeft = above;
    }
  }
  return to;
}
