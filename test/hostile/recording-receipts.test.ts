// TRUST, recording receipts: consoles that would have the picture without the recording.
import test from 'ava';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { concat } from '../../appliance/protocol/bytes.ts';
import { recordedBytes } from '../../appliance/protocol/recorded-stream.ts';
import { picture, random, TestRecording, type TestStream } from '../customer-core/open-recording.ts';

const refused = (message: RegExp) => ({ code: 'recording.receipt', message });

/** What a technician sees of it, in bytes, while a console does as it likes for so many seconds. */
async function seen(at: TestRecording, stream: TestStream, seconds: number, each: (second: number) => Promise<void>) {
  let bytes = 0;
  for (let second = 0; second < seconds; second++) {
    for (let frame = 0; frame < 10; frame++) {
      if (stream.send(10_000)) bytes += 10_000;
      at.clock.advance(100);
    }
    await each(second);
  }
  return bytes;
}

test('H-03 trickled-upload: a console that hands on a little at a time keeps nothing but the last 4 s', async t => {
  const at = new TestRecording();
  const one = await at.live();
  const receipts = [one.receipt()];
  const bytes = await seen(at, one, 120, async second => {
    receipts.push(one.receipt());
    // Each receipt is genuine, each a little later than the one before: proof falls behind by a tenth of the time.
    const due = receipts[Math.floor(second * 0.9)];
    if (due !== undefined) await at.rule.accept(due);
  });
  t.is(at.rule.state, 'unproved');
  t.true(bytes < 60 * 100_000, `${bytes} bytes of 12,000,000 in two minutes`);
  const before = one.offset;
  at.clock.advance(10_000);
  t.false(one.send(100));
  t.is(one.offset, before);
});

test('H-03 trickled-upload: one byte that is never handed on stops the picture after 4 s, whatever else is', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.stream.add(picture(100)); // never reaches the recorder, so no digest of later bytes fits
  const bytes = await seen(at, one, 30, async () => {
    await t.throwsAsync(one.prove(), { code: 'recording.receipt' });
  });
  t.true(bytes <= 41 * 10_000, `${bytes} bytes`);
  t.false(one.stream.admitsInput);
});

test('H-03 open-look-reset-repeat: a look costs a debt, and of debts there are two', async t => {
  const at = new TestRecording();
  let looks = 0;
  for (let turn = 0; turn < 50; turn++) {
    try {
      const one = at.open(true, random(16)); // on a new link each time
      if (one.send(10_000)) looks++;
      one.stream.pictureSent();
      t.false(one.send(10_000));
      t.false(one.stream.admitsInput);
      at.rule.linkEnded();
    } catch (error) {
      t.regex(String(error), /not proved|too much was lost/);
    }
    at.clock.advance(60_000);
    if (at.rule.owed !== null) at.rule.lost(at.rule.owed);
  }
  t.is(looks, 3, 'the two that were given up, and the one that is owed');
  t.is(at.rule.state, 'lost');
});

test('H-03 open-look-reset-repeat: a debt that is paid later lets the picture come back', async t => {
  const at = new TestRecording();
  const streams: TestStream[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const one = at.open();
    one.send(1000);
    streams.push(one);
    at.rule.linkEnded();
    if (turn < 2) at.rule.lost(one.stream.nonce);
  }
  t.throws(() => at.open(), { code: 'recording.lost' });
  await streams[2]?.prove();
  t.notThrows(() => at.open());
});

test('H-03 doctored console: what it changes, adds, leaves out or swaps on the way to the recorder is not proved', async t => {
  const tricks: Record<string, (stream: TestStream) => void> = {
    'another picture': stream => stream.received(recordedBytes(picture(2000).with(9, 1))),
    'a picture too many': stream => {
      stream.received(recordedBytes(picture(2000)));
      stream.received(recordedBytes(picture(100)));
    },
    'a picture left out': () => undefined,
    'a picture cut in two': stream => {
      const whole = picture(2000);
      stream.received(recordedBytes(whole.slice(0, 1000)));
      stream.received(recordedBytes(concat(Uint8Array.of(0), whole.slice(1000))));
    },
  };
  for (const [what, trick] of Object.entries(tricks)) {
    const at = new TestRecording();
    const one = await at.live();
    one.stream.add(picture(2000));
    trick(one);
    one.sendAnyway(500);
    await t.throwsAsync(one.prove(), { code: 'recording.receipt' }, what);
    at.clock.advance(4001);
    t.is(at.rule.state, 'unproved', what);
    t.false(one.stream.admitsInput, what);
  }
});

test('H-03 doctored console: a receipt it makes itself, or has signed for something else, is none', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.send(1000);
  const genuine = one.receipt();
  const forged = { ...genuine, signature: genuine.signature.with(5, (genuine.signature[5] ?? 0) ^ 1) };
  await t.throwsAsync(at.rule.accept(forged), refused(/signature/));
  await t.throwsAsync(at.rule.accept(at.withOtherKey(one.place)), refused(/not pinned/));
  const fields = JSON.parse(new TextDecoder().decode(genuine.payload));
  await t.throwsAsync(at.rule.accept(at.signed(fields, 'appliance/session/v1')), refused(/signature/));
  for (const type of ['recording-attestation', 'lease', 'grant'])
    await t.throwsAsync(at.rule.accept(at.signed({ ...fields, type })), { code: 'protocol.malformed' });
  await t.throwsAsync(at.rule.accept(one.receipt({ time: at.clock.now() + 30_001 })), refused(/time to come/));
  await t.throwsAsync(at.rule.accept(one.receipt({ offset: one.offset + 1 })), refused(/never at/));
  await t.throwsAsync(at.rule.accept(one.receipt({ offset: one.offset - 1 })), refused(/never at/));
  await t.throwsAsync(at.rule.accept(one.receipt({ digest: random(32) })), refused(/something else/));
  at.clock.advance(4001);
  t.is(at.rule.state, 'unproved');
  await at.rule.accept(genuine);
  t.is(at.rule.state, 'proved');
});

test('H-03 replayed receipt: it proves what it proved, and nothing that came after', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.send(1000);
  const old = one.receipt();
  await at.rule.accept(old);
  one.send(1000);
  for (let turn = 0; turn < 10; turn++) {
    at.clock.advance(500);
    await at.rule.accept(old);
  }
  t.is(at.rule.state, 'unproved');
  one.stream.close();
  t.is(at.rule.state, 'debt');
  await at.rule.accept(old);
  t.is(at.rule.state, 'debt');
});

test('H-03 replayed receipt: of a stream before, it proves nothing of this one, though the picture is the same', async t => {
  const at = new TestRecording();
  const one = await at.live();
  const old = one.receipt();
  one.stream.close();
  const two = at.open();
  two.send(1000);
  two.stream.pictureSent();
  await t.throwsAsync(at.rule.accept(old), refused(/nobody waits for/));
  t.is(at.rule.state, 'waiting');
  t.false(two.stream.admitsInput);
});

test('H-03 receipt of another session: or of another link of this one, is refused', async t => {
  const at = new TestRecording();
  const one = await at.live();
  one.send(1000);
  const sid = sessionIdFrom(random(16));
  await t.throwsAsync(at.rule.accept(one.receipt({ sid })), refused(/another session/));
  await t.throwsAsync(at.rule.accept(one.receipt({ linkId: random(16) })), refused(/another link/));
  await t.throwsAsync(at.rule.accept(one.receipt({ nonce: random(16) })), refused(/nobody waits for/));
  at.clock.advance(4001);
  t.is(at.rule.state, 'unproved');
});
