// What the customer sees, kept in one place: the session writes it, the window draws it. There may be several windows, or
// for a moment none; whoever comes is told everything.
import type { NoticeKind, ToWindow, WindowChatLine, WindowNotice, WindowState } from '../protocol/customer-window.ts';

const MAX_CHAT_LINES = 1000;

const atFirst: Omit<WindowState, 'organisation'> = {
  ...{
    phase: 'start',
    technician: null,
    isTyping: false,
    mayWrite: false,
    running: [],
    isPaused: false,
    recording: 'none',
    recordingPausedAt: null,
    stopKey: null,
  },
  ...{ shortString: null, question: null, notices: [], report: null },
};

export class WindowModel {
  #state: WindowState;
  readonly #chat = new Map<string, WindowChatLine>();
  readonly #listeners = new Set<(message: ToWindow) => void>();

  constructor(organisation: string) {
    this.#state = { organisation, ...atFirst };
  }

  get state(): WindowState {
    return this.#state;
  }

  update(change: Partial<Omit<WindowState, 'notices'>>): void {
    this.#set({ ...this.#state, ...change });
  }

  /** Shows a notice, anew where it is there already. */
  notice(kind: NoticeKind, about: Partial<Pick<WindowNotice, 'retryAt' | 'count'>> = {}): void {
    const others = this.#state.notices.filter(notice => notice.kind !== kind);
    this.#set({ ...this.#state, notices: [...others, { kind, retryAt: null, count: 0, ...about }] });
  }

  clearNotice(...kinds: readonly NoticeKind[]): void {
    const notices = this.#state.notices.filter(({ kind }) => !kinds.includes(kind));
    if (notices.length !== this.#state.notices.length) this.#set({ ...this.#state, notices });
  }

  /** A new line, or one that is known and has changed. */
  chat(line: WindowChatLine): void {
    this.#chat.set(line.id, line);
    const [oldest] = this.#chat.keys();
    if (this.#chat.size > MAX_CHAT_LINES && oldest !== undefined) this.#chat.delete(oldest);
    this.#tell({ type: 'chat', line });
  }

  /** Everything there is, then what comes. @returns ends it */
  follow(listener: (message: ToWindow) => void): () => void {
    listener({ type: 'state', state: this.#state });
    for (const line of this.#chat.values()) listener({ type: 'chat', line });
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #set(state: WindowState): void {
    this.#state = state;
    this.#tell({ type: 'state', state });
  }

  #tell(message: ToWindow): void {
    for (const listener of this.#listeners) listener(message);
  }
}
