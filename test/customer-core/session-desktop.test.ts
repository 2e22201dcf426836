// What the customer's yes opens on the desktop, and what closes it. The picture itself is the picture server's tests' matter.
import test, { type ExecutionContext } from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { writeConsent } from '../../appliance/protocol/consent.ts';
import { type PolicyFields, policy, TestAppliance, type TestConsole, turns } from './test-appliance.ts';
import { OwnHands, TestDesktop, WatchedScreen } from './test-desktop.ts';

const VIEWING = 'launch-desktop-viewing';
const CONTROL = 'launch-remote-control';
const CLIPBOARD = 'clipboard-synchronisation';
const actions = [...policy.actions, CLIPBOARD];

function numberOf(console: TestConsole, request: Bytes): number {
  const started = console.consentHeard.find(
    message => message.type === 'started' && message.request.every((byte, index) => byte === request[index]),
  );
  return started?.type === 'started' ? started.grantNumber : 0;
}

/** A session in which the customer shows his screen, and a console that watches. */
async function watched(policy: Partial<PolicyFields> = {}) {
  const desktop = new TestDesktop();
  const at = new TestAppliance({ desktop, policy: { actions, ...policy } });
  await at.start();
  const console = await at.connect();
  const viewing = await console.ask(VIEWING);
  const grant = numberOf(console, viewing);
  const screen = new WatchedScreen(console);
  screen.control({ type: 'open', grant, monitor: 0, quality: 'sharp' });
  await turns();
  return { desktop, at, console, viewing, grant, screen };
}

/** The same, and the technician may act. */
async function controlled(policy: Partial<PolicyFields> = {}) {
  const whole = await watched(policy);
  const control = await whole.console.ask(CONTROL);
  const hands = new OwnHands(whole.console);
  await whole.at.pass(600); // nothing is admitted just after a question
  return { ...whole, hands, control, number: numberOf(whole.console, control) };
}

function keys(desktop: TestDesktop): string[] {
  return desktop.hands.done.filter(line => line.startsWith('key'));
}

test('E-04 D-02 viewing: nothing before the grant is named, then monitors, state and the picture', async t => {
  const { screen, at } = await watched();
  t.is(new TextDecoder().decode(screen.rfb), 'RFB 003.008\n');
  t.deepEqual(
    screen.news.map(({ type }) => type),
    ['monitors', 'state'],
  );
  t.deepEqual(screen.states, ['live']);
  t.is(at.reports.find(({ stage }) => stage === 'monitor')?.detail, 'all monitors');
});

test('D-04 attack: a screen stream without a viewing grant, or with another’s number, is refused', async t => {
  const { console, desktop, at } = await watched();
  const other = new WatchedScreen(console);
  other.control({ type: 'open', grant: 77, monitor: 0, quality: 'auto' });
  await turns();
  t.not(other.resetWith, null);
  t.is(other.rfb.length, 0);
  const fresh = new TestAppliance({ desktop: new TestDesktop() });
  await fresh.start();
  const early = new WatchedScreen(await fresh.connect());
  early.control({ type: 'open', grant: 1, monitor: 0, quality: 'auto' });
  await turns();
  t.not(early.resetWith, null);
  t.false(desktop.screen.isClosed, 'the one that was allowed goes on');
  t.true(at.session.refused.of('stream') > 0);
});

test('D-04 input counts under the control grant alone: not under viewing, not after control ended', async t => {
  const { desktop, hands, grant, number, at, console, control } = await controlled();
  hands.key(grant, 97);
  hands.key(number, 98);
  await turns();
  t.deepEqual(keys(desktop), ['key 98']);
  console.consent.send(writeConsent({ type: 'end', request: control, by: 'technician', reason: 'done' }));
  hands.key(number, 99);
  await turns();
  t.deepEqual(keys(desktop), ['key 98']);
  t.is(desktop.hands.done.at(-1), 'released');
  t.is(hands.states.at(-1), 'off');
  t.is(at.view.state.running.length, 1, 'he still watches');
});

test('E-04 D-02 the customer drops from control to viewing: input stops before anybody is told', async t => {
  const { desktop, hands, number, at } = await controlled();
  const running = at.view.state.running.find(({ action }) => action === CONTROL);
  at.session.stop(running?.id ?? '');
  hands.key(number, 97);
  await turns();
  t.deepEqual(keys(desktop), []);
  t.deepEqual(
    at.view.state.running.map(({ action }) => action),
    [VIEWING],
  );
});

test('D-06 D-01 the customer locks his screen: control stops, viewing goes on, and he is asked nothing until he is back', async t => {
  const { desktop, hands, number, at, console, control } = await controlled({ customerAway: 'view-only' });
  desktop.away?.(true);
  hands.key(number, 97);
  await turns();
  t.deepEqual(keys(desktop), []);
  t.deepEqual(
    at.view.state.running.map(({ action }) => action),
    [VIEWING],
  );
  t.is(console.about(control).at(-1), 'end:customer:customer-away');
  t.is(console.about(await console.request(CONTROL)).at(-1), 'end:appliance:customer-away');
  t.is(at.view.state.question, null);
  desktop.away?.(false);
  t.deepEqual(console.about(await console.request(CONTROL)), ['asked']);
  await at.session.end('customer');
  t.is(desktop.away, null, 'nobody watches any more');
});

test('D-06 D-01 the customer locks his screen where everything is to stop then: the session ends', async t => {
  const { desktop, at } = await controlled({ customerAway: 'end' });
  desktop.away?.(true);
  await at.pass(5000);
  t.is(at.view.state.phase, 'ended');
  t.like(at.all('end').at(-1), { reason: 'customer-away' });
});

test('E-04 pointing is in pixels of the picture: of one monitor as of all', async t => {
  const { desktop, hands, screen, number } = await controlled();
  hands.pointer(number, 10, 20);
  screen.control({ type: 'monitor', monitor: 2 });
  await turns();
  hands.pointer(number, 10, 20);
  hands.pointer(number, 5000, 5000);
  await turns();
  const pointed = desktop.hands.done.filter(line => line.startsWith('pointer'));
  t.deepEqual(pointed, ['pointer 10,20 0', 'pointer 170,20 0', 'pointer 319,199 0']);
});

test("E-04 the console is told where the customer's mouse is: in pixels of what is shown, and that it is elsewhere", async t => {
  const { desktop, screen, at } = await watched();
  const told = () => screen.news.filter(({ type }) => type === 'pointer').map(({ type: _, ...place }) => place);
  const move = async (x: number, y: number) => {
    desktop.hands.listener?.pointer(x, y);
    await turns();
  };
  await move(200, 20);
  screen.control({ type: 'monitor', monitor: 2 });
  await turns();
  await move(200, 20);
  await move(10, 20);
  await move(11, 20);
  at.session.pause(true);
  await move(300, 20);
  t.deepEqual(told(), [
    { x: 200, y: 20, shown: true },
    { x: 40, y: 20, shown: true },
    { x: 0, y: 0, shown: false },
  ]);
});

test('E-04 where there are no hands, control is neither asked nor called running, however late it is allowed', async t => {
  const desktop = new TestDesktop();
  desktop.hasHands = false;
  const at = new TestAppliance({ desktop, policy: { actions } });
  await at.start();
  const console = await at.connect();
  await console.ask(VIEWING);
  await turns();
  t.deepEqual(console.about(await console.request(CONTROL)), ['end:appliance:not-possible-here']);
  t.deepEqual(
    at.view.state.running.map(({ action }) => action),
    [VIEWING],
  );
});

test('D-02 E-04 pause: no new picture, no input, and both go on when the customer says so', async t => {
  const { desktop, hands, screen, number, at } = await controlled();
  at.session.pause(true);
  t.true(at.view.state.isPaused);
  hands.key(number, 97);
  await turns();
  const before = desktop.screen.grabs;
  desktop.screen.paint(9);
  await at.pass(1000);
  t.is(desktop.screen.grabs, before);
  t.deepEqual(keys(desktop), []);
  at.session.pause(false);
  hands.key(number, 98);
  await turns();
  t.deepEqual(keys(desktop), ['key 98']);
  t.deepEqual(screen.states, ['live', 'paused', 'live']);
  t.deepEqual(hands.states.slice(-2), ['paused', 'on']);
  const stages = at.reports.map(({ stage }) => stage);
  t.true(stages.includes('paused') && stages.includes('resumed'));
});

test('D-02 attack self-consent: while a question is on the screen nothing is injected', async t => {
  const { desktop, hands, console, number, at } = await controlled();
  await console.request('send-files');
  t.is(hands.states.at(-1), 'question');
  hands.pointer(number, 1, 1);
  hands.key(number, 0xff0d);
  await turns();
  t.deepEqual(keys(desktop), []);
  at.session.answer(at.view.state.question?.consentId ?? '', 'no');
  await at.pass(600);
  t.is(hands.states.at(-1), 'on');
});

test('D-04 no lease: the picture stands still and input is dropped', async t => {
  const { desktop, hands, screen, number, at } = await controlled();
  at.leases = false;
  await at.pass(61_000);
  hands.key(number, 97);
  await turns();
  t.deepEqual(keys(desktop), []);
  t.is(screen.states.at(-1), 'frozen');
});

test('E-04 who does not see does not act: the end of viewing ends control, and closes eyes and hands', async t => {
  const { desktop, hands, console, viewing, control, screen, at } = await controlled();
  const running = at.view.state.running.find(({ action }) => action === VIEWING);
  at.session.stop(running?.id ?? '');
  await turns();
  t.regex(console.about(viewing).at(-1) ?? '', /^end:customer/);
  t.regex(console.about(control).at(-1) ?? '', /^end:/);
  t.deepEqual(screen.ends, ['stopped']);
  t.is(hands.states.at(-1), 'off');
  t.true(desktop.screen.isClosed);
  t.is(desktop.hands.done.at(-1), 'closed');
  t.deepEqual(at.view.state.running, []);
});

test('E-04 what stands on viewing is not asked without it, and the console is told why', async t => {
  const at = new TestAppliance({ desktop: new TestDesktop(), policy: { actions } });
  await at.start();
  const console = await at.connect();
  for (const action of [CONTROL, CLIPBOARD])
    t.deepEqual(console.about(await console.request(action)), ['end:appliance:viewing-first']);
  t.is(at.view.state.question, null);
});

test('D-02 E-04 the stop key ends everything that goes on', async t => {
  const { desktop, at } = await controlled();
  t.is(at.view.state.stopKey, 'Ctrl + Shift + F8');
  desktop.hands.listener?.stopKey();
  t.deepEqual(at.view.state.running, []);
  await turns();
  t.true(desktop.screen.isClosed);
});

test('E-04 the customer uses his mouse: the console is told, and told when he has let go', async t => {
  const { desktop, hands } = await controlled();
  desktop.hands.listener?.state('customer-input');
  await turns();
  t.is(hands.states.at(-1), 'customer-input');
  desktop.hands.listener?.state('on');
  await turns();
  t.is(hands.states.at(-1), 'on');
});

for (const why of ['display-lost', 'display-stuck'] as const) {
  test(`E-04 a screen that is gone (${why}) ends viewing with that word`, async t => {
    const { desktop, screen, at } = await watched();
    desktop.screen.listener?.lost(why);
    await turns();
    t.deepEqual(screen.ends, [why]);
    t.deepEqual(at.view.state.running, []);
    t.is(at.reports.find(({ stage }) => stage === 'screen-lost')?.detail, why);
  });
}

test('E-04 a screen that can’t be opened: the yes is given up and the reason is logged', async t => {
  const desktop = new TestDesktop();
  desktop.fault = new ApplianceError('unavailable', 'screen.unavailable', 'there is no display');
  const at = new TestAppliance({ desktop });
  await at.start();
  const console = await at.connect();
  const request = await console.ask(VIEWING);
  t.regex(console.about(request).at(-1) ?? '', /^end:appliance/);
  t.is(at.reports.find(({ stage }) => stage === 'screen-lost')?.detail, 'there is no display');
  t.deepEqual(at.view.state.running, []);
});

test('E-09 a spot of light under the viewing grant, and no other', async t => {
  const { desktop, console, grant } = await watched();
  const hands = new OwnHands(console);
  hands.send({ type: 'laser', grant, x: 5, y: 6, shown: true });
  hands.send({ type: 'laser', grant: grant + 1, x: 7, y: 8, shown: true });
  hands.send({ type: 'laser', grant, x: 0, y: 0, shown: false });
  await turns();
  t.deepEqual(desktop.hands.done, ['spot 5,6', 'no spot']);
});

test('E-04 D-04 the clipboard goes under its own grant; size and direction are logged, never the text', async t => {
  const { desktop, at, console } = await watched();
  const secret = 'my pass phrase';
  desktop.clipboard.listener?.({ text: secret, image: null });
  t.is(desktop.clipboard.listener, null, 'without the grant nobody listens');
  await console.ask(CLIPBOARD);
  desktop.clipboard.listener?.({ text: secret, image: null });
  await turns();
  const told = at.reports.find(({ stage }) => stage === 'clipboard');
  t.is(told?.detail, 'from the customer: text, 14 bytes');
  t.false(JSON.stringify([at.reports, at.hostLog.lines]).includes(secret));
});

for (const [name, bytes] of Object.entries({
  'a kind nobody knows': Uint8Array.of(9, 1),
  'half a JSON': Uint8Array.of(1, 0x7b),
  'RFB before it was opened': Uint8Array.of(0, 1, 2, 3),
})) {
  test(`E-04 attack: ${name} on the screen stream ends that stream, and nothing else`, async t => {
    const { console, desktop, at } = await watched();
    const screen = new WatchedScreen(console);
    screen.stream.send(bytes);
    await turns();
    t.is(screen.resetWith, 2);
    t.is(at.view.state.running.length, 1);
    t.false(desktop.screen.isClosed);
    await stillChats(t, console);
  });
}

test('E-04 attack: an input that is no event ends the stream, lets go of the keys, and nothing else', async t => {
  const { hands, number, desktop, console } = await controlled();
  hands.send({ type: 'event', grant: number, rfb: Uint8Array.of(4, 1, 2) });
  await turns();
  t.is(hands.resetWith, 2);
  t.is(desktop.hands.done.at(-1), 'released');
  await stillChats(t, console);
});

async function stillChats(t: ExecutionContext, console: TestConsole): Promise<void> {
  console.say('still there?');
  await turns();
  t.is(console.chatHeard.at(-1)?.type, 'received');
}
