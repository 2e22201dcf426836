import test from 'ava';
import fc from 'fast-check';
import { MAX_CURSOR_SIDE, type RcrecCursor } from '../../appliance/protocol/rcrec-records.ts';
import { OWN_PIXEL_FORMAT, type PixelFormat } from '../../appliance/protocol/rfb.ts';
import { RfbDecoder } from '../../appliance/recording/decode/rfb-decoder.ts';
import {
  type Box,
  copyRect,
  opening,
  openUpdate,
  type Pixels,
  raw,
  rectangle,
  TightStreams,
  tightFill,
  tightJpeg,
  u16,
  u32,
  update,
  ZstdStream,
  zstdColours,
  zstdFill,
  zstdPlaces,
} from './rfb-server-bytes.ts';

const malformed = { code: 'protocol.malformed' };
const box = (x: number, y: number, width: number, height: number): Box => ({ x, y, width, height });
const chequered: Pixels = (x, y) => ((x + y) % 2 === 0 ? [250, 10, 99] : [1, 2, 3]);
const gradual: Pixels = (x, y) => [(x * 3) & 255, (y * 5) & 255, ((x + y) * 2) & 255];

class Viewer {
  readonly cursors: (RcrecCursor | null)[] = [];
  readonly decoder = new RfbDecoder({
    cursor: cursor => this.cursors.push(cursor),
  });

  async see(...bytes: number[]): Promise<this> {
    await this.decoder.push(Uint8Array.from(bytes));
    return this;
  }

  pixel(x: number, y: number): number[] {
    const { picture } = this.decoder;
    const at = picture?.at(x, y) ?? 0;
    return [...(picture?.pixels.slice(at, at + 3) ?? [])].reverse();
  }

  /** Whether the box shows these pixels. */
  shows({ x, y, width, height }: Box, pixels: Pixels): boolean {
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++)
        if (String(this.pixel(x + column, y + row)) !== String(pixels(column, row))) return false;
    return true;
  }
}

const open = (width = 200, height = 100) => new Viewer().see(...opening(width, height));

test('H-01 every encoding of a picture is drawn as it was meant, pixel by pixel', async t => {
  const viewer = await open();
  const tight = new TightStreams();
  const colours = Array.from({ length: 40 }, (_, n) => [n, 255 - n, n * 2] as const);
  const index = (x: number, y: number) => (x * 3 + y) % colours.length;
  const parts: [Box, number[], Pixels][] = [];
  const add = async (area: Box, bytes: number[] | Promise<number[]>, pixels: Pixels) =>
    parts.push([area, await bytes, pixels]);
  await add(box(0, 0, 30, 20), raw(box(0, 0, 30, 20), gradual), gradual);
  await add(box(30, 0, 30, 20), tightFill(box(30, 0, 30, 20), [9, 8, 7]), () => [9, 8, 7]);
  await add(box(60, 0, 33, 20), tight.full(box(60, 0, 33, 20), gradual), gradual);
  await add(box(100, 0, 3, 1), tight.full(box(100, 0, 3, 1), gradual), gradual); // too small to be compressed
  await add(box(110, 0, 40, 30), tight.gradient(box(110, 0, 40, 30), gradual), gradual);
  const two = [chequered(0, 0), chequered(1, 0)];
  await add(
    box(0, 40, 37, 9),
    tight.palette(box(0, 40, 37, 9), two, (x, y) => (x + y) % 2),
    chequered,
  );
  const many: Pixels = (x, y) => colours[index(x, y)] ?? [0, 0, 0];
  await add(box(40, 40, 50, 20), tight.palette(box(40, 40, 50, 20), colours, index), many);
  await add(box(100, 40, 50, 20), tight.full(box(100, 40, 50, 20), chequered), chequered); // the stream goes on
  const again = box(150, 40, 50, 20);
  await add(
    again,
    tight.restarted(0, () => tight.full(again, gradual)),
    gradual,
  );
  await viewer.see(...update(...parts.slice(0, 5).map(([, bytes]) => bytes)));
  await viewer.see(...openUpdate(...parts.slice(5).map(([, bytes]) => bytes)));
  for (const [area, , pixels] of parts) t.true(viewer.shows(area, pixels), JSON.stringify(area));
  t.is(viewer.decoder.updates, 2);
  await viewer.see(...update(copyRect(box(10, 60, 30, 20), 0, 0), copyRect(box(12, 62, 30, 20), 10, 60)));
  t.true(viewer.shows(box(12, 62, 30, 20), gradual), 'copies that lie over each other');
  t.deepEqual(viewer.decoder.picture?.moves, [
    { dx: 10, dy: 60 },
    { dx: 2, dy: 2 },
  ]);
});

test('H-01 a JPEG is drawn, and its bytes are kept until its tiles are drawn over', async t => {
  const viewer = await open();
  const area = box(60, 0, 140, 64); // two tiles wholly, the second cut by the edge, and a part of one
  const bytes = tightJpeg(area, () => [200, 100, 50]);
  await viewer.see(...update(bytes));
  for (const [channel, value] of [200, 100, 50].entries())
    t.true(Math.abs((viewer.pixel(90, 30)[channel] ?? 0) - value) < 4);
  const { picture } = viewer.decoder;
  t.deepEqual(picture?.lossy, [{ area, jpeg: Uint8Array.from(bytes.slice(-(picture?.lossy[0]?.jpeg.length ?? 0))) }]);
  const lossy = () => [0, 1, 2, 3, 4].map(tile => picture?.isTileLossy(tile));
  t.deepEqual(lossy(), [false, true, true, true, false]);
  await viewer.see(...update(tightFill(box(70, 5, 1, 1), [1, 2, 3])));
  t.deepEqual(lossy(), [false, false, true, true, false]);
  const again = tightJpeg(box(128, 0, 72, 100), () => [1, 2, 3]);
  await viewer.see(...update(again));
  t.deepEqual(lossy(), [false, false, true, true, false]);
  t.is(picture?.lossy.length, 1, 'nobody can see the first any more');
  picture?.seen();
  t.is(picture?.lossy.length, 0);
});

test('H-01 a picture is the same wherever its bytes are cut, and what is settled lies between rectangles, or between what is said before the first', async t => {
  const tight = new TightStreams();
  const first = [...opening(120, 70)];
  const rectangles = [
    await tight.full(box(0, 0, 50, 20), gradual),
    tightFill(box(50, 0, 9, 9), [1, 2, 3]),
    raw(box(3, 30, 20, 3), chequered),
  ];
  const bytes = [...first, ...update(...rectangles), 2, ...update(raw(box(7, 7, 5, 5), gradual))];
  const whole = await new Viewer().see(...bytes);
  const ends = new Set([0, 12, 14, 18, first.length]); // version, security types, their result, size and name
  let end = first.length + 4;
  for (const { length } of rectangles) {
    end += length;
    ends.add(end);
  }
  ends.add(end + 1).add(bytes.length);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 4 }), async lengths => {
      const viewer = new Viewer();
      for (let from = 0, turn = 0; from < bytes.length; turn++) {
        const length = lengths[turn % lengths.length] ?? 1;
        await viewer.see(...bytes.slice(from, from + length));
        from += length;
        const { settled } = viewer.decoder;
        t.true(settled <= from && ends.has(settled), `${settled}`);
      }
      t.deepEqual(viewer.decoder.picture?.pixels, whole.decoder.picture?.pixels);
    }),
    { numRuns: 20 },
  );
});

test('H-01 our own encoding is drawn, with a palette and a stream that last', async t => {
  const viewer = await open();
  const zstd = new ZstdStream();
  const around = box(0, 0, 200, 100);
  const shown = box(10, 0, 30, 20);
  const index = (x: number, y: number) => (x + y) % 3;
  await viewer.see(
    ...update(
      await zstd.rectangle(around, [
        zstdFill(box(0, 0, 10, 10), [7, 30, 20, 10], 7),
        zstdPlaces(shown, [1, 33, 22, 11, 2, 6, 5, 4], index),
        zstdColours(box(60, 50, 40, 33), gradual),
      ]),
      await zstd.rectangle(around, [zstdFill(box(0, 90, 5, 5), [], 2)]),
    ),
  );
  t.true(viewer.shows(box(0, 0, 10, 10), () => [10, 20, 30]));
  const colours = [[0, 0, 0] as const, [11, 22, 33] as const, [4, 5, 6] as const];
  t.true(viewer.shows(shown, (x, y) => colours[index(x, y)] ?? [9, 9, 9]));
  t.true(viewer.shows(box(60, 50, 40, 33), gradual));
  t.true(viewer.shows(box(0, 90, 5, 5), () => [4, 5, 6]));
});

test('H-01 attack: our own encoding with an area outside, of another kind, cut short or too large is refused', async t => {
  const around = box(0, 0, 200, 100);
  const good = zstdFill(box(0, 0, 10, 10), [], 0);
  const bad: [number[][], number?][] = [
    [[zstdFill(box(195, 0, 10, 10), [], 0)]],
    [[good.with(0, 4)]],
    [[good.slice(0, -1)]],
    [[good], good.length + 1],
    [[good], good.length - 1],
    [[good], 2 ** 30],
    [[zstdColours(box(0, 0, 9, 9), gradual).slice(0, -1)]],
  ];
  for (const [areas, plainBytes] of bad) {
    const viewer = await open();
    const bytes = update(await new ZstdStream().rectangle(around, areas, plainBytes));
    await t.throwsAsync(viewer.see(...bytes), malformed);
  }
});

const formats: Record<string, PixelFormat> = {
  'red first': { ...OWN_PIXEL_FORMAT, redShift: 0, blueShift: 16 },
  'the other way round': { ...OWN_PIXEL_FORMAT, bigEndian: true },
  '16 bits': {
    ...{ bitsPerPixel: 16, depth: 16, bigEndian: false, redMax: 31, greenMax: 63, blueMax: 31 },
    ...{ redShift: 11, greenShift: 5, blueShift: 0 },
  },
};
for (const [name, format] of Object.entries(formats)) {
  test(`H-01 a picture in another pixel format is drawn: ${name}`, async t => {
    const viewer = await open();
    viewer.decoder.format(format);
    const { redShift, greenShift, blueShift, redMax, greenMax, blueMax } = format;
    const value = ((redMax << redShift) | ((greenMax >> 1) << greenShift) | (0 << blueShift)) >>> 0;
    const little = [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24].slice(
      0,
      format.bitsPerPixel / 8,
    );
    await viewer.see(...update(rectangle(box(5, 5, 1, 1), 0, ...(format.bigEndian ? little.reverse() : little))));
    const green = Math.round(((greenMax >> 1) * 255) / greenMax);
    t.deepEqual(viewer.pixel(5, 5), [255, green, 0]);
    t.is(blueMax > 0, true);
  });
}

test('H-01 another format in the middle of an update is refused', async t => {
  const viewer = await open();
  const bytes = update(raw(box(0, 0, 2, 2), gradual));
  await viewer.see(...bytes.slice(0, 10));
  t.throws(() => viewer.decoder.format(OWN_PIXEL_FORMAT), malformed);
  await viewer.see(...bytes.slice(10));
  t.notThrows(() => viewer.decoder.format(OWN_PIXEL_FORMAT));
});

test('H-01 cursors with a mask and with alpha, and none', async t => {
  const viewer = await open();
  const masked = rectangle(box(1, 0, 2, 1), -239, ...[5, 6, 7, 0, 8, 9, 10, 0], 0b0100_0000);
  const alpha = rectangle(box(0, 0, 2, 1), -314, ...u32(0), ...[50, 25, 100, 128], ...[1, 2, 3, 0]);
  const vmware = rectangle(box(0, 0, 1, 1), 0x574d5664, ...[1, 0], ...[1, 2, 3, 128]);
  await viewer.see(...update(masked, alpha, vmware, rectangle(box(0, 0, 0, 0), -239)));
  t.deepEqual(viewer.cursors, [
    { hotX: 1, hotY: 0, width: 2, height: 1, pixels: Uint8Array.of(5, 6, 7, 0, 8, 9, 10, 255) },
    { hotX: 0, hotY: 0, width: 2, height: 1, pixels: Uint8Array.of(199, 50, 100, 128, 0, 0, 0, 0) },
    { hotX: 0, hotY: 0, width: 1, height: 1, pixels: Uint8Array.of(3, 2, 1, 128) },
    null,
  ]);
});

test('H-01 another size, its screens, a name and what is no picture are read past', async t => {
  const viewer = await open();
  const screens = rectangle(box(0, 0, 300, 80), -308, 1, 0, 0, 0, ...new Array(16).fill(0));
  const refused = rectangle(box(1, 3, 999, 999), -308, 0, 0, 0, 0);
  const name = rectangle(box(0, 0, 0, 0), -307, ...u32(3), 65, 66, 67);
  const fence = [248, 0, 0, 0, 0, 0, 0, 0, 2, 7, 7].slice(0, 8);
  await viewer.see(...update(screens, refused, name, rectangle(box(0, 0, 0, 0), -258)), 150, 2);
  await viewer.see(...fence, 2, 7, 7);
  await viewer.see(3, 0, 0, 0, ...u32(5), 1, 2, 3, 4, 5, 3, 0, 0, 0, ...u32(-2), 1, 2);
  await viewer.see(...update(rectangle(box(0, 0, 60, 60), -223), raw(box(58, 58, 2, 2), gradual)));
  t.is(viewer.decoder.picture?.grid.width, 60);
  t.true(viewer.shows(box(58, 58, 2, 2), gradual));
});

const refusals: Record<string, number[]> = {
  'a rectangle outside of the picture': update(raw(box(199, 0, 2, 1), gradual)),
  'a copy from outside': update(copyRect(box(0, 0, 50, 50), 180, 0)),
  'an encoding nobody asked for': update(rectangle(box(0, 0, 1, 1), 5)),
  'a message nobody knows': [1, 0, 0, 0, 0, 0],
  'a clipboard that is too long': [3, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff],
  'a fence that is too long': [248, 0, 0, 0, 0, 0, 0, 0, 65],
  'a picture of no size': update(rectangle(box(0, 0, 0, 9), -223)),
  'a picture that is far too large': update(rectangle(box(0, 0, 16_000, 16_000), -223)),
  'a cursor that is too large': update(rectangle(box(0, 0, MAX_CURSOR_SIDE + 1, 1), -239)),
  'a cursor in an encoding': update(rectangle(box(0, 0, 1, 1), -314, ...u32(7))),
  'a cursor of another kind': update(rectangle(box(0, 0, 1, 1), 0x574d5664, 0, 0)),
  'a name without end': update(rectangle(box(0, 0, 0, 0), -307, ...u32(1 << 30))),
  'too many screens': update(rectangle(box(0, 0, 9, 9), -308, 17, 0, 0, 0)),
  'a Tight rectangle of another kind': update(rectangle(box(0, 0, 9, 9), 7, 0xa0)),
  'a Tight filter of another kind': update(rectangle(box(0, 0, 9, 9), 7, 0x40, 3)),
  'a JPEG that is none': update(rectangle(box(0, 0, 9, 9), 7, 0x90, 5, 1, 2, 3, 4, 5)),
  'a JPEG of another size': update([
    ...u16(0),
    ...u16(0),
    ...u16(9),
    ...u16(8),
    ...tightJpeg(box(0, 0, 9, 9), gradual).slice(8),
  ]),
  'what is not compressed': update(rectangle(box(0, 0, 9, 9), 7, 0, 5, 1, 2, 3, 4, 5)),
};
for (const [what, bytes] of Object.entries(refusals)) {
  test(`H-01 attack: ${what} is refused`, async t => {
    const viewer = await open();
    await t.throwsAsync(viewer.see(...bytes, ...new Array(64).fill(0)), malformed);
    await t.throwsAsync(viewer.see(0), malformed, 'and nothing after it is read');
  });
}

test('H-01 attack: what unpacks to more or less than its place is refused, and is not unpacked', async t => {
  for (const height of [8, 10]) {
    const bytes = await new TightStreams().full(box(0, 0, 90, 9), () => [0, 0, 0]);
    bytes[7] = height;
    const viewer = await open();
    await t.throwsAsync(viewer.see(...update(bytes), ...new Array(9).fill(0)), malformed);
  }
  const bomb = await new TightStreams().full(box(0, 0, 3000, 700), () => [0, 0, 0]);
  bomb.splice(4, 4, ...u16(20), ...u16(20));
  const viewer = await open();
  const before = process.memoryUsage().rss;
  await t.throwsAsync(viewer.see(...update(bomb)), malformed);
  t.true(process.memoryUsage().rss - before < 64 * 2 ** 20);
});

test('H-01 attack: a server that says anything at all is drawn or refused', async t => {
  const encodings = [0, 1, 7, -223, -224, -239, -307, -308, -314, 99];
  const noise = fc.array(
    fc.record({
      encoding: fc.constantFrom(...encodings),
      area: fc.record({ x: fc.nat(50), y: fc.nat(50), width: fc.nat(50), height: fc.nat(50) }),
      body: fc.uint8Array({ maxLength: 80 }),
    }),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(noise, async parts => {
      const viewer = await open(64, 64);
      const bytes = update(...parts.map(({ area, encoding, body }) => rectangle(area, encoding, ...body)));
      await viewer.see(...bytes).catch(error => t.like(error, malformed));
      viewer.decoder.close();
    }),
    { numRuns: 400 },
  );
});
