// The customer's side of a session as a whole: its own leg against an appliance in this process, its link against a real
// console end, time moved by hand.
import test from 'ava';
import { LEASE_ASK_MS } from '../../appliance/customer-core/claimed-session.ts';
import { END_AFTER_LAPSE_MS } from '../../appliance/customer-core/leases.ts';
import { MAX_UNCONFIRMED } from '../../appliance/customer-core/session-chat.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import { writeConsent } from '../../appliance/protocol/consent.ts';
import { random, TestAppliance, turns } from './test-appliance.ts';

test('F-03 the applet claims with T and its key, and waits; nobody has seen the GUID', async t => {
  const at = new TestAppliance();
  await at.start();
  t.is(at.view.state.phase, 'waiting');
  t.is(at.all('claim').length, 1);
  t.false(toBase64Url(at.all('claim')[0]?.token ?? random(1)) === toBase64Url(at.guid));
  t.is(at.hostLog.lines[0]?.event, 'session-started');
});

test('D-05 by PIN the appliance draws the GUID, and the claim follows from it', async t => {
  const at = new TestAppliance({ entry: 'pin' });
  await at.start();
  t.deepEqual(
    at.leg.heard.slice(0, 2).map(({ type }) => type),
    ['pin', 'claim'],
  );
  t.is(at.view.state.phase, 'waiting');
});

for (const lost of ['lose', 'drop'] as const) {
  test(`F-03 D-05 a claim whose answer is lost (${lost}) is no second claim`, async t => {
    const at = new TestAppliance();
    at.claims = lost;
    const started = at.session.start();
    while (at.legs[0]?.isOpen !== false) await at.pass(200);
    at.claims = 'take';
    await at.pass(30_000);
    await started;
    t.is(at.view.state.phase, 'waiting');
    const said = at.legs
      .flatMap(leg => leg.heard.map(({ type }) => type))
      .filter(type => type === 'claim' || type === 'return');
    t.deepEqual(said, lost === 'lose' ? ['claim', 'return'] : ['claim', 'return', 'claim']);
  });
}

test('F-03 a claim that is refused is told to the caller, and not tried again', async t => {
  const at = new TestAppliance();
  at.claims = 'refuse';
  await t.throwsAsync(at.session.start(), { code: 'leg.refused' });
  await at.pass(30_000);
  t.is(at.legs.length, 1);
});

test('F-03 a lost leg comes back by signature, with jitter and back-off, and the window says so', async t => {
  const at = new TestAppliance();
  await at.start();
  at.isAway = true;
  at.leg.cut();
  await turns();
  t.is(at.view.state.notices[0]?.kind, 'connection-lost');
  await at.pass(10_000);
  t.is(at.view.state.notices.length, 1);
  at.isAway = false;
  await at.pass(9000);
  t.is(at.all('return').length, 1);
  t.is(at.all('claim').length, 1);
  t.deepEqual(at.view.state.notices, []);
});

test('F-03 a leg nobody speaks on is dead after twice its period', async t => {
  const at = new TestAppliance();
  await at.start();
  const first = at.leg;
  at.isDeaf = true;
  await at.pass(30_000);
  t.false(first.isOpen);
  at.isDeaf = false;
  await at.pass(9000);
  t.true(at.leg.isClaimed);
});

test('J-02 with two gateways a second leg is warm, and takes over at once', async t => {
  const at = new TestAppliance({ gateways: ['gateway-1', 'gateway-2'] });
  await at.start();
  await turns();
  t.deepEqual(
    at.open.map(({ gateway, isClaimed }) => [gateway, isClaimed]),
    [
      ['gateway-1', true],
      ['gateway-2', true],
    ],
  );
  const console = await at.connect();
  await console.ask('send-files');
  const [first, second] = at.open;
  const before = second?.heard.length ?? 0;
  first?.cut();
  await turns();
  t.true((second?.heard.length ?? 0) > before, 'it goes on by the other one, without a pause');
  t.false(at.view.state.notices.some(({ kind }) => kind === 'connection-lost'));
  const other = await console.ask('launch-desktop-viewing');
  t.deepEqual(console.about(other), ['asked', 'answer:yes', 'started']);
  await at.pass(1000);
  t.is(at.open.length, 2, 'and a new one becomes the warm one');
});

test('B-04 D-07 a console shakes hands: who, since when, and the same short string on both sides', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  const { phase, technician, shortString } = at.view.state;
  t.is(phase, 'active');
  t.deepEqual(technician, { name: 'Tina', since: at.clock.now() });
  t.is(shortString?.text, console.link.shortString);
  t.deepEqual(at.all('link-started')[0]?.linkId, console.link.id);
  at.session.codes(true);
  await turns();
  t.deepEqual(at.all('codes')[0], { type: 'codes', linkId: console.link.id, match: true });
  t.is(at.view.state.shortString?.state, 'match');
});

test('D-02 asked, yes, granted, in the log, started; the technician ends it', async t => {
  const done: string[] = [];
  const action = { start: () => done.push('start'), stop: (by: string) => done.push(`stop by ${by}`) };
  const at = new TestAppliance({ actions: new Map([['send-files', action]]) });
  await at.start();
  const console = await at.connect();
  const request = await console.ask('send-files', 'yes', 'notes.txt');
  t.deepEqual(console.about(request), ['asked', 'answer:yes', 'started']);
  t.deepEqual(done, ['start']);
  t.deepEqual(
    at.view.state.running.map(({ action: name, scope }) => [name, scope]),
    [['send-files', 'notes.txt']],
  );
  t.is(at.receipts[0]?.wording, 'consent.send-files.1');
  console.consent.send(writeConsent({ type: 'end', request, by: 'technician', reason: 'done' }));
  await turns();
  t.deepEqual(done, ['start', 'stop by technician']);
  t.deepEqual(at.view.state.running, []);
  t.deepEqual(
    at.reports.map(({ stage }) => stage),
    ['asked', 'granted', 'started', 'ended'],
  );
});

test('D-02 D-06 no is no, and silence is no', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  t.deepEqual(console.about(await console.ask('send-files', 'no')), ['asked', 'answer:no']);
  const request = await console.request('launch-desktop-viewing');
  t.is(at.view.state.question?.action, 'launch-desktop-viewing');
  await at.pass(60_000);
  t.deepEqual(console.about(request), ['asked', 'answer:silence']);
  t.is(at.view.state.question, null);
  t.deepEqual(
    at.receipts.map(({ answer }) => answer),
    ['no', 'silence'],
  );
  t.deepEqual(at.view.state.running, []);
});

test('D-02 the customer stops one thing: it has stopped before anybody is told so', async t => {
  const order: string[] = [];
  const action = { start: () => order.push('start'), stop: (by: string) => order.push(`stop by ${by}`) };
  const at = new TestAppliance({ actions: new Map([['launch-remote-control', action]]) });
  await at.start();
  const console = await at.connect();
  const request = await console.ask('launch-remote-control');
  at.view.follow(message => {
    if (message.type === 'state' && message.state.running.length === 0) order.push('shown as stopped');
  });
  const [running] = at.view.state.running;
  at.session.stop(running?.id ?? '');
  t.deepEqual(order.slice(0, 3), ['start', 'stop by customer', 'shown as stopped']);
  await turns();
  t.is(console.about(request).at(-1), 'end:customer:customer');
  t.is(at.all('stopped').length, 1);
  t.is(at.hostLog.lines.at(-1)?.event, 'control-ended');
});

test('D-04 a lease that is not renewed freezes what runs, and five minutes later everything ends', async t => {
  let admits = () => false;
  const action = {
    start: (_held: unknown, may: () => boolean) => {
      admits = may;
    },
    stop: () => undefined,
  };
  const at = new TestAppliance({ actions: new Map([['launch-desktop-viewing', action]]) });
  await at.start();
  const console = await at.connect();
  await console.ask('launch-desktop-viewing');
  t.true(admits());
  t.true(at.all('ask-lease').length >= 1);
  at.leases = false;
  await at.pass(60_000);
  t.false(admits());
  t.true(at.view.state.notices.some(({ kind }) => kind === 'rights-frozen'));
  at.leases = true;
  await at.pass(LEASE_ASK_MS);
  t.true(admits(), 'a new lease lets it go on');
  at.leases = false;
  await at.pass(60_000 + END_AFTER_LAPSE_MS);
  t.deepEqual(at.over, ['no-lease']);
  t.is(at.view.state.phase, 'ended');
});

test('E-03 J-02 chat both ways; on a new link unconfirmed lines come again, and none is shown twice', async t => {
  const at = new TestAppliance();
  await at.start();
  const first = await at.connect();
  const lines: string[] = [];
  at.view.follow(message => {
    if (message.type === 'chat') lines.push(`${message.line.text}${message.line.isPending ? '…' : ''}`);
  });
  const id = first.say('Good morning');
  await turns();
  at.session.chat('It says error 5');
  await turns();
  first.confirms = false;
  at.session.chat('And now it is blue');
  await turns();
  t.deepEqual(lines, ['Good morning', 'It says error 5…', 'It says error 5', 'And now it is blue…']);
  first.pair.cut();
  await turns();
  t.true(at.view.state.notices.some(({ kind }) => kind === 'technician-lost'));
  const second = await at.connect();
  second.say('Good morning', id); // the console did not hear that it had come
  await turns();
  t.deepEqual(lines.slice(4), ['And now it is blue']);
  const said = second.chatHeard.map(message => (message.type === 'line' ? message.text : message.type));
  t.deepEqual(said, ['And now it is blue', 'received']);
  const reported = at.reports.filter(({ stage }) => stage === 'chat');
  t.is(reported.length, 3);
  t.is(new Set(reported.map(({ detail }) => detail)).size, 3);
});

test('E-03 a technician is shown writing, and not for ever; the customer’s typing reaches the console', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  console.chat.send(new TextEncoder().encode('{"type":"typing","typing":true,"v":1}'));
  await turns();
  t.true(at.view.state.isTyping);
  await at.pass(10_000);
  t.false(at.view.state.isTyping);
  at.session.typing(true);
  await turns();
  t.deepEqual(console.chatHeard.at(-1), { type: 'typing', typing: true });
});

test('E-03 lines nobody confirms are not taken without end, and are reported when the session ends', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  console.confirms = false;
  for (let n = 0; n < MAX_UNCONFIRMED + 5; n++) at.session.chat(`line ${n}`);
  t.false(at.view.state.mayWrite);
  t.is(at.session.refused.of('command'), 5);
  await at.session.end('customer');
  t.is(at.reports.filter(({ stage }) => stage === 'chat').length, MAX_UNCONFIRMED);
});

test('J-02 the appliance away: what runs goes on, new things are refused without a question', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  await console.ask('launch-desktop-viewing');
  at.isAway = true;
  at.leg.cut();
  await turns();
  const refused = await console.request('send-files');
  t.deepEqual(console.about(refused), ['end:appliance:appliance-away']);
  t.is(at.view.state.question, null);
  await at.pass(20_000);
  t.is(at.view.state.running.length, 1);
  at.session.chat('Are you there?');
  await turns();
  t.is(console.chatHeard.length, 1, 'chat goes on by the link');
  at.isAway = false;
  await at.pass(9000);
  await turns();
  t.is(at.reports.at(-1)?.stage, 'chat', 'what could not be reported is reported now, in one chain');
});

test('D-06 a receipt that was lost with its connection is sent again, and the grant for it counts', async t => {
  const at = new TestAppliance({ gateways: ['gateway-1', 'gateway-2'] });
  await at.start();
  const console = await at.connect();
  const request = await console.request('send-files');
  const [first] = at.open;
  at.isDeaf = true; // what is said now reaches nobody
  at.session.answer(at.view.state.question?.consentId ?? '', 'yes');
  await turns();
  t.is(at.receipts.length, 0);
  at.isDeaf = false;
  first?.cut();
  await turns(30);
  t.is(at.receipts.length, 1);
  t.deepEqual(console.about(request), ['asked', 'answer:yes', 'started']);
});

test('D-04 a start the appliance does not acknowledge does not happen', async t => {
  const done: string[] = [];
  const action = { start: () => done.push('start'), stop: () => done.push('stop') };
  const at = new TestAppliance({ actions: new Map([['send-files', action]]) });
  await at.start();
  const console = await at.connect();
  at.acknowledges = false;
  const request = await console.ask('send-files');
  await at.pass(6000);
  t.deepEqual(done, []);
  t.deepEqual(console.about(request), ['asked', 'answer:yes', 'end:appliance:appliance']);
  t.deepEqual(at.view.state.running, []);
});

test('D-04 without the appliance’s grant a yes is given up', async t => {
  const at = new TestAppliance();
  at.grants = false;
  await at.start();
  const console = await at.connect();
  const request = await console.ask('send-files');
  t.deepEqual(console.about(request), ['asked', 'answer:yes']);
  await at.pass(10_000);
  t.is(console.about(request).at(-1), 'end:appliance:appliance');
});

test('D-02 on hold what runs stops and the link stays; chat goes on', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  const request = await console.ask('launch-remote-control');
  at.leg.send({ type: 'stop', reason: 'on-hold' });
  at.leg.send({ type: 'state', state: 'on-hold', technician: 'Tina' });
  await turns();
  t.is(console.about(request).at(-1), 'end:appliance:appliance');
  t.is(at.view.state.phase, 'active');
  t.true(at.view.state.notices.some(({ kind }) => kind === 'on-hold'));
  console.say('One moment');
  await turns();
  t.is(console.chatHeard.length, 1);
});

test('B-04 where the policy says so control waits until both have said that the codes are the same', async t => {
  const at = new TestAppliance({ policy: { codesMatch: true } });
  await at.start();
  const console = await at.connect();
  t.true(at.view.state.notices.some(({ kind }) => kind === 'codes-needed'));
  const before = await console.ask('launch-remote-control');
  await at.pass(10_000);
  t.is(console.about(before).at(-1), 'end:appliance:appliance', 'the appliance’s grant alone is not enough');
  at.session.codes(true);
  await turns();
  at.leg.send({ type: 'compared', linkId: console.link.id });
  await turns();
  t.is(console.about(await console.ask('launch-remote-control')).at(-1), 'started');
});

test('B-04 the customer says that the codes differ: everything stops, and only chat is left', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  await console.ask('launch-remote-control');
  at.session.codes(false);
  t.deepEqual(at.view.state.running, []);
  await at.pass(3000);
  t.deepEqual(console.about(await console.request('send-files')), ['end:appliance:codes-differ']);
});

test('D-02 D-07 K-04 the end: rights gone at once, then the record with the head of the log', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  await console.ask('launch-remote-control');
  await at.pass(65_000);
  const ended = at.session.end('customer');
  t.deepEqual(at.view.state.running, []);
  t.is(at.view.state.phase, 'ended');
  await ended;
  t.deepEqual(at.over, ['customer']);
  t.is(console.link.state.state, 'closed');
  const report = JSON.parse(at.view.state.report?.file?.text ?? '{}');
  t.is(report.logHead, 'head-of-the-log');
  t.deepEqual(report.technicians, ['Tina']);
  t.deepEqual(report.rights, [{ action: 'launch-remote-control', allowed: 1, refused: 0, seconds: 65 }]);
  t.is(at.reports.at(-1)?.stage, 'ended');
  t.is(at.hostLog.lines.at(-1)?.event, 'session-ended');
  t.is(at.open.length, 0);
});

test('D-02 the end does not wait for an appliance that is away', async t => {
  const at = new TestAppliance();
  await at.start();
  at.isDeaf = true;
  const ended = at.session.end('window-closed');
  await turns();
  await at.pass(3000);
  await ended;
  t.deepEqual(at.over, ['window-closed']);
  t.truthy(at.view.state.report);
});

test('D-07 without a window nothing is admitted and nothing can be asked', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  at.session.windowVisible(false);
  t.deepEqual(console.about(await console.request('send-files')), ['end:appliance:no-window']);
  at.session.windowVisible(true);
  t.deepEqual(console.about(await console.ask('send-files')), ['asked', 'answer:yes', 'started']);
});

test('D-03 a single prompt covers what follows, and stopping it stops all of it', async t => {
  const at = new TestAppliance({ policy: { singlePrompt: true } });
  await at.start();
  const console = await at.connect();
  await console.ask('single-prompt');
  const follows = await console.request('launch-desktop-viewing');
  await turns(20);
  t.deepEqual(console.about(follows), ['answer:yes', 'started']);
  const prompt = at.view.state.running.find(({ action }) => action === 'single-prompt');
  at.session.stop(prompt?.id ?? '');
  t.deepEqual(at.view.state.running, []);
});

test('J-02 one more path for the link there is; the one before is lost and nothing is noticed', async t => {
  const at = new TestAppliance();
  await at.start();
  const console = await at.connect();
  await console.ask('launch-desktop-viewing');
  const pair = at.offer('attach');
  await console.link.attachPath(pair.console);
  console.pair.cut();
  await turns(20);
  t.is(console.link.state.state, 'open');
  t.is(at.view.state.running.length, 1);
  console.say('Still here');
  await turns();
  t.is(console.chatHeard.at(-1)?.type, 'received');
});

test('C-08 the appliance ends the session: window, report and legs with it', async t => {
  const at = new TestAppliance();
  await at.start();
  await at.connect();
  at.leg.send({ type: 'ended', reason: 'timed-out', head: 'the last head' });
  await turns(30);
  await at.pass(3000);
  t.deepEqual(at.over, ['timed-out']);
  t.is(JSON.parse(at.view.state.report?.file?.text ?? '{}').logHead, 'the last head');
});
