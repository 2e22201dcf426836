// Joins the boxes of neighbouring tiles to rectangles: long rows compress better than many short ones, and each rectangle
// has a head of its own. Each tile is in one rectangle only, so that none lies over another.
import type { Rectangle } from '../screen-source.ts';
import type { Tiles } from './tiles.ts';

/** Pixels that did not change and may be sent all the same to join two boxes, beside a quarter of those that did. */
const SPARE_PIXELS = 1024;
/** No area that is encoded gets larger than this, so that what is made of one is bounded. */
export const MAX_AREA_PIXELS = 128 * 1024;
/** Tight has no wider ones. */
export const MAX_AREA_WIDTH = 2048;

interface Box {
  /** Columns of tiles. */
  first: number;
  last: number;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** @param mostPixels no rectangle gets larger */
export function mergeTiles(tiles: Tiles, mostPixels: number): Rectangle[] {
  const done: Box[] = [];
  let open: Box[] = []; // those that end in the row of tiles above
  for (let row = 0; row < tiles.rows; row++) {
    const next: Box[] = [];
    for (const span of spansOf(tiles, row, mostPixels)) {
      const at = open.findIndex(
        above => above.first === span.first && above.last === span.last && joins(above, span, mostPixels),
      );
      const [above] = at < 0 ? [] : open.splice(at, 1);
      next.push(above === undefined ? span : around(above, span));
    }
    done.push(...open);
    open = next;
  }
  done.push(...open);
  return done.map(({ left, top, right, bottom }) => ({ x: left, y: top, width: right - left, height: bottom - top }));
}

function spansOf(tiles: Tiles, row: number, mostPixels: number): Box[] {
  const spans: Box[] = [];
  let last: Box | null = null;
  for (let tile = row * tiles.columns; tile < (row + 1) * tiles.columns; tile++) {
    if (!tiles.has(tile)) {
      last = null;
      continue;
    }
    const column = tile % tiles.columns;
    const box = {
      ...{ first: column, last: column, left: tiles.left(tile), top: tiles.top(tile) },
      ...{ right: tiles.right(tile), bottom: tiles.bottom(tile) },
    };
    if (last !== null && joins(last, box, mostPixels)) {
      last = around(last, box);
      spans[spans.length - 1] = last;
    } else {
      last = box;
      spans.push(box);
    }
  }
  return spans;
}

function joins(a: Box, b: Box, mostPixels: number): boolean {
  const both = around(a, b);
  const all = pixels(both);
  if (all > mostPixels || both.right - both.left > MAX_AREA_WIDTH) return false;
  return all <= 1.25 * (pixels(a) + pixels(b)) + SPARE_PIXELS;
}

function around(a: Box, b: Box): Box {
  return {
    ...{ first: Math.min(a.first, b.first), last: Math.max(a.last, b.last) },
    ...{ left: Math.min(a.left, b.left), top: Math.min(a.top, b.top) },
    ...{ right: Math.max(a.right, b.right), bottom: Math.max(a.bottom, b.bottom) },
  };
}

function pixels({ left, top, right, bottom }: Box): number {
  return (right - left) * (bottom - top);
}
