// What a technician must know about a session before he goes on with it.
import { html, nothing, type TemplateResult } from 'lit';
import type { TechnicianSession } from '../technician-session.ts';
import { anomalies } from '../words.ts';
import { icon } from './icon.ts';

export interface NoticeActs {
  readonly anew: () => void;
  readonly end: () => void;
}

export function sessionNotices(session: TechnicianSession, acts: NoticeActs): TemplateResult {
  const { view, link } = session;
  const isMalformed = session.endOf('chat') === 'malformed' || session.endOf('consent') === 'malformed';
  const isOver = view.state === 'closed' || view.state === 'timed-out';
  const isEnded = !isMalformed && (session.endOf('chat') !== null || session.endOf('consent') !== null);
  const isOdd = session.detail?.events.some(({ event }) => anomalies.includes(event)) === true;
  const end = isOver
    ? nothing
    : html`<button type="button" class="small danger" @click=${acts.end}>End the session</button>`;
  const anew = html`<button type="button" class="small" @click=${acts.anew}>${icon('refresh-cw')}Connect anew</button>`;
  return html`<div class="notices">
    ${when(session.isLeft, 'warn', 'This session is not yours any more.')}
    ${when(view.isClaimedTwice, 'bad', 'Two came with this PIN or link. Compare the codes by telephone before anything else; until then there is chat only.', end)}
    ${when(session.saidCodes === false, 'bad', 'The codes differ: somebody may stand in between. Write nothing secret, and end the session.', end)}
    ${when(link.attemptsFailed > 0, 'bad', `${attempts(link.attemptsFailed)} to connect failed. If you did not expect that, compare the codes by telephone.`)}
    ${when(isOdd, 'bad', 'The customer’s program and this console have told the log different things: see what happened. One of the two is not as it should be.', end)}
    ${when(isMalformed, 'bad', 'The customer’s program said something it must not say. That part of the connection was ended; nothing of it was carried out.', anew)}
    ${when(isEnded, 'warn', 'The customer’s program has ended a part of the connection.', anew)}
    ${when(view.state === 'reconnecting', 'warn', 'The customer’s computer can’t be reached. Everything stays here; it goes on as soon as he is back.')}
    ${when(link.phase === 'detached' && view.state !== 'reconnecting', 'warn', 'The connection is interrupted and comes back by itself. What you write is sent then.')}
  </div>`;
}

function attempts(count: number): string {
  return count === 1 ? 'One attempt' : `${count} attempts`;
}

function when(is: boolean, tone: 'warn' | 'bad', words: string, act: TemplateResult | typeof nothing = nothing) {
  if (!is) return nothing;
  return html`<div class="notice ${tone}" role="alert">${icon('triangle-alert')}<span>${words}</span>${act}</div>`;
}
