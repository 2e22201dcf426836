import test from 'ava';
import { Replies } from '../../appliance/sessions/replies.ts';
import type { StatusRow } from '../../appliance/sessions/session-log-store.ts';
import { TechnicianStatuses } from '../../appliance/sessions/technician-status.ts';
import { openTestAudit } from '../support/audit.ts';
import { technician } from './open-sessions.ts';

test('E-02 a technician is available, busy or away, and consoles hear of it once', async t => {
  const at = await openTestAudit();
  const statuses = new TechnicianStatuses(at);
  const tina = technician();
  const heard: StatusRow[] = [];
  statuses.onChange(status => heard.push(status));
  t.is(await statuses.of(tina.id), 'away');
  await statuses.set(tina, 'available');
  await statuses.set(tina, 'available');
  await statuses.set(tina, 'busy');
  t.is(await statuses.of(tina.id), 'busy');
  t.deepEqual(
    heard.map(({ status }) => status),
    ['available', 'busy'],
  );
  t.is((await statuses.list()).length, 1);
  await t.throwsAsync(statuses.set(tina, 'asleep'), { code: 'technician.status-unknown' });
  t.is((await at.entries()).length, 2);
  await at.close();
});

test('E-02 who opens the console on a new login is available, and what he says on it holds', async t => {
  const at = await openTestAudit();
  const statuses = new TechnicianStatuses(at);
  const tina = technician();
  await statuses.arrive(tina, at.clock.now());
  t.is(await statuses.of(tina.id), 'available');
  at.clock.advance(1000);
  const signedInAt = at.clock.now();
  at.clock.advance(1000);
  await statuses.set(tina, 'away');
  await statuses.arrive(tina, signedInAt); // the page was loaded again
  t.is(await statuses.of(tina.id), 'away');
  at.clock.advance(1000);
  await statuses.arrive(tina, at.clock.now());
  t.is(await statuses.of(tina.id), 'available');
  await at.close();
});

test('E-03 replies are shared or one’s own, and nobody touches another’s', async t => {
  const at = await openTestAudit();
  const replies = new Replies(at);
  const [tina, theo, ada] = [technician('Tina'), technician('Theo'), technician('Ada')];
  const shared = await replies.create(ada, 'shared', { title: 'Welcome', text: 'How can I help?' });
  const own = await replies.create(tina, 'own', { title: 'Bye', text: 'Have a nice day.' });
  t.deepEqual(await replies.list(tina.id), [own, shared]);
  t.deepEqual(await replies.list(theo.id), [shared]);
  const missing = { code: 'reply.missing' };
  await t.throwsAsync(replies.change(theo, 'own', own.id, { title: 'x', text: 'y' }), missing);
  await t.throwsAsync(replies.delete(theo, 'own', shared.id), missing);
  await t.throwsAsync(replies.delete(theo, 'shared', own.id), missing);
  for (const text of ['', ' ', 'x'.repeat(4001)]) {
    await t.throwsAsync(async () => replies.create(tina, 'own', { title: 'T', text }), { code: 'reply.size' });
  }
  await replies.change(tina, 'own', own.id, { title: 'Goodbye', text: 'Bye.' });
  await replies.delete(ada, 'shared', shared.id);
  t.deepEqual(
    (await replies.list(tina.id)).map(({ title }) => title),
    ['Goodbye'],
  );
  t.deepEqual(
    (await at.entries()).map(({ event }) => event),
    ['reply.created', 'reply.created', 'reply.changed', 'reply.deleted'],
  );
  await at.close();
});
