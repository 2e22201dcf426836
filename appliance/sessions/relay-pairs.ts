// Which relays are of which session, and which of them are to be closed: the gateways ask with each of their reports. It is
// kept in memory: of a relay that was made before this process began nothing is known, and its applet is told all the same.
import type { Clock } from '../clock.ts';
import type { SessionId } from '../guid.ts';

/** More than relays live at once; the oldest are forgotten. */
const MAX_PAIRS = 65_536;
/** Every gateway has asked several times by then. */
const TOLD_FOR_MS = 60_000;

export class RelayPairs {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, SessionId>();
  /** When each was closed, monotonic ms. */
  readonly #closed = new Map<string, number>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** A leg of it was let in. */
  used(pairId: string, sessionId: SessionId): void {
    this.#sessions.set(pairId, sessionId);
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined && this.#sessions.size > MAX_PAIRS) this.#sessions.delete(oldest);
  }

  /** Those there are now; one that is made later goes on. */
  close(sessionId: SessionId): void {
    for (const [pairId, of] of this.#sessions) {
      if (of !== sessionId) continue;
      this.#sessions.delete(pairId);
      this.#closed.set(pairId, this.#clock.monotonic());
    }
  }

  /** To be told to whichever gateway asks. */
  toClose(): string[] {
    const since = this.#clock.monotonic() - TOLD_FOR_MS;
    for (const [pairId, at] of this.#closed) if (at < since) this.#closed.delete(pairId);
    return [...this.#closed.keys()];
  }
}
