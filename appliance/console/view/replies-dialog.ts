// Predefined replies: those of everybody, and one's own, which can be added and deleted here.
import { html, nothing, type TemplateResult } from 'lit';
import type { ReplyView } from '../../protocol/console-api.ts';
import type { Workplace } from '../workplace.ts';
import { DialogElement } from './dialog-element.ts';
import { icon } from './icon.ts';

const MAX_TITLE = 80;
const MAX_TEXT = 2000;

export class RepliesDialog extends DialogElement {
  static override properties = { model: { attribute: false } };
  declare model: Workplace;

  override get heading(): string {
    return 'Predefined replies';
  }

  override body(): TemplateResult {
    const { replies } = this.model;
    return html`<p class="hint">In the chat, type <kbd>/</kbd> and a word of the reply.</p>
      ${replies.length === 0 ? html`<p class="empty">There is none yet.</p>` : html`<ul class="choices">${replies.map(one => html`<li>${this.#reply(one)}</li>`)}</ul>`}
      <form @submit=${this.#submit}>
        <div class="field">
          <label for="reply-title">Title</label>
          <input id="reply-title" name="title" maxlength=${MAX_TITLE} required autocomplete="off" data-first />
        </div>
        <div class="field">
          <label for="reply-text">Text</label>
          <textarea id="reply-text" name="text" rows="3" maxlength=${MAX_TEXT} required></textarea>
        </div>
        <div class="row end">
          <button type="button" @click=${() => this.close()}>Close</button>
          <button class="primary">Add reply</button>
        </div>
      </form>`;
  }

  #reply({ id, title, text, isShared }: ReplyView): TemplateResult {
    return html`<div class="reply">
      <span class="grow"><b>${title}</b> <small>${text}</small></span>
      ${isShared ? html`<span class="badge">Everybody’s</span>` : nothing}
      ${
        isShared
          ? nothing
          : html`<button type="button" class="ghost small" aria-label=${`Delete ${title}`} @click=${() => this.#delete(id)}>
            ${icon('trash-2')}
          </button>`
      }
    </div>`;
  }

  async #delete(id: string): Promise<void> {
    await this.model.deleteReply(id);
    this.requestUpdate();
  }

  #submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    const fields = new FormData(form);
    const isAdded = await this.model.addReply(String(fields.get('title')), String(fields.get('text')));
    if (isAdded) form.reset();
    this.requestUpdate();
  };
}

customElements.define('replies-dialog', RepliesDialog);
