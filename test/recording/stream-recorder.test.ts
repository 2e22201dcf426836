import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import type { RecorderState } from '../../appliance/protocol/recorder-socket.ts';
import {
  parseRecordingReceipt,
  type RecordingReceipt,
  receiptObject,
} from '../../appliance/protocol/recording-receipt.ts';
import { OWN_PIXEL_FORMAT } from '../../appliance/protocol/rfb.ts';
import { Journal } from '../../appliance/recording/receive/journal.ts';
import { type FileBegun, StreamRecorder } from '../../appliance/recording/stream-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { MemoryOutput, openFile, playAll } from './open-rcrec.ts';
import { HEIGHT, TestStream, WIDTH } from './test-stream.ts';

const whole = { x: 0, y: 0, width: WIDTH, height: HEIGHT };

class Recorder implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly output = new MemoryOutput();
  readonly clock = new ManualClock();
  readonly receipts: RecordingReceipt[] = [];
  readonly states: RecorderState[] = [];
  isSignerAway = false;
  journal: Journal | null = null;
  readonly #journals: Journal[] = [];
  readonly #recorders: StreamRecorder[] = [];

  async parts(most?: number) {
    this.journal = await Journal.open(join(this.folder.path, 'a.journal'), most);
    this.#journals.push(this.journal);
    return {
      ...{ clock: this.clock, journal: this.journal, create: () => this.output },
      sign: async (receipt: Omit<RecordingReceipt, 'kid'>) => {
        if (this.isSignerAway) throw new ApplianceError('unavailable', 'signer.unreachable', 'no signer');
        const payload = canonicalBytes({ ...receiptObject(receipt), kid: 'receipts' });
        return { payload, signature: new Uint8Array(64) };
      },
    };
  }

  async open(most?: number): Promise<StreamRecorder> {
    return this.#heard(new StreamRecorder(await this.parts(most)));
  }

  async restore(file: FileBegun | null): Promise<StreamRecorder> {
    return this.#heard(await StreamRecorder.restore(await this.parts(), file));
  }

  /** The file as a recorder that comes later finds it. */
  async left(): Promise<FileBegun> {
    const { index, durationMs, offset, goodBytes, isCut } = await openFile(this.output.bytes);
    this.output.bytes = this.output.bytes.slice(0, goodBytes);
    return { index, durationMs, offset, goodBytes, isCut, output: this.output };
  }

  #heard(recorder: StreamRecorder): StreamRecorder {
    this.#recorders.push(recorder);
    recorder.listen({
      check: () => undefined,
      proved: ({ payload }) => this.receipts.push(parseRecordingReceipt(payload)),
      stateChanged: state => this.states.push(state),
    });
    return recorder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const recorder of this.#recorders) await recorder.close();
    for (const journal of this.#journals) await journal.close();
    this.folder[Symbol.dispose]();
  }
}

test('H-03 the first picture is proved at once, and then what came each time somebody asks', async t => {
  await using at = new Recorder();
  const recorder = await at.open();
  const stream = new TestStream();
  await recorder.receive(stream.start());
  const { sid, linkId, nonce } = stream;
  const place = { offset: stream.offset, digest: stream.digest() };
  t.deepEqual(at.receipts, [{ ...{ sid, linkId, nonce, time: at.clock.now(), kid: 'receipts' }, ...place }]);
  await recorder.receive(concat(stream.beat(1000), stream.fill({ ...whole, width: 9 }, [1, 2, 3]), stream.beat(10)));
  t.is(at.receipts.length, 1);
  await recorder.flush();
  await recorder.flush();
  t.is(at.receipts.length, 2);
  t.like(at.receipts[1], { offset: stream.offset, digest: stream.digest() });
  t.is(recorder.offset, stream.offset);
});

test('H-03 what is proved is in the file: cut there, it shows what the applet had sent', async t => {
  await using at = new Recorder();
  const recorder = await at.open();
  const stream = new TestStream();
  await recorder.receive(stream.start([10, 20, 30]));
  await recorder.receive(concat(stream.beat(500), stream.fill(whole, [200, 100, 50])));
  await recorder.flush();
  const [bytes, proved] = [at.output.bytes.slice(), at.receipts.at(-1)];
  await recorder.receive(concat(stream.beat(500), stream.fill(whole, [7, 7, 7])));
  const file = await openFile(bytes);
  t.is(file.offset, proved?.offset ?? 0);
  const seen = await playAll(file);
  t.is(seen.at(-1)?.ms, 500);
  t.not(seen.at(-1)?.picture, seen[0]?.picture);
});

test('H-03 a picture that has not come wholly is not proved', async t => {
  await using at = new Recorder();
  const recorder = await at.open();
  const stream = new TestStream();
  await recorder.receive(stream.start());
  const before = stream.offset;
  const noise = stream.noise(150, 140); // two messages
  await recorder.receive(noise.slice(0, -1));
  await recorder.flush();
  t.is(at.receipts.at(-1)?.offset, before, 'its first message ends in the middle of a rectangle');
  t.is(recorder.offset, before + 60_005);
  await recorder.receive(noise.slice(-1));
  await recorder.flush();
  t.is(at.receipts.at(-1)?.offset, stream.offset);
});

test('H-01 pictures are written five times a second of the stream’s own time, whenever its bytes come', async t => {
  await using at = new Recorder();
  const recorder = await at.open();
  const stream = new TestStream();
  const parts = [stream.start()];
  for (let step = 0; step < 40; step++) parts.push(stream.beat(50), stream.fill(whole, [step, step, 0]));
  parts.push(stream.end());
  await recorder.receive(concat(...parts));
  await recorder.end(null);
  const seen = await playAll(await openFile(at.output.bytes));
  const pictures = seen.filter(({ picture }, index) => picture !== seen[index - 1]?.picture);
  t.true(pictures.length >= 10 && pictures.length <= 12, `${pictures.length} pictures in 2 s`);
  t.is(seen.at(-1)?.ms, 2000);
});

for (const trouble of ['share-full', 'share-read-only', 'share-gone'] as const)
  test(`H-03 ${trouble} stops receipts and reading, and the recording goes on by itself, with a mark`, async t => {
    await using at = new Recorder();
    const recorder = await at.open();
    const stream = new TestStream();
    await recorder.receive(stream.start());
    at.output.room = at.output.bytes.length + 10;
    at.output.error = new ApplianceError('unavailable', `recording.${trouble}`, 'it does not go');
    await recorder.receive(concat(stream.beat(1000), stream.fill(whole, [9, 9, 9])));
    await recorder.flush();
    await recorder.flush();
    t.is(at.receipts.length, 1);
    t.deepEqual(at.states, [trouble]);
    let isRead = false;
    const waiting = recorder.receive(concat(stream.beat(1000), stream.fill(whole, [8, 8, 8]))).then(() => {
      isRead = true;
    });
    await recorder.flush();
    t.false(isRead);
    at.output.room = Number.POSITIVE_INFINITY;
    await recorder.flush();
    await waiting;
    await recorder.flush();
    t.deepEqual(at.states, [trouble, 'recording']);
    t.like(at.receipts.at(-1), { offset: stream.offset, digest: stream.digest() });
    await recorder.end(null);
    const marks = (await playAll(await openFile(at.output.bytes))).flatMap(one => one.marks);
    t.true(marks.some(mark => mark.includes(`"note":"${trouble}"`)));
  });

test('H-03 without the signer what came is kept, and nothing is proved until it is back', async t => {
  await using at = new Recorder();
  const recorder = await at.open();
  const stream = new TestStream();
  at.isSignerAway = true;
  await recorder.receive(stream.start());
  t.deepEqual(at.states, ['signer-away']);
  t.is(at.receipts.length, 0);
  t.is((await openFile(at.output.bytes)).offset, stream.offset);
  at.isSignerAway = false;
  await recorder.flush();
  t.deepEqual(at.states, ['signer-away', 'recording']);
  t.is(at.receipts.at(-1)?.offset, stream.offset);
});

test('H-03 after kill -9 another recorder goes on where the stream was, with the same digests', async t => {
  await using at = new Recorder();
  const first = await at.open();
  const stream = new TestStream();
  await first.receive(concat(stream.start(), stream.beat(300), stream.fill(whole, [200, 100, 50])));
  await first.flush();
  const proved = at.receipts.at(-1);
  const unproved = concat(stream.beat(300), stream.noise(100, 30));
  await first.receive(concat(unproved, stream.beat(300).slice(0, 9))); // it dies with half a message
  const second = await at.restore(await at.left());
  const resumeAt = second.offset;
  t.is(resumeAt, (proved?.offset ?? 0) + unproved.length);
  await second.broughtAnew();
  await second.receive(stream.bytes.slice(resumeAt));
  await second.receive(concat(stream.fill({ ...whole, height: 70 }, [1, 1, 1]), stream.end()));
  t.like(at.receipts.at(-1), { offset: stream.offset, digest: stream.digest() });
  await second.end(null);
  const file = await openFile(at.output.bytes);
  t.is(file.index.segments.length, 2);
  t.is(file.offset, stream.offset);
  await using other = new Recorder();
  const control = await other.open();
  await control.receive(stream.bytes);
  await control.end(null);
  const [seen, expected] = [await playAll(file), await playAll(await openFile(other.output.bytes))];
  t.is(seen.at(-1)?.picture, expected.at(-1)?.picture);
});

test('H-03 after a kill before the first block, and after one between two blocks, nothing is lost', async t => {
  const stream = new TestStream();
  const bytes = concat(stream.start(), stream.beat(300), stream.fill(whole, [5, 5, 5]), stream.end());
  for (const cut of [0, 5, 60, 150]) {
    await using at = new Recorder();
    writeFileSync(join(at.folder.path, 'a.journal'), bytes.slice(0, -cut || undefined));
    const recorder = await at.restore(null);
    await recorder.receive(bytes.slice(recorder.offset));
    await recorder.flush();
    t.like(at.receipts.at(-1), { offset: stream.offset, digest: stream.digest() }, `${cut}`);
  }
});

test('H-03 a journal that is shorter than the file is of no use, and says so', async t => {
  await using at = new Recorder();
  const first = await at.open(1000);
  const stream = new TestStream();
  await first.receive(concat(stream.start(), stream.noise(100, 100)));
  await first.flush();
  t.is(at.journal?.bytes, null, 'it became too long');
  t.false(existsSync(join(at.folder.path, 'a.journal')));
  t.is(at.receipts.at(-1)?.offset, stream.offset, 'which costs nothing but the next start');
  const file = await at.left();
  await t.throwsAsync(at.restore(file), { code: 'recording.journal-short' });
});

test('H-03 what is brought by a connection before is not taken once another brings it', async t => {
  await using at = new Recorder();
  const recorder = await at.open();
  const stream = new TestStream();
  await recorder.receive(stream.start());
  const next = concat(stream.beat(100), stream.fill(whole, [1, 2, 3]));
  at.isSignerAway = true;
  await recorder.receive(stream.beat(100));
  await recorder.flush();
  const stale = recorder.receive(next); // waits
  const again = recorder.broughtAnew();
  at.isSignerAway = false;
  await Promise.all([again, recorder.flush(), stale]);
  t.not(recorder.offset, stream.offset, 'not counted twice');
});

/** What can be recorded, and what can't and follows it. */
const refusals: Record<string, (stream: TestStream) => readonly [good: Bytes, bad: Bytes]> = {
  'what is no stream': () => [new Uint8Array(), new Uint8Array(300).fill(200)],
  'a picture that can’t be drawn': stream => [stream.start(), stream.rfb([0, 0, 0, 1, ...new Array(60).fill(255)])],
  'another pixel format in the middle of an update': stream => [
    stream.start(),
    concat(
      stream.rfb([0, 0, 0, 1, 0, 0]),
      stream.mark({ type: 'format', at: stream.at, format: OWN_PIXEL_FORMAT, encodings: [] }),
    ),
  ],
  'a mark of a time to come': stream => [stream.start(), stream.mark({ type: 'beat', at: Date.UTC(2099, 0), keys: 0 })],
  'a mark of a time no file can hold': stream => [
    stream.start(),
    stream.mark({ type: 'beat', at: Number.MAX_SAFE_INTEGER, keys: 0 }),
  ],
  'a second beginning': stream => [stream.start(), stream.start()],
};
for (const [what, write] of Object.entries(refusals)) {
  test(`H-03 attack: ${what} ends the stream, and nothing after it is proved`, async t => {
    await using at = new Recorder();
    const recorder = await at.open();
    const stream = new TestStream();
    const [good, bad] = write(stream);
    await t.throwsAsync(recorder.receive(concat(good, bad)), { code: 'protocol.malformed' });
    t.is(recorder.state, 'refused');
    await t.throwsAsync(recorder.receive(stream.beat(1)), { code: 'recording.refused' });
    await recorder.flush();
    t.true((at.receipts.at(-1)?.offset ?? 0) <= good.length);
    await recorder.end('refused');
  });
}
