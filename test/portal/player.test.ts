// The core of the player as it runs in a browser: a film fetched in parts, unpacked by the browser's decoder, played by a clock.
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { browserSha256, newZstdUnpacker } from '../../appliance/portal/player/browser-codecs.ts';
import { type FilmMark, filmMarks } from '../../appliance/portal/player/film-marks.ts';
import { FilmSource } from '../../appliance/portal/player/film-source.ts';
import { LEAD_MS, Playback, type PlaybackState, QUIET_MS, TICK_MS } from '../../appliance/portal/player/playback.ts';
import { type Bytes, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { RcrecFile } from '../../appliance/protocol/rcrec-file.ts';
import { RcrecPlayer } from '../../appliance/protocol/rcrec-player.ts';
import { type Mark, writeMark } from '../../appliance/protocol/recording-marks.ts';
import { nodeCodecs } from '../../appliance/recording/rcrec/unpacker.ts';
import { openFile, shownBy } from '../recording/open-rcrec.ts';
import { everything, recorded, type Step, steps } from '../recording/test-recording.ts';
import { ManualClock } from '../support/manual-clock.ts';

const codecs = { newUnpacker: newZstdUnpacker, decodeJpeg: nodeCodecs.decodeJpeg };

/** A film that is fetched, and how many bytes of it were. */
function fetched(bytes: Bytes, chunkBytes: number) {
  const parts: (readonly [number, number])[] = [];
  const fetchPart = async (first: number, last: number) => {
    if (last >= bytes.length) throw new RangeError('beyond the end');
    parts.push([first, last]);
    return bytes.slice(first, last + 1);
  };
  return { parts, source: new FilmSource(bytes.length, fetchPart, chunkBytes) };
}

test('H-04 whatever moment is jumped to, the player in the browser shows what the recorder’s own decoder shows', async t => {
  const jumps = fc.array(fc.nat(3_000_000), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(steps, jumps, fc.constantFrom(7, 64, 1000), async (all, moments, chunkBytes) => {
      const { bytes } = (await recorded(all)).output;
      const { source } = fetched(bytes, chunkBytes);
      const file = await RcrecFile.open(source, browserSha256);
      const [ours, theirs] = [new RcrecPlayer(file, codecs), new RcrecPlayer(await openFile(bytes), nodeCodecs)];
      for (const moment of moments) {
        const ms = moment % (file.durationMs + 1000);
        t.deepEqual(await ours.seek(ms), await theirs.seek(ms));
        t.deepEqual(shownBy(ours), shownBy(theirs));
      }
      ours.close();
      theirs.close();
    }),
    { numRuns: 30 },
  );
});

/** Half an hour of work that does not repeat, with a click now and then. */
function longWork(): Step[] {
  return Array.from({ length: 360 }, (_, n): Step[] => [
    { kind: 'fill', x: n % 90, y: (n * 7) % 90, colour: (n * 40_503) & 0xffffff },
    { kind: 'noise', x: (n * 11) % 90, y: (n * 3) % 90, seed: n },
    { kind: 'flush' },
    { kind: 'wait', ms: 5000 },
  ]).flat();
}

test('H-04 a jump into a long film fetches its segment, and never all of the film; nothing is fetched twice', async t => {
  const { bytes } = (await recorded(longWork())).output;
  const { parts, source } = fetched(bytes, 1024);
  const file = await RcrecFile.open(source, browserSha256);
  t.true(file.index.segments.length >= 6);
  const player = new RcrecPlayer(file, codecs);
  await player.seek(file.durationMs / 2);
  await player.seek(file.durationMs / 2 + 5000);
  player.close();
  const total = parts.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  t.true(total < bytes.length / 2, `${total} of ${bytes.length} bytes`);
  const places = parts.flatMap(([first, last]) =>
    Array.from({ length: (last - first) >> 10 }, (_, n) => first + n * 1024),
  );
  t.is(new Set(places).size, places.length);
});

test('H-04 jumping to and fro leaves nothing behind: each segment’s window of 16 MiB is given back', async t => {
  const { bytes } = (await recorded(everything)).output;
  const file = await RcrecFile.open(fetched(bytes, 4096).source, browserSha256);
  const player = new RcrecPlayer(file, codecs);
  // The decoder’s memory ends at 4 GiB.
  for (let jump = 0; jump < 300; jump++) t.truthy(await player.seek(jump % 2 === 0 ? 260 : 400_251));
  player.close();
});

test('H-04 a part that can’t be fetched is told, and asked for again by whoever goes on', async t => {
  const { bytes } = (await recorded(everything)).output;
  let isAway = true;
  const source = new FilmSource(bytes.length, async (first, last) => {
    if (isAway) throw new Error('away');
    return bytes.slice(first, last + 1);
  });
  await t.throwsAsync(RcrecFile.open(source, browserSha256), { message: 'away' });
  isAway = false;
  t.is((await RcrecFile.open(source, browserSha256)).durationMs, 400_251);
});

/** A film that plays by hand. */
async function openPlayback(t: ExecutionContext, bytes: Bytes) {
  const clock = new ManualClock();
  const line = { isAway: false, faults: 0 };
  const fetchPart = async (first: number, last: number) => {
    if (line.isAway) throw new Error('away');
    return bytes.slice(first, last + 1);
  };
  const source = new FilmSource(bytes.length, fetchPart, 1024);
  const file = await RcrecFile.open(source, browserSha256).catch(() => RcrecFile.salvage(source, browserSha256));
  let state: PlaybackState = { ms: -1, isPlaying: false, width: 0, height: 0, damage: null };
  const painted: number[] = [];
  const playback = new Playback({
    ...{ file, codecs, clock },
    paint: (_, ms) => painted.push(ms),
    tell: told => {
      state = told;
    },
    failed: error => {
      line.faults++;
      t.true(line.isAway, String(error));
    },
  });
  t.teardown(() => playback.close());
  const turn = () => new Promise(resolve => setImmediate(resolve));
  const until = async (isSo: (now: PlaybackState) => boolean) => {
    while (!isSo(state)) await turn();
    return state;
  };
  /** So much real time goes by, tick by tick, as a browser's would. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms && state.isPlaying; passed += TICK_MS) {
      const before = painted.length;
      clock.advance(TICK_MS);
      while (painted.length === before && state.isPlaying) await turn();
    }
    return state;
  };
  return { playback, file, line, until, pass, state: () => state };
}

test('H-04 it plays by the recording’s own clock, at the speed that is chosen, and stops at the end', async t => {
  const { playback, file, until, pass } = await openPlayback(t, (await recorded(longWork())).output.bytes);
  playback.seek(0);
  await until(({ ms }) => ms === 0);
  playback.play();
  t.is((await pass(2000)).ms, 2000);
  playback.speed(8);
  t.is((await pass(1000)).ms, 10_000);
  playback.seek(file.durationMs - 800);
  await until(({ ms }) => ms === file.durationMs - 800);
  t.like(await pass(5000), { ms: file.durationMs, isPlaying: false });
  playback.play();
  await until(({ ms, isPlaying }) => isPlaying && ms < 1000);
  playback.pause();
  await until(({ isPlaying }) => !isPlaying);
  playback.seek(-5);
  t.is((await until(({ ms }) => ms === 0)).ms, 0);
});

test('H-04 where the appliance can’t be reached it stands still, and played again it goes on from there', async t => {
  const { playback, line, until, pass } = await openPlayback(t, (await recorded(longWork())).output.bytes);
  playback.speed(8);
  playback.seek(0);
  await until(({ ms }) => ms === 0);
  line.isAway = true;
  playback.play();
  const stopped = await pass(60_000);
  t.like(stopped, { isPlaying: false, damage: null });
  t.is(line.faults, 1);
  playback.seek(1_000_000);
  await until(({ ms, isPlaying }) => ms === 1_000_000 && !isPlaying && line.faults === 2);
  line.isAway = false;
  playback.play();
  await until(({ isPlaying }) => isPlaying);
  t.true((await pass(1000)).ms > 1_007_000);
});

test('H-04 quiet stretches are left out, but for the moment before something happens', async t => {
  const quiet: Step[] = [...everything, { kind: 'wait', ms: 60_000 }, { kind: 'fill', x: 1, y: 1, colour: 5 }];
  const { playback, file, until, pass } = await openPlayback(t, (await recorded(quiet)).output.bytes);
  playback.skipQuiet(true);
  playback.seek(300);
  await until(({ ms }) => ms === 300);
  playback.play();
  const { ms } = await pass(TICK_MS);
  t.is(ms, 400_250 - LEAD_MS);
  t.true((await pass(LEAD_MS)).ms >= 400_250);
  t.is((await pass(3 * TICK_MS)).ms, file.durationMs - LEAD_MS + 2 * TICK_MS, `beyond ${QUIET_MS} ms of nothing`);
});

test('H-04 H-05 a damaged film plays up to its damage and says so, and beyond it; one without an end plays to where it is good', async t => {
  const { bytes } = (await recorded(longWork())).output;
  const whole = await openFile(bytes);
  const [, second = { atMs: 0, position: 0 }, third] = whole.index.segments;
  const inside = ((await whole.data(second.position))?.next ?? 0) + 50;
  for (const place of [second.position + 50, inside]) {
    const changed = bytes.slice();
    changed[place] = (changed[place] ?? 0) ^ 1;
    const { playback, until, pass, state } = await openPlayback(t, changed);
    playback.speed(8);
    playback.seek(second.atMs - 20_000);
    await until(({ ms }) => ms > 0);
    playback.play();
    const { ms, damage } = await pass(60_000);
    t.is(ms, place === inside ? second.atMs : second.atMs - 5000, 'the last that is good');
    t.regex(damage?.message ?? '', /^the recording is damaged at byte \d+/);
    t.is(damage?.nextMs, third?.atMs);
    playback.play();
    t.false((await pass(1000)).isPlaying, 'it does not play into it');
    playback.seek(second.atMs + 10_000);
    const before = state();
    t.is((await until(now => now !== before)).damage?.message, damage?.message, 'nor jumps into it');
    playback.seek(damage?.nextMs ?? 0);
    t.is((await until(state => state.damage === null)).ms, third?.atMs ?? 0);
  }
  const cut = await openPlayback(t, bytes.slice(0, Math.floor(bytes.length / 2)));
  t.true(cut.file.isCut && cut.file.durationMs > 0 && cut.file.durationMs < whole.durationMs);
  const noIndex = bytes.slice();
  noIndex[bytes.length - 60] = (noIndex[bytes.length - 60] ?? 0) ^ 1;
  t.is((await openPlayback(t, noIndex)).file.durationMs, whole.durationMs);
});

test('H-04 what the index names stands on the time line in words; what it can’t read is left out', t => {
  const zero = new Uint8Array(16);
  const marks: Mark[] = [
    { type: 'action', at: 1, action: 'launch-remote-control', stage: 'started' },
    { type: 'chat', at: 1, line: zero, by: 'customer' },
    { type: 'pointer', at: 1, x: 7, y: 9, buttons: 1 },
    { type: 'state', at: 1, state: 'paused' },
    { type: 'loss', at: 1, nonce: zero, sent: 900, covered: 500 },
    { type: 'monitors', at: 1, monitors: [], monitor: 0 },
    { type: 'end', at: 1, why: 'stopped' },
    { type: 'end', at: 1, why: 'paused' },
  ];
  const index = marks.map((mark, ms) => ({ atMs: ms, json: writeMark(mark) }));
  const others = ['{"type":"note","note":"share-full"}', '{"type":"telepathy"}', 'no JSON', '[]', 'null'];
  const read = [...index, ...others.map((json, n) => ({ atMs: 10 + n, json: utf8Bytes(json) }))];
  const goesOn = filmMarks([], { technician: 'Tina', after: zero, pausedMs: 247_000 });
  t.deepEqual(goesOn.marks, [{ ms: 0, kind: 'gap', text: 'It goes on: Tina had paused it for 4:07' }]);
  const found = filmMarks(read, { technician: 'Tina', after: null, pausedMs: 0 });
  const expected: FilmMark[] = [
    { ms: 0, kind: 'action', text: 'launch-remote-control: started' },
    { ms: 1, kind: 'chat', text: 'The customer wrote' },
    { ms: 2, kind: 'click', text: 'Click at 7, 9' },
    { ms: 3, kind: 'gap', text: 'The customer paused the picture' },
    { ms: 4, kind: 'gap', text: 'Of an earlier picture 400 bytes were not recorded' },
    { ms: 6, kind: 'gap', text: 'The picture ended: stopped' },
    { ms: 7, kind: 'gap', text: 'Tina paused the recording' },
    { ms: 10, kind: 'gap', text: 'The recorder: share-full' },
  ];
  t.deepEqual(found, { marks: expected, monitors: [{ ms: 5, monitors: [], monitor: 0 }] });
});
