import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import test from 'ava';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import { concat } from '../../appliance/protocol/bytes.ts';
import { writeToRecorder } from '../../appliance/protocol/recorder-socket.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { openFile, playAll } from './open-rcrec.ts';
import { digestOf, manifestOf, receiptOf, TestRecorder } from './open-recorder.ts';
import { HEIGHT, random, TestStream, WIDTH } from './test-stream.ts';

const whole = { x: 0, y: 0, width: WIDTH, height: HEIGHT };
const HOST = 'support.example.com';

/** Once something is so, looked at whenever the folder changes. */
async function once(folder: string, isSo: () => boolean): Promise<void> {
  const watcher = watch(folder, { recursive: true });
  try {
    while (!isSo()) await new Promise(resolve => watcher.once('change', resolve));
  } finally {
    watcher.close();
  }
}

const finished = (recorder: TestRecorder, count: number) =>
  once(recorder.path('recordings'), () => recorder.finished().filter(path => path.endsWith('.rcrec')).length >= count);

test('H-03 H-05 a stream is proved while it comes, and finished with a manifest beside it', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const console = await recorder.bring(stream, stream.nonce);
  t.is(await console.at(), 0);
  console.data(stream.start());
  const early = stream.offset;
  t.deepEqual((await console.receipt(early)).digest, stream.digest());
  recorder.attested = early;
  console.data(concat(stream.beat(700), stream.fill(whole, [200, 1, 2]), stream.beat(100)));
  t.deepEqual((await console.receipt(stream.offset)).digest, stream.digest(), 'within a second or so');
  t.like(recorder.lives[0], { sid: stream.sid, nonce: toBase64Url(stream.nonce), isLive: true });
  console.data(stream.end());
  await console.receipt(stream.offset);
  t.deepEqual(recorder.finished(), [], 'the applet has yet to sign what the last receipt proves');
  await finished(recorder, 1);
  const [manifest = '', film = ''] = recorder.finished().sort();
  t.regex(film, /finished\/2024\/06\/01\/080000-[A-Za-z0-9_-]{22}-[A-Za-z0-9_-]{22}\.rcrec$/);
  t.is(manifest, film.replace('.rcrec', '.manifest.json'));
  const told = manifestOf(manifest);
  t.like(told, { sid: stream.sid, sub: 'tina', isWhole: true, offset: stream.offset, durationMs: 800, forced: true });
  t.is(told.sha256, digestOf(film));
  t.like(receiptOf(told), { offset: stream.offset, digest: stream.digest() });
  const { offset: attested, receipt } = told.attested ?? { offset: 0, receipt: null };
  t.is(attested, early);
  t.like(
    receiptOf({ receipt }),
    { offset: early, digest: stream.digest(early) },
    'for the place the applet has signed, too',
  );
  const file = await openFile(Uint8Array.from(readFileSync(film)));
  t.is((await playAll(file)).at(-1)?.ms, 800);
  t.deepEqual(recorder.writing(), []);
  await once(recorder.path('recorder'), () => readdirSync(recorder.path('recorder')).length === 0);
});

test('H-03 kill -9 of the recorder costs nothing: the next one goes on, and there is one recording', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  let console = await recorder.bring(stream, stream.nonce);
  await console.at();
  console.data(stream.start());
  await console.receipt(stream.offset);
  for (let round = 0; round < 3; round++) {
    console.data(concat(stream.beat(300), stream.fill({ ...whole, width: 20 + round }, [round, 9, 9])));
    await recorder.kill();
    await recorder.startProcess();
    console = await recorder.bring(stream, stream.nonce);
    console.data(stream.bytes.slice(await console.at()));
    t.deepEqual((await console.receipt(stream.offset)).digest, stream.digest());
  }
  console.data(stream.end());
  await finished(recorder, 1);
  const [manifest = '', film = ''] = recorder.finished().sort();
  t.is(recorder.finished().length, 2);
  t.is(manifestOf(manifest).sha256, digestOf(film));
  t.false((await openFile(Uint8Array.from(readFileSync(film)))).isCut);
});

test('H-03 killed before a finished stream has its manifest, the next recorder finishes it', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  recorder.isPortalAway = false;
  const console = await recorder.bring(stream, stream.nonce);
  await console.at();
  recorder.isPortalAway = true;
  console.data(concat(stream.start(), stream.end()));
  await console.receipt(stream.offset);
  t.deepEqual(recorder.finished(), [], 'nothing is finished without a manifest');
  await recorder.kill();
  await recorder.startProcess();
  recorder.isPortalAway = false;
  await finished(recorder, 1);
  const [manifest = ''] = recorder.finished().sort();
  t.like(manifestOf(manifest), { isWhole: true, offset: stream.offset });
  t.like(receiptOf(manifestOf(manifest)), { offset: stream.offset, digest: stream.digest() });
});

for (const why of ['whole', 'refused'] as const)
  test(`H-03 killed between the portal’s word and the film’s place, it is that very film: ${why}`, async t => {
    await using recorder = await TestRecorder.start();
    const stream = new TestStream();
    const console = await recorder.bring(stream, stream.nonce);
    await console.at();
    const year = recorder.path('recordings', 'finished', '2024');
    writeFileSync(year, 'in the way');
    console.data(stream.start());
    await console.receipt(stream.offset);
    console.data(why === 'whole' ? stream.end() : new Uint8Array(300).fill(200));
    await recorder.portalTold(() => recorder.finishedRecordings.length > 0);
    await recorder.kill();
    rmSync(year);
    await recorder.startProcess();
    await finished(recorder, 1);
    const [manifest = '', film = ''] = recorder.finished().sort();
    t.is(manifestOf(manifest).sha256, digestOf(film));
    t.is(
      new Set(recorder.finishedRecordings.map(({ sha256 }) => sha256)).size,
      1,
      'one film, however often it is told',
    );
    t.like(receiptOf(manifestOf(manifest)), { offset: stream.offset, digest: stream.digest() });
    t.is(manifestOf(manifest).isWhole, why === 'whole');
    const marks = (await playAll(await openFile(Uint8Array.from(readFileSync(film))))).flatMap(step => step.marks);
    t.is(marks.filter(mark => mark.includes('"note"')).length, why === 'whole' ? 0 : 1);
  });

test('H-03 without its journal a film has one end, too, however often its place can’t be had', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const console = await recorder.bring(stream, stream.nonce);
  console.data(stream.start());
  await console.receipt(stream.offset);
  await recorder.kill();
  rmSync(recorder.path('recorder'), { recursive: true });
  const year = recorder.path('recordings', 'finished', '2024');
  writeFileSync(year, 'in the way');
  await recorder.startProcess();
  await recorder.portalTold(() => recorder.finishedRecordings.length > 1);
  rmSync(year);
  await finished(recorder, 1);
  const [manifest = '', film = ''] = recorder.finished().sort();
  t.is(manifestOf(manifest).sha256, digestOf(film));
  t.is(new Set(recorder.finishedRecordings.map(({ sha256 }) => sha256)).size, 1);
});

test('H-03 attack: a finished stream that is brought again, shorter, takes nobody’s place', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const start = stream.start();
  const all = concat(start, stream.fill(whole, [1, 2, 3]), stream.end());
  (await recorder.bring(stream, stream.nonce)).data(all);
  await finished(recorder, 1);
  const [manifest = '', film = ''] = recorder.finished().sort();
  const digest = digestOf(film);
  const settled = () => once(recorder.path('recorder'), () => readdirSync(recorder.path('recorder')).length === 0);
  await settled();
  const console = await recorder.bring(stream, stream.nonce);
  t.is(await console.at(), 0);
  const other = new TestStream();
  other.bytes = start;
  console.data(concat(start, other.end()));
  await once(recorder.path('recordings'), () => recorder.writing().some(name => name.endsWith('.second')));
  t.deepEqual(
    [recorder.finished().sort(), digestOf(film), manifestOf(manifest).sha256],
    [[manifest, film], digest, digest],
  );
  await settled();
  const films = new KeptRecordings(recorder.path('recordings'));
  const [year, day] = [365 * 86_400_000, 86_400_000];
  const now = Date.now();
  const kept = await films.before(now + year);
  t.deepEqual(
    kept.map(({ sessionId }) => sessionId),
    [stream.sid, stream.sid],
    'retention sees both',
  );
  await films.remove(kept[1] as (typeof kept)[number]);
  t.is(recorder.writing().length, 0);
  const another = recorder.path('recordings', 'writing', `${toBase64Url(new TestStream().nonce)}-${stream.sid}.second`);
  writeFileSync(another, 'a film');
  t.like(await films.removeOf(stream.sid, now - day, now), { films: 1 }, 'and an erasure reaches it');
  t.false(existsSync(another));
});

test('H-03 a file that can’t be read when a recorder starts costs its own stream, and no other', async t => {
  await using recorder = await TestRecorder.start();
  const [bad, good] = [new TestStream(), new TestStream()];
  const file = recorder.path('recordings', 'writing', `${toBase64Url(bad.nonce)}.rcrec`);
  await recorder.kill();
  mkdirSync(file); // as one whose blocks the disk doesn't give
  await recorder.startProcess();
  const console = await recorder.bring(good, good.nonce);
  await console.at();
  console.data(concat(good.start(), good.end()));
  await console.receipt(good.offset);
  t.is(await (await recorder.bring(bad, bad.nonce)).closed, 1012);
  rmdirSync(file);
  await finished(recorder, 1);
  const again = await recorder.bring(bad, bad.nonce);
  t.is(await again.at(), 0, 'once it is well again');
});

test('H-03 attack: one session that opens stream after stream takes no other’s room', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  for (let n = 0; n < 32; n++) await (await recorder.bring(stream, random(16))).at();
  const more = await recorder.bring(stream, random(16));
  t.is(await more.closed, 1012, 'to come back when there is room');
  const other = new TestStream();
  t.is(await (await recorder.bring(other, other.nonce)).at(), 0);
});

test('K-01 a film whose session was erased meanwhile is dropped, for that word of the portal and no other', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  recorder.refusal = [404, { code: 'internal.missing', message: 'there is no such call' }]; // a portal that is being set up
  const console = await recorder.bring(stream, stream.nonce);
  await console.at();
  console.data(concat(stream.start(), stream.end()));
  await console.receipt(stream.offset);
  const asked = () => recorder.finishedRecordings.length;
  while (asked() < 2) await new Promise(resolve => setImmediate(resolve));
  t.is(recorder.writing().length, 1);
  await recorder.kill();
  recorder.refusal = [404, { code: 'recording.erased', message: 'its session was erased' }];
  await recorder.startProcess();
  await once(recorder.path('recordings'), () => recorder.writing().length === 0);
  t.deepEqual(recorder.finished(), []);
  while (readdirSync(recorder.path('recorder')).length > 0) await new Promise(resolve => setImmediate(resolve));
  t.pass('its journal is gone, too');
});

test('H-03 without its journal a recording is finished as far as it goes, and the console is told that it is lost', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const first = await recorder.bring(stream, stream.nonce);
  await first.at();
  first.data(stream.start());
  await first.receipt(stream.offset);
  await recorder.kill();
  renameSync(recorder.path('recorder'), recorder.path('elsewhere'));
  await recorder.startProcess();
  const again = await recorder.bring(stream, stream.nonce);
  t.true(await again.state('lost'));
  await finished(recorder, 1);
  const [manifest = ''] = recorder.finished().sort();
  t.like(manifestOf(manifest), { isWhole: false, offset: stream.offset, receipt: null });
});

test('H-03 a share that is gone or full stops receipts and is told; when it is back all goes on, with a mark', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const console = await recorder.bring(stream, stream.nonce);
  await console.at();
  console.data(stream.start());
  await console.receipt(stream.offset);

  renameSync(recorder.path('recordings'), recorder.path('unmounted'));
  console.data(concat(stream.beat(300), stream.fill(whole, [1, 1, 1])));
  t.true(await console.state('share-gone'));
  const proved = console.messages.filter(({ type }) => type === 'receipt').length;
  renameSync(recorder.path('unmounted'), recorder.path('recordings'));
  t.deepEqual((await console.receipt(stream.offset)).digest, stream.digest());
  t.true(await console.state('recording'));
  t.is(console.messages.filter(({ type }) => type === 'receipt').length, proved + 1);

  // No file of this process may become longer: that is what a full disk looks like, and it can be undone.
  const limit = (bytes: string) => execFileSync('prlimit', ['--pid', `${recorder.pid}`, `--fsize=${bytes}:unlimited`]);
  limit('2000');
  console.data(concat(stream.beat(300), stream.noise(60, 60)));
  t.true(await console.state('share-full'));
  limit('unlimited');
  t.deepEqual((await console.receipt(stream.offset)).digest, stream.digest());
  console.data(stream.end());
  await finished(recorder, 1);
  const film = recorder.finished().find(path => path.endsWith('.rcrec')) ?? '';
  const marks = (await playAll(await openFile(Uint8Array.from(readFileSync(film))))).flatMap(one => one.marks);
  t.true(marks.some(mark => mark.includes('share-gone')) && marks.some(mark => mark.includes('share-full')));
  const lives = recorder.lives.map(({ isLive }) => isLive);
  const turns = lives.filter((isLive, at) => isLive !== lives[at - 1]);
  t.deepEqual(turns.slice(0, 5), [true, false, true, false, true], 'and so does the portal, which tells the admins');
});

test('H-03 without the signer nothing is proved, and what came is proved when it is back', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const console = await recorder.bring(stream, stream.nonce);
  await console.at();
  await recorder.stopSigner();
  console.data(stream.start());
  t.true(await console.state('signer-away'));
  await recorder.startSigner();
  t.deepEqual((await console.receipt(stream.offset)).digest, stream.digest());
});

test('H-03 attack: no token, a used one, another page, another session’s stream: refused, and nothing is recorded', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const grant = { sid: stream.sid, sub: stream.sub };
  const peer = { 'x-appliance-peer': '192.0.2.7' };
  const own = { host: HOST, origin: `https://${HOST}`, ...peer };
  t.is(await recorder.connect(toBase64Url(random(32))).refused, 403, 'a token nobody gave');
  t.is(await recorder.connect('short').refused, 403);
  for (const origin of ['https://evil.example.com', 'null', `http://${HOST}`])
    t.is(await recorder.connect(recorder.token(grant), { ...own, origin }).refused, 403, origin);
  t.is(await recorder.connect(recorder.token(grant), { host: HOST, ...peer }).refused, 403, 'no origin');
  t.is(await recorder.connect(recorder.token(grant), { host: HOST, origin: own.origin }).refused, 403, 'from nowhere');
  const token = recorder.token(grant);
  await recorder.connect(token).opened;
  t.is(await recorder.connect(token).refused, 403, 'used up');
  recorder.isPortalAway = true;
  t.is(await recorder.connect(recorder.token(grant)).refused, 503);
  recorder.isPortalAway = false;

  const strangers: [string, { sid: typeof grant.sid; sub: string }][] = [
    ['another session', { ...grant, sid: sessionIdFrom(random(16)) }],
    ['another technician', { ...grant, sub: 'mallory' }],
  ];
  const bytes = stream.start();
  for (const [what, other] of strangers) {
    const console = await recorder.bring(other, stream.nonce);
    console.data(bytes);
    t.true(await console.state('refused'), what);
    t.is(await console.closed, 1008, what);
  }
  const renamed = await recorder.bring(grant, random(16));
  await renamed.at();
  renamed.data(bytes);
  t.true(await renamed.state('refused'), 'under another name');
  const early = recorder.connect(recorder.token(grant));
  await early.opened;
  early.send(writeToRecorder({ type: 'data', bytes }));
  t.is(await early.closed, 1008, 'bytes before the name');
});

test('H-03 another connection of the same technician takes the stream over, and the first one ends', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const first = await recorder.bring(stream, stream.nonce);
  await first.at();
  first.data(stream.start());
  await first.receipt(stream.offset);
  const second = await recorder.bring(stream, stream.nonce);
  t.is(await second.at(), stream.offset);
  t.is(await first.closed, 1000);
  await second.receipt(stream.offset); // the last one again: it may have been lost
  const intruder = await recorder.bring({ sid: stream.sid, sub: 'mallory' }, stream.nonce);
  t.true(await intruder.state('refused'));
  second.data(stream.end());
  await second.receipt(stream.offset);
});

test('A-06 the recorder ends when it is told to, and what came stays for the next one', async t => {
  await using recorder = await TestRecorder.start();
  const stream = new TestStream();
  const console = await recorder.bring(stream, stream.nonce);
  await console.at();
  console.data(stream.start());
  await console.receipt(stream.offset);
  await recorder.kill('SIGTERM');
  t.is(await console.closed, 1012);
  t.true(existsSync(recorder.path('recorder', `${toBase64Url(stream.nonce)}.journal`)));
  await recorder.startProcess();
  t.is(await (await recorder.bring(stream, stream.nonce)).at(), stream.offset);
  t.is(basename(dirname(recorder.path('recordings', 'writing', 'x'))), 'writing');
});

test('H-01 the recorder makes the AVI by itself, and the next one does after kill -9', async t => {
  await using recorder = await TestRecorder.start();
  recorder.format = 'both';
  const stream = new TestStream();
  const console = await recorder.bring(stream, stream.nonce);
  await console.at();
  console.data(concat(stream.start(), ...Array.from({ length: 600 }, () => stream.beat(1000)), stream.end()));
  await console.receipt(stream.offset);
  await finished(recorder, 1);
  const half = () => readdirSync(recorder.path('recordings', 'converting')).some(name => name.endsWith('.part'));
  await once(recorder.path('recordings'), half);
  await recorder.kill(); // in the middle of it
  t.true(half());
  t.false(recorder.finished().some(path => path.endsWith('.avi')));
  await recorder.startProcess();
  await once(recorder.path('recordings'), () => recorder.finished().some(path => path.endsWith('.avi')));
  const avi = recorder.finished().find(path => path.endsWith('.avi')) ?? '';
  t.is(manifestOf(`${avi}.manifest.json`).sha256, digestOf(avi));
  const args = ['-v', 'error', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', avi];
  t.is(execFileSync('ffprobe', args).toString().trim(), '3001');
});
