// Of the picture's bar: texts to and from the customer's clipboard. Only by hand, and only with his leave.
import { html, nothing, type TemplateResult } from 'lit';
import { CLIPBOARD } from '../screen-words.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { requestWords } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import './copy-button.ts';
import { dropDown } from './drop-down.ts';
import { icon } from './icon.ts';
import { ModelElement } from './model-element.ts';

export class ClipboardMenu extends ModelElement<TechnicianSession> {
  static override properties = { ...ModelElement.properties, workplace: { attribute: false } };
  declare workplace: Workplace;

  override render(): TemplateResult {
    const { screen } = this.model;
    const content = screen.grants.clipboard === null ? this.#ask() : this.#shared();
    const isDisabled = screen.grants.viewing === null;
    return dropDown({ id: 'clipboard-menu', icon: 'clipboard', words: 'Clipboard', isDisabled }, content);
  }

  #ask(): TemplateResult {
    const { model, workplace } = this;
    const permission = model.detail?.permissions.find(({ action }) => action === CLIPBOARD);
    const last = model.requests.live.find(({ action }) => action === CLIPBOARD);
    const ask = () => void workplace.act(() => model.ask(CLIPBOARD));
    if (permission?.allowed !== true)
      return html`<p class="hint">Sharing the clipboard is not allowed here. ${permission?.why ?? ''}</p>`;
    return html`<p class="hint">With the customer’s leave you can give him a text to paste, and see what he copies.</p>
      ${
        last === undefined
          ? html`<button type="button" class="small primary" ?disabled=${model.link.phase !== 'open'} @click=${ask}>
            ${icon('clipboard')}Ask to share the clipboard
          </button>`
          : html`<p role="status">${requestWords[last.state]}</p>`
      }`;
  }

  #shared(): TemplateResult {
    const { given, received } = this.model.screen.clipboard;
    return html`<form class="clip-out" @submit=${this.#give}>
        <label for="clip-text">To the customer</label>
        <textarea id="clip-text" name="text" rows="4" placeholder="A text for him to paste"></textarea>
        <div class="row">
          <button class="small primary">Put on his clipboard</button>
          <span class="hint" role="status">${given === null ? '' : given.isTaken ? 'It is there.' : 'Offered …'}</span>
        </div>
      </form>
      <label for="clip-from">From the customer</label>
      <textarea id="clip-from" rows="4" readonly placeholder="Nothing was copied yet" .value=${received ?? ''}></textarea>
      <div class="row">
        ${received === null ? nothing : html`<copy-button .text=${received} label="text"></copy-button>`}
        <span class="grow"></span>
        <button type="button" class="small danger" @click=${this.#stop}>Stop sharing</button>
      </div>`;
  }

  #give = (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const text = String(new FormData(event.target).get('text') ?? '');
    if (text !== '') void this.workplace.act(() => this.model.screen.clipboard.give(text));
  };

  #stop = () => {
    for (const { id, action } of this.model.requests.live) if (action === CLIPBOARD) this.model.stop(id);
  };
}

customElements.define('clipboard-menu', ClipboardMenu);
