// The grants an applet holds (D-04 TRUST: grants). A grant is good for this session, link, technician, action, scope and
// the one question the customer said yes to, and only while that yes is open. Each has a number that rises; input carries
// it, and stopping raises it before anything else happens, so that what is still under way counts for nothing.
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { type Grant, parseGrant } from '../protocol/signed.ts';
import type { Consents, LinkIdentity } from './consents.ts';
import type { InputGate } from './input-gate.ts';
import { mayAsk } from './may-ask.ts';
import { type Narrowing, permissionsOf } from './narrowing.ts';
import type { Later } from './objects.ts';

export type Dropped = 'no-grant' | 'stopped' | 'dialog' | 'frozen' | 'expired';

export interface HeldGrant {
  readonly number: number;
  readonly grant: Grant;
  /** Monotonic ms. */
  readonly until: number;
}

export interface GrantsOptions {
  readonly clock: Clock;
  /** Whether the appliance's session key signed these bytes as a grant. */
  readonly verify: (payload: Bytes, signature: Bytes) => Later<boolean>;
  readonly sid: SessionId;
  readonly consents: Pick<Consents, 'find'>;
  readonly gate: InputGate;
  /** What may be asked for at all, now. */
  readonly narrowing: () => Narrowing;
  /** The link there is now, or null. */
  readonly link: () => LinkIdentity | null;
  /** Rights are frozen: no lease (leases.ts). */
  readonly isFrozen: () => boolean;
  /** Whether the action still waits until the codes of this link were compared. */
  readonly awaitsCodes: (action: string) => boolean;
  /** Whether nobody is at the screen and it may not begin so. */
  readonly awaitsCustomer: (action: string) => boolean;
  /** Empties the queues of the action and lets go of its keys; the number has been raised before. */
  readonly stopped: (held: HeldGrant, by: string) => void;
}

const CONTROL = 'launch-remote-control';

export class HeldGrants {
  readonly #options: GrantsOptions;
  readonly #held = new Map<number, HeldGrant>();
  readonly #used = new Set<string>();
  readonly #dropped: Record<Dropped, number> = { 'no-grant': 0, stopped: 0, dialog: 0, frozen: 0, expired: 0 };
  #number = 0;

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /** Inputs that were dropped, by reason. */
  get dropped(): Readonly<Record<Dropped, number>> {
    return this.#dropped;
  }

  /**
   * Takes a grant for what the customer said yes to.
   * @throws ApplianceError `grant.refused`: the reason is for the log, the peer is told no more than that
   */
  async accept(payload: Bytes, signature: Bytes): Promise<HeldGrant> {
    if (!(await this.#options.verify(payload, signature))) throw refused('not signed by the appliance');
    const grant = parseGrant(payload); // from here on it is the appliance's word; now, is it about us
    this.#check(grant);
    const consent = this.#options.consents.find(grant.consentId);
    const now = this.#options.clock.monotonic();
    const until = Math.min(now + grant.ttlMs, consent?.until ?? now);
    const held = { number: ++this.#number, grant, until };
    this.#used.add(toBase64Url(grant.consentId));
    this.#held.set(held.number, held);
    return held;
  }

  /** Whether an input that carries this number may be injected now. */
  admitsInput(number: number): boolean {
    const reason = this.#whyNot(number, CONTROL) ?? (this.#options.gate.admits() ? null : 'dialog');
    if (reason === null) return true;
    this.#dropped[reason]++;
    return false;
  }

  /** Whether something else than input, under this number, may go on now. */
  admits(number: number, action: string): boolean {
    return this.#whyNot(number, action) === null;
  }

  list(): HeldGrant[] {
    return [...this.#held.values()].filter(held => this.#whyNot(held.number, held.grant.action) === null);
  }

  /** @param which what is to stop; everything when left out */
  stop(by: string, which: (held: HeldGrant) => boolean = () => true): void {
    const stopping = [...this.#held.values()].filter(which);
    if (stopping.length > 0) this.#number++; // first of all: whatever is still on its way is from before
    for (const { number } of stopping) this.#held.delete(number);
    for (const held of stopping) this.#options.stopped(held, by);
  }

  stopConsent(consentId: Bytes, by: string): void {
    this.stop(by, ({ grant }) => equalBytes(grant.consentId, consentId));
  }

  #check(grant: Grant): void {
    const link = this.#options.link();
    if (grant.sid !== this.#options.sid) throw refused('a grant of another session');
    if (link === null || !equalBytes(grant.linkId, link.linkId)) throw refused('a grant of another link');
    if (!equalBytes(grant.handshake, link.handshake)) throw refused('a grant of another handshake');
    if (grant.sub !== link.sub) throw refused('a grant of another technician');
    const consent = this.#options.consents.find(grant.consentId);
    if (consent === undefined) throw refused('the customer’s yes is not open');
    if (consent.action !== grant.action || consent.scope !== grant.scope)
      throw refused('the yes was to something else');
    if (consent.sub !== grant.sub || !equalBytes(consent.linkId, grant.linkId))
      throw refused('the yes was to someone else');
    if (this.#used.has(toBase64Url(grant.consentId))) throw refused('the yes was used already');
    const permits = permissionsOf(this.#options.narrowing());
    if (!mayAsk(consent, permits).allowed) throw refused('the policy does not allow it (any more)');
    if (this.#options.awaitsCodes(grant.action)) throw refused('the codes were not compared');
    if (this.#options.awaitsCustomer(grant.action)) throw refused('nobody is at the screen');
  }

  #whyNot(number: number, action: string): Dropped | null {
    const held = this.#held.get(number);
    if (held === undefined) return number <= this.#number && number > 0 ? 'stopped' : 'no-grant';
    if (held.grant.action !== action) return 'no-grant';
    if (this.#options.clock.monotonic() >= held.until) return 'expired';
    if (this.#options.consents.find(held.grant.consentId) === undefined) return 'stopped';
    return this.#options.isFrozen() ? 'frozen' : null;
  }
}

function refused(why: string): ApplianceError {
  return new ApplianceError('refused', 'grant.refused', why);
}
