// How often one source, or anybody for one login id, may try (C-07). It stands before the password hash, so that a flood
// costs a look into a map. Kept in memory: what must survive a restart, the lock, is in the store.
import { isIPv6 } from 'node:net';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Counter, Metrics } from '../metrics.ts';

const SOURCE_TRIES = 60;
const SOURCE_SECONDS = 60;
const LOGIN_ID_TRIES = 40;
const LOGIN_ID_SECONDS = 900;

export interface Refusal {
  readonly by: 'source' | 'login-id' | 'queue';
  /** Whether it is the first in its window: that one is logged, the others are counted. */
  readonly isFirst: boolean;
}

export class LoginLimiter {
  readonly #bySource = new RateLimiterMemory({ points: SOURCE_TRIES, duration: SOURCE_SECONDS });
  readonly #byLoginId: RateLimiterMemory;
  readonly #queue = new RateLimiterMemory({ points: 1, duration: SOURCE_SECONDS });
  readonly #limited: Counter;

  /** @param lockAfterFailures an account locks before its login id is limited, whatever was configured */
  constructor(metrics: Metrics, lockAfterFailures: number) {
    const points = Math.max(LOGIN_ID_TRIES, 2 * lockAfterFailures);
    this.#byLoginId = new RateLimiterMemory({ points, duration: LOGIN_ID_SECONDS });
    this.#limited = metrics.counter('identity_logins_limited_total', 'Sign-ins not even tried, by what was limited.');
  }

  /** @param loginId folded; null when only the source counts @returns undefined when the try may go on */
  async admit(source: string, loginId: string | null): Promise<Refusal | undefined> {
    const isSourceFirst = await consume(this.#bySource, sourceKey(source));
    if (isSourceFirst !== undefined) return this.#refuse('source', isSourceFirst);
    if (loginId === null) return undefined;
    const isLoginIdFirst = await consume(this.#byLoginId, loginId);
    return isLoginIdFirst === undefined ? undefined : this.#refuse('login-id', isLoginIdFirst);
  }

  /** Gives back a try that succeeded: an office behind one address signs in at nine o'clock. */
  async giveBack(source: string, loginId: string | null): Promise<void> {
    await this.#bySource.reward(sourceKey(source));
    if (loginId !== null) await this.#byLoginId.reward(loginId);
  }

  /** Notes a try that was turned away because too many passwords wait to be hashed. */
  async turnedAway(): Promise<Refusal> {
    return this.#refuse('queue', (await consume(this.#queue, 'queue')) === undefined);
  }

  #refuse(by: Refusal['by'], isFirst: boolean): Refusal {
    this.#limited.add({ by });
    return { by, isFirst };
  }
}

/** @returns undefined when admitted, else whether it was the first refusal of its window */
async function consume(limiter: RateLimiterMemory, key: string): Promise<boolean | undefined> {
  try {
    await limiter.consume(key);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof RateLimiterRes) return thrown.consumedPoints === limiter.points + 1;
    throw thrown;
  }
}

/** An IPv6 customer has a /64 at least, so that is one source; an IPv4 address is one, mapped or not. */
export function sourceKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [plain = ''] = address.split('%'); // a zone is the machine's own affair
  if (!isIPv6(plain)) return address;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeroes = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeroes }, () => '0'), ...after];
  return `${groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
