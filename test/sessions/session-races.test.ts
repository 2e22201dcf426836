// Many hands on one session: what the log says must be one way through the table of states, without a step missing.
import { randomInt } from 'node:crypto';
import test from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { Sessions } from '../../appliance/sessions/sessions.ts';
import { openSessions, technician } from './open-sessions.ts';

test('E-02 G-01 whatever is done at once, the log is one way through the states', async t => {
  const at = await openSessions();
  const [tina, theo] = [technician('Tina'), technician('Theo')];
  for (let round = 0; round < 5; round++) {
    const { id } = await at.active(tina);
    const acts = [
      () => at.sessions.hold(id, tina),
      () => at.sessions.resume(id, tina),
      () => at.sessions.offer(id, tina, theo),
      () => at.sessions.takeBack(id, tina),
      () => at.sessions.pickUp(id, theo),
      () => at.sessions.offer(id, theo, tina),
      () => at.sessions.pickUp(id, tina),
      () => at.sessions.appletLost(id),
      () => at.sessions.reboot(id, tina),
    ];
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, () => (acts[randomInt(acts.length)] ?? (() => at.sessions.get(id)))()),
    );
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      t.true(result.reason instanceof ApplianceError && ['conflict', 'refused'].includes(result.reason.kind));
    }
    const entries = (await at.logged()).filter(
      ({ sessionId, detail }) => sessionId === id && detail.from !== undefined,
    );
    let state: unknown = 'connecting';
    for (const { detail } of entries) {
      t.true(detail.from === state, `${detail.from} after ${state}`);
      state = detail.to;
    }
    t.true((await at.sessions.get(id)).state === state);
    t.is(entries.length, 2 + results.filter(({ status }) => status === 'fulfilled').length);
  }
  await at.close();
});

test('G-01 acting and logging are one: where the log can’t be written, nothing is done and nobody is told', async t => {
  const at = await openSessions();
  const { id, owner } = await at.waiting();
  let isBroken = false;
  const audit: ConstructorParameters<typeof Sessions>[0]['audit'] = {
    append: (tx, event) =>
      isBroken
        ? Promise.reject(new ApplianceError('unavailable', 'test.log-broken', 'no log'))
        : at.audit.append(tx, event),
  };
  const sessions = new Sessions({ store: at.store, audit, clock: at.clock, log: silentLog, metrics: new Metrics() });
  const told: string[] = [];
  sessions.onChange(change => told.push(change.event));
  isBroken = true;
  await t.throwsAsync(sessions.pickUp(id, owner), { code: 'test.log-broken' });
  await t.throwsAsync(sessions.end(id, owner, 'solved'), { code: 'test.log-broken' });
  await t.throwsAsync(sessions.create(owner, { groupId: ROOT_GROUP_ID }), { code: 'test.log-broken' });
  t.is((await sessions.get(id)).state, 'waiting');
  t.truthy((await sessions.get(id)).psk, 'its secrets are still there');
  t.is((await at.store.core.read.get('SELECT count(*) AS n FROM support_session'))?.n, 1);
  t.deepEqual(told, []);
  isBroken = false;
  t.is((await sessions.pickUp(id, owner)).state, 'active');
  await sessions.close();
  await at.close();
});
