// An icon of the page's hidden block; portal/technician/console.hbs lists them.
import { html, type TemplateResult } from 'lit';

export function icon(name: string): TemplateResult {
  return html`<svg class="icon" aria-hidden="true"><use href="#i-${name}"></use></svg>`;
}
