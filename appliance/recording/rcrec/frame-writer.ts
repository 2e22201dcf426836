// Writes pictures as records: of the tiles that changed those that came from elsewhere in the picture, those that are known,
// and the others. What a tile is known by is SHA-256: nobody can have one tile shown for another.
import { hash } from 'node:crypto';
import type { Bytes, ByteWriter } from '../../protocol/bytes.ts';
import {
  TILE_MEMORY,
  TILE_PIXEL_BYTES,
  TILE_SIDE,
  type TileArea,
  type TileGrid,
  writeRecord,
} from '../../protocol/rcrec-records.ts';
import { CHANNELS, type Move, type Picture, wordsOf } from '../decode/picture.ts';

interface Source {
  readonly grid: TileGrid;
  readonly pixels: Bytes;
  /** The same, a pixel in each. */
  readonly words: Uint32Array;
}

const STILL: Move = { dx: 0, dy: 0 };
/** What is no colour in a pixel means nothing. */
const COLOUR = 0xff_ff_ff;

export class FrameWriter {
  /** As it is recorded: what a player has after the last frame. */
  #shown: Source | null = null;
  /** 1 for each tile of which a player has these very pixels: a JPEG comes out a little different in each decoder. */
  #exact = new Uint8Array();
  readonly #places = new Map<string, number>();
  #memory: string[] = [];
  #memorised = 0;
  readonly #room = new Uint8Array(TILE_SIDE * TILE_SIDE * TILE_PIXEL_BYTES);
  readonly #roomWords = new Uint32Array(this.#room.buffer);

  /** What is new in the picture since the last frame. */
  write(picture: Picture, to: ByteWriter): void {
    if (this.#shown === null || picture.isResized) {
      const pixels = picture.pixels.slice();
      this.#shown = { grid: picture.grid, pixels, words: wordsOf(pixels) };
      this.writeWhole(to);
    } else this.#writeChanges(picture, this.#shown, to);
    picture.seen();
  }

  /** The picture as it is recorded, so that nothing from before is needed: a segment begins. */
  writeWhole(to: ByteWriter): void {
    const shown = this.#shown;
    if (shown === null) return;
    const { grid } = shown;
    this.#exact = new Uint8Array(grid.count);
    this.#places.clear();
    this.#memory = [];
    this.#memorised = 0;
    writeRecord(to, { type: 'size', width: grid.width, height: grid.height });
    for (let tile = 0; tile < grid.count; tile++) this.#writeTile(tile, this.#pixelsOf(shown, grid.area(tile)), to);
  }

  #writeChanges(picture: Picture, shown: Source, to: ByteWriter): void {
    const { grid, lossy } = picture;
    const moves = [STILL, ...picture.moves];
    const before = this.#exact.slice();
    const others: number[] = [];
    for (let tile = 0; tile < grid.count; tile++) {
      if (!picture.isTileChanged(tile)) continue;
      this.#exact[tile] = 0;
      if (picture.isTileLossy(tile)) continue;
      const area = grid.area(tile);
      // A JPEG may reach into a tile that is another by now, or as it was: that comes after it.
      const move = lossy.some(one => isOver(one.area, area))
        ? undefined
        : moves.find(one => isExact(before, grid, area, one) && isMoved(picture, shown, area, one));
      if (move === undefined) {
        others.push(tile);
        continue;
      }
      if (move !== STILL) writeRecord(to, { type: 'copy', tile, x: area.x - move.dx, y: area.y - move.dy });
      this.#exact[tile] = 1;
    }
    for (const { area, jpeg } of lossy) writeRecord(to, { type: 'jpeg', ...area, jpeg });
    for (const tile of others) this.#writeTile(tile, this.#pixelsOf(picture, grid.area(tile)), to);
    for (let tile = 0; tile < grid.count; tile++)
      if (picture.isTileChanged(tile)) takeOver(picture, shown, grid.area(tile));
  }

  #writeTile(tile: number, pixels: Bytes, to: ByteWriter): void {
    this.#exact[tile] = 1;
    const key = keyOf(pixels);
    const place = this.#places.get(key);
    if (place !== undefined) return void writeRecord(to, { type: 'known', tile, place });
    writeRecord(to, { type: 'tile', tile, pixels });
    const free = this.#memorised++ % TILE_MEMORY;
    const forgotten = this.#memory[free];
    if (forgotten !== undefined) this.#places.delete(forgotten);
    this.#memory[free] = key;
    this.#places.set(key, free);
  }

  /** Blue, green, red; valid until the next call. */
  #pixelsOf({ grid, words }: Source, { x, y, width, height }: TileArea): Bytes {
    const [room, packed] = [this.#room, this.#roomWords];
    const fours = width & ~3; // four pixels are three words, where a line begins at one
    const isWhole = fours === width;
    let to = 0;
    for (let row = y; row < y + height; row++) {
      let from = row * grid.width + x;
      const end = from + width;
      if (isWhole) {
        for (let at = to >> 2; from < end; from += 4, at += 3) {
          const two = (words[from + 1] ?? 0) & COLOUR;
          const three = (words[from + 2] ?? 0) & COLOUR;
          packed[at] = ((words[from] ?? 0) & COLOUR) | (two << 24);
          packed[at + 1] = (two >>> 8) | (three << 16);
          packed[at + 2] = (three >>> 16) | ((words[from + 3] ?? 0) << 8);
        }
        to += width * TILE_PIXEL_BYTES;
      }
      for (; from < end; from++, to += TILE_PIXEL_BYTES) {
        const word = words[from] ?? 0;
        room[to] = word;
        room[to + 1] = word >>> 8;
        room[to + 2] = word >>> 16;
      }
    }
    return room.subarray(0, to);
  }
}

/** Tiles of other sizes at the edges have other lengths, so their bytes are never the same. */
function keyOf(pixels: Bytes): string {
  return hash('sha256', pixels, 'latin1');
}

function isOver(one: TileArea, other: TileArea): boolean {
  const isAcross = one.x < other.x + other.width && other.x < one.x + one.width;
  return isAcross && one.y < other.y + other.height && other.y < one.y + one.height;
}

/** Whether a player has the very pixels of where the tile came from; false, too, where that is not in the picture. */
function isExact(exact: Uint8Array, grid: TileGrid, { x, y, width, height }: TileArea, { dx, dy }: Move): boolean {
  const [left, top] = [x - dx, y - dy];
  if (left < 0 || top < 0 || left + width > grid.width || top + height > grid.height) return false;
  const [first, last] = [Math.floor(left / TILE_SIDE), Math.floor((left + width - 1) / TILE_SIDE)];
  for (let row = Math.floor(top / TILE_SIDE); row <= Math.floor((top + height - 1) / TILE_SIDE); row++)
    for (let column = first; column <= last; column++) if (exact[row * grid.columns + column] !== 1) return false;
  return true;
}

/** Whether the tile is what was there, that much away, in the picture as it is recorded. */
function isMoved(now: Source, before: Source, { x, y, width, height }: TileArea, { dx, dy }: Move): boolean {
  const line = now.grid.width;
  const [to, from] = [now.words, before.words];
  const back = dy * line + dx;
  for (let row = y; row < y + height; row++) {
    const start = row * line + x;
    for (let at = start; at < start + width; at++)
      if ((((to[at] ?? 0) ^ (from[at - back] ?? 0)) & COLOUR) !== 0) return false;
  }
  return true;
}

/** Row by row without a view of each: a window that is pulled about has tens of thousands of rows a second. */
function takeOver(now: Source, shown: Source, { x, y, width, height }: TileArea): void {
  const [from, to] = [bufferOf(now.pixels), bufferOf(shown.pixels)];
  for (let row = y; row < y + height; row++) {
    const at = (row * shown.grid.width + x) * CHANNELS;
    from.copy(to, at, at, at + width * CHANNELS);
  }
}

function bufferOf({ buffer, byteOffset, byteLength }: Bytes): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
