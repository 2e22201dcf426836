// The whole handshake worked out a second time, from the specification and with other code: X25519, SHA-256, HMAC,
// HKDF and AES-GCM of the @noble packages. It is given the secrets and must arrive at every byte on the wire.
import { gcm } from '@noble/ciphers/aes.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

const join = (...parts: readonly Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));
const ascii = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));
const NONE = new Uint8Array(0);

function nonce(n: number): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(n));
  return bytes;
}

export interface OracleSecrets {
  readonly psk: Uint8Array;
  readonly prologue: Uint8Array;
  readonly appletStatic: Uint8Array;
  readonly appletEphemeral: Uint8Array;
  readonly consoleStatic: Uint8Array;
  readonly consoleEphemeral: Uint8Array;
}

export interface OracleResult {
  readonly flights: readonly Uint8Array[];
  readonly handshakeHash: Uint8Array;
  readonly appletSecret: Uint8Array;
  readonly consoleSecret: Uint8Array;
  readonly resume: Uint8Array;
  readonly control: Uint8Array;
}

class State {
  h: Uint8Array;
  ck: Uint8Array;
  #k: Uint8Array | null = null;
  #n = 0;

  constructor(name: string) {
    const bytes = ascii(name);
    this.h = bytes.length <= 32 ? join(bytes, new Uint8Array(32 - bytes.length)) : sha256(bytes);
    this.ck = this.h;
  }

  mixHash(data: Uint8Array): void {
    this.h = sha256(join(this.h, data));
  }

  outputs(input: Uint8Array, count: number): Uint8Array[] {
    // Noise's HKDF is HKDF-Expand of `count` blocks without info.
    const all = expand(sha256, extract(sha256, input, this.ck), NONE, 32 * count);
    return Array.from({ length: count }, (_, i) => all.slice(32 * i, 32 * i + 32));
  }

  mixKey(input: Uint8Array): void {
    const [ck = NONE, k = NONE] = this.outputs(input, 2);
    [this.ck, this.#k, this.#n] = [ck, k, 0];
  }

  mixPsk(psk: Uint8Array): void {
    const [ck = NONE, temp = NONE, k = NONE] = this.outputs(psk, 3);
    this.mixHash(temp);
    [this.ck, this.#k, this.#n] = [ck, k, 0];
  }

  seal(plain: Uint8Array): Uint8Array {
    const sealed = this.#k === null ? plain : gcm(this.#k, nonce(this.#n++), this.h).encrypt(plain);
    this.mixHash(sealed);
    return sealed;
  }
}

/** @param payloads of the three flights */
export function oracle(secrets: OracleSecrets, payloads: readonly [Uint8Array, Uint8Array, Uint8Array]): OracleResult {
  const { appletStatic: sA, appletEphemeral: eA, consoleStatic: sC, consoleEphemeral: eC } = secrets;
  const dh = (secret: Uint8Array, other: Uint8Array) => x25519.getSharedSecret(secret, x25519.getPublicKey(other));
  const [eAPublic, eCPublic] = [x25519.getPublicKey(eA), x25519.getPublicKey(eC)];
  const state = new State('Noise_XXpsk0_25519_AESGCM_SHA256');
  state.mixHash(secrets.prologue);

  state.mixPsk(secrets.psk); // → psk, e
  state.mixHash(eAPublic);
  state.mixKey(eAPublic);
  const flight1 = join(eAPublic, state.seal(payloads[0]));

  state.mixHash(eCPublic); // ← e, ee, s, es
  state.mixKey(eCPublic);
  state.mixKey(dh(eA, eC));
  const staticC = state.seal(x25519.getPublicKey(sC));
  state.mixKey(dh(eA, sC));
  const flight2 = join(eCPublic, staticC, state.seal(payloads[1]));

  const staticA = state.seal(x25519.getPublicKey(sA)); // → s, se
  state.mixKey(dh(sA, eC));
  const flight3 = join(staticA, state.seal(payloads[2]));

  const [appletSecret = NONE, consoleSecret = NONE] = state.outputs(NONE, 2);
  const exported = expand(sha256, hmac(sha256, state.ck, state.h), ascii('link-v1 export'), 32);
  return {
    ...{ flights: [flight1, flight2, flight3], handshakeHash: state.h, appletSecret, consoleSecret },
    resume: expand(sha256, exported, ascii('link-v1 resume'), 32),
    control: expand(sha256, exported, ascii('link-v1 control'), 32),
  };
}

/** Six digits over what both contributed. */
export function oracleShortString(prologue: Uint8Array, ...parts: readonly Uint8Array[]): string {
  const hash = sha256(join(ascii('sas1'), prologue, ...parts));
  return String(new DataView(hash.buffer, hash.byteOffset).getBigUint64(0) % 1000000n).padStart(6, '0');
}

export function oracleCommit(ephemeral: Uint8Array, random: Uint8Array): Uint8Array {
  return sha256(join(ascii('c1'), ephemeral, random));
}

/** One data record of epoch 0 or, by hashing on, of a later one. */
export function oracleRecord(
  secret: Uint8Array,
  epoch: number,
  seq: number,
  plain: Uint8Array,
  aad: [Uint8Array, number],
) {
  let current = secret;
  for (let i = 0; i < epoch; i++) current = expand(sha256, current, ascii('link-v1 rekey'), 32);
  const key = expand(sha256, current, ascii('link-v1 record'), 32);
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  header[0] = 1;
  header[1] = epoch;
  view.setUint16(2, Math.floor(seq / 2 ** 32));
  view.setUint32(4, seq % 2 ** 32);
  view.setUint32(8, plain.length);
  const [linkId, direction] = aad;
  return join(header, gcm(key, nonce(seq), join(header, linkId, Uint8Array.of(direction))).encrypt(plain));
}

export interface OracleAttach {
  readonly sid: Uint8Array;
  readonly linkId: Uint8Array;
  readonly attach: number;
  readonly generation: number;
  readonly consoleNext: number;
  readonly appletNext: number;
  readonly consoleNonce: Uint8Array;
  readonly appletNonce: Uint8Array;
}

/** @param role 1 for the console, 2 for the applet  @param kind 0 relay, 1 tcp, 2 udp */
export function oracleAttachMac(resume: Uint8Array, role: 1 | 2, kind: 0 | 1 | 2, attach: OracleAttach): Uint8Array {
  const six = (value: number) => Uint8Array.from(Buffer.from(value.toString(16).padStart(12, '0'), 'hex'));
  const numbers = [attach.attach, attach.generation, attach.consoleNext, attach.appletNext].map(six);
  const head = [ascii('link-v1 attach'), Uint8Array.of(1), attach.sid, attach.linkId, Uint8Array.of(role, kind)];
  return hmac(sha256, resume, join(...head, ...numbers, attach.consoleNonce, attach.appletNonce));
}

/** One control record of an attachment. */
export function oracleControl(
  control: Uint8Array,
  attach: number,
  direction: number,
  counter: number,
  plain: Uint8Array,
  linkId: Uint8Array,
) {
  const info = join(ascii('link-v1 attachment'), Uint8Array.from([0, 0, 0, 0, 0, attach, direction]));
  const key = expand(sha256, control, info, 32);
  const header = Uint8Array.from([2, 0, 0, 0, 0, 0, 0, counter, 0, 0, 0, plain.length]);
  return join(header, gcm(key, nonce(counter), join(header, linkId, Uint8Array.of(direction))).encrypt(plain));
}
