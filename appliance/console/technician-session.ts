// One support session as the technician's console holds it: its state by the portal, its link, its chat and what was
// asked of the customer. No page in it: a benchmark drives the very same.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, parseSessionId, toBase64Url } from '../guid.ts';
import { RateLimit } from '../link/rate-limit.ts';
import { type Bytes, utf8Bytes } from '../protocol/bytes.ts';
import { type ChatMessage, MAX_LINE_BYTES, parseChat, writeChat } from '../protocol/chat.ts';
import { parseConsent, writeConsent } from '../protocol/consent.ts';
import type { SessionDetail, SessionView, ToldAction } from '../protocol/console-api.ts';
import { type ConsoleApi, isPassing } from './api.ts';
import { Changes } from './changes.ts';
import { ChatLog, type ChatLogParts } from './chat-log.ts';
import { type ChatLine, ChatStore, MAX_UNCONFIRMED } from './chat-store.ts';
import type { SessionLink } from './link-client.ts';
import {
  type LinkStreamName,
  type LinkView,
  noRecording,
  RESET_MALFORMED,
  type RecordingView,
} from './link-messages.ts';
import { RequestStore } from './request-store.ts';
import type { MakeViewer } from './screen-viewer.ts';
import { SessionScreen } from './session-screen.ts';

/** In these the two programs are linked. */
const LINKED_STATES: readonly string[] = ['active', 'on-hold', 'reconnecting', 'rebooting'];
const OVER_STATES: readonly string[] = ['closed', 'timed-out'];
/** They change nothing but the chat, which is here already. */
const CHAT_EVENTS: readonly string[] = ['chat.line', 'action.chat'];
const ID_BYTES = 16;
/** Messages a customer's program is heard with; more of them wait in the link. */
const MESSAGES_PER_SECOND = 40;
const MESSAGE_BURST = 120;
const PACE_MS = 50;
/** Lines of the customer's that wait for the log. */
const MAX_STORING = 32;
const TYPING_SAID_MS = 3000;
const TYPING_SHOWN_MS = 8000;
const DETAIL_MS = 400;
const TELL_AGAIN_MS = 2000;
const MAX_TELLS = 10;
/** So long the end of a session waits for what was recorded to be proved. */
export const LAST_PROOF_MS = 2000;

export type SessionNews = 'line' | 'answer' | 'claimed-twice' | 'handshake-failed' | 'lost' | 'back';

export interface TechnicianSessionParts extends Pick<ChatLogParts, 'key' | 'seal'> {
  readonly api: ConsoleApi;
  readonly link: SessionLink;
  readonly clock: Clock;
  readonly random: (length: number) => Bytes;
  readonly makeViewer: MakeViewer;
  readonly signedOut: () => void;
  /** Something a technician who looks elsewhere should know. */
  readonly news: (session: TechnicianSession, news: SessionNews) => void;
}

export class TechnicianSession {
  readonly changes = new Changes();
  readonly chat = new ChatStore();
  readonly requests = new RequestStore();
  readonly screen: SessionScreen;
  readonly #parts: TechnicianSessionParts;
  readonly #log: ChatLog;
  readonly #pace: RateLimit;
  #view: SessionView;
  #detail: SessionDetail | null = null;
  #detailFault: ApplianceError | null = null;
  /** Of the link there is, with a path or without one. */
  #linkId: string | null = null;
  #attemptsSeen = 0;
  #endedStreams = new Map<LinkStreamName, 'malformed' | 'ended'>();
  #saidCodes: boolean | null = null;
  #telling: Promise<unknown> = Promise.resolve();
  #cancelTyping: Cancel | null = null;
  #cancelDetail: Cancel | null = null;
  #saidTypingAt = Number.NEGATIVE_INFINITY;
  #isLeft = false;
  #isShown = false;
  #recording: RecordingView = noRecording;
  /** Told when the recording has changed while the end waits for it. */
  #recordingChanged: () => void = () => undefined;
  unread = 0;
  draft = '';

  constructor(view: SessionView, parts: TechnicianSessionParts) {
    this.#view = view;
    this.#parts = parts;
    const { link, makeViewer } = parts;
    this.screen = new SessionScreen({ link, makeViewer, changed: () => this.changes.tell() });
    this.#pace = new RateLimit(parts.clock, MESSAGES_PER_SECOND, MESSAGE_BURST);
    const { key, seal, clock, api } = parts;
    const store: ChatLogParts['store'] = line => api.chat(view.id, line);
    this.#log = new ChatLog({ sessionId: parseSessionId(view.id), key, seal, clock, store });
    this.#switchLink();
    this.loadSoon(0);
  }

  get id(): string {
    return this.#view.id;
  }

  get view(): SessionView {
    return this.#view;
  }

  /** Null until it has come. */
  get detail(): SessionDetail | null {
    return this.#detail;
  }

  get detailFault(): ApplianceError | null {
    return this.#detailFault;
  }

  get link(): LinkView {
    return this.#parts.link.view;
  }

  /** Whether the two programs are linked, or are to be. */
  get isLive(): boolean {
    return !this.#isLeft && LINKED_STATES.includes(this.#view.state);
  }

  get isOver(): boolean {
    return this.#isLeft || OVER_STATES.includes(this.#view.state);
  }

  /** Whether the technician looks at it: then nothing in it is unread, and its picture runs at full rate. */
  get isShown(): boolean {
    return this.#isShown;
  }

  set isShown(isShown: boolean) {
    this.#isShown = isShown;
    this.screen.show(isShown);
  }

  /** It went to somebody else. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  get isCustomerTyping(): boolean {
    return this.#cancelTyping !== null;
  }

  /** How the recording of the picture stands. */
  get recording(): RecordingView {
    return this.#recording;
  }

  /** Whether the technician's group may record, beside where it must. */
  get mayRecord(): boolean {
    return this.#detail?.permissions.some(({ action, allowed }) => action === 'record-sessions' && allowed) === true;
  }

  /** Why a stream carries nothing any more on this link. */
  endOf(stream: LinkStreamName): 'malformed' | 'ended' | null {
    return this.#endedStreams.get(stream) ?? null;
  }

  /** What was said about the codes of this link: the same, different, or nothing yet. */
  get saidCodes(): boolean | null {
    return this.#saidCodes;
  }

  /** Why nothing can be written now; null when it can. */
  get cannotWrite(): string | null {
    if (!this.isLive) return this.isOver ? 'The session is over.' : 'Pick the session up to write.';
    if (this.endOf('chat') !== null) return 'The chat of this link has ended.';
    if (this.chat.unconfirmed >= MAX_UNCONFIRMED) return 'The customer’s program has not confirmed the last lines yet.';
    return null;
  }

  /** The portal says how it stands. */
  update(view: SessionView, event: string): void {
    const before = this.#view;
    this.#view = view;
    this.#isLeft = false; // it may have come back to him
    this.#switchLink();
    if (view.isClaimedTwice && !before.isClaimedTwice) this.#parts.news(this, 'claimed-twice');
    if (view.state === 'reconnecting' && before.state === 'active') this.#parts.news(this, 'lost');
    if (before.state === 'reconnecting' && view.state === 'active') {
      this.#parts.news(this, 'back');
      this.#parts.link.hurry();
    }
    if (!CHAT_EVENTS.includes(event)) this.loadSoon(DETAIL_MS);
    this.changes.tell();
  }

  /** It is not this technician's any more. */
  leave(): void {
    this.#isLeft = true;
    this.#switchLink();
    this.changes.tell();
  }

  close(): void {
    this.#isLeft = true;
    this.#log.close();
    this.#cancelDetail?.();
    this.#cancelTyping?.();
    this.screen.close();
    this.#parts.link.close();
    this.changes.tell();
  }

  /** Texts of own lines that are not in the log yet. */
  get unstored(): readonly string[] {
    const own = this.chat.lines.filter(({ author, delivery }) => author === 'technician' && delivery === 'storing');
    return own.map(({ text }) => text ?? '');
  }

  /** Asks for the details again, a little later, so that several changes are one question. */
  loadSoon(delayMs: number): void {
    this.#cancelDetail?.();
    this.#cancelDetail = this.#parts.clock.after(delayMs, () => void this.#load());
  }

  markRead(): void {
    if (this.unread === 0) return;
    this.unread = 0;
    this.changes.tell();
  }

  /** @throws ApplianceError `chat.line-size`, `console.not-now` */
  write(text: string): void {
    const why = this.cannotWrite;
    if (why !== null) throw new ApplianceError('conflict', 'console.not-now', why);
    const line = text.toWellFormed().trim();
    const bytes = utf8Bytes(line).length;
    if (bytes === 0 || bytes > MAX_LINE_BYTES)
      throw new ApplianceError('malformed', 'chat.line-size', `a line has 1 to ${MAX_LINE_BYTES} bytes, not ${bytes}`);
    const id = toBase64Url(this.#parts.random(ID_BYTES));
    this.chat.addOwn(id, line, this.#parts.clock.now());
    this.#saidTypingAt = Number.NEGATIVE_INFINITY; // a line ends the typing on the other side
    this.changes.tell();
    void this.#storeOwn(id, line);
  }

  /** The technician types, or has stopped. */
  typing(isTyping: boolean): void {
    const now = this.#parts.clock.monotonic();
    if (isTyping && now - this.#saidTypingAt < TYPING_SAID_MS) return;
    if (!isTyping && this.#saidTypingAt === Number.NEGATIVE_INFINITY) return;
    this.#saidTypingAt = isTyping ? now : Number.NEGATIVE_INFINITY;
    this.#say({ type: 'typing', typing: isTyping });
  }

  /** Asks the customer. @throws ApplianceError `console.not-now` while there is no link */
  ask(action: string): void {
    const linkId = this.#linkId;
    if (linkId === null || this.link.phase !== 'open' || this.endOf('consent') !== null)
      throw new ApplianceError('conflict', 'console.not-now', 'there is no connection to ask the customer over');
    const request = this.#parts.random(ID_BYTES);
    this.requests.add(request, action, this.#parts.clock.now());
    this.#parts.link.send(linkId, 'consent', writeConsent({ type: 'request', request, action, scope: '' }));
    this.changes.tell();
  }

  stop(requestId: string): void {
    const linkId = this.#linkId;
    const told = this.requests.stop(requestId);
    const request = fromBase64Url(requestId);
    const end = writeConsent({ type: 'end', request, by: 'technician', reason: 'stopped' });
    if (linkId !== null) this.#parts.link.send(linkId, 'consent', end);
    this.#grantsChanged();
    this.#tell(told);
    this.changes.tell();
  }

  /** What the technician said about the short string of this link. */
  async codes(match: boolean): Promise<void> {
    const linkId = this.#linkId;
    if (linkId === null) return;
    await this.#parts.api.codes(this.id, { linkId, match });
    if (linkId === this.#linkId) this.#saidCodes = match;
    this.changes.tell();
  }

  /**
   * Stops what runs, before the session ends. Resolves when what was recorded is proved, or after two seconds: a film ends with
   * its end, not where the link was cut.
   */
  async stopAll(): Promise<void> {
    for (const { id } of this.requests.live) this.stop(id);
    await this.#recordingSettled();
  }

  /** What is recorded, not the picture. */
  pauseRecording(isPaused: boolean): void {
    this.#parts.link.pauseRecording(isPaused);
  }

  hurry(): void {
    this.#parts.link.hurry();
  }

  /** Drops the link and shakes hands again. */
  linkAnew(): void {
    this.#parts.link.anew();
  }

  #switchLink(): void {
    if (!this.isLive) {
      this.#parts.link.close();
      this.#linkGone();
      return;
    }
    this.#parts.link.open({
      changed: view => this.#linkChanged(view),
      message: (linkId, stream, bytes) => this.#received(linkId, stream, bytes),
      ended: (linkId, stream) => this.#streamEnded(linkId, stream, 'ended'),
      recording: view => {
        this.#recording = view;
        this.#recordingChanged();
        this.changes.tell();
      },
      signedOut: () => this.#parts.signedOut(),
    });
  }

  /** Here and at the customer's, or after so long; without a link there is nothing to wait for. */
  #recordingSettled(): Promise<void> {
    const isSettled = () =>
      this.link.phase !== 'open' || (this.#recording.isSettled && this.#recording.applet === 'idle');
    if (isSettled()) return Promise.resolve();
    return new Promise(resolve => {
      const done = () => {
        cancel();
        this.#recordingChanged = () => undefined;
        resolve();
      };
      const cancel = this.#parts.clock.after(LAST_PROOF_MS, done);
      this.#recordingChanged = () => {
        if (isSettled()) done();
      };
    });
  }

  #linkChanged(view: LinkView): void {
    this.#recordingChanged();
    if (view.attemptsFailed > this.#attemptsSeen) this.#parts.news(this, 'handshake-failed');
    this.#attemptsSeen = view.attemptsFailed;
    const linkId = view.phase === 'open' || view.phase === 'detached' ? view.linkId : null;
    if (linkId !== this.#linkId) {
      this.#linkGone();
      this.#linkId = linkId;
      this.chat.beginLink();
      this.#sendWaiting();
    }
    this.changes.tell();
  }

  /** What belonged to the old link is over: consents, codes, ended streams. */
  #linkGone(): void {
    this.#linkId = null;
    this.#saidCodes = null;
    this.#endedStreams = new Map();
    this.#shownTyping(false);
    for (const told of this.requests.linkEnded()) this.#tell(told);
    this.#grantsChanged();
  }

  #grantsChanged(): void {
    const { requests } = this;
    this.screen.update(this.#linkId, {
      viewing: requests.grantOf('launch-desktop-viewing'),
      control: requests.grantOf('launch-remote-control'),
      clipboard: requests.grantOf('clipboard-synchronisation'),
      recording: requests.grantOf('record-sessions'),
    });
  }

  async #received(linkId: string, stream: LinkStreamName, bytes: Bytes): Promise<void> {
    while (!this.#pace.take(1)) await this.#wait(PACE_MS);
    if (linkId !== this.#linkId || this.endOf(stream) !== null) return;
    try {
      if (stream === 'chat') await this.#chatMessage(linkId, parseChat(bytes));
      else this.#consentMessage(bytes);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      // What comes in is the customer's program's doing: it ends this stream, and never the page.
      this.#parts.link.reset(linkId, stream, RESET_MALFORMED);
      this.#streamEnded(linkId, stream, 'malformed');
    }
    this.changes.tell();
  }

  async #chatMessage(linkId: string, message: ChatMessage): Promise<void> {
    switch (message.type) {
      case 'typing':
        this.#shownTyping(message.typing);
        break;
      case 'received':
        this.chat.delivered(toBase64Url(message.id));
        break;
      case 'line':
        await this.#customerLine(linkId, message.id, message.text);
        break;
    }
  }

  async #customerLine(linkId: string, idBytes: Bytes, text: string): Promise<void> {
    const id = toBase64Url(idBytes);
    this.#shownTyping(false);
    const found = this.chat.addCustomer(id, text, this.#parts.clock.now());
    if (found === 'other') throw new ApplianceError('malformed', 'protocol.malformed', 'a line with two texts');
    if (found === 'known') {
      if (this.chat.find(id)?.delivery === 'delivered') this.#confirm(linkId, idBytes);
      return;
    }
    if (!this.isShown) this.unread++;
    this.#parts.news(this, 'line');
    this.changes.tell();
    const stored = this.#storeCustomers(id, idBytes, text);
    if (this.chat.storing >= MAX_STORING) await stored;
  }

  async #storeCustomers(id: string, idBytes: Bytes, text: string): Promise<void> {
    const stored = await this.#log.add({ lineId: id, author: 'customer', text });
    if (stored === null) return;
    if ('fault' in stored) this.chat.refused(id, stored.fault);
    else this.chat.stored(id, stored.place);
    if ('place' in stored && this.#linkId !== null) this.#confirm(this.#linkId, idBytes);
    this.changes.tell();
  }

  async #storeOwn(id: string, text: string): Promise<void> {
    const stored = await this.#log.add({ lineId: id, author: 'technician', text });
    if (stored === null) return;
    if ('fault' in stored) this.chat.refused(id, stored.fault);
    else this.chat.stored(id, stored.place);
    const line = this.chat.find(id);
    if (line !== undefined) this.#sendLine(line);
    this.changes.tell();
  }

  #sendWaiting(): void {
    for (const line of this.chat.waiting) this.#sendLine(line);
  }

  #sendLine({ id, text, delivery }: ChatLine): void {
    if (this.#linkId === null || text === null || delivery !== 'stored') return;
    if (this.endOf('chat') !== null) return;
    this.#say({ type: 'line', id: fromBase64Url(id), text });
    this.chat.sent(id);
  }

  #confirm(linkId: string, id: Bytes): void {
    if (this.endOf('chat') === null) this.#parts.link.send(linkId, 'chat', writeChat({ type: 'received', id }));
  }

  #say(message: ChatMessage): void {
    if (this.#linkId !== null && this.endOf('chat') === null)
      this.#parts.link.send(this.#linkId, 'chat', writeChat(message));
  }

  #consentMessage(bytes: Bytes): void {
    const message = parseConsent(bytes);
    this.#tell(this.requests.take(message, this.#parts.clock.now()));
    this.#grantsChanged();
    if (message.type === 'answer') this.#parts.news(this, 'answer');
  }

  #streamEnded(linkId: string, stream: LinkStreamName, why: 'malformed' | 'ended'): void {
    if (linkId !== this.#linkId || this.#endedStreams.has(stream)) return;
    this.#endedStreams.set(stream, why);
    this.changes.tell();
  }

  #shownTyping(isTyping: boolean): void {
    this.#cancelTyping?.();
    this.#cancelTyping = null;
    if (!isTyping) return;
    this.#cancelTyping = this.#parts.clock.after(TYPING_SHOWN_MS, () => {
      this.#cancelTyping = null;
      this.changes.tell();
    });
  }

  /** The portal's second source beside the applet's reports, in order. */
  #tell(told: ToldAction | null): void {
    if (told === null) return;
    this.#telling = this.#telling.then(async () => {
      for (let tries = 0; tries < MAX_TELLS; tries++) {
        try {
          await this.#parts.api.tell(this.id, told);
          return;
        } catch (error) {
          if (!isPassing(error)) return; // the applet's own report stands in the log; the gap is shown there
          await this.#wait(TELL_AGAIN_MS);
        }
      }
    });
  }

  async #load(): Promise<void> {
    try {
      const detail = await this.#parts.api.detail(this.id);
      this.#detail = detail;
      this.#detailFault = null;
      this.chat.merge(detail.chat);
      this.#sendWaiting();
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#detailFault = error;
    }
    this.changes.tell();
  }

  #wait(ms: number): Promise<void> {
    return new Promise(resolve => this.#parts.clock.after(ms, resolve));
  }
}
