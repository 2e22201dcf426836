// Asks before a session ends, for that can't be taken back.
import { html, type TemplateResult } from 'lit';
import type { TechnicianSession } from '../technician-session.ts';
import type { Workplace } from '../workplace.ts';
import { DialogElement } from './dialog-element.ts';

/** Names by which the log keeps why. */
const reasons = [
  ['solved', 'The problem is solved'],
  ['not-solved', 'It could not be solved here'],
  ['customer-gone', 'The customer is gone'],
  ['suspicious', 'Something was not right'],
] as const;

export class EndDialog extends DialogElement {
  static override properties = { model: { attribute: false }, session: { attribute: false } };
  declare model: Workplace;
  declare session: TechnicianSession;

  override get heading(): string {
    return `End the session with ${this.session.view.customerName ?? 'this customer'}?`;
  }

  override body(): TemplateResult {
    return html`<form @submit=${this.#submit}>
      <p>
        Everything that runs stops, your rights end, and the customer’s program closes. This can’t be undone: to go on, he
        needs a new PIN. The log stays.
      </p>
      <fieldset class="field">
        <legend>Why</legend>
        ${reasons.map(
          ([name, words], at) =>
            html`<label class="tick"
              ><input type="radio" name="reason" value=${name} ?checked=${at === 0} ?data-first=${at === 0} /> ${words}</label
            >`,
        )}
      </fieldset>
      <div class="row end">
        <button type="button" @click=${() => this.close()}>Go on</button>
        <button class="danger">End the session</button>
      </div>
    </form>`;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const reason = String(new FormData(event.target).get('reason') ?? 'solved');
    void this.model.end(this.session.id, reason);
    this.close();
  };
}

customElements.define('end-dialog', EndDialog);
