import test from 'ava';
import fc from 'fast-check';
import { newStreamHash } from '../../appliance/applet/node-stream-hash.ts';
import { MAX_UNPROVED_BYTES, MAX_UNPROVED_MS, RecordedStream } from '../../appliance/customer-core/recorded-stream.ts';
import { StreamLedger } from '../../appliance/customer-core/stream-ledger.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { recordedBytes } from '../../appliance/protocol/recorded-stream.ts';
import type { Signed } from '../../appliance/protocol/signed.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { picture, random, TestRecording } from './open-recording.ts';

test('H-03 a timer that comes early tells of the end all the same', t => {
  const clock = new ManualClock();
  const early = { now: () => clock.now(), monotonic: () => clock.monotonic(), every: clock.every.bind(clock) };
  let changes = 0;
  const name = { sid: sessionIdFrom(random(16)), linkId: random(16), nonce: random(16) };
  const stream = new RecordedStream({
    clock: { ...early, after: (ms, act) => clock.after(Math.max(1, ms - 7), act) },
    ledger: new StreamLedger(name, newStreamHash()),
    ...{ isForced: true, losses: [], attest: () => undefined, closed: () => undefined },
    changed: () => changes++,
  });
  stream.add(picture(100));
  for (let passed = 0; passed < 4100; passed += 10) clock.advance(10);
  t.is(stream.state, 'unproved');
  t.is(changes, 1);
});

test('H-05 of a stream nobody proves no more is kept than a recorder that is there could still prove', t => {
  const name = { sid: sessionIdFrom(random(16)), linkId: random(16), nonce: random(16) };
  const ledger = new StreamLedger(name, newStreamHash());
  const [message, hash] = [picture(100), newStreamHash()];
  for (let at = 0; at < 40_000; at++) {
    ledger.add(message, at);
    hash.add(recordedBytes(message));
  }
  t.true(ledger.places <= 16_384);
  t.true(ledger.cover({ offset: ledger.sent, digest: hash.digest() }));
  t.is(ledger.uncovered, 0);
});

test('H-03 a forced recording begins with one picture, and nothing goes on and no input is taken before it is proved', async t => {
  const at = new TestRecording();
  const one = at.open();
  t.is(at.rule.state, 'waiting');
  t.false(one.stream.admitsInput);
  for (let piece = 0; piece < 5; piece++) t.true(one.send(60_000), 'the pieces of the first picture');
  one.stream.pictureSent();
  t.false(one.send(100), 'a second picture');
  t.false(one.stream.admitsInput);
  await one.prove();
  t.is(at.rule.state, 'proved');
  t.true(one.stream.admitsInput);
  t.true(one.send(60_000));
});

test('H-03 a receipt for a part of the first picture is not enough', async t => {
  const at = new TestRecording();
  const one = at.open();
  one.send(1000);
  const early = one.receipt();
  one.send(1000);
  one.stream.pictureSent();
  await at.rule.accept(early);
  t.is(at.rule.state, 'waiting');
  t.false(one.stream.admits(1));
  t.false(one.stream.admitsInput);
});

test('H-03 half a picture that is out does not let the other half go: what is older than 4 s is proved first', async t => {
  const at = new TestRecording();
  const one = await at.live();
  t.true(one.send(60_000), 'of a picture of many parts');
  const half = one.receipt();
  at.clock.advance(4001);
  t.false(one.send(60_000));
  t.is(at.rule.state, 'unproved');
  t.false(one.stream.admitsInput);
  await at.rule.accept(half);
  t.true(one.send(60_000), 'and then it goes on by itself');
  t.true(one.stream.admitsInput);
});

test('H-03 whatever is sent, and whenever it is proved: nothing is sent while something older than 4 s is not', async t => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), n: fc.integer({ min: 10, max: 65_000 }) }),
    fc.record({ kind: fc.constant('wait' as const), n: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ kind: fc.constant('prove' as const), n: fc.nat({ max: 20 }) }),
  );
  const run = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 120 }), async steps => {
    const at = new TestRecording();
    const one = await at.live();
    let sent: { readonly at: number; readonly end: number; readonly receipt: Signed }[] = [];
    let covered = one.offset;
    for (const { kind, n } of steps) {
      if (kind === 'wait') at.clock.advance(n);
      const due = kind === 'prove' ? sent[n] : undefined;
      if (due !== undefined) {
        await at.rule.accept(due.receipt);
        covered = due.end;
        sent = sent.slice(n + 1);
      }
      if (kind !== 'send') continue;
      const [now, oldest] = [at.clock.monotonic(), sent[0]?.at ?? Number.POSITIVE_INFINITY];
      const may = now - oldest <= MAX_UNPROVED_MS;
      const room = one.offset - covered + n <= MAX_UNPROVED_BYTES;
      t.is(one.send(n), may && room);
      if (may && room) sent.push({ at: now, end: one.offset, receipt: one.receipt() });
    }
    await one.prove();
    t.true(one.send(100), 'there is no dead end');
  });
  await fc.assert(run, { numRuns: 40 });
});

test('H-03 what was sent 4 s ago may be unproved, what was sent longer ago may not, and it is told when that comes', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.send(100);
  at.clock.advance(1000);
  one.send(100);
  at.clock.advance(3000);
  t.true(one.stream.admits(100));
  t.true(one.stream.admitsInput);
  const before = at.changes;
  at.clock.advance(1);
  t.is(at.changes, before + 1);
  t.is(at.rule.state, 'unproved');
  t.false(one.stream.admits(1));
  t.false(one.stream.admitsInput);
  await one.prove();
  t.is(at.rule.state, 'proved');
  t.true(one.send(100));
  t.true(one.stream.admitsInput);
});

test('H-03 time counts from what is oldest and unproved, not from the last receipt', async t => {
  const at = new TestRecording();
  const one = await at.live();
  at.clock.advance(60_000);
  t.is(at.rule.state, 'proved', 'nothing was sent');
  one.send(100);
  const first = one.receipt();
  at.clock.advance(3000);
  one.send(100);
  await at.rule.accept(first);
  at.clock.advance(4000);
  t.is(at.rule.state, 'proved');
  at.clock.advance(1);
  t.is(at.rule.state, 'unproved');
});

test('H-03 at most 4 MiB are unproved', async t => {
  const at = new TestRecording();
  const one = await at.live();
  let sent = 0;
  while (one.send(60_000)) sent += 60_000;
  t.true(sent <= MAX_UNPROVED_BYTES && sent > MAX_UNPROVED_BYTES - 60_000);
  t.true(one.send(MAX_UNPROVED_BYTES - sent), 'to the last byte');
  t.false(one.send(6));
  t.true(one.stream.admitsInput);
  await one.prove();
  t.true(one.send(60_000));
});

test('H-03 a first picture of more than 4 MiB goes out in parts, each proved before the next', async t => {
  const at = new TestRecording();
  const one = at.open();
  while (one.send(60_000));
  t.is(at.rule.state, 'waiting');
  await one.prove();
  t.true(one.send(60_000));
  t.false(one.stream.admitsInput);
});

test('H-03 without force nothing is held back, and what is proved is attested all the same', async t => {
  const at = new TestRecording();
  const one = at.open(false);
  t.true(one.stream.admitsInput);
  one.send(1000);
  one.stream.pictureSent();
  at.clock.advance(60_000);
  t.true(one.send(1000));
  t.true(one.stream.admitsInput);
  one.stream.close();
  t.is(at.rule.state, 'idle');
  await one.prove();
  t.is(at.attested.at(-1)?.offset, one.offset);
  t.notThrows(() => at.open(true), 'an end that is not proved is no debt there');
});

test('H-05 what is proved is counter-signed each 10 s and at the end', async t => {
  const at = new TestRecording();
  const one = await at.live();
  t.is(at.attested.length, 0);
  for (let second = 0; second < 25; second++) {
    at.clock.advance(1000);
    one.send(100);
    await one.prove();
  }
  t.is(at.attested.length, 2);
  one.send(100);
  one.stream.close();
  t.is(at.attested.length, 2);
  await one.prove();
  t.is(at.attested.length, 3);
  const { digest, nonce, linkId, sid } = one.place;
  t.deepEqual(at.attested.at(-1), { ...{ sid, linkId, nonce, digest }, offset: one.offset, at: at.clock.now() });
});

test('H-03 what a stream leaves unproved is a debt, and its receipt pays it whenever it comes', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.send(100);
  at.rule.linkEnded();
  t.is(at.rule.state, 'debt');
  t.deepEqual(at.rule.owed, one.stream.nonce);
  t.false(one.stream.admits(1));
  t.throws(() => at.open(), { code: 'recording.debt' });
  at.clock.advance(600_000);
  await one.prove();
  t.is(at.rule.state, 'idle');
  t.is(at.rule.owed, null);
  t.notThrows(() => at.open(true, new Uint8Array(16)));
});

test('H-03 a loss is marked in the next stream', async t => {
  const at = new TestRecording();
  const one = await at.live();
  const covered = one.offset;
  one.send(500);
  at.rule.linkEnded();
  at.rule.lost(one.stream.nonce);
  t.is(at.rule.losses, 1);
  const two = await at.live();
  t.deepEqual(two.stream.losses, [{ nonce: one.stream.nonce, sent: one.offset, covered }]);
  two.stream.close();
  t.deepEqual((await at.live()).stream.losses, []);
});

test('H-03 a stream that is open, proved or unknown can’t be called lost', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.send(500);
  at.rule.lost(one.stream.nonce);
  at.rule.lost(new Uint8Array(16));
  t.is(at.rule.losses, 0);
  await one.prove();
  one.stream.close();
  at.rule.lost(one.stream.nonce);
  t.is(at.rule.losses, 0);
  t.is(at.rule.state, 'idle');
});
