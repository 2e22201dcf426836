// Hands a session on: to another technician, with whom it is once he picks it up, or to the queue of a channel, at once.
import { html, nothing, type TemplateResult } from 'lit';
import type { ChannelView, TechnicianView } from '../../protocol/console-api.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { statusWords } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import { DialogElement } from './dialog-element.ts';

export class TransferDialog extends DialogElement {
  static override properties = { model: { attribute: false }, session: { attribute: false } };
  declare model: Workplace;
  declare session: TechnicianSession;

  override get heading(): string {
    return 'Hand over';
  }

  override firstUpdated(): void {
    super.firstUpdated();
    void this.model.lookAtChannels().then(() => this.requestUpdate());
  }

  override body(): TemplateResult {
    const { technicians, channels } = this.model;
    return html`<p>What the customer has allowed ends with it; whoever goes on asks again.</p>
      <h3>To a technician</h3>
      <p class="hint">Not picked up within two minutes, it comes back to you.</p>
      ${
        technicians.length === 0
          ? html`<p class="empty">There is no other technician.</p>`
          : html`<ul class="choices">
            ${technicians.map((one, at) => html`<li>${this.#technician(one, at === 0)}</li>`)}
          </ul>`
      }
      ${channels.length === 0 ? nothing : this.#toChannels()}`;
  }

  #toChannels(): TemplateResult {
    return html`<h3>To a channel</h3>
      <p class="hint">It waits there until somebody who serves it picks it up, and is yours no more.</p>
      <ul class="choices">
        ${this.model.channels.map(one => html`<li>${this.#channel(one)}</li>`)}
      </ul>`;
  }

  #technician({ id, name, status }: TechnicianView, isFirst: boolean): TemplateResult {
    return html`<button type="button" class="wide" ?data-first=${isFirst} @click=${() => this.#offer(id)}>
      <span>${name}</span>
      <span class="badge ${status === 'available' ? 'good' : status === 'busy' ? 'warn' : ''}">${statusWords[status]}</span>
    </button>`;
  }

  #channel(channel: ChannelView): TemplateResult {
    const { name, waiting, isAttended } = channel;
    return html`<button type="button" class="wide" ?disabled=${!isAttended} @click=${() => this.#queue(channel)}>
      <span>${name}</span>
      <span class="badge ${isAttended ? 'good' : ''}">${isAttended ? `${waiting} waiting` : 'nobody there'}</span>
    </button>`;
  }

  #offer(technicianId: string): void {
    void this.model.offer(this.session.id, technicianId);
    this.close();
  }

  #queue(channel: ChannelView): void {
    void this.model.queue(this.session.id, channel);
    this.close();
  }
}

customElements.define('transfer-dialog', TransferDialog);
