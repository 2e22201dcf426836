// The picture server with a viewer of others: what TigerVNC's shows is what is on the screen, read from the frame buffer of
// the X server it draws on.
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Rectangle } from '../../appliance/customer-core/screen-source.ts';
import { Desktop } from '../applet/desktop.ts';
import { frameBuffer, WITH_FRAME_BUFFER } from '../applet/x-painter.ts';
import { RfbBridge } from '../support/rfb-bridge.ts';
import { codecs } from '../support/rfb-session.ts';
import { numbersFrom, photoColour, TestScreen, textColour } from '../support/test-screen.ts';
import { windowOf } from '../support/tiger-viewer.ts';

const [WIDTH, HEIGHT] = [900, 700];
const WHOLE = { x: 0, y: 0, width: WIDTH, height: HEIGHT };

const desktop = await Desktop.open(WITH_FRAME_BUFFER);
test.after.always(() => desktop[Symbol.asyncDispose]());

/** Waits until the viewer shows what is on the screen; the test's time limit is the deadline. */
async function shows(screen: TestScreen, window: Rectangle): Promise<void> {
  const wanted = Buffer.from(screen.pixels.buffer);
  while (!frameBuffer(desktop, window).equals(wanted)) await delay(30);
}

async function withViewer(
  t: ExecutionContext,
  args: readonly string[],
  work: (screen: TestScreen, window: Rectangle) => Promise<void>,
  first = textColour(1),
): Promise<void> {
  const screen = new TestScreen(WIDTH, HEIGHT);
  screen.draw(WHOLE, first);
  await using bridge = await RfbBridge.open({ source: screen, codecs });
  const common = [
    '-SecurityTypes=None',
    '-AutoSelect=0',
    '-RemoteResize=0',
    '-ViewOnly=1',
    '-AlertOnFatalError=0',
    '-Log=*:stderr:0',
  ];
  const viewer = desktop.run('vncviewer', [...common, ...args, `127.0.0.1::${bridge.port}`]);
  try {
    const window = await windowOf(desktop, WIDTH, HEIGHT);
    await shows(screen, window);
    await work(screen, window);
    t.deepEqual(bridge.ends, []);
    t.is(viewer.exitCode, null);
  } finally {
    viewer.kill();
  }
}

async function work(screen: TestScreen, window: Rectangle): Promise<void> {
  const random = numbersFrom(5);
  for (let i = 0; i < 12; i++) {
    const [x, y] = [random() % 600, random() % 400];
    const area = { x, y, width: 50 + (random() % 250), height: 40 + (random() % 250) };
    if (i % 3 === 0) screen.draw(area, photoColour(i));
    if (i % 3 === 1) screen.draw(area, textColour(i));
    screen.move({ x: 0, y: 40, width: WIDTH, height: HEIGHT - 40 }, 0, -(random() % 40));
    if (i % 4 === 3) await shows(screen, window);
    else await delay(random() % 40); // some changes come while a frame is on its way
  }
  await shows(screen, window);
}

test.serial('E-04 TigerVNC’s viewer shows every pixel: Tight with JPEG, refreshed', t =>
  withViewer(t, ['-PreferredEncoding=Tight', '-QualityLevel=6'], work),
);

test.serial('E-04 TigerVNC’s viewer shows every pixel: Tight without losses', t =>
  withViewer(t, ['-PreferredEncoding=Tight', '-NoJPEG'], work),
);

// Colours that every format has.
const COLOURS = [0x000000, 0xffffff, 0xff0000, 0x00ff00, 0x0000ff, 0xffff00, 0x00ffff, 0xff00ff];
const boldColour = (seed: number) => (x: number, y: number) => COLOURS[((x >> 3) * 7 + (y >> 3) * seed) & 7] ?? 0;

for (const level of [0, 1, 2]) {
  const args = ['-FullColor=0', `-LowColorLevel=${level}`, '-NoJPEG'];
  test.serial(`E-04 TigerVNC’s viewer shows every pixel with few colours (low colour level ${level})`, t =>
    withViewer(
      t,
      args,
      async (screen, window) => {
        screen.draw({ x: 100, y: 100, width: 300, height: 300 }, (x, y) => ((x ^ y) & 4 ? 0xffffff : 0));
        screen.draw({ x: 500, y: 100, width: 300, height: 300 }, boldColour(5));
        await shows(screen, window);
      },
      boldColour(3),
    ),
  );
}

test.serial('E-04 TigerVNC’s viewer follows another size of the screen', t =>
  withViewer(t, ['-PreferredEncoding=Tight'], async screen => {
    screen.resize(640, 500);
    screen.draw({ x: 0, y: 0, width: 640, height: 500 }, textColour(8));
    await shows(screen, await windowOf(desktop, 640, 500));
  }),
);
