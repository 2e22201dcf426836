import { createServer } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { BackupJob, RETRY_MS } from '../../appliance/jobs/backup-job.ts';
import { PortalClient } from '../../appliance/jobs/portal-client.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';

const HOUR_MS = 3_600_000;

/** The portal's side of the socket: what was made, and whether the next one fails. */
async function openPortal(clock: ManualClock) {
  const folder = new TempFolder();
  const socketPath = join(folder.path, 'portal.sock');
  const state = { made: [] as number[], fails: false, says: '' };
  const server = createServer((request, answer) => {
    if (request.method === 'POST' && state.fails) return answer.writeHead(503).end('no space');
    if (request.method === 'POST') state.made.push(clock.now());
    const backups = state.made.map(at => ({ name: String(at), at }));
    answer.end(state.says === '' ? JSON.stringify({ backups }) : state.says);
  });
  await new Promise<void>(resolve => server.listen(socketPath, resolve));
  const close = async () => {
    await new Promise(resolve => server.close(resolve));
    folder[Symbol.dispose]();
  };
  return { state, portal: new PortalClient(socketPath), close };
}

function jobOn(portal: PortalClient, clock: ManualClock): BackupJob {
  return new BackupJob({ portal, everyHours: 24, clock, log: silentLog, metrics: new Metrics() });
}

test('J-05 a backup from while the clock was wrong keeps no other from being made', async t => {
  const clock = new ManualClock();
  const { state, portal, close } = await openPortal(clock);
  state.made.push(clock.now() + 10 * 365 * 24 * HOUR_MS);
  for (let hour = 0; hour < 25; hour++) {
    await jobOn(portal, clock).look();
    clock.advance(HOUR_MS);
  }
  t.is(state.made.length, 3, 'now, and a day later');
  await close();
});

test('J-05 a backup is made when none was, and every 24 hours', async t => {
  const clock = new ManualClock();
  const { state, portal, close } = await openPortal(clock);
  const job = jobOn(portal, clock);
  await job.look();
  t.is(state.made.length, 1);
  clock.advance(24 * HOUR_MS - 1);
  await job.look();
  t.is(state.made.length, 1);
  clock.advance(1);
  await jobOn(portal, clock).look(); // a restart neither skips nor repeats one
  t.is(state.made.length, 2);
  await close();
});

test('J-05 after a failure it waits, then tries again', async t => {
  const clock = new ManualClock();
  const { state, portal, close } = await openPortal(clock);
  const job = jobOn(portal, clock);
  state.fails = true;
  await job.look();
  state.fails = false;
  clock.advance(RETRY_MS - 1);
  await job.look();
  t.is(state.made.length, 0);
  clock.advance(1);
  await job.look();
  t.is(state.made.length, 1);
  await close();
});

test('J-05 a portal that answers rubbish or is not there is an error with a name', async t => {
  const clock = new ManualClock();
  const { state, portal, close } = await openPortal(clock);
  state.says = '<html>';
  await t.throwsAsync(portal.ask('GET', '/internal/backups', 1000), { code: 'portal.refused' });
  state.says = 'x'.repeat(2 * 1024 * 1024);
  await t.throwsAsync(portal.ask('GET', '/internal/backups', 1000), { code: 'portal.unreachable' });
  await close();
  await t.throwsAsync(portal.ask('GET', '/internal/backups', 1000), { code: 'portal.unreachable' });
});
