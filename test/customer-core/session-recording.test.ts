// A recorded picture in a session, from the yes to the receipts, with a console that brings them or doesn't.
import { createHash, createPublicKey, verify } from 'node:crypto';
import test from 'ava';
import { LAST_RECEIPTS_MS } from '../../appliance/customer-core/claimed-session.ts';
import { MAX_UNPROVED_MS } from '../../appliance/customer-core/recorded-stream.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { concat, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { RecordedReader } from '../../appliance/protocol/recorded-stream.ts';
import {
  parseRecordingNews,
  RECORDING_PRIORITY,
  RECORDING_STREAM,
  type RecordingNews,
  writeRecording,
} from '../../appliance/protocol/recording.ts';
import type { BeginMark, Mark } from '../../appliance/protocol/recording-marks.ts';
import { ATTESTATION_DOMAIN, parseAttestation } from '../../appliance/protocol/recording-receipt.ts';
import { signedMessage } from '../../appliance/protocol/signed.ts';
import { policy, TestAppliance, type TestConsole, turns } from './test-appliance.ts';
import { OwnHands, TestDesktop, WatchedScreen } from './test-desktop.ts';

const VIEWING = 'launch-desktop-viewing';
const CONTROL = 'launch-remote-control';
const RECORDING = 'record-sessions';
/** Raw pictures of 320 × 200, asked for one by one. */
const OPENING = concat(utf8Bytes('RFB 003.008\n'), Uint8Array.of(1, 1, 2, 0, 0, 1, 0, 0, 0, 0));
const ASK = Uint8Array.of(3, 1, 0, 0, 0, 0, 1, 64, 0, 200);

class Recorded {
  readonly desktop = new TestDesktop();
  readonly at: TestAppliance;
  readonly console: TestConsole;
  readonly news: RecordingNews[] = [];
  screen: WatchedScreen;
  readonly #stream;
  readonly #grant: number;

  private constructor(at: TestAppliance, desktop: TestDesktop, console: TestConsole, grant: number) {
    this.at = at;
    this.desktop = desktop;
    this.console = console;
    this.#grant = grant;
    this.#stream = console.link.openStream(RECORDING_STREAM, RECORDING_PRIORITY);
    this.#stream.listen({ message: bytes => void this.news.push(parseRecordingNews(bytes)) });
    this.screen = new WatchedScreen(console);
  }

  /** @param isAllowed whether the customer says yes to a recording that is not forced */
  static async open({
    forcedRecording = true,
    recorded = true,
    isAllowed = true,
    pauseRecording = false,
  } = {}): Promise<Recorded> {
    const desktop = new TestDesktop();
    const at = new TestAppliance({
      desktop,
      policy: { actions: [...policy.actions, RECORDING].sort(), forcedRecording, pauseRecording },
    });
    await at.start();
    const console = await at.connect();
    const open = new Recorded(at, desktop, console, grantOf(console, await console.ask(VIEWING)));
    if (!forcedRecording && recorded && isAllowed) await console.ask(RECORDING);
    await open.watch();
    return open;
  }

  /** Opens the picture and asks for the first one. */
  async watch(): Promise<void> {
    this.screen.control({ type: 'open', grant: this.#grant, monitor: 0, quality: 'sharp' });
    await turns();
    this.screen.send(OPENING);
    await this.picture(1);
  }

  async again(): Promise<void> {
    this.screen = new WatchedScreen(this.console);
    this.screen.control({ type: 'open', grant: this.#grant, monitor: 0, quality: 'sharp' });
    await turns();
  }

  /** Something is drawn, and the console asks to see it. @returns bytes that came */
  async picture(value: number): Promise<number> {
    const before = this.screen.rfb.length;
    this.desktop.screen.paint(value);
    this.screen.send(ASK);
    await this.at.pass(50);
    await turns(20);
    return this.screen.rfb.length - before;
  }

  get marks(): Mark[] {
    return new RecordedReader()
      .push(this.screen.recorded)
      .flatMap(piece => (piece.type === 'mark' ? [piece.mark] : []));
  }

  get begin(): BeginMark {
    const [first] = this.marks;
    if (first?.type !== 'begin') throw new Error('it does not begin');
    return first;
  }

  /** The recorder proves all that has come. */
  async prove(bytes: Bytes = this.screen.recorded): Promise<void> {
    const { sid, linkId, nonce } = this.begin;
    const digest = new Uint8Array(createHash('sha256').update(bytes).digest());
    const receipt = { sid, linkId, nonce, digest, offset: bytes.length, time: this.at.clock.now() };
    this.#stream.send(writeRecording({ type: 'receipt', ...this.at.receipt(receipt) }));
    await turns(20);
  }

  async lost(nonce: Bytes): Promise<void> {
    this.#stream.send(writeRecording({ type: 'lost', nonce }));
    await turns(20);
  }

  /** What a console says, whatever it was told. */
  async pause(paused: boolean): Promise<void> {
    this.#stream.send(writeRecording({ type: 'pause', paused }));
    await turns(40);
  }

  get isRecorded(): boolean {
    return this.screen.isMarked;
  }

  get state(): string {
    return this.news.at(-1)?.state ?? 'none';
  }
}

function grantOf(console: TestConsole, request: Bytes): number {
  const started = console.consentHeard.find(
    message => message.type === 'started' && message.request.every((byte, index) => byte === request[index]),
  );
  return started?.type === 'started' ? started.grantNumber : 0;
}

test('H-03 forced: one picture, then neither picture nor input before its receipt, and both with it', async t => {
  const open = await Recorded.open();
  t.true(open.screen.rfb.length > 320 * 200 * 4, 'the first picture');
  t.is(open.state, 'waiting');
  const number = grantOf(open.console, await open.console.ask(CONTROL));
  const hands = new OwnHands(open.console);
  await open.at.pass(600);
  t.is(hands.states.at(-1), 'unrecorded');
  hands.key(number, 97);
  t.is(await open.picture(2), 0);
  t.false(open.desktop.hands.done.includes('key 97'));
  await open.prove();
  t.is(open.state, 'proved');
  t.is(hands.states.at(-1), 'on');
  t.is(open.at.view.state.recording, 'on');
  hands.key(number, 98);
  hands.pointer(number, 10, 20);
  t.true((await open.picture(3)) > 320 * 200 * 4);
  t.true(open.desktop.hands.done.includes('key 98'));
  await open.at.pass(1100);
  const told = open.marks.filter(({ type }) => type === 'pointer' || type === 'beat');
  t.true(told.some(mark => mark.type === 'pointer' && mark.x === 10 && mark.y === 20));
  t.is(
    told.reduce((sum, mark) => sum + (mark.type === 'beat' ? mark.keys : 0), 0),
    1,
    'a key is counted, and not told',
  );
});

test('H-03 attack doctored-console: who brings nothing to the recorder gets one picture, and both people are told', async t => {
  const open = await Recorded.open();
  await open.at.pass(5000);
  t.is(await open.picture(2), 0);
  t.is(open.state, 'unproved');
  t.is(open.at.view.state.recording, 'held');
  const held = open.at.hostLog.lines.at(-1);
  t.like(held, { event: 'recording-held', bytes: open.screen.recorded.length });
  const [, sentAt = ''] = /^not proved since (\S+) ±0 ms$/.exec(held?.detail ?? '') ?? [];
  const since = Date.parse(sentAt);
  t.true((held?.at ?? 0) - since <= MAX_UNPROVED_MS + 1, 'the customer’s own log tells how long that was');
  await open.prove();
  t.is(open.at.hostLog.lines.at(-1)?.event, 'recording-resumed');
  t.is(open.state, 'proved');
  await open.picture(3);
  t.true(
    open.marks.some(mark => mark.type === 'state' && mark.state === 'unrecorded'),
    'the gap is marked',
  );
});

test('H-03 attack: receipts for something else, of nobody and of another session open nothing', async t => {
  const open = await Recorded.open();
  await open.prove(open.screen.recorded.slice().fill(1, 300, 301));
  await open.prove(open.screen.recorded.subarray(0, 100));
  t.is(open.state, 'waiting');
  t.true(open.at.session.refused.of('recording') >= 2);
  await open.prove();
  t.is(open.state, 'proved');
});

test('H-05 what was proved is counter-signed on the own leg, with the digest of what the console got', async t => {
  const open = await Recorded.open();
  await open.prove();
  open.screen.stream.reset(0);
  await turns(20);
  const message = open.at.leg.heard.findLast(one => one.type === 'attestation');
  if (message?.type !== 'attestation') return t.fail('nothing was attested');
  const { digest, offset, nonce } = parseAttestation(message.payload);
  t.deepEqual(digest, new Uint8Array(createHash('sha256').update(open.screen.recorded.subarray(0, offset)).digest()));
  t.deepEqual(nonce, open.begin.nonce);
  const key = createPublicKey({ key: Buffer.from(open.at.appletKey), format: 'der', type: 'spki' });
  const signed = signedMessage(ATTESTATION_DOMAIN, message.payload);
  t.true(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, message.signature));
});

test('H-03 attack open-look-reset-repeat: no other picture before the last is proved, or lost, which is twice at most', async t => {
  const open = await Recorded.open();
  for (let look = 0; look < 3; look++) {
    const { nonce } = open.begin;
    open.screen.stream.reset(0);
    await turns(20);
    await open.again();
    t.is(open.state, look < 2 ? 'debt' : 'lost');
    t.is(open.screen.rfb.length, 0);
    await open.lost(nonce);
    if (look === 2) break;
    t.true(open.screen.rfb.length > 0, 'it goes on');
    t.true(open.marks.some(({ type }) => type === 'loss'));
    open.screen.send(OPENING);
    await open.picture(look + 2);
  }
  t.is(open.screen.rfb.length, 0);
});

test('H-03 where it is not forced a picture is recorded when the technician asks and the customer allows it, and waits for no receipt', async t => {
  const open = await Recorded.open({ forcedRecording: false });
  t.true((await open.picture(2)) > 0);
  await open.at.pass(6000);
  t.true((await open.picture(3)) > 0);
  t.is(open.at.view.state.recording, 'on');
  const plain = await Recorded.open({ forcedRecording: false, recorded: false });
  t.true((await plain.picture(2)) > 0);
  t.throws(() => plain.marks, { code: 'protocol.malformed' }, 'there are none');
  t.is(plain.at.view.state.recording, 'none');
});

test('D-02 D-04 what need not be recorded is not, without the customer’s yes, and his stop ends it', async t => {
  const open = await Recorded.open({ forcedRecording: false, isAllowed: false });
  t.throws(() => open.marks, { code: 'protocol.malformed' }, 'a console that wants it recorded gets a plain picture');
  t.is(open.at.view.state.recording, 'none');
  await open.console.ask(RECORDING, 'no');
  await open.again();
  t.is(open.at.view.state.recording, 'none');
  await open.at.pass(3000);
  t.deepEqual(open.console.about(await open.console.ask(RECORDING)), ['asked', 'answer:yes', 'started']);
  await open.again();
  await open.picture(1);
  t.false(open.begin.forced);
  t.is(open.at.view.state.recording, 'on');
  const running = open.at.view.state.running.find(({ action }) => action === RECORDING);
  open.at.session.customerAway(true); // the film goes on as the picture does
  open.at.session.customerAway(false);
  open.at.session.stop(running?.id ?? '');
  await turns(20);
  t.deepEqual(open.screen.ends, ['unrecorded']);
  t.is(open.marks.at(-1)?.type, 'end');
  t.deepEqual(
    open.at.view.state.running.map(({ action }) => action),
    [VIEWING],
  );
  await open.again();
  t.is(open.at.view.state.recording, 'none', 'the picture goes on, and nobody keeps it');
});

test('D-04 a recording that is not forced ends with its permission, and with the picture', async t => {
  const open = await Recorded.open({ forcedRecording: false });
  const narrower = { ...open.at.policy, actions: [...policy.actions] };
  open.at.leg.send({ type: 'narrowed', policy: canonicalBytes(narrower) });
  await turns(20);
  t.deepEqual(open.screen.ends, ['unrecorded']);
  const other = await Recorded.open({ forcedRecording: false });
  other.at.session.stop(other.at.view.state.running.find(({ action }) => action === VIEWING)?.id ?? '');
  await turns(20);
  t.deepEqual(other.at.view.state.running, []);
  const late = await other.console.request(RECORDING);
  t.deepEqual(other.console.about(late), ['end:appliance:viewing-first']);
});

test('H-03 when recording becomes forced a picture that is not held to it ends, and comes again recorded', async t => {
  const open = await Recorded.open({ forcedRecording: false, recorded: false });
  open.at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...open.at.policy, forcedRecording: true }) });
  await turns();
  t.deepEqual(open.screen.ends, ['unrecorded']);
  await open.again();
  t.true(open.begin.forced);
});

test('H-02 the stream describes itself: begin, monitors, format between pictures, actions, chat, beats, end', async t => {
  const open = await Recorded.open();
  await open.prove();
  open.at.session.chat('a word');
  await open.at.pass(1100);
  open.at.session.stop(open.at.view.state.running[0]?.id ?? '');
  await turns(20);
  const types = open.marks.map(({ type }) => type);
  t.is(types[0], 'begin');
  for (const type of ['monitors', 'format', 'beat', 'action']) t.true(types.includes(type as Mark['type']), type);
  t.is(types.at(-1), 'end');
  const times = open.marks.map(({ at }) => at);
  t.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  await open.prove();
  t.is(open.state, 'idle');
});

test('H-01 D-02 the customer ends: nothing runs from then on, and what was recorded is proved to its end', async t => {
  const open = await Recorded.open();
  await open.prove();
  const number = grantOf(open.console, await open.console.ask(CONTROL));
  const hands = new OwnHands(open.console);
  await open.at.pass(600);
  const { leg } = open.at;
  const ended = open.at.session.end('customer');
  t.is(open.at.view.state.phase, 'ended');
  hands.key(number, 97);
  await turns(20);
  t.is(open.marks.at(-1)?.type, 'end');
  t.is(await open.picture(2), 0);
  t.false(open.desktop.hands.done.includes('key 97'));
  const heard = open.console.consentHeard.length;
  await t.throwsAsync(open.console.ask(VIEWING), { message: /no question/ });
  t.is(open.console.consentHeard.length, heard, 'nothing is asked any more');
  t.is(open.console.link.state.state, 'open');
  await open.prove();
  t.is(open.console.link.state.state, 'closed');
  const message = leg.heard.findLast(one => one.type === 'attestation');
  t.is(message?.type === 'attestation' && parseAttestation(message.payload).offset, open.screen.recorded.length);
  t.is(leg.heard.at(-1)?.type, 'end', 'told last');
  await open.at.pass(5000);
  await ended;
  t.is(open.at.view.state.phase, 'ended');
});

test('H-03 attack: who brings no receipt at the end holds the link for two seconds, and no longer', async t => {
  const open = await Recorded.open();
  const ended = open.at.session.end('customer');
  await open.at.pass(LAST_RECEIPTS_MS - 100);
  t.is(open.console.link.state.state, 'open');
  await open.at.pass(200);
  t.is(open.console.link.state.state, 'closed');
  await open.at.pass(5000);
  await ended;
});

test('H-03 what is not recorded ends at once, and what the appliance ends waits for nothing', async t => {
  const plain = await Recorded.open({ forcedRecording: false, recorded: false });
  void plain.at.session.end('customer');
  await turns(20);
  t.is(plain.console.link.state.state, 'closed');
  const open = await Recorded.open();
  open.at.leg.send({ type: 'ended', reason: 'ended', head: '' });
  await turns(20);
  t.is(open.console.link.state.state, 'closed');
});

test('H-01 a pause ends the recording with a mark, and what goes on names it and how long that was; both people see it', async t => {
  const open = await Recorded.open({ forcedRecording: false, pauseRecording: true });
  t.like(open.news.at(-1), { mayPause: true, pausedAt: null });
  const before = open.begin.nonce;
  const [began, localBegan] = [open.at.clock.now(), open.at.view.state.running[0]?.since];
  await open.pause(true);
  t.deepEqual(open.screen.ends, ['paused']);
  t.like(open.marks.at(-1), { type: 'end', why: 'paused' });
  t.like(open.news.at(-1), { mayPause: true, pausedAt: began });
  t.is(open.at.view.state.recordingPausedAt, open.at.clock.now());
  t.not(localBegan, undefined);
  await open.again();
  await open.picture(2);
  t.false(open.isRecorded, 'the picture goes on, and nobody keeps it');
  t.is(open.at.view.state.recording, 'none');
  await open.at.pass(247_000);
  const asked = open.console.consentHeard.length;
  await open.pause(false);
  t.deepEqual(open.screen.ends, ['unrecorded']);
  t.is(open.console.consentHeard.length, asked, 'nobody is asked anew');
  await open.again();
  await open.picture(3);
  t.like(open.begin, { after: before, pausedMs: 247_050, forced: false });
  t.like(open.news.at(-1), { mayPause: true, pausedAt: null });
  t.is(open.at.view.state.recordingPausedAt, null);
  t.is(open.at.view.state.recording, 'on');
  const told = open.at.reports.filter(({ action, stage }) => action === RECORDING && /paused|resumed/.test(stage));
  t.deepEqual(
    told.map(({ stage, detail }) => `${stage}: ${detail}`),
    ['paused: technician', 'resumed: technician'],
  );
  const logged = open.at.hostLog.lines.map(({ event }) => event).filter(event => event.startsWith('recording-'));
  t.deepEqual(logged.slice(-3), ['recording-paused', 'recording-gone-on', 'recording-started']);
  open.screen.stream.reset(0);
  await turns(20);
  await open.again();
  t.is(open.begin.after, null, 'said once');
});

test('H-01 attack pause-where-barred: no console pauses what the policy lets nobody pause, or what must be recorded', async t => {
  for (const policyOf of [
    { forcedRecording: false, pauseRecording: false },
    { forcedRecording: true, pauseRecording: true },
  ]) {
    const open = await Recorded.open(policyOf);
    if (policyOf.forcedRecording) await open.prove();
    t.like(open.news.at(-1), { mayPause: false, pausedAt: null });
    const refused = open.at.session.refused.of('stream');
    await open.pause(true);
    t.is(open.at.session.refused.of('stream'), refused + 1);
    t.deepEqual(open.screen.ends, []);
    const before = open.screen.recorded.length;
    await open.picture(2);
    t.true(open.screen.recorded.length > before, 'it is recorded all the same');
    t.is(open.at.view.state.recordingPausedAt, null);
    t.false(open.at.reports.some(({ stage }) => stage === 'paused'));
    await open.pause(false);
    open.screen.stream.reset(0);
    await turns(20);
    await open.prove();
    await open.again();
    t.true(open.isRecorded, 'nor by opening the picture once more');
  }
});

test('H-01 attack: a console that was allowed a recording can’t go on looking at the picture from before', async t => {
  const open = await Recorded.open({ forcedRecording: false, recorded: false });
  await open.console.ask(RECORDING);
  t.deepEqual(open.screen.ends, ['unrecorded']);
  t.is(await open.picture(2), 0);
});

test('H-01 a pause ends when the policy lets nobody pause any more, and with the recording it is of', async t => {
  const open = await Recorded.open({ forcedRecording: false, pauseRecording: true });
  const before = open.begin.nonce;
  await open.pause(true);
  await open.again();
  open.at.leg.send({ type: 'narrowed', policy: canonicalBytes({ ...open.at.policy, pauseRecording: false }) });
  await turns(40);
  t.like(open.at.reports.at(-1), { stage: 'resumed', detail: 'appliance' });
  t.like(open.news.at(-1), { mayPause: false, pausedAt: null });
  await open.again();
  t.like(open.begin, { after: before });
  const other = await Recorded.open({ forcedRecording: false, pauseRecording: true });
  await other.pause(true);
  await other.again();
  other.at.session.stop(other.at.view.state.running.find(({ action }) => action === RECORDING)?.id ?? '');
  await turns(20);
  t.is(other.at.view.state.recordingPausedAt, null);
  t.like(other.news.at(-1), { mayPause: false, pausedAt: null });
  t.false(other.isRecorded, 'what was not recorded stays so');
  await other.pause(false);
  t.deepEqual(other.screen.ends, []);
});

test('H-01 a pause stays one while rights are frozen for a moment', async t => {
  const open = await Recorded.open({ forcedRecording: false, pauseRecording: true });
  await open.pause(true);
  await open.again();
  open.at.leases = false;
  await open.at.pass(61_000);
  t.true(open.at.view.state.notices.some(({ kind }) => kind === 'rights-frozen'));
  t.not(open.news.at(-1)?.pausedAt, null);
  t.not(open.at.view.state.recordingPausedAt, null);
  t.false(open.at.reports.some(({ stage }) => stage === 'resumed'));
});

test('H-01 a pause the appliance does not write down does not begin', async t => {
  const open = await Recorded.open({ forcedRecording: false, pauseRecording: true });
  open.at.acknowledges = false;
  await open.pause(true);
  t.deepEqual(open.screen.ends, []);
  await open.at.pass(5000);
  await turns(20);
  t.deepEqual(open.screen.ends, []);
  t.like(open.news.at(-1), { mayPause: true, pausedAt: null });
  t.like(open.at.reports.at(-1), { stage: 'resumed', detail: 'not paused: no answer' });
});
