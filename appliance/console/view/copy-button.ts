// Copies a text and says so.
import { html, type TemplateResult } from 'lit';
import { icon } from './icon.ts';
import { ConsoleElement } from './model-element.ts';

const SHOWN_MS = 2000;

export class CopyButton extends ConsoleElement {
  static override properties = { text: {}, label: {}, said: { state: true } };
  declare text: string;
  /** What is copied: "PIN". */
  declare label: string;
  declare said: string;

  constructor() {
    super();
    this.text = '';
    this.label = '';
    this.said = '';
  }

  override render(): TemplateResult {
    return html`<button type="button" class="small" @click=${this.#copy}>
      ${icon(this.said === '' ? 'copy' : 'check')}<span>Copy ${this.label}</span>
      <span class="sr" role="status">${this.said}</span>
    </button>`;
  }

  #copy = async () => {
    try {
      await navigator.clipboard.writeText(this.text);
      this.said = `${this.label} copied`;
    } catch {
      this.said = 'The browser does not let it be copied'; // no leave for the clipboard: select it by hand
    }
    setTimeout(() => {
      this.said = '';
    }, SHOWN_MS);
  };
}

customElements.define('copy-button', CopyButton);
