import test from 'ava';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { sha256 } from '../../appliance/sessions/session-secrets.ts';
import type { SessionChange } from '../../appliance/sessions/sessions.ts';
import { digestOf, newHash, newId, openSessions, technician } from './open-sessions.ts';

const MINUTE = 60_000;

test('E-02 a session from the technician’s click to its end, each step in the log', async t => {
  const at = await openSessions();
  const { id, owner } = await at.active();
  await at.sessions.hold(id, owner);
  await at.sessions.resume(id, owner);
  await at.sessions.end(id, owner, 'solved');
  t.deepEqual(await at.events(id), [
    'session.created',
    'session.link-made',
    'session.download',
    'session.claimed',
    'session.picked-up',
    'session.link-started',
    'session.held',
    'session.resumed',
    'session.ended',
  ]);
  const ended = await at.sessions.get(id);
  t.is(ended.state, 'closed');
  t.is(ended.endReason, 'solved');
  t.is(await at.sessions.customerNameOf(ended), 'Carl');
  await at.store.sessionKeys.destroy(id);
  t.is(await at.sessions.customerNameOf(ended), null);
  await at.close();
});

test('E-02 two technicians press at once: one wins', async t => {
  const at = await openSessions();
  const { id, owner } = await at.waiting();
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => at.sessions.pickUp(id, owner)));
  t.is(results.filter(result => result.status === 'fulfilled').length, 1);
  for (const result of results) if (result.status === 'rejected') t.is(result.reason.kind, 'conflict');
  t.is((await at.events(id)).filter(event => event === 'session.picked-up').length, 1);
  await at.close();
});

test('E-02 D-08 nobody picks up, holds, resumes or offers another technician’s session', async t => {
  const at = await openSessions();
  const stranger = technician('Stan');
  const waiting = await at.waiting();
  await t.throwsAsync(at.sessions.pickUp(waiting.id, stranger), { code: 'session.not-yours' });
  const { id, owner } = await at.active();
  for (const attempt of [
    at.sessions.hold(id, stranger),
    at.sessions.offer(id, stranger, stranger),
    at.sessions.reboot(id, stranger),
  ]) {
    await t.throwsAsync(attempt, { code: 'session.not-yours' });
  }
  await at.sessions.hold(id, owner);
  await t.throwsAsync(at.sessions.resume(id, stranger), { code: 'session.not-yours' });
  await at.close();
});

test('E-02 a session is offered, taken by the one it was offered to, or back after two minutes', async t => {
  const at = await openSessions();
  const [tina, theo] = [technician('Tina'), technician('Theo')];
  const { id } = await at.active(tina);
  await at.sessions.offer(id, tina, theo);
  await t.throwsAsync(at.sessions.pickUp(id, tina), { code: 'session.not-yours' });
  t.deepEqual(
    (await at.sessions.list('incoming', { memberId: theo.id })).map(session => session.id),
    [id],
  );
  await at.sessions.pickUp(id, theo);
  t.is((await at.sessions.get(id)).ownerId, theo.id);
  await at.sessions.offer(id, theo, tina);
  at.clock.advance(2 * MINUTE);
  t.is(await at.sessions.sweep(), 1);
  const back = await at.sessions.get(id);
  t.deepEqual([back.state, back.ownerId, back.offeredTo], ['active', theo.id, null]);
  await at.close();
});

test('E-02 the customer is lost and comes back; too late is timed out', async t => {
  const at = await openSessions();
  const { id } = await at.active();
  t.is((await at.sessions.appletLost(id)).state, 'reconnecting');
  at.clock.advance(10 * MINUTE - 1);
  t.is(await at.sessions.sweep(), 0);
  at.clock.advance(1);
  t.is(await at.sessions.sweep(), 1);
  const over = await at.sessions.get(id);
  t.deepEqual([over.state, over.endReason], ['timed-out', 'reconnecting too long']);
  t.is(await at.sessions.sweep(), 0);
  await at.close();
});

test('E-02 resuming while the customer is away waits for him', async t => {
  const at = await openSessions();
  const { id, owner } = await at.active();
  await at.sessions.hold(id, owner);
  t.is((await at.sessions.appletLost(id)).state, 'on-hold');
  t.is((await at.sessions.resume(id, owner)).state, 'reconnecting');
  await at.close();
});

test('C-08 the end takes every secret and right with it', async t => {
  const at = await openSessions();
  const { id, owner, code, token, applet, linkId, receipt } = await at.active();
  const leg = await at.legs.issue(id);
  const before = await at.sessions.get(id);
  t.is((await at.entries.openPsk(before)).length, 32);
  await at.sessions.end(id, owner, 'solved');
  const after = await at.sessions.get(id);
  t.deepEqual([after.psk, after.linkId, after.handshakeHash, after.deadline], [null, null, null, null]);
  await t.throwsAsync(at.entries.openPsk(after), { code: 'session.over' });
  await t.throwsAsync(at.legs.use(digestOf(leg.console), 'console'), { code: 'leg-token.refused' });
  await t.throwsAsync(at.legs.issue(id), { code: 'session.over' });
  await t.throwsAsync(at.entries.look(code), { code: 'entry.refused' });
  await t.throwsAsync(at.entries.claim(sha256(token), applet.spki, '::1'), { code: 'entry.refused' });
  await t.throwsAsync(at.rights.lease(id, { linkId, nonce: newId() }), { code: 'rights.refused' });
  await t.throwsAsync(at.rights.grant(id, owner, receipt()), { code: 'rights.refused' });
  const to = { role: 'applet' as const, spk: newHash(), nonce: newId(), features: [] };
  await t.throwsAsync(at.rights.credential(after, to), { code: 'rights.refused' });
  for (const table of ['pin', 'entry_code', 'leg_token', 'restart_ticket']) {
    t.deepEqual(await at.store.core.read.all(`SELECT * FROM ${table}`), []);
  }
  await at.close();
});

test('E-02 queues show each technician his own, and consoles are told of each change', async t => {
  const at = await openSessions();
  const [tina, theo] = [technician('Tina'), technician('Theo')];
  const changes: SessionChange[] = [];
  at.sessions.onChange(change => changes.push(change));
  const waiting = await at.waiting(tina);
  const active = await at.active(tina);
  const other = await at.active(theo);
  await at.sessions.hold(other.id, theo);
  const ids = async (queue: 'incoming' | 'active' | 'on-hold' | 'closed', memberId: string) =>
    (await at.sessions.list(queue, { memberId })).map(session => session.id);
  t.deepEqual(await ids('incoming', tina.id), [waiting.id]);
  t.deepEqual(await ids('active', tina.id), [active.id]);
  t.deepEqual(await ids('on-hold', theo.id), [other.id]);
  t.deepEqual(await ids('active', theo.id), []);
  t.is((await at.sessions.list('active', { groupIds: [ROOT_GROUP_ID] })).length, 1);
  t.deepEqual(
    changes.filter(change => change.sessionId === waiting.id).map(change => [change.event, change.state]),
    [
      ['session.created', 'connecting'],
      ['session.claimed', 'waiting'],
    ],
  );
  await at.close();
});

test('E-02 the clock ends what nobody claims, by itself', async t => {
  const at = await openSessions();
  const { id } = await at.sessions.create(technician(), { groupId: ROOT_GROUP_ID });
  const over = new Promise<SessionChange>(resolve => {
    at.sessions.onChange(change => change.state === 'timed-out' && resolve(change));
  });
  at.clock.advance(24 * 60 * MINUTE);
  at.sessions.start();
  at.clock.advance(1000);
  t.is((await over).sessionId, id);
  await at.close();
});

test('F-04 a token of a leg is good once, for its role, and for 30 s; both of a pair name the pair', async t => {
  const at = await openSessions();
  const { id } = await at.active();
  const refused = { code: 'leg-token.refused' };
  const pair = await at.legs.issue(id);
  const applet = digestOf(pair.applet);
  await t.throwsAsync(at.legs.use(applet, 'console'), refused);
  await t.throwsAsync(at.legs.use(`${applet}A`, 'applet'), refused);
  await t.throwsAsync(at.legs.use(pair.applet, 'applet'), refused, 'the token is not its digest');
  const uses = await Promise.allSettled([at.legs.use(applet, 'applet'), at.legs.use(applet, 'applet')]);
  t.deepEqual(uses.map(use => use.status).sort(), ['fulfilled', 'rejected']);
  t.deepEqual(await at.legs.use(digestOf(pair.console), 'console'), { pairId: pair.pairId, sessionId: id });
  const late = await at.legs.issue(id);
  t.not(late.pairId, pair.pairId);
  at.clock.advance(30_000);
  await t.throwsAsync(at.legs.use(digestOf(late.console), 'console'), refused);
  const rows = await at.store.core.read.all('SELECT digest FROM leg_token');
  t.is(rows.length, 1);
  t.false(rows.some(row => Buffer.from(row.digest as Uint8Array).toString('base64url') === late.applet));
  await at.close();
});

test('F-04 a session has 64 unused pairs of tokens at most, until they run out', async t => {
  const at = await openSessions();
  const [one, two] = [await at.active(), await at.active()];
  for (let pairs = 0; pairs < 64; pairs++) await at.legs.issue(one.id);
  await t.throwsAsync(at.legs.issue(one.id), { code: 'leg-token.too-many' });
  await t.notThrowsAsync(at.legs.issue(two.id));
  at.clock.advance(30_000);
  await t.notThrowsAsync(at.legs.issue(one.id));
  await at.close();
});
