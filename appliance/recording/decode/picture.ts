// The picture as the stream draws it, and what changed in it since somebody looked.
import { type Bytes, malformed } from '../../protocol/bytes.ts';
import { TILE_SIDE, TileGrid } from '../../protocol/rcrec-records.ts';
import type { RfbArea } from '../../protocol/rfb-client-messages.ts';

export const CHANNELS = 4;
const MAX_MOVES = 8;
/** Of a JPEG for each pixel; a longer one is kept as pixels. */
const MAX_LOSSY_BYTES = 3;

/** A part of the picture went from one place to another. */
export interface Move {
  readonly dx: number;
  readonly dy: number;
}

/** A part of the picture that came as a JPEG. */
export interface Lossy {
  readonly area: RfbArea;
  readonly jpeg: Bytes;
}

/** The low byte is the first: no machine this runs on has it otherwise. */
export function wordsOf(pixels: Bytes): Uint32Array {
  return new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length / CHANNELS);
}

export class Picture {
  #grid: TileGrid;
  #pixels: Bytes;
  #words: Uint32Array;
  #changed: Uint8Array;
  #moves = new Map<string, Move>();
  /** JPEGs since somebody looked, and for each tile the one that drew all of it last, counted from 1. */
  #lossy: Lossy[] = [];
  #lossyOf: Uint32Array;
  #isResized = true;

  constructor(width: number, height: number) {
    this.#grid = new TileGrid(width, height);
    this.#pixels = new Uint8Array(width * height * CHANNELS);
    this.#words = wordsOf(this.#pixels);
    this.#changed = new Uint8Array(this.#grid.count);
    this.#lossyOf = new Uint32Array(this.#grid.count);
  }

  get grid(): TileGrid {
    return this.#grid;
  }

  /** Blue, green, red and one that means nothing, row by row. */
  get pixels(): Bytes {
    return this.#pixels;
  }

  /** The same, a pixel in each. */
  get words(): Uint32Array {
    return this.#words;
  }

  get isResized(): boolean {
    return this.#isResized;
  }

  get isChanged(): boolean {
    return this.#isResized || this.#changed.includes(1);
  }

  isTileChanged(tile: number): boolean {
    return this.#changed[tile] === 1;
  }

  /** The tile changed, and is what a JPEG of `lossy` has drawn. */
  isTileLossy(tile: number): boolean {
    return (this.#lossyOf[tile] ?? 0) > 0;
  }

  /** JPEGs since somebody looked of which a tile can still be seen, in their order. */
  get lossy(): Lossy[] {
    const seen = new Set(this.#lossyOf);
    return this.#lossy.filter((_, index) => seen.has(index + 1));
  }

  /** Moves since somebody looked, the last ones. */
  get moves(): Move[] {
    return [...this.#moves.values()];
  }

  /** Somebody has looked. */
  seen(): void {
    this.#changed.fill(0);
    this.#moves.clear();
    this.#forgetLossy();
    this.#isResized = false;
  }

  /** @throws ApplianceError `protocol.malformed` */
  resize(width: number, height: number): void {
    if (width === this.#grid.width && height === this.#grid.height) return;
    this.#grid = new TileGrid(width, height);
    this.#pixels = new Uint8Array(width * height * CHANNELS);
    this.#words = wordsOf(this.#pixels);
    this.#changed = new Uint8Array(this.#grid.count);
    this.#lossyOf = new Uint32Array(this.#grid.count);
    this.#lossy = [];
    this.#moves.clear();
    this.#isResized = true;
  }

  /** @throws ApplianceError `protocol.malformed` for an area that is not wholly inside */
  check({ x, y, width, height }: RfbArea): void {
    if (x + width > this.#grid.width || y + height > this.#grid.height)
      throw malformed(`an area outside of the picture: ${width} × ${height} at ${x}, ${y}`);
  }

  /** Where a pixel is in `pixels`. */
  at(x: number, y: number): number {
    return (y * this.#grid.width + x) * CHANNELS;
  }

  touch(area: RfbArea): void {
    if (area.width === 0 || area.height === 0) return;
    const { columns } = this.#grid;
    const [left, right] = [Math.floor(area.x / TILE_SIDE), Math.floor((area.x + area.width - 1) / TILE_SIDE)];
    const [top, bottom] = [Math.floor(area.y / TILE_SIDE), Math.floor((area.y + area.height - 1) / TILE_SIDE)];
    for (let row = top; row <= bottom; row++) {
      this.#changed.fill(1, row * columns + left, row * columns + right + 1);
      this.#lossyOf.fill(0, row * columns + left, row * columns + right + 1);
    }
  }

  /** The same for what came as a JPEG. */
  touchLossy(area: RfbArea, jpeg: Bytes): void {
    this.touch(area);
    if (jpeg.length > area.width * area.height * MAX_LOSSY_BYTES) return;
    const { width, height, columns } = this.#grid;
    const first = (from: number) => Math.ceil(from / TILE_SIDE);
    const last = (to: number, side: number) => (to === side ? Math.ceil(to / TILE_SIDE) : Math.floor(to / TILE_SIDE));
    const [left, right] = [first(area.x), last(area.x + area.width, width)];
    const [top, bottom] = [first(area.y), last(area.y + area.height, height)];
    if (left >= right || top >= bottom) return;
    if (this.#lossy.length > this.#grid.count * 2) this.#pruneLossy();
    const number = this.#lossy.push({ area, jpeg });
    for (let row = top; row < bottom; row++) this.#lossyOf.fill(number, row * columns + left, row * columns + right);
  }

  fill(area: RfbArea, blue: number, green: number, red: number): void {
    const word = blue | (green << 8) | (red << 16);
    for (let row = area.y; row < area.y + area.height; row++) {
      const at = row * this.#grid.width + area.x;
      this.#words.fill(word, at, at + area.width);
    }
    this.touch(area);
  }

  /** From another place of the picture, which may lie over this one. */
  copy(area: RfbArea, fromX: number, fromY: number): void {
    this.check({ ...area, x: fromX, y: fromY });
    const isDown = fromY < area.y;
    for (let step = 0; step < area.height; step++) {
      const row = isDown ? area.height - 1 - step : step;
      const from = this.at(fromX, fromY + row);
      this.#pixels.copyWithin(this.at(area.x, area.y + row), from, from + area.width * CHANNELS);
    }
    const [dx, dy] = [area.x - fromX, area.y - fromY];
    if (this.#moves.size < MAX_MOVES) this.#moves.set(`${dx},${dy}`, { dx, dy });
    this.touch(area);
  }

  #forgetLossy(): void {
    if (this.#lossy.length === 0) return;
    this.#lossy = [];
    this.#lossyOf.fill(0);
  }

  /** Those nobody can see any more are let go. */
  #pruneLossy(): void {
    const kept = this.lossy;
    const numbers = new Map(kept.map((lossy, index) => [this.#lossy.indexOf(lossy) + 1, index + 1]));
    for (const [tile, number] of this.#lossyOf.entries()) this.#lossyOf[tile] = numbers.get(number) ?? 0;
    this.#lossy = kept;
  }
}
