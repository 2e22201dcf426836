// Each encoding by itself, and whatever is drawn: what the viewer has in the end is what is on the screen.
import test from 'ava';
import fc from 'fast-check';
import { NodePictureCodecs } from '../../appliance/applet/picture-codecs.ts';
import { OWN_PIXEL_FORMAT, type PixelFormat } from '../../appliance/protocol/rfb.ts';
import { NUMBERS } from '../support/rfb-client.ts';
import { writeClientMessage } from '../support/rfb-messages.ts';
import { RfbSession, TIGHT_VIEWER, ZSTD_VIEWER } from '../support/rfb-session.ts';
import { numbersFrom, photoColour, TestScreen, textColour } from '../support/test-screen.ts';

const EVERYTHING = { x: 0, y: 0, width: 320, height: 240 };
const LOSSLESS = (encodings: readonly number[]) => encodings.filter(encoding => encoding !== NUMBERS.quality6);

test('E-04 Raw: a viewer that knows nothing else has the picture, pixel by pixel', async t => {
  using session = new RfbSession({ encodings: [NUMBERS.raw], mode: 'requests' });
  session.screen.draw(EVERYTHING, photoColour(3));
  await session.settle();
  t.deepEqual([...session.client.counts.keys()], ['raw']);
});

for (const [name, format, bytes] of [
  ['red lowest', { ...OWN_PIXEL_FORMAT, redShift: 0, blueShift: 16 }, [0x12, 0x34, 0x56, 0]],
  ['big-endian', { ...OWN_PIXEL_FORMAT, bigEndian: true }, [0, 0x12, 0x34, 0x56]],
  ['16 bits', sixteenBits(), [0xaa, 0x11]],
  ['8 bits', eightBits(), [0x48]],
] as const) {
  test(`E-04 Raw: pixels come as the viewer asked for them (${name})`, async t => {
    const sent: Buffer[] = [];
    using session = new RfbSession({ encodings: [NUMBERS.raw], mode: 'by-hand', screen: new TestScreen(1, 1) });
    session.screen.draw({ x: 0, y: 0, width: 1, height: 1 }, () => 0x123456);
    await session.client.until(client => client.width === 1);
    session.sniff = part => sent.push(Buffer.from(part));
    session.client.send(writeClientMessage({ type: 'pixel-format', format }));
    session.client.request(false);
    await session.calm();
    t.deepEqual([...Buffer.concat(sent).subarray(16)], [...bytes]);
  });
}

test('E-04 Tight: one colour, two, up to 256, and more come in the shortest way each', async t => {
  using session = new RfbSession({ encodings: LOSSLESS(TIGHT_VIEWER) });
  const kinds = () => [...session.client.counts.keys()].sort();
  await session.settle();
  t.deepEqual(kinds(), ['tight-fill']);
  session.screen.draw({ x: 3, y: 5, width: 61, height: 40 }, (x, y) => ((x ^ y) & 1 ? 0xffffff : 0x102030));
  await session.settle();
  t.deepEqual(kinds(), ['tight-fill', 'tight-mono']);
  session.screen.draw({ x: 3, y: 5, width: 61, height: 40 }, (x, y) => (x + y * 3) & 255);
  await session.settle();
  t.deepEqual(kinds(), ['tight-fill', 'tight-mono', 'tight-palette']);
  session.screen.draw({ x: 3, y: 5, width: 61, height: 40 }, photoColour(1));
  await session.settle();
  t.deepEqual(kinds(), ['tight-fill', 'tight-full', 'tight-mono', 'tight-palette']);
});

test('E-04 Tight: where JPEG does not run, photographs come without loss', async t => {
  using session = new RfbSession({ encodings: TIGHT_VIEWER, codecs: new NodePictureCodecs(null) });
  session.screen.draw({ x: 3, y: 5, width: 61, height: 40 }, photoColour(1));
  await session.settle();
  t.false(session.client.counts.has('tight-jpeg'));
  t.true(session.client.counts.has('tight-full'));
});

test('E-04 Tight: what is too short to be worth deflating comes as it is', async t => {
  using session = new RfbSession({ encodings: LOSSLESS(TIGHT_VIEWER) });
  await session.settle();
  session.screen.draw({ x: 7, y: 7, width: 3, height: 3 }, (x, y) => 0x010203 * (x + 3 * y + 1));
  await session.settle();
  session.screen.draw({ x: 7, y: 7, width: 1, height: 2 }, (_, y) => 0xabcdef * y);
  await session.settle();
  t.is(session.client.counts.get('tight-palette')?.rectangles, 1);
});

test('E-04 zstd: text, drawings and photographs come exactly, in one stream that never begins anew', async t => {
  using session = new RfbSession({ encodings: LOSSLESS(ZSTD_VIEWER) });
  for (let seed = 1; seed < 6; seed++) {
    session.screen.draw(EVERYTHING, textColour(seed));
    await session.settle();
    session.screen.draw({ x: seed * 9, y: seed * 7, width: 200, height: 100 }, photoColour(seed));
    await session.settle();
    session.screen.draw({ x: 10, y: 10, width: 100, height: 100 }, () => seed * 0x010305);
    await session.settle();
  }
  t.deepEqual([...session.client.counts.keys()], ['zstd']);
});

test('E-04 zstd: a colour that was forgotten and comes again has its place again', async t => {
  using session = new RfbSession({ encodings: LOSSLESS(ZSTD_VIEWER) });
  const random = numbersFrom(7);
  for (let round = 0; round < 12; round++) {
    // Never more than 200 colours at a time, 2400 together: places are given again and again.
    const colours = Array.from({ length: 200 }, () => random() & 0xffffff);
    session.screen.draw({ x: round, y: 0, width: 200, height: 60 }, (x, y) => colours[(x + y) % colours.length] ?? 0);
    await session.settle();
    session.screen.draw({ x: 0, y: 100, width: 64, height: 64 }, textColour(round));
    await session.settle();
  }
  t.pass();
});

test('E-04 CopyRect: a scrolled page is copied, and only what is new is sent', async t => {
  for (const encodings of [TIGHT_VIEWER, ZSTD_VIEWER]) {
    using session = new RfbSession({ encodings });
    session.screen.draw(EVERYTHING, textColour(1));
    await session.settle();
    const { bytes } = session.client;
    session.screen.move({ x: 10, y: 42, width: 300, height: 190 }, 0, -32);
    session.screen.draw({ x: 10, y: 200, width: 300, height: 32 }, textColour(99));
    await session.settle();
    t.true((session.client.counts.get('copy')?.pixels ?? 0) > 300 * 150);
    t.true(session.client.bytes - bytes < bytes / 3, `${session.client.bytes - bytes} of ${bytes}`);
  }
});

test('E-04 CopyRect: a window that is moved in any direction is copied', async t => {
  using session = new RfbSession();
  session.screen.draw(EVERYTHING, () => 0x336699);
  session.screen.draw({ x: 20, y: 20, width: 200, height: 150 }, textColour(5));
  await session.settle();
  for (const [dx, dy] of [
    [7, 3],
    [-5, 9],
    [11, -6],
    [-13, -2],
  ] as const) {
    const before = session.client.counts.get('copy')?.pixels ?? 0;
    const [x, y] = findWindow(session.screen);
    session.screen.move({ x, y, width: 200, height: 150 }, dx, dy);
    clearBehind(session.screen, x, y, dx, dy);
    await session.settle();
    t.true((session.client.counts.get('copy')?.pixels ?? 0) - before > 200 * 120, `${dx}, ${dy}`);
  }
});

test('E-04 CopyRect: a viewer that does not know it gets none', async t => {
  using session = new RfbSession({ encodings: ZSTD_VIEWER.filter(encoding => encoding !== NUMBERS.copyRect) });
  session.screen.draw(EVERYTHING, textColour(1));
  await session.settle();
  session.screen.move({ x: 0, y: 32, width: 320, height: 208 }, 0, -32);
  await session.settle();
  t.deepEqual([...session.client.counts.keys()], ['zstd']);
});

test('E-04 LastRect: a large picture comes piece by piece to a viewer that knows it, and whole to another', async t => {
  for (const encodings of [ZSTD_VIEWER, ZSTD_VIEWER.filter(encoding => encoding !== NUMBERS.lastRect)]) {
    using session = new RfbSession({ encodings: LOSSLESS(encodings), screen: new TestScreen(1024, 700) });
    session.screen.draw({ x: 0, y: 0, width: 1024, height: 700 }, photoColour(1));
    await session.settle();
    t.is(session.client.updates, 2); // the screens, and the picture
    t.true((session.client.counts.get('zstd')?.rectangles ?? 0) > 2);
  }
});

test('E-04 whatever is drawn, moved and scrolled, the viewer has every pixel of it once it is quiet', async t => {
  const step = fc.record({
    kind: fc.constantFrom('text', 'photo', 'fill', 'scroll', 'move', 'dots'),
    ...{
      x: fc.nat(250),
      y: fc.nat(200),
      width: fc.integer({ min: 1, max: 300 }),
      height: fc.integer({ min: 1, max: 220 }),
    },
    ...{ dx: fc.integer({ min: -40, max: 40 }), dy: fc.integer({ min: -40, max: 40 }), seed: fc.nat(1000) },
  });
  const viewers = fc.constantFrom(TIGHT_VIEWER, ZSTD_VIEWER, LOSSLESS(TIGHT_VIEWER), LOSSLESS(ZSTD_VIEWER), [
    NUMBERS.raw,
  ]);
  await fc.assert(
    fc.asyncProperty(
      viewers,
      fc.boolean(),
      fc.array(step, { minLength: 1, maxLength: 8 }),
      async (encodings, knows, steps) => {
        const mode = encodings.length === 1 ? 'requests' : 'continuous';
        using session = new RfbSession({ encodings, mode, screen: new TestScreen(307, 233) });
        session.screen.knowsDamage = knows;
        for (const [i, { kind, x, y, width, height, dx, dy, seed }] of steps.entries()) {
          const area = { x, y, width: Math.min(width, 307 - x), height: Math.min(height, 233 - y) };
          if (kind === 'text') session.screen.draw(area, textColour(seed));
          if (kind === 'photo') session.screen.draw(area, photoColour(seed));
          if (kind === 'fill') session.screen.draw(area, () => (seed * 65537) & 0xffffff);
          if (kind === 'dots') session.screen.draw({ ...area, width: 1, height: 1 }, () => seed);
          if (kind === 'scroll') move(session.screen, area, 0, dy);
          if (kind === 'move') move(session.screen, area, dx, dy);
          // Now and then changes come while a frame is still on its way.
          if (i % 3 === 2) await session.settle();
          else session.clock.advance(20);
        }
        await session.settle();
        t.deepEqual(session.ends, []);
      },
    ),
    { numRuns: 40 },
  );
});

/** Moves an area as far as it stays on the screen. */
function move(screen: TestScreen, { x, y, width, height }: typeof EVERYTHING, dx: number, dy: number): void {
  const { width: w, height: h } = screen.layout;
  const [toX, toY] = [Math.max(-x, Math.min(dx, w - x - width)), Math.max(-y, Math.min(dy, h - y - height))];
  screen.move({ x, y, width, height }, toX, toY);
}

function findWindow({ pixels, layout }: TestScreen): [number, number] {
  const first = pixels.findIndex(colour => colour !== 0x336699);
  let x = layout.width;
  pixels.forEach((colour, i) => {
    if (colour !== 0x336699) x = Math.min(x, i % layout.width);
  });
  return [x, Math.floor(first / layout.width)];
}

/** What a moved window uncovers shows what is behind it. */
function clearBehind(screen: TestScreen, x: number, y: number, dx: number, dy: number): void {
  const background = () => 0x336699;
  if (dy > 0) screen.draw({ x, y, width: 200, height: dy }, background);
  if (dy < 0) screen.draw({ x, y: y + 150 + dy, width: 200, height: -dy }, background);
  if (dx > 0) screen.draw({ x, y, width: dx, height: 150 }, background);
  if (dx < 0) screen.draw({ x: x + 200 + dx, y, width: -dx, height: 150 }, background);
}

function sixteenBits(): PixelFormat {
  const maxima = { redMax: 31, greenMax: 63, blueMax: 31 };
  return { bitsPerPixel: 16, depth: 16, bigEndian: false, ...maxima, redShift: 11, greenShift: 5, blueShift: 0 };
}

function eightBits(): PixelFormat {
  const maxima = { redMax: 7, greenMax: 7, blueMax: 3 };
  return { bitsPerPixel: 8, depth: 8, bigEndian: false, ...maxima, redShift: 0, greenShift: 3, blueShift: 6 };
}
