// The X11 desktop's other sides: the cursor, displays that can less, and the end of a display.

import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import test from 'ava';
import { arrow } from '../../appliance/applet/screen/arrow.ts';
import { X11Laser } from '../../appliance/applet/screen/x11-laser.ts';
import { X11Screen } from '../../appliance/applet/screen/x11-screen.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Desktop } from './desktop.ts';
import { ScreenWatch } from './screen-watch.ts';
import { frameBuffer, Painter, trueColours, WITH_FRAME_BUFFER } from './x-painter.ts';

const SMALL = { x: 0, y: 0, width: 300, height: 200 };
const SMALL_DESKTOP = { ...WITH_FRAME_BUFFER, screen: '300x200x24' };

const open = (desktop: Desktop, clock = systemClock) => X11Screen.open({ clock, environment: desktop.environment });

/** The display behind a port of TCP, as another machine's would be. */
class FarDisplay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Bytes that went either way. */
  bytes = 0;
  readonly #counted = new EventEmitter();

  private constructor(desktop: Desktop) {
    const path = `/tmp/.X11-unix/X${desktop.environment.DISPLAY?.slice(1)}`;
    this.#server = createServer(near => {
      const far = connect(path);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', chunk => {
          this.bytes += chunk.length;
          this.#counted.emit('more');
        });
        from.on('error', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  static async open(desktop: Desktop): Promise<FarDisplay> {
    const display = new FarDisplay(desktop);
    display.#server.listen(0, '127.0.0.1');
    await once(display.#server, 'listening');
    return display;
  }

  /** Until as many bytes have gone either way. */
  async reached(bytes: number): Promise<void> {
    while (this.bytes < bytes) await once(this.#counted, 'more');
  }

  get environment(): NodeJS.ProcessEnv {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it listens nowhere');
    return { DISPLAY: `127.0.0.1:${address.port - 6000}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function paintAndGrab(desktop: Desktop, screen: X11Screen): Promise<boolean> {
  const painter = await Painter.open(desktop);
  await painter.fill(0x33_66_99, SMALL);
  await screen.grab(SMALL);
  await painter.fill(0xff_ff_00, { x: 20, y: 30, width: 40, height: 50 }, { x: 290, y: 190, width: 100, height: 100 });
  const { pixels, stride } = await screen.grab(SMALL);
  painter.close();
  return trueColours(pixels, stride, SMALL).equals(frameBuffer(desktop, SMALL));
}

test('E-04 the cursor is no part of the picture, and is told of when it changes', async t => {
  await using desktop = await Desktop.open({ screen: SMALL_DESKTOP.screen });
  const painter = await Painter.open(desktop);
  await painter.fill(0x33_66_99, SMALL);
  const screen = await open(desktop);
  const watch = new ScreenWatch(screen);
  const cursor = (side: number, hex: string, hotX = 0, hotY = 0) =>
    watch.cursor(() => painter.setCursor(side, Buffer.from(hex, 'hex'), hotX, hotY));
  const opaque = 'ff0000ff00ff00ff0000ffff00000000';
  const form = { width: 2, height: 2, hotX: 1, hotY: 0 };
  t.deepEqual(await cursor(2, opaque, 1, 0), { ...form, pixels: new Uint8Array(Buffer.from(opaque, 'hex')) });
  const half = await cursor(1, '20400080'); // half a colour that lets half through is a whole one
  t.deepEqual(half?.pixels, new Uint8Array(Buffer.from('40800080', 'hex')));
  t.is(screen.cursor, half);
  const next = await open(desktop);
  t.deepEqual(next.cursor, half); // as it is when the technician comes
  t.is(await cursor(4, '00'.repeat(64)), null); // a program hides it so
  t.is(screen.cursor, null);
  const named = watch.next('cursorChanged');
  execFileSync('xsetroot', ['-cursor_name', 'xterm'], { env: desktop.environment });
  t.deepEqual(await named, arrow()); // whose picture nobody may have, as its owner has gone
  const { pixels, stride } = await screen.grab(SMALL);
  t.deepEqual(new Set(new Uint32Array(trueColours(pixels, stride, SMALL).buffer)), new Set([0x33_66_99]));
  for (const one of [screen, next, painter]) one.close();
});

test('E-04 a display without shared memory is read through its connection', async t => {
  await using desktop = await Desktop.open({
    ...SMALL_DESKTOP,
    flags: folder => [...WITH_FRAME_BUFFER.flags(folder), '-extension', 'MIT-SHM'],
  });
  const screen = await open(desktop);
  t.true(await paintAndGrab(desktop, screen));
  screen.close();
});

test('E-04 a display of another machine is shown, and idle nothing is asked but whether it is still there', async t => {
  await using desktop = await Desktop.open(SMALL_DESKTOP);
  await using far = await FarDisplay.open(desktop);
  const clock = new ManualClock();
  const screen = await X11Screen.open({ clock, environment: far.environment });
  const watch = new ScreenWatch(screen);
  t.true(await paintAndGrab(desktop, screen));
  await screen.grab(SMALL);
  const painter = await Painter.open(desktop);
  for (const [wait, probe] of [
    [2900, 0],
    [200, 4 + 32], // GetInputFocus and its answer
  ] as const) {
    const told = watch.next('damaged');
    const before = far.bytes;
    clock.advance(wait);
    await far.reached(before + probe); // the display takes it and the painter's in any order
    await painter.fill(1, { x: 0, y: 0, width: 1, height: 1 });
    await told;
    t.is(far.bytes - before, probe + 32); // DamageNotify
    await screen.grab(SMALL);
  }
  for (const one of [screen, painter]) one.close();
});

test('E-04 a display with too few colours is refused, with what to do about it', async t => {
  await using desktop = await Desktop.open({ screen: '300x200x16' });
  const error = await t.throwsAsync<ApplianceError>(open(desktop));
  t.is(error.code, 'screen.unavailable');
  t.regex(`${error.message} / ${error.hint}`, /16 bits a pixel .* 24 bits/);
});

test('E-04 a display without what a picture needs is refused', async t => {
  await using desktop = await Desktop.open({ screen: '300x200x24', flags: () => ['-extension', 'DAMAGE'] });
  t.is((await t.throwsAsync<ApplianceError>(open(desktop))).code, 'screen.unavailable');
});

for (const [signal, why] of [
  ['SIGKILL', 'display-lost'],
  ['SIGSTOP', 'display-stuck'],
] as const) {
  test(`E-04 the stream of a display that gets ${signal} ends with a clear word`, async t => {
    await using desktop = await Desktop.open(SMALL_DESKTOP);
    const clock = new ManualClock();
    const screen = await open(desktop, clock);
    const watch = new ScreenWatch(screen);
    await screen.grab(SMALL);
    desktop.signal('SIGSTOP'); // so that the grab stays open
    const lost = watch.next('lost');
    const grabbing = screen.grab(SMALL);
    if (signal === 'SIGKILL') desktop.signal(signal);
    else clock.advance(6000);
    t.is((await t.throwsAsync<ApplianceError>(grabbing)).code, 'screen.lost');
    t.is(await lost, why);
    t.is((await t.throwsAsync<ApplianceError>(screen.grab(SMALL))).code, 'screen.lost');
    t.is(await new ScreenWatch(screen).next('lost'), why); // also to who listens late
    t.is(watch.count('lost'), 1);
    screen.close();
  });
}

test('E-04 the laser pointer is on the screen, above all, and no click hits it', async t => {
  await using desktop = await Desktop.open(SMALL_DESKTOP);
  const painter = await Painter.open(desktop);
  await painter.fill(0, SMALL);
  const { connection } = painter;
  const fixes = await connection.extension('fixes');
  if (fixes === null) return t.fail();
  const laser = new X11Laser(connection, fixes);
  const xdotool = (...args: string[]) => execFileSync('xdotool', args, { env: desktop.environment, encoding: 'utf8' });
  const coloursAt = (x: number, y: number) => frameBuffer(desktop, { x, y, width: 1, height: 1 }).readUInt32LE();
  xdotool('mousemove', '100', '50');
  const under = xdotool('getmouselocation');
  for (const [x, y] of [
    [60, 70],
    [100, 50],
    [0, 0], // half outside
  ] as const) {
    laser.point({ x, y });
    await painter.settle();
    t.is(coloursAt(x, y), 0xe0_10_20);
    t.is(coloursAt(x + 13, y), 0xe0_10_20);
    t.is(coloursAt(x + 6, y), 0xff_ff_ff);
    t.is(coloursAt(x + 8, y), 0); // between spot and ring
  }
  laser.point({ x: 100, y: 50 });
  await painter.settle();
  t.is(xdotool('getmouselocation'), under);
  laser.point(null);
  await painter.settle();
  t.is(coloursAt(100, 50), 0);
  laser.close();
  painter.close();
});
