// How busy the appliance was, for plots: what each look finds is put together for a minute, then written once, into the rows of that
// minute, its hour and its day. So nothing has to be thinned later, and a restart neither loses nor doubles more than a minute.
import type { Store } from '../../store/store.ts';
import type { Reading } from './reading.ts';
import { addSample, forgetSamples, listSamples, type Sample } from './sample-store.ts';

const [MINUTE_MS, HOUR_MS, DAY_MS] = [60_000, 3_600_000, 86_400_000];

/** In seconds, with how long rows of it are kept. */
export const STEPS = [
  { step: 60, keptMs: 2 * DAY_MS },
  { step: 3600, keptMs: 62 * DAY_MS },
  { step: 86_400, keptMs: 5 * 366 * DAY_MS },
] as const;

/** What is plotted: from which rows, since when, and how much each point covers. */
export const RANGES = {
  hour: { step: 60, spanMs: HOUR_MS, widthMs: MINUTE_MS },
  day: { step: 60, spanMs: DAY_MS, widthMs: 10 * MINUTE_MS },
  month: { step: 3600, spanMs: 30 * DAY_MS, widthMs: 6 * HOUR_MS },
  year: { step: 86_400, spanMs: 365 * DAY_MS, widthMs: 5 * DAY_MS },
} as const;
export type Range = keyof typeof RANGES;

export class Samples {
  readonly #store: Pick<Store, 'core'>;
  /** Of the minute that is not written yet. */
  readonly #minute = new Map<string, Sample>();

  constructor(store: Pick<Store, 'core'>) {
    this.#store = store;
  }

  /** @param at ms UTC; the minute before is written when a new one has begun */
  async take(at: number, values: Readonly<Record<string, number>>): Promise<void> {
    const minute = floor(at, MINUTE_MS);
    const [first] = this.#minute.values();
    if (first !== undefined && first.at !== minute) await this.write();
    for (const [series, value] of Object.entries(values)) {
      const one = { series, at: minute, count: 1, total: value, least: value, most: value };
      const known = this.#minute.get(series);
      this.#minute.set(series, known === undefined ? one : together(known, one));
    }
  }

  /** Writes what was taken so far. */
  async write(): Promise<void> {
    const taken = [...this.#minute.values()];
    this.#minute.clear();
    const [first] = taken;
    if (first === undefined) return;
    await this.#store.core.transaction(async tx => {
      for (const { step, keptMs } of STEPS) {
        for (const one of taken) await addSample(tx, step, { ...one, at: floor(one.at, step * 1000) });
        await forgetSamples(tx, step, first.at - keptMs);
      }
    });
  }

  /** Points by series, oldest first; where nothing was taken there is none. @param now ms UTC */
  async read(range: Range, now: number): Promise<ReadonlyMap<string, readonly Sample[]>> {
    const { step, spanMs, widthMs } = RANGES[range];
    const found = new Map<string, Sample[]>();
    for (const one of await listSamples(this.#store.core.read, step, floor(now - spanMs, widthMs), widthMs)) {
      const list = found.get(one.series) ?? [];
      list.push(one);
      found.set(one.series, list);
    }
    return found;
  }
}

/** What of a look is kept. @param before the look before it */
export function valuesOf(reading: Reading, before: Reading | null): Readonly<Record<string, number>> {
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
  const { available, busy, away } = reading.technicians;
  const live = [...reading.sessions].filter(([state]) => state !== 'connecting').map(([, count]) => count);
  const [disk] = reading.disks;
  const passedS = before === null ? 0 : (reading.upMs - before.upMs) / 1000;
  return {
    sessions: sum(live),
    waiting: reading.sessions.get('waiting') ?? 0,
    technicians: available + busy + away,
    ...(before !== null && passedS > 0 && { relayed: (reading.relayedBytes - before.relayedBytes) / passedS }),
    processor: sum(reading.processes.map(one => one.processorShare)) * 100,
    memory: sum(reading.processes.map(one => one.facts?.residentBytes ?? 0)),
    ...(disk !== undefined && disk.totalBytes > 0 && { disk: (1 - disk.freeBytes / disk.totalBytes) * 100 }),
    logins: reading.failedLogins.tenMinutes,
  };
}

function together(one: Sample, other: Sample): Sample {
  return {
    ...one,
    count: one.count + other.count,
    total: one.total + other.total,
    least: Math.min(one.least, other.least),
    most: Math.max(one.most, other.most),
  };
}

function floor(at: number, widthMs: number): number {
  return Math.floor(at / widthMs) * widthMs;
}
