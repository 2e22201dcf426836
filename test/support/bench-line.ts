/** One figure, as `npm run bench` prints it. Where a peer or a floor ran in the same call, `other` and `ratio` are there. */
export interface BenchLine {
  readonly bench: string;
  readonly value: number;
  readonly unit: string;
  readonly against: string | null;
  readonly other: number | null;
  /** value / other */
  readonly ratio: number | null;
  readonly goal: number | null;
  readonly ok: boolean;
}

export type Benches = Record<string, () => Promise<BenchLine[]>>;

/** A figure that is to stay at or below its goal, with nothing beside it. */
export function figure(bench: string, value: number, unit: string, goal: number): BenchLine {
  const rounded = Number(value.toFixed(value < 10 ? 2 : 1));
  return { bench, value: rounded, unit, against: null, other: null, ratio: null, goal, ok: value <= goal };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
