// The four queues with their counters, and the sessions of the one looked at.
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { QueueName, SessionView } from '../../protocol/console-api.ts';
import { queueNames } from '../session-list.ts';
import { duration, platformName, queueWords, stateName, stateTone } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import { ModelElement, Ticking } from './model-element.ts';

const emptyWords: Readonly<Record<QueueName, string>> = {
  incoming: 'Nobody is waiting. Make a session and give the PIN to your customer.',
  active: 'No active session.',
  'on-hold': 'Nothing is on hold.',
  closed: 'Nothing has been closed yet.',
};

export class QueueList extends ModelElement<Workplace> {
  static override properties = { ...ModelElement.properties, queue: { state: true } };
  declare queue: QueueName;

  constructor() {
    super();
    this.queue = 'incoming';
    new Ticking(this);
  }

  override render(): TemplateResult {
    const { list } = this.model;
    const sessions = list.in(this.queue);
    return html`<div class="queue-names" role="group" aria-label="Queues">
        ${queueNames.map(
          name =>
            html`<button
              type="button"
              aria-pressed=${name === this.queue}
              data-testid="queue-${name}"
              @click=${() => this.#choose(name)}
            >
              <span>${queueWords[name]}</span><b>${list.count(name)}</b>
            </button>`,
        )}
      </div>
      ${
        sessions.length === 0
          ? html`<p class="empty">${emptyWords[this.queue]}</p>`
          : html`<ul class="sessions" aria-label=${`${queueWords[this.queue]} sessions`}>
            ${repeat(
              sessions,
              session => session.id,
              session => html`<li>${this.#row(session)}</li>`,
            )}
          </ul>`
      }`;
  }

  #row(session: SessionView): TemplateResult {
    const { model } = this;
    const isShown = model.shown?.id === session.id;
    const unread = model.tabs.find(({ id }) => id === session.id)?.unread ?? 0;
    return html`<button
        type="button"
        class="session-row"
        aria-current=${isShown ? 'true' : 'false'}
        @click=${() => model.show(session.id)}
      >
        <span class="session-name">${session.customerName ?? 'No name given'}</span>
        <span class="badge ${stateTone(session.state)}">${stateName(session.state)}</span>
        <span class="session-facts">
          ${session.platform === null || session.channel !== null || session.state === 'transferring' ? nothing : html`<span>${platformName(session.platform)}</span>`}
          ${session.channel === null ? nothing : html`<span class="channel">${session.channel}</span>`} ${this.#offer(session)}
          <span class="time">${since(session)}</span>
        </span>
        ${session.question === null || session.queue !== 'incoming' ? nothing : html`<span class="question">${session.question}</span>`}
        ${unread > 0 ? html`<b class="count">${unread}<span class="sr"> unread</span></b>` : nothing}
        ${session.isClaimedTwice ? html`<span class="badge bad">Claimed twice</span>` : nothing}
      </button>
      ${
        mayPickUp(session, model)
          ? html`<button
            type="button"
            class="small primary"
            aria-label=${`Pick up ${session.customerName ?? 'the customer without a name'}`}
            @click=${() => model.move(session.id, 'pick-up')}
          >
            Pick up
          </button>`
          : nothing
      }`;
  }

  #offer({ state, owner, offeredTo }: SessionView): TemplateResult | typeof nothing {
    if (state !== 'transferring') return nothing;
    const isToMe = offeredTo === this.model.start?.member.id;
    return html`<span>${isToMe ? `offered by ${owner.name}` : 'offered to another'}</span>`;
  }

  #choose(name: QueueName): void {
    this.queue = name;
  }
}

export function mayPickUp({ state, owner, offeredTo }: SessionView, { start }: Workplace): boolean {
  const me = start?.member.id;
  if (state === 'waiting') return owner.id === me || owner.id === null;
  return state === 'transferring' && offeredTo === me;
}

function since({ stateAt, queue }: SessionView): string {
  if (queue !== 'closed') return duration(Date.now() - stateAt);
  return new Date(stateAt).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' });
}

customElements.define('queue-list', QueueList);
