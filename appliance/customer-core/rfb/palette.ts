// A palette of 256 places that lives as long as the stream. A colour keeps its place while it is in use, so that the same
// text gives the same bytes wherever and whenever it is drawn, which is what a compressor looks for.
import type { Rectangle } from '../screen-source.ts';
import { COLOUR, type Pixels } from './pixels.ts';

export const PLACES = 256;
const TABLE = 1024;
const EMPTY = 0xffff_ffff;

export class Palette {
  readonly #colours = new Uint32Array(PLACES);
  /** The number of the last area that used a place. */
  readonly #usedIn = new Uint32Array(PLACES);
  #size = 0;
  /** Its size before the last area. */
  #sizeBefore = 0;
  #area = 0;
  // Colour to place: open addressing, linear.
  readonly #keys = new Uint32Array(TABLE).fill(EMPTY);
  readonly #placeOf = new Uint8Array(TABLE);
  /** Places that got a new colour for this area, and what was there before. */
  readonly #fresh = new Uint8Array(PLACES);
  readonly #before = new Uint32Array(PLACES);
  #freshCount = 0;
  #usedCount = 0;

  /** Places with a new colour since the last area. */
  get freshCount(): number {
    return this.#freshCount;
  }

  /** Colours of the last area. */
  get usedCount(): number {
    return this.#usedCount;
  }

  freshPlace(i: number): number {
    return this.#fresh[i] ?? 0;
  }

  colour(place: number): number {
    return this.#colours[place] ?? 0;
  }

  isUsed(place: number): boolean {
    return this.#usedIn[place] === this.#area;
  }

  /**
   * Writes the place of each pixel's colour, row by row.
   * @returns false when the area has more than `most` colours; the palette is as it was, and `out` holds nothing of use
   */
  index(pixels: Pixels, area: Rectangle, most: number, out: Uint8Array, start: number): boolean {
    this.#area += 1;
    this.#sizeBefore = this.#size;
    this.#freshCount = 0;
    this.#usedCount = 0;
    const { words, stride } = pixels;
    let to = start;
    let last = EMPTY;
    let place = 0;
    for (let y = area.y; y < area.y + area.height; y++) {
      let at = y * stride + area.x;
      for (const end = at + area.width; at < end; at++) {
        const colour = (words[at] ?? 0) & COLOUR;
        if (colour !== last) {
          place = this.#place(colour, most);
          if (place < 0) return this.#takeBack();
          last = colour;
        }
        out[to++] = place;
      }
    }
    return true;
  }

  #place(colour: number, most: number): number {
    let at = slotOf(colour);
    while (this.#keys[at] !== colour) {
      if (this.#keys[at] === EMPTY) return this.#usedCount < most ? this.#give(colour) : -1;
      at = (at + 1) & (TABLE - 1);
    }
    const place = this.#placeOf[at] ?? 0;
    if (this.#usedIn[place] !== this.#area) {
      if (this.#usedCount === most) return -1;
      this.#usedIn[place] = this.#area;
      this.#usedCount += 1;
    }
    return place;
  }

  /** Gives a colour the next place, or the one that was not used for longest. */
  #give(colour: number): number {
    let place = this.#size;
    if (place < PLACES) this.#size += 1;
    else {
      place = 0;
      for (let i = 1; i < PLACES; i++) if ((this.#usedIn[i] ?? 0) < (this.#usedIn[place] ?? 0)) place = i;
      this.#forget(this.colour(place));
    }
    this.#fresh[this.#freshCount] = place;
    this.#before[this.#freshCount] = this.colour(place);
    this.#freshCount += 1;
    this.#remember(colour, place);
    this.#usedIn[place] = this.#area;
    this.#usedCount += 1;
    return place;
  }

  #takeBack(): false {
    for (let i = this.#freshCount - 1; i >= 0; i--) {
      const place = this.freshPlace(i);
      this.#forget(this.colour(place));
      this.#usedIn[place] = 0;
      if (place < this.#sizeBefore) this.#remember(this.#before[i] ?? 0, place);
    }
    this.#size = this.#sizeBefore;
    this.#freshCount = 0;
    return false;
  }

  #remember(colour: number, place: number): void {
    this.#colours[place] = colour;
    let at = slotOf(colour);
    while (this.#keys[at] !== EMPTY) at = (at + 1) & (TABLE - 1);
    this.#keys[at] = colour;
    this.#placeOf[at] = place;
  }

  /** Takes a colour out; what was put past it because it stood in the way moves up. */
  #forget(colour: number): void {
    let hole = slotOf(colour);
    while (this.#keys[hole] !== colour) hole = (hole + 1) & (TABLE - 1);
    for (let at = hole; ; ) {
      at = (at + 1) & (TABLE - 1);
      const key = this.#keys[at] ?? EMPTY;
      if (key === EMPTY) break;
      if (((at - slotOf(key)) & (TABLE - 1)) < ((at - hole) & (TABLE - 1))) continue;
      this.#keys[hole] = key;
      this.#placeOf[hole] = this.#placeOf[at] ?? 0;
      hole = at;
    }
    this.#keys[hole] = EMPTY;
  }
}

function slotOf(colour: number): number {
  return Math.imul(colour, 0x9e3779b1) >>> 22;
}
