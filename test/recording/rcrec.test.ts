import jpegTurbo from '@julusian/jpeg-turbo';
import test from 'ava';
import fc from 'fast-check';
import { ByteWriter, concat } from '../../appliance/protocol/bytes.ts';
import { RCREC_START } from '../../appliance/protocol/rcrec.ts';
import { RcrecPicture } from '../../appliance/protocol/rcrec-picture.ts';
import { RcrecPlayer } from '../../appliance/protocol/rcrec-player.ts';
import { RecordReader, TILE_MEMORY, writeRecord } from '../../appliance/protocol/rcrec-records.ts';
import { Picture } from '../../appliance/recording/decode/picture.ts';
import { nodeCodecs } from '../../appliance/recording/rcrec/unpacker.ts';
import { RcrecWriter } from '../../appliance/recording/rcrec-writer.ts';
import { tried } from '../protocol/decoder-rules.ts';
import { digestOfPicture, head, MemoryOutput, openFile, playAll, type Seen, shownBy } from './open-rcrec.ts';
import { everything, Recording, recorded, steps } from './test-recording.ts';

test('H-01 a recording shows each picture as it was, pixel by pixel, in order and at any moment', async t => {
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      const { output, expected } = await recorded(all);
      const file = await openFile(output.bytes);
      t.false(file.isCut);
      const seen = await playAll(file);
      const last = new Map(expected.map(({ ms, picture }) => [ms, picture]));
      for (const [ms, picture] of last) t.is(lastAt(seen, ms)?.picture, picture);
      const player = new RcrecPlayer(file, nodeCodecs);
      for (const ms of [...last.keys()].reverse()) {
        const step = await player.seek(ms);
        t.is(step?.ms, lastAt(seen, ms)?.ms);
        t.deepEqual(shownBy(player).picture, last.get(ms));
      }
      player.close();
    }),
    { numRuns: 30 },
  );
});

function lastAt(seen: readonly Seen[], ms: number): Seen | undefined {
  return seen.findLast(one => one.ms <= ms);
}

test('H-01 pointer, cursor and marks are where they were, and the index names the marks', async t => {
  const { output } = await recorded(everything);
  const file = await openFile(output.bytes);
  t.deepEqual(file.head, head);
  t.is(file.durationMs, 400_251);
  t.is(file.index.segments.length, 2);
  t.deepEqual(
    file.index.marks.map(({ atMs, json }) => [atMs, new TextDecoder().decode(json)]),
    [[400_250, '{"text":"hello"}']],
  );
  const player = new RcrecPlayer(file, nodeCodecs);
  await player.seek(400_251);
  const { pointer, cursor: shown } = shownBy(player);
  t.is(pointer, '{"x":9,"y":12,"buttons":1}', 'of a segment before');
  t.true(shown.startsWith('7×7 '));
  const texts = (await playAll(file)).flatMap(({ marks }) => marks);
  t.deepEqual(texts, ['{"text":"hello"}']);
});

test('H-01 a tile that is known costs two bytes, until so many others have come', async t => {
  const output = new MemoryOutput();
  const writer = RcrecWriter.begin(output, head);
  const picture = new Picture(64, 64);
  const show = (value: number) => {
    picture.fill({ x: 0, y: 0, width: 64, height: 64 }, value & 255, value >> 8, 7);
    const before = writer.pendingBytes;
    writer.frame(picture);
    return writer.pendingBytes - before;
  };
  show(0);
  for (let value = 1; value < TILE_MEMORY; value++) show(value);
  t.true(show(0) < 15);
  show(TILE_MEMORY); // takes the place of 0
  t.true(show(1) < 15);
  t.true(show(0) > 64 * 64 * 3);
  await writer.end(1);
  t.is((await playAll(await openFile(output.bytes))).at(-1)?.picture, digestOfPicture(picture));
});

test('H-01 what was sent lossy stays as it was sent, and what is drawn over it is exact', async t => {
  const output = new MemoryOutput();
  const writer = RcrecWriter.begin(output, head);
  const picture = new Picture(200, 150);
  writer.frame(picture);
  const area = { x: 10, y: 10, width: 190, height: 140 };
  const grey = Buffer.alloc(area.width * area.height * 4, 0x80); // a JPEG of one grey is exact
  const { width, height } = area;
  const format = jpegTurbo.FORMAT_BGRX;
  const jpeg = new Uint8Array(jpegTurbo.compressSync(grey, { format, width, height, quality: 90 }));
  for (let row = 10; row < 150; row++) picture.pixels.fill(0x80, picture.at(10, row), picture.at(199, row) + 4);
  picture.touchLossy(area, jpeg);
  picture.fill({ x: 130, y: 70, width: 3, height: 3 }, 1, 2, 3);
  const before = writer.pendingBytes;
  writer.time(300);
  writer.frame(picture);
  const tiles = 5 + 1; // those it reaches only in part, and the one that was drawn over
  t.true(writer.pendingBytes - before < jpeg.length + tiles * (64 * 64 * 3 + 5) + 30);
  await writer.end(1);
  const file = await openFile(output.bytes);
  t.is((await playAll(file)).at(-1)?.picture, digestOfPicture(picture));
});

for (const [how, redraw] of [
  ['is as it was', (picture: Picture) => picture.fill({ x: 64, y: 0, width: 36, height: 64 }, 9, 9, 9)],
  ['came from elsewhere', (picture: Picture) => picture.copy({ x: 64, y: 0, width: 64, height: 64 }, 64, 64)],
] as const) {
  test(`H-01 a JPEG that reaches into a tile that ${how} is not over it`, async t => {
    const output = new MemoryOutput();
    const writer = RcrecWriter.begin(output, head);
    const picture = new Picture(200, 150);
    picture.fill({ x: 0, y: 0, width: 200, height: 150 }, 9, 9, 9);
    writer.frame(picture);
    const area = { x: 0, y: 0, width: 100, height: 64 }; // one tile and a part of the next
    const grey = Buffer.alloc(area.width * area.height * 4, 0x80);
    const { width, height } = area;
    const jpeg = jpegTurbo.compressSync(grey, { format: jpegTurbo.FORMAT_BGRX, width, height, quality: 90 });
    for (let row = 0; row < height; row++) picture.pixels.fill(0x80, picture.at(0, row), picture.at(width, row));
    picture.touchLossy(area, new Uint8Array(jpeg));
    redraw(picture);
    writer.time(300);
    writer.frame(picture);
    await writer.end(1);
    t.is((await playAll(await openFile(output.bytes))).at(-1)?.picture, digestOfPicture(picture));
  });
}

test('H-01 a tile whose pixels a JPEG drew is written where it is drawn again without, though it looks the same here', async t => {
  const writer = RcrecWriter.begin(new MemoryOutput(), head);
  const picture = new Picture(64, 64);
  const area = { x: 0, y: 0, width: 64, height: 64 };
  writer.frame(picture);
  const frame = () => {
    const before = writer.pendingBytes;
    writer.frame(picture);
    return writer.pendingBytes - before;
  };
  picture.fill(area, 5, 6, 7);
  picture.touchLossy(area, new Uint8Array(100));
  t.true(frame() < 200);
  picture.fill(area, 5, 6, 7); // another decoder may have drawn it a little different
  t.true(frame() > 64 * 64 * 3);
  picture.fill(area, 5, 6, 7);
  t.true(frame() < 10, 'now it is exact');
});

test('H-01 a file that is cut at any byte plays to its last whole block and says that it was cut', async t => {
  const { output } = await recorded(everything);
  const { bytes } = output;
  const whole = await playAll(await openFile(bytes));
  let [good, shown] = [0, 0];
  for (let length = 0; length < bytes.length; length++) {
    const file = await openFile(bytes.slice(0, length)).catch(error => error);
    if (file instanceof Error) {
      t.like(file, { code: 'rcrec.damaged' });
      t.is(good, 0, 'only where the head is not whole');
      continue;
    }
    t.true(file.isCut && file.goodBytes <= length && file.goodBytes >= good);
    if (file.goodBytes === good) continue; // the same as with a byte less
    good = file.goodBytes;
    const seen = await playAll(file);
    t.deepEqual(seen.slice(0, -1), whole.slice(0, Math.max(0, seen.length - 1)), `${length} bytes`);
    t.true(seen.length >= shown, 'more bytes show no less');
    shown = seen.length;
  }
  t.is(shown, whole.length);
});

test('H-01 what was cut goes on after its last whole block, and is finished then', async t => {
  const { output } = await recorded(everything);
  for (const share of [0.3, 0.5, 0.7, 0.9, 0.99]) {
    const cut = new MemoryOutput();
    cut.bytes = output.bytes.slice(0, Math.floor(output.bytes.length * share));
    const before = await openFile(cut.bytes);
    cut.bytes = cut.bytes.slice(0, before.goodBytes);
    const writer = RcrecWriter.goOn(cut, before);
    const picture = new Picture(90, 90);
    picture.fill({ x: 10, y: 10, width: 50, height: 50 }, 1, 2, 3);
    writer.time(before.durationMs + 1000);
    writer.frame(picture);
    await writer.end(before.offset + 1);
    const file = await openFile(cut.bytes);
    t.false(file.isCut);
    t.is(file.index.segments.length, before.index.segments.length + 1);
    const seen = await playAll(file);
    t.is(seen.at(-1)?.picture, digestOfPicture(picture));
    t.is(seen.at(-1)?.ms, before.durationMs + 1000);
  }
});

test('H-01 attack: a bit that was changed is found, and never more than a clear error comes of it', async t => {
  const { output } = await recorded(everything);
  const { bytes } = output;
  for (let place = 0; place < bytes.length; place += 7) {
    const changed = bytes.with(place, (bytes[place] ?? 0) ^ (1 << (place % 8)));
    const file = await openFile(changed).catch(error => error);
    const seen = file instanceof Error || file.isCut ? file : await playAll(file).catch(error => error);
    if (seen instanceof Error) t.like(seen, { code: 'rcrec.damaged' }, `byte ${place}`);
    else t.true(seen.isCut, `byte ${place} was not missed`);
  }
});

test('H-01 beyond what is damaged the recording can still be seen', async t => {
  const { output } = await recorded(everything);
  const good = await openFile(output.bytes);
  const [first, second] = good.index.segments;
  if (first === undefined || second === undefined) return t.fail('two segments');
  const file = await openFile(output.bytes.with(first.position + 30, 0xaa));
  const player = new RcrecPlayer(file, nodeCodecs);
  await t.throwsAsync(player.seek(0), { code: 'rcrec.damaged', message: new RegExp(`at byte ${first.position}`) });
  t.is((await player.seek(400_251))?.ms, 400_251);
  t.is(file.segmentAfter(first.position), second.position);
});

test('H-03 what could not be written is written again in the same place, and nothing is lost', async t => {
  const whole = await recorded(everything);
  for (let room = 0; room < whole.output.bytes.length; room += 190) {
    const recording = new Recording();
    recording.output.room = room;
    recording.writer.frame(recording.picture);
    let failed = 0;
    for (const step of [...everything, { kind: 'flush' } as const]) {
      try {
        await recording.step(step);
      } catch {
        failed++;
        recording.output.room += 100; // somebody frees a little space
      }
    }
    recording.output.room = Number.POSITIVE_INFINITY;
    await recording.writer.end(99);
    const seen = await playAll(await openFile(recording.output.bytes));
    t.is(seen.at(-1)?.picture, (await playAll(await openFile(whole.output.bytes))).at(-1)?.picture, `room ${room}`);
    t.true(failed > 0 || room > 2000);
  }
});

test('H-01 attack: records of anything at all are drawn or refused', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(10), fc.uint8Array({ maxLength: 60 })), { maxLength: 10 }),
      async parts => {
        const picture = new RcrecPicture(nodeCodecs.decodeJpeg);
        const start = new ByteWriter();
        writeRecord(start, { type: 'size', width: 70, height: 10 });
        const noise = concat(start.done(), ...parts.flatMap(([type, bytes]) => [Uint8Array.of(type), bytes]));
        const records = tried(() => [...new RecordReader().read(noise)], noise) ?? [];
        for (const record of records) {
          try {
            await picture.apply(record);
          } catch (error) {
            t.is((error as { code?: string }).code, 'protocol.malformed', String(error));
          }
        }
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('H-01 attack: a file of anything at all is refused', async t => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (noise, isStarted) => {
      const bytes = isStarted ? concat(RCREC_START, noise) : Uint8Array.from(noise);
      await t.throwsAsync(openFile(bytes), { code: 'rcrec.damaged' });
    }),
    { numRuns: 200 },
  );
});
