// The link's cryptography on `node:crypto`, all of it synchronous.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomFillSync,
  verify,
} from 'node:crypto';
import type { AeadKey, DhKeyPair, LinkCrypto } from '../link/crypto.ts';
import type { Bytes } from '../protocol/bytes.ts';

const ALGORITHM = 'aes-256-gcm';
const TAG_BYTES = 16;
/** SPKI of an X25519 key without the key itself (RFC 8410 §4). */
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');

export const nodeCrypto: LinkCrypto = {
  randomBytes: length => randomFillSync(new Uint8Array(length)),
  sha256: data => new Uint8Array(createHash('sha256').update(data).digest()),
  hmacSha256: (key, data) => new Uint8Array(createHmac('sha256', key).update(data).digest()),
  aeadKey: key => new NodeAeadKey(key),
  generateKeyPair: () => {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    return nodeKeyPair(privateKey, publicKey);
  },
  verifyEs256: (publicKey, message, signature) => {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false;
    return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  },
};

/** An X25519 key pair Node already holds. */
export function nodeKeyPair(privateKey: KeyObject, publicKey: KeyObject): DhKeyPair {
  let held: KeyObject | null = privateKey;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(X25519_SPKI.length)),
    agree: peerKey => {
      if (held === null) throw new TypeError('the key was erased');
      const key = createPublicKey({ key: Buffer.concat([X25519_SPKI, peerKey]), format: 'der', type: 'spki' });
      return new Uint8Array(diffieHellman({ privateKey: held, publicKey: key }));
    },
    erase: () => {
      held = null; // Node gives no way to zero it; the garbage collector does the rest
    },
  };
}

class NodeAeadKey implements AeadKey {
  readonly #key: Uint8Array;
  #erased = false;

  constructor(key: Uint8Array) {
    this.#key = key.slice();
  }

  seal(nonce: Bytes, associated: Bytes, parts: readonly Bytes[], headroom: number, spare?: Bytes): Bytes {
    const cipher = createCipheriv(ALGORITHM, this.#live(), nonce);
    cipher.setAAD(associated);
    let length = headroom + TAG_BYTES;
    for (const part of parts) length += part.length;
    // A buffer of its own, not of Node's pool: it is kept until acknowledged and may be handed to another thread.
    const sealed =
      spare !== undefined && spare.length >= length
        ? spare.subarray(0, length)
        : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    let at = headroom;
    for (const part of parts) {
      sealed.set(part, at);
      at += part.length;
    }
    // One call over all parts: each costs an allocation of its own. Nobody sees the plaintext that stands here until then.
    sealed.set(cipher.update(sealed.subarray(headroom, at)), headroom);
    cipher.final(); // GCM is a stream: nothing is left
    sealed.set(cipher.getAuthTag(), at);
    return sealed;
  }

  open(nonce: Bytes, associated: Bytes, sealed: Bytes): Bytes {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, this.#live(), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(0, end));
    decipher.final(); // throws when the tag is wrong; nothing was used before
    return new Uint8Array(plain.buffer as ArrayBuffer, plain.byteOffset, plain.length);
  }

  erase(): void {
    this.#erased = true;
    this.#key.fill(0);
  }

  #live(): Uint8Array {
    if (this.#erased) throw new TypeError('the key was erased'); // never seal under a key of zeroes
    return this.#key;
  }
}
