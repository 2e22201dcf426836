// What is kept for plots: held against all that was ever taken, whatever came between.
import test from 'ava';
import fc from 'fast-check';
import { drawPlots, roundEnd } from '../../appliance/portal/status/plots.ts';
import { forgetSamples, listSamples, type Sample } from '../../appliance/portal/status/sample-store.ts';
import { Samples, STEPS, valuesOf } from '../../appliance/portal/status/samples.ts';
import type { Transaction } from '../../appliance/store/sql.ts';
import { openTestStore } from '../support/store.ts';
import { aDisk, aReading, DAY_MS, HOUR_MS, NOW } from './status-reading.ts';

interface Taken {
  readonly at: number;
  readonly value: number;
}

async function forgetEverything(tx: Transaction): Promise<void> {
  for (const { step } of STEPS) await forgetSamples(tx, step, Number.MAX_SAFE_INTEGER);
}

/** What stands in the rows of a step when nothing was ever lost, doubled or forgotten too early. */
function expected(taken: readonly Taken[], stepMs: number, keptMs: number): Map<number, Taken[]> {
  const lastMinute = Math.floor((taken.at(-1)?.at ?? 0) / 60_000) * 60_000;
  const groups = Map.groupBy(taken, ({ at }) => Math.floor(at / stepMs) * stepMs);
  return new Map([...groups].filter(([at]) => at >= lastMinute - keptMs));
}

test('A-06 whatever is taken whenever, with restarts, minutes, hours and days tell its count, mean, least and most', async t => {
  const step = fc.record({
    passedMs: fc.oneof(
      fc.integer({ min: 0, max: 90_000 }),
      fc.integer({ min: HOUR_MS, max: 3 * DAY_MS }), // longer than minutes are kept,
      fc.integer({ min: 40 * DAY_MS, max: 90 * DAY_MS }), // than hours,
      fc.integer({ min: 365 * DAY_MS, max: 2000 * DAY_MS }), // than days
    ),
    value: fc.integer({ min: 0, max: 1_000_000 }),
    restarts: fc.boolean(),
  });
  const at = await openTestStore();
  t.teardown(() => at.close());
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async steps => {
      await at.store.core.transaction(tx => forgetEverything(tx));
      let samples = new Samples(at.store);
      const taken: Taken[] = [];
      let now = NOW;
      for (const { passedMs, value, restarts } of steps) {
        now += passedMs;
        await samples.take(now, { sessions: value });
        taken.push({ at: now, value });
        if (!restarts) continue;
        await samples.write();
        samples = new Samples(at.store);
      }
      await samples.write();
      for (const { step: seconds, keptMs } of STEPS) {
        const rows = await listSamples(at.store.core.read, seconds, 0, seconds * 1000);
        const wanted = [...expected(taken, seconds * 1000, keptMs)].map(([begin, all]) => {
          const values = all.map(({ value }) => value);
          const total = values.reduce((sum, value) => sum + value, 0);
          const [least, most] = [Math.min(...values), Math.max(...values)];
          return { series: 'sessions', at: begin, count: values.length, total, least, most };
        });
        t.deepEqual(rows, wanted, `${seconds}`);
      }
    }),
    { numRuns: 25 },
  );
});

test('A-06 a plot begins and ends with its axis, breaks where nothing was taken, and says the same in words', t => {
  const point = (minutesAgo: number, mean: number, least = mean, most = mean): Sample => {
    const minute = NOW - minutesAgo * 60_000;
    return { series: 'sessions', at: minute, count: 2, total: mean * 2, least, most };
  };
  const points = new Map([['sessions', [point(60, 0), point(59, 10, 4, 16), point(30, 8), point(1, 2), point(0, 4)]]]);
  const [plot, ...others] = drawPlots(points, 'hour', NOW);
  t.deepEqual(others, []);
  t.is(plot?.summary, 'Sessions, since an hour ago: 4 now, at most 16, at least 0.');
  t.is(plot?.top, '20');
  t.is(plot?.line, 'M52 90L56.4 50M184 58h2M311.6 82L316 74');
  t.is(plot?.band, 'M52 90L56.4 26L56.4 74L52 90ZM184 58L184 58ZM311.6 82L316 74L316 74L311.6 82Z');
  t.deepEqual(plot?.rows[3], { at: NOW - 59 * 60_000, mean: '10', least: '4', most: '16' });
  t.deepEqual(
    [0, 1, 3, 7, 20, 21].map(most => roundEnd(most, 1)),
    [1, 1, 5, 10, 20, 50],
  );
  t.is(roundEnd(3 * 2 ** 20, 2 ** 20), 5 * 2 ** 20);
});

test('A-06 of a look only amounts are kept: what is relayed by the second, what is used of the disk', t => {
  const before = aReading({ upMs: 1000, relayedBytes: 500 });
  const values = valuesOf(aReading({ upMs: 11_000, relayedBytes: 2500, disks: [aDisk(75)] }), before);
  t.like(values, { sessions: 2, waiting: 0, technicians: 2, relayed: 200, disk: 25, logins: 1, memory: 80 * 2 ** 20 });
  t.false('relayed' in valuesOf(before, null), 'not before it is known what was relayed before');
});
