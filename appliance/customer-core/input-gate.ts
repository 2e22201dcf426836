// The pause around questions (TRUST: consent, attack `self-consent`): from before a consent dialog is drawn until 500 ms
// after it closed nothing that arrives is injected. It is discarded, not queued, and held keys are released, so that no
// technician can press "yes" with the customer's own mouse.
import type { Clock } from '../clock.ts';

export const AFTER_DIALOG_MS = 500;

export interface InputGateOptions {
  readonly clock: Clock;
  /** Lets go of every key and button that is pressed by us. */
  readonly releaseKeys: () => void;
  /** The pause is over: how long it was and how many inputs were thrown away. */
  readonly paused: (pause: { readonly lastedMs: number; readonly discarded: number }) => void;
}

export class InputGate {
  readonly #options: InputGateOptions;
  #dialogs = 0;
  #pausedAt: number | null = null;
  #discarded = 0;
  #cancel: (() => void) | null = null;

  constructor(options: InputGateOptions) {
    this.#options = options;
  }

  /** To be called before the dialog is drawn. */
  dialogOpens(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#dialogs++;
    this.#pausedAt ??= this.#options.clock.monotonic();
    this.#options.releaseKeys();
  }

  /** To be called when the dialog is gone from the screen. */
  dialogCloses(): void {
    if (this.#dialogs === 0) return;
    this.#dialogs--;
    if (this.#dialogs > 0) return;
    this.#cancel = this.#options.clock.after(AFTER_DIALOG_MS, () => this.#resume());
  }

  get isShut(): boolean {
    return this.#pausedAt !== null;
  }

  /** Whether input may be injected now; a no is counted as one discarded input. */
  admits(): boolean {
    if (this.#pausedAt === null) return true;
    this.#discarded++;
    return false;
  }

  close(): void {
    this.#cancel?.();
  }

  #resume(): void {
    const lastedMs = this.#options.clock.monotonic() - (this.#pausedAt ?? 0);
    const discarded = this.#discarded;
    this.#pausedAt = null;
    this.#discarded = 0;
    this.#options.paused({ lastedMs, discarded });
  }
}
