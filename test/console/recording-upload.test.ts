// A recorded stream on its way from the console to the recorder, over connections that end when they like.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { MAX_HELD_BYTES, RecordingUpload } from '../../appliance/console/recording-upload.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import type { OpenSocket } from '../../appliance/link/web-socket-path.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { type FromRecorder, parseToRecorder, writeFromRecorder } from '../../appliance/protocol/recorder-socket.ts';
import { receiptObject } from '../../appliance/protocol/recording-receipt.ts';
import { turns } from '../customer-core/test-appliance.ts';
import { ManualClock } from '../support/manual-clock.ts';

const random = (bytes: number): Bytes => new Uint8Array(randomBytes(bytes));

/** The recorder's end of one connection. */
class Connection implements OpenSocket {
  binaryType = 'blob';
  readyState = 1;
  bufferedAmount = 0;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  nonce: Bytes | null = null;
  bytes: Bytes = new Uint8Array();

  send(data: Bytes): void {
    const message = parseToRecorder(data);
    if (message.type === 'stream') this.nonce = message.nonce;
    else this.bytes = concat(this.bytes, message.bytes);
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.({} as never);
  }

  say(message: FromRecorder): void {
    this.sayBytes(writeFromRecorder(message));
  }

  sayBytes(bytes: Bytes): void {
    this.onmessage?.({ data: bytes.buffer } as never);
  }

  receipt(nonce: Bytes, offset: number): void {
    const place = { sid: sessionIdFrom(random(16)), linkId: random(16), nonce, offset, digest: random(32), time: 1 };
    const payload = canonicalBytes({ ...receiptObject(place), kid: 'receipts-key-001' });
    this.say({ type: 'receipt', payload, signature: random(64) });
  }
}

function opened() {
  const clock = new ManualClock();
  const nonce = random(16);
  const connections: Connection[] = [];
  const at = { fault: null as ApplianceError | null, proved: 0 };
  const upload = new RecordingUpload({
    ...{ clock, nonce, proved: () => at.proved++, changed: () => undefined },
    connect: async () => {
      if (at.fault !== null) throw at.fault;
      const connection = new Connection();
      connections.push(connection);
      return connection;
    },
  });
  const last = () => connections.at(-1) ?? new Connection();
  return { clock, nonce, connections, upload, last, at };
}

test('H-03 a stream is brought whole, kept until it is proved, and done when its end is', async t => {
  const { upload, last, nonce, at } = opened();
  await turns();
  t.deepEqual(last().nonce, nonce);
  const [one, two] = [random(300_000), random(10)];
  upload.add(one);
  t.is(last().bytes.length, 0, 'not before the recorder says from where');
  last().say({ type: 'at', offset: 0 });
  upload.add(two);
  t.deepEqual(last().bytes, concat(one, two));
  t.is(upload.state, 'recording');
  last().receipt(nonce, 300_000);
  upload.end();
  t.is(upload.state, 'recording');
  last().receipt(nonce, 300_010);
  t.is(upload.state, 'done');
  t.is(at.proved, 2);
  t.is(last().readyState, 3);
});

test('H-03 a connection that is lost: the next one brings what the recorder lacks, and no more', async t => {
  const { upload, last, connections, clock, nonce } = opened();
  await turns();
  const stream = random(1000);
  last().say({ type: 'at', offset: 0 });
  upload.add(stream.subarray(0, 600));
  last().receipt(nonce, 600);
  upload.add(stream.subarray(600));
  last().close();
  t.is(upload.state, 'connecting');
  clock.advance(300);
  await turns();
  t.is(connections.length, 2);
  last().say({ type: 'at', offset: 800 });
  t.deepEqual(last().bytes, stream.slice(800));
  for (const offset of [500, 1001]) {
    const wrong = opened();
    await turns();
    wrong.upload.add(stream);
    wrong.last().say({ type: 'at', offset: 0 });
    wrong.last().receipt(wrong.nonce, 1000);
    wrong.last().close();
    wrong.clock.advance(300);
    await turns();
    wrong.last().say({ type: 'at', offset });
    t.is(wrong.upload.state, 'lost', `the recorder can't go on at ${offset}`);
  }
});

test('H-03 a recorder that is away is asked again, one that refuses is not, and what is said is told', async t => {
  const { upload, at, clock, connections, last } = opened();
  at.fault = new ApplianceError('unavailable', 'link.gateway-away', 'away');
  await turns();
  last().close();
  for (let tries = 0; tries < 3; tries++) {
    clock.advance(4000);
    await turns();
  }
  t.is(upload.state, 'connecting');
  at.fault = null;
  clock.advance(4000);
  await turns();
  last().say({ type: 'at', offset: 0 });
  for (const state of ['share-full', 'share-gone', 'recording'] as const) {
    last().say({ type: 'state', state });
    t.is(upload.state, state);
  }
  const before = connections.length;
  at.fault = new ApplianceError('refused', 'permission.denied', 'no');
  last().close();
  clock.advance(4000);
  await turns();
  t.is(upload.state, 'refused');
  clock.advance(60_000);
  t.is(connections.length, before);
});

test('H-03 attack: a recorder’s word that is none ends its connection; too much that is not proved ends the recording', async t => {
  const { upload, last, connections, clock } = opened();
  await turns();
  last().sayBytes(Uint8Array.of(9, 9, 9));
  t.is(last().readyState, 3);
  clock.advance(300);
  await turns();
  t.is(connections.length, 2);
  last().say({ type: 'at', offset: 0 });
  last().bufferedAmount = 2 * 1024 * 1024;
  upload.add(random(1000));
  t.is(last().bytes.length, 0, 'it does not take more just now');
  last().bufferedAmount = 0;
  clock.advance(30);
  t.is(last().bytes.length, 1000);
  for (let held = 1000; held <= MAX_HELD_BYTES; held += 1024 * 1024) upload.add(new Uint8Array(1024 * 1024));
  t.is(upload.state, 'lost');
});
