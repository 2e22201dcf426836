// Asking the customer (D-02 D-03 D-06 TRUST: consent). One question at a time, each with an id made for it alone; silence
// is a no. A yes is held open until it runs out, is taken back, or the link is another one. Every answer leaves a receipt.
import type { Cancel, Clock } from '../clock.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { Answer } from '../protocol/consent.ts';
import { MAX_GRANT_MS } from '../protocol/signed.ts';
import type { InputGate } from './input-gate.ts';
import { mayAsk, SINGLE_PROMPT } from './may-ask.ts';
import { type Narrowing, permissionsOf } from './narrowing.ts';
import { type AppletSigned, type AppletSigner, CONSENT_DOMAIN, type ConsentReceipt, writeReceipt } from './objects.ts';

const CONSENT_ID_BYTES = 16;
/** After a no the same technician can't ask again at once. */
export const PAUSE_AFTER_NO_MS = 3000;

/** The link a question is asked on; another handshake makes another link. */
export interface LinkIdentity {
  readonly linkId: Bytes;
  /** Noise handshake hash, 32 bytes. */
  readonly handshake: Bytes;
  /** Member id and name of the technician at its other end. */
  readonly sub: string;
  readonly technician: string;
}

export interface Question {
  readonly consentId: Bytes;
  readonly action: string;
  readonly scope: string;
  readonly technician: string;
  readonly organisation: string;
  readonly wording: string;
  readonly language: string;
  readonly ttlMs: number;
  /** Counted down on the screen. */
  readonly silenceMs: number;
}

export interface Outcome {
  readonly consentId: Bytes;
  readonly answer: Answer;
  /** 0 unless yes. */
  readonly ttlMs: number;
  /** Why it was no before anybody was asked. */
  readonly refusedBy: 'customer' | 'policy' | 'busy' | 'too-soon' | null;
  readonly receipt: AppletSigned;
}

/** A yes the customer has not taken back. */
export interface OpenConsent {
  readonly consentId: Bytes;
  readonly action: string;
  readonly scope: string;
  readonly linkId: Bytes;
  readonly sub: string;
  /** It followed from the one yes to everything. */
  readonly isUnderSinglePrompt: boolean;
  /** Monotonic ms. */
  readonly until: number;
}

export type ConsentEnd = 'customer' | 'technician' | 'appliance' | 'time' | 'link';

export interface ConsentsOptions {
  readonly clock: Clock;
  /** ms UTC by the appliance's signed time. */
  readonly applianceTime: () => number;
  readonly random: (bytes: number) => Bytes;
  readonly sign: AppletSigner;
  readonly gate: InputGate;
  readonly sid: SessionId;
  readonly organisation: string;
  readonly silenceMs: number;
  /** What may be asked for at all, now. */
  readonly narrowing: () => Narrowing;
  /** Draws the question; called once the gate is shut. */
  readonly show: (question: Question) => void;
  /** Takes it off the screen. */
  readonly hide: (consentId: Bytes) => void;
  /** A yes is no more: its grants must end. */
  readonly ended: (consent: OpenConsent, by: ConsentEnd) => void;
}

interface Asking {
  readonly question: Question;
  readonly link: LinkIdentity;
  readonly askedAt: number;
  readonly cancel: Cancel;
  readonly decide: (answer: Answer) => void;
}

export class Consents {
  readonly #options: ConsentsOptions;
  readonly #open = new Map<string, OpenConsent & { readonly cancel: Cancel }>();
  readonly #refusedAt = new Map<string, number>();
  #asking: Asking | null = null;

  constructor(options: ConsentsOptions) {
    this.#options = options;
  }

  /** Asks, unless the answer is known to be no. Resolves with the answer in every case: a call is always answered. */
  async request(
    link: LinkIdentity,
    request: { action: string; scope: string; wording: string; language: string },
  ): Promise<Outcome> {
    const narrowing = this.#options.narrowing();
    const consentId = this.#options.random(CONSENT_ID_BYTES);
    const ttlMs = Math.max(1, Math.min(MAX_GRANT_MS, narrowing.maxConsentMs));
    const question: Question = {
      ...request,
      consentId,
      ttlMs,
      technician: link.technician,
      organisation: this.#options.organisation,
      silenceMs: this.#options.silenceMs,
    };
    const askedAt = this.#options.applianceTime();
    const refusedBy = this.#refuses(link, request.action, narrowing);
    if (refusedBy !== null) return this.#outcome(link, question, { askedAt, answer: 'no', under: null, refusedBy });
    const above = this.#singlePrompt(link, request.action, narrowing);
    if (above !== null) return this.#follow(link, question, { askedAt, above });
    const answer = await this.#ask(link, question, askedAt);
    if (answer !== 'yes') this.#refusedAt.set(askKey(link, request.action), this.#options.clock.monotonic());
    else this.#hold(link, question, { until: this.#options.clock.monotonic() + ttlMs, isUnderSinglePrompt: false });
    const by = answer === 'yes' ? null : 'customer';
    return this.#outcome(link, question, { askedAt, answer, under: null, refusedBy: by });
  }

  /** The customer has clicked; an answer to any other question than the one on the screen is nothing. */
  answer(consentId: Bytes, answer: 'yes' | 'no'): boolean {
    if (this.#asking === null || key(this.#asking.question.consentId) !== key(consentId)) return false;
    this.#asking.decide(answer);
    return true;
  }

  /** The open yes behind a grant, or undefined when there is none (any more). */
  find(consentId: Bytes): OpenConsent | undefined {
    const consent = this.#open.get(key(consentId));
    return consent !== undefined && consent.until > this.#options.clock.monotonic() ? consent : undefined;
  }

  list(): OpenConsent[] {
    return [...this.#open.values()].filter(({ consentId }) => this.find(consentId) !== undefined);
  }

  /** One yes is taken back, or all; a single prompt takes with it what followed from it. */
  revoke(consentId: Bytes | null, by: Exclude<ConsentEnd, 'link'> = 'customer'): void {
    const taken = consentId === null ? undefined : this.#open.get(key(consentId));
    const goes = (consent: OpenConsent) => consentId === null || taken?.action === SINGLE_PROMPT || consent === taken;
    if (consentId === null) this.#asking?.decide(by === 'customer' ? 'no' : 'silence');
    for (const consent of [...this.#open.values()].filter(goes)) this.#end(consent, by);
  }

  /** Who asked does not want to know any more: nobody has answered. */
  withdraw(consentId: Bytes): void {
    if (this.#asking !== null && key(this.#asking.question.consentId) === key(consentId))
      this.#asking.decide('silence');
  }

  /** Another link, or none: what was asked and allowed on the one before is void. */
  linkEnded(): void {
    this.#asking?.decide('silence');
    for (const consent of [...this.#open.values()]) this.#end(consent, 'link');
  }

  close(): void {
    this.linkEnded();
  }

  #refuses(link: LinkIdentity, action: string, narrowing: Narrowing): Outcome['refusedBy'] {
    if (!mayAsk({ action, isUnderSinglePrompt: false }, permissionsOf(narrowing)).allowed) return 'policy';
    if (this.#asking !== null) return 'busy';
    const refusedAt = this.#refusedAt.get(askKey(link, action));
    const isTooSoon = refusedAt !== undefined && this.#options.clock.monotonic() - refusedAt < PAUSE_AFTER_NO_MS;
    return isTooSoon ? 'too-soon' : null;
  }

  #singlePrompt(link: LinkIdentity, action: string, narrowing: Narrowing): OpenConsent | null {
    if (!mayAsk({ action, isUnderSinglePrompt: true }, permissionsOf(narrowing)).allowed) return null;
    const isIt = (consent: OpenConsent) => consent.action === SINGLE_PROMPT && consent.sub === link.sub;
    return this.list().find(isIt) ?? null;
  }

  #follow(link: LinkIdentity, question: Question, from: { askedAt: number; above: OpenConsent }): Promise<Outcome> {
    const { above, askedAt } = from;
    const now = this.#options.clock.monotonic();
    const ttlMs = Math.max(1, Math.floor(Math.min(question.ttlMs, above.until - now)));
    this.#hold(link, question, { until: Math.min(above.until, now + ttlMs), isUnderSinglePrompt: true });
    return this.#outcome(
      link,
      { ...question, ttlMs },
      { askedAt, answer: 'yes', under: above.consentId, refusedBy: null },
    );
  }

  #ask(link: LinkIdentity, question: Question, askedAt: number): Promise<Answer> {
    const { clock, gate, show, hide, silenceMs } = this.#options;
    return new Promise(resolve => {
      const decide = (answer: Answer) => {
        this.#asking?.cancel();
        this.#asking = null;
        hide(question.consentId);
        gate.dialogCloses();
        resolve(answer);
      };
      const cancel = clock.after(silenceMs, () => decide('silence'));
      this.#asking = { question, link, askedAt, cancel, decide };
      gate.dialogOpens(); // before the first pixel of it
      show(question);
    });
  }

  #hold(
    { linkId, sub }: LinkIdentity,
    { consentId, action, scope }: Question,
    as: Pick<OpenConsent, 'until' | 'isUnderSinglePrompt'>,
  ): void {
    const { clock } = this.#options;
    const held = { consentId, action, scope, linkId, sub, ...as };
    const cancel = clock.after(as.until - clock.monotonic(), () => {
      const consent = this.#open.get(key(consentId));
      if (consent !== undefined) this.#end(consent, 'time');
    });
    this.#open.set(key(consentId), { ...held, cancel });
  }

  #end(consent: OpenConsent & { readonly cancel?: Cancel }, by: ConsentEnd): void {
    consent.cancel?.();
    if (this.#open.delete(key(consent.consentId))) this.#options.ended(consent, by);
  }

  async #outcome(
    link: LinkIdentity,
    question: Question,
    said: { askedAt: number; answer: Answer; under: Bytes | null; refusedBy: Outcome['refusedBy'] },
  ): Promise<Outcome> {
    const { consentId, action, scope, wording, language, technician, organisation } = question;
    const ttlMs = said.answer === 'yes' ? question.ttlMs : 0;
    const { linkId, handshake, sub } = link;
    const receipt: ConsentReceipt = {
      ...{ sid: this.#options.sid, linkId, handshake, sub, technician, organisation },
      ...{ action, scope, consentId, wording, language, ttlMs },
      ...{ under: said.under, answer: said.answer, askedAt: said.askedAt, answeredAt: this.#options.applianceTime() },
    };
    const payload = writeReceipt(receipt);
    const signature = await this.#options.sign(CONSENT_DOMAIN, payload);
    return { consentId, answer: said.answer, ttlMs, refusedBy: said.refusedBy, receipt: { payload, signature } };
  }
}

function key(consentId: Bytes): string {
  return toBase64Url(consentId);
}

function askKey({ sub }: LinkIdentity, action: string): string {
  return `${sub} ${action}`;
}
