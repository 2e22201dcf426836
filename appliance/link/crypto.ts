// What the link needs of cryptography, handed in: `node:crypto` on the customer's side, WebCrypto in the browser.
// A result may be a value or a promise. Only promises are awaited, so Node works synchronously, without a turn of the
// event loop per record.
import { type Bytes, concat, utf8Bytes } from '../protocol/bytes.ts';

export type Later<T> = T | Promise<T>;

/** One AES-256-GCM key. */
export interface AeadKey {
  /**
   * Seals the parts, one after the other, as one plaintext.
   * @param spare memory nobody uses any more; where the platform can, it is used for the result
   * @returns `headroom` bytes for the caller to fill, ciphertext, 16-byte tag
   */
  seal(nonce: Bytes, associated: Bytes, parts: readonly Bytes[], headroom: number, spare?: Bytes): Later<Bytes>;
  /** Opens ciphertext ‖ tag. Throws or rejects when the tag is wrong. */
  open(nonce: Bytes, associated: Bytes, sealed: Bytes): Later<Bytes>;
  /** Forgets the key, as far as the platform lets one. */
  erase(): void;
}

/** One X25519 key pair (RFC 7748). */
export interface DhKeyPair {
  readonly publicKey: Bytes;
  /** The shared secret. May throw or reject for points of low order; the caller checks for zeroes as well. */
  agree(peerKey: Bytes): Later<Bytes>;
  erase(): void;
}

export interface LinkCrypto {
  randomBytes(length: number): Bytes;
  sha256(data: Bytes): Later<Bytes>;
  hmacSha256(key: Bytes, data: Bytes): Later<Bytes>;
  /** @param key 32 bytes; the caller may zero them afterwards */
  aeadKey(key: Bytes): Later<AeadKey>;
  generateKeyPair(): Later<DhKeyPair>;
  /**
   * ECDSA on P-256 with SHA-256.
   * @param publicKey SPKI (DER)
   * @param signature r ‖ s, 64 bytes
   */
  verifyEs256(publicKey: Bytes, message: Bytes, signature: Bytes): Later<boolean>;
}

/** Goes on with a value at once and with a promise when it is there. */
export function whenReady<T, R>(value: Later<T>, use: (value: T) => Later<R>): Later<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/** HKDF-Expand of one block (RFC 5869 §2.3): 32 bytes. */
export function expand(crypto: LinkCrypto, secret: Bytes, label: string, ...context: readonly Bytes[]): Later<Bytes> {
  return crypto.hmacSha256(secret, concat(utf8Bytes(label), ...context, Uint8Array.of(1)));
}

/** HKDF-SHA256 with 32 bytes of output (RFC 5869). */
export async function hkdf(crypto: LinkCrypto, salt: Bytes, input: Bytes, label: string, ...context: readonly Bytes[]) {
  const extracted = await crypto.hmacSha256(salt, input);
  return expand(crypto, extracted, label, ...context);
}
