// The chat of one session: its lines, who types, and the message being written.
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { live } from 'lit/directives/live.js';
import { MAX_LINE_BYTES } from '../../protocol/chat.ts';
import type { ReplyView } from '../../protocol/console-api.ts';
import type { TechnicianSession } from '../technician-session.ts';
import type { Workplace } from '../workplace.ts';
import { chatLines } from './chat-lines.ts';
import { icon } from './icon.ts';
import { ModelElement } from './model-element.ts';
import { fittingReplies, replyList } from './reply-picker.ts';

const LINES_AT_FIRST = 100;
const TYPING_PAUSE_MS = 4000;
const NEAR_BYTES = MAX_LINE_BYTES - 500;

export class ChatPane extends ModelElement<TechnicianSession> {
  static override properties = {
    ...ModelElement.properties,
    workplace: { attribute: false },
    shownLines: { state: true },
    chosen: { state: true },
    isPicking: { state: true },
  };
  declare workplace: Workplace;
  declare shownLines: number;
  declare chosen: number;
  declare isPicking: boolean;
  #typingTimer: ReturnType<typeof setTimeout> | undefined;
  #isAtEnd = true;
  #lastSeen = '';

  constructor() {
    super();
    this.shownLines = LINES_AT_FIRST;
    this.chosen = 0;
    this.isPicking = true;
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (changed.has('model')) {
      this.shownLines = LINES_AT_FIRST;
      this.#isAtEnd = true;
      this.#lastSeen = '';
      clearTimeout(this.#typingTimer);
    }
  }

  override updated(): void {
    const last = this.model.chat.lines.at(-1)?.id ?? '';
    const log = this.querySelector('.log');
    // Asking for its height lays the page out: only when there is something new to see.
    if (log !== null && this.#isAtEnd && last !== this.#lastSeen) log.scrollTop = log.scrollHeight;
    this.#lastSeen = last;
    this.#fitMessage();
  }

  override render(): TemplateResult {
    const { model } = this;
    const { lines, dropped } = model.chat;
    const customer = model.view.customerName ?? 'Customer';
    const earlier = lines.length - this.shownLines;
    return html`<div class="log" role="log" aria-label=${`Chat with ${customer}`} tabindex="0" @scroll=${this.#scrolled}>
        ${earlier > 0 ? html`<button type="button" class="small" @click=${this.#showEarlier}>Show earlier lines</button>` : nothing}
        ${dropped > 0 ? html`<p class="hint">Earlier lines are in the session’s log.</p>` : nothing}
        ${lines.length === 0 ? this.#nothingYet() : chatLines(lines.slice(-this.shownLines), customer)}
      </div>
      <p class="typing" role="status">${model.isCustomerTyping ? `${customer} is typing …` : ''}</p>
      ${this.#composer()}`;
  }

  #nothingYet(): TemplateResult {
    const words = this.model.isOver ? 'Nothing was written in this session.' : 'Nothing has been written yet.';
    return html`<p class="empty">${words}</p>`;
  }

  #composer(): TemplateResult | typeof nothing {
    const { model } = this;
    const why = model.cannotWrite;
    if (model.isOver) return nothing;
    const replies = this.#replies();
    const size = new TextEncoder().encode(model.draft).length;
    return html`<form class="composer" @submit=${this.#submit}>
      ${replies === null ? nothing : replyList(replies, this.chosen, reply => this.#insert(reply))}
      <label class="sr" for="message">Message</label>
      <textarea
        id="message"
        rows="1"
        placeholder="Message, or / for replies"
        aria-describedby="message-note"
        aria-autocomplete="list"
        aria-controls=${replies?.length ? 'replies' : nothing}
        aria-activedescendant=${replies?.length ? `reply-${this.chosen}` : nothing}
        .value=${live(model.draft)}
        ?disabled=${!model.isLive}
        @input=${this.#typed}
        @keydown=${this.#pressed}
        @blur=${() => this.model.typing(false)}
      ></textarea>
      <button class="primary" aria-label="Send" ?disabled=${why !== null || size > MAX_LINE_BYTES}>${icon('send')}</button>
      <p class="hint" id="message-note" role="status">${why ?? this.#sizeNote(size)}</p>
    </form>`;
  }

  #sizeNote(size: number): string {
    if (size > MAX_LINE_BYTES) return `${size - MAX_LINE_BYTES} bytes too long for one message`;
    return size > NEAR_BYTES ? `${MAX_LINE_BYTES - size} bytes left` : '';
  }

  #replies(): readonly ReplyView[] | null {
    return this.isPicking ? fittingReplies(this.model.draft, this.workplace.replies) : null;
  }

  #typed = (event: InputEvent) => {
    if (!(event.target instanceof HTMLTextAreaElement)) return;
    this.#draft(event.target.value);
    this.chosen = 0;
    if (this.model.draft === '') this.isPicking = true;
    this.model.typing(true);
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.model.typing(false), TYPING_PAUSE_MS);
  };

  #pressed = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const replies = this.#replies();
    if (replies !== null && this.#pickedBy(event, replies)) {
      event.preventDefault();
    } else if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#send();
    }
  };

  /** Whether the key was one for the list of replies. */
  #pickedBy({ key }: KeyboardEvent, replies: readonly ReplyView[]): boolean {
    const reply = replies[this.chosen];
    if (key === 'ArrowDown') this.chosen = Math.min(this.chosen + 1, replies.length - 1);
    else if (key === 'ArrowUp') this.chosen = Math.max(this.chosen - 1, 0);
    else if (key === 'Escape') this.isPicking = false;
    else if ((key === 'Enter' || key === 'Tab') && reply !== undefined) this.#insert(reply);
    else return false;
    return true;
  }

  #insert({ text }: ReplyView): void {
    this.#draft(text);
    this.querySelector('textarea')?.focus();
  }

  #draft(text: string): void {
    this.workplace.keepDraft(this.model, text);
    this.requestUpdate();
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    this.#send();
  };

  #send(): void {
    const { model, workplace } = this;
    if (model.draft.trim() === '' || model.cannotWrite !== null) return;
    clearTimeout(this.#typingTimer);
    this.#isAtEnd = true;
    this.isPicking = true;
    void workplace.act(() => {
      model.write(model.draft);
      this.#draft('');
    });
  }

  #scrolled = (event: Event) => {
    if (!(event.target instanceof HTMLElement)) return;
    const { scrollTop, scrollHeight, clientHeight } = event.target;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < 40;
  };

  #showEarlier = () => {
    this.#isAtEnd = false;
    this.shownLines += LINES_AT_FIRST * 5;
  };

  /** As many rows as the message has, up to some. */
  #fitMessage(): void {
    const message = this.querySelector('textarea');
    if (message === null) return;
    message.rows = Math.min(8, message.value.split('\n').length + Math.floor(message.value.length / 90));
  }
}

customElements.define('chat-pane', ChatPane);
