// Zip Motion Blocks Video with 256 colours, which ffmpeg and VLC play. Source: the format as DOSBox documents it.
//   flags uint8: 1 key picture, 2 the palette changes
//   of a key picture: version 0 1 | compression 1 (zlib) | format 4 (8 bits a pixel) | width and height of a block
//   zlib, one stream from one key picture to the next, flushed after each picture:
//     key      palette, 256 × red green blue | pixels
//     others   changes of the palette, by exclusive or | for each block: twice x, its lowest bit: it changes; twice y, of where
//              it comes from | zeroes to a multiple of four | changes of those blocks, by exclusive or
import { constants, createDeflate, type Deflate } from 'node:zlib';
import type { Bytes } from '../../protocol/bytes.ts';
import { BLOCK, type Block, changedBlocks, MotionSearch } from './motion.ts';
import { Palette, PLACES } from './palette.ts';

const KEY = 1;
const NEW_PALETTE = 2;
const VERSION = [0, 1] as const;
const COMPRESSION_ZLIB = 1;
const FORMAT_8_BITS = 4;

export interface EncodedFrame {
  readonly bytes: Uint8Array;
  readonly isKey: boolean;
}

export class ZmbvEncoder {
  readonly #width: number;
  readonly #height: number;
  readonly #palette = new Palette();
  readonly #motion: MotionSearch;
  /** The palette as a player has it: red, green, blue. */
  #sentPalette = new Uint8Array(PLACES * 3);
  /** The last picture: places, and what they were made from. */
  readonly #places: Uint8Array;
  #seen: Uint32Array<ArrayBuffer> | null = null;
  #deflate: Deflate | null = null;
  #chunks: Buffer[] = [];

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.#places = new Uint8Array(width * height);
    this.#motion = new MotionSearch(width, height);
  }

  /**
   * @param pixels red, green, blue, anything, of the whole picture
   * @param isKey whether a player can begin here
   */
  async frame(pixels: Bytes, isKey: boolean): Promise<EncodedFrame> {
    const words = new Uint32Array(pixels.buffer, pixels.byteOffset, this.#width * this.#height);
    if (isKey || this.#seen === null) return this.#key(words);
    return this.#delta(words, this.#seen);
  }

  close(): void {
    this.#deflate?.close();
  }

  async #key(words: Uint32Array<ArrayBuffer>): Promise<EncodedFrame> {
    const counts = new Map<number, number>();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    const colours = new Map<number, number>();
    for (const [word, count] of counts) colours.set(colourOf(word), (colours.get(colourOf(word)) ?? 0) + count);
    this.#palette.restart(colours);
    for (const [at, word] of words.entries()) this.#places[at] = this.#palette.use(colourOf(word));
    this.#seen = words.slice();
    this.#palette.takeChange();
    this.#sentPalette = this.#newPalette();
    this.#deflate?.close();
    this.#deflate = this.#newDeflate();
    const packed = await this.#pack(this.#deflate, [this.#sentPalette, this.#places]);
    const head = [KEY, ...VERSION, COMPRESSION_ZLIB, FORMAT_8_BITS, BLOCK, BLOCK];
    return { bytes: Buffer.concat([Uint8Array.from(head), packed]), isKey: true };
  }

  async #delta(words: Uint32Array<ArrayBuffer>, seen: Uint32Array<ArrayBuffer>): Promise<EncodedFrame> {
    const blocks = changedBlocks(words, seen, this.#width, this.#height);
    this.#motion.start(words, seen);
    for (const block of blocks) block.vector = this.#motion.find(block);
    const vectors = new Uint8Array((this.#blockCount * 2 + 3) & ~3);
    const parts = [vectors, ...this.#change(blocks, words)];
    for (const { number, vector } of blocks) {
      vectors[number * 2] = vector === null ? 1 : vector.dx << 1;
      vectors[number * 2 + 1] = vector === null ? 0 : vector.dy << 1;
    }
    seen.set(words);
    const isPaletteNew = this.#palette.takeChange();
    if (isPaletteNew) {
      const palette = this.#newPalette();
      parts.unshift(palette.map((value, at) => value ^ (this.#sentPalette[at] ?? 0)));
      this.#sentPalette = palette;
    }
    this.#deflate ??= this.#newDeflate();
    const packed = await this.#pack(this.#deflate, parts);
    return { bytes: Buffer.concat([Uint8Array.of(isPaletteNew ? NEW_PALETTE : 0), packed]), isKey: false };
  }

  get #blockCount(): number {
    return Math.ceil(this.#width / BLOCK) * Math.ceil(this.#height / BLOCK);
  }

  /** @returns what changes in the blocks that don't come from elsewhere */
  #change(blocks: readonly Block[], words: Uint32Array): Uint8Array[] {
    const before = blocks.length === 0 ? this.#places : this.#places.slice();
    const at = (x: number, y: number) => y * this.#width + x;
    // Places of what is moved are still needed: no new colour may take one of them.
    for (const { x, y, width, height, vector } of blocks) {
      if (vector === null) continue;
      for (let row = y; row < y + height; row++)
        for (let column = x; column < x + width; column++)
          this.#palette.enter(before[at(column + vector.dx, row + vector.dy)] ?? 0);
    }
    return blocks.flatMap(({ x, y, width, height, vector }) => {
      const change = new Uint8Array(width * height);
      let to = 0;
      for (let row = y; row < y + height; row++) {
        for (let column = x; column < x + width; column++, to++) {
          const [here, old] = [at(column, row), before[at(column, row)] ?? 0];
          this.#palette.leave(old);
          const moved = vector === null ? null : (before[at(column + vector.dx, row + vector.dy)] ?? 0);
          const place = moved ?? this.#palette.use(colourOf(words[here] ?? 0));
          this.#places[here] = place;
          change[to] = old ^ place;
        }
      }
      return vector === null ? [change] : [];
    });
  }

  #newPalette(): Uint8Array<ArrayBuffer> {
    const palette = new Uint8Array(PLACES * 3);
    for (let at = 0; at < palette.length; at += 3) {
      palette[at] = this.#palette.colours[at + 2] ?? 0;
      palette[at + 1] = this.#palette.colours[at + 1] ?? 0;
      palette[at + 2] = this.#palette.colours[at] ?? 0;
    }
    return palette;
  }

  #newDeflate(): Deflate {
    const deflate = createDeflate({ level: 9, memLevel: 9, chunkSize: 64 * 1024 });
    deflate.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    return deflate;
  }

  async #pack(deflate: Deflate, parts: readonly Uint8Array[]): Promise<Buffer> {
    for (const part of parts) deflate.write(part.slice()); // what is written later must not change what waits
    await new Promise<void>(resolve => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    const packed = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return packed;
  }
}

/** Blue, green, red from the lowest byte on. */
function colourOf(word: number): number {
  return ((word >>> 16) & 255) | (word & 0xff00) | ((word & 255) << 16);
}
