// Offers a session to another technician. It stays with who offers it until the other one picks it up.
import { html, type TemplateResult } from 'lit';
import type { TechnicianView } from '../../protocol/console-api.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { statusWords } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import { DialogElement } from './dialog-element.ts';

export class TransferDialog extends DialogElement {
  static override properties = { model: { attribute: false }, session: { attribute: false } };
  declare model: Workplace;
  declare session: TechnicianSession;

  override get heading(): string {
    return 'Hand over to another technician';
  }

  override body(): TemplateResult {
    const { technicians } = this.model;
    if (technicians.length === 0) return html`<p class="empty">There is no other technician.</p>`;
    return html`<p>
        What the customer has allowed ends with it; the next technician asks again. Not picked up within two minutes, it
        comes back to you.
      </p>
      <ul class="choices">
        ${technicians.map((one, at) => html`<li>${this.#choice(one, at === 0)}</li>`)}
      </ul>`;
  }

  #choice({ id, name, status }: TechnicianView, isFirst: boolean): TemplateResult {
    return html`<button type="button" class="wide" ?data-first=${isFirst} @click=${() => this.#offer(id)}>
      <span>${name}</span>
      <span class="badge ${status === 'available' ? 'good' : status === 'busy' ? 'warn' : ''}">${statusWords[status]}</span>
    </button>`;
  }

  #offer(technicianId: string): void {
    void this.model.offer(this.session.id, technicianId);
    this.close();
  }
}

customElements.define('transfer-dialog', TransferDialog);
