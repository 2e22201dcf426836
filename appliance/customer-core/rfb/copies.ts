// Turns a motion into copies: rectangles whose new content stands elsewhere in what the viewer has, compared pixel by pixel.
// Row by row the longest run of pixels that moved is found; rows whose runs agree make a rectangle.
import type { Rectangle } from '../screen-source.ts';
import type { SameBytes } from './change-finder.ts';
import type { Motion } from './motion-finder.ts';
import { bytesOf, type Pixels } from './pixels.ts';

export interface Copy extends Rectangle {
  /** Where it is copied from. */
  readonly fromX: number;
  readonly fromY: number;
}

/** A copy of fewer pixels costs as much as it saves. */
const MIN_PIXELS = 4096;
/** A row that has less than this of the rows above begins a new rectangle. */
const KEPT = 0.8;

interface Run {
  left: number;
  right: number;
}

/**
 * @param where the box around everything that changed
 * @returns in an order in which none is copied from where another one was copied to before, where that can be
 */
export function planCopies(now: Pixels, shown: Pixels, where: Rectangle, motion: Motion, same: SameBytes): Copy[] {
  const { dx, dy } = motion;
  const { width, height } = shown;
  const left = Math.max(where.x, dx, 0);
  const right = Math.min(where.x + where.width, width + Math.min(dx, 0));
  const bottom = Math.min(where.y + where.height, height + Math.min(dy, 0));
  const copies: Copy[] = [];
  let run: Run = { left: 0, right: 0 };
  let start = 0;
  const close = (y: number) => {
    const area = { x: run.left, y: start, width: run.right - run.left, height: y - start };
    if (area.width * area.height >= MIN_PIXELS) copies.push({ ...area, fromX: area.x - dx, fromY: area.y - dy });
  };
  for (let y = Math.max(where.y, dy, 0); y < bottom; y++) {
    if (run.right > run.left && sameRow(now, shown, run, y, motion, same)) continue;
    const next = longestRun(now, shown, left, right, y, motion);
    const both = { left: Math.max(run.left, next.left), right: Math.min(run.right, next.right) };
    if (both.right - both.left >= KEPT * Math.max(run.right - run.left, next.right - next.left)) {
      run = both;
      continue;
    }
    close(y);
    run = next;
    start = y;
  }
  close(bottom);
  return copies.sort((a, b) => (dy > 0 ? b.y - a.y : a.y - b.y));
}

/** Whether what one copy writes is what a later one reads. */
export function spoilEachOther(copies: readonly Copy[]): boolean {
  return copies.some((first, i) =>
    copies.slice(i + 1).some(({ fromX, fromY, width, height }) => {
      const [apartX, apartY] = [fromX - first.x, fromY - first.y];
      return apartX < first.width && -apartX < width && apartY < first.height && -apartY < height;
    }),
  );
}

/** What a viewer does with a copy, done to what we think he has. */
export function applyCopy({ words, stride }: Pixels, { x, y, width, height, fromX, fromY }: Copy): void {
  for (let i = 0; i < height; i++) {
    const row = fromY < y ? height - 1 - i : i; // source and target may overlap
    const from = (fromY + row) * stride + fromX;
    words.copyWithin((y + row) * stride + x, from, from + width);
  }
}

function sameRow(now: Pixels, shown: Pixels, run: Run, y: number, { dx, dy }: Motion, same: SameBytes): boolean {
  const width = run.right - run.left;
  return same(bytesOf(now, run.left, y, width), bytesOf(shown, run.left - dx, y - dy, width));
}

function longestRun(now: Pixels, shown: Pixels, left: number, right: number, y: number, { dx, dy }: Motion): Run {
  const first = now.words;
  const second = shown.words;
  const i = y * now.stride;
  const j = (y - dy) * shown.stride - dx;
  const best = { left, right: left };
  let start = left;
  for (let x = left; x < right; x++) {
    if (first[i + x] === second[j + x]) continue;
    if (x - start > best.right - best.left) {
      best.left = start;
      best.right = x;
    }
    start = x + 1;
  }
  return right - start > best.right - best.left ? { left: start, right } : best;
}
