// What a technician, another role or a foreign page may try at the console's API and events.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { sealForLog } from '../../appliance/browser/log-seal.ts';
import { fromBase64Url, type SessionId, toBase64Url } from '../../appliance/guid.ts';
import { LogSeal } from '../../appliance/portal/technician/log-seal.ts';
import type { ConsoleStart, SessionDetail, SessionView } from '../../appliance/protocol/console-api.ts';
import { askSocket } from '../portal/ask-socket.ts';
import { linked, openTestDesk } from '../portal/open-support.ts';
import { newId } from '../sessions/open-sessions.ts';

const MARKUP = '"><img src=x onerror=alert(1)>';
const nobody = toBase64Url(randomBytes(16));

test('D-08 another technician’s session is as good as not there, whatever is asked of it', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id } = await linked(at);
  const thief = at.consoleOf(await at.technician());
  const line = { lineId: newId(), author: 'technician', sealed: 'A'.repeat(100) };
  const asked: [string, object][] = [
    ...['pick-up', 'hold', 'resume', 'take-back', 'pin', 'link'].map((step): [string, object] => [step, {}]),
    ['end', { reason: 'mine' }],
    ['offer', { technicianId: nobody }],
    ['certify', { spk: 'A'.repeat(43), nonce: nobody }],
    ['relay', { purpose: 'handshake', except: [] }],
    ['chat', line],
    ['actions', { consentId: nobody, action: 'send-files', stage: 'started' }],
    ['codes', { linkId: nobody, match: true }],
  ];
  for (const [step, body] of asked) {
    t.is(await thief.refused(`/sessions/${id}/${step}`, body), 'session.missing', step);
    t.is(await thief.refused(`/sessions/${nobody}/${step}`, body), 'session.missing', step);
  }
  t.is(await thief.refused(`/sessions/${id}`, undefined, 'GET'), 'session.missing');
  for (const queue of ['incoming', 'active', 'on-hold', 'closed']) {
    t.deepEqual((await thief.get<{ sessions: SessionView[] }>(`/sessions?queue=${queue}`)).sessions, []);
  }
  t.is((await at.parts.support.sessions.get(id)).state, 'active');
});

for (const role of ['master-admin', 'admin', 'auditor'] as const) {
  test(`D-08 a ${role} who is no technician has no console, no events and no session`, async t => {
    const at = await openTestDesk();
    t.teardown(() => at.close());
    const { id } = await linked(at);
    const member = await at.member(`${role}@example.com`, [role]);
    const { token } = await at.signIn(member.loginId);
    const console = at.consoleOf({ token });
    t.is(await console.refused('/start', undefined, 'GET'), 'portal.not-allowed');
    t.is(await console.refused(`/sessions/${id}/end`, { reason: 'x' }), 'portal.not-allowed');
    t.is((await console.listen()).status, 403);
  });
}

const foreign: Record<string, Record<string, string>> = {
  'a foreign origin': { origin: 'https://evil.example' },
  'a null origin': { origin: 'null' },
  'plain HTTP': { origin: 'http://localhost' },
  'another port': { origin: 'https://localhost:1' },
  'a cross-site fetch': { 'sec-fetch-site': 'cross-site' },
};
for (const [what, headers] of Object.entries(foreign)) {
  test(`C-08 events and writes from ${what} are refused, with the very cookie`, async t => {
    const at = await openTestDesk();
    t.teardown(() => at.close());
    const tina = await at.technician();
    t.is((await at.consoleOf(tina).listen(headers)).status, 403);
    const body = { customerName: null, language: null };
    const answer = await askSocket(at.socketPath, 'POST', '/technician/api/sessions', tina.token, headers, body);
    t.deepEqual([answer.status, answer.code], [403, 'portal.foreign-origin']);
    t.deepEqual(await at.parts.support.sessions.list('incoming', { memberId: tina.id }), []);
  });
}

test('C-08 events without a login, with half a login, under another path or without the gateway’s word', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const tina = await at.technician();
  const console = at.consoleOf(tina);
  t.is((await console.listen({ cookie: '' })).status, 401);
  t.is((await console.listen({ cookie: `__Host-login=${'A'.repeat(43)}` })).status, 401);
  t.is((await console.listen({ cookie: `__Host-login=${tina.token}; __Host-login=${tina.token}` })).status, 401);
  t.is((await console.listen({ 'x-appliance-peer': 'somewhere' })).status, 400);
  await at.identity.members.forceChange(at.asRoot, tina.id);
  const half = await at.signIn((await at.identity.members.get(tina.id)).loginId);
  t.is(half.login.stage, 'change-password');
  t.is((await at.consoleOf(half).listen()).status, 401);
});

test('C-08 who speaks on the events is sent away, and windows beyond the sixteenth cost the oldest', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const console = at.consoleOf(await at.technician());
  const talker = await console.listen();
  talker.say('{"type":"session"}');
  t.is(await talker.closed(), 1008);
  const windows = [];
  for (let count = 0; count < 17; count++) windows.push(await console.listen());
  t.is(await windows[0]?.closed(), 1008);
  await windows[16]?.until('hello');
  t.is(windows[1]?.closedWith, null);
});

const malformed: [string, unknown][] = [
  ['/sessions', []],
  ['/sessions', { customerName: 1, language: null }],
  ['/sessions', { customerName: 'x'.repeat(121), language: null }],
  ['/sessions', { customerName: null, language: '<b>' }],
  ['/sessions', { customerName: null, language: null, ownerId: nobody }],
  ['/sessions/ID/end', { reason: '' }],
  ['/sessions/ID/end', { reason: 'x'.repeat(201) }],
  ['/sessions/ID/offer', { technicianId: { $ne: '' } }],
  ['/sessions/ID/certify', { spk: 'A', nonce: nobody }],
  ['/sessions/ID/relay', { purpose: 'everything', except: [] }],
  ['/sessions/ID/relay', { purpose: 'attach', except: Array.from({ length: 17 }, () => 'x') }],
  ['/sessions/ID/chat', { lineId: nobody, author: 'appliance', sealed: 'AAAA' }],
  ['/sessions/ID/chat', { lineId: '__proto__', author: 'customer', sealed: 'AAAA' }],
  ['/sessions/ID/actions', { consentId: nobody, action: 'x', stage: 'imagined' }],
  ['/sessions/ID/codes', { linkId: nobody, match: 'yes' }],
  ['/sessions/ID/pick-up', { force: true }],
];
test('E-02 what is no request is refused by its shape, without a defect', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const console = at.consoleOf(owner);
  for (const [path, body] of malformed) {
    t.is(await console.refused(path.replace('ID', id), body), 'request.malformed', `${path} ${JSON.stringify(body)}`);
  }
  const { status } = await console.ask('POST', '/sessions', { customerName: 'x'.repeat(70_000), language: null });
  t.is(status, 413);
  t.is(await console.refused(`/sessions?queue=everyone`, undefined, 'GET'), 'request.malformed');
});

test('B-05 a line sealed to another key, session, line, or not sealed at all, is not stored', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const other = await linked(at);
  const console = at.consoleOf(owner);
  const logKey = fromBase64Url((await console.get<ConsoleStart>('/start')).logKey);
  const lineId = newId();
  const good = await sealForLog(logKey, { sessionId: id, lineId, text: 'Hello' });
  const flipped = Uint8Array.from(good);
  flipped[40] = (flipped[40] ?? 0) ^ 1;
  const sealed = {
    'another key': await sealForLog(new Uint8Array(new LogSeal().publicKey), { sessionId: id, lineId, text: 'Hello' }),
    'another session': await sealForLog(logKey, { sessionId: other.id, lineId, text: 'Hello' }),
    'another line': await sealForLog(logKey, { sessionId: id, lineId: newId(), text: 'Hello' }),
    'a flipped bit': flipped,
    'a point of low order': new Uint8Array(good.length),
    'cut short': good.subarray(0, 40),
    nothing: new Uint8Array(0),
  };
  for (const [what, bytes] of Object.entries(sealed)) {
    const line = { lineId, author: 'customer', sealed: toBase64Url(bytes) };
    t.is(await console.refused(`/sessions/${id}/chat`, line), 'chat.not-sealed', what);
  }
  t.deepEqual((await console.get<SessionDetail>(`/sessions/${id}`)).chat, []);
  for (let length = 0; length < good.length; length++) {
    t.throws(() => new LogSeal().open(id as SessionId, lineId, toBase64Url(good.subarray(0, length))), {
      code: 'chat.not-sealed',
    });
  }
});

test('E-02 markup a customer or technician wrote is data in every answer, never HTML', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const tina = await at.technician();
  const console = at.consoleOf(tina);
  const made = await console.post<{ session: SessionView }>('/sessions', { customerName: MARKUP, language: null });
  const answer = await askSocket(at.socketPath, 'GET', `/technician/api/sessions/${made.session.id}`, tina.token);
  t.regex(String(answer.headers['content-type']), /^application\/json/);
  t.is(answer.headers['x-content-type-options'], 'nosniff');
  t.is(JSON.parse(answer.body).session.customerName, MARKUP);
});

test('F-04 a thousand relays: there is an end to what one session may ask for', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const console = at.consoleOf(owner);
  const codes = new Set<string>();
  for (let asked = 0; asked < 70; asked++) {
    const { error } = await console.ask('POST', `/sessions/${id}/relay`, { purpose: 'attach', except: [] });
    codes.add(error?.code ?? 'given');
  }
  t.deepEqual([...codes], ['given', 'leg-token.too-many']);
});

test('D-04 a technician whose login has ended gets no credential by a request that was under way', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id, owner } = await linked(at);
  const session = await at.parts.support.sessions.get(id);
  await at.identity.logins.signOut(owner.token);
  const to = { role: 'console', spk: 'A'.repeat(43), nonce: nobody, features: [], login: owner.login.id } as const;
  await t.throwsAsync(at.parts.support.rights.credential(session, to), { code: 'rights.refused' });
});
