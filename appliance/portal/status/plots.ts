// Plots of samples: paths for an SVG that the template writes, and the same in words and numbers for whoever doesn't see it.
import type { Sample } from './sample-store.ts';
import { RANGES, type Range } from './samples.ts';
import { sizeText } from './words.ts';

/** Of the drawing, in its own units; the template has the same. */
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 316, 10, 90];

export interface Plot {
  readonly name: string;
  /** The whole of it in a sentence. */
  readonly summary: string;
  /** The newest value. */
  readonly last: string;
  /** What stands at the top of the axis. */
  readonly top: string;
  /** The mean over time, and between the least and the most. */
  readonly line: string;
  readonly band: string;
  readonly begins: string;
  /** Newest first. */
  readonly rows: readonly {
    readonly at: number;
    readonly mean: string;
    readonly least: string;
    readonly most: string;
  }[];
}

interface Series {
  readonly name: string;
  readonly text: (value: number) => string;
  /** What values are counted in; the axis ends at a round number of it. */
  readonly unit: (most: number) => number;
  /** End of the axis, where it is always the same. */
  readonly end?: number;
}

const one = () => 1;
const binary = (most: number) => 1024 ** Math.max(0, Math.floor(Math.log2(Math.max(1, most)) / 10));
const count = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const percent = (value: number) => `${count(value)} %`;

/** In the order of the page. */
const SERIES: Readonly<Record<string, Series>> = {
  sessions: { name: 'Sessions', text: count, unit: one },
  waiting: { name: 'Customers waiting', text: count, unit: one },
  technicians: { name: 'Technicians signed in', text: count, unit: one },
  relayed: { name: 'Relayed', text: value => `${sizeText(value)}/s`, unit: binary },
  processor: { name: 'Processor, of one core', text: percent, unit: one },
  memory: { name: 'Memory', text: sizeText, unit: binary },
  disk: { name: 'Disk in use', text: percent, unit: one, end: 100 },
  logins: { name: 'Failed logins in ten minutes', text: count, unit: one },
};

const BEGINS: Readonly<Record<Range, string>> = {
  hour: 'an hour ago',
  day: 'a day ago',
  month: '30 days ago',
  year: 'a year ago',
};

/** Those there are points of. @param now ms UTC */
export function drawPlots(points: ReadonlyMap<string, readonly Sample[]>, range: Range, now: number): Plot[] {
  return Object.entries(SERIES).flatMap(([id, series]) => {
    const found = points.get(id) ?? [];
    return found.length === 0 ? [] : [drawPlot(series, found, range, now)];
  });
}

function drawPlot(series: Series, points: readonly Sample[], range: Range, now: number): Plot {
  const { name, text } = series;
  const { spanMs, widthMs } = RANGES[range];
  const begin = Math.floor((now - spanMs) / widthMs) * widthMs;
  const highest = Math.max(...points.map(({ most }) => most));
  const lowest = Math.min(...points.map(({ least }) => least));
  const end = series.end ?? roundEnd(highest, series.unit(highest));
  const x = (at: number) => short(LEFT + ((at - begin) / (now - begin)) * (RIGHT - LEFT));
  const y = (value: number) => short(BOTTOM - (Math.min(value, end) / end) * (BOTTOM - TOP));
  const runs = unbroken(points, widthMs);
  const last = text(rounded(meanOf(points.at(-1))));
  return {
    name,
    last,
    summary: `${name}, since ${BEGINS[range]}: ${last} now, at most ${text(rounded(highest))}, at least ${text(rounded(lowest))}.`,
    top: text(end),
    begins: BEGINS[range],
    line: runs.map(run => lineOf(run.map(point => [x(point.at), y(meanOf(point))]))).join(''),
    band: runs.map(run => bandOf(run, x, y)).join(''),
    rows: points.toReversed().map(point => ({
      at: point.at,
      mean: text(rounded(meanOf(point))),
      least: text(rounded(point.least)),
      most: text(rounded(point.most)),
    })),
  };
}

/** The next of 1, 2, 5, 10, 20 … units that is not below. */
export function roundEnd(most: number, unit: number): number {
  const units = Math.max(1, most / unit);
  const power = 10 ** Math.floor(Math.log10(units));
  const factor = [1, 2, 5, 10].find(each => each * power >= units) ?? 10;
  return factor * power * unit;
}

/** Where the appliance was off, the line ends and begins anew. */
function unbroken(points: readonly Sample[], widthMs: number): Sample[][] {
  const runs: Sample[][] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    if (point.at - before > widthMs) runs.push([]);
    runs.at(-1)?.push(point);
    before = point.at;
  }
  return runs;
}

/** A point that stands alone is a dash. */
function lineOf(points: readonly (readonly [x: number, y: number])[]): string {
  const path = points.map(([x, y], n) => `${n === 0 ? 'M' : 'L'}${x} ${y}`).join('');
  return points.length === 1 ? `${path}h2` : path;
}

function bandOf(run: readonly Sample[], x: (at: number) => number, y: (value: number) => number): string {
  const above = run.map(({ at, most }) => `${x(at)} ${y(most)}`);
  const below = run.map(({ at, least }) => `${x(at)} ${y(least)}`).toReversed();
  return `M${[...above, ...below].join('L')}Z`;
}

function meanOf(point: Sample | undefined): number {
  return point === undefined ? 0 : point.total / point.count;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function short(coordinate: number): number {
  return Math.round(coordinate * 10) / 10;
}
