// Counts the handshakes of one session. Somebody who guesses at the short string needs many; after five that did not
// finish there are no more, and both windows say how many failed.
import { ApplianceError } from '../errors.ts';
import { MAX_UNFINISHED_HANDSHAKES } from './limits.ts';

export interface HandshakeAttempt {
  /** The peer proved itself, or said nothing at all, so that nothing was learned or tried: this one does not count. */
  finished(): void;
  /** In any case, at the end. */
  over(): void;
}

export class HandshakeGuard {
  readonly #changed: (failed: number) => void;
  readonly #live = new Set<object>();
  #running = false;
  #unfinished = 0;

  /** @param changed called with the number of attempts that failed, to be shown */
  constructor(changed: (failed: number) => void = () => undefined) {
    this.#changed = changed;
  }

  get attemptsFailed(): number {
    return this.#running ? this.#unfinished - 1 : this.#unfinished;
  }

  get locked(): boolean {
    return this.attemptsFailed >= MAX_UNFINISHED_HANDSHAKES;
  }

  /** @throws ApplianceError `link.locked`, or `link.busy` while a handshake runs or a link is open */
  begin(): HandshakeAttempt {
    if (this.#running || this.#live.size > 0)
      throw new ApplianceError('conflict', 'link.busy', 'the session has a link, or is making one');
    if (this.locked) {
      const hint = 'Somebody may be standing in between. End the session and start a new one.';
      throw new ApplianceError('limited', 'link.locked', 'too many handshakes of this session failed', { hint });
    }
    this.#running = true;
    this.#unfinished++;
    let finished = false;
    return {
      finished: () => {
        if (!finished) this.#unfinished--;
        finished = true;
        this.#running = false;
      },
      over: () => {
        if (finished || !this.#running) return;
        this.#running = false;
        this.#changed(this.#unfinished);
      },
    };
  }

  /** An open link is never disturbed by a Hello; one without a path makes room. */
  setLive(link: object, live: boolean): void {
    if (live) this.#live.add(link);
    else this.#live.delete(link);
  }
}
