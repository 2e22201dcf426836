// Attacks on the handshake of the link: by who stands in between, holds the session's secret, or has the wrong papers.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { fromBase64Url, sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import type { DhKeyPair } from '../../appliance/link/crypto.ts';
import { helloFromConsole, helloToApplet } from '../../appliance/link/handshake.ts';
import { HandshakeGuard } from '../../appliance/link/handshake-guard.ts';
import { Link, type LinkOptions } from '../../appliance/link/link.ts';
import { NoiseHandshake } from '../../appliance/link/noise.ts';
import { PathPort } from '../../appliance/link/path-port.ts';
import { commitment } from '../../appliance/link/short-string.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import type { CanonicalValue } from '../../appliance/protocol/canonical-json.ts';
import { parseFlight1, writeFlight2, writeHello } from '../../appliance/protocol/handshake.ts';
import { HEADER_BYTES, plainRecord, RECORD } from '../../appliance/protocol/record.ts';
import { bytesOf, MemoryPair, type Middle, NOW, TestIssuer, type TestSession, testSession } from '../link/support.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** How a handshake of both ends over this path ended, for each of them: 'ok' or the code of the refusal. */
async function handshake(
  session: TestSession,
  middle: Middle = message => [message],
  changes: { console?: Partial<LinkOptions>; applet?: Partial<LinkOptions> } = {},
) {
  const pair = new MemoryPair('relay', middle);
  const why = { applet: '', console: '' }; // never on the wire
  const outcome = (role: 'applet' | 'console', end: Promise<unknown>) =>
    end.then(
      () => 'ok',
      error => {
        why[role] = String(error.cause?.message);
        return error.code as string;
      },
    );
  const [applet, console] = await Promise.all([
    outcome('applet', helloToApplet(session.options('applet', changes.applet), new PathPort(pair.applet))),
    outcome('console', helloFromConsole(session.options('console', changes.console), new PathPort(pair.console))),
  ]);
  return { applet, console, pair, why };
}

const REFUSED = { applet: 'link.refused', console: 'link.refused' };

test('B-02 attack: a man in the middle with valid TLS and keys of his own does not get past the first decryption', async t => {
  const session = testSession();
  const his = testSession(); // everything but the session's psk
  const towards = async (role: 'console' | 'applet') => {
    const pair = new MemoryPair();
    const evil = { ...his.options(role, { sid: session.sid, keys: [session.issuer.pinned] }) };
    const options = session.options(role === 'console' ? 'applet' : 'console');
    const ends =
      role === 'console'
        ? [helloToApplet(options, new PathPort(pair.applet)), helloFromConsole(evil, new PathPort(pair.console))]
        : [helloFromConsole(options, new PathPort(pair.console)), helloToApplet(evil, new PathPort(pair.applet))];
    return Promise.allSettled(ends).then(([honest]) => honest);
  };
  for (const role of ['console', 'applet'] as const) {
    const honest = await towards(role);
    t.is(honest?.status, 'rejected');
    t.is(honest?.status === 'rejected' && honest.reason.code, 'link.refused');
  }
});

test('B-04 attack: a man in the middle with the GUID and papers of a dishonest issuer is betrayed by the short strings', async t => {
  const session = testSession();
  for (let round = 0; round < 5; round++) {
    const [left, right] = [new MemoryPair(), new MemoryPair()];
    const [console, , , applet] = await Promise.all([
      helloFromConsole(session.options('console'), new PathPort(left.console)),
      helloToApplet(session.options('applet'), new PathPort(left.applet)), // his, with papers made for his key
      helloFromConsole(session.options('console'), new PathPort(right.console)), // his
      helloToApplet(session.options('applet'), new PathPort(right.applet)),
    ]);
    t.not(console.shortString, applet.shortString);
  }
});

test('B-02 attack: who stole the GUID but has no credential is refused, as either end', async t => {
  const session = testSession();
  const stolen = new Map<string, { payload: Bytes; signature: Bytes }>();
  for (const role of ['console', 'applet'] as const) {
    const certify = async (spk: Bytes) => {
      const signed = session.issuer.credential(role, session.sid, spk);
      stolen.set(role, signed); // seen on its way: it is encrypted, but give him that too
      return signed;
    };
    await handshake(session, undefined, { [role]: { certify } });
  }
  const own = new TestIssuer();
  for (const role of ['console', 'applet'] as const) {
    const victim = role === 'console' ? 'applet' : 'console';
    const papers = stolen.get(role);
    if (papers === undefined) return t.fail();
    const copied = await handshake(session, undefined, { [role]: { certify: async () => papers } });
    t.regex(copied.why[victim], /another key/);
    const selfMade = await handshake(session, undefined, {
      [role]: { certify: async (spk: Bytes) => own.credential(role, session.sid, spk) },
    });
    t.regex(selfMade.why[victim], /not pinned/);
    const sameKid = await handshake(session, undefined, {
      [role]: {
        certify: async (spk: Bytes) => own.credential(role, session.sid, spk, { kid: session.issuer.pinned.kid }),
      },
    });
    t.regex(sameKid.why[victim], /a signature that is wrong/);
  }
});

const MINUTE = 60_000;
const foreignSid = sessionIdFrom(randomBytes(16));
const wrongPapers: Record<string, [Record<string, CanonicalValue>, RegExp]> = {
  'another session': [{ sid: foreignSid }, /another session/],
  'another key': [{ spk: toBase64Url(randomBytes(32)) }, /another key/],
  'a time to come': [{ nbf: NOW + MINUTE, exp: NOW + 2 * MINUTE }, /another time/],
  'a time that is over': [{ nbf: NOW - 5 * MINUTE, exp: NOW - MINUTE }, /another time/],
  'a life of more than ten minutes': [{ nbf: NOW - 1000, exp: NOW + 10 * MINUTE }, /a lifetime/],
  'an end before its start': [{ nbf: NOW + 10, exp: NOW - 10 }, /a lifetime/],
  'another type of object': [{ type: 'lease' }, /type is none of/],
  'another version': [{ v: 2 }, /v is no whole number/],
  'a field more': [{ admin: true }, /a field nobody knows/],
};
for (const [name, [changes, why]] of Object.entries(wrongPapers)) {
  for (const role of ['console', 'applet'] as const) {
    test(`B-02 attack: a credential of ${name}, shown by the ${role}, is refused`, async t => {
      const session = testSession();
      const certify = async (spk: Bytes) => session.issuer.credential(role, session.sid, spk, changes);
      const ended = await handshake(session, undefined, { [role]: { certify } });
      const victim = role === 'console' ? 'applet' : 'console';
      t.is(ended[victim], 'link.refused');
      t.regex(ended.why[victim], why);
    });
  }
}

test('B-02 attack: a credential of the other role, and one signed for another purpose, are refused', async t => {
  const session = testSession();
  for (const role of ['console', 'applet'] as const) {
    const victim = role === 'console' ? 'applet' : 'console';
    const swapped = await handshake(session, undefined, {
      [role]: { certify: async (spk: Bytes) => session.issuer.credential(victim, session.sid, spk) },
    });
    t.is(swapped[victim], 'link.refused');
    t.regex(swapped.why[victim], /another role|apk/);
    const otherDomain = await handshake(session, undefined, {
      [role]: {
        certify: async (spk: Bytes) => {
          const { payload } = session.issuer.credential(role, session.sid, spk);
          return session.issuer.sign(JSON.parse(Buffer.from(payload).toString()), 'appliance/receipt/v1');
        },
      },
    });
    t.regex(otherDomain.why[victim], /a signature that is wrong/);
  }
});

test('B-02 attack: what one end says, sent back to it, is refused (reflection)', async t => {
  for (const reflected of [0, 1, 2, 3]) {
    const session = testSession();
    const pair: MemoryPair = new MemoryPair('relay', (message, side, index) => {
      const at = side === 0 ? [0, 2][index] : [1, 3][index];
      if (at !== reflected) return [message];
      pair.inject((1 - side) as 0 | 1, message);
      return [];
    });
    const clock = new ManualClock();
    const handshakes = Promise.allSettled([
      helloToApplet(session.options('applet', { clock }), new PathPort(pair.applet)),
      helloFromConsole(session.options('console', { clock }), new PathPort(pair.console)),
    ]);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    clock.advance(10_000); // who waits for more gets nothing
    const ends = await handshakes;
    // The applet has said its last word in flight 3: it alone can't see that the word never arrived.
    t.is(ends[1]?.status, 'rejected');
    if (reflected < 3) t.is(ends[0]?.status, 'rejected');
  }
});

test('B-02 attack: a downgrade in Hello is seen, whichever byte of it changes', async t => {
  const session = testSession();
  const rewritten: Middle = (message, side, index) => {
    if (side === 1 || index > 0) return [message];
    const weaker = writeHello({
      ...{ versions: [1, 0], suites: [1, 2], sid: fromBase64Url(session.sid) },
      commit: message.slice(-32),
    });
    return [plainRecord(RECORD.hello, weaker)];
  };
  const { applet, console } = await handshake(session, rewritten);
  t.deepEqual({ applet, console }, REFUSED);
  const none: Middle = (message, side, index) => {
    if (side === 1 || index > 0) return [message];
    const foreign = writeHello({
      versions: [2],
      suites: [7],
      sid: fromBase64Url(session.sid),
      commit: message.slice(-32),
    });
    return [plainRecord(RECORD.hello, foreign)];
  };
  const later = await handshake(session, none);
  t.deepEqual({ applet: later.applet, console: later.console }, REFUSED);
});

for (const flight of [0, 1, 2, 3] as const) {
  test(`B-02 attack: a bit flipped in any byte of flight ${flight} ends the handshake`, async t => {
    const session = testSession();
    const side = flight % 2 === 0 ? 0 : 1;
    const stride = flight < 2 ? 1 : 5; // the long ones: each byte of the header, then each fifth
    let length = HEADER_BYTES;
    for (let at = 0; at < length; at += at < HEADER_BYTES ? 1 : stride) {
      const bit = 1 << (at % 8);
      const { console, applet } = await handshake(session, (message, from, index) => {
        if (from !== side || index !== flight >> 1) return [message];
        length = message.length;
        message[at] = (message[at] ?? 0) ^ bit;
        return [message];
      });
      t.is(console, 'link.refused', `byte ${at}`);
      if (flight < 3) t.is(applet, 'link.refused', `byte ${at}`);
    }
    t.true(length > HEADER_BYTES);
  });
}

test('B-02 attack: Hello or a flight replayed from another handshake, or twice, ends the handshake', async t => {
  const session = testSession();
  const { pair } = await handshake(session);
  const old = pair.log.map(({ message }) => message);
  for (let flight = 0; flight < 4; flight++) {
    const side = flight % 2 === 0 ? 0 : 1;
    const isIt = (from: number, index: number) => from === side && index === flight >> 1;
    const replayed = await handshake(session, (message, from, index) => [
      isIt(from, index) ? (old[flight] ?? message) : message,
    ]);
    t.is(replayed.console, 'link.refused', `flight ${flight}`);
    if (flight >= 2) continue; // the second one meets a link that is open by then: link-paths
    const twice = await handshake(session, (message, from, index) =>
      isIt(from, index) ? [message, message] : [message],
    );
    t.is(twice[side === 0 ? 'applet' : 'console'], 'link.refused', `flight ${flight} twice`);
  }
});

/** A console with the psk and papers of its own that commits to one thing and reveals another. */
async function grinding(commit: (ephemeral: Bytes, random: Bytes) => Promise<Bytes>, again = false) {
  const session = testSession();
  const pair = new MemoryPair();
  const port = new PathPort(pair.console);
  const honest = helloToApplet(session.options('applet'), new PathPort(pair.applet)).then(
    () => 'ok',
    error => error.cause?.message ?? error.code,
  );
  const [staticKey, ephemeralKey] = [await nodeCrypto.generateKeyPair(), await nodeCrypto.generateKeyPair()];
  const random = nodeCrypto.randomBytes(32);
  const sid = fromBase64Url(session.sid);
  const hello = writeHello({ versions: [1], suites: [1], sid, commit: await commit(ephemeralKey.publicKey, random) });
  port.send(plainRecord(RECORD.hello, hello));
  const prologue = concat(Uint8Array.of(1), sid, await nodeCrypto.sha256(hello));
  const noise = await NoiseHandshake.start({
    ...{ crypto: nodeCrypto, pattern: 'XXpsk0', initiator: false, prologue, psks: [session.psk] },
    ...{ staticKey, ephemeralKey },
  });
  parseFlight1(await noise.read(await port.readPlain(RECORD.noise1))); // now he knows the applet's part
  if (again) {
    const fitting = await commitment(nodeCrypto, { ephemeral: ephemeralKey.publicKey, random });
    port.send(plainRecord(RECORD.hello, writeHello({ versions: [1], suites: [1], sid, commit: fitting })));
  }
  const credential = session.issuer.credential('console', session.sid, staticKey.publicKey);
  const flight2 = writeFlight2({ random, credential, caps: [], linkId: nodeCrypto.randomBytes(16) });
  port.send(plainRecord(RECORD.noise2, await noise.write(flight2)));
  return honest;
}

test('B-04 attack: grinding the short string without, with a late or with a partial commitment is refused', async t => {
  const whole = (ephemeral: Bytes, random: Bytes) => commitment(nodeCrypto, { ephemeral, random });
  t.is(await grinding(whole), 'ok'); // the control: this console can finish
  const not = 'not what was committed to';
  t.is(await grinding(async () => new Uint8Array(32)), not);
  t.is(await grinding((_, random) => whole(nodeCrypto.randomBytes(32), random)), not);
  t.is(await grinding(ephemeral => whole(ephemeral, nodeCrypto.randomBytes(32))), not);
  t.is(await grinding(async ephemeral => nodeCrypto.sha256(ephemeral)), not);
  t.is(await grinding(async () => new Uint8Array(32), true), 'another message was due');
});

test('B-04 attack: guessing at the short string ends after five handshakes, and both windows were told of each', async t => {
  const session = testSession();
  const told: number[] = [];
  const guards = { console: new HandshakeGuard(), applet: new HandshakeGuard(failed => told.push(failed)) };
  const spoil: Middle = (message, side, index) => (side === 0 && index === 1 ? [] : [message]);
  const clock = new ManualClock();
  const changes = { console: { guard: guards.console, clock }, applet: { guard: guards.applet, clock } };
  for (let i = 0; i < 5; i++) {
    const attempt = handshake(session, spoil, changes);
    for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
    clock.advance(10_000);
    const { applet, console } = await attempt;
    t.deepEqual({ applet, console }, REFUSED);
  }
  t.deepEqual(told, [1, 2, 3, 4, 5]);
  t.is(guards.console.attemptsFailed, 5);
  const { applet, console } = await handshake(session, undefined, changes);
  t.is(console, 'link.locked');
  t.is(applet, 'link.refused'); // the path ended before a Hello came
  const fresh = await handshake(session, undefined, { applet: { guard: guards.applet } });
  t.is(fresh.applet, 'link.locked');
});

test('J-02 a console whose Hello nobody answers is not locked out, and one that was answered falsely is', async t => {
  const session = testSession();
  const guard = new HandshakeGuard();
  const hello = async (answer: Middle) => {
    const pair = new MemoryPair('relay', answer);
    const attempt = Link.connectConsole(session.options('console', { guard }), pair.console);
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    pair.cut();
    return attempt.then(
      () => 'ok',
      error => error.code,
    );
  };
  for (let i = 0; i < 20; i++) t.is(await hello(() => []), 'link.refused');
  t.is(guard.attemptsFailed, 0);
  for (let i = 0; i < 5; i++) {
    const pair = new MemoryPair();
    const attempt = Link.connectConsole(session.options('console', { guard }), pair.console);
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    pair.inject(1, plainRecord(RECORD.noise1, new Uint8Array(96)));
    await t.throwsAsync(attempt, { code: 'link.refused' });
  }
  t.is(await hello(() => []), 'link.locked');
});

test('B-02 attack: a flood of handshakes meets one at a time, and none at all once five have failed', async t => {
  const session = testSession();
  let made = 0;
  const crypto = {
    ...nodeCrypto,
    generateKeyPair: () => {
      made++;
      return nodeCrypto.generateKeyPair();
    },
  };
  const guard = new HandshakeGuard();
  const codes: string[] = [];
  const waves = 6;
  for (let wave = 0; wave < waves; wave++) {
    const pairs = Array.from({ length: 50 }, () => new MemoryPair());
    const ends = pairs.map(pair =>
      helloToApplet(session.options('applet', { crypto, guard }), new PathPort(pair.applet)),
    );
    for (const pair of pairs) {
      const hello = writeHello({
        versions: [1],
        suites: [1],
        sid: fromBase64Url(session.sid),
        commit: new Uint8Array(32),
      });
      pair.inject(0, plainRecord(RECORD.hello, hello));
    }
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    for (const pair of pairs) pair.cut();
    for (const end of await Promise.allSettled(ends)) if (end.status === 'rejected') codes.push(end.reason.code);
  }
  t.is(codes.length, 50 * waves);
  t.is(codes.filter(code => code === 'link.refused').length, 5);
  t.is(codes.filter(code => code === 'link.busy').length, 5 * 49);
  t.is(codes.filter(code => code === 'link.locked').length, 50);
  t.is(made, 2 * 5); // nothing costs the victim a key pair but the five
});

test('B-02 attack: a path that pours bytes before anybody asked is ended at 1 MiB', async t => {
  const session = testSession();
  const pair = new MemoryPair();
  const port = new PathPort(pair.applet);
  for (let i = 0; i < 100 && !port.closed; i++) pair.inject(0, new Uint8Array(64 * 1024));
  t.true(port.closed);
  await t.throwsAsync(helloToApplet(session.options('applet'), port), { code: 'link.refused' });
});

for (const after of [0, 1, 2, 3, 4]) {
  test(`B-02 attack: the path is cut after message ${after} of the handshake; nothing is left, and a new one works`, async t => {
    const session = testSession();
    const guards = { console: new HandshakeGuard(), applet: new HandshakeGuard() };
    const changes = { console: { guard: guards.console }, applet: { guard: guards.applet } };
    let seen = 0;
    const pair: MemoryPair = new MemoryPair('relay', message => {
      if (seen++ < after) return [message];
      pair.cut();
      return [];
    });
    if (after === 4) pair.middle = message => [message];
    const ends = [
      Link.acceptApplet(session.options('applet', changes.applet), pair.applet),
      Link.connectConsole(session.options('console', changes.console), pair.console),
    ];
    const settled = await Promise.allSettled(ends);
    if (after === 4) pair.cut();
    if (after < 3) t.true(settled.every(end => end.status === 'rejected' && end.reason.code === 'link.refused'));
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    const { applet, console } = await handshake(session, undefined, changes);
    t.deepEqual({ applet, console }, { applet: 'ok', console: 'ok' });
    for (const end of settled) if (end.status === 'fulfilled') end.value.close();
  });
}

// Every point of small order on Curve25519 and its twist, and their other encodings (RFC 7748 §6.1, cr.yp.to/ecdh.html).
const LOW_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

test('B-02 attack: points of low order are refused, by the curve and by us where a curve would not', async t => {
  const pair = await nodeCrypto.generateKeyPair();
  for (const point of LOW_ORDER) t.throws(() => pair.agree(bytesOf(point)));
  const lenient: DhKeyPair = { ...pair, agree: () => new Uint8Array(32) };
  const start = (initiator: boolean, ephemeralKey: DhKeyPair) =>
    NoiseHandshake.start({
      ...{ crypto: nodeCrypto, pattern: 'XXpsk0', initiator, prologue: new Uint8Array(0), psks: [new Uint8Array(32)] },
      ...{ staticKey: pair, ephemeralKey },
    });
  const [initiator, responder] = [await start(true, lenient), await start(false, lenient)];
  await responder.read(await initiator.write(new Uint8Array(0)));
  await t.throwsAsync(responder.write(new Uint8Array(0)), { code: 'link.noise', message: /low order/ });
});

test('B-03 attack: after a crash no number is sealed again under the same key: a link made anew shares nothing with the old one', async t => {
  const session = testSession();
  const staticKey = await nodeCrypto.generateKeyPair(); // the applet's, of the whole session
  const seen = new Set<string>();
  const once = async () => {
    const pair = new MemoryPair();
    const [applet, console] = await Promise.all([
      helloToApplet(session.options('applet', { staticKey }), new PathPort(pair.applet)),
      helloFromConsole(session.options('console'), new PathPort(pair.console)),
    ]);
    t.deepEqual(applet.keys, console.keys);
    const { secrets, resume, control } = applet.keys;
    for (const part of [...Object.values(secrets), resume, control, applet.linkId, applet.handshakeHash])
      seen.add(Buffer.from(part).toString('hex'));
  };
  for (let crash = 0; crash < 5; crash++) await once();
  t.is(seen.size, 5 * 6);
});

test('B-02 attack: a Hello while a link is open is refused, counts nothing and disturbs nothing', async t => {
  const session = testSession();
  const guards = { console: new HandshakeGuard(), applet: new HandshakeGuard() };
  const pair = new MemoryPair();
  const [applet, console] = await Promise.all([
    Link.acceptApplet(session.options('applet', { guard: guards.applet }), pair.applet),
    Link.connectConsole(session.options('console', { guard: guards.console }), pair.console),
  ]);
  for (let i = 0; i < 10; i++) {
    const other = await handshake(session, undefined, { applet: { guard: guards.applet } });
    t.is(other.applet, 'link.busy');
    t.is(other.console, 'link.refused');
  }
  t.is(guards.applet.attemptsFailed, 0);
  const stream = console.openStream('chat', 2);
  const heard = new Promise<Bytes>(resolve => applet.onStream(it => it.listen({ message: resolve })));
  stream.send(bytesOf('0a0b'));
  t.deepEqual(await heard, bytesOf('0a0b'));
  t.deepEqual([console.state.state, applet.state.state], ['open', 'open']);
  console.close();
  applet.close();
});
