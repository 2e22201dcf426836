// What a group may newly do reaches a link that runs by a credential asked for anew (credentials.ts). One that is due is asked for
// until it is there: after an answer that was made too early, a refusal, no answer, or on the leg that follows one that was lost.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Credentials } from './credentials.ts';
import { isWider, type Narrowing } from './narrowing.ts';

const AGAIN_MS = [500, 1000, 2000, 5000, 15_000, 60_000] as const;

export interface PolicyRenewalOptions {
  readonly clock: Clock;
  readonly credentials: Pick<Credentials, 'certify' | 'isAsking' | 'policy' | 'staticKey'>;
  /** Tells links apart; null without one, whose successor brings a policy of its own. */
  readonly link: () => object | null;
  readonly renewed: (policy: Narrowing) => void;
}

export class PolicyRenewal {
  readonly #options: PolicyRenewalOptions;
  /** The last notice. */
  #told: Narrowing | null = null;
  #isDue = false;
  /** Of the attempt that waits for its answer. */
  #asking: object | null = null;
  #failures = 0;
  #cancel: Cancel = () => undefined;

  constructor(options: PolicyRenewalOptions) {
    this.#options = options;
  }

  /** The appliance has said what may be asked for. */
  told(policy: Narrowing, held: Narrowing): void {
    this.#told = policy;
    if (isWider(policy, held)) this.#due();
  }

  /** Its credential may have been made before the last notice. */
  linkStarted(held: Narrowing): void {
    this.close();
    if (this.#told !== null && isWider(this.#told, held)) this.#due();
  }

  /** Notices may have been lost with the leg before, and what was asked on it will have no answer. */
  legRenewed(): void {
    this.#asking = null;
    this.#due();
  }

  close(): void {
    this.#isDue = false;
    this.#asking = null;
    this.#failures = 0;
    this.#cancel();
  }

  #due(): void {
    this.#isDue = true;
    this.#failures = 0;
    this.#ask();
  }

  #ask(): void {
    const { credentials, link: current } = this.#options;
    const link = current();
    if (!this.#isDue || this.#asking !== null) return;
    if (link === null || credentials.staticKey === null) return void this.close();
    this.#cancel();
    if (credentials.isAsking === 'handshake') return void this.#later();
    const asking = {};
    this.#asking = asking;
    this.#isDue = false; // what is told from here on may be later than the answer
    credentials.certify(credentials.staticKey, 'renewal').then(
      () => this.#answered(asking, link),
      error => {
        if (!(error instanceof ApplianceError)) throw error;
        this.#failed(asking);
      },
    );
  }

  #answered(asking: object, link: object): void {
    if (this.#asking !== asking) return;
    this.#asking = null;
    this.#failures = 0;
    const { policy } = this.#options.credentials;
    if (policy !== null && this.#options.link() === link) this.#options.renewed(policy);
    this.#ask();
  }

  #failed(asking: object): void {
    if (this.#asking !== asking) return;
    this.#asking = null;
    this.#isDue = true;
    this.#later();
  }

  #later(): void {
    const afterMs = AGAIN_MS[Math.min(this.#failures++, AGAIN_MS.length - 1)] ?? 0;
    this.#cancel = this.#options.clock.after(afterMs, () => this.#ask());
  }
}
