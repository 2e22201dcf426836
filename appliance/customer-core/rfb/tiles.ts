// A picture cut into tiles of 64×64, and for each the box around what changed in it. Everything that follows a change, from
// finding it to refreshing it, speaks in these tiles.
import type { Rectangle } from '../screen-source.ts';

export const TILE = 64;
/** left, top, right, bottom in pixels of the picture, right and bottom not in it; all zero: nothing changed. */
const BOX = 4;

export class Tiles {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  readonly #boxes: Uint16Array;
  #count = 0;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / TILE);
    this.rows = Math.ceil(height / TILE);
    this.#boxes = new Uint16Array(this.columns * this.rows * BOX);
  }

  /** Tiles in which something changed. */
  get count(): number {
    return this.#count;
  }

  clear(): void {
    if (this.#count > 0) this.#boxes.fill(0);
    this.#count = 0;
  }

  has(tile: number): boolean {
    return (this.#boxes[tile * BOX + 2] ?? 0) > 0;
  }

  left(tile: number): number {
    return this.#boxes[tile * BOX] ?? 0;
  }

  top(tile: number): number {
    return this.#boxes[tile * BOX + 1] ?? 0;
  }

  right(tile: number): number {
    return this.#boxes[tile * BOX + 2] ?? 0;
  }

  bottom(tile: number): number {
    return this.#boxes[tile * BOX + 3] ?? 0;
  }

  set(tile: number, left: number, top: number, right: number, bottom: number): void {
    const at = tile * BOX;
    if (this.#boxes[at + 2] === 0) this.#count += 1;
    this.#boxes[at] = left;
    this.#boxes[at + 1] = top;
    this.#boxes[at + 2] = right;
    this.#boxes[at + 3] = bottom;
  }

  /** Makes the box larger by this one. */
  extend(tile: number, left: number, top: number, right: number, bottom: number): void {
    if (!this.has(tile)) {
      this.set(tile, left, top, right, bottom);
      return;
    }
    const [least, most] = [Math.min, Math.max];
    this.set(
      tile,
      least(left, this.left(tile)),
      least(top, this.top(tile)),
      most(right, this.right(tile)),
      most(bottom, this.bottom(tile)),
    );
  }

  /** The tile wholly, as far as it lies in the picture. */
  setWhole(tile: number): void {
    const x = (tile % this.columns) * TILE;
    const y = Math.floor(tile / this.columns) * TILE;
    this.set(tile, x, y, Math.min(x + TILE, this.width), Math.min(y + TILE, this.height));
  }

  setAll(): void {
    for (let tile = 0; tile < this.columns * this.rows; tile++) this.setWhole(tile);
  }

  unset(tile: number): void {
    if (!this.has(tile)) return;
    this.#boxes.fill(0, tile * BOX, tile * BOX + BOX);
    this.#count -= 1;
  }

  /** Calls back for each tile that an area of the picture touches. */
  touched({ x, y, width, height }: Rectangle, visit: (tile: number) => void): void {
    const lastColumn = Math.min(this.columns - 1, Math.floor((x + width - 1) / TILE));
    const lastRow = Math.min(this.rows - 1, Math.floor((y + height - 1) / TILE));
    for (let row = Math.max(0, Math.floor(y / TILE)); row <= lastRow; row++) {
      for (let column = Math.max(0, Math.floor(x / TILE)); column <= lastColumn; column++) {
        visit(row * this.columns + column);
      }
    }
  }

  /** The box around everything; of no size when nothing changed. */
  bounds(): Rectangle {
    let [left, top, right, bottom] = [this.width, this.height, 0, 0];
    for (let tile = 0; tile < this.columns * this.rows; tile++) {
      if (!this.has(tile)) continue;
      left = Math.min(left, this.left(tile));
      top = Math.min(top, this.top(tile));
      right = Math.max(right, this.right(tile));
      bottom = Math.max(bottom, this.bottom(tile));
    }
    if (right === 0) return { x: 0, y: 0, width: 0, height: 0 };
    return { x: left, y: top, width: right - left, height: bottom - top };
  }
}
