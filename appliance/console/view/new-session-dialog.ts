// Makes a session: the customer's name if it is known, then PIN, link and email.
import { html, type TemplateResult } from 'lit';
import type { MadeSession } from '../../protocol/console-api.ts';
import type { Workplace } from '../workplace.ts';
import { DialogElement } from './dialog-element.ts';
import './made-session.ts';

const MAX_NAME = 120;

export class NewSessionDialog extends DialogElement {
  static override properties = { model: { attribute: false }, made: { state: true }, isBusy: { state: true } };
  declare model: Workplace;
  declare made: MadeSession | null;
  declare isBusy: boolean;

  constructor() {
    super();
    this.made = null;
    this.isBusy = false;
  }

  override get heading(): string {
    return this.made === null ? 'New session' : 'Give this to your customer';
  }

  override body(): TemplateResult {
    if (this.made !== null) return this.#given(this.made);
    const mayStart = this.model.start?.mayStart;
    if (mayStart?.allowed === false) return html`<p class="notice bad">You can’t make sessions: ${mayStart.why}.</p>`;
    return html`<form @submit=${this.#submit}>
      <div class="field">
        <label for="customer-name">Customer’s name</label>
        <p class="hint" id="customer-name-hint">For you, to tell sessions apart. It may stay empty.</p>
        <input
          id="customer-name"
          name="name"
          maxlength=${MAX_NAME}
          autocomplete="off"
          aria-describedby="customer-name-hint"
          data-first
        />
      </div>
      <div class="row end">
        <button type="button" @click=${() => this.close()}>Cancel</button>
        <button class="primary" ?disabled=${this.isBusy}>Make PIN</button>
      </div>
    </form>`;
  }

  #given(made: MadeSession): TemplateResult {
    return html`<p>
        Read the PIN out, or send the link or the email. It leads the customer to you and proves nothing about who he is.
      </p>
      <made-session .made=${made}></made-session>
      <div class="row end"><button class="primary" @click=${() => this.close()}>Done</button></div>`;
  }

  #submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement) || this.isBusy) return;
    const name = String(new FormData(event.target).get('name') ?? '').trim();
    this.isBusy = true;
    const made = await this.model.make({ customerName: name === '' ? null : name, language: null });
    this.isBusy = false;
    if (made === undefined) return;
    this.made = made;
    this.model.show(made.session.id);
    await this.updateComplete;
    this.querySelector<HTMLElement>('made-session button')?.focus();
  };
}

customElements.define('new-session-dialog', NewSessionDialog);
