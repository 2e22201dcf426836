import { hkdfSync, randomBytes } from 'node:crypto';
import test from 'ava';
import { systemClock } from '../../appliance/clock.ts';
import { fromBase64Url, sessionGuidFrom } from '../../appliance/guid.ts';
import { attachFromConsole } from '../../appliance/link/attach-exchange.ts';
import type { LinkCrypto } from '../../appliance/link/crypto.ts';
import { helloFromConsole, helloToApplet } from '../../appliance/link/handshake.ts';
import { PathPort } from '../../appliance/link/path-port.ts';
import { RecordSender } from '../../appliance/link/record-sender.ts';
import { gatewayToken, linkPsk } from '../../appliance/link/session-secrets.ts';
import { type Bytes, concat } from '../../appliance/protocol/bytes.ts';
import { writeFlight1, writeFlight2, writeFlight3, writeHello } from '../../appliance/protocol/handshake.ts';
import { DIRECTION, HEADER_BYTES } from '../../appliance/protocol/record.ts';
import type { LinkRole, Signed } from '../../appliance/protocol/signed.ts';
import { EvilPeer } from './evil-peer.ts';
import { oracle, oracleAttachMac, oracleCommit, oracleControl, oracleRecord, oracleShortString } from './oracle.ts';
import { bytesOf, cryptoModes, fixedKeyPair, hex, MemoryPair, type TestSession, testSession } from './support.ts';

/** Hands out known key pairs and random numbers, in order. */
function scripted(crypto: LinkCrypto, secrets: readonly Bytes[], randoms: readonly Bytes[]): LinkCrypto {
  const [pairs, numbers] = [[...secrets], [...randoms]];
  const take = (from: Bytes[]) => from.shift() ?? new Uint8Array(0);
  return { ...crypto, generateKeyPair: () => fixedKeyPair(take(pairs)), randomBytes: () => take(numbers) };
}

/** What is secret in one handshake, drawn anew. */
class Secrets {
  readonly #drawn = Array.from({ length: 6 }, () => bytesOf(randomBytes(32)));
  readonly linkId = bytesOf(randomBytes(16));

  get(name: 'sA' | 'eA' | 'sC' | 'eC' | 'rA' | 'rC'): Bytes {
    return this.#drawn[['sA', 'eA', 'sC', 'eC', 'rA', 'rC'].indexOf(name)] ?? new Uint8Array(0);
  }
}

/** Both ends of a handshake over known secrets, with what went over the wire. */
async function handshakeOver(session: TestSession, makeCrypto: () => LinkCrypto, secrets: Secrets) {
  const credentials = new Map<LinkRole, Signed>();
  const sideOf = (role: LinkRole, pairs: readonly Bytes[], randoms: readonly Bytes[]) =>
    session.options(role, {
      crypto: scripted(makeCrypto(), pairs, randoms),
      certify: async spk => {
        const signed = session.issuer.credential(role, session.sid, spk);
        credentials.set(role, signed);
        return signed;
      },
    });
  const pair = new MemoryPair();
  const appletSide = sideOf('applet', [secrets.get('sA'), secrets.get('eA')], [secrets.get('rA')]);
  const consoleSide = sideOf('console', [secrets.get('sC'), secrets.get('eC')], [secrets.get('rC'), secrets.linkId]);
  const results = await Promise.all([
    helloToApplet(appletSide, new PathPort(pair.applet)),
    helloFromConsole(consoleSide, new PathPort(pair.console)),
  ]);
  const credentialOf = (role: LinkRole): Signed => {
    const signed = credentials.get(role);
    if (signed === undefined) throw new Error(`no credential was asked for as ${role}`);
    return signed;
  };
  return { results, credentialOf, wire: pair.log.map(({ message }) => hex(message.subarray(HEADER_BYTES))) };
}

for (const [mode, makeCrypto] of Object.entries(cryptoModes)) {
  test(`B-02 ${mode}: an oracle of other code arrives at every byte of the handshake`, async t => {
    const session = testSession(makeCrypto);
    const secrets = new Secrets();
    const [sA, eA, sC, eC] = [secrets.get('sA'), secrets.get('eA'), secrets.get('sC'), secrets.get('eC')];
    const [rA, rC, linkId] = [secrets.get('rA'), secrets.get('rC'), secrets.linkId];
    const { results, credentialOf, wire } = await handshakeOver(session, makeCrypto, secrets);
    const [eCPublic, eAPublic] = [fixedKeyPair(eC).publicKey, fixedKeyPair(eA).publicKey];
    const commit = bytesOf(oracleCommit(eCPublic, rC));
    const hello = writeHello({ versions: [1], suites: [1], sid: fromBase64Url(session.sid), commit });
    const prologue = concat(Uint8Array.of(1), fromBase64Url(session.sid), bytesOf(await makeCrypto().sha256(hello)));
    const expected = oracle(
      { psk: session.psk, prologue, appletStatic: sA, appletEphemeral: eA, consoleStatic: sC, consoleEphemeral: eC },
      [
        writeFlight1({ suites: [1], random: rA }),
        writeFlight2({ random: rC, credential: credentialOf('console'), caps: ['zstd'], linkId }),
        writeFlight3({ credential: credentialOf('applet'), caps: ['zstd'] }),
      ],
    );
    t.deepEqual(wire, [hex(hello), ...expected.flights.map(hex)]);
    for (const side of results) {
      t.is(hex(side.handshakeHash), hex(expected.handshakeHash));
      t.is(hex(side.keys.secrets[DIRECTION.appletToConsole]), hex(expected.appletSecret));
      t.is(hex(side.keys.secrets[DIRECTION.consoleToApplet]), hex(expected.consoleSecret));
      t.is(hex(side.keys.resume), hex(expected.resume));
      t.is(hex(side.keys.control), hex(expected.control));
      t.is(side.shortString, oracleShortString(prologue, eAPublic, rA, eCPublic, rC));
    }
  });

  test(`B-03 ${mode}: records and their keys over epochs are those of the oracle`, async t => {
    const secret = bytesOf(randomBytes(32));
    const linkId = bytesOf(randomBytes(16));
    const direction = DIRECTION.consoleToApplet;
    const sender = new RecordSender({
      ...{ crypto: makeCrypto(), clock: systemClock, secret: secret.slice(), linkId, direction, rekeyRecords: 2 },
      ...{ sealed: () => undefined, fail: error => t.fail(String(error)) },
    });
    const plains = Array.from({ length: 6 }, (_, i) => bytesOf(randomBytes(i * 100 + 1)));
    const got: Bytes[] = [];
    for (const plain of plains) {
      sender.seal([plain.subarray(0, 1), plain.subarray(1)], plain.length);
      let record = sender.next();
      for (; record === null; record = sender.next()) await new Promise(setImmediate);
      got.push(record);
      sender.acknowledge(got.length);
    }
    const expected = plains.map((plain, seq) =>
      oracleRecord(secret, Math.floor(seq / 2), seq, plain, [linkId, direction]),
    );
    t.deepEqual(got.map(hex), expected.map(hex));
  });
}

test('F-05 the MACs of ATTACH and the control records are those of the oracle', async t => {
  await using evil = await EvilPeer.connect();
  const { sid, linkId, resume } = evil.attachOptions();
  const pair = new MemoryPair('tcp');
  await Promise.all([
    evil.honest.attachPath(pair.applet),
    attachFromConsole(evil.attachOptions(5, 300), new PathPort(pair.console), 77),
  ]);
  const [begin, prove, confirm] = pair.log.map(({ message }) => message.subarray(HEADER_BYTES));
  if (begin === undefined || prove === undefined || confirm === undefined) return t.fail('no ATTACH');
  const attach = {
    ...{ sid, linkId, attach: 77, generation: 5, consoleNext: 300, appletNext: 0 },
    consoleNonce: begin.slice(-16),
    appletNonce: prove.slice(3, 19), // after attach (two bytes) and next (one)
  };
  t.is(hex(prove.slice(19)), hex(oracleAttachMac(resume, 2, 1, attach)));
  t.is(hex(confirm.slice(2)), hex(oracleAttachMac(resume, 1, 1, attach)));
  const ping = oracleControl(evil.result.keys.control, 77, 2, 0, Uint8Array.of(2, 9), linkId);
  pair.inject(0, bytesOf(ping));
  for (let i = 0; i < 4; i++) await new Promise(setImmediate);
  const pong = oracleControl(evil.result.keys.control, 77, 1, 0, Uint8Array.of(3, 9), linkId);
  t.is(hex(pair.log[3]?.message ?? new Uint8Array(0)), hex(pong));
});

test('B-02 what both ends derive from the GUID is plain HKDF, and tells gateway and link apart', async t => {
  const guid = sessionGuidFrom(randomBytes(16));
  const { sid } = testSession();
  const crypto = cryptoModes.sync();
  const none = new Uint8Array(0);
  const info = Buffer.concat([Buffer.from('link-v1 psk'), fromBase64Url(sid)]);
  t.is(hex(await linkPsk(crypto, guid, sid)), hex(new Uint8Array(hkdfSync('sha256', guid, none, info, 32))));
  t.is(
    hex(await gatewayToken(crypto, guid)),
    hex(new Uint8Array(hkdfSync('sha256', guid, none, 'link-v1 gateway', 32))),
  );
});
