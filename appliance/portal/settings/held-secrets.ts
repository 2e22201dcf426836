// A password that was typed on a page and is not saved yet, after a test or a mistake elsewhere on the page: kept here, in memory and for
// a quarter of an hour, so that it need not be typed again and never stands in a page.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';

const HELD_MS = 15 * 60_000;
const MAX_HELD = 32;

interface Held {
  readonly owner: string;
  readonly page: string;
  readonly content: string;
  readonly until: number;
}

export class HeldSecrets {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param owner of the account that typed it @returns 22 characters of base64url, by which the same account finds it again */
  hold(owner: string, page: string, content: string): string {
    const token = randomBytes(16).toString('base64url');
    this.#held.set(token, { owner, page, content, until: this.#clock.monotonic() + HELD_MS });
    for (const [name, { until }] of this.#held) {
      if (until <= this.#clock.monotonic() || this.#held.size > MAX_HELD) this.#held.delete(name);
    }
    return token;
  }

  find(token: string, owner: string, page: string): string | undefined {
    const held = this.#held.get(token);
    const isTheirs = held?.owner === owner && held.page === page && held.until > this.#clock.monotonic();
    return isTheirs ? held.content : undefined;
  }

  forget(token: string): void {
    this.#held.delete(token);
  }
}
