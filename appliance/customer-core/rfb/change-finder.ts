// Finds the tiles of a new picture that differ from what the viewer has, and the box around the difference in each. It
// looks only where the source says that something was drawn: row by row at the speed of memory first, then pixel by pixel
// from the edges of what differs.
import type { Rectangle } from '../screen-source.ts';
import { bytesOf, type Pixels } from './pixels.ts';
import { TILE, type Tiles } from './tiles.ts';

/** Compares bytes at the speed of memory; see PictureCodecs. */
export type SameBytes = (a: Uint8Array, b: Uint8Array) => boolean;

/** A shorter row is compared sooner than handed over. */
const MIN_WIDE = 128;

export class ChangeFinder {
  readonly #tiles: Tiles;
  readonly #same: SameBytes;

  constructor(tiles: Tiles, same: SameBytes) {
    this.#tiles = tiles;
    this.#same = same;
  }

  /** @param damage in pixels of the picture; null: anywhere */
  find(now: Pixels, shown: Pixels, damage: readonly Rectangle[] | null): void {
    const { width, height } = this.#tiles;
    this.#tiles.clear();
    for (const area of damage ?? [{ x: 0, y: 0, width, height }]) {
      const left = Math.max(0, area.x);
      const right = Math.min(width, area.x + area.width);
      const end = Math.min(height, area.y + area.height);
      for (let top = Math.max(0, area.y); top < end && left < right; ) {
        const bottom = Math.min(end, top - (top % TILE) + TILE);
        this.#findInBand(now, shown, left, right, top, bottom);
        top = bottom;
      }
    }
  }

  /** Looks at one tile again, after what is shown there was changed. */
  look(now: Pixels, shown: Pixels, tile: number): void {
    const { columns, width, height } = this.#tiles;
    const left = (tile % columns) * TILE;
    const top = Math.floor(tile / columns) * TILE;
    this.#tiles.unset(tile);
    this.#lookIn(now, shown, tile, left, Math.min(left + TILE, width), top, Math.min(top + TILE, height));
  }

  /** The box around everything that differs in a stretch of one row of tiles, and then that of each tile. */
  #findInBand(now: Pixels, shown: Pixels, left: number, right: number, top: number, bottom: number): void {
    const first = this.#firstRow(now, shown, left, right, top, bottom);
    if (first === bottom) return;
    const last = this.#lastRow(now, shown, left, right, first, bottom);
    const from = firstColumn(now, shown, left, right, first, last + 1);
    const to = lastColumn(now, shown, from, right, first, last + 1) + 1;
    const row = Math.floor(top / TILE) * this.#tiles.columns;
    for (let x = from; x < to; ) {
      const end = Math.min(to, x - (x % TILE) + TILE);
      this.#lookIn(now, shown, row + Math.floor(x / TILE), x, end, first, last + 1);
      x = end;
    }
  }

  #lookIn(now: Pixels, shown: Pixels, tile: number, left: number, right: number, top: number, bottom: number): void {
    const first = this.#firstRow(now, shown, left, right, top, bottom);
    if (first === bottom) return;
    const last = this.#lastRow(now, shown, left, right, first, bottom);
    const from = firstColumn(now, shown, left, right, first, last + 1);
    this.#tiles.extend(tile, from, first, lastColumn(now, shown, from, right, first, last + 1) + 1, last + 1);
  }

  /** @returns `bottom` when all rows are the same */
  #firstRow(now: Pixels, shown: Pixels, left: number, right: number, top: number, bottom: number): number {
    let y = top;
    while (y < bottom && this.#sameRow(now, shown, left, right, y)) y++;
    return y;
  }

  /** @param top a row that differs */
  #lastRow(now: Pixels, shown: Pixels, left: number, right: number, top: number, bottom: number): number {
    let y = bottom - 1;
    while (y > top && this.#sameRow(now, shown, left, right, y)) y--;
    return y;
  }

  #sameRow(now: Pixels, shown: Pixels, left: number, right: number, y: number): boolean {
    const width = right - left;
    if (width >= MIN_WIDE) return this.#same(bytesOf(now, left, y, width), bytesOf(shown, left, y, width));
    const first = now.words;
    const second = shown.words;
    const i = y * now.stride;
    const j = y * shown.stride;
    for (let x = left; x < right; x++) if (first[i + x] !== second[j + x]) return false;
    return true;
  }
}

/** The least column that differs in any of these rows; each row is read up to the best so far. */
function firstColumn(a: Pixels, b: Pixels, left: number, right: number, top: number, bottom: number): number {
  const first = a.words;
  const second = b.words;
  let best = right;
  for (let y = top; y < bottom && best > left; y++) {
    const i = y * a.stride;
    const j = y * b.stride;
    let x = left;
    while (x < best && first[i + x] === second[j + x]) x++;
    best = x;
  }
  return best;
}

/** The greatest column that differs in any of these rows. */
function lastColumn(a: Pixels, b: Pixels, left: number, right: number, top: number, bottom: number): number {
  const first = a.words;
  const second = b.words;
  let best = left;
  for (let y = top; y < bottom && best < right - 1; y++) {
    const i = y * a.stride;
    const j = y * b.stride;
    let x = right - 1;
    while (x > best && first[i + x] === second[j + x]) x--;
    best = x;
  }
  return best;
}
