// A session from the claim to its end: the parts of this folder, put together. Everything here is said by the appliance on
// the own leg, by a console on the link, or by the customer in his window; each is read strictly, and what is refused is
// counted and changes nothing.
import type { Cancel } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type SessionId, toBase64Url } from '../guid.ts';
import type { DhKeyPair } from '../link/crypto.ts';
import type { Link } from '../link/link.ts';
import type { LinkStream } from '../link/stream.ts';
import type { FromApplet, FromAppliance } from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { CHAT_STREAM } from '../protocol/chat.ts';
import { CONSENT_STREAM } from '../protocol/consent.ts';
import { SESSION_DOMAIN, signedMessage } from '../protocol/signed.ts';
import { ApplianceTime } from './appliance-time.ts';
import type { LinkIdentity, Question } from './consents.ts';
import { Credentials } from './credentials.ts';
import type { HostEvent, HostLine, HostLog } from './host-log.ts';
import type { Claimed } from './leg.ts';
import type { Legs } from './legs.ts';
import { parsePolicy } from './narrowing.ts';
import type { AppletSigner } from './objects.ts';
import { PolicyRenewal } from './policy-renewal.ts';
import { Receipts } from './receipts.ts';
import { Reports } from './reports.ts';
import { SessionActions } from './session-actions.ts';
import { SessionChat } from './session-chat.ts';
import { SessionCodes } from './session-codes.ts';
import { SessionDesktop } from './session-desktop.ts';
import { type LinkEnd, SessionLink } from './session-link.ts';
import type { CustomerSessionOptions, Refusals } from './session-parts.ts';
import { SessionRecording } from './session-recording.ts';
import { SessionRights } from './session-rights.ts';

/** A lease lives 60 s. */
export const LEASE_ASK_MS = 20_000;
const LEASE_RETRY_MS = 5000;
const TIME_ASK_MS = 10 * 60_000;
/** So long the link outlives the session's end, for the receipts of what was recorded. */
export const LAST_RECEIPTS_MS = 2000;

export interface ClaimedSessionParts {
  readonly options: CustomerSessionOptions;
  readonly legs: Legs;
  readonly claimed: Claimed;
  readonly sign: AppletSigner;
  readonly psk: Bytes;
  readonly staticKey: DhKeyPair;
  readonly refusals: Refusals;
  /** Ends the session. */
  readonly end: (reason: string, head?: string) => void;
}

export class ClaimedSession {
  readonly sid: SessionId;
  readonly organisation: string;
  readonly startedAt: number;
  readonly chat: SessionChat;
  readonly reports: Reports;
  readonly rights: SessionRights;
  readonly hostLog: HostLog;
  isLogBroken = false;
  readonly #parts: ClaimedSessionParts;
  readonly #time: ApplianceTime;
  readonly #credentials: Credentials;
  readonly #renewal: PolicyRenewal;
  readonly #receipts: Receipts;
  readonly #link: SessionLink;
  readonly #recording: SessionRecording;
  readonly #desktop: SessionDesktop | null;
  readonly #actions: SessionActions;
  readonly #codes: SessionCodes;
  readonly #cancels: Cancel[] = [];
  readonly #timeKnown = Promise.withResolvers<void>();
  #technician = '';
  #hasLease = false;
  #isHalted = false;

  constructor(parts: ClaimedSessionParts) {
    const { options, claimed, legs } = parts;
    const { clock, view, openHostLog } = options;
    this.#parts = parts;
    this.sid = claimed.sid;
    this.organisation = options.organisation === '' ? claimed.organisation : options.organisation;
    this.startedAt = clock.now();
    this.#time = new ApplianceTime({ clock, random: options.crypto.randomBytes, verify: this.#verify });
    this.hostLog = openHostLog({ sid: this.sid, startedAt: this.startedAt });
    this.reports = this.#makeReports();
    this.#receipts = new Receipts(receipt => legs.send({ type: 'receipt', ...receipt }));
    this.#credentials = this.#makeCredentials();
    this.#renewal = this.#makeRenewal();
    this.#link = this.#makeLink();
    this.rights = this.#makeRights(claimed.silenceMs);
    this.#recording = this.#makeRecording();
    this.chat = this.#makeChat();
    this.#desktop = this.#makeDesktop();
    this.#actions = this.#makeActions();
    this.#codes = this.#makeCodes();
    this.#cancels.push(
      clock.every(LEASE_ASK_MS, () => this.#askLease()),
      clock.every(TIME_ASK_MS, () => this.#askTime()),
    );
    view.update({ phase: 'waiting', organisation: this.organisation });
    this.log('session-started', {});
    this.#askTime();
  }

  /** The appliance has said something on the own leg. */
  message(message: FromAppliance): void {
    const { refusals, end } = this.#parts;
    switch (message.type) {
      case 'revoked':
        return void this.#revoked();
      case 'stop':
        return void this.rights.stopAll('appliance');
      case 'ended':
        return void end(message.reason, message.head);
      case 'state':
        return void this.#stateChanged(message.state, message.technician);
      case 'claimed-twice':
        return void this.#codes.claimedTwice();
      case 'compared':
        if (!this.#codes.compared(message.linkId)) refusals.count('leg-message');
        return;
      case 'acknowledged':
        return void this.reports.acknowledge(message.count);
      case 'attach':
        if (this.#isHalted) return;
        return void this.#timeKnown.promise.then(() => this.#link.offered(message));
      case 'grant-refused':
        return void this.#actions.grantRefused(message.consent);
      case 'credential-refused':
        return void this.#credentials.refuse();
      case 'lease-refused':
        return void this.#cancels.push(this.#parts.options.clock.after(LEASE_RETRY_MS, () => this.#askLease()));
      case 'narrowed':
      case 'time':
      case 'credential':
      case 'lease':
      case 'grant':
        return void this.#signed(message);
      default:
        refusals.count('leg-message'); // what belongs to the claim
    }
  }

  /** Another connection of the own leg is in use: what may have been lost with the one before is said again. */
  renewed(): void {
    const { view } = this.#parts.options;
    view.clearNotice('connection-lost');
    this.#askTime();
    const { link } = this.#link;
    if (link !== null && !this.#hasLease) this.#tellLink(link);
    this.#codes.repeat();
    this.#receipts.resend();
    this.reports.resend();
    this.#askLease();
    this.#renewal.legRenewed();
  }

  answer(consentId: Bytes, answer: 'yes' | 'no'): void {
    if (!this.rights.consents.answer(consentId, answer)) this.#parts.refusals.count('command');
  }

  pause(isPaused: boolean): void {
    this.#desktop?.pause(isPaused);
  }

  windowVisible(isVisible: boolean): void {
    this.rights.windowVisible(isVisible);
    this.#desktop?.changed();
  }

  stop(id: string): void {
    if (!this.#actions.stop(id)) this.#parts.refusals.count('command');
  }

  /** What the customer says about the short string. */
  codes(match: boolean): void {
    if (!this.#codes.say(match)) this.#parts.refusals.count('command');
  }

  /** Nothing is allowed and nothing runs when it returns; of the link only receipts of the recorder are heard from here on. */
  halt(by: string): void {
    if (this.#isHalted) return;
    this.#isHalted = true;
    this.rights.close(by);
    this.#renewal.close();
    this.#actions.linkEnded();
    this.chat.linkEnded();
    this.#desktop?.close();
  }

  /** After `halt`: resolves when what was recorded is proved to its end, in two seconds at most. */
  async settled(): Promise<void> {
    if (this.#link.isAttached && this.#parts.legs.isUp) await this.#recording.settled(LAST_RECEIPTS_MS);
  }

  /** Everything is over: when it returns, nothing is allowed, nothing runs and nobody is connected. */
  close(by: string): void {
    this.halt(by);
    this.#link.close();
    this.#credentials.close();
    for (const cancel of this.#cancels) cancel();
  }

  log(event: HostEvent, about: Partial<HostLine>): void {
    const technician = this.#technician === '' ? {} : { technician: this.#technician };
    const at = this.#time.isKnown ? this.#time.now() : this.#parts.options.clock.now();
    try {
      this.hostLog.write({ ...technician, ...about, at, event });
    } catch {
      // A full disk, say: nothing is done here that leaves no record. Not in this turn, which may be stopping something.
      this.isLogBroken = true;
      Promise.resolve().then(() => this.#parts.end('no-record'));
    }
  }

  // What the appliance says.

  #signed(message: Extract<FromAppliance, { type: 'narrowed' | 'time' | 'credential' | 'lease' | 'grant' }>): void {
    const what = message.type === 'narrowed' ? 'leg-message' : message.type;
    this.#take(message).catch(error => {
      if (!(error instanceof ApplianceError)) throw error;
      this.#parts.refusals.count(what);
    });
  }

  async #take(
    message: Extract<FromAppliance, { type: 'narrowed' | 'time' | 'credential' | 'lease' | 'grant' }>,
  ): Promise<void> {
    switch (message.type) {
      case 'narrowed':
        return this.#narrowed(message.policy);
      case 'time':
        await this.#time.accept(message.payload, message.signature);
        return this.#timeKnown.resolve();
      case 'credential':
        return this.#credentials.accept(message);
      case 'lease':
        await this.rights.leases.accept(message.payload, message.signature);
        this.#hasLease = true;
        return;
      case 'grant':
        return this.#actions.granted(message);
    }
  }

  #narrowed(bytes: Bytes): void {
    const policy = parsePolicy(bytes);
    this.#credentials.narrowed(policy);
    this.rights.narrow(policy);
    this.#desktop?.changed();
    this.#renewal.told(policy, this.rights.narrowing);
  }

  /** The technician's link and all on it, at once. */
  #revoked(): void {
    this.rights.leases.revoke();
    this.rights.stopAll('appliance');
    this.#link.cut();
  }

  #stateChanged(state: string, technician: string): void {
    const { view } = this.#parts.options;
    this.#technician = technician.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').trim();
    if (state === 'on-hold') view.notice('on-hold');
    else view.clearNotice('on-hold');
    if (view.state.technician !== null && this.#technician !== '')
      view.update({ technician: { ...view.state.technician, name: this.#technician } });
    this.#actions.changed();
  }

  // The link.

  #started(link: Link): void {
    const { view, clock } = this.#parts.options;
    const policy = this.#credentials.policy;
    if (policy === null) throw new ApplianceError('defect', 'session.no-policy', 'a link without a credential');
    this.#hasLease = false;
    this.rights.linkStarted(policy);
    this.#renewal.linkStarted(policy);
    link.onStream(stream => this.#stream(stream));
    view.update({
      ...{ phase: 'active', technician: { name: this.#technician, since: clock.now() }, mayWrite: true },
      shortString: { text: link.shortString, state: 'open' },
    });
    view.clearNotice('technician-lost');
    this.#codes.linkStarted();
    this.log('login-succeeded', {});
    this.log('technician-connected', {});
    this.#tellLink(link);
    this.#askLease();
  }

  #stream(stream: LinkStream): void {
    if (this.#isHalted) return void stream.reset(0);
    const isFree = stream.kind === CHAT_STREAM ? !this.chat.isOpen : !this.#actions.isOpen;
    if (stream.kind === CHAT_STREAM && isFree) return void this.chat.opened(stream);
    if (stream.kind === CONSENT_STREAM && isFree) return void this.#actions.opened(stream);
    if (this.#desktop?.opened(stream) === true || this.#recording.opened(stream)) return;
    this.#parts.refusals.count('stream'); // of no kind we know, or one that is open already
    stream.reset(0);
  }

  #attached(isAttached: boolean): void {
    const { view } = this.#parts.options;
    if (isAttached) view.clearNotice('technician-lost');
    else view.notice('technician-lost');
    if (!isAttached) this.#desktop?.releaseKeys();
    this.#desktop?.changed();
  }

  #ended(why: LinkEnd): void {
    const { view } = this.#parts.options;
    this.rights.linkEnded();
    this.#actions.linkEnded();
    this.#desktop?.linkEnded();
    this.#recording.linkEnded();
    this.chat.linkEnded();
    view.clearNotice('technician-lost', 'rights-frozen', 'codes-needed');
    if (!this.#isHalted) view.update({ phase: 'waiting', technician: null, shortString: null });
    this.log('technician-left', { detail: why });
  }

  #identity(): LinkIdentity | null {
    const { link } = this.#link;
    if (link === null) return null;
    return { linkId: link.id, handshake: link.handshakeHash, sub: link.peer.sub, technician: this.#technician };
  }

  /** Why nothing but chat is possible now. */
  #whyNot(action: string): string | null {
    if (!this.#parts.legs.isUp) return 'appliance-away';
    if (this.#technician === '') return 'technician-unknown';
    if (this.#codes.whyNot !== null) return this.#codes.whyNot;
    if (!this.rights.isVisible) return 'no-window';
    return this.rights.isFrozen ? 'rights-frozen' : this.rights.presence.whyNot(action);
  }

  // What is said to the appliance.

  #tell(message: FromApplet): void {
    this.#parts.legs.send(message);
  }

  #askTime(): void {
    this.#tell({ type: 'ask-time', nonce: this.#time.ask() });
  }

  #askLease(): void {
    const { link } = this.#link;
    if (link !== null) this.#tell({ type: 'ask-lease', linkId: link.id, nonce: this.rights.leases.ask() });
  }

  #tellLink(link: Link): void {
    this.#tell({ type: 'link-started', linkId: link.id, handshake: link.handshakeHash });
  }

  // The parts.

  readonly #verify = async (payload: Bytes, signature: Bytes): Promise<boolean> => {
    const { crypto, keys } = this.#parts.options;
    const message = signedMessage(SESSION_DOMAIN, payload);
    for (const { publicKey } of keys) if (await crypto.verifyEs256(publicKey, message, signature)) return true;
    return false;
  };

  #makeReports(): Reports {
    const { options, legs, sign } = this.#parts;
    const { clock, crypto } = options;
    return new Reports({
      ...{ clock, sign, sid: this.sid, sha256: bytes => crypto.sha256(bytes), applianceTime: () => this.#time.now() },
      heard: told => this.#recording.reported(told),
      send: report => legs.send({ type: 'report', ...report }),
    });
  }

  #makeCredentials(): Credentials {
    const { clock, crypto, keys, key } = this.#parts.options;
    return new Credentials({
      ...{ clock, crypto, keys, sid: this.sid, spki: key.spki, trustedNow: () => this.#time.now() },
      send: message => this.#parts.legs.send(message),
    });
  }

  #makeRenewal(): PolicyRenewal {
    return new PolicyRenewal({
      ...{ clock: this.#parts.options.clock, credentials: this.#credentials },
      link: () => (this.#isHalted ? null : this.#link.link),
      renewed: policy => {
        this.rights.renewed(policy);
        this.#desktop?.changed();
      },
    });
  }

  #makeLink(): SessionLink {
    const { options, psk, staticKey, refusals } = this.#parts;
    const { clock, crypto, keys, unacknowledgedBytes, openRelay } = options;
    return new SessionLink({
      ...{ clock, crypto, keys, psk, staticKey, unacknowledgedBytes, openRelay, sid: this.sid },
      certify: spk => this.#credentials.certify(spk, 'handshake'),
      trustedNow: () => this.#time.now(),
      started: link => this.#started(link),
      attached: isAttached => this.#attached(isAttached),
      ended: why => this.#ended(why),
      attemptsFailed: count => {
        options.view.notice('failed-attempts', { count });
        this.log('login-refused', { detail: `${count}` });
      },
      refused: () => refusals.count('attach'),
    });
  }

  #makeRights(silenceMs: number): SessionRights {
    const { options, sign, end } = this.#parts;
    const { clock, view, crypto } = options;
    return new SessionRights({
      ...{ clock, sign, silenceMs, verify: this.#verify, sid: this.sid, organisation: this.organisation },
      releaseKeys: () => this.#desktop?.releaseKeys(),
      applianceTime: () => this.#time.now(),
      random: crypto.randomBytes,
      link: () => this.#identity(),
      isAttached: () => this.#link.isAttached,
      show: question => this.#show(question, silenceMs),
      hide: () => view.update({ question: null }),
      paused: pause => this.#paused(pause),
      stopped: (held, by) => this.#actions.stopped(held, by),
      consentEnded: (consent, by) => this.#actions.consentEnded(consent, by),
      frozen: isFrozen => {
        if (isFrozen && this.#hasLease) view.notice('rights-frozen');
        else view.clearNotice('rights-frozen');
        this.#desktop?.changed();
        this.#actions.changed();
      },
      end: reason => end(reason),
    });
  }

  #show(question: Question, silenceMs: number): void {
    const { view, clock } = this.#parts.options;
    const { action, scope, technician, ttlMs } = question;
    const consentId = toBase64Url(question.consentId);
    const silenceAt = clock.now() + silenceMs;
    view.update({ question: { consentId, action, scope, technician, ttlMs, silenceAt } });
    this.#actions.asked(question);
    this.#desktop?.changed();
  }

  #paused({ lastedMs, discarded }: { lastedMs: number; discarded: number }): void {
    this.#desktop?.changed();
    if (discarded === 0) return; // nobody was typing
    const detail = `${Math.round(lastedMs)} ms, ${discarded} thrown away`;
    this.log('input-paused', { detail });
    this.reports
      .tell({ stage: 'input-pause', action: 'input', detail })
      .catch(() => this.#parts.refusals.count('request'));
  }

  #makeChat(): SessionChat {
    const { options, refusals } = this.#parts;
    const { clock, crypto, view } = options;
    return new SessionChat({
      ...{ clock, view, reports: this.reports, random: crypto.randomBytes, sha256: bytes => crypto.sha256(bytes) },
      technician: () => this.#technician,
      written: (line, by) => this.#recording.chatted(line, by),
      refused: () => refusals.count('chat-message'),
    });
  }

  #makeCodes(): SessionCodes {
    return new SessionCodes({
      view: this.#parts.options.view,
      rights: () => this.rights,
      link: () => this.#link.link,
      tell: message => this.#tell(message),
      log: (event, about) => this.log(event, about),
    });
  }

  #makeRecording(): SessionRecording {
    const { options, legs, sign, refusals } = this.#parts;
    const { clock, crypto, view, recording } = options;
    return new SessionRecording({
      ...{ ...recording, clock, crypto, view, sign, sid: this.sid, applianceTime: () => this.#time.now() },
      timeError: () => this.#time.error,
      isForced: () => this.rights.narrowing.forcedRecording,
      technician: () => this.#identity(),
      pause: () => this.#desktop?.recordingPause ?? { mayPause: false, pausedAt: null },
      pauseWished: isPaused => this.#desktop?.pauseRecording(isPaused),
      attest: signed => legs.send({ type: 'attestation', ...signed }),
      log: (event, about) => this.log(event, about),
      refused: () => refusals.count('recording'),
      changed: () => this.#desktop?.recordingChanged(),
    });
  }

  #makeDesktop(): SessionDesktop | null {
    const { options, refusals } = this.#parts;
    const { clock, view, desktop } = options;
    if (desktop === null) return null;
    return new SessionDesktop({
      ...{ clock, view, desktop, organisation: this.organisation, rights: () => this.rights },
      recording: this.#recording,
      applianceTime: () => this.#time.now(),
      tell: told => void this.reports.tell(told).catch(() => refusals.count('request')),
      tellFirst: (told, undone) => this.reports.tellFirst(told, undone),
      log: (event, about) => this.log(event, about),
      refused: () => refusals.count('stream'),
    });
  }

  #makeActions(): SessionActions {
    const { options, refusals } = this.#parts;
    const { clock, view } = options;
    const actions = new Map([...options.actions, ...(this.#desktop?.actions ?? [])]);
    return new SessionActions({
      ...{ clock, view, actions, reports: this.reports, receipts: this.#receipts },
      rights: () => this.rights,
      link: () => this.#identity(),
      whyNot: action => this.#whyNot(action),
      tell: message => this.#tell(message),
      log: (event, about) => this.log(event, about),
      refused: what => refusals.count(what),
    });
  }
}
