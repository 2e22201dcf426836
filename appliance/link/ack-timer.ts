// When an acknowledgement is due: after 64 KiB or 50 ms, and at least 20 ms after the last one.
import type { Cancel, Clock } from '../clock.ts';
import { ACK_BYTES, ACK_MS, ACK_SPACING_MS } from './limits.ts';

export class AckTimer {
  readonly #clock: Clock;
  readonly #send: () => void;
  #bytes = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  #cancel: Cancel | null = null;

  constructor(clock: Clock, send: () => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** A record was delivered. */
  delivered(bytes: number): void {
    this.#bytes += bytes;
    if (this.#cancel !== null && this.#bytes < ACK_BYTES) return; // one is due in time as it is
    const now = this.#clock.monotonic();
    const spaced = this.#lastAt + ACK_SPACING_MS;
    const at = this.#bytes >= ACK_BYTES ? Math.max(now, spaced) : Math.max(now + ACK_MS, spaced);
    if (at <= now) this.#fire();
    else if (at < this.#dueAt) this.#schedule(at, now);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #schedule(at: number, now: number): void {
    this.#cancel?.();
    this.#dueAt = at;
    this.#cancel = this.#clock.after(at - now, () => this.#fire());
  }

  #fire(): void {
    this.close();
    this.#bytes = 0;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#lastAt = this.#clock.monotonic();
    this.#send();
  }
}
