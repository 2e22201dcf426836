// Attacks on the customer's side as a whole: by a modified console that holds the link's keys, by whoever can write on the
// own leg, and by a technician whose rights were taken away. Nothing throws out of the session, nothing is done.
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { HostLine } from '../../appliance/customer-core/host-log.ts';
import { HOLD_MS } from '../../appliance/customer-core/session-actions.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import { Link } from '../../appliance/link/link.ts';
import type { FromAppliance } from '../../appliance/protocol/applet-leg.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { writeChat } from '../../appliance/protocol/chat.ts';
import { writeConsent } from '../../appliance/protocol/consent.ts';
import { policy, random, TestAppliance, type TestConsole, turns } from '../customer-core/test-appliance.ts';
import { MemoryPair, TestIssuer } from '../link/support.ts';

async function connected(wish: ConstructorParameters<typeof TestAppliance>[0] = {}) {
  const at = new TestAppliance(wish);
  await at.start();
  return { at, console: await at.connect() };
}

/** The session goes on as if nothing had been: a line comes, and a question is asked and answered. */
async function stillWorks(t: ExecutionContext, at: TestAppliance, console: TestConsole): Promise<void> {
  await at.pass(20_000); // whoever was too fast has waited
  const before = console.chatHeard.length;
  console.say('still here?');
  await turns(20);
  t.true(console.chatHeard.length > before, 'chat goes on');
  t.deepEqual(console.about(await console.ask('send-files', 'no')), ['asked', 'answer:no']);
  t.deepEqual(at.view.state.running, []);
  t.deepEqual(at.over, []);
}

test('D-04 revoked on a direct path: the link, what runs and what is asked end at once, whatever path it is on', async t => {
  const stopped: string[] = [];
  const action = { start: () => undefined, stop: (by: string) => stopped.push(by) };
  const { at, console } = await connected({ actions: new Map([['launch-remote-control', action]]) });
  const direct = new MemoryPair('tcp');
  await at.attachDirect(console, direct);
  console.pair.cut(); // the gateway has no part in it any more
  await turns();
  await console.ask('launch-remote-control');
  t.is(console.link.paths[0]?.kind, 'tcp');
  const revokedAt = at.clock.now();
  at.leg.send({ type: 'revoked', reason: 'member-disabled' });
  await turns(2);
  t.deepEqual(stopped, ['appliance']);
  t.deepEqual(at.view.state.running, []);
  await turns();
  t.is(console.link.state.state, 'closed');
  t.true(at.clock.now() - revokedAt <= 2000);
  t.is(at.view.state.phase, 'waiting');
  const next = await at.connect();
  await stillWorks(t, at, next);
});

for (const stream of ['chat', 'consent'] as const) {
  test(`D-04 E-03 a console writes garbage on the stream ${stream}: counted, and nothing else happens`, async t => {
    const { at, console } = await connected();
    const refusal = stream === 'chat' ? 'chat-message' : 'consent-message';
    const good =
      stream === 'chat'
        ? writeChat({ type: 'line', id: random(16), text: 'x' })
        : writeConsent({ type: 'request', request: random(16), action: 'send-files', scope: '' });
    const bad = [random(1), random(1024 * 1024), canonicalBytes({}), canonicalBytes({ v: 1, type: 'nothing' })];
    for (let end = 1; end < good.length; end += 9) bad.push(good.slice(0, end));
    for (const message of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 200 }), 20))
      bad.push(new Uint8Array(message));
    for (const message of bad) console[stream].send(message);
    for (let n = 0; n < 40; n++) await at.pass(1000);
    t.is(at.session.refused.of(refusal), bad.length);
    await stillWorks(t, at, console);
  });
}

test('D-04 a console says what only the applet says, and ends what is not its own', async t => {
  const { at, console } = await connected();
  const request = random(16);
  for (const message of [
    { type: 'started', request, grantNumber: 1 },
    { type: 'asked', request, consent: random(16) },
    { type: 'answer', request, consent: random(16), answer: 'yes', ttlMs: 1000 },
  ] as const) {
    console.consent.send(writeConsent(message));
  }
  console.consent.send(writeConsent({ type: 'end', request, by: 'customer', reason: 'mine' }));
  await turns(20);
  t.is(at.session.refused.of('consent-message'), 3);
  t.is(at.session.refused.of('request'), 1);
  await stillWorks(t, at, console);
});

test('D-04 a console asks for what its group may not, for what is no permission, and twice for the same', async t => {
  const { at, console } = await connected();
  for (const action of ['reboot', 'pick-up', 'single-prompt', 'anything-at-all'])
    t.deepEqual(console.about(await console.request(action)), ['answer:no']);
  t.is(at.view.state.question, null);
  const request = random(16);
  const ask = writeConsent({ type: 'request', request, action: 'send-files', scope: '' });
  console.consent.send(ask);
  console.consent.send(ask);
  await turns(20);
  t.deepEqual(console.about(request), ['asked']);
  t.is(at.session.refused.of('request'), 1);
});

test('D-04 a console that asks without end is held back, and every request has an answer or an end', async t => {
  const { at, console } = await connected();
  const requests = Array.from({ length: 200 }, () => random(16));
  for (const request of requests)
    console.consent.send(writeConsent({ type: 'request', request, action: 'reboot', scope: '' }));
  await turns(30);
  t.true(at.receipts.length <= 32, `${at.receipts.length} receipts at once`);
  await at.pass(60_000);
  t.true(requests.every(request => console.about(request).length === 1));
});

test('E-03 a console that floods the chat waits; each line is shown and reported once', async t => {
  const { at, console } = await connected();
  const lines: string[] = [];
  at.view.follow(message => {
    if (message.type === 'chat') lines.push(message.line.text);
  });
  for (let n = 0; n < 1000; n++) console.say(`line ${n}`);
  await turns(30);
  t.true(lines.length <= 62, `${lines.length} lines at once`);
  await at.pass(80_000);
  t.is(lines.length, 1000);
  t.deepEqual(lines.slice(0, 3), ['line 0', 'line 1', 'line 2']);
});

test('E-03 a console gives one line two texts, takes the customer’s id, and confirms what was never said', async t => {
  const { at, console } = await connected();
  const texts: string[] = [];
  at.view.follow(message => {
    if (message.type === 'chat') texts.push(message.line.text);
  });
  console.confirms = false;
  const id = console.say('one');
  await turns();
  console.say('another', id);
  at.session.chat('mine');
  await turns(20);
  const mine = console.chatHeard.find(message => message.type === 'line');
  console.say('in your name', mine?.type === 'line' ? mine.id : random(16));
  console.chat.send(writeChat({ type: 'received', id: random(16) }));
  await turns(20);
  t.deepEqual(texts, ['one', 'mine']);
  t.is(at.session.refused.of('chat-message'), 3);
  await stillWorks(t, at, console);
});

test('D-04 streams nobody knows, and a second chat or consent, are reset', async t => {
  const { at, console } = await connected();
  const resets: string[] = [];
  for (const kind of ['screen', 'chat', 'consent', 'shell']) {
    const stream = console.link.openStream(kind, 2);
    stream.listen({ message: () => undefined, reset: () => resets.push(kind) });
    stream.send(random(10));
  }
  await turns(20);
  t.deepEqual(resets, ['screen', 'chat', 'consent', 'shell']);
  t.is(at.session.refused.of('stream'), 4);
  await stillWorks(t, at, console);
});

test('F-03 garbage on the own leg ends that connection, and a new one comes in its place', async t => {
  const { at, console } = await connected();
  const all = [
    random(1),
    random(300),
    new Uint8Array(20_000),
    canonicalBytes({ type: 'claim' }),
    canonicalBytes({ type: 'grant' }),
  ];
  for (const bytes of all) {
    const leg = at.leg;
    leg.sendBytes(bytes);
    await turns();
    t.false(leg.isOpen);
    await at.pass(9000);
    t.true(at.leg.isClaimed);
  }
  t.is(at.session.refused.of('leg-message'), all.length);
  t.is(console.link.state.state, 'open', 'the link is not disturbed');
  await stillWorks(t, at, console);
});

test('F-03 a leg that speaks out of turn, or of another session, is not believed', async t => {
  const at = new TestAppliance();
  await at.start();
  at.leg.send({ type: 'challenge', nonce: random(16) });
  at.leg.send({ type: 'entered', sid: at.sid, guid: random(16) as never });
  at.leg.send({ type: 'claimed', sid: at.sid, organisation: 'Another', silenceMs: 1000 });
  await turns();
  t.is(at.session.refused.of('leg-message'), 3);
  t.is(at.view.state.organisation, 'Example Ltd');
  at.answersFor = 'AAAAAAAAAAAAAAAAAAAAAA';
  at.leg.cut();
  await at.pass(9000);
  t.false(at.legs.some(leg => leg.isOpen && leg.heard.some(({ type }) => type === 'ask-time') && leg !== at.legs[0]));
  t.true(at.session.refused.of('leg-message') > 3);
});

test('D-04 grant of another link, session, technician, question or key: counted, and nothing starts', async t => {
  const { at, console } = await connected();
  at.grants = false;
  const request = await console.ask('send-files');
  const [receipt] = at.receipts;
  if (receipt === undefined) throw new Error('no receipt');
  const consent = receipt.consentId;
  const lies = [
    { linkId: random(16) },
    { handshake: random(32) },
    { sub: toBase64Url(random(16)) },
    { action: 'launch-remote-control' },
    { scope: 'more' },
    { consentId: random(16) },
  ];
  for (const lie of lies) at.leg.send({ type: 'grant', consent, ...at.grantFor({ ...receipt, ...lie }) });
  const stranger = new TestIssuer();
  const good = at.grantFor(receipt);
  at.leg.send({ type: 'grant', consent, payload: good.payload, signature: random(64) });
  at.leg.send({ type: 'grant', consent, ...stranger.sign({ v: 1, type: 'grant' }) });
  at.leg.send({ type: 'grant', consent: random(16), ...good });
  await turns(30);
  t.is(at.session.refused.of('grant'), lies.length + 3);
  t.deepEqual(console.about(request), ['asked', 'answer:yes']);
  at.leg.send({ type: 'grant', consent, ...good });
  at.leg.send({ type: 'grant', consent, ...good }); // by the second leg: once is enough
  await turns(30);
  t.is(console.about(request).at(-1), 'started', 'the right one still counts');
  t.is(at.view.state.running.length, 1);
});

test('D-04 grant of another question that is open: each starts what it is for', async t => {
  const { at, console } = await connected();
  at.grants = false;
  const files = await console.ask('send-files');
  const view = await console.ask('launch-desktop-viewing');
  const [first, second] = at.receipts;
  if (first === undefined || second === undefined) throw new Error('no receipts');
  at.leg.send({ type: 'grant', consent: first.consentId, ...at.grantFor(second) });
  await turns(20);
  t.deepEqual([console.about(files).at(-1), console.about(view).at(-1)], ['answer:yes', 'answer:yes']);
  at.leg.send({ type: 'grant', consent: second.consentId, ...at.grantFor(second) });
  await turns(20);
  t.deepEqual([console.about(files).at(-1), console.about(view).at(-1)], ['answer:yes', 'started']);
});

for (const [what, lie] of [
  ['another link', { linkId: toBase64Url(random(16)) }],
  ['another technician', { sub: 'somebody-else' }],
  ['another nonce', { nonce: toBase64Url(random(16)) }],
  ['another session', { sid: 'AAAAAAAAAAAAAAAAAAAAAA' }],
] as const) {
  test(`D-04 a lease of ${what} gives no rights`, async t => {
    const at = new TestAppliance();
    await at.start();
    at.leaseLie = lie;
    const console = await at.connect();
    t.true(at.session.refused.of('lease') >= 1);
    const request = await console.request('send-files');
    t.is(at.view.state.question, null);
    await at.pass(HOLD_MS);
    t.deepEqual(console.about(request), ['end:appliance:rights-frozen']);
  });
}

for (const [what, lie] of [
  ['another policy than was signed', { policy: toBase64Url(random(32)) }],
  ['another signing key', { apk: toBase64Url(random(91)) }],
  ['another nonce', { nonce: toBase64Url(random(16)) }],
  ['another key', { spk: toBase64Url(random(32)) }],
  ['a console', { role: 'console' }],
] as const) {
  test(`B-02 a credential for ${what} makes no link`, async t => {
    const at = new TestAppliance();
    await at.start();
    at.credentialLie = lie;
    const connecting = at.connect();
    await turns(20);
    t.is(at.session.refused.of('credential'), 1);
    t.is(at.view.state.phase, 'waiting');
    await at.pass(11_000);
    await t.throwsAsync(connecting, { code: 'link.refused' });
    t.is(at.view.state.notices.find(({ kind }) => kind === 'failed-attempts')?.count, 1);
  });
}

test('B-04 a time that is not the answer, or not signed, is not taken', async t => {
  const at = new TestAppliance();
  await at.start();
  const fields = { nonce: random(16), time: 0 };
  at.leg.send({ type: 'time', ...at.signed('time', fields) });
  at.leg.send({ type: 'time', payload: at.signed('time', fields).payload, signature: random(64) });
  at.leg.send({ type: 'time', ...at.signed('lease', fields) });
  await turns();
  t.is(at.session.refused.of('time'), 3);
});

test('B-04 somebody without the session’s secret fails five times, is shown each time, and then nobody gets in', async t => {
  const at = new TestAppliance();
  await at.start();
  for (let n = 1; n <= 5; n++) {
    const pair = at.offer('handshake');
    const options = { ...(await at.consoleOptions()), psk: random(32) };
    const failing = Link.connectConsole(options, pair.console);
    await turns(20);
    await at.pass(10_000);
    await t.throwsAsync(failing, { code: 'link.refused' });
    t.is(at.view.state.notices.find(({ kind }) => kind === 'failed-attempts')?.count, n);
  }
  const pair = at.offer('handshake');
  const honest = Link.connectConsole(await at.consoleOptions(), pair.console);
  await turns(20);
  await at.pass(10_000);
  await t.throwsAsync(honest, { code: 'link.refused' });
  const told = at.hostLog.lines.filter(({ event }) => event === 'login-refused');
  t.is(told.length, 5, 'and each stands in the log on this computer');
});

test('B-04 a Hello does not disturb a live link', async t => {
  const { at, console } = await connected();
  const request = await console.ask('launch-desktop-viewing');
  const pair = at.offer('handshake');
  const second = Link.connectConsole(await at.consoleOptions(), pair.console);
  await turns(20);
  await at.pass(10_000);
  await t.throwsAsync(second, { code: 'link.refused' });
  t.is(console.link.state.state, 'open');
  t.is(at.view.state.running.length, 1);
  t.is(console.about(request).at(-1), 'started');
});

test('D-04 B-04 stranger first: claimed twice means chat only, until both have said that the codes are the same', async t => {
  const { at, console } = await connected();
  await console.ask('launch-desktop-viewing');
  at.leg.send({ type: 'claimed-twice' });
  await turns();
  t.deepEqual(at.view.state.running, []);
  t.true(at.view.state.notices.some(({ kind }) => kind === 'claimed-twice'));
  t.deepEqual(console.about(await console.request('send-files')), ['end:appliance:codes-needed']);
  at.leg.send({ type: 'compared', linkId: console.link.id }); // the technician’s word, and the appliance’s, is not the customer’s
  await turns();
  t.deepEqual(console.about(await console.request('send-files')), ['end:appliance:codes-needed']);
  at.session.codes(true);
  at.leg.send({ type: 'compared', linkId: random(16) });
  await turns();
  t.deepEqual(console.about(await console.request('send-files')), ['end:appliance:codes-needed']);
  at.leg.send({ type: 'compared', linkId: console.link.id });
  await turns();
  t.deepEqual(console.about(await console.ask('send-files')), ['asked', 'answer:yes', 'started']);
});

test('D-06 the appliance can’t answer for the customer, nor widen what he allowed', async t => {
  const { at, console } = await connected();
  const all = [...policy.actions, 'reboot', 'deploy-scripts'].sort();
  at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...policy, actions: all, singlePrompt: true }) });
  at.leg.send({ type: 'narrowed', policy: random(40) });
  await turns();
  t.is(at.session.refused.of('leg-message'), 1);
  for (const action of ['reboot', 'single-prompt'])
    t.deepEqual(console.about(await console.request(action)), ['answer:no']);
  const request = await console.request('send-files');
  const consent = console.consentHeard.flatMap(message => (message.type === 'asked' ? [message.consent] : []))[0];
  const { id, handshakeHash } = console.link;
  const receipt = { linkId: id, handshake: handshakeHash, sub: at.sub, action: 'send-files', scope: '', ttlMs: 60_000 };
  const made = at.signed('grant', { ...receipt, sid: at.sid, consentId: consent ?? random(16) });
  at.leg.send({ type: 'grant', consent: consent ?? random(16), ...made });
  await turns(20);
  t.deepEqual(console.about(request), ['asked'], 'a grant before the yes is nothing');
  t.deepEqual(at.view.state.running, []);
});

test('D-02 an offer by two legs is one, and offers without end are refused', async t => {
  const at = new TestAppliance({ gateways: ['gateway-1', 'gateway-2'] });
  await at.start();
  await turns();
  at.leg.send({ type: 'state', state: 'active', technician: 'Tina' });
  const pair = at.offer('handshake', at.open);
  const link = await Link.connectConsole(await at.consoleOptions(), pair.console);
  t.is(link.state.state, 'open');
  t.is(at.session.refused.of('attach'), 0);
  for (let n = 0; n < 50; n++) at.offer('attach');
  await turns(20);
  t.true(at.session.refused.of('attach') >= 46);
  t.is(link.state.state, 'open');
});

test('D-07 a technician’s name that would be more than a name stays one line of text, and can be signed', async t => {
  const { at } = await connected();
  at.leg.send({ type: 'state', state: 'active', technician: '\u202eTina\n<b onclick=x>\u0000' });
  await turns();
  t.is(at.view.state.technician?.name, 'Tina <b onclick=x>');
  at.leg.send({ type: 'state', state: 'active', technician: ' \n ' });
  await turns();
  const console = await at.connect({ id: at.sub, name: ' \n ' }).catch(() => null);
  t.is(console, null, 'a second handshake beside a live link');
});

test('D-07 without a technician’s name nothing can be asked', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect({ id: at.sub, name: '' });
  const request = await console.request('send-files');
  t.deepEqual([console.about(request), at.view.state.question], [[], null]);
  await at.pass(HOLD_MS);
  t.deepEqual(console.about(request), ['end:appliance:technician-unknown']);
});

test('D-02 D-04 what is asked for before the first lease is asked once that is there', async t => {
  const at = new TestAppliance();
  await at.start();
  const gate = Promise.withResolvers<void>();
  at.leaseGate = gate.promise;
  const console = await at.connect();
  const request = await console.request('send-files');
  t.deepEqual([console.about(request), at.view.state.question], [[], null]);
  gate.resolve();
  await turns(20);
  t.like(at.view.state.question, { action: 'send-files' });
  t.deepEqual(console.about(request), ['asked']);
});

test('D-02 D-07 what is asked for before the technician’s name is known is asked once it is, in its turn', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect({ id: at.sub, name: '' });
  const [first, second] = [await console.request('send-files'), await console.request('launch-desktop-viewing')];
  console.consent.send(writeConsent({ type: 'end', request: first, by: 'technician', reason: 'stopped' }));
  await turns(20);
  t.deepEqual(console.about(first), ['end:technician:technician']);
  at.leg.send({ type: 'state', state: 'active', technician: 'Tina' });
  await turns(20);
  t.like(at.view.state.question, { action: 'launch-desktop-viewing', technician: 'Tina' });
  t.deepEqual(console.about(second), ['asked']);
});

test('G-07 a log that can’t be written ends the session; what ran was stopped, all of it', async t => {
  const { at, console } = await connected();
  await console.ask('launch-desktop-viewing');
  await console.ask('send-files');
  t.is(at.view.state.running.length, 2);
  at.hostLog.write = (_line: HostLine) => {
    throw new Error('ENOSPC');
  };
  at.leg.send({ type: 'stop', reason: 'on-hold' });
  await turns(30);
  await at.pass(3000);
  t.deepEqual(at.view.state.running, []);
  t.deepEqual(at.over, ['no-record']);
  t.false(at.view.state.report?.isComplete ?? true);
});

test('D-04 fuzz: whatever the appliance says in its own words, the session does not throw and nothing is allowed', async t => {
  const { at, console } = await connected();
  const bytes = (length: number) =>
    fc.uint8Array({ minLength: length, maxLength: length }).map(one => new Uint8Array(one));
  const signed = { payload: bytes(40), signature: bytes(64) };
  const message: fc.Arbitrary<FromAppliance> = fc.oneof(
    fc.record({ type: fc.constant('grant' as const), consent: bytes(16), ...signed }),
    fc.record({ type: fc.constant('lease' as const), ...signed }),
    fc.record({ type: fc.constant('time' as const), ...signed }),
    fc.record({ type: fc.constant('credential' as const), policy: bytes(20), ...signed }),
    fc.record({ type: fc.constant('narrowed' as const), policy: bytes(20) }),
    fc.record({ type: fc.constant('compared' as const), linkId: bytes(16) }),
    fc.record({ type: fc.constant('grant-refused' as const), consent: bytes(16), reason: fc.constant('why') }),
    fc.record({ type: fc.constant('acknowledged' as const), count: fc.nat() }),
    fc.constant({ type: 'credential-refused' as const, reason: 'why' }),
    fc.constant({ type: 'lease-refused' as const, reason: 'why' }),
  );
  for (const one of fc.sample(message, 200)) at.leg.send(one);
  await turns(40);
  t.is(console.link.state.state, 'open');
  t.deepEqual(at.view.state.running, []);
});
