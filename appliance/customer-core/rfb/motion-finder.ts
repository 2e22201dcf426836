// Finds out whether a part of the old picture is now elsewhere: a scrolled page, a window that was moved. Two questions are
// asked of the rows in which something changed:
//   1. Which old row looks like this one (hash of the row)? Each that does, once only, votes for a way up or down.
//   2. If that gives nothing: where in this row does a short piece of an old row stand (rolling hash)? Each votes for a way
//      in any direction.
// A vote is a guess. What is copied was compared pixel by pixel, and what a copy leaves different is found again after it.
import type { Rectangle } from '../screen-source.ts';
import type { Pixels } from './pixels.ts';

/** How far the picture moved, in pixels: to the right and down. */
export interface Motion {
  readonly dx: number;
  readonly dy: number;
}

/** Pixels of a row that are in its hash. */
const ROW_SAMPLES = 128;
/** New rows that are looked for among the old ones. */
const VOTING_ROWS = 128;
/** Width of the pieces of the second question. */
const PIECE = 32;
/** Old rows are cut into pieces in so many places. */
const STRIPS = 12;
/** New rows in which the pieces are looked for. */
const SAMPLED_ROWS = 64;
const MIN_VOTES = 4;
const FACTOR = 0x01000193;
const TABLE = 1 << 15;
const NONE = -1;
const SEVERAL = -2;
/** With this many entries a table is full enough. */
const MAX_ENTRIES = TABLE / 2;

export class MotionFinder {
  readonly #hashes = new Int32Array(TABLE);
  readonly #places = new Int32Array(TABLE);
  #entries = 0;
  readonly #votes = new Map<number, number>();

  /** @param where the box around everything that changed */
  find(now: Pixels, shown: Pixels, where: Rectangle): Motion | null {
    return this.#findScroll(now, shown, where) ?? this.#findMove(now, shown, where);
  }

  #findScroll(now: Pixels, shown: Pixels, { x, y, width, height }: Rectangle): Motion | null {
    this.#start();
    const step = Math.ceil(width / ROW_SAMPLES);
    for (let row = y; row < y + height; row++) {
      const hash = rowHash(shown, row, x, x + width, step);
      if (hash !== 0) this.#add(hash, row);
    }
    for (let row = y; row < y + height; row += Math.ceil(height / VOTING_ROWS)) {
      const hash = rowHash(now, row, x, x + width, step);
      const before = hash === 0 ? NONE : this.#find(hash);
      if (before >= 0 && before !== row) this.#vote(0, row - before);
    }
    return this.#winner();
  }

  #findMove(now: Pixels, shown: Pixels, where: Rectangle): Motion | null {
    if (where.width < 2 * PIECE) return null;
    this.#start();
    for (let strip = 0; strip < STRIPS; strip++) {
      const x = where.x + Math.floor((strip * (where.width - PIECE)) / (STRIPS - 1));
      for (let y = where.y; y < where.y + where.height; y++) {
        const hash = pieceHash(shown, x, y);
        if (hash !== 0) this.#add(hash, y * 0x10000 + x);
      }
    }
    const step = Math.max(1, where.height / SAMPLED_ROWS);
    for (let row = 0; row < where.height; row += step) this.#lookAlong(now, where, where.y + Math.floor(row));
    return this.#winner();
  }

  /** Moves a window of one piece along a row of the new picture. */
  #lookAlong(now: Pixels, where: Rectangle, y: number): void {
    const { words } = now;
    const at = y * now.stride + where.x;
    const end = at + where.width;
    let hash = 0;
    for (let i = at; i < at + PIECE; i++) hash = (Math.imul(hash, FACTOR) + (words[i] ?? 0)) | 0;
    for (let i = at; ; i++) {
      const place = this.#find(hash);
      if (place >= 0) this.#vote(where.x + i - at - (place & 0xffff), y - (place >>> 16));
      if (i + PIECE >= end) return;
      hash = (Math.imul(hash, FACTOR) + (words[i + PIECE] ?? 0) - Math.imul(words[i] ?? 0, LEAVING)) | 0;
    }
  }

  #start(): void {
    this.#places.fill(NONE);
    this.#entries = 0;
    this.#votes.clear();
  }

  /** What stands in several places tells nothing. */
  #add(hash: number, place: number): void {
    let at = slotOf(hash);
    while (this.#places[at] !== NONE) {
      if (this.#hashes[at] === hash) {
        this.#places[at] = SEVERAL;
        return;
      }
      at = (at + 1) & (TABLE - 1);
    }
    if (this.#entries >= MAX_ENTRIES) return;
    this.#entries += 1;
    this.#hashes[at] = hash;
    this.#places[at] = place;
  }

  #find(hash: number): number {
    let at = slotOf(hash);
    for (;;) {
      const place = this.#places[at] ?? NONE;
      if (place === NONE || this.#hashes[at] === hash) return place;
      at = (at + 1) & (TABLE - 1);
    }
  }

  #vote(dx: number, dy: number): void {
    if (dx === 0 && dy === 0) return;
    const key = (dx + 0x8000) * 0x10000 + dy + 0x8000;
    this.#votes.set(key, (this.#votes.get(key) ?? 0) + 1);
  }

  #winner(): Motion | null {
    let [best, most] = [0, MIN_VOTES - 1];
    for (const [key, votes] of this.#votes) if (votes > most) [best, most] = [key, votes];
    if (most < MIN_VOTES) return null;
    return { dx: Math.floor(best / 0x10000) - 0x8000, dy: (best % 0x10000) - 0x8000 };
  }
}

/** FACTOR to the power of PIECE: what the pixel that leaves the window counts for. */
const LEAVING = power(FACTOR, PIECE);

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, base);
  return result;
}

function slotOf(hash: number): number {
  return (Math.imul(hash, 0x9e3779b1) >>> 17) & (TABLE - 1);
}

/** @returns 0 for a row of one colour, which may be anywhere */
function rowHash({ words, stride }: Pixels, y: number, left: number, right: number, step: number): number {
  const end = y * stride + right;
  const first = words[y * stride + left] ?? 0;
  let hash = 0;
  let differs = 0;
  for (let i = y * stride + left; i < end; i += step) {
    const word = words[i] ?? 0;
    differs |= word ^ first;
    hash = (Math.imul(hash, FACTOR) + word) | 0;
  }
  return differs === 0 ? 0 : hash;
}

function pieceHash({ words, stride }: Pixels, x: number, y: number): number {
  const at = y * stride + x;
  const first = words[at] ?? 0;
  let hash = 0;
  let differs = 0;
  for (let i = at; i < at + PIECE; i++) {
    const word = words[i] ?? 0;
    differs |= word ^ first;
    hash = (Math.imul(hash, FACTOR) + word) | 0;
  }
  return differs === 0 ? 0 : hash;
}
