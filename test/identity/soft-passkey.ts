// An authenticator in software, for the test to lie with: it makes a key, and answers whatever it is told to. Bytes by
// WebAuthn Level 2 §6.1, §6.5 and RFC 9053, made without the library that is under test.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { PasskeyRequest } from '../../appliance/identity/passkey-check.ts';

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256' | 'ES384';

/** What an honest authenticator would never change. */
export interface Lies {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly counter?: number;
  readonly isUserVerified?: boolean;
  readonly isUserPresent?: boolean;
  readonly userHandle?: string | null;
  readonly tamper?: boolean;
  readonly credentialId?: Buffer;
  readonly format?: string;
}

export class SoftPasskey {
  credentialId = randomBytes(32);
  counter = 0;
  userHandle = 'A'.repeat(22);
  readonly #algorithm: Algorithm;
  readonly #privateKey: KeyObject;
  readonly #cose: Buffer;

  constructor(algorithm: Algorithm = 'ES256') {
    this.#algorithm = algorithm;
    const { publicKey, privateKey } = pairOf(algorithm);
    this.#privateKey = privateKey;
    this.#cose = coseOf(publicKey, algorithm);
  }

  /** Answer of `navigator.credentials.create`, as our page sends it. */
  register(asked: { challenge: string; rp: { id: string }; user: { id: string } }, origin: string, lies: Lies = {}) {
    this.userHandle = asked.user.id;
    const id = lies.credentialId ?? this.credentialId;
    const length = Buffer.from([id.length >> 8, id.length & 255]);
    const attested = Buffer.concat([Buffer.alloc(16), length, id, this.#cose]);
    const authData = this.#authData(lies.rpId ?? asked.rp.id, 0x40, lies, attested);
    const size = Buffer.from([0x59, authData.length >> 8, authData.length & 255]);
    const { format = 'none' } = lies;
    const object = Buffer.concat([
      Buffer.from([0xa3]),
      cborText('fmt'),
      cborText(format),
      cborText('attStmt'),
      Buffer.from([0xa0]),
      cborText('authData'),
      size,
      authData,
    ]);
    const clientDataJSON = clientData('webauthn.create', asked.challenge, origin, lies);
    return this.#answer(id, { clientDataJSON, attestationObject: object.toString('base64url'), transports: ['usb'] });
  }

  /** Answer of `navigator.credentials.get`, as our page sends it. */
  answer({ challenge, rpId }: PasskeyRequest, origin: string, lies: Lies = {}) {
    this.counter = lies.counter ?? this.counter;
    const authData = this.#authData(lies.rpId ?? rpId, 0, lies, Buffer.alloc(0));
    const clientDataJSON = clientData('webauthn.get', challenge, origin, lies);
    const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
    const signed = Buffer.concat([authData, hash]);
    const signature = sign(this.#algorithm === 'EdDSA' ? null : 'sha256', signed, this.#privateKey);
    if (lies.tamper) signature.writeUInt8((signature.at(-1) ?? 0) ^ 1, signature.length - 1);
    return this.#answer(lies.credentialId ?? this.credentialId, {
      clientDataJSON,
      authenticatorData: authData.toString('base64url'),
      signature: signature.toString('base64url'),
      userHandle: lies.userHandle === undefined ? this.userHandle : lies.userHandle,
    });
  }

  #authData(rpId: string, flags: number, { isUserVerified = true, isUserPresent = true }: Lies, rest: Buffer): Buffer {
    const head = Buffer.alloc(37);
    createHash('sha256').update(rpId).digest().copy(head);
    head.writeUInt8(flags | (isUserPresent ? 1 : 0) | (isUserVerified ? 4 : 0), 32);
    head.writeUInt32BE(this.counter, 33);
    return Buffer.concat([head, rest]);
  }

  #answer(id: Buffer, response: object): string {
    const text = id.toString('base64url');
    return JSON.stringify({ id: text, rawId: text, type: 'public-key', response });
  }
}

function clientData(type: string, challenge: string, origin: string, lies: Lies): string {
  const data = { type: lies.type ?? type, challenge: lies.challenge ?? challenge, origin: lies.origin ?? origin };
  return Buffer.from(JSON.stringify({ ...data, crossOrigin: false })).toString('base64url');
}

function pairOf(algorithm: Algorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519');
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ec', { namedCurve: algorithm === 'ES256' ? 'P-256' : 'P-384' });
}

/** RFC 9053 §7: kty, alg, then the key itself. */
function coseOf(key: KeyObject, algorithm: Algorithm): Buffer {
  const jwk = key.export({ format: 'jwk' });
  const [x, y, n] = [jwk.x, jwk.y, jwk.n].map(part => Buffer.from(part ?? '', 'base64url'));
  const bytes = (part = Buffer.alloc(0)) =>
    Buffer.concat([
      part.length < 256 ? Buffer.from([0x58, part.length]) : Buffer.from([0x59, part.length >> 8, part.length & 255]),
      part,
    ]);
  const byte = (...values: number[]) => Buffer.from(values);
  if (algorithm === 'EdDSA') return Buffer.concat([byte(0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21), bytes(x)]);
  if (algorithm === 'RS256') {
    return Buffer.concat([byte(0xa4, 1, 3, 3, 0x39, 1, 0, 0x20), bytes(n), byte(0x21, 0x43, 1, 0, 1)]);
  }
  const head = algorithm === 'ES256' ? byte(0xa5, 1, 2, 3, 0x26, 0x20, 1) : byte(0xa5, 1, 2, 3, 0x38, 0x22, 0x20, 2);
  return Buffer.concat([head, byte(0x21), bytes(x), byte(0x22), bytes(y)]);
}

function cborText(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + text.length]), Buffer.from(text)]);
}
