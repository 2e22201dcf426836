import test from 'ava';
import { NIGHT_HOUR, RetentionJob } from '../../appliance/jobs/retention-job.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ManualClock } from '../support/manual-clock.ts';

const HOUR_MS = 3_600_000;

function open(startsAt: number) {
  const clock = new ManualClock(startsAt);
  const state = { lastAt: null as number | null, runs: 0, isAway: false };
  const portal = {
    ask: async (method: 'GET' | 'POST') => {
      if (state.isAway) throw new Error('away');
      if (method === 'GET') return { lastAt: state.lastAt };
      state.runs++;
      state.lastAt = clock.now();
      return { failures: 0 };
    },
  };
  const newJob = () => new RetentionJob({ portal, clock, log: silentLog, metrics: new Metrics() });
  return { clock, state, newJob };
}

test('G-05 retention runs once a night, after a restart too, and by day where the night was missed', async t => {
  const { clock, state, newJob } = open(Date.UTC(2026, 5, 1, NIGHT_HOUR) - 1);
  const job = newJob();
  await job.look();
  t.is(state.runs, 0, 'not yet');
  clock.advance(1);
  await job.look();
  await job.look();
  await newJob().look();
  t.is(state.runs, 1);
  clock.advance(24 * HOUR_MS - 1);
  await job.look();
  t.is(state.runs, 1);
  clock.advance(13 * HOUR_MS); // off all night
  await newJob().look();
  t.is(state.runs, 2);
});

test('G-05 a night from while the clock was wrong keeps no other from being one', async t => {
  const { state, newJob } = open(Date.UTC(2026, 5, 1, NIGHT_HOUR));
  state.lastAt = Date.UTC(2099, 0);
  await newJob().look();
  await newJob().look();
  t.is(state.runs, 1);
});

test('G-05 a portal that is away is asked again after an hour', async t => {
  const { clock, state, newJob } = open(Date.UTC(2026, 5, 1, NIGHT_HOUR));
  const job = newJob();
  state.isAway = true;
  await job.look();
  state.isAway = false;
  clock.advance(HOUR_MS - 1);
  await job.look();
  t.is(state.runs, 0);
  clock.advance(1);
  await job.look();
  t.is(state.runs, 1);
});
