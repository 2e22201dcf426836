// The customer's own mouse and keyboard win: as soon as he uses them, the technician's input is dropped, until they have been
// quiet for a moment and no key or button of his is down. The same on every system.
import type { Cancel, Clock } from '../../clock.ts';
import type { InputState } from '../../protocol/screen.ts';

export const QUIET_MS = 700;
/** A key whose release never came, of a keyboard that was pulled out, counts no longer than this. */
export const MAX_HOLD_MS = 10_000;
/** A mouse on a table that somebody knocks against moves less than this, in its own units. */
const JITTER = { distance: 4, withinMs: 250 } as const;

export interface CustomerPriorityOptions {
  readonly clock: Clock;
  /** Told of each change, before anything of the technician's is admitted or dropped by it. */
  readonly changed: (state: Extract<InputState, 'on' | 'customer-input'>) => void;
}

export class CustomerPriority {
  readonly #options: CustomerPriorityOptions;
  readonly #held = new Set<string>();
  #lastAt = 0;
  #movedAt = 0;
  #moved = 0;
  #cancel: Cancel | null = null;

  constructor(options: CustomerPriorityOptions) {
    this.#options = options;
  }

  /** Whether it is the customer's turn. */
  get isCustomers(): boolean {
    return this.#cancel !== null;
  }

  /** @param button names key or button */
  pressed(button: string): void {
    this.#held.add(button);
    this.used();
  }

  released(button: string): void {
    this.#held.delete(button);
    this.used();
  }

  moved(distance: number): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#movedAt > JITTER.withinMs) this.#moved = 0;
    this.#movedAt = now;
    this.#moved += distance;
    if (this.#moved >= JITTER.distance) this.used();
  }

  /** Anything else that only a person does: touch, wheel. */
  used(): void {
    this.#lastAt = this.#options.clock.monotonic();
    if (this.#cancel !== null) return;
    this.#wait(QUIET_MS);
    this.#options.changed('customer-input');
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #wait(ms: number): void {
    this.#cancel = this.#options.clock.after(ms, () => this.#look());
  }

  #look(): void {
    const quietMs = this.#options.clock.monotonic() - this.#lastAt;
    if (quietMs >= MAX_HOLD_MS) this.#held.clear();
    const isHeld = this.#held.size > 0;
    if (isHeld || quietMs < QUIET_MS) {
      this.#wait(isHeld ? QUIET_MS : QUIET_MS - quietMs);
      return;
    }
    this.#cancel = null;
    this.#options.changed('on');
  }
}
