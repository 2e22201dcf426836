import { createHash } from 'node:crypto';
import test from 'ava';
import { sealForLog } from '../../appliance/browser/log-seal.ts';
import { fromBase64Url, toBase64Url } from '../../appliance/guid.ts';
import { permissions, type Setting } from '../../appliance/permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { DOMAINS, verifySigned } from '../../appliance/pki/signature.ts';
import type {
  ConsoleStart,
  LinkFacts,
  MadeSession,
  RelayPath,
  ReplyView,
  SessionDetail,
  SessionView,
  SignedView,
  TechnicianView,
} from '../../appliance/protocol/console-api.ts';
import { parseCredential } from '../../appliance/protocol/signed.ts';
import { linkPsk } from '../../appliance/sessions/session-secrets.ts';
import { newId } from '../sessions/open-sessions.ts';
import { bytes, linked, openTestDesk } from './open-support.ts';

test('E-02 a console starts: who he is, whether he may make sessions, and the key for the log', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const tina = await at.technician();
  const start = await at.consoleOf(tina).get<ConsoleStart>('/start');
  t.like(start, {
    member: { id: tina.id, name: tina.name, roles: ['technician'] },
    organisation: 'Kestrel Works',
    status: 'away',
    mayStart: { allowed: true, why: 'granted by Everyone' },
    replies: [],
    appliance: { time: at.clock.now() },
  });
  t.is(fromBase64Url(start.logKey).length, 32);
});

test('D-05 E-02 a session is made with PIN, link and an honest e-mail, and a new PIN voids the one before', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const tina = await at.technician();
  const console = at.consoleOf(tina);
  const made = await console.post<MadeSession>('/sessions', { customerName: ' Carl ', language: 'de' });
  t.like(made.session, { state: 'connecting', queue: 'incoming', customerName: 'Carl', language: 'de' });
  t.regex(made.pin, /^\d{3} \d{3} \d{3}$/);
  t.regex(made.link, /^https:\/\/support\.example\.com:8443\/s\/[A-Za-z0-9_-]{22}$/);
  t.is(made.pinExpiresAt, at.clock.now() + 20 * 60_000);
  for (const said of [made.link, made.pin, tina.name, 'Kestrel Works', 'Hello Carl', 'Did you not ask for help?']) {
    t.true(made.email.body.includes(said), said);
  }
  const again = await console.post<MadeSession>(`/sessions/${made.session.id}/pin`);
  t.not(again.pin, made.pin);
  const { entries } = at.parts.support;
  await t.throwsAsync(entries.enterByPin(made.pin, '198.51.100.7'), { code: 'entry.refused' });
  t.is((await entries.enterByPin(again.pin, '198.51.100.7')).sessionId, made.session.id as never);
  t.is((await entries.look(made.link.slice(-22))).id, made.session.id as never);
});

test('E-02 a session goes through its queues, step by step, and its log tells each', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await at.waiting();
  const console = at.consoleOf(owner);
  const queue = async (name: string) =>
    (await console.get<{ sessions: SessionView[] }>(`/sessions?queue=${name}`)).sessions.map(session => session.id);
  t.deepEqual(await queue('incoming'), [id]);
  t.is((await console.post<SessionView>(`/sessions/${id}/pick-up`)).state, 'active');
  t.is((await console.post<SessionView>(`/sessions/${id}/hold`)).queue, 'on-hold');
  t.deepEqual(await queue('on-hold'), [id]);
  t.is((await console.post<SessionView>(`/sessions/${id}/resume`)).state, 'active');
  t.is(await console.refused(`/sessions/${id}/resume`), 'permission.denied');
  t.is(await console.refused(`/sessions/${id}/pin`), 'permission.denied');
  const ended = await console.post<SessionView>(`/sessions/${id}/end`, { reason: 'Printer works again' });
  t.like(ended, { state: 'closed', queue: 'closed', endReason: 'Printer works again' });
  t.deepEqual(await queue('closed'), [id]);
  const { events } = await console.get<SessionDetail>(`/sessions/${id}`);
  t.deepEqual(
    events.map(({ event }) => event).filter(event => /picked|held|resumed|ended/.test(event)),
    ['session.picked-up', 'session.held', 'session.resumed', 'session.ended'],
  );
});

test('D-01 the detail says of each of the sixteen permissions whether and why', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const { groups } = at.parts.support;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const night = await groups.create(editor, { name: 'Night shift', parentId: await groups.groupOf(owner.id) });
  await groups.setPermissions(editor, night.id, { reboot: 'deny' });
  await groups.assign(editor, owner.id, night.id);
  const detail = await at.consoleOf(owner).get<SessionDetail>(`/sessions/${id}`);
  t.is(detail.permissions.length, 16);
  const of = (action: string) => detail.permissions.find(one => one.action === action);
  t.deepEqual(of('reboot'), { action: 'reboot', allowed: false, why: 'denied by Night shift' });
  t.like(of('launch-remote-control'), { allowed: true, why: 'granted by Everyone' });
  t.like(of('deploy-scripts'), { allowed: false, why: 'denied: no group grants it' });
});

// What the root sets, what the technician's own group sets, and who then says no.
const settings: Record<string, readonly [root: Setting | null, desk: Setting | null, no: string | null]> = {
  'granted by the group': ['deny', 'grant', null],
  'denied by the group': ['grant', 'deny', 'denied by Helpdesk'],
  'inherited as granted': ['grant', null, null],
  'inherited as denied': ['deny', null, 'denied by Everyone'],
  'set by nobody': [null, null, 'denied: no group grants it'],
};
for (const [name, [root, own, no]] of Object.entries(settings)) {
  test(`D-01 G-01 making, handing over and recording sessions, ${name}: done, or refused and in the log`, async t => {
    const at = await openTestDesk();
    t.teardown(() => at.close());
    const { groups, rights, sessions } = at.parts.support;
    const { id, owner } = await linked(at);
    const [theo, connecting] = [await at.technician(), await sessions.create(owner, { groupId: ROOT_GROUP_ID })];
    const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
    const desk = await groups.create(editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
    const all = (to: Setting | null) => (to === null ? {} : Object.fromEntries(permissions.map(one => [one, to])));
    await groups.setPermissions(editor, ROOT_GROUP_ID, all(root));
    await groups.setPermissions(editor, desk.id, all(own));
    const moved = new Promise(resolve => rights.onRevoked(resolve));
    await groups.assign(editor, owner.id, desk.id);
    await moved;
    const asked: readonly [action: string, path: string, body?: unknown][] = [
      ['start-private-sessions', '/sessions', { customerName: null, language: null }],
      ['make-pin', `/sessions/${connecting.id}/pin`],
      ['record-sessions', `/sessions/${id}/recording-token`],
      ['transfer-sessions', `/sessions/${id}/offer`, { technicianId: theo.id }],
    ];
    for (const [, path, body] of asked) {
      const { status, error } = await at.consoleOf(owner).ask('POST', path, body);
      t.deepEqual([status, error?.code], no === null ? [200, undefined] : [403, 'permission.denied'], path);
    }
    const told = (await at.entries()).filter(({ event }) => event === 'rights.refused');
    t.deepEqual(
      told.map(({ actor, detail }) => [actor.id, detail.why]),
      no === null ? [] : asked.map(([action]) => [owner.id, `${action}: ${no}`]),
    );
  });
}

test('E-02 a session is offered to a technician who is signed in, and is his once he picks it up', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const [theo, away] = [await at.technician(), await at.technician()];
  await at.identity.logins.signOut(away.token);
  const [mine, his] = [at.consoleOf(owner), at.consoleOf(theo)];
  t.is(await mine.refused(`/sessions/${id}/offer`, { technicianId: away.id }), 'session.technician-away');
  t.is(await mine.refused(`/sessions/${id}/offer`, { technicianId: owner.id }), 'session.technician-away');
  t.is(await mine.refused(`/sessions/${id}/offer`, { technicianId: at.root.id }), 'session.technician-away');
  t.is(await his.refused(`/sessions/${id}/pick-up`), 'session.missing');
  t.like(await mine.post<SessionView>(`/sessions/${id}/offer`, { technicianId: theo.id }), { offeredTo: theo.id });
  t.is((await his.get<SessionDetail>(`/sessions/${id}`)).session.state, 'transferring');
  t.is(await his.refused(`/sessions/${id}/link`), 'permission.denied');
  t.is((await mine.post<SessionView>(`/sessions/${id}/take-back`)).state, 'active');
  await mine.post(`/sessions/${id}/offer`, { technicianId: theo.id });
  t.like(await his.post<SessionView>(`/sessions/${id}/pick-up`), { state: 'active', owner: { id: theo.id } });
  t.is(await mine.refused(`/sessions/${id}`, undefined, 'GET'), 'session.missing');
});

test('B-02 F-04 all a console needs for the handshake: the psk, a credential, and a relay the applet is told of', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { owner, id: made } = await at.made();
  const { code } = await at.parts.support.entries.makeLink(made, owner);
  const drawn = await at.parts.support.entries.drawGuid(code, '::1');
  const psk = toBase64Url(linkPsk(drawn.guid, drawn.sessionId));
  const { id, leg, token, applet } = await at.waiting();
  const session = await at.parts.support.sessions.get(id);
  const console = at.consoleOf({ token: await tokenOf(at, session.ownerId ?? '') });
  t.is(await console.refused(`/sessions/${id}/link`), 'permission.denied', 'not before it was picked up');
  await console.post(`/sessions/${id}/pick-up`);
  const facts = await console.post<LinkFacts>(`/sessions/${id}/link`);
  t.like(facts, { sid: id, codesMatch: false, storeChat: true, time: at.clock.now() });
  t.deepEqual([fromBase64Url(facts.psk).length, facts.keys.length], [32, 1]);
  t.not(facts.psk, psk);
  const spk = toBase64Url(bytes(32));
  const certified = await console.post<SignedView>(`/sessions/${id}/certify`, { spk, nonce: newId() });
  const payload = fromBase64Url(certified.payload);
  t.true(verifySigned(DOMAINS.session, payload, certified.signature, at.signerKey));
  t.like(parseCredential(payload), { role: 'console', sub: session.ownerId, sid: id });
  t.is((await at.parts.support.sessions.get(id)).linkLogin === null, false);
  const relay = async (except: string[]) =>
    (await console.post<{ paths: RelayPath[] }>(`/sessions/${id}/relay`, { purpose: 'handshake', except })).paths;
  const [path] = await relay([]);
  t.is(path?.url, 'wss://localhost:8443/gateway/relay/console');
  await leg.next('state');
  const attach = await leg.next('attach');
  const digest = (of: Uint8Array) => createHash('sha256').update(of).digest('base64url');
  const { legTokens } = at.parts.support;
  const used = await legTokens.use(digest(fromBase64Url(path?.token ?? '')), 'console');
  t.deepEqual(await legTokens.use(digest(attach.token), 'applet'), used, 'legs of one pair');
  t.deepEqual(await relay(['gateway-1']), []);
  const second = await at.dial({ gateway: 'gateway-2' });
  await second.comeBack(token, applet);
  await second.next('claimed');
  t.deepEqual(
    (await relay(['gateway-1'])).map(({ gateway, url }) => [gateway, url]),
    [['gateway-2', 'wss://localhost:8444/gateway/relay/console']],
  );
});

async function tokenOf(at: Awaited<ReturnType<typeof openTestDesk>>, memberId: string): Promise<string> {
  return (await at.signIn((await at.identity.members.get(memberId)).loginId)).token;
}

test('B-05 E-03 a chat line comes sealed, is stored once, and is read back in its order', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const console = at.consoleOf(owner);
  const logKey = fromBase64Url((await console.get<ConsoleStart>('/start')).logKey);
  const add = async (lineId: string, text: string, author = 'technician') => {
    const sealed = toBase64Url(await sealForLog(logKey, { sessionId: id, lineId, text }));
    return console.post(`/sessions/${id}/chat`, { lineId, author, sealed });
  };
  const [one, two] = [newId(), newId()];
  t.deepEqual(await add(one, 'Grüezi 👋'), { place: 1, isNew: true });
  t.deepEqual(await add(two, 'Hello', 'customer'), { place: 2, isNew: true });
  t.deepEqual(await add(one, 'Grüezi 👋'), { place: 1, isNew: false });
  const { chat } = await console.get<SessionDetail>(`/sessions/${id}`);
  t.deepEqual(
    chat.map(({ lineId, author, text }) => [lineId, author, text]),
    [
      [one, 'technician', 'Grüezi 👋'],
      [two, 'customer', 'Hello'],
    ],
  );
  await at.parts.support.sessions.end(id, owner, 'done');
  t.deepEqual(await add(two, 'Hello', 'customer'), { place: 2, isNew: false }, 'acknowledged after the end, too');
});

test('G-01 B-04 the console tells of its actions and of the codes', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner, leg, linkId } = await linked(at);
  const console = at.consoleOf(owner);
  await console.post(`/sessions/${id}/actions`, { consentId: newId(), action: 'send-files', stage: 'asked' });
  t.true((await at.entries()).some(({ event, sessionId }) => event === 'action.console-said' && sessionId === id));
  await console.post(`/sessions/${id}/codes`, { linkId: toBase64Url(linkId), match: true });
  leg.say({ type: 'codes', linkId, match: true });
  await leg.next('compared');
  t.true((await console.get<SessionDetail>(`/sessions/${id}`)).session.areCodesCompared);
});

test('B-04 what a technician says of a link before the customer’s side has told of it counts once that has', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner, leg, linkId } = await linked(at);
  const console = at.consoleOf(owner);
  const isCompared = async () => (await console.get<SessionDetail>(`/sessions/${id}`)).session.areCodesCompared;
  const [other, next, last] = [newId(), newId(), newId()];
  const say = (link: string, match: boolean) => console.post(`/sessions/${id}/codes`, { linkId: link, match });
  const starts = async (link: string) => {
    leg.say({ type: 'link-started', linkId: fromBase64Url(link), handshake: bytes(32) });
    leg.say({ type: 'codes', linkId: fromBase64Url(link), match: true });
    await leg.settled();
  };
  await say(other, true); // of a link that never comes to be
  await say(other, false); // with somebody between the two: told all the same
  leg.say({ type: 'codes', linkId, match: true });
  await say(next, true);
  await starts(next);
  t.deepEqual((await leg.next('compared')).linkId, fromBase64Url(next));
  t.true(await isCompared());
  await say(last, false);
  await starts(last);
  t.false(await isCompared());
  const differ = (await at.entries()).filter(({ event }) => event === 'session.codes-differ');
  t.deepEqual(
    differ.map(({ detail }) => detail),
    [other, last].map(link => ({ linkId: link, side: 'technician' })),
  );
});

test('E-02 E-03 status, technicians and replies', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const [tina, theo] = [await at.technician(), await at.technician()];
  const console = at.consoleOf(tina);
  await console.post('/status', { status: 'busy' });
  t.is(await console.refused('/status', { status: 'asleep' }), 'technician.status-unknown');
  const { technicians } = await console.get<{ technicians: TechnicianView[] }>('/technicians');
  t.deepEqual(
    technicians.map(({ id, status }) => [id, status]).sort(),
    [
      [tina.id, 'busy'],
      [theo.id, 'away'],
    ].sort(),
  );
  const reply = await console.post<ReplyView>('/replies', { title: 'Hello', text: 'Hello, how can I help?' });
  t.false(reply.isShared);
  t.is((await console.ask<ReplyView>('PUT', `/replies/${reply.id}`, { title: 'Hi', text: 'Hi!' })).body.title, 'Hi');
  t.is(await at.consoleOf(theo).refused(`/replies/${reply.id}`, {}, 'DELETE'), 'reply.missing');
  const [shared] = [await at.parts.support.replies.create(at.asRoot, 'shared', { title: 'Bye', text: 'Goodbye' })];
  t.is(await console.refused(`/replies/${shared.id}`, {}, 'DELETE'), 'reply.missing', 'shared ones are the admins’');
  t.is((await console.get<{ replies: ReplyView[] }>('/replies')).replies.length, 2);
  await console.ask('DELETE', `/replies/${reply.id}`);
  await at.identity.logins.signOut(tina.token);
  t.is(await console.refused('/status', { status: 'available' }), 'portal.sign-in');
});

test('C-08 what a console asks by itself keeps no idle login alive; who is at work does', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const console = at.consoleOf(owner);
  const quiet = async () => {
    await console.get('/start');
    await console.get('/sessions?queue=active');
    await console.get(`/sessions/${id}`);
    await console.post(`/sessions/${id}/relay`, { purpose: 'attach', except: [] });
    await console.post(`/sessions/${id}/actions`, { consentId: newId(), action: 'send-files', stage: 'asked' });
  };
  at.clock.advance(14 * 60_000);
  await quiet();
  await console.post('/here');
  at.clock.advance(14 * 60_000);
  await quiet();
  at.clock.advance(60_000);
  t.is(await console.refused('/start', undefined, 'GET'), 'portal.sign-in');
});
