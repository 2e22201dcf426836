import test from 'ava';
import { ALIVE_MS, CHECK_MS } from '../../appliance/portal/technician/events.ts';
import type { SessionView } from '../../appliance/protocol/console-api.ts';
import { linked, openTestDesk } from './open-support.ts';

test('E-02 a console hears of each change of its sessions, the new state first', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner, leg } = await at.waiting();
  const events = await at.consoleOf(owner).listen();
  t.deepEqual(await events.next(), { type: 'hello' });
  await at.consoleOf(owner).post(`/sessions/${id}/pick-up`);
  const { event, session } = await events.until('session');
  t.is(event, 'session.picked-up');
  t.like(session, { id, state: 'active', customerName: 'Carl', isPresent: true } satisfies Partial<SessionView>);
  leg.say({ type: 'end', reason: 'customer-left' });
  t.like((await events.until('session')).session, { state: 'closed', endReason: 'customer-left' });
  await at.consoleOf(owner).post('/sessions', { customerName: null, language: null });
  t.is((await events.until('session')).event, 'session.created');
});

test('E-02 an offered session comes to both, and is gone from the one who gave it away', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const [theo, uma] = [await at.technician(), await at.technician()];
  const [mine, his, hers] = await Promise.all([owner, theo, uma].map(one => at.consoleOf(one).listen()));
  if (mine === undefined || his === undefined || hers === undefined) return t.fail();
  for (const events of [mine, his, hers]) await events.until('hello');
  await at.consoleOf(owner).post(`/sessions/${id}/offer`, { technicianId: theo.id });
  t.is((await mine.until('session')).session.state, 'transferring');
  t.is((await his.until('session')).session.offeredTo, theo.id);
  await at.consoleOf(theo).post(`/sessions/${id}/pick-up`);
  t.deepEqual(await mine.next(), { type: 'gone', sessionId: id });
  t.is((await his.until('session')).session.owner.id, theo.id);
  await at.consoleOf(uma).post('/status', { status: 'available' });
  t.is((await hers.next())?.type, 'technician', 'another’s sessions are not told to her');
});

test('E-02 D-01 status of colleagues and a change of permissions are told', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const [tina, theo] = [await at.technician(), await at.technician()];
  const events = await at.consoleOf(tina).listen();
  await events.until('hello');
  await at.consoleOf(theo).post('/status', { status: 'available' });
  t.like((await events.until('technician')).technician, { id: tina.id, status: 'available' }); // she has come
  t.deepEqual((await events.until('technician')).technician, { id: theo.id, name: theo.name, status: 'available' });
  await at.identity.logins.signOut(theo.token);
  t.like((await events.until('technician')).technician, { id: theo.id, status: 'away' });
  const { groups } = at.parts.support;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  await groups.setPermissions(editor, await groups.groupOf(tina.id), { reboot: 'deny' });
  await events.until('permissions');
  const group = await groups.create(editor, { name: 'Day shift', parentId: await groups.groupOf(tina.id) });
  await groups.assign(editor, tina.id, group.id);
  await events.until('permissions');
});

test('C-06 whoever is put into a group that his address is not allowed in is signed out at once', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const [tina, theo] = [await at.technician(), await at.technician()];
  const [mine, his] = [await at.consoleOf(tina).listen(), await at.consoleOf(theo).listen()];
  for (const events of [mine, his]) await events.until('hello');
  const { groups } = at.parts.support;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const night = await groups.create(editor, { name: 'Night shift', parentId: await groups.groupOf(tina.id) });
  await at.identity.allowLists.set(at.asRoot, { kind: 'group', id: night.id }, '203.0.113.0/24');
  await groups.assign(editor, tina.id, night.id);
  t.is((await mine.until('signed-out')).reason, 'address-refused');
  t.is(await at.identity.logins.find(tina.token, { touch: false }), undefined);
  t.truthy(await at.identity.logins.find(theo.token, { touch: false }), 'others go on');
});

const ends = {
  'signed-out': async ({ at, member }: Ending) => at.identity.logins.signOut(member.token),
  disabled: async ({ at, member }: Ending) => at.identity.members.disable(at.asRoot, member.id),
  'roles-changed': async ({ at, member }: Ending) =>
    at.identity.members.update(at.asRoot, member.id, { name: member.name, roles: ['auditor'] }),
  'password-reset': async ({ at, member }: Ending) => at.identity.members.resetPassword(at.asRoot, member.id),
  'ended-by-admin': async ({ at, member }: Ending) => at.identity.logins.end(at.asRoot, member.login.id),
  idle: async ({ at }: Ending) => {
    at.clock.advance(15 * 60_000);
    await at.identity.logins.sweep();
  },
};
interface Ending {
  readonly at: Awaited<ReturnType<typeof openTestDesk>>;
  readonly member: Awaited<ReturnType<Awaited<ReturnType<typeof openTestDesk>>['technician']>>;
}
for (const [reason, end] of Object.entries(ends)) {
  test(`C-08 D-04 the login ends (${reason}): socket, rights and links end with it, at once`, async t => {
    const at = await openTestDesk();
    t.teardown(() => at.close());
    const { id, owner, leg } = await linked(at);
    const events = await at.consoleOf(owner).listen();
    await events.until('hello');
    await end({ at, member: owner });
    const endedAt = at.clock.monotonic();
    t.deepEqual(await events.until('signed-out'), { type: 'signed-out', reason });
    t.is((await leg.until('revoked')).reason, reason);
    t.is(at.clock.monotonic(), endedAt); // no time has passed: no look by the clock has told them
    await events.closed();
    const { linkId, state } = await at.parts.support.sessions.get(id);
    t.deepEqual([linkId, state], [null, 'active']);
  });
}

test('D-04 of two logins one ends: the link made by the other goes on, and the one made by it ends', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { owner, id, leg, linkId } = await linked(at);
  const { loginId } = await at.identity.members.get(owner.id);
  const second = await at.signIn(loginId);
  await at.identity.logins.signOut(second.token);
  leg.say({ type: 'ask-lease', linkId, nonce: new Uint8Array(16) });
  await leg.next('lease');
  await at.signIn(loginId);
  await at.identity.logins.signOut(owner.token);
  t.is((await leg.next('revoked')).reason, 'signed-out');
  t.is((await at.parts.support.sessions.get(id)).linkId, null);
});

test('C-08 the socket is looked at by the clock, too, and says that it is alive', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const tina = await at.technician();
  const events = await at.consoleOf(tina).listen();
  await events.until('hello');
  at.clock.advance(ALIVE_MS);
  t.deepEqual(await events.next(), { type: 'alive' });
  // Behind everyone's back, as after a restore of an older store.
  await at.store.core.transaction(async tx => void (await tx.run('DELETE FROM login')));
  at.clock.advance(CHECK_MS);
  await events.until('signed-out');
  t.true(CHECK_MS <= 30_000);
});

test('A-06 the portal ends: consoles are sent back for it', async t => {
  const at = await openTestDesk();
  const events = await at.consoleOf(await at.technician()).listen();
  await events.until('hello');
  await at.close();
  t.is(events.closedWith, 1012);
});
