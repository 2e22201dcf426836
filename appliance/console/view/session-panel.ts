// Everything about a session beside its chat: customer, connection, rights, what happened.
import { html, nothing, type TemplateResult } from 'lit';
import type { SessionView } from '../../protocol/console-api.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { duration, eventDetail, eventName, platformName } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import { ModelElement, Ticking } from './model-element.ts';
import { panelLink } from './panel-link.ts';
import { panelPermissions } from './panel-permissions.ts';

const MAX_EVENTS = 100;

export class SessionPanel extends ModelElement<TechnicianSession> {
  static override properties = { ...ModelElement.properties, workplace: { attribute: false } };
  declare workplace: Workplace;

  constructor() {
    super();
    new Ticking(this);
  }

  override render(): TemplateResult {
    const { model, workplace } = this;
    return html`${customer(model.view)}
      ${
        model.isLive
          ? panelLink(model, {
              codes: match => void workplace.act(() => model.codes(match)),
              hurry: () => model.hurry(),
            })
          : nothing
      }
      ${
        model.isLive
          ? panelPermissions(model, {
              ask: action => void workplace.act(() => model.ask(action)),
              stop: id => void workplace.act(() => model.stop(id)),
            })
          : nothing
      }
      ${this.#events()}`;
  }

  #events(): TemplateResult {
    const { detail, detailFault } = this.model;
    if (detail === null) {
      const words = detailFault === null ? 'Loading …' : `${detailFault.message} (${detailFault.code})`;
      return html`<p class="hint" role="status">${words}</p>`;
    }
    const events = detail.events.filter(({ event }) => eventName(event) !== null).slice(-MAX_EVENTS);
    return html`<section aria-labelledby="panel-events">
      <h3 id="panel-events">What happened</h3>
      <ol class="events">
        ${events.toReversed().map(
          event =>
            html`<li>
              <time class="time" datetime=${new Date(event.at).toISOString()}>${clockTime(event.at)}</time>
              <span><b>${eventName(event.event)}</b> ${event.actor}<small>${eventDetail(event)}</small></span>
            </li>`,
        )}
      </ol>
    </section>`;
  }
}

function customer(view: SessionView): TemplateResult {
  const now = Date.now();
  const row = (name: string, value: string | null) =>
    value === null ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`;
  return html`<section aria-labelledby="panel-customer">
    <h3 id="panel-customer">Customer</h3>
    <dl>
      ${row('Name', view.customerName ?? 'not given')} ${row('Channel', view.channel)}
      ${view.question === null ? nothing : html`<dt>About</dt><dd class="said">${view.question}</dd>`} ${row('Program', platformName(view.platform))}
      ${row('Language', view.language)} ${row('Made', clockTime(view.createdAt))}
      ${row('Picked up', view.pickedUpAt === null ? null : clockTime(view.pickedUpAt))}
      ${row('In this state', view.endedAt === null ? duration(now - view.stateAt) : null)}
      ${row('Ends by itself in', view.deadline === null || view.endedAt !== null ? null : duration(view.deadline - now))}
      ${row('Ended', view.endedAt === null ? null : clockTime(view.endedAt))} ${row('Because', view.endReason)}
    </dl>
  </section>`;
}

function clockTime(at: number): string {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return isToday ? new Date(at).toLocaleTimeString() : new Date(at).toLocaleString();
}

customElements.define('session-panel', SessionPanel);
