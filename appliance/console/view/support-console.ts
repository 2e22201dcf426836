// The console as a whole: bar, queues, tabs, the session looked at, dialogs, toasts, shortcuts.
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { StatusName } from '../../protocol/console-api.ts';
import type { Attention } from '../attention.ts';
import type { Settings } from '../settings.ts';
import { type Command, commandOf } from '../shortcuts.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { stateName, stateTone, statusWords } from '../words.ts';
import type { Toast, Workplace } from '../workplace.ts';
import { icon } from './icon.ts';
import { ModelElement } from './model-element.ts';
import './end-dialog.ts';
import './new-session-dialog.ts';
import './queue-list.ts';
import './replies-dialog.ts';
import type { ScreenPane } from './screen-pane.ts';
import './session-view.ts';
import type { SessionViewElement } from './session-view.ts';
import './settings-dialog.ts';
import './shortcuts-dialog.ts';
import './transfer-dialog.ts';

const statusNames: readonly StatusName[] = ['available', 'busy', 'away'];

type DialogName = 'new' | 'end' | 'transfer' | 'settings' | 'shortcuts' | 'replies';

export class SupportConsole extends ModelElement<Workplace> {
  static override properties = {
    ...ModelElement.properties,
    settings: { attribute: false },
    attention: { attribute: false },
    takeOver: { attribute: false },
    dialog: { state: true },
  };
  declare settings: Settings;
  declare attention: Attention;
  /** Takes the console from another tab of this browser. */
  declare takeOver: () => void;
  declare dialog: DialogName | null;

  constructor() {
    super();
    this.dialog = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('keydown', this.#pressed);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('keydown', this.#pressed);
  }

  override render(): TemplateResult {
    const { model } = this;
    return html`${this.#bar()} ${this.#banner()}
      <main class="desk" id="desk">
        <nav class="queues" aria-label="Queues" tabindex="-1" ?inert=${!model.isUsable}><queue-list .model=${model}></queue-list></nav>
        <div class="work">
          ${model.tabs.length === 0 ? nothing : this.#tabs()}
          ${
            model.shown === null
              ? this.#nothingOpen()
              : html`<session-view
                .model=${model.shown}
                .workplace=${model}
                @ask=${(event: CustomEvent<'end' | 'transfer'>) => this.#open(event.detail)}
              ></session-view>`
          }
        </div>
      </main>
      ${this.#dialog()}
      <div class="toasts" role="status">${repeat(
        model.toasts,
        ({ id }) => id,
        toast => this.#toast(toast),
      )}</div>`;
  }

  #bar(): TemplateResult {
    const { start, status } = this.model;
    return html`<header class="bar">
      <a class="brand" href="/"><img src="/favicon.ico" alt="" width="22" height="22" /><span>${start?.organisation || 'Remote support'}</span></a>
      <h1 class="sr">Technician’s console</h1>
      <button type="button" class="primary small" ?disabled=${!this.model.isUsable} @click=${() => this.#open('new')}>${icon('plus')}New session</button>
      <span class="grow"></span>
      <label class="status"
        ><span class="sr">Your status</span><i class="dot ${status}"></i
        ><select @change=${this.#setStatus}>
          ${statusNames.map(
            name => html`<option value=${name} ?selected=${name === status}>${statusWords[name]}</option>`,
          )}
        </select></label
      >
      ${this.#tool('message-square-text', 'Predefined replies', 'replies')}
      ${this.#tool('settings', 'Settings', 'settings')}
      ${this.#tool('circle-help', 'Keyboard shortcuts', 'shortcuts')}
      <details class="menu">
        <summary>${icon('circle-user-round')}<span>${start?.member.name ?? ''}</span></summary>
        <div>
          <a href="/account">My account</a>
          <a href="/help/helping">Help</a>
          <form method="post" action="/sign-out"><button class="link">${icon('log-out')}Sign out</button></form>
        </div>
      </details>
    </header>`;
  }

  #tool(name: string, label: string, dialog: DialogName): TemplateResult {
    return html`<button type="button" class="ghost small" aria-label=${label} title=${label} @click=${() => this.#open(dialog)}>
      ${icon(name)}
    </button>`;
  }

  #banner(): TemplateResult {
    const { phase, isConnected, signedOutReason } = this.model;
    const said = (tone: string, words: string, act: TemplateResult | typeof nothing = nothing) =>
      html`<div class="banner ${tone}" role="status" data-testid="banner">${icon('triangle-alert')}<span>${words}</span>${act}</div>`;
    if (phase === 'signed-out') {
      const why = signedOutReason === '' ? '' : ` (${signedOutReason.replaceAll('-', ' ')})`;
      const again = html`<a class="button small" href="/sign-in">Sign in again</a>`;
      return said(
        'bad',
        `You are signed out${why}. Your sessions stay as they are; their connections have ended.`,
        again,
      );
    }
    if (phase === 'elsewhere') {
      const here = html`<button type="button" class="small" @click=${() => this.takeOver()}>Use it here</button>`;
      return said('warn', 'The console is open in another tab of this browser.', here);
    }
    if (phase === 'loading') return said('', 'Loading …');
    if (isConnected) return html`<div class="banner none" role="status" data-testid="banner"></div>`;
    return said('warn', 'The appliance can’t be reached. Everything stays on the screen; it goes on by itself.');
  }

  #tabs(): TemplateResult {
    return html`<nav class="tabs" aria-label="Open sessions">
      <ul>
        ${repeat(
          this.model.tabs,
          ({ id }) => id,
          session => html`<li class=${session === this.model.shown ? 'here' : ''}>${this.#tab(session)}</li>`,
        )}
      </ul>
    </nav>`;
  }

  #tab(session: TechnicianSession): TemplateResult {
    const { model } = this;
    const { view, unread } = session;
    const name = view.customerName ?? 'No name given';
    return html`<button
        type="button"
        class="tab"
        aria-current=${session === model.shown ? 'page' : 'false'}
        @click=${() => model.show(session.id)}
      >
        <i class="dot ${stateTone(view.state)}"></i><span>${name}</span>
        <span class="sr">${stateName(view.state)}</span>
        ${unread > 0 ? html`<b class="count">${unread}<span class="sr"> unread</span></b>` : nothing}
        ${session.isCustomerTyping ? html`<span class="dots">…</span>` : nothing}
      </button>
      ${
        session.isLive
          ? nothing
          : html`<button type="button" class="ghost close" aria-label=${`Close ${name}`} @click=${() => model.closeTab(session.id)}>
            ${icon('x')}
          </button>`
      }`;
  }

  #nothingOpen(): TemplateResult {
    return html`<div class="wait">
      <p>${icon('headset')}</p>
      <p>No session is open. Make one and give the PIN to your customer, or pick up who is waiting.</p>
      <button type="button" class="primary" @click=${() => this.#open('new')}>${icon('plus')}New session</button>
      <p class="hint">Press <kbd>?</kbd> for the keyboard shortcuts.</p>
    </div>`;
  }

  #dialog(): TemplateResult | typeof nothing {
    const { model, settings, attention } = this;
    const session = model.shown;
    const done = () => {
      this.dialog = null;
    };
    switch (this.dialog) {
      case 'new':
        return html`<new-session-dialog .model=${model} @done=${done}></new-session-dialog>`;
      case 'settings':
        return html`<settings-dialog .settings=${settings} .attention=${attention} @done=${done}></settings-dialog>`;
      case 'shortcuts':
        return html`<shortcuts-dialog @done=${done}></shortcuts-dialog>`;
      case 'replies':
        return html`<replies-dialog .model=${model} @done=${done}></replies-dialog>`;
      case 'end':
        return (
          (session && html`<end-dialog .model=${model} .session=${session} @done=${done}></end-dialog>`) || nothing
        );
      case 'transfer':
        return (
          (session && html`<transfer-dialog .model=${model} .session=${session} @done=${done}></transfer-dialog>`) ||
          nothing
        );
      case null:
        return nothing;
    }
  }

  #toast({ id, isBad, text, hint, code }: Toast): TemplateResult {
    return html`<div class="notice ${isBad ? 'bad' : 'good'}">
      <strong>${text}</strong>${hint === '' ? nothing : html`<span>${hint}</span>`}
      ${code === '' ? nothing : html`<code>${code}</code>`}
      <button type="button" class="ghost small" aria-label="Dismiss" @click=${() => this.model.dismiss(id)}>${icon('x')}</button>
    </div>`;
  }

  #open(dialog: DialogName): void {
    this.dialog = dialog;
  }

  #setStatus = (event: Event) => {
    const { target } = event;
    if (!(target instanceof HTMLSelectElement)) return;
    const status = statusNames.find(name => name === target.value);
    if (status !== undefined) void this.model.setStatus(status);
  };

  #pressed = (event: KeyboardEvent) => {
    if (this.dialog !== null || !this.model.isUsable) return;
    const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
    const command = commandOf(event, isTyping);
    if (command === null) return;
    event.preventDefault();
    this.#do(command);
  };

  async #write(): Promise<void> {
    const view = this.querySelector<SessionViewElement>('session-view');
    view?.showChat();
    await view?.updateComplete;
    this.querySelector<HTMLElement>('#message')?.focus();
  }

  #do(command: Command): void {
    const { model } = this;
    const { shown, nextWaiting } = model;
    switch (command) {
      case 'help':
        this.#open('shortcuts');
        break;
      case 'new-session':
        this.#open('new');
        break;
      case 'pick-up-next':
        if (nextWaiting !== undefined) void model.move(nextWaiting.id, 'pick-up');
        break;
      case 'next-tab':
        model.step(1);
        break;
      case 'previous-tab':
        model.step(-1);
        break;
      case 'hold-or-resume':
        if (shown?.view.state === 'active') void model.move(shown.id, 'hold');
        else if (shown?.view.state === 'on-hold') void model.move(shown.id, 'resume');
        break;
      case 'end':
        if (shown !== null && !shown.isOver) this.#open('end');
        break;
      case 'write':
        void this.#write();
        break;
      case 'picture':
        this.querySelector<ScreenPane>('screen-pane')?.focusPicture();
        break;
      case 'pointer':
        this.querySelector<ScreenPane>('screen-pane')?.flipPointer();
        break;
      case 'queues':
        this.querySelector<HTMLElement>('.queues button[aria-pressed="true"]')?.focus();
        break;
    }
  }
}

customElements.define('support-console', SupportConsole);
