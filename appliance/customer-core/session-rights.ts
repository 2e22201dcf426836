// What may be done on this computer now: the policy, the customer's open answers, the grants, the lease, and the pause
// around questions, put together for one session. Rights hold only while a link is attached, a lease lives, and the
// customer has a window in which he sees it (D-07).
import type { Clock } from '../clock.ts';
import type { SessionId } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { type ConsentEnd, Consents, type LinkIdentity, type OpenConsent, type Question } from './consents.ts';
import { type HeldGrant, HeldGrants } from './grants.ts';
import { InputGate } from './input-gate.ts';
import { LeaseKeeper } from './leases.ts';
import { mayAsk, mustCompareCodes } from './may-ask.ts';
import { type Narrowing, narrow, permissionsOf } from './narrowing.ts';
import type { AppletSigner, Later } from './objects.ts';
import { Presence } from './presence.ts';

export interface SessionRightsOptions {
  readonly clock: Clock;
  readonly sid: SessionId;
  readonly organisation: string;
  readonly silenceMs: number;
  readonly applianceTime: () => number;
  readonly random: (bytes: number) => Bytes;
  readonly sign: AppletSigner;
  /** Whether the appliance's session key signed this. */
  readonly verify: (payload: Bytes, signature: Bytes) => Later<boolean>;
  readonly link: () => LinkIdentity | null;
  readonly isAttached: () => boolean;
  readonly releaseKeys: () => void;
  readonly show: (question: Question) => void;
  readonly hide: (consentId: Bytes) => void;
  readonly paused: (pause: { readonly lastedMs: number; readonly discarded: number }) => void;
  readonly stopped: (held: HeldGrant, by: string) => void;
  readonly consentEnded: (consent: OpenConsent, by: ConsentEnd) => void;
  readonly frozen: (isFrozen: boolean) => void;
  readonly end: (reason: 'no-lease' | 'customer-away') => void;
}

/** Before a link, which brings the policy; who waits for one is not kept from leaving his screen. */
const nothing: Narrowing = {
  ...{ actions: new Set<string>(), maxConsentMs: 1, singlePrompt: false, codesMatch: true },
  ...{ forcedRecording: true, pauseRecording: false, customerAway: 'view-only' },
};

export class SessionRights {
  readonly #options: SessionRightsOptions;
  readonly gate: InputGate;
  readonly consents: Consents;
  readonly leases: LeaseKeeper;
  readonly grants: HeldGrants;
  readonly presence: Presence;
  #narrowing: Narrowing = nothing;
  #isVisible = true;
  #areCodesCompared = false;
  #isClaimedTwice = false;

  constructor(options: SessionRightsOptions) {
    this.#options = options;
    const { clock, sid, random, verify, link, releaseKeys, paused, end } = options;
    this.gate = new InputGate({ clock, releaseKeys, paused });
    this.consents = this.#makeConsents();
    this.leases = new LeaseKeeper({
      ...{ clock, random, sid, verify, link },
      frozen: () => {
        releaseKeys();
        options.frozen(true);
      },
      thawed: () => options.frozen(false),
      ended: () => end('no-lease'),
    });
    this.grants = new HeldGrants({
      ...{ clock, verify, sid, link, consents: this.consents, gate: this.gate, stopped: options.stopped },
      isFrozen: () => this.isFrozen,
      narrowing: () => this.#narrowing,
      awaitsCustomer: action => this.presence.whyNot(action) !== null,
      awaitsCodes: action => !this.#areCodesCompared && mustCompareCodes(action, this.#codesRule),
    });
    this.presence = new Presence({ narrowing: () => this.#narrowing, grants: this.grants, endSession: end });
  }

  get narrowing(): Narrowing {
    return this.#narrowing;
  }

  get areCodesCompared(): boolean {
    return this.#areCodesCompared;
  }

  /** Somebody else holds what should be this customer's alone. */
  get isClaimedTwice(): boolean {
    return this.#isClaimedTwice;
  }

  get isVisible(): boolean {
    return this.#isVisible;
  }

  get isFrozen(): boolean {
    return this.leases.isFrozen || !this.#isVisible || !this.#options.isAttached();
  }

  /** A new link: what was asked, allowed and compared on the one before is void. */
  linkStarted(policy: Narrowing): void {
    this.#narrowing = policy;
    this.#void();
    this.leases.linkStarted();
  }

  linkEnded(): void {
    this.#void();
    this.leases.linkEnded();
  }

  /** Both people have said that the codes are the same on the link there is. */
  codesCompared(): void {
    this.#areCodesCompared = true;
  }

  /** Nothing but chat, until the codes were compared. */
  claimedTwice(): void {
    this.#isClaimedTwice = true;
    if (!this.#areCodesCompared) this.stopAll('appliance');
  }

  /** The customer says that they differ: nothing but chat. */
  codesDiffer(): void {
    this.#areCodesCompared = false;
    this.consents.revoke(null);
    this.grants.stop('customer');
  }

  /** The appliance takes away; what it would add has no effect (D-06). */
  narrow(policy: Narrowing): void {
    this.#narrowing = narrow(this.#narrowing, policy);
    const { maxConsentMs } = this.#narrowing;
    const { clock } = this.#options;
    for (const consent of this.consents.list()) {
      const { consentId, until } = consent;
      if (!mayAsk(consent, permissionsOf(this.#narrowing)).allowed) this.consents.revoke(consentId, 'appliance');
      else if (until - clock.monotonic() > maxConsentMs)
        clock.after(maxConsentMs, () => this.consents.revoke(consentId, 'time'));
    }
    this.presence.apply();
  }

  /** The appliance's signed word on what may be asked for now. What was allowed stays as it was, or ends. */
  renewed(policy: Narrowing): void {
    this.narrow(policy);
    this.#narrowing = policy;
  }

  /** Without a window the customer sees nothing, so nothing may be done. */
  windowVisible(isVisible: boolean): void {
    this.#isVisible = isVisible;
    if (!isVisible) this.#options.releaseKeys();
  }

  /** What runs and what is asked ends; the link stays. */
  stopAll(by: 'appliance'): void {
    this.consents.revoke(null, by);
    this.grants.stop(by);
  }

  /** Everything is over, at once. */
  close(by: string): void {
    this.leases.linkEnded();
    this.grants.stop(by);
    this.consents.close();
    this.gate.close();
  }

  get #codesRule() {
    return { codesMatch: this.#narrowing.codesMatch, isClaimedTwice: this.#isClaimedTwice };
  }

  #void(): void {
    this.#areCodesCompared = false;
    this.consents.linkEnded();
    this.grants.stop('link');
  }

  #makeConsents(): Consents {
    const { clock, sid, organisation, silenceMs, applianceTime, random, sign, show, hide } = this.#options;
    return new Consents({
      ...{ clock, sid, organisation, silenceMs, applianceTime, random, sign, show, hide, gate: this.gate },
      narrowing: () => this.#narrowing,
      ended: (consent, by) => {
        this.grants.stopConsent(consent.consentId, by);
        this.#options.consentEnded(consent, by);
      },
    });
  }
}
