// SymmetricState and CipherState of Noise rev. 34 (§5.1, §5.2).
import type { Bytes } from '../protocol/bytes.ts';
import { concat } from '../protocol/bytes.ts';
import { nonceOf } from '../protocol/record.ts';
import type { AeadKey, LinkCrypto } from './crypto.ts';
import type { NoiseResult } from './noise.ts';

const HASH_BYTES = 32;
const NOTHING = new Uint8Array(0);

export class SymmetricState {
  readonly #crypto: LinkCrypto;
  #hash: Bytes;
  #chainingKey: Bytes;
  #key: AeadKey | null = null;
  #nonce = 0;

  private constructor(crypto: LinkCrypto, hash: Bytes) {
    this.#crypto = crypto;
    this.#hash = hash;
    this.#chainingKey = hash.slice();
  }

  static async start(crypto: LinkCrypto, protocolName: Bytes): Promise<SymmetricState> {
    if (protocolName.length > HASH_BYTES) return new SymmetricState(crypto, await crypto.sha256(protocolName));
    const padded = new Uint8Array(HASH_BYTES);
    padded.set(protocolName);
    return new SymmetricState(crypto, padded);
  }

  get hasKey(): boolean {
    return this.#key !== null;
  }

  async mixHash(data: Bytes): Promise<void> {
    this.#hash = await this.#crypto.sha256(concat(this.#hash, data));
  }

  async mixKey(input: Bytes): Promise<void> {
    const [chainingKey, key] = await this.#hkdf(input, 2);
    await this.#setKeys(chainingKey, key);
  }

  async mixKeyAndHash(input: Bytes): Promise<void> {
    const [chainingKey, hash, key] = await this.#hkdf(input, 3);
    await this.mixHash(hash);
    await this.#setKeys(chainingKey, key);
  }

  async encryptAndHash(plain: Bytes): Promise<Bytes> {
    const sealed = this.#key === null ? plain : await this.#key.seal(nonceOf(this.#nonce++), this.#hash, [plain], 0);
    await this.mixHash(sealed);
    return sealed;
  }

  async decryptAndHash(sealed: Bytes): Promise<Bytes> {
    const plain = this.#key === null ? sealed : await this.#key.open(nonceOf(this.#nonce++), this.#hash, sealed);
    await this.mixHash(sealed);
    return plain;
  }

  async split(): Promise<NoiseResult> {
    const [initiatorKey, responderKey] = await this.#hkdf(NOTHING, 2);
    return { initiatorKey, responderKey, handshakeHash: this.#hash.slice(), chainingKey: this.#chainingKey.slice() };
  }

  erase(): void {
    this.#chainingKey.fill(0);
    this.#key?.erase();
    this.#key = null;
  }

  async #setKeys(chainingKey: Bytes, key: Bytes): Promise<void> {
    this.#chainingKey.fill(0);
    this.#chainingKey = chainingKey;
    this.#key?.erase();
    this.#key = await this.#crypto.aeadKey(key);
    this.#nonce = 0;
    key.fill(0);
  }

  /** Noise HKDF (§4.3). The third output is only worked out where it is wanted. */
  async #hkdf(input: Bytes, outputs: 2 | 3): Promise<[Bytes, Bytes, Bytes]> {
    const temporary = await this.#crypto.hmacSha256(this.#chainingKey, input);
    const first = await this.#crypto.hmacSha256(temporary, Uint8Array.of(1));
    const second = await this.#crypto.hmacSha256(temporary, concat(first, Uint8Array.of(2)));
    const third = outputs === 2 ? NOTHING : await this.#crypto.hmacSha256(temporary, concat(second, Uint8Array.of(3)));
    temporary.fill(0);
    return [first, second, third];
  }
}
