// A rate with room for bursts. It may run into debt, since what a peer has sent already is there; the debt is then the
// time in which nothing more is read from him.
import type { Clock } from '../clock.ts';

const SECOND_MS = 1000;

export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number; // monotonic, ms

  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = clock.monotonic();
  }

  take(): void {
    this.#fill();
    this.#tokens -= 1;
  }

  /** Until the debt is paid; 0 when there is none. */
  get debtMs(): number {
    this.#fill();
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * SECOND_MS) / this.#perSecond);
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) * this.#perSecond) / SECOND_MS);
    this.#filledAt = now;
  }
}
