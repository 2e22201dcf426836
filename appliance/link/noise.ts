// Noise Protocol Framework rev. 34, the XX family over X25519, AES-256-GCM and SHA-256: a small interpreter of tokens.
// Public vectors exist for XX, XXpsk3 and XXpsk0+psk1; the link's XXpsk0 is one more row of the table.
import { ApplianceError } from '../errors.ts';
import { ByteReader, type Bytes, concat, utf8Bytes } from '../protocol/bytes.ts';
import { TAG_BYTES } from '../protocol/record.ts';
import type { DhKeyPair, LinkCrypto } from './crypto.ts';
import { SymmetricState } from './noise-state.ts';

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk';

const DH_BYTES = 32;

export const NOISE_PATTERNS = {
  XX: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']],
  XXpsk0: [
    ['psk', 'e'],
    ['e', 'ee', 's', 'es'],
    ['s', 'se'],
  ],
  XXpsk3: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se', 'psk']],
  'XXpsk0+psk1': [
    ['psk', 'e', 'psk'],
    ['e', 'ee', 's', 'es'],
    ['s', 'se'],
  ],
} as const satisfies Record<string, readonly (readonly Token[])[]>;
export type NoisePattern = keyof typeof NOISE_PATTERNS;

export interface NoiseOptions {
  readonly crypto: LinkCrypto;
  readonly pattern: NoisePattern;
  readonly initiator: boolean;
  readonly prologue: Bytes;
  readonly psks: readonly Bytes[];
  readonly staticKey: DhKeyPair;
  /** Made beforehand, because the console commits to its public half. */
  readonly ephemeralKey: DhKeyPair;
}

export interface NoiseResult {
  /** From the initiator to the responder, and back. */
  readonly initiatorKey: Bytes;
  readonly responderKey: Bytes;
  readonly handshakeHash: Bytes;
  /** For keys beside the two above; never on the wire. */
  readonly chainingKey: Bytes;
}

export class NoiseHandshake {
  readonly #options: NoiseOptions;
  readonly #state: SymmetricState;
  readonly #messages: readonly (readonly Token[])[];
  readonly #usesPsk: boolean;
  #next = 0;
  #psksUsed = 0;
  #remoteStatic: Bytes | null = null;
  #remoteEphemeral: Bytes | null = null;

  private constructor(options: NoiseOptions, state: SymmetricState) {
    this.#options = options;
    this.#state = state;
    this.#messages = NOISE_PATTERNS[options.pattern];
    this.#usesPsk = options.psks.length > 0;
  }

  static async start(options: NoiseOptions): Promise<NoiseHandshake> {
    const name = utf8Bytes(`Noise_${options.pattern}_25519_AESGCM_SHA256`);
    const state = await SymmetricState.start(options.crypto, name);
    await state.mixHash(options.prologue);
    return new NoiseHandshake(options, state);
  }

  /** The peer's keys, once they came. */
  get remoteStatic(): Bytes {
    return present(this.#remoteStatic);
  }

  get remoteEphemeral(): Bytes {
    return present(this.#remoteEphemeral);
  }

  async write(payload: Bytes): Promise<Bytes> {
    const parts: Bytes[] = [];
    for (const token of this.#turn(true)) {
      if (token === 'e') parts.push(await this.#mixEphemeral(this.#options.ephemeralKey.publicKey));
      else if (token === 's') parts.push(await this.#state.encryptAndHash(this.#options.staticKey.publicKey));
      else await this.#mix(token);
    }
    parts.push(await this.#state.encryptAndHash(payload));
    return concat(...parts);
  }

  async read(message: Bytes): Promise<Bytes> {
    const reader = new ByteReader(message);
    for (const token of this.#turn(false)) {
      if (token === 'e') {
        this.#remoteEphemeral = await this.#mixEphemeral(reader.bytes(DH_BYTES).slice());
      } else if (token === 's') {
        const sealed = reader.bytes(DH_BYTES + (this.#state.hasKey ? TAG_BYTES : 0));
        this.#remoteStatic = (await this.#state.decryptAndHash(sealed)).slice();
      } else {
        await this.#mix(token);
      }
    }
    return this.#state.decryptAndHash(reader.bytes(reader.left));
  }

  /** After the last message. Everything but the result is erased. */
  async split(): Promise<NoiseResult> {
    if (this.#next !== this.#messages.length) throw failed('split before the last message');
    const result = await this.#state.split();
    this.erase();
    return result;
  }

  erase(): void {
    this.#state.erase();
    this.#options.staticKey.erase();
    this.#options.ephemeralKey.erase();
  }

  #turn(writing: boolean): readonly Token[] {
    const tokens = this.#messages[this.#next];
    if (tokens === undefined || (this.#next % 2 === 0) !== (this.#options.initiator === writing))
      throw failed('a message out of turn');
    this.#next++;
    return tokens;
  }

  async #mixEphemeral(key: Bytes): Promise<Bytes> {
    await this.#state.mixHash(key);
    if (this.#usesPsk) await this.#state.mixKey(key); // §9.2: with a psk, e is mixed into the key too
    return key;
  }

  async #mix(token: Exclude<Token, 'e' | 's'>): Promise<void> {
    if (token === 'psk') {
      const psk = this.#options.psks[this.#psksUsed++];
      if (psk === undefined || psk.length !== 32) throw failed('no psk of 32 bytes');
      await this.#state.mixKeyAndHash(psk);
      return;
    }
    const { initiator, staticKey, ephemeralKey } = this.#options;
    // "es" is the initiator's e with the responder's s, whoever works it out.
    const [ours, theirs] = initiator ? [token[0], token[1]] : [token[1], token[0]];
    const pair = ours === 'e' ? ephemeralKey : staticKey;
    const shared = await pair.agree(theirs === 'e' ? this.remoteEphemeral : this.remoteStatic);
    if (shared.every(byte => byte === 0)) throw failed('a point of low order'); // RFC 7748 §6.1
    await this.#state.mixKey(shared);
    shared.fill(0);
  }
}

function present(key: Bytes | null): Bytes {
  if (key === null) throw failed('a key that has not come yet');
  return key;
}

function failed(what: string): ApplianceError {
  return new ApplianceError('malformed', 'link.noise', what);
}
