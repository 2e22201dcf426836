// Our own picture encoding as the console takes it apart, without a page.
import test from 'ava';
import { ZstdStream } from '../../appliance/browser/zstd-stream.ts';
import { AREA_NUMBERS, AreaReader, OWN_PIXELS } from '../../appliance/console/viewer/painted-areas.ts';
import { type Bytes, ByteWriter, concat } from '../../appliance/protocol/bytes.ts';
import { ZstdFlusher } from './zstd-flusher.ts';

/** Plain bytes that neither repeat nor are noise. */
function someBytes(length: number, seed: number): Bytes {
  const bytes = new Uint8Array(length);
  for (let at = 0, state = seed; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 28 < 9 ? (bytes[at - 97] ?? 7) : state >>> 24;
  }
  return bytes;
}

const area = (kind: number, x: number, y: number, width: number, height: number, body: Bytes) =>
  new ByteWriter().uint(1, kind).uint(2, x).uint(2, y).uint(2, width).uint(2, height).bytes(body).done();
const BOX = { x: 10, y: 20, width: 100, height: 50 };
/** Place 5 becomes the colour 0x102030: blue, green, red. */
const CHANGE = Uint8Array.of(1, 5, 0x30, 0x20, 0x10);

test('E-04 flush by flush comes out what went in, however much and over how many blocks', async t => {
  const [compressor, stream] = [new ZstdFlusher(), await ZstdStream.open()];
  for (const [seed, length] of [1, 10, 1000, 130_000, 131_072, 400_000, 1_048_576, 3, 999_999].entries()) {
    const plain = someBytes(length, seed + 1);
    const found = stream.decompress(await compressor.flushed(plain), length);
    t.is(Buffer.compare(found, plain), 0, `${length} bytes`);
  }
});

test('E-04 two streams at one time know nothing of each other', async t => {
  const [one, other] = [new ZstdFlusher(), new ZstdFlusher()];
  const [first, second] = [await ZstdStream.open(), await ZstdStream.open()];
  for (let seed = 1; seed < 6; seed++) {
    const plain = someBytes(50_000, seed);
    t.is(Buffer.compare(first.decompress(await one.flushed(plain), plain.length), plain), 0);
    const reversed = plain.toReversed();
    t.is(Buffer.compare(second.decompress(await other.flushed(reversed), reversed.length), reversed), 0);
  }
});

test('E-04 attack: bombs, lies and what is no zstd are noticed before they are made', async t => {
  const plain = someBytes(100_000, 1);
  const good = await new ZstdFlusher().flushed(plain);
  const refused = async (bytes: Bytes, length: number, about: string) => {
    const stream = await ZstdStream.open();
    t.throws(() => stream.decompress(bytes, length), { instanceOf: RangeError }, about);
  };
  await refused(good, plain.length - 1, 'more than it says');
  await refused(good, plain.length + 1, 'less than it says');
  await refused(await new ZstdFlusher().flushed(new Uint8Array(64 * 1024 * 1024)), 1024, 'a bomb');
  await refused(await new ZstdFlusher(27).flushed(plain), plain.length, 'a window of 128 MiB');
  await refused(await new ZstdFlusher().whole(plain), plain.length, 'a frame that ends');
  await refused(good.subarray(0, good.length - 1), plain.length, 'a block that is cut off');
  await refused(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 8, 'no frame');
  await refused(new Uint8Array(0), 0, 'nothing');
  for (let at = 8; at < good.length; at += 997) {
    const changed = good.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x55;
    const stream = await ZstdStream.open();
    try {
      const found = stream.decompress(changed, plain.length);
      t.is(found.length, plain.length); // a changed literal is another picture, and no harm
    } catch (error) {
      t.true(error instanceof Error);
    }
  }
});

test('E-04 the three kinds of areas become colours, with a palette that lasts', t => {
  const reader = new AreaReader();
  const first = reader.read(
    concat(
      area(1, 10, 20, 100, 10, concat(CHANGE, Uint8Array.of(5))),
      area(2, 10, 30, 2, 1, concat(Uint8Array.of(0), Uint8Array.of(5, 0))),
    ),
    BOX,
  );
  t.deepEqual([...first.areas], [10, 20, 100, 10, 0x102030, 10, 30, 2, 1, OWN_PIXELS]);
  t.deepEqual([...first.pixels], [0x10, 0x20, 0x30, 255, 0, 0, 0, 255], 'a palette begins black');
  const again = reader.read(area(1, 10, 20, 1, 1, Uint8Array.of(0, 5)), BOX);
  t.deepEqual([...again.areas], [10, 20, 1, 1, 0x102030]);
  // Blue − green, green, red − green of what is left of left + above − above left.
  const rises = Uint8Array.of(5, 10, 250, 0, 1, 0, 1, 0, 0, 0, 0, 0);
  const colours = reader.read(area(3, 50, 40, 2, 2, rises), BOX);
  t.deepEqual([...colours.areas].slice(0, AREA_NUMBERS), [50, 40, 2, 2, OWN_PIXELS]);
  t.deepEqual(
    [...colours.pixels],
    [...[4, 10, 15, 255], ...[5, 11, 16, 255], ...[4, 10, 16, 255], ...[5, 11, 17, 255]],
  );
});

test('E-04 attack: areas outside of their box, over and over, empty, cut off or of no kind are refused', t => {
  const fill = concat(CHANGE, Uint8Array.of(5));
  const whole = area(1, 10, 20, 100, 50, fill);
  const bad: Readonly<Record<string, Bytes>> = {
    'left of it': area(1, 9, 20, 1, 1, fill),
    'above it': area(1, 10, 19, 1, 1, fill),
    'right of it': area(1, 109, 20, 2, 1, fill),
    'below it': area(1, 10, 69, 1, 2, fill),
    'wide beyond all bounds': area(1, 10, 20, 65_535, 65_535, fill),
    'the box over and over': concat(whole, whole, whole, whole, area(1, 10, 20, 1, 1, fill)),
    empty: area(1, 10, 20, 0, 5, fill),
    'of no kind': area(4, 10, 20, 1, 1, fill),
    'a place that is missing': area(2, 10, 20, 3, 1, Uint8Array.of(0, 1, 2)),
    'a colour that is missing': area(3, 10, 20, 1, 1, Uint8Array.of(1, 2)),
    'changes that are missing': area(2, 10, 20, 1, 1, Uint8Array.of(200, 1, 2, 3, 4)),
    'half a head': Uint8Array.of(1, 0, 10),
  };
  for (const [about, plain] of Object.entries(bad))
    t.throws(() => new AreaReader().read(plain, BOX), { instanceOf: RangeError }, about);
});
