// Lets so many messages a second through. Who sends more waits, and the credit of his stream with him: nothing is dropped,
// nothing piles up here.
import type { Clock } from '../clock.ts';
import { RateLimit } from '../link/rate-limit.ts';

export class Pace {
  readonly #clock: Clock;
  readonly #limit: RateLimit;
  readonly #spacingMs: number;

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#limit = new RateLimit(clock, perSecond, burst);
    this.#spacingMs = Math.ceil(1000 / perSecond);
  }

  /** Handles it now, or a little later; the next one is not to come before. */
  admit(handle: () => void | Promise<void>): void | Promise<void> {
    if (this.#limit.take(1)) return handle();
    return new Promise<void>(resolve => this.#clock.after(this.#spacingMs, resolve)).then(() => {
      this.#limit.take(1);
      return handle();
    });
  }
}
