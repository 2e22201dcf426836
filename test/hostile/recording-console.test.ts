// TRUST, recording receipts: doctored consoles against a live session of a real appliance. What lies sits between the console and
// the recorder; recorder, signer, portal, gateway and the customer's program are the real ones. Each attack ends the picture, not the
// chat; where the console is honest again all goes on by itself, and film and logs tell.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseSessionId } from '../../appliance/guid.ts';
import type { OpenSocket } from '../../appliance/link/web-socket-path.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { parseFromRecorder, parseToRecorder, writeToRecorder } from '../../appliance/protocol/recorder-socket.ts';
import { openFile, playAll } from '../recording/open-rcrec.ts';
import { TestStream } from '../recording/test-stream.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { BusyDesktop } from '../support/busy-desktop.ts';
import { heldPictures } from '../support/held-pictures.ts';
import { CONTROL, RecordedSession, VIEWING } from '../support/recorded-session.ts';
import type { Technician } from '../support/technician.ts';

const TRICKLE_MS = 400;

/** What a doctored console does between itself and the recorder. */
class Liar {
  /** Of what goes up; null: it is kept back. */
  up: (bytes: Bytes) => Bytes | null = bytes => bytes;
  /** Of what comes down. */
  down: (bytes: Bytes) => Bytes | null = bytes => bytes;
  #sockets: { readonly real: OpenSocket; readonly kept: Bytes[] }[] = [];

  wrap(real: OpenSocket): OpenSocket {
    const kept: Bytes[] = [];
    const hear = (bytes: Bytes) => face.onmessage?.({ data: bytes.slice().buffer } as never);
    const face: OpenSocket = {
      ...{ binaryType: 'arraybuffer', readyState: 1, onmessage: null, onclose: null, onerror: null },
      get bufferedAmount() {
        return real.bufferedAmount;
      },
      send: bytes => {
        const told = parseToRecorder(bytes).type === 'data' ? this.up(bytes) : bytes;
        if (told === null || kept.length > 0) kept.push(bytes);
        else real.send(told);
      },
      close: () => real.close(),
    };
    real.binaryType = 'arraybuffer';
    real.onmessage = ({ data }: { readonly data: ArrayBuffer }) => {
      const told = this.down(new Uint8Array(data));
      if (told !== null) hear(told);
    };
    real.onclose = () => face.onclose?.({} as never);
    real.onerror = () => real.close();
    this.#sockets.push({ real, kept });
    return face;
  }

  /** One piece of what is kept back goes up. */
  trickle(): void {
    const { real, kept } = this.#last;
    const bytes = kept.shift();
    if (bytes !== undefined) real.send(bytes);
  }

  /** From now on it says and hears what there is; what was kept back goes up. */
  repent(): void {
    this.up = bytes => bytes;
    this.down = bytes => bytes;
    for (const { real, kept } of this.#sockets)
      for (const bytes of kept.splice(0)) if (real.readyState === 1) real.send(bytes);
  }

  /** Connects anew: the recorder says again what it has proved. */
  reconnect(): void {
    this.#last.real.close();
  }

  get #last() {
    const socket = this.#sockets.at(-1);
    if (socket === undefined) throw new Error('the recorder was never reached');
    return socket;
  }
}

let appliance: Appliance;
let desktop: BusyDesktop;
let work: RecordedSession;
let openHonestly: Technician['openRecorder'];
const liar = new Liar();

test.before(async () => {
  const rootPolicy = { forcedRecording: true, recordingFormat: 'rcrec' } as const;
  appliance = await startAppliance({ accounts: true, recorder: true, rootPolicy });
  desktop = new BusyDesktop();
  work = await RecordedSession.begin(appliance, desktop, open => {
    openHonestly = open;
    return async id => liar.wrap(await open(id));
  });
  await work.allow(CONTROL);
});
test.after.always(async () => {
  await work?.[Symbol.asyncDispose]();
  desktop?.[Symbol.dispose]();
  await appliance?.close();
});

/** One line each way, and both in the log. */
async function chats(t: ExecutionContext, about: string): Promise<void> {
  const { technician, customer, session } = work;
  const lines = [`Carl: ${about}`, `Tina: ${about}`];
  customer.session.chat(lines[0] ?? '');
  session.write(lines[1] ?? '');
  await customer.line(lines[0] ?? '', ({ isPending }) => !isPending);
  await customer.line(lines[1] ?? '');
  const { chat } = await technician.api.detail(session.id);
  t.deepEqual(
    chat
      .map(({ text }) => text)
      .filter(text => lines.includes(text ?? ''))
      .sort(),
    lines,
  );
}

/** Nothing is shown, nothing is taken, and people can talk. */
async function isHeld(t: ExecutionContext, about: string): Promise<void> {
  const { customer, viewer } = work;
  await customer.untilThat(() => (customer.state.recording === 'held' ? true : undefined));
  await chats(t, about); // what was on its way has come
  const [frames, done] = [viewer.frames, desktop.hands.done.length];
  viewer.key('x'.charCodeAt(0));
  await chats(t, `still ${about}`);
  t.deepEqual([viewer.frames, desktop.hands.done.length], [frames, done], about);
}

async function goesOn(): Promise<void> {
  const { customer, technician } = work;
  await customer.untilThat(() => (customer.state.recording === 'on' ? true : undefined));
  await technician.untilThat(() => (work.isWell ? true : undefined));
  await work.nextFrame();
}

/** A genuine receipt, signed for another session of the same technician. */
async function receiptOfAnother(): Promise<Bytes> {
  const { technician } = work;
  const [{ session }, { member }] = [await technician.make('Dora'), await technician.api.start()];
  const stream = new TestStream(parseSessionId(session.id), member.id);
  stream.at = Date.now(); // nothing is recorded of a session before it is made
  const socket = await openHonestly(session.id);
  const heard = new Promise<Bytes>(resolve => {
    socket.onmessage = ({ data }: { readonly data: ArrayBuffer }) => {
      const bytes = new Uint8Array(data);
      if (parseFromRecorder(bytes).type === 'receipt') resolve(bytes);
    };
  });
  socket.send(writeToRecorder({ type: 'stream', nonce: stream.nonce }));
  socket.send(writeToRecorder({ type: 'data', bytes: stream.start() }));
  return heard.finally(() => socket.close());
}

const isReceipt = (bytes: Bytes) => parseFromRecorder(bytes).type === 'receipt';

test.serial(
  'H-03 replayed receipt, live: the picture stops, and goes on by itself once the real one comes',
  async t => {
    let first: Bytes | null = null;
    liar.down = bytes => {
      if (!isReceipt(bytes)) return bytes;
      first ??= bytes;
      return first;
    };
    await isHeld(t, 'replayed');
    liar.repent();
    liar.reconnect();
    await goesOn();
    t.not(first, null);
  },
);

test.serial('H-03 receipt of another session, live: genuine as it is, it proves nothing here', async t => {
  const other = await receiptOfAnother();
  liar.down = bytes => (isReceipt(bytes) ? other : bytes);
  await isHeld(t, 'of another');
  liar.repent();
  liar.reconnect();
  await goesOn();
});

test.serial('H-03 trickled upload, live: what falls behind by more than four seconds ends the picture', async t => {
  liar.up = () => null;
  const timer = setInterval(() => liar.trickle(), TRICKLE_MS);
  await isHeld(t, 'trickled');
  clearInterval(timer);
  liar.repent();
  await goesOn();
});

/** The picture is put away, and opened anew. */
async function opensAnew(): Promise<void> {
  const { session } = work;
  const known = session.requests.grantOf(VIEWING);
  const running = session.requests.live.find(({ action }) => action === VIEWING);
  if (known !== undefined && running !== undefined) session.stop(running.id);
  await work.allow(VIEWING);
}

test.serial(
  'H-03 open-look-reset-repeat, live: while a look is owed there is no other one; once it is paid the picture comes by itself',
  async t => {
    liar.up = () => null;
    await isHeld(t, 'kept back');
    const before = work.frames;
    for (let reset = 1; reset <= 3; reset++) {
      await opensAnew();
      await chats(t, `reset ${reset} times`);
      t.is(work.frames, before, `${reset} resets`);
    }
    liar.repent();
    await goesOn();
  },
);

test.serial(
  'H-03 doctored console, live: a changed byte ends the picture; the next one has the loss marked',
  async t => {
    let isDone = false;
    liar.up = bytes => {
      if (isDone || bytes.length < 200) return bytes;
      isDone = true;
      return bytes.with(1, 0xff); // where a length begins: a change that can still be drawn never fits a digest again
    };
    await isHeld(t, 'doctored');
    liar.repent();
    await opensAnew();
    await goesOn();
  },
);

test.serial('H-03 G-07 films and the customer’s own log tell of each attack', async t => {
  const log = work.customer.logFolder;
  await work.end();
  await appliance.processes.recorder.told('recording.finished', ({ bytes }) => Number(bytes) > 0);
  const held = heldPictures(log, desktop.screen.looks);
  t.true(held.length >= 4, JSON.stringify(held));
  for (const { unprovedMs, mostMs } of held) t.true(unprovedMs <= mostMs, `${unprovedMs} ms of ${mostMs} unproved`);
  const folder = join(appliance.dataFolder, 'recordings'); // what was given up is not finished yet
  const films = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.rcrec'));
  const marks: { readonly type: string; readonly state?: string }[] = [];
  for (const name of films) {
    const file = await openFile(Uint8Array.from(readFileSync(join(folder, name))));
    marks.push(...(await playAll(file)).flatMap(one => one.marks).map(json => JSON.parse(json)));
  }
  t.true(marks.filter(({ type, state }) => type === 'state' && state === 'unrecorded').length >= 3);
  t.true(
    marks.some(({ type }) => type === 'loss'),
    'what was lost is marked in the next film',
  );
});
