// One open session: its head with what can be done, notices, and in the middle what its state asks for.
import { html, nothing, type TemplateResult } from 'lit';
import type { TechnicianSession } from '../technician-session.ts';
import { stateName, stateTone } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import './chat-pane.ts';
import { icon } from './icon.ts';
import './made-session.ts';
import { VIEWING } from '../screen-words.ts';
import { isPinGood } from './made-session.ts';
import { ModelElement } from './model-element.ts';
import { mayPickUp } from './queue-list.ts';
import type { ScreenSwitch } from './screen-bar.ts';
import './screen-pane.ts';
import { sessionNotices } from './session-notices.ts';
import './session-panel.ts';

/** Dialogs the shell opens for a session. */
export type SessionDialog = 'end' | 'transfer';

export class SessionViewElement extends ModelElement<TechnicianSession> {
  static override properties = {
    ...{ ...ModelElement.properties, workplace: { attribute: false } },
    ...{ hasChat: { state: true }, hasPanel: { state: true }, isWide: { state: true } },
  };
  declare workplace: Workplace;
  /** Beside a picture; without one all of it is there. */
  declare hasChat: boolean;
  declare hasPanel: boolean;
  declare isWide: boolean;

  constructor() {
    super();
    this.hasChat = true;
    this.hasPanel = true;
    this.isWide = true;
  }

  /** A message is about to be written. */
  showChat(): void {
    this.hasChat = true;
  }

  override render(): TemplateResult {
    const { model, workplace } = this;
    const { isWide, hasChat, hasPanel } = this;
    const hasPicture = hasScreen(model);
    const sides = `${hasChat ? 'with-chat' : ''} ${hasPanel ? 'with-panel' : ''} ${isWide ? 'wide-picture' : ''}`;
    return html`<header class="session-head">
        <h2>${model.view.customerName ?? 'No name given'}</h2>
        <span class="badge ${stateTone(model.view.state)}" data-testid="session-state">${stateName(model.view.state)}</span>
        <span class="grow"></span>
        ${this.#acts()}
      </header>
      ${sessionNotices(model, { anew: () => model.linkAnew(), end: () => this.#ask('end') })}
      <div class="session-body ${hasPicture ? `with-picture ${sides}` : ''}">
        ${
          hasPicture
            ? html`<screen-pane
              .model=${model}
              .workplace=${workplace}
              .layout=${{ isWide, hasChat, hasPanel }}
              @flip=${({ detail }: CustomEvent<ScreenSwitch>) => this.#flip(detail)}
            ></screen-pane>`
            : nothing
        }
        <div class="session-main">${this.#middle()}</div>
        <aside class="panel" aria-label="About this session" tabindex="0">
          <session-panel .model=${model} .workplace=${workplace}></session-panel>
        </aside>
      </div>`;
  }

  #middle(): TemplateResult {
    const { model, workplace } = this;
    const { state } = model.view;
    if (state === 'connecting') return this.#notThereYet();
    const { customerName, channel, question } = model.view;
    if (mayPickUp(model.view, workplace))
      return html`<div class="wait">
        <p>${icon('headset')}</p>
        <p>
          <strong>${customerName ?? 'A customer'}</strong> is waiting${channel === null ? nothing : html` in <strong>${channel}</strong>`}.
          He can see nothing of you yet.
        </p>
        ${question === null ? nothing : html`<p class="said">${question}</p>`}
        <button type="button" class="primary" @click=${() => workplace.move(model.id, 'pick-up')}>Pick up</button>
      </div>`;
    return html`<chat-pane .model=${model} .workplace=${workplace}></chat-pane>`;
  }

  #notThereYet(): TemplateResult {
    const { model, workplace } = this;
    const { owner, channel, question } = model.view;
    if (owner.id === null)
      return html`<div class="wait">
        <p>The customer has a place in <strong>${channel}</strong> and is on his way. You will hear when he comes.</p>
        ${question === null ? nothing : html`<p class="said">${question}</p>`}
      </div>`;
    const made = workplace.made(model.id);
    return html`<div class="wait">
      <p>The customer is not there yet. You will hear when he comes.</p>
      ${
        isPinGood(made)
          ? html`<made-session .made=${made}></made-session>`
          : html`<p class="hint">Its PIN is known only where it was made, or it is not good any more.</p>`
      }
      <button type="button" class="small" @click=${() => workplace.newPin(model.id)}>
        ${icon('refresh-cw')}New PIN and link
      </button>
    </div>`;
  }

  #acts(): TemplateResult | typeof nothing {
    const { model, workplace } = this;
    const { state } = model.view;
    const step = (name: 'hold' | 'resume' | 'take-back') => () => void workplace.move(model.id, name);
    const button = (name: string, words: string, act: () => void, tone = '') =>
      html`<button type="button" class="small ${tone}" @click=${act}>${icon(name)}${words}</button>`;
    const see = () => void workplace.act(() => model.ask(VIEWING));
    const isMine = model.view.owner.id === workplace.start?.member.id;
    if (model.isOver || !isMine) return nothing;
    return html`<div class="row">
      ${state === 'active' && this.#mayAskToSee() ? button('eye', 'See the screen', see, 'primary') : nothing}
      ${state === 'active' ? button('pause', 'Hold', step('hold')) : nothing}
      ${state === 'on-hold' ? button('play', 'Resume', step('resume'), 'primary') : nothing}
      ${state === 'transferring' ? button('undo-2', 'Take back', step('take-back')) : nothing}
      ${state === 'active' || state === 'on-hold' ? button('arrow-right-left', 'Hand over', () => this.#ask('transfer')) : nothing}
      ${button('phone-off', 'End', () => this.#ask('end'), 'danger')}
    </div>`;
  }

  #mayAskToSee(): boolean {
    const { detail, link } = this.model;
    const isAllowed = detail?.permissions.some(({ action, allowed }) => action === VIEWING && allowed) === true;
    return isAllowed && link.phase === 'open' && !hasScreen(this.model);
  }

  #flip(what: ScreenSwitch): void {
    if (what === 'hasChat') this.hasChat = !this.hasChat;
    else if (what === 'hasPanel') this.hasPanel = !this.hasPanel;
    else if (what === 'isWide') this.isWide = !this.isWide;
  }

  #ask(dialog: SessionDialog): void {
    this.dispatchEvent(new CustomEvent<SessionDialog>('ask', { detail: dialog }));
  }
}

/** Whether there is a picture, is to be one, or was one that nobody has put away. */
function hasScreen({ screen, requests, isOver }: TechnicianSession): boolean {
  if (isOver) return false;
  return screen.phase !== 'off' || requests.live.some(({ action }) => action === VIEWING);
}

customElements.define('session-view', SessionViewElement);
