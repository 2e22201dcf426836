// All of one technician's work: his queues, the sessions he has open, his status. It holds what the page shows and does
// what the page asks for; it knows no page.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type {
  ChannelView,
  ConsoleEvent,
  ConsoleStart,
  MadeSession,
  NewSession,
  ReplyView,
  SessionView,
  StatusName,
  TechnicianView,
} from '../protocol/console-api.ts';
import type { ConsoleApi, SessionStep } from './api.ts';
import { Changes } from './changes.ts';
import type { ChatLogParts } from './chat-log.ts';
import { ConsoleEvents, type EventSocket } from './events.ts';
import { LinkClient, type LinkWorker } from './link-client.ts';
import { LogKey } from './log-key.ts';
import type { MakeViewer } from './screen-viewer.ts';
import { queueNames, SessionList } from './session-list.ts';
import type { Memory } from './settings.ts';
import { type SessionNews, TechnicianSession } from './technician-session.ts';

const TABS_KEY = 'console.tabs';
const SHOWN_KEY = 'console.shown';
const DRAFT_KEY = 'console.draft.';
const READ_AGAIN_MS = 2000;
const TOAST_MS = 8000;
const HERE_MS = 60_000;
const MAX_TOASTS = 5;

export type WorkplaceNews = SessionNews | 'incoming';

export interface Toast {
  readonly id: number;
  readonly isBad: boolean;
  readonly text: string;
  readonly hint: string;
  readonly code: string;
}

export interface WorkplaceParts {
  readonly api: ConsoleApi;
  readonly clock: Clock;
  readonly random: (length: number) => Bytes;
  readonly seal: ChatLogParts['seal'];
  readonly makeWorker: () => LinkWorker;
  readonly makeViewer: MakeViewer;
  readonly openEvents: () => EventSocket;
  /** Of this browser tab: which sessions are open, what was being written. */
  readonly memory: Memory;
  /** Something a technician who looks elsewhere should know. */
  readonly news: (news: WorkplaceNews, session: SessionView) => void;
}

/** `elsewhere`: another tab of this browser has the console; two of them would take the links from each other. */
export type WorkplacePhase = 'loading' | 'ready' | 'signed-out' | 'elsewhere';

export class Workplace {
  readonly changes = new Changes();
  readonly list = new SessionList();
  readonly #parts: WorkplaceParts;
  readonly #logKey: LogKey;
  readonly #open = new Map<string, TechnicianSession>();
  readonly #made = new Map<string, MadeSession>();
  #events: ConsoleEvents | null = null;
  #phase: WorkplacePhase = 'loading';
  #isConnected = false;
  #start: ConsoleStart | null = null;
  #technicians: readonly TechnicianView[] = [];
  #channels: readonly ChannelView[] = [];
  #replies: readonly ReplyView[] = [];
  #status: StatusName = 'away';
  #shown: string | null = null;
  #isLookedAt = true;
  #toasts: readonly Toast[] = [];
  #lastToast = 0;
  #signedOutReason = '';
  #cancelRead: Cancel | null = null;
  #touchedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: WorkplaceParts) {
    this.#parts = parts;
    this.#logKey = new LogKey(async () => (await parts.api.start()).logKey);
  }

  get phase(): WorkplacePhase {
    return this.#phase;
  }

  /** Whether the portal tells of changes just now. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  get start(): ConsoleStart | null {
    return this.#start;
  }

  get status(): StatusName {
    return this.#status;
  }

  get replies(): readonly ReplyView[] {
    return this.#replies;
  }

  /** The others, those who are available first. */
  get technicians(): readonly TechnicianView[] {
    const rank = ({ status }: TechnicianView) => ['available', 'busy', 'away'].indexOf(status);
    const others = this.#technicians.filter(({ id }) => id !== this.#start?.member.id);
    return others.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  }

  /** Those a session can be handed to, as `lookAtChannels` found them. */
  get channels(): readonly ChannelView[] {
    return this.#channels;
  }

  /** Open sessions in the order of their tabs. */
  get tabs(): readonly TechnicianSession[] {
    return [...this.#open.values()];
  }

  get shown(): TechnicianSession | null {
    return this.#shown === null ? null : (this.#open.get(this.#shown) ?? null);
  }

  get unread(): number {
    return this.tabs.reduce((sum, { unread }) => sum + unread, 0);
  }

  get toasts(): readonly Toast[] {
    return this.#toasts;
  }

  get signedOutReason(): string {
    return this.#signedOutReason;
  }

  /** PIN and link of a session made here; nobody tells them a second time. */
  made(id: string): MadeSession | undefined {
    return this.#made.get(id);
  }

  begin(): void {
    this.#phase = 'loading';
    this.#open.clear(); // of before it was elsewhere
    this.#events = new ConsoleEvents({
      open: this.#parts.openEvents,
      clock: this.#parts.clock,
      heard: event => this.#heard(event),
      lost: () => this.#lost(),
    });
    void this.#read();
  }

  /** Another tab has taken over. */
  moveElsewhere(): void {
    this.#halt('elsewhere');
  }

  close(): void {
    this.#halt(this.#phase);
  }

  /** The network is back, or the technician looks at the page again. */
  hurry(): void {
    this.#events?.hurry();
    for (const session of this.tabs) session.hurry();
  }

  /** A key or a pointer was pressed: whoever works here is not signed out for being idle. */
  touched(): void {
    const now = this.#parts.clock.monotonic();
    if (!this.isUsable || now - this.#touchedAt < HERE_MS) return;
    this.#touchedAt = now;
    void this.#parts.api.here().catch((error: unknown) => {
      if (!(error instanceof ApplianceError)) throw error; // what is refused here is told by whatever is asked next
    });
  }

  lookedAt(isLookedAt: boolean): void {
    this.#isLookedAt = isLookedAt;
    this.#markShown();
  }

  /** Whether there is anything to be done here: not without a login, and not while another tab has the console. */
  get isUsable(): boolean {
    return this.#phase === 'ready' || this.#phase === 'loading';
  }

  show(id: string | null): void {
    const view = id === null ? undefined : this.list.get(id);
    if (view !== undefined) this.#openSession(view);
    this.#shown = id;
    this.#markShown();
    this.changes.tell();
  }

  /** Shows the next tab, or the one before. */
  step(direction: 1 | -1): void {
    const ids = [...this.#open.keys()];
    const at = this.#shown === null ? -1 : ids.indexOf(this.#shown);
    const next = ids[(at + direction + ids.length) % ids.length];
    if (next !== undefined) this.show(next);
  }

  /** A live session stays: what the customer writes must come to somebody. @returns false then */
  closeTab(id: string): boolean {
    const session = this.#open.get(id);
    if (session === undefined) return true;
    if (session.isLive) return false;
    const ids = [...this.#open.keys()];
    const next = ids[ids.indexOf(id) + 1] ?? ids[ids.indexOf(id) - 1] ?? null;
    session.close();
    this.#open.delete(id);
    this.#remember();
    if (this.#shown === id) this.show(next);
    this.changes.tell();
    return true;
  }

  /** @returns undefined when it was refused; the refusal is shown */
  async make(wish: NewSession): Promise<MadeSession | undefined> {
    return this.#act(async () => this.#keepMade(await this.#parts.api.make(wish)));
  }

  async newPin(id: string): Promise<MadeSession | undefined> {
    return this.#act(async () => this.#keepMade(await this.#parts.api.newPin(id)));
  }

  async move(id: string, step: SessionStep): Promise<void> {
    await this.#act(async () => {
      this.#put(await this.#parts.api.step(id, step), step);
      if (step === 'pick-up') this.show(id);
    });
  }

  async end(id: string, reason: string): Promise<void> {
    await this.#act(async () => {
      await this.#open.get(id)?.stopAll();
      this.#put(await this.#parts.api.end(id, reason), 'end');
    });
  }

  async offer(id: string, technicianId: string): Promise<void> {
    await this.#act(async () => this.#put(await this.#parts.api.offer(id, technicianId), 'offer'));
  }

  async lookAtChannels(): Promise<void> {
    await this.#act(async () => {
      this.#channels = await this.#parts.api.channels();
    });
  }

  /** Whether it is still in his lists then, events say: he may serve that channel himself. */
  async queue(id: string, { id: channelId, name }: ChannelView): Promise<void> {
    await this.#act(async () => {
      await this.#parts.api.queue(id, channelId);
      this.say(`It waits in ${name} now.`);
    });
  }

  async setStatus(status: StatusName): Promise<void> {
    await this.#act(async () => {
      await this.#parts.api.status(status);
      this.#status = status;
    });
  }

  async addReply(title: string, text: string): Promise<boolean> {
    const added = await this.#act(async () => {
      const reply = await this.#parts.api.addReply({ title, text });
      this.#replies = [...this.#replies, reply];
      return reply;
    });
    return added !== undefined;
  }

  async deleteReply(id: string): Promise<void> {
    await this.#act(async () => {
      await this.#parts.api.deleteReply(id);
      this.#replies = this.#replies.filter(reply => reply.id !== id);
    });
  }

  /** The session that has waited longest. */
  get nextWaiting(): SessionView | undefined {
    return this.list.in('incoming').find(({ state }) => state === 'waiting' || state === 'transferring');
  }

  keepDraft(session: TechnicianSession, draft: string): void {
    session.draft = draft;
    if (draft === '') this.#parts.memory.removeItem(DRAFT_KEY + session.id);
    else this.#parts.memory.setItem(DRAFT_KEY + session.id, draft);
  }

  say(text: string): void {
    this.#toast({ isBad: false, text, hint: '', code: '' });
  }

  /** Shows what went wrong. */
  complain(error: unknown): void {
    const { message, hint, code } =
      error instanceof ApplianceError ? error : { message: describeError(error), hint: '', code: 'console.defect' };
    this.#toast({ isBad: true, text: message, hint, code });
  }

  dismiss(id: number): void {
    this.#toasts = this.#toasts.filter(toast => toast.id !== id);
    this.changes.tell();
  }

  /** Does what was asked for, or shows why not. */
  async act(what: () => Promise<void> | void): Promise<void> {
    await this.#act(async () => what());
  }

  async #act<T>(what: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await what();
      this.changes.tell();
      return result;
    } catch (error) {
      this.complain(error);
      return undefined;
    }
  }

  #toast(toast: Omit<Toast, 'id'>): void {
    const id = ++this.#lastToast;
    const others = this.#toasts.filter(({ text, code }) => text !== toast.text || code !== toast.code);
    this.#toasts = [...others, { ...toast, id }].slice(-MAX_TOASTS);
    this.#parts.clock.after(toast.isBad ? TOAST_MS * 2 : TOAST_MS, () => this.dismiss(id));
    this.changes.tell();
  }

  #keepMade(made: MadeSession): MadeSession {
    this.#made.set(made.session.id, made);
    this.#put(made.session, 'made');
    return made;
  }

  #heard(event: ConsoleEvent): void {
    switch (event.type) {
      case 'hello':
        void this.#read();
        break;
      case 'alive':
        break;
      case 'session':
        this.#put(event.session, event.event);
        break;
      case 'gone':
        this.list.remove(event.sessionId);
        this.#open.get(event.sessionId)?.leave();
        break;
      case 'technician':
        this.#technicians = [...this.#technicians.filter(({ id }) => id !== event.technician.id), event.technician];
        if (event.technician.id === this.#start?.member.id) this.#status = event.technician.status;
        break;
      case 'permissions':
        for (const session of this.tabs) session.loadSoon(0);
        break;
      case 'signed-out':
        this.signedOut(event.reason);
        break;
    }
    this.changes.tell();
  }

  #put(view: SessionView, event: string): void {
    const before = this.list.put(view);
    this.#open.get(view.id)?.update(view, event);
    const isNew = before?.state !== view.state && (view.state === 'waiting' || isOfferTo(view, this.#start));
    if (isNew && before?.offeredTo !== this.#start?.member.id) this.#parts.news('incoming', view);
    this.#openLive(view);
    this.changes.tell();
  }

  #lost(): void {
    this.#isConnected = false;
    this.changes.tell();
  }

  signedOut(reason: string): void {
    this.#signedOutReason = reason;
    this.#halt('signed-out');
  }

  #halt(phase: WorkplacePhase): void {
    this.#phase = phase;
    this.#isConnected = false;
    this.#events?.close();
    this.#events = null;
    this.#cancelRead?.();
    for (const session of this.tabs) {
      // What is not in the log yet may never get there: it is the draft again.
      const unsent = [...session.unstored, session.draft].filter(text => text !== '').join('\n');
      this.keepDraft(session, unsent);
      session.close();
    }
    this.changes.tell();
  }

  /** Everything anew: at the start, and whenever something may have been missed. */
  async #read(): Promise<void> {
    this.#cancelRead?.();
    this.#cancelRead = null;
    const { api, clock } = this.#parts;
    this.list.beginReading();
    try {
      const [start, technicians, ...queues] = await Promise.all([
        api.start(),
        api.technicians(),
        ...queueNames.map(queue => api.sessions(queue)),
      ]);
      if (this.#events === null) return; // signed out, or elsewhere, meanwhile
      this.#start = start;
      this.#status = start.status;
      this.#replies = start.replies;
      this.#technicians = technicians;
      this.#logKey.set(start.logKey);
      this.list.endReading(queues.flat());
      this.#isConnected = true;
      this.#takeUp();
    } catch (error) {
      if (this.#events === null) return;
      if (!(error instanceof ApplianceError)) throw error;
      if (error.kind === 'refused') this.complain(error);
      this.#cancelRead = clock.after(READ_AGAIN_MS, () => void this.#read());
    }
    this.changes.tell();
  }

  /** After reading: tabs as they were, and each live session, whoever has opened it. */
  #takeUp(): void {
    const isFirst = this.#phase === 'loading';
    this.#phase = 'ready';
    for (const session of this.tabs) {
      const view = this.list.get(session.id);
      if (view === undefined) session.leave();
      else session.update(view, 'read');
    }
    const { memory } = this.#parts;
    const kept = isFirst ? (memory.getItem(TABS_KEY) ?? '').split(' ') : [];
    const shown = memory.getItem(SHOWN_KEY) ?? '';
    for (const id of kept) {
      const view = this.list.get(id);
      if (view !== undefined) this.#openSession(view);
    }
    for (const queue of ['active', 'on-hold'] as const) for (const view of this.list.in(queue)) this.#openLive(view);
    if (isFirst) this.show(this.#open.has(shown) ? shown : (this.tabs[0]?.id ?? null));
  }

  #openLive(view: SessionView): void {
    if (view.owner.id !== this.#start?.member.id) return;
    if (view.queue === 'active' || view.queue === 'on-hold') this.#openSession(view);
  }

  #openSession(view: SessionView): void {
    if (this.#open.has(view.id)) return;
    const { api, clock, random, seal, makeWorker, makeViewer, memory, news } = this.#parts;
    const session = new TechnicianSession(view, {
      ...{ api, clock, random, seal, makeViewer, key: this.#logKey },
      link: new LinkClient(view.id, makeWorker),
      signedOut: () => this.signedOut(''),
      news: (of, what) => news(what, of.view),
    });
    session.draft = memory.getItem(DRAFT_KEY + view.id) ?? '';
    session.changes.on(() => this.changes.tell());
    this.#open.set(view.id, session);
    this.#remember();
    if (this.#shown === null) this.#shown = view.id;
    this.#markShown();
  }

  #markShown(): void {
    for (const session of this.tabs) {
      session.isShown = this.#isLookedAt && session.id === this.#shown;
      if (session.isShown) session.markRead();
    }
    this.#remember();
  }

  #remember(): void {
    this.#parts.memory.setItem(TABS_KEY, [...this.#open.keys()].join(' '));
    this.#parts.memory.setItem(SHOWN_KEY, this.#shown ?? '');
  }
}

function isOfferTo({ state, offeredTo }: SessionView, start: ConsoleStart | null): boolean {
  return state === 'transferring' && start !== null && offeredTo === start.member.id;
}
