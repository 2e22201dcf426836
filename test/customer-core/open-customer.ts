// The customer's side of one session: consents, gate, grants, leases and reports wired as the applet wires them, with real
// signatures and a clock moved by hand.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { ApplianceTime } from '../../appliance/customer-core/appliance-time.ts';
import {
  Consents,
  type LinkIdentity,
  type OpenConsent,
  type Question,
} from '../../appliance/customer-core/consents.ts';
import { HeldGrants } from '../../appliance/customer-core/grants.ts';
import { InputGate } from '../../appliance/customer-core/input-gate.ts';
import { LeaseKeeper } from '../../appliance/customer-core/leases.ts';
import type { Narrowing } from '../../appliance/customer-core/narrowing.ts';
import type { AppletSigned } from '../../appliance/customer-core/objects.ts';
import { Presence } from '../../appliance/customer-core/presence.ts';
import { Reports } from '../../appliance/customer-core/reports.ts';
import { sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { type CanonicalValue, canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { type Grant, type Lease, SESSION_DOMAIN, signedMessage } from '../../appliance/protocol/signed.ts';
import { ManualClock } from '../support/manual-clock.ts';

export const random = (bytes: number): Bytes => new Uint8Array(randomBytes(bytes));
const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

type Fields<T> = Partial<Record<keyof T, CanonicalValue | Uint8Array>>;
type Signer = (domain: string, payload: Bytes) => Bytes;

function signWith(key: KeyObject): Signer {
  return (domain, payload) =>
    new Uint8Array(sign('sha256', signedMessage(domain, payload), { key, dsaEncoding: 'ieee-p1363' }));
}

/** Lets what was resolved run on. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}

export function newLink(over: Partial<LinkIdentity> = {}): LinkIdentity {
  return { linkId: random(16), handshake: random(32), sub: toBase64Url(random(16)), technician: 'Tina', ...over };
}

export class TestCustomer {
  readonly clock = new ManualClock();
  readonly sid = sessionIdFrom(random(16));
  /** What happened on the customer's computer, in order. */
  readonly done: string[] = [];
  readonly questions: Question[] = [];
  readonly ended: { consent: OpenConsent; by: string }[] = [];
  readonly sent: AppletSigned[] = [];
  readonly gate: InputGate;
  readonly consents: Consents;
  readonly leases: LeaseKeeper;
  readonly grants: HeldGrants;
  readonly presence: Presence;
  readonly reports: Reports;
  readonly time: ApplianceTime;
  readonly appletKey: KeyObject;
  readonly appletSigns: Signer;
  narrowing: Narrowing;
  mayControl = true;
  readonly #appliance = newKeys();
  #link: LinkIdentity | null = newLink();
  #leaseCounter = 0;

  constructor(narrowing: Narrowing) {
    const { publicKey, privateKey } = newKeys();
    this.appletKey = publicKey;
    this.appletSigns = signWith(privateKey);
    this.narrowing = narrowing;
    const { clock, sid } = this;
    this.gate = new InputGate({
      clock,
      releaseKeys: () => this.done.push('keys released'),
      paused: ({ lastedMs, discarded }) => this.done.push(`paused ${lastedMs} ms, ${discarded} discarded`),
    });
    this.time = new ApplianceTime({ clock, random, verify: this.#verify });
    this.consents = this.#makeConsents();
    this.leases = this.#makeLeases();
    this.grants = this.#makeGrants();
    this.presence = new Presence({
      narrowing: () => this.narrowing,
      grants: this.grants,
      endSession: reason => this.done.push(`session ended: ${reason}`),
    });
    this.reports = new Reports({
      ...{ clock, sid, sign: this.appletSigns, applianceTime: () => clock.now() },
      sha256: bytes => new Uint8Array(createHash('sha256').update(bytes).digest()),
      send: report => this.sent.push(report),
    });
  }

  get link(): LinkIdentity {
    if (this.#link === null) throw new Error('no link');
    return this.#link;
  }

  /** Another handshake: consents and leases are void. */
  relink(next: LinkIdentity | null): void {
    this.#link = next;
    this.consents.linkEnded();
    this.leases.linkStarted();
  }

  /** The link has ended, as when the technician closes his console. */
  unlink(): void {
    this.#link = null;
    this.leases.linkEnded();
  }

  async lease(fields: Fields<Lease> = {}, nonce = this.leases.ask()): Promise<void> {
    const { linkId, sub } = this.link;
    const counter = ++this.#leaseCounter;
    const lease = this.#signed('lease', { sid: this.sid, linkId, sub, counter, nonce, ttlMs: 60_000, ...fields });
    await this.leases.accept(lease.payload, lease.signature);
  }

  async tellTime(time: number, nonce: Bytes, by?: Signer): Promise<void> {
    const signed = this.#signed('time', { nonce, time }, by);
    await this.time.accept(signed.payload, signed.signature);
  }

  /** Asks, and answers what is on the screen then. */
  ask(action: string, answer: 'yes' | 'no', scope = '') {
    const asked = this.consents.request(this.link, { action, scope, wording: `consent.${action}.1`, language: 'en' });
    const question = this.questions.at(-1);
    if (question !== undefined) this.consents.answer(question.consentId, answer);
    return asked;
  }

  grantFor(consentId: Bytes, fields: Fields<Grant> = {}, by?: Signer) {
    const { linkId, handshake, sub } = this.link;
    const own = { sid: this.sid, linkId, handshake, sub, action: 'launch-remote-control', scope: '', consentId };
    return this.#signed('grant', { ...own, ttlMs: 600_000, ...fields }, by);
  }

  /** Lease, question, yes, grant: control is running. */
  async control() {
    await this.lease();
    const { consentId } = await this.ask('launch-remote-control', 'yes');
    this.clock.advance(500);
    const grant = this.grantFor(consentId);
    return this.grants.accept(grant.payload, grant.signature);
  }

  #makeConsents(): Consents {
    const { clock, gate, sid } = this;
    return new Consents({
      ...{ clock, random, gate, sid, organisation: 'Example Ltd', silenceMs: 60_000, sign: this.appletSigns },
      applianceTime: () => clock.now(),
      narrowing: () => this.narrowing,
      show: question => {
        this.questions.push(question);
        this.done.push('drawn');
      },
      hide: () => this.done.push('hidden'),
      ended: (consent, by) => {
        this.ended.push({ consent, by });
        this.grants.stopConsent(consent.consentId, by);
      },
    });
  }

  #makeLeases(): LeaseKeeper {
    const { clock, sid } = this;
    return new LeaseKeeper({
      ...{ clock, random, sid, verify: this.#verify, link: () => this.#link },
      frozen: why => this.done.push(`frozen: ${why}`, 'keys released'),
      thawed: () => this.done.push('thawed'),
      ended: () => this.done.push('session ended'),
    });
  }

  #makeGrants(): HeldGrants {
    const { clock, sid, consents, gate } = this;
    return new HeldGrants({
      ...{ clock, sid, consents, gate, verify: this.#verify, link: () => this.#link },
      isFrozen: () => this.leases.isFrozen,
      narrowing: () => this.narrowing,
      awaitsCustomer: action => this.presence.whyNot(action) !== null,
      awaitsCodes: action => !this.mayControl && action === 'launch-remote-control',
      stopped: ({ number }, by) => {
        this.done.push(`stopped by ${by}`);
        this.done.push(this.grants.admitsInput(number) ? 'STILL ADMITTED' : 'keys released');
      },
    });
  }

  readonly #verify = (payload: Bytes, signature: Bytes): boolean => {
    const key = { key: this.#appliance.publicKey, dsaEncoding: 'ieee-p1363' as const };
    return verify('sha256', signedMessage(SESSION_DOMAIN, payload), key, signature);
  };

  #signed(type: string, fields: Record<string, CanonicalValue | Uint8Array>, by?: Signer) {
    const plain = Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? toBase64Url(value) : value,
    ]);
    const payload = canonicalBytes({ v: 1, type, kid: 'session-key-0001', ...Object.fromEntries(plain) });
    return { payload, signature: (by ?? signWith(this.#appliance.privateKey))(SESSION_DOMAIN, payload) };
  }
}

export function openCustomer(over: Partial<Narrowing> = {}): TestCustomer {
  return new TestCustomer({
    actions: new Set(['launch-remote-control', 'launch-desktop-viewing', 'send-files']),
    ...{
      maxConsentMs: 600_000,
      singlePrompt: false,
      codesMatch: false,
      forcedRecording: false,
      pauseRecording: false,
      customerAway: 'end',
    },
    ...over,
  });
}
