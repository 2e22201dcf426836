// Passwords of an import that were shown to nobody, as the connection had dropped: for a while, for the login that made them, and in
// this process's memory alone.
import type { ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../../clock.ts';
import type { ImportOutcome } from '../../identity/member-exchange.ts';

export const UNSEEN_MS = 15 * 60_000;
type Passwords = ImportOutcome['passwords'];

export class UnseenPasswords {
  readonly #clock: Clock;
  readonly #kept = new Map<
    string,
    { readonly passwords: Passwords; readonly until: number; readonly forget: Cancel }
  >();
  readonly #running = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the page says of it to this login. */
  of(loginId: string): { readonly count: number; readonly isRunning: boolean } {
    return { count: this.#kept.get(loginId)?.passwords.length ?? 0, isRunning: this.#running.has(loginId) };
  }

  async run(loginId: string, answer: ServerResponse, act: () => Promise<ImportOutcome>): Promise<ImportOutcome> {
    this.#running.set(loginId, (this.#running.get(loginId) ?? 0) + 1);
    try {
      const outcome = await act();
      this.#hand(loginId, answer, outcome.passwords, this.#clock.monotonic() + UNSEEN_MS);
      return outcome;
    } finally {
      const left = (this.#running.get(loginId) ?? 1) - 1;
      if (left === 0) this.#running.delete(loginId);
      else this.#running.set(loginId, left);
    }
  }

  /** They go with the answer; where that does not get through, they wait again for the rest of their time. */
  take(loginId: string, answer: ServerResponse): Passwords {
    const kept = this.#kept.get(loginId);
    if (kept === undefined) return [];
    this.forget(loginId);
    this.#hand(loginId, answer, kept.passwords, kept.until);
    return kept.passwords;
  }

  forget(loginId: string): void {
    this.#kept.get(loginId)?.forget();
    this.#kept.delete(loginId);
  }

  #hand(loginId: string, answer: ServerResponse, passwords: Passwords, until: number): void {
    if (passwords.length === 0) return;
    // Whose connection dropped before has had its `close`.
    if (answer.destroyed) this.#keep(loginId, passwords, until);
    else
      answer.once('close', () => {
        if (!answer.writableFinished) this.#keep(loginId, passwords, until);
      });
  }

  #keep(loginId: string, passwords: Passwords, until: number): void {
    const left = until - this.#clock.monotonic();
    if (left <= 0) return;
    const all = [...(this.#kept.get(loginId)?.passwords ?? []), ...passwords];
    this.forget(loginId);
    const forget = this.#clock.after(left, () => this.#kept.delete(loginId));
    this.#kept.set(loginId, { passwords: all, until, forget });
  }
}
