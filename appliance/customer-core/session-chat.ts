// The customer's end of the chat (E-03 G-01). A line has an id from whoever wrote it; a line that was not confirmed is sent
// again on the next link, and one that comes again is shown once and confirmed each time. Each line is reported with its
// digest on the own leg: what a console says of the chat is held to that.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url, toBase64Url } from '../guid.ts';
import type { LinkStream } from '../link/stream.ts';
import { type Bytes, utf8Bytes } from '../protocol/bytes.ts';
import { type ChatMessage, MAX_LINE_BYTES, parseChat, writeChat } from '../protocol/chat.ts';
import type { WindowChatLine } from '../protocol/customer-window.ts';
import type { Later } from './objects.ts';
import { Pace } from './pace.ts';
import type { Reports } from './reports.ts';
import type { WindowModel } from './window-model.ts';

const ID_BYTES = 16;
/** Lines of the customer's that wait to be confirmed; then he has to wait too. */
export const MAX_UNCONFIRMED = 100;
/** Lines of a whole session, as many as the appliance keeps. */
const MAX_LINES = 20_000;
const LINES_PER_SECOND = 20;
const BURST = 60;
/** Without another word he has stopped writing. */
const TYPING_MS = 10_000;

export interface SessionChatOptions {
  readonly clock: Clock;
  readonly random: (bytes: number) => Bytes;
  readonly sha256: (bytes: Bytes) => Later<Bytes>;
  readonly reports: Pick<Reports, 'tell'>;
  readonly view: WindowModel;
  readonly technician: () => string;
  /** A line stands in both windows. */
  readonly written: (id: Bytes, by: 'customer' | 'technician') => void;
  readonly refused: () => void;
}

interface Unconfirmed {
  readonly id: Bytes;
  readonly line: WindowChatLine;
}

export class SessionChat {
  readonly #options: SessionChatOptions;
  readonly #pace: Pace;
  /** The technician's lines that were shown: id → digest. */
  readonly #shown = new Map<string, string>();
  readonly #written = new Set<string>();
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  #stream: LinkStream | null = null;
  #cancelTyping: Cancel = () => undefined;

  constructor(options: SessionChatOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, LINES_PER_SECOND, BURST);
  }

  get isOpen(): boolean {
    return this.#stream !== null;
  }

  /** A console has opened the chat on a new link. */
  opened(stream: LinkStream): void {
    this.#stream = stream;
    const over = () => {
      if (this.#stream === stream) this.linkEnded();
    };
    stream.listen({
      message: bytes => this.#pace.admit(() => this.#receive(stream, bytes)),
      ended: over,
      reset: over,
    });
    for (const { id, line } of this.#unconfirmed.values()) this.#send({ type: 'line', id, text: line.text });
  }

  linkEnded(): void {
    this.#stream = null;
    this.#typing(false);
  }

  /** The customer has written a line. @returns false when too many wait, or it is none */
  say(written: string): boolean {
    const { random, clock, view } = this.#options;
    const text = written.toWellFormed();
    const size = utf8Bytes(text).length;
    if (size === 0 || size > MAX_LINE_BYTES || !this.#hasRoom()) return false;
    const id = random(ID_BYTES);
    const key = toBase64Url(id);
    const line = { id: key, from: 'customer', name: '', text, at: clock.now(), isPending: true } as const;
    this.#written.add(key);
    this.#unconfirmed.set(key, { id, line });
    view.chat(line);
    this.#send({ type: 'line', id, text });
    this.#tellRoom();
    return true;
  }

  typing(isTyping: boolean): void {
    this.#send({ type: 'typing', typing: isTyping });
  }

  /** The session ends: lines nobody confirmed are reported as well. */
  async close(): Promise<void> {
    this.linkEnded();
    for (const [key, { line }] of this.#unconfirmed) await this.#report(key, line.text);
  }

  async #receive(stream: LinkStream, bytes: Bytes): Promise<void> {
    try {
      const message = parseChat(bytes);
      if (this.#stream !== stream) return;
      if (message.type === 'typing') this.#typing(message.typing);
      else if (message.type === 'received') await this.#confirmed(toBase64Url(message.id));
      else await this.#line(message.id, message.text);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.#options.refused();
    }
  }

  /** Shown, reported and confirmed, in that order of importance; not confirmed unless it was reported. */
  async #line(id: Bytes, text: string): Promise<void> {
    const { sha256, view, clock, technician, refused } = this.#options;
    const key = toBase64Url(id);
    const digest = toBase64Url(await sha256(utf8Bytes(text)));
    const known = this.#shown.get(key);
    if (this.#written.has(key) || (known !== undefined && known !== digest)) return refused();
    if (known === undefined) {
      if (this.#shown.size >= MAX_LINES) return refused();
      await this.#report(key, text);
      this.#options.written(id, 'technician');
      this.#shown.set(key, digest);
      const name = technician();
      view.chat({ id: key, from: 'technician', name, text, at: clock.now(), isPending: false });
      this.#typing(false);
    }
    this.#send({ type: 'received', id });
  }

  /** The technician's side has it, and has it in the appliance's log. */
  async #confirmed(key: string): Promise<void> {
    const waiting = this.#unconfirmed.get(key);
    if (waiting === undefined) {
      if (!this.#written.has(key)) this.#options.refused();
      return;
    }
    this.#unconfirmed.delete(key);
    this.#options.view.chat({ ...waiting.line, isPending: false });
    this.#tellRoom();
    await this.#report(key, waiting.line.text);
    this.#options.written(fromBase64Url(key), 'customer');
  }

  async #report(key: string, text: string): Promise<void> {
    const digest = await this.#options.sha256(utf8Bytes(text));
    await this.#options.reports.tell({ stage: 'chat', action: 'chat', detail: key, digest });
  }

  #send(message: ChatMessage): void {
    try {
      this.#stream?.send(writeChat(message));
    } catch (error) {
      // Full or just ended: a line stays unconfirmed and goes again, anything else is not worth it.
      if (!(error instanceof ApplianceError)) throw error;
      this.#options.refused();
    }
  }

  #typing(isTyping: boolean): void {
    const { clock, view } = this.#options;
    this.#cancelTyping();
    if (isTyping) this.#cancelTyping = clock.after(TYPING_MS, () => this.#typing(false));
    if (view.state.isTyping !== isTyping) view.update({ isTyping });
  }

  #hasRoom(): boolean {
    return this.#unconfirmed.size < MAX_UNCONFIRMED && this.#written.size < MAX_LINES;
  }

  #tellRoom(): void {
    const mayWrite = this.#hasRoom();
    if (this.#options.view.state.mayWrite !== mayWrite) this.#options.view.update({ mayWrite });
  }
}
