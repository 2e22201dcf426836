// What a technician is shown of an X11 desktop, against the X server's own frame buffer.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { X11Screen } from '../../appliance/applet/screen/x11-screen.ts';
import type { Grabbed, Rectangle, ScreenLayout } from '../../appliance/customer-core/screen-source.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Desktop } from './desktop.ts';
import { ScreenWatch } from './screen-watch.ts';
import { frameBuffer, Painter, trueColours, WITH_FRAME_BUFFER } from './x-painter.ts';

const WHOLE = { x: 0, y: 0, width: 1920, height: 1080 };
const ROUNDS = 8;

const desktop = await Desktop.open(WITH_FRAME_BUFFER);
const painter = await Painter.open(desktop);
test.after.always(async () => {
  painter.close();
  await desktop[Symbol.asyncDispose]();
});

const clock = new ManualClock(); // nothing here is done by the clock
const open = () => X11Screen.open({ clock, environment: desktop.environment });
const coloursOf = ({ pixels, stride }: Grabbed, { width, height }: Rectangle) =>
  trueColours(pixels, stride, { x: 0, y: 0, width, height });

/** Pixels of an area that differ, but lie in none of the rectangles; with those of the whole desktop. */
function untoldChanges(before: Buffer, after: Buffer, area: Rectangle, damage: readonly Rectangle[]): number {
  const [old, now] = [before, after].map(({ buffer, byteOffset, length }) =>
    new Uint32Array(buffer, byteOffset, length / 4).slice(),
  ) as [Uint32Array, Uint32Array];
  for (const { x, y, width, height } of damage) {
    for (let row = y - area.y; row < y - area.y + height; row++) {
      const from = row * area.width + x - area.x;
      old.set(now.subarray(from, from + width), from);
    }
  }
  if (Buffer.from(old.buffer).equals(Buffer.from(now.buffer))) return 0;
  return old.filter((colour, at) => colour !== now[at]).length;
}

const drawings = fc.record({
  colour: fc.integer({ min: 0, max: 0xff_ff_ff }),
  scroll: fc.option(fc.integer({ min: 1, max: 200 })),
  areas: fc.array(
    fc.record({
      x: fc.integer({ min: 0, max: 1919 }),
      y: fc.integer({ min: 0, max: 1079 }),
      width: fc.integer({ min: 1, max: 300 }),
      height: fc.integer({ min: 1, max: 120 }),
    }),
    { minLength: 1, maxLength: 40 },
  ),
});

test.serial('E-04 the picture is that of the display, pixel by pixel', async t => {
  const screen = await open();
  t.deepEqual(screen.layout, {
    ...{ width: 1920, height: 1080 },
    monitors: [{ ...WHOLE, id: 1, name: 'screen', primary: true }],
  });
  await painter.fill(0x12_34_56, { x: 0, y: 0, width: 1920, height: 1080 });
  await painter.fill(0xff_80_01, { x: 17, y: 3, width: 1, height: 1 });
  const grabbed = await screen.grab(WHOLE);
  t.is(grabbed.damage, null);
  t.true(coloursOf(grabbed, WHOLE).equals(frameBuffer(desktop, WHOLE)));
  t.deepEqual([...grabbed.pixels.subarray(3 * grabbed.stride + 17 * 4).subarray(0, 3)], [0x01, 0x80, 0xff]);
  screen.close();
});

test.serial('E-04 all that was drawn is told of, and what was not is not read again', async t => {
  const screen = await open();
  const watch = new ScreenWatch(screen);
  const seed = Math.trunc(Math.random() * 2 ** 31);
  t.log(`seed ${seed}`);
  let before = coloursOf(await screen.grab(WHOLE), WHOLE);
  for (const { colour, scroll, areas } of fc.sample(drawings, { numRuns: ROUNDS, seed })) {
    const told = watch.next('damaged');
    if (scroll === null) await painter.fill(colour, ...areas);
    else await painter.scroll(WHOLE, scroll);
    await told;
    const grabbed = await screen.grab(WHOLE);
    const after = coloursOf(grabbed, WHOLE);
    t.true(after.equals(frameBuffer(desktop, WHOLE)));
    t.is(untoldChanges(before, after, WHOLE, grabbed.damage ?? []), 0);
    before = after;
  }
  const told = watch.next('damaged');
  await painter.fill(0xff_ff_ff, { x: 100, y: 200, width: 30, height: 10 });
  await told;
  t.deepEqual((await screen.grab(WHOLE)).damage, [{ x: 100, y: 200, width: 30, height: 10 }]);
  t.deepEqual((await screen.grab(WHOLE)).damage, []);
  screen.close();
});

test.serial('E-04 damage is told once until the picture is taken, whatever was drawn', async t => {
  const screen = await open();
  const watch = new ScreenWatch(screen);
  await watch.next('damaged'); // all of it, from the start
  await screen.grab(WHOLE);
  const told = watch.next('damaged');
  for (let at = 0; at < 50; at++) await painter.fill(at, { x: at * 20, y: at * 20, width: 9, height: 9 });
  await told;
  t.is(watch.count('damaged'), 2);
  const { damage } = await screen.grab(WHOLE);
  t.is(damage?.length, 50);
  const again = watch.next('damaged');
  await painter.fill(1, { x: 5, y: 5, width: 1, height: 1 });
  await again;
  screen.close();
});

test.serial('E-04 drawing of real programs is seen as it happens', async t => {
  const screen = await open();
  const watch = new ScreenWatch(screen);
  await screen.grab(WHOLE);
  const script = 'for n in $(seq 300); do echo "$n abc ABC äöü $n$n$n"; done';
  const terminal = desktop.run('/usr/bin/xterm', ['-geometry', '120x50+40+30', '-e', '/bin/sh', '-c', script]);
  let ended = false;
  const gone = new Promise<void>(resolve => {
    terminal.once('exit', () => {
      ended = true;
      resolve();
    });
  });
  let mirror = coloursOf(await screen.grab(WHOLE), WHOLE);
  while (!ended) {
    await Promise.race([watch.next('damaged'), gone]);
    const grabbed = await screen.grab(WHOLE);
    const after = coloursOf(grabbed, WHOLE);
    t.is(untoldChanges(mirror, after, WHOLE, grabbed.damage ?? []), 0);
    mirror = after;
  }
  await painter.settle();
  t.true(coloursOf(await screen.grab(WHOLE), WHOLE).equals(frameBuffer(desktop, WHOLE)));
  screen.close();
});

test.serial('E-04 an area is shown alone, and a new one as a whole', async t => {
  const screen = await open();
  const right = { x: 960, y: 100, width: 961 - 1, height: 333 };
  await screen.grab(WHOLE);
  t.is((await screen.grab(right)).damage, null);
  await painter.fill(0x77_00_77, { x: 0, y: 0, width: 970, height: 105 }, { x: 0, y: 0, width: 10, height: 10 });
  const grabbed = await screen.grab(right);
  t.deepEqual(grabbed.damage, [{ x: 960, y: 100, width: 10, height: 5 }]);
  t.is(grabbed.stride, right.width * 4);
  t.true(coloursOf(grabbed, right).equals(frameBuffer(desktop, right)));
  const both = await Promise.all([screen.grab(WHOLE), screen.grab(right)]); // one after the other
  t.deepEqual([both[0].damage, both[1].damage], [null, null]);
  t.true(coloursOf(both[1], right).equals(frameBuffer(desktop, right)));
  screen.close();
});

test.serial('E-04 monitors come, change and go while connected', async t => {
  const screen = await open();
  const watch = new ScreenWatch(screen);
  const xrandr = (...args: string[]) => execFileSync('xrandr', args, { env: desktop.environment });
  const has = (name: string) => (layout: ScreenLayout) => layout.monitors.some(one => one.name === name);
  let layout = await watch.layout(() => xrandr('--setmonitor', '*left', '960/250x1080/280+0+0', 'screen'), has('left'));
  layout = await watch.layout(() => xrandr('--setmonitor', 'right', '960/250x1080/280+960+0', 'none'), has('right'));
  t.deepEqual(
    layout.monitors.map(({ name, x, width, primary }) => [name, x, width, primary]),
    [
      ['left', 0, 960, true],
      ['right', 960, 960, false],
    ],
  );
  t.deepEqual(screen.layout, layout);
  const [, right] = layout.monitors;
  if (right === undefined) return t.fail();
  t.true(coloursOf(await screen.grab(right), right).equals(frameBuffer(desktop, right)));
  layout = await watch.layout(
    () => xrandr('--delmonitor', 'right'),
    layout => layout.monitors.length === 1,
  );
  xrandr('--delmonitor', 'left');
  screen.close();
});

test.serial('E-04 another resolution while connected is told, and shown', async t => {
  const screen = await open();
  const watch = new ScreenWatch(screen);
  await screen.grab(WHOLE);
  const smaller = { x: 0, y: 0, width: 1024, height: 768 };
  const xrandr = (...args: string[]) => execFileSync('xrandr', args, { env: desktop.environment });
  xrandr('--newmode', 'smaller', ...'25 1024 1048 1184 1344 768 771 777 806'.split(' '));
  xrandr('--addmode', 'screen', 'smaller');
  const small = (layout: ScreenLayout) => layout.width === 1024 && layout.height === 768;
  await watch.layout(() => xrandr('--output', 'screen', '--mode', 'smaller', '--fb', '1024x768'), small);
  t.deepEqual(
    screen.layout.monitors.map(({ width, height }) => [width, height]),
    [[1024, 768]],
  );
  const late = await screen.grab(WHOLE); // asked for by who has not heard of it yet
  t.deepEqual([late.damage, late.pixels.length], [[], 1920 * 1080 * 4]);
  const grabbed = await screen.grab(smaller);
  t.is(grabbed.damage, null);
  t.true(coloursOf(grabbed, smaller).equals(frameBuffer(desktop, smaller)));
  await watch.layout(
    () => xrandr('--output', 'screen', '--mode', '1920x1080'),
    layout => layout.width === 1920,
  );
  t.true(coloursOf(await screen.grab(WHOLE), WHOLE).equals(frameBuffer(desktop, WHOLE)));
  screen.close();
});

test.serial('E-04 memory shared with the display is nobody else’s, and gone when it closes', async t => {
  const mine = () =>
    readFileSync('/proc/sysvipc/shm', 'utf8')
      .split('\n')
      .map(line => line.trim().split(/\s+/))
      .filter(([, , , , creator]) => creator === String(process.pid))
      .map(([, , permissions, size, , , attached]) => ({ permissions, size, attached }));
  const screen = await open();
  const { pixels } = await screen.grab(WHOLE);
  // 01000: it goes with the last who has it attached, so that nothing stays after a crash either.
  t.deepEqual(mine(), [{ permissions: '1600', size: String(1920 * 1080 * 4), attached: '2' }]);
  await screen.grab({ ...WHOLE, width: 100 });
  t.is(mine().length, 1);
  screen.close();
  while (mine().length > 0) await painter.settle(); // the server lets go of it on its next round
  t.is(pixels[0], 0); // what was held on to can be read, and is nothing
  t.is((await t.throwsAsync<ApplianceError>(screen.grab(WHOLE))).code, 'screen.lost');
});

test.serial('E-04 a picture too large for memory is refused, and the next one is not', async t => {
  const screen = await open();
  const huge = { x: 0, y: 0, width: 16_384, height: 16_384 };
  t.is((await t.throwsAsync<ApplianceError>(screen.grab(huge))).code, 'screen.too-large');
  t.true(coloursOf(await screen.grab(WHOLE), WHOLE).equals(frameBuffer(desktop, WHOLE)));
  screen.close();
});
