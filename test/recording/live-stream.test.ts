import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { type FinishedRecording, LIVE_AGAIN_MS, type RecordingLive } from '../../appliance/protocol/recorder-portal.ts';
import type { BeginMark } from '../../appliance/protocol/recording-marks.ts';
import { parseRecordingReceipt, receiptObject } from '../../appliance/protocol/recording-receipt.ts';
import type { Signed } from '../../appliance/protocol/signed.ts';
import { RcrecDiskOutput } from '../../appliance/recording/rcrec-disk.ts';
import { Journal } from '../../appliance/recording/receive/journal.ts';
import { LiveStream } from '../../appliance/recording/receive/live-stream.ts';
import { RecordingShare } from '../../appliance/recording/recording-share.ts';
import { StreamRecorder } from '../../appliance/recording/stream-recorder.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { openFile, playAll } from './open-rcrec.ts';
import { random, STARTED_AT, TestStream } from './test-stream.ts';

/** So long after the end of a session its film is there. */
const WITHIN_MS = 30_000;

class Live implements AsyncDisposable {
  readonly folder = new TempFolder();
  readonly clock = new ManualClock();
  readonly stream = new TestStream();
  readonly lives: RecordingLive[] = [];
  readonly finished: FinishedRecording[] = [];
  readonly errors: string[] = [];
  readonly bringer = {
    ...{ at: () => undefined, proved: () => undefined, state: () => undefined, replaced: () => undefined },
  };
  isSessionOver = false;
  isPortalAway = false;
  /** So often it does not take what is finished. */
  refusals = 0;
  live: LiveStream | null = null;
  isOver = false;

  /** A console brings the beginning. */
  static async begin(begin: Partial<BeginMark> = {}): Promise<Live> {
    const at = new Live();
    const share = new RecordingShare(join(at.folder.path, 'recordings'));
    await share.prepare();
    const name = toBase64Url(at.stream.nonce);
    const journal = await Journal.open(join(at.folder.path, 'a.journal'));
    const recorder = new StreamRecorder({
      ...{ clock: at.clock, journal, create: () => new RcrecDiskOutput(share.writingPath(name), true) },
      sign: async receipt => ({
        payload: canonicalBytes({ ...receiptObject(receipt), kid: 'receipts' }),
        signature: new Uint8Array(64),
      }),
    });
    const portal = {
      live: async (live: RecordingLive) => {
        if (at.isPortalAway) throw new Error('away');
        at.lives.push(live);
        return { isOver: at.isSessionOver };
      },
      attested: async () => null,
      finished: async (recording: FinishedRecording) => {
        if (at.refusals-- > 0)
          throw new ApplianceError('unavailable', 'recording.portal-away', 'it was killed just then');
        at.finished.push(recording);
        return { kid: 'manifest', payload: '', signature: '' };
      },
    };
    const over = () => {
      at.isOver = true;
    };
    at.live = new LiveStream({ clock: at.clock, log: silentLog, share, portal, name, journal, recorder, over });
    await at.live.broughtBy(at.bringer, { sid: at.stream.sid, sub: at.stream.sub, since: STARTED_AT });
    await at.live.receive(at.bringer, at.stream.start([10, 20, 30], begin)).catch(error => at.errors.push(error.code));
    await at.pass(1000);
    return at;
  }

  /** As the recorder does, once a second. @returns ms until it was over; null when it was not */
  async pass(ms: number): Promise<number | null> {
    for (let passed = 0; passed < ms; passed += 1000) {
      this.clock.advance(1000);
      await this.live?.tick();
      await new Promise(resolve => setImmediate(resolve));
      if (this.isOver) return passed + 1000;
    }
    return null;
  }

  async film() {
    const finished = join(this.folder.path, 'recordings', 'finished');
    const [film = ''] = readdirSync(finished, { recursive: true, encoding: 'utf8' }).filter(one =>
      /\.rcrec$/.test(one),
    );
    return openFile(Uint8Array.from(readFileSync(join(finished, film))));
  }

  async notes(): Promise<string[]> {
    const frames = await playAll(await this.film());
    return frames.flatMap(({ marks }) => marks).filter(mark => mark.includes('"note"'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOver) await this.live?.close();
    this.folder[Symbol.dispose]();
  }
}

test('H-03 a film is finished half a minute after its session is over, and says why it ends', async t => {
  for (const isLeft of [true, false]) {
    await using at = await Live.begin();
    if (isLeft) at.live?.left(at.bringer);
    t.is(await at.pass(120_000), null, 'the session may come back');
    at.isSessionOver = true;
    t.true((await at.pass(WITHIN_MS)) !== null, `${isLeft}`);
    t.like(at.finished[0], { isWhole: false, isPaused: false, offset: at.stream.offset });
    const notes = await at.notes();
    t.is(notes.length, 1);
    t.regex(notes[0] ?? '', /session-over/);
  }
});

test('H-03 a film that is finished at the third try has one note and its end', async t => {
  await using at = await Live.begin();
  at.isSessionOver = true;
  at.refusals = 2;
  t.true((await at.pass(WITHIN_MS)) !== null);
  t.false((await at.film()).isCut);
  t.is((await at.notes()).length, 1);
});

test('H-03 what the console still brings after the end of its session is recorded first', async t => {
  await using at = await Live.begin();
  at.isSessionOver = true;
  for (let part = 0; part < 10; part++) {
    t.is(await at.pass(2 * LIVE_AGAIN_MS), null);
    await at.live?.receive(at.bringer, at.stream.beat(300));
  }
  await at.live?.receive(at.bringer, at.stream.end());
  t.true((await at.pass(5000)) !== null);
  t.like(at.finished[0], { isWhole: true, offset: at.stream.offset });
  t.deepEqual(await at.notes(), []);
});

test('H-03 while the portal is away nobody knows whether the session is over: it is asked until it says so', async t => {
  await using at = await Live.begin();
  at.live?.left(at.bringer);
  at.isSessionOver = true;
  at.isPortalAway = true;
  t.is(await at.pass(120_000), null);
  at.isPortalAway = false;
  t.true((await at.pass(WITHIN_MS)) !== null);
  t.is(at.lives.filter(({ isLive }) => isLive).length, 1);
});

test('H-03 attack: what is brought while its film is being finished is not proved, and not behind its end', async t => {
  await using at = await Live.begin();
  at.isSessionOver = true;
  at.refusals = 3;
  while (at.refusals > 2) t.is(await at.pass(1000), null);
  const proved: Bytes[] = [];
  const again = { ...at.bringer, proved: ({ payload }: Signed) => proved.push(payload) };
  const grant = { sid: at.stream.sid, sub: at.stream.sub, since: STARTED_AT };
  await at.live?.broughtBy(again, grant);
  const { offset } = at.stream;
  await t.throwsAsync(at.live?.receive(again, at.stream.beat(300)) ?? Promise.resolve(), { code: 'recording.refused' });
  t.true((await at.pass(3000)) !== null, 'however long it is brought');
  t.false((await at.film()).isCut);
  t.is(at.finished[0]?.offset, offset);
  t.deepEqual(
    proved.map(payload => parseRecordingReceipt(payload).offset),
    [offset],
  );
});

const LATE = Number.MAX_SAFE_INTEGER;
for (const [what, code, begin] of [
  ['before its session', 'recording.refused', { at: STARTED_AT - 3 * 3_600_000 }],
  ['in years to come', 'protocol.malformed', { at: Date.UTC(2099, 0) }],
  ['at a time there is not', 'protocol.malformed', { at: LATE }],
  ['behind a pause that is longer than its session', 'recording.refused', { after: random(16), pausedMs: LATE }],
] as const)
  test(`H-03 K-01 attack: a stream that begins ${what} is refused, and nothing is left of it`, async t => {
    await using at = await Live.begin(begin);
    t.deepEqual(at.errors, [code]);
    t.true(at.isOver, 'it is in nobody’s way');
    t.deepEqual(readdirSync(join(at.folder.path, 'recordings', 'writing')), []);
  });

test('H-03 a still stream is told to be still, every few seconds and no more often', async t => {
  await using at = await Live.begin();
  at.lives.length = 0;
  await at.pass(60_000);
  t.true(at.lives.every(({ isLive }) => !isLive));
  t.true(at.lives.length <= 60_000 / LIVE_AGAIN_MS && at.lives.length >= 10, `${at.lives.length}`);
});
