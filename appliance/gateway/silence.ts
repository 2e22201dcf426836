// A deadline that moves on with progress. One timer, re-armed when it fires, so that progress costs a clock reading only.
import type { Cancel, Clock } from '../clock.ts';

export class Silence {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onSilent: () => void;
  readonly #isExcused: () => boolean;
  #lastAt: number; // monotonic, ms
  #cancel: Cancel;

  /**
   * Calls `onSilent` once, when `limitMs` went by without `progress`.
   * @param isExcused asked at that moment; when true, the time starts anew
   */
  constructor(clock: Clock, limitMs: number, onSilent: () => void, isExcused: () => boolean = () => false) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onSilent = onSilent;
    this.#isExcused = isExcused;
    this.#lastAt = clock.monotonic();
    this.#cancel = clock.after(limitMs, () => this.#check());
  }

  progress(): void {
    this.#lastAt = this.#clock.monotonic();
  }

  close(): void {
    this.#cancel();
  }

  #check(): void {
    const leftMs = this.#lastAt + this.#limitMs - this.#clock.monotonic();
    if (leftMs <= 0 && !this.#isExcused()) return void this.#onSilent();
    if (leftMs <= 0) this.progress();
    this.#cancel = this.#clock.after(leftMs > 0 ? leftMs : this.#limitMs, () => this.#check());
  }
}
