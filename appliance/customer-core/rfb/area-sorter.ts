// Tells areas with few colours (text, windows, drawings) from those with many (photographs, video). An area with too many
// is taken apart into its tiles, which are one or the other, so that text beside a picture stays exact.
import type { Rectangle } from '../screen-source.ts';
import { mergeTiles } from './merge.ts';
import { PLACES } from './palette.ts';
import { COLOUR, type Pixels } from './pixels.ts';
import { TILE, Tiles } from './tiles.ts';

/** So many pixels are looked at to see whether it is worth trying. */
const SAMPLES = 600;
const TABLE = 1024;
const EMPTY = 0xffff_ffff;

export class AreaSorter {
  readonly #few: Tiles;
  readonly #rich: Tiles;
  readonly #table = new Uint32Array(TABLE);

  constructor(width: number, height: number) {
    this.#few = new Tiles(width, height);
    this.#rich = new Tiles(width, height);
  }

  /** Whether an area has more than 256 colours, as far as samples tell. */
  isRich({ words, stride }: Pixels, { x, y, width, height }: Rectangle): boolean {
    const pixels = width * height;
    if (pixels <= PLACES) return false;
    const table = this.#table.fill(EMPTY);
    const step = Math.max(1, Math.floor(pixels / SAMPLES));
    let count = 0;
    for (let column = 0, row = 0; row < height; ) {
      const colour = (words[(y + row) * stride + x + column] ?? 0) & COLOUR;
      let at = Math.imul(colour, 0x9e3779b1) >>> 22;
      while (table[at] !== EMPTY && table[at] !== colour) at = (at + 1) & (TABLE - 1);
      if (table[at] === EMPTY) {
        table[at] = colour;
        count += 1;
        if (count > PLACES) return true;
      }
      column += step;
      for (; column >= width; column -= width) row += 1;
    }
    return false;
  }

  /** Takes an area with many colours apart: its parts are in `takeFew` and `takeRich`. */
  divide(pixels: Pixels, { x, y, width, height }: Rectangle): void {
    const [right, bottom] = [x + width, y + height];
    for (let top = y; top < bottom; top = nextTile(top)) {
      for (let left = x; left < right; left = nextTile(left)) {
        const end = { x: Math.min(right, nextTile(left)), y: Math.min(bottom, nextTile(top)) };
        const part = { x: left, y: top, width: end.x - left, height: end.y - top };
        this.#add(this.isRich(pixels, part) ? this.#rich : this.#few, part);
      }
    }
  }

  /** Says that a part of one tile has many colours after all. */
  addRich(area: Rectangle): void {
    this.#add(this.#rich, area);
  }

  /** What has few colours, joined again: together they may have too many, so that it is to be cut. */
  takeFew(mostPixels: number): Rectangle[] {
    return take(this.#few, mostPixels);
  }

  /** What has many. */
  takeRich(mostPixels: number): Rectangle[] {
    return take(this.#rich, mostPixels);
  }

  #add(tiles: Tiles, { x, y, width, height }: Rectangle): void {
    tiles.extend(Math.floor(y / TILE) * tiles.columns + Math.floor(x / TILE), x, y, x + width, y + height);
  }
}

function take(tiles: Tiles, mostPixels: number): Rectangle[] {
  if (tiles.count === 0) return [];
  const areas = mergeTiles(tiles, mostPixels);
  tiles.clear();
  return areas;
}

/** An area in two, between tiles; null for what lies in one tile. */
export function cut({ x, y, width, height }: Rectangle): [Rectangle, Rectangle] | null {
  const atX = middle(x, width);
  const atY = middle(y, height);
  if (atX !== null && (width >= height || atY === null)) {
    return [
      { x, y, width: atX - x, height },
      { x: atX, y, width: x + width - atX, height },
    ];
  }
  if (atY === null) return null;
  return [
    { x, y, width, height: atY - y },
    { x, y: atY, width, height: y + height - atY },
  ];
}

/** The border between tiles that is nearest to the middle of a stretch, if there is one in it. */
function middle(from: number, length: number): number | null {
  const at = Math.round((from + length / 2) / TILE) * TILE;
  if (at > from && at < from + length) return at;
  const next = nextTile(from);
  return next < from + length ? next : null;
}

function nextTile(from: number): number {
  return from - (from % TILE) + TILE;
}
