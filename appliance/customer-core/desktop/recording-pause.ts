// The pause of a recording that need not be. The technician asks for it and ends it; whether he may, the policy says, and a
// pause the appliance has not written down does not begin. While it lasts the picture goes on and nobody keeps it; the
// recording that follows names the one before.
import type { Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import type { Bytes } from '../../protocol/bytes.ts';

export type PauseEndedBy = 'technician' | 'appliance';

/** What a recording goes on with. */
export interface BeforePause {
  readonly after: Bytes;
  readonly pausedMs: number;
}

export interface RecordingPauseParts {
  readonly clock: Clock;
  /** ms UTC by the appliance's clock. */
  readonly applianceTime: () => number;
  /** Whether a recording runs that may be paused, as things are now. */
  readonly mayPause: () => boolean;
  /** Whether the policy lets nobody pause it any more. Rights that are frozen for a moment are no such thing: what is paused stays so. */
  readonly isBarred: () => boolean;
  /** Resolves once the appliance has it. @throws ApplianceError where it does not answer; it is told that nothing was paused */
  readonly tellFirst: () => Promise<void>;
  readonly tellOver: (detail: string) => void;
  /** What was recorded ends. @returns its nonce, null where there was none */
  readonly cut: () => Bytes | null;
  /** Whether it is paused has changed; the picture begins anew. */
  readonly changed: (isOn: boolean) => void;
  readonly refused: () => void;
}

interface Pause {
  readonly at: number;
  /** By this computer's clock. */
  readonly localAt: number;
  /** Monotonic ms. */
  readonly since: number;
  readonly after: Bytes | null;
}

export class RecordingPause {
  readonly #parts: RecordingPauseParts;
  #pause: Pause | null = null;
  #isWished = false;
  #isAsking = false;
  #before: BeforePause | null = null;

  constructor(parts: RecordingPauseParts) {
    this.#parts = parts;
  }

  /** ms UTC by the appliance's clock, and by this computer's; null while it is not paused. */
  get since(): { readonly at: number; readonly localAt: number } | null {
    return this.#pause;
  }

  /** What the next recording is to name; null where it follows no pause. */
  get before(): BeforePause | null {
    return this.#before;
  }

  /** That recording has begun. */
  named(): void {
    this.#before = null;
  }

  async begin(): Promise<void> {
    const { clock, applianceTime, mayPause, tellFirst, tellOver, cut, changed, refused } = this.#parts;
    if (!mayPause()) return refused();
    this.#isWished = true;
    if (this.#pause !== null || this.#isAsking) return;
    this.#isAsking = true;
    try {
      await tellFirst();
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      return refused();
    } finally {
      this.#isAsking = false;
    }
    if (!this.#isWished || !mayPause()) return tellOver('not paused');
    const after = cut();
    this.#pause = { at: Math.round(applianceTime()), localAt: clock.now(), since: clock.monotonic(), after };
    changed(true);
  }

  end(by: PauseEndedBy): void {
    this.#isWished = false;
    const pause = this.#pause;
    if (pause === null) return;
    const pausedMs = Math.round(this.#parts.clock.monotonic() - pause.since);
    this.#pause = null;
    this.#before = pause.after === null ? null : { after: pause.after, pausedMs };
    this.#parts.tellOver(by);
    this.#parts.changed(false);
  }

  /** The policy may have become another. */
  policyChanged(): void {
    if (this.#pause !== null && this.#parts.isBarred()) this.end('appliance');
  }

  /** The recording is over, and its pause with it. */
  drop(): void {
    this.#isWished = false;
    this.#pause = null;
    this.#before = null;
  }
}
