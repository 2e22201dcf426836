// A peer that holds the keys and wants too much of us: memory, time, or both.
import test from 'ava';
import {
  MAX_PATH_BACKLOG_BYTES,
  MAX_STREAM_QUEUE_BYTES,
  STREAM_CREDIT_BYTES,
  UNACKNOWLEDGED_BYTES,
} from '../../appliance/link/limits.ts';
import { WebSocketPath } from '../../appliance/link/web-socket-path.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { MAX_BULK_BYTES, RECORD } from '../../appliance/protocol/record.ts';
import { writeDataHead, writeEnd, writeOpen, writeReset, writeWindow } from '../../appliance/protocol/stream-frames.ts';
import { EvilPeer } from '../link/evil-peer.ts';
import { textBytes, turns, whenState } from '../link/support.ts';
import { ManualClock } from '../support/manual-clock.ts';

const MIB = 2 ** 20;
const data = (stream: number, length: number, last: boolean): Bytes =>
  concat(writeDataHead(stream, length, last), new Uint8Array(length));

/** Bytes this process holds outside and inside the heap. */
function held(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Sends record after record until the link has ended. @returns how many it took */
async function untilClosed(evil: EvilPeer, most: number, record: (index: number) => Bytes): Promise<number> {
  for (let i = 0; i < most; i++) {
    if (evil.honest.state.state === 'closed') return i;
    evil.send(record(i));
    if (i % 16 === 15) await turns(1);
  }
  await turns(4);
  return evil.honest.state.state === 'closed' ? most : Number.POSITIVE_INFINITY;
}

test('B-03 attack: 10⁵ streams: the seventeenth ends the link', async t => {
  await using evil = await EvilPeer.connect();
  let id = 0;
  const opens = () => concat(...Array.from({ length: 1000 }, () => writeOpen(2 * id++, 4, 'files')));
  t.is(await untilClosed(evil, 100, () => evil.data(opens())), 16);
  t.is(evil.honest.state.error?.code, 'link.limit');
});

test('B-03 attack: streams opened and reset again and again end the link as control frames do', async t => {
  const clock = new ManualClock();
  await using evil = await EvilPeer.connect({ clock });
  let id = 0;
  const churn = () => {
    const frames = concat(writeOpen(2 * id, 4, 'files'), writeReset(2 * id, 0));
    id++;
    return evil.data(frames);
  };
  const took = await untilClosed(evil, 1000, churn);
  t.true(took >= 200 && took < 300, String(took));
  t.is(evil.honest.state.error?.code, 'link.limit');
});

test('B-03 attack: a stream whose number is not the next, or that nobody opened, ends the link', async t => {
  for (const frame of [writeOpen(2, 2, 'chat'), writeOpen(1, 2, 'chat'), writeEnd(0), writeEnd(1), data(4, 1, true)]) {
    await using evil = await EvilPeer.connect();
    evil.send(evil.data(frame));
    t.is(await whenState(evil.honest, 'closed'), 'link.protocol');
  }
});

test('B-03 attack: more than the credit of a stream (window overflow) ends the link, read or not', async t => {
  for (const reads of [false, true]) {
    await using evil = await EvilPeer.connect();
    if (!reads) evil.honest.onStream(stream => stream.listen({ message: () => new Promise(() => undefined) }));
    const piece = 16_000;
    const took = await untilClosed(evil, 100, i => evil.data(i === 0 ? writeOpen(0, 2, 'chat') : data(0, piece, true)));
    t.true(took * piece >= STREAM_CREDIT_BYTES && took * piece < STREAM_CREDIT_BYTES + 20 * piece, String(took));
    t.is(evil.honest.state.error?.code, 'link.limit');
  }
});

test.serial(
  'B-03 attack: a message that never ends is cut off at 1 MiB, in a megabyte or two of memory, even byte by byte',
  async t => {
    await using evil = await EvilPeer.connect();
    evil.send(evil.data(writeOpen(0, 4, 'files')));
    await turns(2);
    const one = data(0, 1, false);
    const many = concat(...Array.from({ length: 16_000 }, () => one));
    const before = held();
    const took = await untilClosed(evil, 100, () => evil.data(many));
    const grown = held() - before;
    t.true(took >= 65 && took < 90, String(took));
    t.is(evil.honest.state.error?.code, 'link.limit');
    t.true(grown < 64 * MIB, `${grown} bytes`); // a view of each byte would be 200 MiB
  },
);

test('B-03 attack: a flood of control frames ends the link', async t => {
  const clock = new ManualClock();
  await using evil = await EvilPeer.connect({ clock });
  const took = await untilClosed(evil, 1000, i => evil.control([{ type: 'ping', number: i }]));
  t.true(took >= 400 && took < 450, String(took));
  t.is(evil.honest.state.error?.code, 'link.limit');

  await using packed = await EvilPeer.connect({ clock: new ManualClock() });
  packed.send(packed.control(Array.from({ length: 401 }, () => ({ type: 'ping', number: 0 }) as const)));
  t.is(await whenState(packed.honest, 'closed'), 'link.limit');
});

test('B-03 attack: more than 64 MiB a second end the link, even of what is dropped', async t => {
  const clock = new ManualClock();
  await using evil = await EvilPeer.connect({ clock });
  evil.send(evil.data(concat(writeOpen(0, 4, 'files'), writeReset(0, 0))));
  const filler = data(0, MAX_BULK_BYTES - 8, true); // for a stream that has gone
  const took = await untilClosed(evil, 2000, () => evil.data(filler));
  t.true(took * MAX_BULK_BYTES > 60 * MIB && took * MAX_BULK_BYTES < 70 * MIB, String(took));
  t.is(evil.honest.state.error?.code, 'link.limit');
});

test('B-03 attack: a peer that acknowledges nothing stops us within the window, and what waits is bounded too', async t => {
  const clock = new ManualClock();
  await using evil = await EvilPeer.connect({ clock });
  const stream = evil.honest.openStream('screen', 3);
  await turns(2);
  evil.send(evil.data(writeWindow(stream.id, Number.MAX_SAFE_INTEGER))); // all the credit there is
  await turns(4);
  const message = new Uint8Array(MIB / 2);
  let refused = 0;
  for (let i = 0; i < 200; i++) {
    try {
      stream.send(message);
    } catch (error) {
      t.is((error as { code?: string }).code, 'link.stream-full');
      refused++;
    }
    clock.advance(10); // 64 MiB a second are the most we send
    await turns(3);
  }
  t.true(refused > 100);
  const { unacknowledgedBytes } = evil.honest;
  t.true(unacknowledgedBytes >= UNACKNOWLEDGED_BYTES.browser - 32_768, String(unacknowledgedBytes));
  t.true(unacknowledgedBytes < UNACKNOWLEDGED_BYTES.browser + 32_768, String(unacknowledgedBytes));
  t.true(stream.queuedBytes <= MAX_STREAM_QUEUE_BYTES);
  t.is(evil.honest.state.state, 'open');
});

test('B-03 attack: a peer that never reads but goes on asking is left when a megabyte waits on its path', async t => {
  const clock = new ManualClock();
  await using evil = await EvilPeer.connect({ clock });
  evil.pair.hold(); // nothing we send leaves any more …
  let most = 0;
  let rounds = 0;
  for (; evil.honest.state.state === 'open' && rounds < 10_000; rounds++) {
    // … but his pings come in, twenty in a tenth of a second, and each wants an answer.
    const frames = Array.from({ length: 18 }, (_, number) => ({ type: 'ping', number }) as const);
    evil.pair.inject(0, evil.control(frames));
    clock.advance(100);
    if (rounds % 50 === 0) {
      most = Math.max(most, evil.pair.waiting(1));
      await turns(1);
    }
  }
  t.is(evil.honest.state.state, 'detached');
  t.true(most <= MAX_PATH_BACKLOG_BYTES + 64 * 1024, String(most));
  t.true(rounds > 100);
});

test('B-03 attack: a peer that makes us reset streams and never acknowledges ends the link in bounded memory', async t => {
  const clock = new ManualClock();
  await using evil = await EvilPeer.connect({ clock });
  evil.honest.onStream(stream => stream.reset(0));
  let id = 0;
  evil.pair.hold();
  evil.honest.openStream('files', 4).send(new Uint8Array(MIB)); // its path is full
  await turns(2);
  for (let i = 0; i < 5000 && evil.honest.state.state === 'open'; i++) {
    evil.pair.inject(0, evil.data(writeOpen(2 * id++, 4, 'files')));
    clock.advance(6);
    if (i % 100 === 0) await turns(1);
  }
  t.is(evil.honest.state.error?.code, 'link.limit');
});

/** A WebSocket that is open and remembers what happened to it. */
class TestSocket {
  binaryType = '';
  readyState = 1;
  bufferedAmount = 0;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: Bytes[] = [];
  closed = false;

  send(message: Bytes): void {
    this.sent.push(message);
  }

  close(): void {
    this.closed = true;
  }
}

test('B-03 attack: text, what is longer than any record, and a flood before anybody listens close a WebSocket path', t => {
  const attacks: ((socket: TestSocket) => void)[] = [
    socket => socket.onmessage?.({ data: 'text' }),
    socket => socket.onmessage?.({ data: new ArrayBuffer(12 + 64 * 1024 + 16 + 1) }),
    socket => {
      for (let i = 0; i < 20; i++) socket.onmessage?.({ data: new ArrayBuffer(64 * 1024) });
    },
  ];
  for (const attack of attacks) {
    const socket = new TestSocket();
    const path = new WebSocketPath('relay', socket, new ManualClock());
    attack(socket);
    t.true(socket.closed);
    let ended = 0;
    path.listen({ message: () => undefined, drained: () => undefined, closed: () => ended++ });
    t.is(ended, 1);
    path.send(textBytes('nobody hears'));
    t.is(socket.sent.length, 0);
  }
});

test('B-03 a WebSocket path keeps what came early, says when its buffer has emptied, and ends once', t => {
  const clock = new ManualClock();
  const socket = new TestSocket();
  const path = new WebSocketPath('relay', socket, clock);
  socket.onmessage?.({ data: Uint8Array.of(1, 2).buffer });
  const heard: Bytes[] = [];
  let [drained, closed] = [0, 0];
  path.listen({ message: message => heard.push(message), drained: () => drained++, closed: () => closed++ });
  socket.onmessage?.({ data: Uint8Array.of(3).buffer });
  t.deepEqual(heard, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  socket.bufferedAmount = 300_000;
  path.send(Uint8Array.of(RECORD.data));
  clock.advance(20);
  t.is(drained, 0);
  socket.bufferedAmount = 0;
  clock.advance(5);
  t.is(drained, 1);
  clock.advance(100);
  t.is(drained, 1);
  path.close();
  socket.onclose?.(undefined as never);
  t.is(closed, 1);
});
