// The applet's picture server and the console's viewer: what is on the one screen is on the other, in every pixel.
import test from 'ava';
import { codecs } from '../support/rfb-session.ts';
import { numbersFrom, photoColour, TestScreen, textColour } from '../support/test-screen.ts';
import { ViewerPage } from './viewer-page.ts';

const [WIDTH, HEIGHT] = [640, 480];
const WHOLE = { x: 0, y: 0, width: WIDTH, height: HEIGHT };

for (const [name, ways] of [
  ['our own zstd encoding', codecs],
  [
    'Tight',
    {
      ...{ newZstd: null, newDeflate: (level: number) => codecs.newDeflate(level) },
      inflate: codecs.inflate.bind(codecs),
      jpeg: codecs.jpeg?.bind(codecs) ?? null,
      sameBytes: codecs.sameBytes.bind(codecs),
    },
  ],
] as const) {
  test.serial(`E-04 in ${name} a picture comes over exactly: text, photographs, what moves, another size`, async t => {
    t.timeout(120_000);
    const screen = new TestScreen(WIDTH, HEIGHT);
    screen.draw(WHOLE, textColour(1));
    await using page = await ViewerPage.open(screen, ways);
    await page.settled();
    screen.draw({ x: 37, y: 51, width: 333, height: 222 }, photoColour(2));
    await page.settled(); // after half a second of quiet, what was lossy is exact
    screen.move({ x: 0, y: 100, width: WIDTH, height: 300 }, 0, -48);
    await page.settled();
    screen.draw({ x: 11, y: 13, width: 1, height: 1 }, () => 0xff00ff);
    screen.draw({ x: 200, y: 200, width: 100, height: 100 }, () => 0x123456);
    await page.settled();
    const next = numbersFrom(4711);
    for (let round = 0; round < 5; round++) {
      const [x, y] = [next() % WIDTH, next() % HEIGHT];
      const area = { x, y, width: 1 + (next() % (WIDTH - x)), height: 1 + (next() % (HEIGHT - y)) };
      screen.draw(area, [textColour(round), photoColour(round), () => next() & 0xff_ffff][round % 3] ?? textColour(0));
      await page.settled();
    }
    screen.resize(800, 301);
    screen.draw({ x: 0, y: 0, width: 800, height: 301 }, textColour(9));
    await page.settled();
    t.log(`${page.sentBytes} bytes`);
    t.deepEqual(page.browser.complaints, []);
  });
}
