// The technician's hands on a real X server, and the customer's, who wins.
import { execFileSync } from 'node:child_process';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import fc from 'fast-check';
import { openDesktop } from '../../appliance/applet/desktop.ts';
import { MAX_HOLD_MS, QUIET_MS } from '../../appliance/applet/input/customer-priority.ts';
import { X11Input } from '../../appliance/applet/input/x11-input.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { DesktopInput, InputSink } from '../../appliance/customer-core/input-sink.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Desktop } from './desktop.ts';
import { KeyWindow } from './key-window.ts';
import { KEYSYM, keysymOf, Typist } from './typist.ts';

const test = anyTest.serial as TestFn<unknown>;
const MODIFIER = { shift: 1, lock: 2, control: 4, alt: 8, numLock: 16 } as const;
const KEYCODE = { shift: 50, a: 38, b: 56, c: 54, y: 29, equal: 21, print: 107, left: 113, keypad1: 87 } as const;
const SCAN_CODE = { a: 0x1e, c: 0x2e, left: 0xcb } as const;
let desktop: Desktop;
let window: KeyWindow;

test.before(async () => {
  desktop = await Desktop.open();
});
test.beforeEach(async () => {
  customer('setxkbmap', 'us');
  window = await KeyWindow.open(desktop);
});
test.afterEach.always(() => window?.close());
test.after.always(() => desktop?.[Symbol.asyncDispose]());

/** Something the customer does; through XTEST as well, but by another program than ours. */
function customer(program: string, ...args: readonly string[]): void {
  execFileSync(program, [...args], { env: { ...desktop.environment } });
}

async function technician(t: ExecutionContext<unknown>, clock = new ManualClock()) {
  const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
  const sink = await X11Input.open({ connection, clock, point: () => undefined });
  t.teardown(() => sink.close());
  const news: string[] = [];
  let wake: () => void = () => undefined;
  sink.listen({
    state: state => {
      news.push(state);
      wake();
    },
    stopKey: () => {
      news.push('stop');
      wake();
    },
    pointer: (x, y) => {
      news.push(`at ${x},${y}`);
      wake();
    },
  });
  const told = async (what: string) => {
    while (!news.includes(what)) {
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
  };
  /** The server has done what was sent; another connection may be faster than ours. */
  const settle = () => connection.ask(answer => connection.client.GetInputFocus(answer));
  return { sink, typist: new Typist(sink), clock, news, told, settle };
}

const point = (sink: InputSink, x: number, y: number, buttons = 0) => sink.inject({ type: 'pointer', x, y, buttons });

test('E-04 shortcuts stay shortcuts: the key counts, with the modifiers that are held', async t => {
  customer('xdotool', 'key', 'Caps_Lock');
  t.teardown(() => customer('xdotool', 'key', 'Caps_Lock'));
  const { typist } = await technician(t);
  typist.together(KEYSYM.control, keysymOf('C')); // a technician's CapsLock makes a capital of it
  typist.together(KEYSYM.control, KEYSYM.shift, keysymOf('C'));
  typist.together(KEYSYM.control, KEYSYM.shift, keysymOf('='));
  typist.together(KEYSYM.alt, KEYSYM.print);
  const downs = (await window.told(typist)).filter(({ what }) => what === 'key down');
  const statesOf = (keycode: number) =>
    downs.filter(({ detail }) => detail === keycode).map(({ state }) => state & ~MODIFIER.lock);
  t.deepEqual(statesOf(KEYCODE.c), [MODIFIER.control, MODIFIER.control | MODIFIER.shift]);
  t.deepEqual(statesOf(KEYCODE.equal), [MODIFIER.control]); // no Shift makes "=" here, so it is let go for a moment
  t.deepEqual(statesOf(KEYCODE.print), [MODIFIER.alt]);
});

test('E-04 a shortcut works on a keyboard that has none of its letters', async t => {
  customer('setxkbmap', 'ru');
  const { typist } = await technician(t);
  typist.key(true, KEYSYM.control);
  typist.press(keysymOf('c'), SCAN_CODE.c);
  typist.key(false, KEYSYM.control);
  const downs = (await window.told(typist)).filter(({ what }) => what === 'key down');
  t.deepEqual(downs.at(-1)?.detail, KEYCODE.c);
  t.deepEqual(downs.at(-1)?.state, MODIFIER.control);
});

test('E-04 a held key repeats as the technician repeats it; a modifier does not', async t => {
  const { typist } = await technician(t);
  for (let time = 0; time < 4; time++) typist.key(true, KEYSYM.shift);
  for (let time = 0; time < 4; time++) typist.key(true, keysymOf('A'));
  typist.key(false, keysymOf('A'));
  typist.key(false, KEYSYM.shift);
  const downs = (await window.told(typist)).filter(({ what }) => what === 'key down');
  t.deepEqual(
    downs.map(({ detail }) => detail),
    [KEYCODE.shift, KEYCODE.a, KEYCODE.a, KEYCODE.a, KEYCODE.a],
  );
});

test('E-04 a dead key or an input method of the technician types nothing by itself', async t => {
  const { typist } = await technician(t);
  typist.press(0, SCAN_CODE.a); // no keysym: what is composed comes afterwards
  typist.press(0, SCAN_CODE.left);
  const downs = (await window.told(typist)).filter(({ what }) => what === 'key down');
  t.deepEqual(
    downs.map(({ detail }) => detail),
    [KEYCODE.left],
  );
});

test("E-04 the keypad types digits or moves as it does at the technician, and NumLock stays the customer's", async t => {
  const { typist } = await technician(t);
  typist.press(KEYSYM.keypad1);
  typist.press(KEYSYM.keypadEnd);
  const downs = (await window.told(typist)).filter(({ what }) => what === 'key down');
  t.deepEqual(
    downs.map(({ detail, state }) => [detail, state]),
    [
      [KEYCODE.keypad1, MODIFIER.numLock],
      [KEYCODE.keypad1, 0],
    ],
  );
});

test('E-04 the mouse goes where the technician points, and presses what he presses', async t => {
  const { sink, typist } = await technician(t);
  point(sink, 100, 200);
  point(sink, 110, 210, 0b1);
  point(sink, 120, 220, 0b101);
  point(sink, 120, 220, 0b100);
  point(sink, 65_535, 65_535, 0b1000); // wheel up, outside the screen
  point(sink, 0, 0);
  const told = (await window.told(typist)).map(({ what, detail, x, y }) => [what, detail, x, y]);
  t.deepEqual(told, [
    ['motion', 0, 100, 200],
    ['motion', 0, 110, 210],
    ['button down', 1, 110, 210],
    ['motion', 0, 120, 220],
    ['button down', 3, 120, 220],
    ['motion', 0, 120, 220],
    ['button up', 1, 120, 220],
    ['motion', 0, 1279, 899],
    ['button up', 3, 1279, 899],
    ['button down', 4, 1279, 899],
    ['motion', 0, 0, 0],
    ['button up', 4, 0, 0],
  ]);
});

test("E-04 the technician's left button is the left one on a left-handed customer's mouse too", async t => {
  const { client } = window.connection;
  const map = (...mapping: number[]) =>
    window.connection.ask<number>(answer => client.SetPointerMapping(mapping, answer));
  await map(3, 2, 1, 4, 5, 6, 7, 8, 9, 10);
  const { sink, typist } = await technician(t);
  point(sink, 1, 1, 0b1);
  point(sink, 1, 1, 0b0);
  const buttons = async () => (await window.told(typist)).filter(({ what }) => what === 'button down');
  t.deepEqual(
    (await buttons()).map(({ detail }) => detail),
    [1],
  );
  await map(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  await window.told(typist); // it has heard of it
  await window.told(typist);
  point(sink, 1, 1, 0b1);
  t.deepEqual(
    (await buttons()).map(({ detail }) => detail),
    [1],
  );
});

test('E-04 D-02 letting go leaves no key and no button down, and what waited is gone', async t => {
  const { sink, typist, settle } = await technician(t);
  typist.key(true, KEYSYM.control);
  typist.key(true, KEYSYM.super);
  typist.key(true, keysymOf('x'));
  typist.key(true, keysymOf('ж')); // on a spare key
  point(sink, 5, 5, 0b111);
  await window.told(typist);
  const { keys, buttons } = await window.held();
  t.is(keys.length, 4);
  t.not(buttons, 0);
  typist.type('never');
  sink.releaseKeys();
  await settle();
  t.deepEqual(await window.held(), { keys: [], buttons: 0 });
  t.false((await window.told(typist)).some(({ what }) => what === 'key down'));
});

test('E-04 a button that was let go for him counts only when the technician presses it anew', async t => {
  const { sink, typist } = await technician(t);
  point(sink, 5, 5, 0b1);
  sink.releaseKeys();
  point(sink, 9, 9, 0b1); // still down at his side
  point(sink, 9, 9, 0b11);
  await window.told(typist);
  t.is((await window.held()).buttons, 0b10);
  point(sink, 9, 9, 0);
  point(sink, 9, 9, 0b1);
  await window.told(typist);
  t.is((await window.held()).buttons, 0b1);
});

test("E-04 the customer's own input wins, and the technician's comes back when it is quiet", async t => {
  const { sink, typist, clock, news, told, settle } = await technician(t);
  typist.key(true, KEYSYM.control);
  point(sink, 7, 7, 0b1);
  await window.told(typist);
  customer('xdotool', 'key', 'a');
  await told('customer-input');
  await settle();
  t.deepEqual(await window.held(), { keys: [], buttons: 0 });
  t.false(typist.key(true, keysymOf('b')));
  t.false(point(sink, 8, 8, 0b1));
  clock.advance(QUIET_MS - 1);
  t.deepEqual(news, ['customer-input']);
  clock.advance(1);
  t.deepEqual(news, ['customer-input', 'on']);
  t.false(typist.key(true, keysymOf('b'))); // it repeats; it was pressed when it did not count
  typist.key(false, keysymOf('b'));
  point(sink, 8, 8, 0b1);
  await window.told(typist);
  t.deepEqual(await window.held(), { keys: [], buttons: 0 });
  typist.key(true, keysymOf('b'));
  await window.told(typist);
  t.deepEqual((await window.held()).keys, [KEYCODE.b]);
});

for (const [what, ...args] of [
  ['a click', 'click', '1'],
  ['the wheel', 'click', '4'],
  ['a move of the mouse', 'mousemove_relative', '20', '10'],
] as const) {
  test(`E-04 the customer is noticed by ${what}, also while a menu holds the keyboard`, async t => {
    const { told, typist } = await technician(t);
    await window.grabKeyboard();
    customer('xdotool', ...args);
    await told('customer-input');
    t.false(typist.key(true, keysymOf('b')));
  });
}

test("E-04 where the customer's mouse is, is told when he moves it, and not for each step; the technician's moves are not", async t => {
  const { sink, typist, clock, news, told, settle } = await technician(t);
  customer('xdotool', 'mousemove_relative', '--', '-2000', '-2000', 'mousemove_relative', '300', '210');
  await told('customer-input');
  await settle();
  t.deepEqual(
    news.filter(line => line.startsWith('at')),
    [],
  );
  clock.advance(50);
  await told('at 300,210');
  clock.advance(QUIET_MS);
  point(sink, 50, 60);
  await window.told(typist);
  clock.advance(100);
  await settle();
  t.deepEqual(
    news.filter(line => line.startsWith('at')),
    ['at 300,210'],
  );
});

test('E-04 as long as the customer holds a key it is his turn, but not for a keyboard that was pulled out', async t => {
  const { told, clock, news } = await technician(t);
  customer('xdotool', 'keydown', 'Left');
  await told('customer-input');
  clock.advance(MAX_HOLD_MS - QUIET_MS);
  t.deepEqual(news, ['customer-input']);
  clock.advance(2 * QUIET_MS);
  t.deepEqual(news, ['customer-input', 'on']);
  customer('xdotool', 'keyup', 'Left');
});

/** As a window manager does: each click stops the devices until it has decided whom it is for. */
async function windowManager(): Promise<XConnection> {
  const connection = await XConnection.open({ clock: systemClock, environment: desktop.environment });
  const { client, screen } = connection;
  const [synchronous, asynchronous, anyButton, anyModifier, replay] = [0, 1, 0, 0x8000, 2];
  client.GrabButton(screen.root, 0, 0b1100, synchronous, asynchronous, 0, 0, anyButton, anyModifier);
  connection.onEvent(() => client.AllowEvents(replay, 0));
  await connection.ask(answer => client.GetInputFocus(answer));
  return connection;
}

const anyInput: fc.Arbitrary<DesktopInput> = fc.oneof(
  fc.record({
    type: fc.constant('key' as const),
    down: fc.boolean(),
    keysym: fc.oneof(
      fc.constantFrom(...Object.values(KEYSYM).filter(keysym => keysym !== KEYSYM.capsLock)),
      fc.constantFrom(...'aAzZ1!@ßäéж中€'.split('').map(keysymOf)),
    ),
    scanCode: fc.constant(0),
  }),
  fc.record({
    type: fc.constant('pointer' as const),
    x: fc.integer({ min: 0, max: 1400 }),
    y: fc.integer({ min: 0, max: 1000 }),
    buttons: fc.integer({ min: 0, max: 127 }),
  }),
);

test("E-04 nothing of the technician's is ever taken for the customer's, and nothing of the customer's for his", async t => {
  const manager = await windowManager();
  await fc.assert(
    fc.asyncProperty(fc.array(anyInput, { minLength: 200, maxLength: 400 }), async inputs => {
      const { sink, typist, news, told } = await technician(t);
      for (const input of inputs) t.true(sink.inject(input));
      sink.releaseKeys();
      for (const input of inputs.slice(0, 100)) t.true(sink.inject(input));
      await window.told(typist);
      t.deepEqual(news, []);
      customer('xdotool', 'key', 'a');
      await told('customer-input');
      sink.close();
    }),
    { numRuns: 5 },
  );
  manager.close();
});

test("E-04 Ctrl+Shift+F8 of the customer stops everything, also while a menu holds the keyboard; the technician's does not", async t => {
  const { typist, news, told } = await technician(t);
  typist.together(KEYSYM.control, KEYSYM.shift, KEYSYM.f8);
  await window.told(typist);
  t.deepEqual(news, []);
  await window.grabKeyboard();
  customer('xdotool', 'key', 'F8');
  customer('xdotool', 'key', 'ctrl+F8');
  await told('customer-input');
  t.false(news.includes('stop'));
  customer('xdotool', 'key', 'ctrl+shift+F8');
  await told('stop');
  t.is(news.filter(one => one === 'stop').length, 1);
});

test('E-04 the end leaves the keyboard as it was', async t => {
  const mapping = () =>
    window.connection.ask<readonly (readonly number[])[]>(answer =>
      window.connection.client.GetKeyboardMapping(8, 248, answer),
    );
  const keysyms = async () => (await mapping()).map(row => row.filter(keysym => keysym !== 0));
  const before = await keysyms();
  const { sink, typist } = await technician(t);
  typist.type('äöüж中');
  await window.told(typist);
  t.notDeepEqual(await keysyms(), before);
  const restored = window.mapped('äöüж中'.length);
  sink.close();
  await restored;
  t.deepEqual(await keysyms(), before);
});

test("E-04 the layout changes under the technician's hands, and he goes on typing", async t => {
  const { typist } = await technician(t);
  typist.type('z中');
  await window.told(typist);
  customer('setxkbmap', 'de');
  typist.type('z中');
  const downs = (await window.told(typist)).filter(({ what }) => what === 'key down');
  t.is(downs[0]?.detail, KEYCODE.y); // where a German keyboard has its z
  t.is(downs.length, 2);
});

test('E-04 without XTEST or XFIXES the screen can still be shown', async t => {
  await using bare = await Desktop.open({ flags: () => ['-extension', 'XTEST'] });
  const connection = await XConnection.open({ clock: systemClock, environment: bare.environment });
  const opening = X11Input.open({ connection, clock: systemClock, point: () => undefined });
  t.is((await t.throwsAsync<ApplianceError>(opening)).code, 'input.unavailable');
  connection.close();
  const seen = await openDesktop({ clock: systemClock, environment: bare.environment });
  t.is(seen.input, null);
  t.truthy(seen.clipboard);
  seen.close();
  const whole = await openDesktop({ clock: systemClock, environment: desktop.environment });
  t.truthy(whole.input);
  whole.close();
});

test('E-04 a display that goes ends it quietly', async t => {
  await using short = await Desktop.open();
  const connection = await XConnection.open({ clock: systemClock, environment: short.environment });
  const sink = await X11Input.open({ connection, clock: systemClock, point: () => undefined });
  const typist = new Typist(sink);
  t.true(typist.key(true, keysymOf('a')));
  short.signal('SIGKILL');
  await connection.closed;
  t.false(typist.key(true, keysymOf('a')));
  sink.releaseKeys();
  sink.close();
});
