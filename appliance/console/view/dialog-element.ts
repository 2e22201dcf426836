// A modal dialog: the browser's own, which keeps focus in and gives it back. It tells `done` when it has closed.
import { html, type TemplateResult } from 'lit';
import { icon } from './icon.ts';
import { ConsoleElement } from './model-element.ts';

export abstract class DialogElement extends ConsoleElement {
  /** Stands in its head and names it. */
  abstract get heading(): string;
  abstract body(): TemplateResult;

  override render(): TemplateResult {
    return html`<dialog aria-labelledby="dialog-title" @close=${this.#closed} @click=${this.#clicked}>
      <div class="dialog-head">
        <h2 id="dialog-title">${this.heading}</h2>
        <button type="button" class="ghost small" aria-label="Close" @click=${() => this.close()}>${icon('x')}</button>
      </div>
      ${this.body()}
    </dialog>`;
  }

  override firstUpdated(): void {
    this.querySelector('dialog')?.showModal();
    this.querySelector<HTMLElement>('[data-first]')?.focus();
  }

  close(): void {
    this.querySelector('dialog')?.close();
  }

  #closed = () => {
    this.dispatchEvent(new Event('done'));
  };

  /** Beside the dialog's box is its backdrop. */
  #clicked = (event: MouseEvent) => {
    if (event.target instanceof HTMLDialogElement) this.close();
  };
}
