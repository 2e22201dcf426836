// What a technician asks for, from the question to the end of what runs (D-02 D-04 G-01). Each step is told on the own leg:
//   request → asked → answer, receipt → the appliance's grant → "started" acknowledged → started → end
// A request always gets an answer or an end. Nothing begins while the appliance can't log it; what runs goes on.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import type { LinkStream } from '../link/stream.ts';
import type { FromApplet, FromAppliance } from '../protocol/applet-leg.ts';
import { type Bytes, equalBytes } from '../protocol/bytes.ts';
import { type ConsentMessage, type EndedBy, parseConsent, writeConsent } from '../protocol/consent.ts';
import { parseGrant } from '../protocol/signed.ts';
import type { ConsentEnd, LinkIdentity, OpenConsent, Outcome, Question } from './consents.ts';
import type { HeldGrant } from './grants.ts';
import type { HostEvent, HostLine } from './host-log.ts';
import { Pace } from './pace.ts';
import type { Receipts } from './receipts.ts';
import type { Reports } from './reports.ts';
import type { CustomerAction, Refusal, StoppedBy } from './session-parts.ts';
import type { SessionRights } from './session-rights.ts';
import type { WindowModel } from './window-model.ts';

/** Between a yes and the appliance's grant. */
export const GRANT_MS = 10_000;
/** A link that has just begun waits for its first lease and its technician's name; what is asked for meanwhile waits with it. */
export const HOLD_MS = 5000;
const SOON: readonly string[] = ['rights-frozen', 'technician-unknown'];
const MAX_REQUESTS = 32;
const REQUESTS_PER_SECOND = 5;
const BURST = 30;
const CONTROL = 'launch-remote-control';
/** The language the window's questions are in. */
const LANGUAGE = 'en';

type Ask = Extract<ConsentMessage, { type: 'request' }>;
type GrantMessage = Extract<FromAppliance, { type: 'grant' }>;

interface Request {
  readonly id: Bytes;
  link: LinkIdentity;
  readonly action: string;
  readonly scope: string;
  stage: 'held' | 'asking' | 'granting' | 'starting' | 'running' | 'over';
  consentId: Bytes | null;
  cancel: Cancel;
}

export interface SessionActionsOptions {
  readonly clock: Clock;
  readonly rights: () => SessionRights;
  readonly reports: Reports;
  readonly receipts: Receipts;
  readonly view: WindowModel;
  readonly actions: ReadonlyMap<string, CustomerAction>;
  readonly link: () => LinkIdentity | null;
  /** Why nothing may be asked for just now; null when it may. */
  readonly whyNot: (action: string) => string | null;
  readonly tell: (message: FromApplet) => void;
  readonly log: (event: HostEvent, about: Partial<HostLine>) => void;
  readonly refused: (what: Refusal) => void;
}

export class SessionActions {
  readonly #options: SessionActionsOptions;
  readonly #pace: Pace;
  readonly #requests = new Map<string, Request>();
  /** What consents are being asked about just now: a question that is drawn is this one's. */
  #asking: Request | null = null;
  #stream: LinkStream | null = null;

  constructor(options: SessionActionsOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, REQUESTS_PER_SECOND, BURST);
  }

  get isOpen(): boolean {
    return this.#stream !== null;
  }

  /** A console has opened the stream on a new link. */
  opened(stream: LinkStream): void {
    this.#stream = stream;
    const over = () => {
      if (this.#stream === stream) this.#stream = null;
    };
    stream.listen({
      message: bytes => this.#pace.admit(() => this.#receive(stream, bytes)),
      ended: over,
      reset: over,
    });
  }

  linkEnded(): void {
    this.#stream = null;
    for (const request of [...this.#requests.values()]) this.#finish(request, 'link');
  }

  /** What kept something from being asked for may be over. */
  changed(): void {
    for (const request of [...this.#requests.values()]) if (request.stage === 'held') this.#again(request);
  }

  /** The question is about to be drawn. */
  asked(question: Question): void {
    const request = this.#asking;
    if (request === null) return;
    const { reports, log } = this.#options;
    const { consentId, action } = question;
    request.consentId = consentId;
    this.#say({ type: 'asked', request: request.id, consent: consentId });
    this.#ignore(reports.tell({ stage: 'asked', action, consentId, detail: request.scope }));
    log('asked', { action });
  }

  /** A grant has come on the own leg; one that came by two legs counts once. */
  async granted({ consent, payload, signature }: GrantMessage): Promise<void> {
    const request = this.#find(consent);
    if (request === undefined) throw new ApplianceError('refused', 'grant.refused', 'nobody waits for it');
    if (request.stage !== 'granting') return;
    request.stage = 'starting';
    let held: HeldGrant;
    try {
      if (!equalBytes(parseGrant(payload).consentId, consent))
        throw new ApplianceError('refused', 'grant.refused', 'a grant for another question');
      held = await this.#options.rights().grants.accept(payload, signature);
    } catch (error) {
      if (this.#isIn(request, 'starting')) request.stage = 'granting'; // the right one may still come
      throw error;
    }
    request.cancel();
    await this.#start(request, held);
  }

  grantRefused(consent: Bytes): void {
    const request = this.#find(consent);
    if (request !== undefined && request.stage !== 'running') this.#drop(request, 'appliance');
  }

  /** A yes is no more; its grants have been stopped before. */
  consentEnded(consent: OpenConsent, by: ConsentEnd): void {
    if (by === 'customer') this.#options.tell({ type: 'stopped', consent: consent.consentId });
    const request = this.#find(consent.consentId);
    if (request !== undefined) this.#finish(request, by);
  }

  /** A grant was stopped: its number has been raised. */
  stopped(held: HeldGrant, by: string): void {
    const request = this.#find(held.grant.consentId);
    if (request !== undefined) this.#finish(request, by);
  }

  /** The customer stops one thing. @returns false when it is none */
  stop(id: string): boolean {
    const running = [...this.#requests.values()].find(({ consentId }) => consentId !== null && keyOf(consentId) === id);
    if (running?.consentId == null) return false;
    this.#options.rights().consents.revoke(running.consentId, 'customer');
    return true;
  }

  async #receive(stream: LinkStream, bytes: Bytes): Promise<void> {
    try {
      const message = parseConsent(bytes);
      if (this.#stream !== stream) return;
      if (message.type === 'request') this.#request(message);
      else if (message.type === 'end') this.#ended(message.request);
      else this.#options.refused('consent-message'); // what only the applet says
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#options.refused('consent-message');
    }
  }

  #request(ask: Ask): void {
    const key = keyOf(ask.request);
    const link = this.#options.link();
    if (this.#requests.has(key) || link === null) return void this.#options.refused('request');
    const why = this.#requests.size >= MAX_REQUESTS ? 'too-many' : this.#whyNot(ask.action);
    const isHeld = why !== null && SOON.includes(why);
    if (why !== null && !isHeld) return void this.#refuse(ask.request, why);
    const { action, scope } = ask;
    const request: Request = {
      ...{ id: ask.request, link, action, scope, consentId: null, cancel: () => undefined },
      stage: isHeld ? 'held' : 'asking',
    };
    this.#requests.set(key, request);
    if (!isHeld) return void this.#ask(request);
    request.cancel = this.#options.clock.after(HOLD_MS, () => this.#again(request, true));
  }

  /** @param isLast it waits no longer */
  #again(request: Request, isLast = false): void {
    const { action, id } = request;
    const why = this.#whyNot(action);
    if (why !== null && SOON.includes(why) && !isLast) return;
    request.cancel();
    const link = this.#options.link();
    if (why === null && link !== null) {
      request.link = link; // with the name that has come
      request.stage = 'asking';
      return void this.#ask(request);
    }
    this.#forget(request);
    this.#refuse(id, why ?? 'link');
  }

  #refuse(request: Bytes, reason: string): void {
    this.#options.refused('request');
    this.#say({ type: 'end', request, by: 'appliance', reason });
  }

  #ask(request: Request): void {
    const { link, action, scope } = request;
    const about = { action, scope, wording: `consent.${action}.1`, language: LANGUAGE };
    this.#asking = request;
    const asking = this.#options.rights().consents.request(link, about);
    this.#asking = null;
    this.#ignore(asking.then(outcome => this.#answered(request, outcome)));
  }

  #whyNot(action: string): string | null {
    return this.#options.whyNot(action) ?? this.#options.actions.get(action)?.whyNot?.() ?? null;
  }

  #answered(request: Request, outcome: Outcome): void {
    const { reports, receipts, log, clock } = this.#options;
    const { consentId, answer, ttlMs, refusedBy, receipt } = outcome;
    const { action } = request;
    const isYes = answer === 'yes';
    request.consentId = consentId;
    const detail = isYes ? '' : (refusedBy ?? answer);
    const told = reports.tell({ stage: isYes ? 'granted' : 'refused', action, consentId, detail });
    this.#ignore(told);
    receipts.keep(receipt, told);
    log(isYes ? 'allowed' : 'refused', { action, ...(detail === '' ? {} : { detail }) });
    if (request.stage === 'over') return;
    this.#say({ type: 'answer', request: request.id, consent: consentId, answer, ttlMs });
    if (!isYes) return void this.#forget(request);
    if (this.#options.rights().consents.find(consentId) === undefined) return void this.#finish(request, 'time');
    request.stage = 'granting';
    request.cancel = clock.after(GRANT_MS, () => this.#drop(request, 'appliance'));
  }

  async #start(request: Request, held: HeldGrant): Promise<void> {
    const { reports, actions, clock, view, log } = this.#options;
    const { action, scope } = request;
    const { consentId } = held.grant;
    try {
      await reports.tellStart({ action, consentId, detail: scope });
    } catch {
      return this.#drop(request, 'appliance'); // the appliance did not write it down: it does not begin
    }
    if (!this.#isIn(request, 'starting')) {
      // It was stopped while the appliance wrote down that it starts.
      return this.#ignore(reports.tell({ stage: 'ended', action, consentId, detail: 'stopped before it began' }));
    }
    const admits = () => this.#options.rights().grants.admits(held.number, action);
    request.stage = 'running';
    const leftMs = held.until - clock.monotonic();
    request.cancel = clock.after(leftMs, () => this.#options.rights().grants.stopConsent(consentId, 'time'));
    const technician = request.link.technician;
    const about = { id: keyOf(consentId), action, scope, technician, since: clock.now(), until: clock.now() + leftMs };
    view.update({ running: [...view.state.running, about] });
    log(action === CONTROL ? 'control-started' : 'action-started', { action });
    actions.get(action)?.start(held, admits);
    if (this.#isIn(request, 'running')) this.#say({ type: 'started', request: request.id, grantNumber: held.number });
  }

  /** The technician does not want it (any more). */
  #ended(id: Bytes): void {
    const request = this.#requests.get(keyOf(id));
    if (request === undefined) return void this.#options.refused('request');
    const { consents, grants } = this.#options.rights();
    if (request.stage === 'held') return void this.#finish(request, 'technician');
    if (request.consentId === null) return;
    if (request.stage === 'asking') return void consents.withdraw(request.consentId);
    grants.stopConsent(request.consentId, 'technician');
    consents.revoke(request.consentId, 'technician');
  }

  /** The yes behind it is given up, and with it what came of it. */
  #drop(request: Request, by: 'appliance'): void {
    if (request.consentId !== null) this.#options.rights().consents.revoke(request.consentId, by);
    this.#finish(request, by);
  }

  /** It is over, whatever stage it was in. */
  #finish(request: Request, by: string): void {
    const { stage } = request;
    if (stage === 'over' || !this.#forget(request)) return;
    const { actions, view, reports, log } = this.#options;
    const { action, consentId } = request;
    if (consentId !== null && (stage === 'running' || stage === 'granting'))
      this.#ignore(reports.tell({ stage: 'ended', action, consentId, detail: by }));
    if (stage === 'running' && consentId !== null) {
      actions.get(action)?.stop(stoppedBy(by));
      const id = keyOf(consentId);
      view.update({ running: view.state.running.filter(one => one.id !== id) });
      log(action === CONTROL ? 'control-ended' : 'action-ended', { action, detail: by });
    }
    this.#say({ type: 'end', request: request.id, by: endedBy(by), reason: by });
  }

  #forget(request: Request): boolean {
    request.stage = 'over';
    request.cancel();
    return this.#requests.delete(keyOf(request.id));
  }

  #find(consentId: Bytes): Request | undefined {
    return [...this.#requests.values()].find(one => one.consentId !== null && equalBytes(one.consentId, consentId));
  }

  /** After an await: stages change meanwhile. */
  #isIn(request: Request, stage: Request['stage']): boolean {
    return request.stage === stage;
  }

  #say(message: ConsentMessage): void {
    try {
      this.#stream?.send(writeConsent(message));
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#options.refused('consent-message'); // a console that never reads; the link ends by itself
    }
  }

  /** What fails by itself (too many reports, a step that came too late) is counted, and has ended what it was about. */
  #ignore(work: Promise<unknown>): void {
    work.catch(() => this.#options.refused('request'));
  }
}

function keyOf(id: Bytes): string {
  return toBase64Url(id);
}

const ENDS: Readonly<Record<string, EndedBy>> = {
  ...{ customer: 'customer', 'customer-away': 'customer', 'window-closed': 'customer' },
  ...{ technician: 'technician', time: 'time' },
};

function endedBy(by: string): EndedBy {
  return ENDS[by] ?? 'appliance';
}

const STOPS: readonly StoppedBy[] = ['customer', 'customer-away', 'technician', 'time', 'link'];

function stoppedBy(by: string): StoppedBy {
  return STOPS.find(one => one === by) ?? 'appliance';
}
