// What the viewer has, as far as we know, and in which tiles it is only nearly so. A new picture is taken in here: what can
// be copied is found first, the rest is left as boxes to be painted.
import type { Rectangle } from '../screen-source.ts';
import { ChangeFinder, type SameBytes } from './change-finder.ts';
import { applyCopy, type Copy, planCopies, spoilEachOther } from './copies.ts';
import { MAX_AREA_PIXELS, mergeTiles } from './merge.ts';
import { MotionFinder } from './motion-finder.ts';
import { copyPixels, newPixels, type Pixels } from './pixels.ts';
import { TILE, Tiles } from './tiles.ts';

/** Smaller changes are painted sooner than understood. */
const MIN_MOVED_TILES = 8;
/** So many searches in a row may find nothing; after that large changes are only painted, for longer and longer. */
const PATIENCE = 4;
const MAX_SKIPPED_SEARCHES = 16;
const EXACT = 0;

export class Picture {
  readonly shown: Pixels;
  readonly #same: SameBytes;
  readonly #changed: Tiles;
  /** What changed, joined. */
  #areas: Rectangle[] = [];
  readonly #finder: ChangeFinder;
  readonly #motions = new MotionFinder();
  /** For each tile when it was last sent with losses, or changed since; 0 when it is exact. */
  readonly #lossyAt: Float64Array;
  #lossyCount = 0;
  /** Nothing of it is with the viewer, or nothing that can be relied on. */
  #unknown = true;
  #searchesToSkip = 0;
  #vainSearches = 0;

  constructor(width: number, height: number, same: SameBytes) {
    this.shown = newPixels(width, height);
    this.#same = same;
    this.#changed = new Tiles(width, height);
    this.#finder = new ChangeFinder(this.#changed, same);
    this.#lossyAt = new Float64Array(this.#changed.columns * this.#changed.rows);
  }

  /** The next picture is to be sent wholly, whatever the viewer may have. */
  forget(): void {
    this.#unknown = true;
  }

  /**
   * @param damage in pixels of this picture; null: anywhere
   * @param copies whether the viewer can copy
   * @param at ms, monotonic
   * @returns what he is to copy first, in this order; `takeChanges` has what is left
   */
  take(now: Pixels, damage: readonly Rectangle[] | null, copies: boolean, at: number): Copy[] {
    if (this.#unknown) {
      this.#unknown = false;
      this.#changed.setAll();
      this.#copyChanged(now);
      this.#setExact();
      return [];
    }
    this.#finder.find(now, this.shown, damage);
    const done = copies && this.#changed.count >= MIN_MOVED_TILES ? this.#copy(now, at) : [];
    this.#copyChanged(now);
    if (this.#lossyCount > 0) this.#touchLossy(at);
    return done;
  }

  /** Areas to paint, joined. Their pixels are those of `shown`. */
  takeChanges(): Rectangle[] {
    const areas = this.#areas;
    this.#areas = [];
    this.#changed.clear();
    return areas;
  }

  paintedExactly({ x, y, width, height }: Rectangle): void {
    if (this.#lossyCount === 0) return;
    const tiles = this.#changed;
    const [right, bottom] = [x + width, y + height];
    tiles.touched({ x, y, width, height }, tile => {
      const left = (tile % tiles.columns) * TILE;
      const top = Math.floor(tile / tiles.columns) * TILE;
      const whole =
        left >= x &&
        top >= y &&
        Math.min(left + TILE, tiles.width) <= right &&
        Math.min(top + TILE, tiles.height) <= bottom;
      if (whole) this.#setLossy(tile, EXACT);
    });
  }

  paintedWithLosses(area: Rectangle, at: number): void {
    this.#changed.touched(area, tile => this.#setLossy(tile, at));
  }

  /** The time of the tile that has been lossy and quiet for longest; null when everything is exact. */
  oldestLossyAt(): number | null {
    if (this.#lossyCount === 0) return null;
    let oldest = Number.POSITIVE_INFINITY;
    for (const at of this.#lossyAt) if (at !== EXACT && at < oldest) oldest = at;
    return oldest;
  }

  /** Areas of whole tiles that were lossy and quiet since `before`, of about `mostPixels` together; at least one tile. */
  takeLossy(before: number, mostPixels: number): Rectangle[] {
    if (this.#lossyCount === 0) return [];
    let pixels = 0;
    for (let tile = 0; tile < this.#lossyAt.length && pixels < mostPixels; tile++) {
      const at = this.#lossyAt[tile] ?? EXACT;
      if (at === EXACT || at > before) continue;
      this.#changed.setWhole(tile);
      pixels += TILE * TILE;
    }
    const areas = mergeTiles(this.#changed, MAX_AREA_PIXELS);
    this.#changed.clear();
    return areas;
  }

  #copy(now: Pixels, at: number): Copy[] {
    if (this.#searchesToSkip > 0) {
      this.#searchesToSkip -= 1;
      return [];
    }
    const where = this.#changed.bounds();
    const motion = this.#motions.find(now, this.shown, where);
    const copies = motion === null ? [] : planCopies(now, this.shown, where, motion, this.#same);
    this.#vainSearches = copies.length > 0 ? 0 : this.#vainSearches + 1;
    if (this.#vainSearches > PATIENCE) {
      this.#searchesToSkip = Math.min(MAX_SKIPPED_SEARCHES, 2 ** (this.#vainSearches - PATIENCE));
    }
    for (const copy of copies) {
      if (this.#lossyCount > 0) this.#copyLossy(copy, at);
      applyCopy(this.shown, copy);
    }
    this.#lookAfter(now, copies);
    return copies;
  }

  /** What a copy covers wholly is as it should be; around its edges something is left. */
  #lookAfter(now: Pixels, copies: readonly Copy[]): void {
    const tiles = this.#changed;
    const spoiled = spoilEachOther(copies);
    for (const { x, y, width, height } of copies) {
      tiles.touched({ x, y, width, height }, tile => {
        if (!spoiled && !tiles.has(tile)) return;
        const inside =
          tiles.left(tile) >= x &&
          tiles.top(tile) >= y &&
          tiles.right(tile) <= x + width &&
          tiles.bottom(tile) <= y + height;
        if (!spoiled && inside) tiles.unset(tile);
        else this.#finder.look(now, this.shown, tile);
      });
    }
  }

  #copyChanged(now: Pixels): void {
    this.#areas = mergeTiles(this.#changed, MAX_AREA_PIXELS);
    for (const area of this.#areas) copyPixels(now, this.shown, area);
  }

  /** Where something lossy is copied to is lossy after it. */
  #copyLossy({ x, y, width, height, fromX, fromY }: Copy, at: number): void {
    let lossy = false;
    this.#changed.touched({ x: fromX, y: fromY, width, height }, tile => {
      lossy ||= this.#lossyAt[tile] !== EXACT;
    });
    if (lossy) this.#changed.touched({ x, y, width, height }, tile => this.#setLossy(tile, at));
  }

  /** A lossy tile that changes waits anew. */
  #touchLossy(at: number): void {
    for (let tile = 0; tile < this.#lossyAt.length; tile++) {
      if (this.#lossyAt[tile] !== EXACT && this.#changed.has(tile)) this.#lossyAt[tile] = at;
    }
  }

  #setLossy(tile: number, at: number): void {
    const before = this.#lossyAt[tile] ?? EXACT;
    if (before === EXACT && at !== EXACT) this.#lossyCount += 1;
    if (before !== EXACT && at === EXACT) this.#lossyCount -= 1;
    this.#lossyAt[tile] = at;
  }

  #setExact(): void {
    this.#lossyAt.fill(EXACT);
    this.#lossyCount = 0;
  }
}
