// Password hashes: scrypt (RFC 7914), N = 2^17, r = 8, p = 1, so 128 MiB and some 0.3 s each. Two run at once and at most
// 64 wait; the next one is told to come back, because a flood of sign-ins must not take the machine's memory (C-07).
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { ApplianceError, defect } from '../errors.ts';
import { fromBase64Url, toBase64Url } from '../guid.ts';
import type { Counter, Metrics } from '../metrics.ts';

const LOG2_N = 17;
const BLOCK_SIZE = 8;
const HASH_BYTES = 32;
const SALT_BYTES = 18; // 24 characters of base64url
const MAX_AT_ONCE = 2;
const MAX_WAITING = 64;
const FORMAT = /^\$scrypt\$ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9_-]{24})\$([A-Za-z0-9_-]{43})$/;

export interface PasswordHash {
  /** Base-2 logarithm of N. */
  readonly log2N: number;
  /** 24 characters; they are hashed as they stand, as ASCII. */
  readonly salt: string;
  readonly hash: Uint8Array;
}

/** @throws ApplianceError `appliance.defect`: only the store holds hashes, and only we wrote them */
export function parsePasswordHash(text: string): PasswordHash {
  const [, log2N, salt, hash] = FORMAT.exec(text) ?? [];
  const parsed = { log2N: Number(log2N), salt: salt ?? '', hash: fromBase64Url(hash ?? '') };
  if (parsed.hash.length === HASH_BYTES && parsed.log2N >= 1 && parsed.log2N <= 20) return parsed;
  throw defect('that is not a password hash');
}

export function presentPasswordHash({ log2N, salt, hash }: PasswordHash): string {
  return `$scrypt$ln=${log2N},r=${BLOCK_SIZE},p=1$${salt}$${toBase64Url(hash)}`;
}

export class PasswordHasher {
  readonly #log2N: number;
  readonly #done: Counter;
  readonly #refused: Counter;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** A hash no password has: checking against it costs what checking a real one costs. */
  readonly decoy: string;

  /** @param log2N lower in tests only, where the number of hashes matters and not their price */
  constructor(metrics: Metrics, log2N = LOG2_N) {
    this.#log2N = log2N;
    this.#done = metrics.counter('identity_password_hashes_total', 'Password hashes computed.');
    this.#refused = metrics.counter('identity_password_hashes_refused_total', 'Hashes not computed: too many waited.');
    const waiting = metrics.gauge('identity_password_hashes_waiting', 'Hashes that wait for a place.');
    metrics.sample(() => waiting.set(this.#waiting.length));
    this.decoy = presentPasswordHash({ log2N, salt: newSalt(), hash: randomBytes(HASH_BYTES) });
  }

  /** @throws ApplianceError `login.limited` when too many wait */
  async hash(password: string): Promise<string> {
    const salt = newSalt();
    return presentPasswordHash({ log2N: this.#log2N, salt, hash: await this.#derive(password, salt, this.#log2N) });
  }

  /** @throws ApplianceError `login.limited` when too many wait */
  async verify(password: string, stored: string): Promise<boolean> {
    const { log2N, salt, hash } = parsePasswordHash(stored);
    return timingSafeEqual(await this.#derive(password, salt, log2N), hash);
  }

  async #derive(password: string, salt: string, log2N: number): Promise<Uint8Array> {
    await this.#enter();
    try {
      return await derive(password.normalize('NFC'), salt, log2N); // one password, however the keyboard composes it
    } finally {
      this.#done.add();
      // The place is handed on, not freed: nobody slips in before those who waited.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #enter(): Promise<void> {
    if (this.#running < MAX_AT_ONCE) {
      this.#running += 1;
      return Promise.resolve();
    }
    if (this.#waiting.length >= MAX_WAITING) {
      this.#refused.add();
      throw tooMany();
    }
    return new Promise(resolve => this.#waiting.push(resolve));
  }
}

export function tooMany(): ApplianceError {
  return new ApplianceError('limited', 'login.limited', 'too many sign-ins at once; try again in a minute', {
    hint: 'When this persists, somebody is guessing passwords: see the refused logins in the audit log.',
  });
}

function newSalt(): string {
  return randomBytes(SALT_BYTES).toString('base64url');
}

function derive(password: string, salt: string, log2N: number): Promise<Uint8Array> {
  const N = 2 ** log2N;
  // OpenSSL needs 128·N·r bytes and some more; Node refuses over 32 MiB unless told.
  const options = { N, r: BLOCK_SIZE, p: 1, maxmem: 256 * N * BLOCK_SIZE };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
