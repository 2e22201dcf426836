// Of the session panel: how the two programs are linked, and the codes both people compare.
import { html, nothing, type TemplateResult } from 'lit';
import type { LinkPathView, LinkView } from '../link-messages.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { icon } from './icon.ts';

const phases: Readonly<Record<LinkView['phase'], readonly [string, string]>> = {
  off: ['', 'None'],
  connecting: ['warn', 'Connecting …'],
  open: ['good', 'Encrypted end to end'],
  detached: ['bad', 'Interrupted'],
  failed: ['bad', 'Failed'],
};
const kinds: Readonly<Record<LinkPathView['kind'], string>> = {
  relay: 'relay',
  tcp: 'direct, TCP',
  udp: 'direct, UDP',
};

export interface LinkActs {
  readonly codes: (match: boolean) => void;
  readonly hurry: () => void;
}

export function panelLink(session: TechnicianSession, acts: LinkActs): TemplateResult {
  const { link } = session;
  const [tone, words] = phases[link.phase];
  const [active] = link.paths.filter(path => path.active);
  const others = link.paths.filter(path => !path.active);
  return html`<section aria-labelledby="panel-link">
    <h3 id="panel-link">Connection</h3>
    <dl>
      <dt>Link</dt>
      <dd><span class="badge ${tone}" data-testid="link-phase" data-phase=${link.phase}>${words}</span></dd>
      ${active === undefined ? nothing : html`<dt>Path</dt><dd class="time">${pathWords(active)}</dd>`}
      ${others.length === 0 ? nothing : html`<dt>Stand-by</dt><dd class="time">${others.map(pathWords).join(', ')}</dd>`}
    </dl>
    ${link.phase === 'connecting' || link.phase === 'failed' ? trouble(link, acts) : nothing}
    ${link.shortString !== null && link.phase !== 'connecting' ? codes(session, link.shortString, acts) : nothing}
  </section>`;
}

function pathWords({ gateway, kind, roundTripMs }: LinkPathView): string {
  const way = gateway === null ? kinds[kind] : `${gateway} (${kinds[kind]})`;
  return roundTripMs === null ? way : `${way}, ${roundTripMs} ms`;
}

function trouble({ fault }: LinkView, { hurry }: LinkActs): TemplateResult | typeof nothing {
  if (fault === null) return nothing;
  return html`<p class="hint">${fault.message}. ${fault.hint} <code>${fault.code}</code></p>
    <button type="button" class="small" @click=${hurry}>${icon('refresh-cw')}Try now</button>`;
}

function codes(session: TechnicianSession, digits: string, acts: LinkActs): TemplateResult {
  const said = session.saidCodes;
  const { areCodesCompared } = session.view;
  return html`<div class="codes-box">
    <p class="hint" id="codes-note">Ask for the code on the customer’s screen, by telephone. Never in the chat.</p>
    <p class="short-string" data-testid="short-string" aria-label="Code of this connection">
      ${digits.slice(0, 3)} ${digits.slice(3)}
    </p>
    ${
      said === null && !areCodesCompared
        ? html`<div class="row" role="group" aria-label="Are the codes the same?" aria-describedby="codes-note">
          <button type="button" class="small" @click=${() => acts.codes(true)}>${icon('check')}Codes match</button>
          <button type="button" class="small danger" @click=${() => acts.codes(false)}>${icon('x')}They differ</button>
        </div>`
        : html`<p class="row">${saidWords(said, areCodesCompared)}</p>`
    }
    ${
      session.link.codesMatch && !areCodesCompared
        ? html`<p class="hint">Your group wants this done before control is given.</p>`
        : nothing
    }
  </div>`;
}

function saidWords(said: boolean | null, areCompared: boolean): TemplateResult {
  if (said === false) return html`<span class="badge bad">They differ</span>`;
  if (areCompared) return html`<span class="badge good">${icon('check')} Compared by both</span>`;
  return html`<span class="hint">You said they match. The customer has not said so yet.</span>`;
}
