// Finds a place for each colour of a picture among 256. A colour keeps its place as long as it can be seen. Where more are
// seen than there is room for, the most frequent ones are exact, text above all, and others have the nearest one.
export const PLACES = 256;
/** Places for what is rare: four levels of each colour. */
const CUBE = 64;
const MAX_NEAR = 65_536;

export class Palette {
  /** Blue, green, red each. */
  readonly colours = new Uint8Array(PLACES * 3);
  #places = new Map<number, number>();
  /** Colours no place is free for, and what stands for them. */
  #near = new Map<number, number>();
  readonly #colourAt = new Int32Array(PLACES).fill(-1);
  /** Pixels of the picture that have this place. */
  readonly #uses = new Uint32Array(PLACES);
  #taken = 0;
  #isChanged = true;

  /** All places are given anew. @param counts how many pixels of a picture have each colour */
  restart(counts: ReadonlyMap<number, number>): void {
    this.#places = new Map();
    this.#near = new Map();
    this.#colourAt.fill(-1);
    this.#uses.fill(0);
    this.#taken = 0;
    const byCount = [...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
    const isMuch = byCount.length > PLACES;
    for (const colour of byCount.slice(0, isMuch ? PLACES - CUBE : PLACES)) this.#take(this.#taken++, colour);
    for (let corner = 0; isMuch && corner < CUBE; corner++) {
      const colour = ((corner & 3) * 0x55) | ((((corner >> 2) & 3) * 0x55) << 8) | ((corner >> 4) * 0x550000);
      if (!this.#places.has(colour)) this.#take(this.#taken++, colour);
    }
    this.#isChanged = true;
  }

  /** Whether colours came since this was asked. */
  takeChange(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }

  /** A pixel has this colour now: blue, green, red from the lowest byte on. */
  use(colour: number): number {
    const place = this.#places.get(colour) ?? this.#near.get(colour) ?? this.#find(colour);
    this.enter(place);
    return place;
  }

  /** A pixel has this place now. */
  enter(place: number): void {
    this.#uses[place] = (this.#uses[place] ?? 0) + 1;
  }

  /** A pixel has this place no more. */
  leave(place: number): void {
    this.#uses[place] = (this.#uses[place] ?? 0) - 1;
  }

  #find(colour: number): number {
    const place = this.#freePlace();
    if (place !== null) {
      this.#take(place, colour);
      return place;
    }
    const nearest = this.#nearest(colour);
    if (this.#near.size > MAX_NEAR) this.#near = new Map();
    this.#near.set(colour, nearest);
    return nearest;
  }

  #freePlace(): number | null {
    if (this.#taken < PLACES) return this.#taken++;
    const place = this.#uses.indexOf(0);
    return place < 0 ? null : place;
  }

  #take(place: number, colour: number): void {
    const before = this.#colourAt[place] ?? -1;
    if (before >= 0) {
      this.#places.delete(before);
      this.#near = new Map(); // what it stood for has to find another
    }
    this.#colourAt[place] = colour;
    this.#places.set(colour, place);
    this.colours.set([colour & 255, (colour >> 8) & 255, colour >> 16], place * 3);
    this.#isChanged = true;
  }

  #nearest(colour: number): number {
    let [found, least] = [0, Number.POSITIVE_INFINITY];
    for (let place = 0; place < this.#taken; place++) {
      const at = place * 3;
      const blue = (colour & 255) - (this.colours[at] ?? 0);
      const green = ((colour >> 8) & 255) - (this.colours[at + 1] ?? 0);
      const red = (colour >> 16) - (this.colours[at + 2] ?? 0);
      const distance = blue * blue + 2 * green * green + red * red; // eyes see green best
      if (distance < least) [found, least] = [place, distance];
    }
    return found;
  }
}
