// The link's cryptography on WebCrypto, with X25519 in it (Chrome and Edge ≥ 133, Firefox ≥ 130, Safari ≥ 17).
import type { AeadKey, DhKeyPair, LinkCrypto } from '../link/crypto.ts';
import { type Bytes, concat } from '../protocol/bytes.ts';

const subtle = crypto.subtle;
const TAG_BITS = 128;

export const webCrypto: LinkCrypto = {
  randomBytes: length => crypto.getRandomValues(new Uint8Array(length)),
  sha256: async data => new Uint8Array(await subtle.digest('SHA-256', data)),
  hmacSha256: async (key, data) => {
    // WebCrypto takes no empty HMAC key; a zero block is the same key (RFC 2104 §2).
    const usable = key.length === 0 ? new Uint8Array(64) : key;
    const imported = await subtle.importKey('raw', usable, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    return new Uint8Array(await subtle.sign('HMAC', imported, data));
  },
  aeadKey: key => importAead(key.slice()),
  generateKeyPair,
  verifyEs256: async (publicKey, message, signature) => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
    const key = await subtle.importKey('spki', publicKey, algorithm, false, ['verify']);
    return subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, message);
  },
};

async function importAead(key: Bytes): Promise<AeadKey> {
  const imported = await subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
  key.fill(0);
  return new WebAeadKey(imported);
}

async function generateKeyPair(): Promise<DhKeyPair> {
  const pair = await subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']);
  if (!('privateKey' in pair)) throw new TypeError('X25519 is no pair here');
  let held: CryptoKey | null = pair.privateKey;
  return {
    publicKey: new Uint8Array(await subtle.exportKey('raw', pair.publicKey)),
    agree: async peerKey => {
      if (held === null) throw new TypeError('the key was erased');
      const key = await subtle.importKey('raw', peerKey, { name: 'X25519' }, false, []);
      return new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: key }, held, 256));
    },
    erase: () => {
      held = null;
    },
  };
}

class WebAeadKey implements AeadKey {
  #key: CryptoKey | null;

  constructor(key: CryptoKey) {
    this.#key = key;
  }

  async seal(nonce: Bytes, associated: Bytes, parts: readonly Bytes[], headroom: number): Promise<Bytes> {
    const [only] = parts;
    const plain = parts.length === 1 && only !== undefined ? only : concat(...parts);
    const params = { name: 'AES-GCM', iv: nonce, additionalData: associated, tagLength: TAG_BITS };
    const body = await subtle.encrypt(params, this.#live(), plain);
    const sealed = new Uint8Array(headroom + body.byteLength);
    sealed.set(new Uint8Array(body), headroom);
    return sealed;
  }

  async open(nonce: Bytes, associated: Bytes, sealed: Bytes): Promise<Bytes> {
    const params = { name: 'AES-GCM', iv: nonce, additionalData: associated, tagLength: TAG_BITS };
    return new Uint8Array(await subtle.decrypt(params, this.#live(), sealed));
  }

  erase(): void {
    this.#key = null;
  }

  #live(): CryptoKey {
    if (this.#key === null) throw new TypeError('the key was erased');
    return this.#key;
  }
}
