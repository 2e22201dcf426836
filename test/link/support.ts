// Both ends of a link in one process: an issuer of credentials, paths in memory that can be tampered with, and the
// three ways cryptography may answer.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { nodeCrypto, nodeKeyPair } from '../../appliance/applet/node-crypto.ts';
import { systemClock } from '../../appliance/clock.ts';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import type { PinnedKey } from '../../appliance/link/credential-check.ts';
import type { AeadKey, DhKeyPair, Later, LinkCrypto } from '../../appliance/link/crypto.ts';
import { HandshakeGuard } from '../../appliance/link/handshake-guard.ts';
import { UNACKNOWLEDGED_BYTES } from '../../appliance/link/limits.ts';
import { Link, type LinkOptions } from '../../appliance/link/link.ts';
import type { Path, PathListener } from '../../appliance/link/path.ts';
import type { LinkStream } from '../../appliance/link/stream.ts';
import type { PathKind } from '../../appliance/protocol/attach.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { type CanonicalValue, canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { type LinkRole, SESSION_DOMAIN, type Signed, signedMessage } from '../../appliance/protocol/signed.ts';

export const NOW = Date.UTC(2026, 5, 1, 8);

/** Bytes of a buffer of its own. */
export function bytesOf(source: Uint8Array | string): Bytes {
  return Uint8Array.from(typeof source === 'string' ? Buffer.from(source, 'hex') : source);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Signs credentials as the appliance does. */
export class TestIssuer {
  readonly #privateKey: KeyObject;
  readonly pinned: PinnedKey;

  /** @param key a session key there is already, with the id it is pinned by */
  constructor(key?: { readonly privateKey: KeyObject; readonly kid: string }) {
    this.#privateKey = key?.privateKey ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const publicKey = spkiOf(createPublicKey(this.#privateKey));
    this.pinned = { kid: key?.kid ?? toBase64Url(randomBytes(12)), publicKey };
  }

  sign(object: CanonicalValue, domain = SESSION_DOMAIN): Signed {
    const payload = canonicalBytes(object);
    const key = { key: this.#privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return { payload, signature: bytesOf(sign('sha256', signedMessage(domain, payload), key)) };
  }

  credential(role: LinkRole, sid: string, spk: Bytes, changes: Record<string, CanonicalValue> = {}): Signed {
    return this.sign({
      ...{
        v: 1,
        type: 'credential',
        role,
        sid,
        spk: toBase64Url(spk),
        sub: role === 'console' ? 'member-1' : 'customer',
      },
      ...{ nbf: NOW - 1000, exp: NOW + 300_000, features: ['chat'], policy: toBase64Url(new Uint8Array(32)) },
      ...{ jti: toBase64Url(randomBytes(16)), kid: this.pinned.kid, nonce: toBase64Url(randomBytes(16)) },
      ...(role === 'applet' ? { apk: toBase64Url(appletKey) } : {}),
      ...changes,
    });
  }
}

const appletKey = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);

function spkiOf(key: KeyObject): Bytes {
  return bytesOf(key.export({ format: 'der', type: 'spki' }));
}

/** An X25519 pair with a known secret, for vectors. */
export function fixedKeyPair(secret: Uint8Array): DhKeyPair {
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), secret]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return nodeKeyPair(privateKey, createPublicKey(privateKey));
}

/** Answers a turn later. */
const later = <T>(value: Later<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    setImmediate(() => Promise.resolve(value).then(resolve, reject));
  });

/** Answers to calls made in one turn in the reverse of their order. */
class Reverser {
  #waiting: (() => void)[] = [];

  readonly delay = <T>(work: () => Later<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#answer());
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });

  #answer(): void {
    const waiting = this.#waiting.reverse();
    this.#waiting = [];
    for (const answer of waiting) answer();
  }
}

/** `node:crypto` behind a delay. Arguments are copied at the call, as WebCrypto does. */
function delayed(delay: <T>(work: () => Later<T>) => Promise<T>): LinkCrypto {
  const wrapKey = (key: AeadKey): AeadKey => ({
    seal: (nonce, associated, parts, headroom) => {
      const sealed = key.seal(nonce, associated, parts, headroom);
      return delay(() => sealed);
    },
    open: (nonce, associated, sealed) => {
      const [n, a, s] = [nonce.slice(), associated.slice(), sealed.slice()];
      let opened: { plain: Bytes } | { error: unknown };
      try {
        opened = { plain: key.open(n, a, s) as Bytes };
      } catch (error) {
        opened = { error };
      }
      return delay(() => {
        if ('error' in opened) throw opened.error;
        return opened.plain;
      });
    },
    erase: () => key.erase(),
  });
  const wrapPair = (pair: DhKeyPair): DhKeyPair => ({
    publicKey: pair.publicKey,
    agree: peerKey => delay(() => pair.agree(peerKey)),
    erase: () => pair.erase(),
  });
  return {
    randomBytes: nodeCrypto.randomBytes,
    sha256: data => delay(() => nodeCrypto.sha256(data)),
    hmacSha256: (key, data) => {
      const result = nodeCrypto.hmacSha256(key, data);
      return delay(() => result);
    },
    aeadKey: key => {
      const made = nodeCrypto.aeadKey(key) as AeadKey;
      return delay(() => wrapKey(made));
    },
    generateKeyPair: () => delay(() => wrapPair(nodeCrypto.generateKeyPair() as DhKeyPair)),
    verifyEs256: (key, message, signature) => delay(() => nodeCrypto.verifyEs256(key, message, signature)),
  };
}

/** The suite runs once for each. */
export const cryptoModes: Readonly<Record<'sync' | 'async' | 'reverse', () => LinkCrypto>> = {
  sync: () => nodeCrypto,
  async: () => delayed(work => later(undefined).then(work)),
  reverse: () => delayed(new Reverser().delay),
};

/** One end of a path in memory. */
class MemoryPath implements Path {
  readonly kind: PathKind;
  readonly #pair: MemoryPair;
  readonly #side: 0 | 1;
  #listener: PathListener | null = null;
  #early: Bytes[] = [];
  #closed = false;
  #full = false;

  constructor(kind: PathKind, pair: MemoryPair, side: 0 | 1) {
    this.kind = kind;
    this.#pair = pair;
    this.#side = side;
  }

  get unsentBytes(): number {
    return this.#pair.waiting(this.#side);
  }

  listen(listener: PathListener): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener.message(message);
  }

  send(message: Bytes): void {
    if (!this.#closed) this.#pair.carry(this.#side, message);
    this.#full ||= this.unsentBytes >= 256 * 1024;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pair.cut();
  }

  receive(message: Bytes): void {
    if (this.#closed) return;
    if (this.#listener === null) this.#early.push(message);
    else this.#listener.message(message);
  }

  carried(): void {
    if (!this.#full || this.unsentBytes >= 256 * 1024) return;
    this.#full = false;
    this.#listener?.drained();
  }

  ended(): void {
    const listener = this.#listener;
    this.#closed = true;
    this.#listener = null;
    listener?.closed();
  }
}

/** What stands in the middle: sees each message from `side`, passes on what it returns. Side 0 is the console. */
export type Middle = (message: Bytes, side: 0 | 1, index: number) => readonly Bytes[];

const pass: Middle = message => [message];

/** How long messages take. */
export type Travel = (arrive: () => void) => void;
const oneTurn: Travel = arrive => void setImmediate(arrive);

/** So many turns of the event loop. */
export function turnsOf(count: number): Travel {
  return arrive => void (count > 1 ? setImmediate(() => turnsOf(count - 1)(arrive)) : setImmediate(arrive));
}

/** Lets so many turns of the event loop pass. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/** Two ends and what lies between them. Messages take a turn of the event loop, if nothing else is said. */
export class MemoryPair {
  readonly console: MemoryPath;
  readonly applet: MemoryPath;
  middle: Middle;
  /** For a middle that counts: the message at which it cuts. */
  cutAt = Number.POSITIVE_INFINITY;
  /** Every message, as its author sent it. */
  readonly log: { side: 0 | 1; message: Bytes }[] = [];
  readonly #queues: [Bytes[], Bytes[]] = [[], []];
  readonly #counts: [number, number] = [0, 0];
  readonly #travel: Travel;
  #held = false;
  #moving = false;
  #cut = false;

  constructor(kind: PathKind = 'relay', middle: Middle = pass, appletKind: PathKind = kind, travel: Travel = oneTurn) {
    this.#travel = travel;
    this.console = new MemoryPath(kind, this, 0);
    this.applet = new MemoryPath(appletKind, this, 1);
    this.middle = middle;
  }

  waiting(side: 0 | 1): number {
    return this.#queues[side].reduce((sum, message) => sum + message.length, 0);
  }

  carry(side: 0 | 1, message: Bytes): void {
    if (this.#cut) return;
    this.log.push({ side, message: message.slice() });
    this.#queues[side].push(message);
    this.#move();
  }

  /** Puts a message in, towards the other side of `side`. */
  inject(side: 0 | 1, message: Bytes): void {
    this.#end(1 - side).receive(message.slice());
  }

  /** Nothing arrives any more, and nobody is told. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#move();
  }

  /** Ends the path for both. What was on its way is lost. */
  cut(): void {
    if (this.#cut) return;
    this.#cut = true;
    setImmediate(() => {
      this.console.ended();
      this.applet.ended();
    });
  }

  /** Ends the path for one side; the other hears of it by nothing yet. */
  endFor(side: 0 | 1): void {
    this.#end(side).ended();
  }

  #end(side: number): MemoryPath {
    return side === 0 ? this.console : this.applet;
  }

  #move(): void {
    if (this.#moving || this.#held) return;
    this.#moving = true;
    this.#travel(() => {
      this.#moving = false;
      if (this.#held) return;
      for (const side of [0, 1] as const) {
        for (const message of this.#queues[side].splice(0)) {
          for (const out of this.middle(message, side, this.#counts[side]++)) this.#end(1 - side).receive(out.slice());
        }
        this.#end(side).carried();
      }
    });
  }
}

export interface TestSession {
  readonly issuer: TestIssuer;
  readonly sid: ReturnType<typeof sessionIdFrom>;
  readonly psk: Bytes;
  options(role: LinkRole, changes?: Partial<LinkOptions>): LinkOptions;
}

/** A session both ends know of. */
export function testSession(makeCrypto: () => LinkCrypto = cryptoModes.sync): TestSession {
  const issuer = new TestIssuer();
  const sid = sessionIdFrom(randomBytes(16));
  const psk = bytesOf(randomBytes(32));
  return {
    issuer,
    sid,
    psk,
    options: (role, changes = {}) => ({
      ...{ crypto: makeCrypto(), clock: systemClock, sid, psk, keys: [issuer.pinned], trustedNow: () => NOW },
      ...{ caps: ['zstd'], guard: new HandshakeGuard(), unacknowledgedBytes: UNACKNOWLEDGED_BYTES.browser },
      certify: async spk => issuer.credential(role, sid, spk),
      ...changes,
    }),
  };
}

export interface TestLinks extends AsyncDisposable {
  readonly session: TestSession;
  readonly console: Link;
  readonly applet: Link;
  readonly pair: MemoryPair;
  /** Attaches another path to both. @returns its number and what lies between */
  attach(kind?: PathKind, travel?: Travel): Promise<{ attach: number; pair: MemoryPair }>;
}

export interface TestLinkOptions {
  readonly makeCrypto?: () => LinkCrypto;
  readonly both?: Partial<LinkOptions>;
  readonly console?: Partial<LinkOptions>;
  readonly applet?: Partial<LinkOptions>;
  readonly pair?: MemoryPair;
}

/** Two ends that have shaken hands. */
export async function connectedLinks(options: TestLinkOptions = {}): Promise<TestLinks> {
  const session = testSession(options.makeCrypto);
  const pair = options.pair ?? new MemoryPair();
  const [applet, console] = await Promise.all([
    Link.acceptApplet(session.options('applet', { ...options.both, ...options.applet }), pair.applet),
    Link.connectConsole(session.options('console', { ...options.both, ...options.console }), pair.console),
  ]);
  return {
    ...{ session, console, applet, pair },
    attach: async (kind = 'relay', travel = oneTurn) => {
      const other = new MemoryPair(kind, pass, kind, travel);
      const [attach] = await Promise.all([console.attachPath(other.console), applet.attachPath(other.applet)]);
      return { attach, pair: other };
    },
    [Symbol.asyncDispose]: async () => {
      console.close();
      applet.close();
    },
  };
}

/** The next stream the peer opens. */
export function nextStream(link: Link): Promise<LinkStream> {
  return new Promise(resolve => link.onStream(resolve));
}

/** Collects the messages of a stream; `until(n)` waits for the n-th. */
export class Collector {
  readonly messages: Bytes[] = [];
  #waiting: { count: number; resolve: () => void }[] = [];

  constructor(stream: LinkStream) {
    stream.listen({
      message: message => {
        this.messages.push(message);
        this.#waiting = this.#waiting.filter(({ count, resolve }) => {
          if (this.messages.length >= count) resolve();
          return this.messages.length < count;
        });
      },
    });
  }

  until(count: number): Promise<void> {
    if (this.messages.length >= count) return Promise.resolve();
    return new Promise(resolve => this.#waiting.push({ count, resolve }));
  }
}

/** Resolves when the link has come into this state, with the code of its error. */
export function whenState(link: Link, state: 'open' | 'detached' | 'closed'): Promise<string | null> {
  return new Promise(resolve => {
    const look = () => {
      if (link.state.state === state) resolve(link.state.error?.code ?? null);
    };
    look();
    link.onState(look);
  });
}

export function textBytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}
