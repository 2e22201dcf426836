// What changed on a desktop: rectangles for the picture server, rows to be read again.
import type { Rectangle } from '../../customer-core/screen-source.ts';

/** Beyond it neighbours are told as one, so that a screen full of sparks costs no more than one that changes as a whole. */
const MAX_RECTANGLES = 256;
const MAX_BANDS = 16;
/** Unchanged rows between two bands that are not worth a request of their own. */
const JOINED_GAP = 16;

/** Rows from `y` to below `end`, in the area's own count. */
export interface Band {
  readonly y: number;
  readonly end: number;
}

/** @returns what both have in common; without width or height where that is nothing */
export function intersect(a: Rectangle, b: Rectangle): Rectangle {
  const [x, y] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  const [right, bottom] = [Math.min(a.x + a.width, b.x + b.width), Math.min(a.y + a.height, b.y + b.height)];
  return { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
}

export function isSame(a: Rectangle, b: Rectangle): boolean {
  return a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height;
}

/** What of them lies in the area; MAX_RECTANGLES at most, which still cover all of it. */
export function damageWithin(area: Rectangle, rectangles: readonly Rectangle[]): Rectangle[] {
  const inside = rectangles.map(one => intersect(one, area)).filter(({ width, height }) => width > 0 && height > 0);
  if (inside.length <= MAX_RECTANGLES) return inside;
  const sorted = inside.sort((a, b) => a.y - b.y || a.x - b.x);
  const size = Math.ceil(sorted.length / MAX_RECTANGLES);
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, at) =>
    bounds(sorted.slice(at * size, at * size + size)),
  );
}

/** The rows of an area in which there is damage, top to bottom. */
export function damagedBands(area: Rectangle, damage: readonly Rectangle[]): Band[] {
  const spans = damage.map(({ y, height }) => ({ y: y - area.y, end: y - area.y + height }));
  spans.sort((a, b) => a.y - b.y);
  const bands: { y: number; end: number }[] = [];
  for (const { y, end } of spans) {
    const last = bands.at(-1);
    if (last === undefined || y > last.end + JOINED_GAP) bands.push({ y, end });
    else last.end = Math.max(last.end, end);
  }
  if (bands.length <= MAX_BANDS) return bands;
  return [{ y: bands[0]?.y ?? 0, end: Math.max(...bands.map(({ end }) => end)) }];
}

function bounds(rectangles: readonly Rectangle[]): Rectangle {
  const x = Math.min(...rectangles.map(one => one.x));
  const y = Math.min(...rectangles.map(one => one.y));
  const right = Math.max(...rectangles.map(one => one.x + one.width));
  const bottom = Math.max(...rectangles.map(one => one.y + one.height));
  return { x, y, width: right - x, height: bottom - y };
}
