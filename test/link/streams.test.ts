// Streams over a link: whose turn it is, how far a sender may go, and how they end.
import test from 'ava';
import {
  FILES_CREDIT_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_PATH_UNSENT_BYTES,
  MAX_STREAM_QUEUE_BYTES,
  STREAM_CREDIT_BYTES,
} from '../../appliance/link/limits.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import { type RecordContent, Streams } from '../../appliance/link/streams.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { MAX_BULK_BYTES, MAX_INTERACTIVE_BYTES, RECORD } from '../../appliance/protocol/record.ts';
import { MESSAGE_COST, readStreamFrames, writeWindow } from '../../appliance/protocol/stream-frames.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Collector, connectedLinks, cryptoModes, nextStream, textBytes, turns, whenState } from './support.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** The streams of one end, without a link below. */
function oneEnd(role: 'console' | 'applet' = 'console') {
  const opened: LinkStream[] = [];
  const nothing = () => undefined;
  const streams = new Streams({
    ...{ role, ready: nothing, countFrame: nothing, opened: stream => void opened.push(stream) },
    fail: error => {
      throw error;
    },
  });
  return { streams, opened };
}

/** Bytes of data in a record, by stream. */
function sharesOf({ parts }: RecordContent): Map<number, number> {
  const shares = new Map<number, number>();
  for (const frame of readStreamFrames(concat(...parts)))
    if (frame.type === 'data') shares.set(frame.stream, (shares.get(frame.stream) ?? 0) + frame.bytes.length);
  return shares;
}

test('D-06 consent and revocation go before everything else that waits, then input, chat, screen and files', t => {
  const { streams } = oneEnd();
  const kinds = ['files', 'screen', 'chat', 'input', 'consent'];
  const open = kinds.map((kind, i) => streams.open(kind, 4 - i));
  streams.take(); // the OPENs
  for (const stream of open) stream.send(new Uint8Array(10_000));
  const order: number[] = [];
  for (let content = streams.take(); content !== null; content = streams.take())
    for (const stream of sharesOf(content).keys()) if (!order.includes(stream)) order.push(stream);
  t.deepEqual(order, open.map(stream => stream.id).reverse());
});

test('D-06 a word on a higher stream waits for no more than the record being sent', t => {
  const { streams } = oneEnd();
  const [files, consent] = [streams.open('files', 4), streams.open('consent', 0)];
  streams.take();
  files.send(new Uint8Array(MAX_MESSAGE_BYTES));
  t.deepEqual([...sharesOf(streams.take() ?? { parts: [], length: 0 }).keys()], [files.id]);
  consent.send(textBytes('stop'));
  const next = sharesOf(streams.take() ?? { parts: [], length: 0 });
  t.deepEqual([...next.keys()], [consent.id, files.id]);
});

test('B-03 streams of one priority share by bytes, however large their messages are', t => {
  const { streams } = oneEnd();
  const [large, small] = [streams.open('screen', 3), streams.open('screen', 3)];
  streams.take();
  for (let i = 0; i < 3; i++) large.send(new Uint8Array(60_000));
  for (let i = 0; i < 1800; i++) small.send(new Uint8Array(100));
  const sent = new Map<number, number>();
  for (let record = 0; record < 8; record++)
    for (const [stream, bytes] of sharesOf(streams.take() ?? { parts: [], length: 0 }))
      sent.set(stream, (sent.get(stream) ?? 0) + bytes);
  const [a, b] = [sent.get(large.id) ?? 0, sent.get(small.id) ?? 0];
  t.true(a > 40_000 && b > 40_000 && a / b < 1.6 && b / a < 1.6, `${a} and ${b}`);
});

test('B-03 a record holds 16 KiB, and 64 KiB where there is nothing in it but files', t => {
  const { streams } = oneEnd();
  const files = streams.open('files', 4);
  t.true((streams.take()?.length ?? 0) < MAX_INTERACTIVE_BYTES);
  files.send(new Uint8Array(MAX_MESSAGE_BYTES));
  const alone = streams.take()?.length ?? 0;
  t.true(alone > MAX_BULK_BYTES - 100 && alone <= MAX_BULK_BYTES, String(alone));
  const chat = streams.open('chat', 2);
  chat.send(textBytes('hello'));
  const mixed = streams.take()?.length ?? 0;
  t.true(mixed > MAX_INTERACTIVE_BYTES - 100 && mixed <= MAX_INTERACTIVE_BYTES, String(mixed));
});

for (const [kind, priority, credit] of [
  ['chat', 2, STREAM_CREDIT_BYTES],
  ['files', 4, FILES_CREDIT_BYTES],
] as const) {
  test(`B-03 a stream of ${kind} sends its credit and not a byte more, until it is given some`, t => {
    const { streams } = oneEnd();
    const stream = streams.open(kind, priority);
    streams.take();
    for (let i = 0; i < 3; i++) stream.send(new Uint8Array(credit / 2));
    let sent = 0;
    const drain = () => {
      for (let content = streams.take(); content !== null; content = streams.take())
        for (const bytes of sharesOf(content).values()) sent += bytes;
    };
    drain();
    t.is(sent, credit - MESSAGE_COST); // the end of the first message has its price
    streams.deliver(writeWindow(stream.id, credit + 1000));
    drain();
    t.true(sent <= credit + 1000, String(sent));
    streams.deliver(writeWindow(stream.id, credit)); // a lower one takes nothing back
    streams.deliver(writeWindow(stream.id, 2 * credit));
    drain();
    t.is(sent, 1.5 * credit);
  });
}

test('B-03 whatever is queued in one turn of the event loop travels in one record', async t => {
  await using links = await connectedLinks();
  const records: Bytes[] = [];
  links.pair.middle = (message, side) => {
    if (side === 0 && message[0] === RECORD.data) records.push(message);
    return [message];
  };
  const [one, two] = [links.console.openStream('chat', 2), links.console.openStream('input', 1)];
  for (let i = 0; i < 50; i++) {
    one.send(textBytes(`a${i}`));
    two.send(textBytes(`b${i}`));
  }
  await turns(4);
  t.is(records.length, 1);
});

for (const [mode, makeCrypto] of Object.entries(cryptoModes)) {
  test(`B-03 ${mode}: a reader that is slow holds the sender back, and loses nothing`, async t => {
    const clock = new ManualClock();
    await using links = await connectedLinks({ makeCrypto, both: { clock } });
    const out = links.console.openStream('chat', 2);
    const back = await nextStream(links.applet);
    let release: () => void = () => undefined;
    const got: number[] = [];
    back.listen({
      message: message => {
        got.push(message.length);
        return new Promise(resolve => {
          release = resolve;
        });
      },
    });
    let drained = 0;
    out.listen({ message: () => undefined, drained: () => drained++ });
    const size = 50_000;
    let queued = 0;
    while (out.send(new Uint8Array(size)) || queued < 20) queued++;
    const settle = async () => {
      for (let i = 0; i < 10; i++) {
        clock.advance(20);
        await turns(4);
      }
    };
    await settle();
    t.is(got.length, 1);
    t.true(links.console.unacknowledgedBytes < 2 * STREAM_CREDIT_BYTES);
    t.true(out.queuedBytes >= (queued + 1) * size - STREAM_CREDIT_BYTES);
    t.is(drained, 0);
    for (let i = 0; i < 40 && got.length < queued + 1; i++) {
      release();
      await settle();
    }
    t.is(got.length, queued + 1);
    t.is(drained, 1);
    t.is(out.queuedBytes, 0);
  });

  test(`B-03 ${mode}: a path takes no more than it can get rid of, so that what is urgent need not wait behind it`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const files = links.console.openStream('files', 4);
    const consent = links.console.openStream('consent', 0);
    await turns(8);
    links.pair.hold();
    for (let i = 0; i < 3; i++) files.send(new Uint8Array(MAX_MESSAGE_BYTES));
    await turns(20);
    t.true(links.pair.waiting(0) < MAX_PATH_UNSENT_BYTES + 2 * MAX_BULK_BYTES, String(links.pair.waiting(0)));
    const heard: string[] = [];
    links.applet.onStream(stream =>
      stream.listen({ message: message => void heard.push(stream.kind === 'files' ? 'files' : text(message)) }),
    );
    consent.send(textBytes('stop'));
    links.pair.release();
    while (!heard.includes('stop')) await turns(1);
    t.deepEqual(heard, ['stop']); // before even one of the three files was whole
  });

  test(`B-03 ${mode}: a stream ends when both directions have, and each side is told what the other did`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('chat', 2);
    const back = await nextStream(links.applet);
    const told: string[] = [];
    back.listen({ message: message => void told.push(text(message)), ended: () => told.push('ended') });
    out.send(textBytes('last'));
    out.end();
    t.throws(() => out.send(textBytes('more')), { code: 'link.stream-closed' });
    while (told.length < 2) await turns(1);
    t.deepEqual(told, ['last', 'ended']);
    const here = new Collector(out);
    back.send(textBytes('still open this way'));
    back.end();
    await here.until(1);
    t.is(links.console.state.state, 'open');
  });

  test(`B-03 ${mode}: RESET ends both directions at once, and what was on its way is dropped without harm`, async t => {
    await using links = await connectedLinks({ makeCrypto });
    const out = links.console.openStream('files', 4);
    const back = await nextStream(links.applet);
    const reset = new Promise<number>(resolve => out.listen({ message: () => undefined, reset: resolve }));
    out.send(new Uint8Array(MAX_MESSAGE_BYTES));
    await turns(2);
    back.reset(42);
    t.is(await reset, 42);
    t.throws(() => out.send(textBytes('x')), { code: 'link.stream-closed' });
    const again = links.console.openStream('chat', 2);
    const there = new Collector(await nextStream(links.applet));
    again.send(textBytes('after'));
    await there.until(1);
    t.is(links.applet.state.state, 'open');
  });
}

test('B-03 what a caller may not ask for is refused, and the link goes on', async t => {
  await using links = await connectedLinks();
  const { console } = links;
  for (const kind of ['', 'Chat', 'a b', 'a'.repeat(33)])
    t.throws(() => console.openStream(kind, 2), { code: 'link.stream-kind' });
  for (const priority of [-1, 5, 0.5])
    t.throws(() => console.openStream('chat', priority), { code: 'link.stream-kind' });
  const stream = console.openStream('chat', 2);
  for (const size of [0, MAX_MESSAGE_BYTES + 1])
    t.throws(() => stream.send(new Uint8Array(size)), { code: 'link.message-size' });
  for (let i = 1; i < 16; i++) console.openStream('chat', 2);
  t.throws(() => console.openStream('chat', 2), { code: 'link.too-many-streams' });
  links.pair.hold();
  t.throws(
    () => {
      for (let i = 0; i <= MAX_STREAM_QUEUE_BYTES / MAX_MESSAGE_BYTES; i++)
        stream.send(new Uint8Array(MAX_MESSAGE_BYTES));
    },
    { code: 'link.stream-full' },
  );
  t.is(console.state.state, 'open');
});

test('B-03 screen frames can be dropped before any part of them was sent, never after', t => {
  const { streams } = oneEnd();
  const screen = streams.open('screen', 3);
  streams.take();
  for (let i = 0; i < 4; i++) screen.send(new Uint8Array(40_000));
  t.is(sharesOf(streams.take() ?? { parts: [], length: 0 }).size, 1); // the first has begun
  t.is(screen.dropQueued(), 3);
  let bytes = 0;
  for (let content = streams.take(); content !== null; content = streams.take())
    for (const share of sharesOf(content).values()) bytes += share;
  t.true(bytes > 40_000 - MAX_INTERACTIVE_BYTES - 100 && bytes < 40_000);
  t.is(screen.queuedBytes, 0);
  t.is(screen.dropQueued(), 0);
});

test('B-03 a listener of ours that throws ends the link as a defect, not as a fault of the peer', async t => {
  await using links = await connectedLinks();
  links.applet.onStream(stream =>
    stream.listen({
      message: () => {
        throw new TypeError('a mistake of ours');
      },
    }),
  );
  links.console.openStream('chat', 2).send(textBytes('x'));
  t.is(await whenState(links.applet, 'closed'), 'appliance.defect');
  t.is(await whenState(links.console, 'closed'), 'link.closed');
});

test('B-03 streams that open before anybody listens wait, with what was sent on them', async t => {
  await using links = await connectedLinks();
  for (let i = 0; i < 3; i++) links.console.openStream('chat', 2).send(textBytes(`stream ${i}`));
  await turns(6);
  const got: string[] = [];
  links.applet.onStream(stream => stream.listen({ message: message => void got.push(text(message)) }));
  await turns(6);
  t.deepEqual(got, ['stream 0', 'stream 1', 'stream 2']);
});
