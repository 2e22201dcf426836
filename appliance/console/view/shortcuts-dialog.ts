// The help overlay: every shortcut there is.
import { html, type TemplateResult } from 'lit';
import { shortcuts } from '../shortcuts.ts';
import { DialogElement } from './dialog-element.ts';

export class ShortcutsDialog extends DialogElement {
  override get heading(): string {
    return 'Keyboard shortcuts';
  }

  override body(): TemplateResult {
    return html`<dl class="keys">
        ${shortcuts.map(
          ({ keys, words }) =>
            html`<dt>${keys.map(key => html`<kbd>${key}</kbd>`)}</dt>
              <dd>${words}</dd>`,
        )}
      </dl>
      <p class="row end">
        <a class="button" href="/help/helping" target="_blank" rel="noopener">How to help a customer</a>
        <button class="primary" data-first @click=${() => this.close()}>Close</button>
      </p>`;
  }
}

customElements.define('shortcuts-dialog', ShortcutsDialog);
