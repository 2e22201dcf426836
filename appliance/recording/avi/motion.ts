// What changed in a picture, in blocks, and which of them were elsewhere in the picture before: a window that was moved, a
// page that was scrolled.
export const BLOCK = 16;
/** The format has seven bits for it. */
const REACH = 63;
/** Searched wholly in one picture; more would move with them. */
const MAX_SEARCHES = 48;
const MAX_KNOWN = 8;
/** A block of fewer colours next to each other is found anywhere. */
const LEAST_EDGES = 8;

export interface Vector {
  readonly dx: number;
  readonly dy: number;
}

export interface Block {
  readonly number: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** From where it comes; null where it is new. */
  vector: Vector | null;
}

export function changedBlocks(words: Uint32Array, before: Uint32Array, width: number, height: number): Block[] {
  const blocks: Block[] = [];
  let number = 0;
  for (let y = 0; y < height; y += BLOCK) {
    const rows = Math.min(BLOCK, height - y);
    for (let x = 0; x < width; x += BLOCK, number++) {
      const columns = Math.min(BLOCK, width - x);
      if (isSame(words, before, y * width + x, y * width + x, columns, rows, width)) continue;
      blocks.push({ number, x, y, width: columns, height: rows, vector: null });
    }
  }
  return blocks;
}

export class MotionSearch {
  readonly #width: number;
  readonly #height: number;
  #words = new Uint32Array();
  #before = new Uint32Array();
  /** Vectors that were found last, the latest first. */
  #known: Vector[] = [];
  #searches = 0;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
  }

  start(words: Uint32Array<ArrayBuffer>, before: Uint32Array<ArrayBuffer>): void {
    this.#words = words;
    this.#before = before;
    this.#searches = 0;
  }

  find(block: Block): Vector | null {
    const known = this.#known.find(vector => this.#fits(block, vector.dx, vector.dy));
    if (known !== undefined) return known;
    if (this.#searches >= MAX_SEARCHES || this.#edges(block) < LEAST_EDGES) return null;
    this.#searches++;
    for (let dy = -REACH; dy <= REACH; dy++) {
      for (let dx = -REACH; dx <= REACH; dx++) {
        if (!this.#fits(block, dx, dy)) continue;
        const vector = { dx, dy };
        this.#known = [vector, ...this.#known].slice(0, MAX_KNOWN);
        return vector;
      }
    }
    return null;
  }

  #fits({ x, y, width, height }: Block, dx: number, dy: number): boolean {
    const [fromX, fromY] = [x + dx, y + dy];
    if (fromX < 0 || fromY < 0 || fromX + width > this.#width || fromY + height > this.#height) return false;
    const [to, from] = [y * this.#width + x, fromY * this.#width + fromX];
    return isSame(this.#words, this.#before, to, from, width, height, this.#width);
  }

  #edges({ x, y, width, height }: Block): number {
    let edges = 0;
    for (let row = y; row < y + height; row++)
      for (let at = row * this.#width + x + 1, end = at + width - 1; at < end; at++)
        if (this.#words[at] !== this.#words[at - 1]) edges++;
    return edges;
  }
}

function isSame(
  a: Uint32Array,
  b: Uint32Array,
  atA: number,
  atB: number,
  width: number,
  height: number,
  line: number,
): boolean {
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      if (a[atA + row * line + column] !== b[atB + row * line + column]) return false;
  return true;
}
