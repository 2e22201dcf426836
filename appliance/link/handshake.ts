// The handshake of a link: who is there, that nobody stands in between, and fresh keys. The applet is Noise's
// initiator, but the console speaks first: its Hello commits to what it will reveal in flight 2, before it has seen
// anything of the applet's. Layouts are in `protocol/handshake.ts`.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, type SessionId } from '../guid.ts';
import { type Bytes, concat, equalBytes, malformed } from '../protocol/bytes.ts';
import {
  LINK_VERSION,
  parseFlight1,
  parseFlight2,
  parseFlight3,
  parseHello,
  RANDOM_BYTES,
  SUITE_XXPSK0,
  writeFlight1,
  writeFlight2,
  writeFlight3,
  writeHello,
} from '../protocol/handshake.ts';
import { LINK_ID_BYTES, plainRecord, RECORD } from '../protocol/record.ts';
import type { Credential, Signed } from '../protocol/signed.ts';
import { checkCredential, type PinnedKey } from './credential-check.ts';
import type { DhKeyPair, LinkCrypto } from './crypto.ts';
import { startDeadline } from './deadline.ts';
import type { HandshakeGuard } from './handshake-guard.ts';
import { type LinkKeys, linkKeys } from './keys.ts';
import { NoiseHandshake } from './noise.ts';
import type { PathPort } from './path-port.ts';
import { commitment, shortString } from './short-string.ts';

export interface HandshakeOptions {
  readonly crypto: LinkCrypto;
  readonly clock: Clock;
  readonly sid: SessionId;
  /** 32 bytes; see `session-secrets.ts`. */
  readonly psk: Bytes;
  /** Asks the appliance for a credential over this fresh X25519 key. */
  readonly certify: (staticKey: Bytes) => Promise<Signed>;
  readonly keys: readonly PinnedKey[];
  /** The appliance's time, ms UTC, as it is now. */
  readonly trustedNow: () => number;
  /** The side's X25519 key of the whole session, where it has more than one handshake; the caller erases it. */
  readonly staticKey?: DhKeyPair;
  /** What this side can do beyond version 1. */
  readonly caps: readonly string[];
  readonly guard: HandshakeGuard;
}

export interface HandshakeResult {
  readonly linkId: Bytes;
  readonly keys: LinkKeys;
  readonly handshakeHash: Bytes;
  /** Six digits, to be compared by voice. */
  readonly shortString: string;
  readonly peer: Credential;
  readonly peerCaps: readonly string[];
}

/** The console's side. @throws ApplianceError `link.refused` for whatever went wrong, `link.busy`, `link.locked` */
export async function helloFromConsole(options: HandshakeOptions, port: PathPort): Promise<HandshakeResult> {
  const answer: Answer = { hasCome: false };
  return guarded(options, port, () => consoleFlights(options, port, answer), answer);
}

/** The applet's side: waits for a Hello as long as the path lasts. @throws as above */
export async function helloToApplet(options: HandshakeOptions, port: PathPort): Promise<HandshakeResult> {
  const hello = await port.readPlain(RECORD.hello).catch(cause => Promise.reject(refused(port, cause)));
  return guarded(options, port, () => appletFlights(options, port, hello), { hasCome: true });
}

/** Whether the peer has said anything: a Hello into the void, with the applet away, is no attempt at the short string. */
interface Answer {
  hasCome: boolean;
}

async function consoleFlights(options: HandshakeOptions, port: PathPort, answer: Answer): Promise<HandshakeResult> {
  const { crypto } = options;
  const staticKey = await staticKeyOf(options);
  const credential = await options.certify(staticKey.publicKey);
  const ephemeralKey = await crypto.generateKeyPair();
  const own = { ephemeral: ephemeralKey.publicKey, random: crypto.randomBytes(RANDOM_BYTES) };
  const suites = [SUITE_XXPSK0];
  const commit = await commitment(crypto, own);
  const hello = writeHello({ versions: [LINK_VERSION], suites, sid: fromBase64Url(options.sid), commit });
  port.send(plainRecord(RECORD.hello, hello));

  const prologue = await prologueOf(options, hello);
  const noise = await startNoise(options, false, prologue, staticKey, ephemeralKey);
  try {
    const noise1 = await port.readPlain(RECORD.noise1);
    answer.hasCome = true;
    const flight1 = parseFlight1(await noise.read(noise1));
    if (flight1.suites.join() !== suites.join()) throw malformed('a Hello that was changed on its way');
    const linkId = crypto.randomBytes(LINK_ID_BYTES);
    const flight2 = writeFlight2({ random: own.random, credential, caps: options.caps, linkId });
    port.send(plainRecord(RECORD.noise2, await noise.write(flight2)));

    const flight3 = parseFlight3(await noise.read(await port.readPlain(RECORD.noise3)));
    const peer = await check(options, flight3.credential, 'applet', noise.remoteStatic);
    const applet = { ephemeral: noise.remoteEphemeral, random: flight1.random };
    const digits = await shortString(crypto, prologue, applet, own);
    return finish(options, noise, { linkId, shortString: digits, peer, peerCaps: flight3.caps });
  } catch (error) {
    noise.erase();
    throw error;
  }
}

async function appletFlights(options: HandshakeOptions, port: PathPort, helloBytes: Bytes): Promise<HandshakeResult> {
  const { crypto } = options;
  const hello = parseHello(helloBytes);
  if (!hello.versions.includes(LINK_VERSION) || !hello.suites.includes(SUITE_XXPSK0))
    throw malformed('no common suite');
  if (!equalBytes(hello.sid, fromBase64Url(options.sid))) throw malformed('a Hello for another session');
  const staticKey = await staticKeyOf(options);
  const credential = await options.certify(staticKey.publicKey);
  const ephemeralKey = await crypto.generateKeyPair();
  const own = { ephemeral: ephemeralKey.publicKey, random: crypto.randomBytes(RANDOM_BYTES) };
  const prologue = await prologueOf(options, helloBytes);
  const noise = await startNoise(options, true, prologue, staticKey, ephemeralKey);
  try {
    const flight1 = writeFlight1({ suites: hello.suites, random: own.random });
    port.send(plainRecord(RECORD.noise1, await noise.write(flight1)));

    const flight2 = parseFlight2(await noise.read(await port.readPlain(RECORD.noise2)));
    const console = { ephemeral: noise.remoteEphemeral, random: flight2.random };
    if (!equalBytes(await commitment(crypto, console), hello.commit)) throw malformed('not what was committed to');
    // Here the console becomes trusted: the appliance says that this key is a technician's, in this session.
    const peer = await check(options, flight2.credential, 'console', noise.remoteStatic);
    port.send(plainRecord(RECORD.noise3, await noise.write(writeFlight3({ credential, caps: options.caps }))));
    const digits = await shortString(crypto, prologue, own, console);
    const linkId = flight2.linkId.slice();
    return finish(options, noise, { linkId, shortString: digits, peer, peerCaps: flight2.caps });
  } catch (error) {
    noise.erase();
    throw error;
  }
}

/** Noise erases its keys at the end; one that is still needed is lent, not given. */
async function staticKeyOf({ crypto, staticKey }: HandshakeOptions): Promise<DhKeyPair> {
  if (staticKey === undefined) return crypto.generateKeyPair();
  return { publicKey: staticKey.publicKey, agree: peerKey => staticKey.agree(peerKey), erase: () => undefined };
}

async function prologueOf({ crypto, sid }: HandshakeOptions, hello: Bytes): Promise<Bytes> {
  return concat(Uint8Array.of(LINK_VERSION), fromBase64Url(sid), await crypto.sha256(hello));
}

type Keys = Pick<Parameters<typeof NoiseHandshake.start>[0], 'staticKey'>['staticKey'];

function startNoise(
  options: HandshakeOptions,
  initiator: boolean,
  prologue: Bytes,
  staticKey: Keys,
  ephemeralKey: Keys,
) {
  const { crypto, psk } = options;
  return NoiseHandshake.start({ crypto, pattern: 'XXpsk0', initiator, prologue, psks: [psk], staticKey, ephemeralKey });
}

function check(options: HandshakeOptions, signed: Signed, role: Credential['role'], staticKey: Bytes) {
  const { sid, keys } = options;
  return checkCredential(options.crypto, signed, { sid, role, staticKey, keys, now: options.trustedNow() });
}

async function finish(
  { crypto }: HandshakeOptions,
  noise: NoiseHandshake,
  known: Pick<HandshakeResult, 'linkId' | 'shortString' | 'peer' | 'peerCaps'>,
): Promise<HandshakeResult> {
  const result = await noise.split();
  return { ...known, keys: await linkKeys(crypto, result), handshakeHash: result.handshakeHash };
}

/** Counted, within ten seconds, and with one answer to everything that can go wrong: the path ends. */
async function guarded(
  { clock, guard }: HandshakeOptions,
  port: PathPort,
  flights: () => Promise<HandshakeResult>,
  answer: Answer,
): Promise<HandshakeResult> {
  let attempt: ReturnType<HandshakeGuard['begin']>;
  try {
    attempt = guard.begin();
  } catch (error) {
    port.close();
    throw error;
  }
  const deadline = startDeadline(clock);
  try {
    const result = await Promise.race([flights(), deadline.passed]);
    if (port.closed) throw malformed('the path ended');
    attempt.finished();
    return result;
  } catch (cause) {
    if (!answer.hasCome) attempt.finished();
    throw refused(port, cause);
  } finally {
    deadline.cancel();
    attempt.over();
  }
}

function refused(port: PathPort, cause: unknown): ApplianceError {
  port.close();
  return new ApplianceError('refused', 'link.refused', 'the handshake was refused', { cause });
}
