// Nobody at the customer's screen: it is locked, or he has logged out. What then becomes of what runs, is a rule of the
// group's policy. New questions go unanswered in any case, and silence is a no.
import type { HeldGrants } from './grants.ts';
import type { Narrowing } from './narrowing.ts';

/** What shows and keeps, and changes nothing. */
const QUIET: readonly string[] = ['launch-desktop-viewing', 'record-sessions'];

export interface PresenceOptions {
  readonly narrowing: () => Narrowing;
  readonly grants: Pick<HeldGrants, 'stop'>;
  readonly endSession: (reason: 'customer-away') => void;
}

export class Presence {
  readonly #options: PresenceOptions;
  #isAway = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  /** The screen was locked or the customer logged out. What is stopped has to be asked for again. */
  left(): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.apply();
  }

  returned(): void {
    this.#isAway = false;
  }

  /** What nobody sees begin does not begin, where a yes from before would cover it. */
  whyNot(action: string): 'customer-away' | null {
    const rule = this.#options.narrowing().customerAway;
    if (!this.#isAway || rule === 'continue') return null;
    return rule === 'view-only' && QUIET.includes(action) ? null : 'customer-away';
  }

  /** To be called when the policy was narrowed, too. */
  apply(): void {
    if (!this.#isAway) return;
    const { narrowing, grants, endSession } = this.#options;
    const rule = narrowing().customerAway;
    if (rule === 'view-only') grants.stop('customer-away', held => !QUIET.includes(held.grant.action));
    if (rule !== 'end') return;
    grants.stop('customer-away');
    endSession('customer-away');
  }
}
