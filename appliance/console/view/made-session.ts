// PIN, link and email of a session just made, to be read out or copied, each with the time it is still good for.
import { html, type TemplateResult } from 'lit';
import type { MadeSession } from '../../protocol/console-api.ts';
import { duration } from '../words.ts';
import './copy-button.ts';
import { icon } from './icon.ts';
import { ConsoleElement, Ticking } from './model-element.ts';

export class MadeSessionCard extends ConsoleElement {
  static override properties = { made: { attribute: false } };
  declare made: MadeSession;

  constructor() {
    super();
    new Ticking(this);
  }

  override render(): TemplateResult {
    const { pin, pinExpiresAt, link, linkExpiresAt, email } = this.made;
    return html`<div class="made">
      <section aria-label="PIN">
        <p class="pin" data-testid="pin">${pin}</p>
        <p class="row"><copy-button .text=${pin} label="PIN"></copy-button>${left(pinExpiresAt)}</p>
      </section>
      <section aria-label="Link">
        <p class="clip"><code data-testid="link">${link}</code></p>
        <p class="row"><copy-button .text=${link} label="link"></copy-button>${left(linkExpiresAt)}</p>
      </section>
      <section aria-label="Email">
        <details>
          <summary>Email text</summary>
          <p><strong>${email.subject}</strong></p>
          <p class="letter">${email.body}</p>
        </details>
        <p class="row"><copy-button .text=${`${email.subject}\n\n${email.body}`} label="email"></copy-button></p>
      </section>
    </div>`;
  }
}

function left(until: number): TemplateResult {
  const ms = until - Date.now();
  if (ms <= 0) return html`<span class="badge bad">Not good any more</span>`;
  return html`<span class="hint time">${icon('clock')} good for ${duration(ms)}</span>`;
}

/** Whether the PIN can still be typed. */
export function isPinGood(made: MadeSession | undefined): made is MadeSession {
  return made !== undefined && made.pinExpiresAt > Date.now();
}

customElements.define('made-session', MadeSessionCard);
