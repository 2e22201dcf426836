import test from 'ava';
import { MAX_UNDER_WAY_BYTES } from '../../appliance/console/grant-streams.ts';
import { RESET_DONE, RESET_MALFORMED } from '../../appliance/console/link-messages.ts';
import { noGrants } from '../../appliance/console/session-screen.ts';
import { STREAM_CREDIT_BYTES } from '../../appliance/link/limits.ts';
import { concat, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import {
  parseInput,
  parseScreenControl,
  type ScreenEnd,
  writeInputState,
  writeScreenControl,
  writeScreenMark,
  writeScreenRfb,
} from '../../appliance/protocol/screen.ts';
import { textBytes, turns } from '../link/support.ts';
import { CUT_TEXT, KEY_A, OPENING, OpenScreen, POINTER, UPDATE_REQUEST } from './open-screen.ts';

const VIEWING = { ...noGrants, viewing: 7 };

/** As far as the first picture. */
async function live(open: OpenScreen) {
  open.screen.update(open.linkId, VIEWING);
  const screen = await open.stream('screen');
  screen.stream.send(writeScreenRfb(textBytes('picture')));
  await open.until(() => open.screen.phase === 'live');
  const viewer = open.viewers.at(-1);
  if (viewer === undefined) throw new Error('no viewer was made');
  return { screen, viewer };
}

test('E-04 a picture is asked for under its grant, ends with it, and comes again under the next one on the same link', async t => {
  await using open = await OpenScreen.open();
  const { screen, viewer } = await live(open);
  t.is(screen.stream.priority, 3);
  t.deepEqual(parseScreenControl(screen.said[0] ?? new Uint8Array()), {
    type: 'control',
    control: { type: 'open', grant: 7, monitor: 0, quality: 'auto' },
  });
  t.deepEqual(viewer.taken.map(String), [String(textBytes('picture'))]);
  t.deepEqual(open.handedOver, [true], 'its memory is handed over, not copied');
  open.screen.update(open.linkId, noGrants);
  await open.until(() => screen.resetBy !== null);
  t.is(screen.resetBy, RESET_DONE);
  t.is(open.screen.phase, 'ended');
  t.is(open.screen.shown, viewer, 'the last picture stays');
  t.is(open.screen.live, null);
  t.true(viewer.isClosed);

  open.screen.update(open.linkId, { ...noGrants, viewing: 9 });
  const again = await open.stream('screen', 1);
  await open.until(() => again.said.length > 0);
  t.like(parseScreenControl(again.said[0] ?? new Uint8Array()), { control: { type: 'open', grant: 9 } });
  t.is(open.screen.shown, viewer, 'until there is another one');
  again.stream.send(writeScreenRfb(textBytes('other')));
  await open.until(() => open.screen.phase === 'live');
  t.is(open.screen.shown, open.viewers[1] ?? null);
});

test('D-02 H-03 the picture is asked for anew, under the same grant, where the customer’s program has ended it to record it, or not', async t => {
  await using open = await OpenScreen.open();
  const { screen } = await live(open);
  open.screen.update(open.linkId, { ...VIEWING, recording: 8 });
  let before = screen;
  for (const [index, why] of (['unrecorded', 'paused', 'unrecorded'] as const).entries()) {
    before.stream.send(writeScreenControl({ type: 'ended', why }));
    const next = await open.stream('screen', index + 1);
    await open.until(() => next.said.length > 0);
    t.like(parseScreenControl(next.said[0] ?? new Uint8Array()), { control: { type: 'open', grant: 7 } });
    before = next;
  }
});

test("E-04 the customer's mouse is drawn until it is elsewhere, or the technician points himself", async t => {
  await using open = await OpenScreen.open();
  const { screen, viewer } = await live(open);
  for (const shown of [true, false, true])
    screen.stream.send(writeScreenControl({ type: 'pointer', x: 3, y: 4, shown }));
  await open.until(() => viewer.pointers.length === 3);
  open.screen.update(open.linkId, { ...VIEWING, control: 11 });
  viewer.channel.send(concat(OPENING, POINTER));
  await open.until(() => viewer.pointers.length === 4);
  t.deepEqual(viewer.pointers, [{ x: 3, y: 4 }, null, { x: 3, y: 4 }, null]);
});

test('D-04 keys, pointer, clipboard and laser leave under the number of their own grant, and not without one', async t => {
  await using open = await OpenScreen.open();
  const { viewer } = await live(open);
  viewer.channel.send(concat(OPENING, KEY_A, POINTER, CUT_TEXT));
  await turns(20);
  t.is(open.streams.filter(({ stream }) => stream.kind === 'input').length, 0);
  t.false(viewer.hasControl);

  open.screen.update(open.linkId, { ...VIEWING, control: 11 });
  t.true(viewer.hasControl);
  const input = await open.stream('input');
  t.is(input.stream.priority, 1);
  viewer.channel.send(concat(KEY_A, CUT_TEXT, POINTER));
  open.screen.update(open.linkId, { ...VIEWING, control: 11, clipboard: 13 });
  viewer.channel.send(CUT_TEXT);
  open.screen.point(300, 200, true);
  await open.until(() => input.said.length >= 4);
  t.deepEqual(input.said.map(parseInput), [
    { type: 'event', grant: 11, rfb: KEY_A },
    { type: 'event', grant: 11, rfb: POINTER },
    { type: 'clipboard', grant: 13, rfb: CUT_TEXT },
    { type: 'laser', grant: 7, x: 300, y: 200, shown: true },
  ]);
  open.screen.update(open.linkId, VIEWING);
  t.false(viewer.hasControl);
  viewer.channel.send(concat(KEY_A, CUT_TEXT));
  open.screen.point(1, 2, true);
  await open.until(() => input.said.length >= 5);
  t.like(parseInput(input.said[4] ?? new Uint8Array()), { type: 'laser' }, 'nothing of what came between');
  open.screen.update(open.linkId, noGrants);
  await open.until(() => input.resetBy === RESET_DONE);
});

test('E-04 what a viewer says goes as whole messages, however it is cut', async t => {
  await using open = await OpenScreen.open();
  const { screen, viewer } = await live(open);
  const all = concat(OPENING, UPDATE_REQUEST, UPDATE_REQUEST);
  for (const byte of all) viewer.channel.send(Uint8Array.of(byte));
  await open.until(() => screen.said.length >= 6);
  const said = screen.said.slice(1).map(bytes => parseScreenControl(bytes));
  t.deepEqual(
    said.map(message => (message.type === 'rfb' ? message.bytes.length : 0)),
    [12, 1, 1, UPDATE_REQUEST.length, UPDATE_REQUEST.length],
  );
  viewer.channel.send(Uint8Array.of(0x99));
  await open.until(() => open.screen.phase === 'ended');
  t.is(screen.resetBy ?? (await open.until(() => screen.resetBy ?? undefined)), RESET_MALFORMED);
});

test('E-04 a viewer that is behind holds back the applet, and the page holds no more than two credits', async t => {
  await using open = await OpenScreen.open();
  const { screen, viewer } = await live(open);
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  viewer.isBusy = promise;
  const piece = writeScreenRfb(new Uint8Array(16 * 1024));
  let sent = 0;
  while (screen.stream.send(piece)) sent++;
  for (let i = 0; i < 40; i++) {
    await turns(5);
    while (screen.stream.queuedBytes < STREAM_CREDIT_BYTES && screen.stream.send(piece)) sent++;
  }
  t.true(screen.stream.queuedBytes > 0, 'the rest stays with who sends it');
  const taken = viewer.taken.reduce((sum, { length }) => sum + length, 0);
  t.true(taken <= MAX_UNDER_WAY_BYTES + STREAM_CREDIT_BYTES + piece.length, `${taken} bytes`);
  viewer.isBusy = undefined;
  goOn();
  await open.until(() => viewer.taken.length >= sent);
  t.is(screen.stream.queuedBytes, 0);
});

test('E-04 choices and pace are told to the customer’s program, which says how it stands', async t => {
  await using open = await OpenScreen.open();
  const { screen } = await live(open);
  open.screen.chooseMonitor(2);
  open.screen.chooseQuality('light');
  open.screen.show(false);
  open.screen.show(false);
  open.screen.show(true);
  await open.until(() => screen.said.length >= 5);
  t.deepEqual(
    screen.said.slice(1).map(bytes => parseScreenControl(bytes)),
    [
      { type: 'monitor', monitor: 2 } as const,
      { type: 'quality', quality: 'light' } as const,
      { type: 'pace', visible: false } as const,
      { type: 'pace', visible: true } as const,
    ].map(control => ({ type: 'control', control })),
  );
  const monitor = { id: 1, name: 'DP-1', x: 0, y: 0, width: 800, height: 600, primary: true };
  screen.stream.send(writeScreenControl({ type: 'monitors', monitors: [monitor], monitor: 1 }));
  screen.stream.send(writeScreenControl({ type: 'state', state: 'paused' }));
  screen.stream.send(writeScreenMark(textBytes('for the recorder')));
  await open.until(() => open.screen.state === 'paused');
  t.deepEqual(open.screen.monitors, [monitor]);
  t.is(open.screen.monitor, 1);
  open.screen.update(open.linkId, { ...VIEWING, control: 8 });
  const input = await open.stream('input');
  input.stream.send(writeInputState('customer-input'));
  await open.until(() => open.screen.input === 'customer-input');
  input.stream.send(textBytes('no state at all'));
  await open.until(() => input.resetBy === RESET_MALFORMED);
  t.is(open.screen.phase, 'live', 'the picture is another stream');
});

for (const why of ['stopped', 'display-lost', 'display-stuck', 'unavailable'] satisfies ScreenEnd[]) {
  test(`E-04 the picture has ended, ${why}: it can be opened again under the grant there is`, async t => {
    await using open = await OpenScreen.open();
    const { screen, viewer } = await live(open);
    screen.stream.send(writeScreenControl({ type: 'ended', why }));
    await open.until(() => open.screen.phase === 'ended');
    t.is(open.screen.why, why);
    t.is(open.screen.shown, viewer);
    open.screen.reopen();
    const again = await open.stream('screen', 1);
    await open.until(() => again.said.length > 0);
    t.is(open.screen.phase, 'opening');
  });
}

test('E-04 attack: what is no message, and what is no picture, ends the stream with a word; the others go on', async t => {
  await using open = await OpenScreen.open();
  const attacks = [
    Uint8Array.of(0),
    Uint8Array.of(9, 1, 2),
    utf8Bytes('\u0001{"type":"state","state":"on fire","v":1}'),
    utf8Bytes('\u0001{"type":"monitors","monitor":99,"monitors":[],"v":1}'),
    concat(Uint8Array.of(1), new Uint8Array(500_000).fill(0x7b)),
    writeScreenRfb(Uint8Array.of(0xee)),
  ];
  for (const [n, attack] of attacks.entries()) {
    open.screen.update(open.linkId, { ...noGrants, viewing: n + 1, control: 100 });
    const screen = await open.stream('screen', n);
    screen.stream.send(attack);
    await open.until(() => screen.resetBy === RESET_MALFORMED);
    t.is(open.screen.phase, 'ended', `attack ${n}`);
    t.is(open.screen.why, 'malformed');
  }
  const input = await open.stream('input');
  t.is(input.resetBy, null);
  t.is(open.links.console.state.state, 'open');
});

test('E-04 attack: an applet that makes the viewer answer and reads nothing ends its own stream', async t => {
  await using open = await OpenScreen.open();
  const { viewer } = await live(open);
  viewer.channel.send(OPENING);
  open.links.pair.hold();
  const many = concat(...Array.from({ length: 10_000 }, () => UPDATE_REQUEST));
  for (let i = 0; i < 60 && open.screen.phase === 'live'; i++) {
    viewer.channel.send(many);
    await turns(1);
  }
  await open.until(() => open.screen.phase === 'ended');
  open.links.pair.release();
  t.pass();
});
