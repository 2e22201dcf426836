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
import { CHANNELS, type Move, type Picture } from '../decode/picture.ts';

interface Source {
  readonly grid: TileGrid;
  readonly pixels: Bytes;
}

export class FrameWriter {
  /** As it is recorded: what a player has after the last frame. */
  #shown: Source | null = null;
  /** What each tile of it is known by. */
  #keys: string[] = [];
  readonly #places = new Map<string, number>();
  #memory: string[] = [];
  #memorised = 0;
  readonly #room = new Uint8Array(TILE_SIDE * TILE_SIDE * TILE_PIXEL_BYTES);

  /** What is new in the picture since the last frame. */
  write(picture: Picture, to: ByteWriter): void {
    if (this.#shown === null || picture.isResized) {
      this.#shown = { grid: picture.grid, pixels: picture.pixels.slice() };
      this.writeWhole(to);
    } else this.#writeChanges(picture, this.#shown, to);
    picture.seen();
  }

  /** The picture as it is recorded, so that nothing from before is needed: a segment begins. */
  writeWhole(to: ByteWriter): void {
    const shown = this.#shown;
    if (shown === null) return;
    const { grid } = shown;
    this.#keys = [];
    this.#places.clear();
    this.#memory = [];
    this.#memorised = 0;
    writeRecord(to, { type: 'size', width: grid.width, height: grid.height });
    for (let tile = 0; tile < grid.count; tile++) {
      const pixels = this.#pixelsOf(shown, grid.area(tile));
      this.#writeTile(tile, keyOf(pixels), pixels, to);
    }
  }

  #writeChanges(picture: Picture, shown: Source, to: ByteWriter): void {
    const { grid, moves } = picture;
    const others: { readonly tile: number; readonly key: string }[] = [];
    for (let tile = 0; tile < grid.count; tile++) {
      if (!picture.isTileChanged(tile)) continue;
      if (picture.isTileLossy(tile)) {
        this.#keys[tile] = '';
        continue;
      }
      const area = grid.area(tile);
      const key = keyOf(this.#pixelsOf(picture, area));
      if (key === this.#keys[tile]) continue;
      const move = moves.find(candidate => isMoved(picture, shown, area, candidate));
      if (move === undefined) {
        others.push({ tile, key });
        continue;
      }
      writeRecord(to, { type: 'copy', tile, x: area.x - move.dx, y: area.y - move.dy });
      this.#keys[tile] = key;
    }
    // A JPEG may reach into tiles that are others by now: they come after it.
    for (const { area, jpeg } of picture.lossy) writeRecord(to, { type: 'jpeg', ...area, jpeg });
    for (const { tile, key } of others) this.#writeTile(tile, key, this.#pixelsOf(picture, grid.area(tile)), to);
    for (let tile = 0; tile < grid.count; tile++)
      if (picture.isTileChanged(tile)) takeOver(picture, shown, grid.area(tile));
  }

  #writeTile(tile: number, key: string, pixels: Bytes, to: ByteWriter): void {
    this.#keys[tile] = key;
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
  #pixelsOf({ grid, pixels }: Source, { x, y, width, height }: TileArea): Bytes {
    const room = this.#room;
    let to = 0;
    for (let row = y; row < y + height; row++) {
      let from = (row * grid.width + x) * CHANNELS;
      for (const end = from + width * CHANNELS; from < end; from += CHANNELS, to += TILE_PIXEL_BYTES) {
        room[to] = pixels[from] ?? 0;
        room[to + 1] = pixels[from + 1] ?? 0;
        room[to + 2] = pixels[from + 2] ?? 0;
      }
    }
    return room.subarray(0, to);
  }
}

/** Tiles of other sizes at the edges have other lengths, so their bytes are never the same. */
function keyOf(pixels: Bytes): string {
  return hash('sha256', pixels, 'latin1');
}

/** Whether the tile is what was there, that much away, in the picture as it is recorded. */
function isMoved(now: Source, before: Source, area: TileArea, { dx, dy }: Move): boolean {
  const { x, y, width, height } = area;
  const [fromX, fromY] = [x - dx, y - dy];
  const { grid } = before;
  if (fromX < 0 || fromY < 0 || fromX + width > grid.width || fromY + height > grid.height) return false;
  const [to, from] = [bufferOf(now.pixels), bufferOf(before.pixels)];
  for (let row = 0; row < height; row++) {
    const at = ((y + row) * grid.width + x) * CHANNELS;
    const was = ((fromY + row) * grid.width + fromX) * CHANNELS;
    if (to.compare(from, was, was + width * CHANNELS, at, at + width * CHANNELS) !== 0) return false;
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
