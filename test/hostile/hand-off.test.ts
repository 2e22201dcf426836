// Attacks on the hand-off: by strangers, and by an applet that was let in.
import { once } from 'node:events';
import test from 'ava';
import { LEG_CLOSE, writeLegMessage } from '../../appliance/protocol/applet-leg.ts';
import { AppletEnd, CLAIMED, claim, sha256, startHandOff } from '../support/test-hand-off.ts';
import { clientFrame } from '../support/websocket-bytes.ts';

const ALIVE = writeLegMessage({ type: 'alive' });
const BINARY = { binary: true } as const;

for (const [name, headers] of Object.entries<Record<string, string>>({
  'a foreign origin': { origin: 'https://evil.example' },
  'the origin null': { origin: 'null' },
  'its own origin over plain HTTP': { origin: 'http://support.example.test' },
  'an origin that begins like ours': { origin: 'https://support.example.test.evil.example' },
  'no origin': {},
})) {
  test(`F-03 attack: a leg with ${name} is refused, and the portal hears nothing of it`, async t => {
    await using at = await startHandOff();
    const { origin } = headers;
    t.is(await at.status(origin === undefined ? { origin: undefined } : { origin }), 403);
    t.regex(at.metrics.text(), /hand_off_refusals_total\{reason="malformed"\} 1/);
    t.regex(at.metrics.text(), /hand_off_unclaimed 0/);
  });
}

test('F-03 attack: another subprotocol, or none of ours, is refused the same way', async t => {
  await using at = await startHandOff();
  t.is(await at.status({}, 'appliance.link.v1'), 403);
  t.is(await at.status({}, 'token.AAAA'), 403);
});

for (const reason of ['unknown', 'used', 'expired', 'already-connected']) {
  test(`F-03 attack: whatever makes the portal refuse (${reason}), the applet hears the same, and it is counted by reason`, async t => {
    await using at = await startHandOff();
    const { applet, portal } = await at.connect();
    applet.say(claim());
    await portal.inbox.next();
    portal.say({ type: 'refused', reason });
    portal.socket.close(1000);
    t.is(String(await applet.inbox.next()), '{"reason":"refused","type":"refused"}');
    t.is(await applet.closed, LEG_CLOSE.done);
    t.true(at.metrics.text().includes(`hand_off_refusals_total{reason="${reason}"} 1`));
    t.notRegex(at.lines.join(''), new RegExp(reason));
  });
}

for (const [name, send, code, end] of [
  ['text', (at: AppletEnd) => at.socket.send('{"type":"alive"}'), 1003, 'text'],
  ['what is no JSON', (at: AppletEnd) => at.socket.send(Buffer.from('{'), BINARY), 1008, 'malformed'],
  ['an unknown type', (at: AppletEnd) => at.socket.send(Buffer.from('{"type":"x"}'), BINARY), 1008, 'malformed'],
  ['nothing', (at: AppletEnd) => at.socket.send(Buffer.alloc(0), BINARY), 1008, 'malformed'],
  ['17 KiB', (at: AppletEnd) => at.socket.send(Buffer.alloc(17_408), BINARY), 1009, 'protocol'],
] as const) {
  test(`F-03 attack: a stranger who sends ${name} is closed with ${code}, and none of it reaches the portal`, async t => {
    await using at = await startHandOff();
    const { applet, portal } = await at.connect();
    const portalClosed = once(portal.socket, 'close');
    send(applet);
    t.is(await applet.closed, code);
    await portalClosed;
    t.is(portal.inbox.received, 0);
    t.true(at.metrics.text().includes(`hand_off_refusals_total{reason="${end}"} 1`));
  });
}

test('F-03 attack: before the claim eight messages go through and no more', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.connect();
  const portalClosed = once(portal.socket, 'close');
  for (let sent = 0; sent < 20; sent++) applet.socket.send(ALIVE, BINARY);
  t.is(await applet.closed, LEG_CLOSE.refused);
  await portalClosed;
  t.is(portal.inbox.received, 8);
});

test('F-03 attack: before the claim 32 KiB go through and no more', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.connect();
  const portalClosed = once(portal.socket, 'close');
  const signed = { payload: new Uint8Array(4096), signature: new Uint8Array(64) };
  for (let sent = 0; sent < 8; sent++) applet.say({ type: 'report', ...signed }); // 5.6 KB each
  t.is(await applet.closed, LEG_CLOSE.refused);
  await portalClosed;
  t.is(portal.inbox.received, 5);
});

test('F-03 attack: a first message that never comes, or drips, is cut after 20 s; the portal’s words do not prolong it', async t => {
  await using at = await startHandOff();
  const silent = await at.connect();
  const dripping = await at.connect();
  dripping.applet.socket.send('{', { binary: true, fin: false });
  at.clock.advance(19_000);
  silent.portal.say({ type: 'alive' });
  await silent.applet.hears();
  dripping.applet.socket.send('"', { binary: true, fin: false });
  at.clock.advance(1000);
  t.is(await silent.applet.closed, LEG_CLOSE.refused);
  t.is(await dripping.applet.closed, LEG_CLOSE.refused);
  t.regex(at.metrics.text(), /hand_off_refusals_total\{reason="late"\} 2/);
});

test('F-03 attack: one source holds its share of unclaimed legs, a claimed one gives its place back', async t => {
  await using at = await startHandOff({ limits: { unclaimedPerSource: 3 } });
  const held = [await at.connect(), await at.connect(), await at.connect()];
  t.is(await at.status(), 503);
  t.regex(at.metrics.text(), /hand_off_refusals_total\{reason="unclaimed-of-source"\} 1/);
  held[0]?.applet.say(claim());
  held[0]?.portal.say(CLAIMED);
  await held[0]?.applet.hears();
  t.is(await at.status(), 101);
});

test.serial('F-03 attack: a flood of three hundred handshakes leaves nothing behind', async t => {
  await using at = await startHandOff({ limits: { unclaimedPerSource: 8 } });
  for (let round = 0; round < 6; round++) {
    const sockets = Array.from({ length: 50 }, () => at.open());
    const ended = sockets.map(socket => {
      socket.on('error', () => socket.terminate());
      socket.on('open', () => socket.terminate());
      return once(socket, 'close').catch(() => undefined);
    });
    await Promise.all(ended);
  }
  t.is(await at.status(), 101);
  while (!/hand_off_unclaimed 0/.test(at.metrics.text())) await new Promise(setImmediate);
  t.regex(at.metrics.text(), /hand_off_legs 0/);
});

test('F-03 attack: a stolen digest shown after the claim is hashed like any token, so it opens nothing', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.claimed();
  const stolen = sha256(Buffer.from('the token of another session'));
  applet.say({ type: 'return', token: stolen, signature: new Uint8Array(64) });
  const got = String(await portal.inbox.next());
  t.false(got.includes(Buffer.from(stolen).toString('base64url')));
  t.true(got.includes(Buffer.from(sha256(stolen)).toString('base64url')));
});

test('F-03 attack: a token in a message that is none, or is spelt oddly, ends the leg', async t => {
  await using at = await startHandOff();
  for (const text of ['{"token":"x"}', '{"type":"return", "token":"AAAA"}']) {
    const { applet, portal } = await at.claimed();
    const before = portal.inbox.received;
    applet.socket.send(Buffer.from(text), BINARY);
    t.is(await applet.closed, LEG_CLOSE.refused);
    t.is(portal.inbox.received, before);
  }
});

test.serial('F-03 attack: 10⁵ messages at once are read at their rate and none is lost, in bounded memory', async t => {
  await using at = await startHandOff();
  const line = await at.edge.connect(); // the bytes below it, so that what waits in the attacker's own queue is one buffer
  const { applet, portal } = await at.claimed({ createConnection: () => line });
  const frame = clientFrame({ opcode: 2, payload: Buffer.from(ALIVE), mask: Buffer.alloc(4) });
  const flood = Buffer.concat(Array.from({ length: 100_000 }, () => frame));
  const before = process.memoryUsage();
  line.write(flood);
  let most = 0;
  // Until 300 turns in a row have brought nothing: it is not read any more.
  for (let still = 0, seen = 0; still < 300; still++) {
    if (portal.inbox.received > seen) still = 0;
    seen = portal.inbox.received;
    const { external, arrayBuffers } = process.memoryUsage();
    most = Math.max(most, external + arrayBuffers - before.external - before.arrayBuffers);
    await new Promise(setImmediate);
  }
  t.true(portal.inbox.received < 20_000, `${portal.inbox.received} went through at once`);
  t.true(most < 48 * 1024 * 1024, `${most} bytes`);
  t.regex(at.metrics.text(), /hand_off_throttled_total 1/);
  while (portal.inbox.received < 100_001) {
    at.clock.advance(1000); // at 200 a second all of them come
    await new Promise(setImmediate);
  }
  t.is(applet.socket.readyState, 1);
});

test.serial(
  'F-03 attack: a flood of pings from one who does not read is throttled and ended, in bounded memory',
  async t => {
    await using at = await startHandOff();
    const { applet } = await at.claimed();
    applet.socket.pause();
    for (let sent = 0; sent < 100_000; sent++) applet.socket.ping(Buffer.alloc(125));
    const { external } = process.memoryUsage();
    for (let turn = 0; turn < 500; turn++) await new Promise(setImmediate);
    t.true(process.memoryUsage().external - external < 32 * 1024 * 1024);
    t.regex(at.metrics.text(), /hand_off_(throttled_total 1|ends_total)/);
    applet.socket.terminate();
  },
);

test.serial(
  'F-03 attack: an applet that never reads stops the portal, in bounded memory, and is ended after 30 s',
  async t => {
    await using at = await startHandOff();
    const { applet, portal } = await at.claimed();
    applet.socket.pause();
    const before = process.memoryUsage();
    let sent = 0;
    for (let still = 0; still < 300; still++) {
      while (portal.socket.bufferedAmount === 0) {
        portal.socket.send(Buffer.alloc(16_384), BINARY);
        sent += 16_384;
        still = 0;
      }
      await new Promise(setImmediate);
    }
    t.true(sent < 32 * 1024 * 1024, `${sent} bytes went in`);
    const { external, arrayBuffers } = process.memoryUsage();
    t.true(external + arrayBuffers - before.external - before.arrayBuffers < 32 * 1024 * 1024);
    const ended = once(portal.socket, 'close');
    for (let second = 0; second < 33; second++) at.clock.advance(1000);
    await ended;
    t.regex(at.metrics.text(), /hand_off_ends_total\{reason="unread"\} 1/);
    applet.socket.terminate();
  },
);

test.serial('F-03 attack: a portal that never reads stops the applet and no other', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.claimed();
  portal.socket.pause();
  let sent = 0;
  for (let still = 0; still < 300; still++) {
    while (applet.socket.bufferedAmount === 0) {
      applet.socket.send(Buffer.alloc(16_384), BINARY);
      at.clock.advance(5); // within its rate
      sent += 16_384;
      still = 0;
    }
    await new Promise(setImmediate);
  }
  t.true(sent < 32 * 1024 * 1024, `${sent} bytes went in`);
  const other = await at.claimed();
  other.applet.say({ type: 'alive' });
  t.truthy(await other.portal.inbox.next());
});

test('F-03 attack: a message in a thousand fragments, and one in bytes, ends the leg', async t => {
  await using at = await startHandOff();
  const { applet } = await at.claimed();
  for (let part = 0; part < 1000; part++) applet.socket.send('x', { binary: true, fin: false });
  t.not(await applet.closed, LEG_CLOSE.done);
  t.regex(at.metrics.text(), /hand_off_ends_total\{reason="protocol"\} 1/);
});

test('F-03 attack: a connection that is cut in the middle of everything leaves no leg, at the portal either', async t => {
  await using at = await startHandOff();
  const early = new AppletEnd(at.open()); // takes the error of its early end
  await at.portalEnd(); // the portal has it, the applet no answer yet
  early.socket.terminate();
  const { applet, portal } = await at.claimed();
  const portalClosed = once(portal.socket, 'close');
  applet.socket.terminate();
  await portalClosed;
  while (!/hand_off_legs 0/.test(at.metrics.text())) await new Promise(setImmediate);
  t.regex(at.metrics.text(), /hand_off_unclaimed 0/);
});
