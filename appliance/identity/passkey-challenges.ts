// Challenges that were given out (WebAuthn §13.4.3): 32 random bytes, for one purpose and one holder, used once, for five
// minutes. In memory: after a restart whoever was asked is asked again.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';

export const CHALLENGE_MS = 5 * 60_000;
/** Per purpose: strangers, who ask before they sign in, can push out only each other's. */
const MAX_CHALLENGES = 10_000;

/** `register` and `confirm` are bound to a login, `second-step` too; `alone` to a browser, by its cookie. */
export type ChallengePurpose = 'register' | 'second-step' | 'confirm' | 'alone';

interface Given {
  readonly challenge: string;
  readonly until: number;
}

export class PasskeyChallenges {
  readonly #clock: Clock;
  readonly #given = new Map<ChallengePurpose, Map<string, Given>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A challenge given to the same holder before is void. @returns base64url */
  give(purpose: ChallengePurpose, holder: string): string {
    const given = this.#given.get(purpose) ?? new Map<string, Given>();
    this.#given.set(purpose, given);
    const challenge = randomBytes(32).toString('base64url');
    given.delete(holder); // so that it stands last again: the map is in the order of time
    given.set(holder, { challenge, until: this.#clock.monotonic() + CHALLENGE_MS });
    for (const [old, { until }] of given) {
      if (given.size <= MAX_CHALLENGES && until > this.#clock.monotonic()) break;
      given.delete(old);
    }
    return challenge;
  }

  /** Gives it back once. @returns undefined when there is none, or it is too old */
  take(purpose: ChallengePurpose, holder: string): string | undefined {
    const given = this.#given.get(purpose);
    const found = given?.get(holder);
    given?.delete(holder);
    return found !== undefined && found.until > this.#clock.monotonic() ? found.challenge : undefined;
  }
}
