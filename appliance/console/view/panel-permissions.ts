// Of the session panel: what can be asked of the customer, why something can't, and what is going on.
import { html, nothing, type TemplateResult } from 'lit';
import type { SessionDetail } from '../../protocol/console-api.ts';
import type { ActionRequest } from '../request-store.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { actionName, actions, duration, endWords, requestWords } from '../words.ts';
import { icon } from './icon.ts';

type PermissionView = SessionDetail['permissions'][number];

export interface PermissionActs {
  readonly ask: (action: string) => void;
  readonly stop: (requestId: string) => void;
}

export function panelPermissions(session: TechnicianSession, acts: PermissionActs): TemplateResult | typeof nothing {
  const { detail } = session;
  if (detail === null) return nothing;
  const known = Object.keys(actions);
  const permissions = detail.permissions.filter(({ action }) => known.includes(action));
  const rank = ({ action }: PermissionView) => known.indexOf(action);
  const sorted = [...permissions].sort((a, b) => rank(a) - rank(b));
  return html`${running(session, acts)}
    <section aria-labelledby="panel-permissions">
      <h3 id="panel-permissions">What you may ask for</h3>
      <ul class="permissions">
        ${sorted.map(permission => html`<li data-action=${permission.action}>${row(session, permission, acts)}</li>`)}
      </ul>
    </section>`;
}

function running(session: TechnicianSession, { stop }: PermissionActs): TemplateResult {
  const { live } = session.requests;
  return html`<section aria-labelledby="panel-running" aria-live="polite" ?hidden=${live.length === 0}>
    <h3 id="panel-running">Going on</h3>
    <ul class="permissions">
      ${live.map(
        request =>
          html`<li data-request=${request.action} data-state=${request.state}>
            ${icon(actions[request.action]?.icon ?? 'circle-help')}
            <span class="grow">${actionName(request.action)}<small>${stateWords(request)}</small></span>
            <button
              type="button"
              class="small danger"
              aria-label=${`Stop: ${actionName(request.action)}`}
              @click=${() => stop(request.id)}
            >
              Stop
            </button>
          </li>`,
      )}
    </ul>
  </section>`;
}

function row(session: TechnicianSession, { action, allowed, why }: PermissionView, acts: PermissionActs) {
  const last = session.requests.lastOf(action);
  const isLive = session.requests.live.some(request => request.action === action);
  return html`${icon(actions[action]?.icon ?? 'circle-help')}
    <span class="grow">
      ${actionName(action)}
      ${last === undefined || isLive ? nothing : html`<small>${stateWords(last)}</small>`}
      ${
        allowed
          ? nothing
          : html`<details class="why">
            <summary aria-label=${`Why can’t I? ${actionName(action)}`}>Why can’t I?</summary>
            <p>${why}</p>
          </details>`
      }
    </span>
    ${
      allowed && !isLive
        ? html`<button
          type="button"
          class="small"
          title=${why}
          aria-label=${`Ask: ${actionName(action)}`}
          ?disabled=${session.link.phase !== 'open'}
          @click=${() => acts.ask(action)}
        >
          Ask
        </button>`
        : nothing
    }`;
}

function stateWords({ state, until, endedBy, reason }: ActionRequest): string {
  if (state === 'ended') return endWords(endedBy, reason);
  const isTimed = (state === 'running' || state === 'allowed') && until !== null;
  return isTimed ? `${requestWords[state]} for at most ${duration(until - Date.now())} more` : requestWords[state];
}
