// Where the customer's mouse is. The system tells that it moved, which is often; the place is asked for when the eye needs it.
import type { Cancel, Clock } from '../../clock.ts';

const INTERVAL_MS = 50;

export interface PlaceOnDesktop {
  readonly x: number;
  readonly y: number;
}

export class PointerWatch {
  readonly #clock: Clock;
  readonly #where: () => Promise<PlaceOnDesktop> | PlaceOnDesktop;
  readonly #tell: (place: PlaceOnDesktop) => void;
  #cancel: Cancel | null = null;
  #isClosed = false;

  /** @param where may fail when there is no desktop any more; whoever opened it tells of that */
  constructor(clock: Clock, where: () => Promise<PlaceOnDesktop> | PlaceOnDesktop, tell: (at: PlaceOnDesktop) => void) {
    this.#clock = clock;
    this.#where = where;
    this.#tell = tell;
  }

  moved(): void {
    if (this.#isClosed) return;
    this.#cancel ??= this.#clock.after(INTERVAL_MS, () => void this.#ask());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  /** What moves meanwhile is asked for again: the last place told is where it stays. */
  async #ask(): Promise<void> {
    this.#cancel = null;
    try {
      const place = await this.#where();
      if (!this.#isClosed) this.#tell(place);
    } catch {
      this.close();
    }
  }
}
