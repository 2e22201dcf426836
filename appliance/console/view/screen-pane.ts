// The customer's screen in one session: bar, picture, and a line that says what goes on. What is typed goes to the picture
// or to the console, never to both; the frame and the line say which.
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { Combination } from '../key-combinations.ts';
import {
  CLIPBOARD,
  inputNotice,
  type ScreenNotice,
  type ScreenRemedy,
  screenNotice,
  VIEWING,
} from '../screen-words.ts';
import type { TechnicianSession } from '../technician-session.ts';
import type { Workplace } from '../workplace.ts';
import { icon } from './icon.ts';
import { ModelElement } from './model-element.ts';
import { type ScreenBarState, type ScreenSwitch, screenBar } from './screen-bar.ts';
import './screen-status.ts';

const remedyWords: Readonly<Record<ScreenRemedy, string>> = {
  ask: 'Ask again',
  withdraw: 'Take the question back',
  reopen: 'Open again',
  'put-away': 'Put the picture away',
};

/** The Keyboard Lock API (WICG): in full screen, keys the system would keep come too. */
interface KeyboardLock {
  lock(): Promise<void>;
}

export class ScreenPane extends ModelElement<TechnicianSession> {
  static override properties = {
    ...ModelElement.properties,
    ...{ workplace: { attribute: false }, layout: { attribute: false } },
    ...{ isFit: { state: true }, isFull: { state: true }, isPointing: { state: true }, isTyping: { state: true } },
  };
  declare workplace: Workplace;
  /** What stands beside the picture; the session's view holds it. */
  declare layout: Pick<ScreenBarState, 'isWide' | 'hasChat' | 'hasPanel'>;
  declare isFit: boolean;
  declare isFull: boolean;
  declare isPointing: boolean;
  /** Whether keys go to the picture. */
  declare isTyping: boolean;
  #pointed: { x: number; y: number } | null = null;

  constructor() {
    super();
    this.isFit = true;
    this.isFull = false;
    this.isPointing = false;
    this.isTyping = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('fullscreenchange', this.#fullChanged);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('fullscreenchange', this.#fullChanged);
    this.#point(null);
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (!changed.has('model')) return;
    this.isPointing = false;
    this.isTyping = false;
  }

  override updated(): void {
    const place = this.model.screen.shown?.place;
    const host = this.querySelector('.screen-host');
    if (host === null) return;
    if (!(place instanceof HTMLElement)) host.replaceChildren();
    else if (host.firstChild !== place) host.replaceChildren(place);
    this.model.screen.shown?.fit(this.isFit);
  }

  override render(): TemplateResult {
    const { model } = this;
    const { screen } = model;
    const notice = screenNotice(model);
    const waits = notice === null ? inputNotice(model) : null;
    const mode = screen.grants.control === null ? 'viewing' : 'control';
    const classes = [`screen ${mode}`, this.isTyping ? 'has-keys' : '', this.isPointing ? 'pointing' : ''].join(' ');
    return html`<section class=${classes} aria-label="The customer’s screen" data-phase=${screen.phase}>
      ${screenBar(model, this.workplace, { ...this.layout, ...this.#state() }, this.#acts)}
      <div class="stage">
        <div
          class="screen-host ${notice?.isOld === true ? 'old' : ''}"
          ?inert=${notice?.isOld === true}
          @focusin=${() => this.#typing(true)}
          @focusout=${() => this.#typing(false)}
        ></div>
        ${
          this.isPointing
            ? html`<div class="glass" @mousemove=${this.#pointing} @mouseleave=${() => this.#point(null)}></div>`
            : nothing
        }
        ${notice === null ? nothing : this.#notice(notice)}
        ${waits === null ? nothing : html`<p class="waits" role="status">${icon('pause')}${waits}</p>`}
      </div>
      <screen-status .model=${model} .isTyping=${this.isTyping} .isPointing=${this.isPointing}></screen-status>
    </section>`;
  }

  override firstUpdated(): void {
    const stage = this.querySelector('.stage');
    // Before noVNC, which keeps what it gets.
    stage?.addEventListener('keydown', this.#pressed, { capture: true });
  }

  /** Keys go to the picture from now on. */
  focusPicture(): void {
    this.model.screen.live?.focus();
  }

  flipPointer(): void {
    if (this.model.screen.live !== null) this.#flip('isPointing');
  }

  #notice({ title, text, isOld, remedies }: ScreenNotice): TemplateResult {
    return html`<div class="stage-notice ${isOld && this.model.screen.shown !== null ? 'over' : ''}" role="status">
      <p><strong>${title}</strong></p>
      <p>${text}</p>
      <div class="row">
        ${remedies.map(
          (name, at) =>
            html`<button type="button" class=${at === 0 ? 'primary' : ''} @click=${() => this.#remedy(name)}>
              ${remedyWords[name]}
            </button>`,
        )}
      </div>
    </div>`;
  }

  #state(): Pick<ScreenBarState, 'isFit' | 'isFull' | 'isPointing'> {
    return { isFit: this.isFit, isFull: this.isFull, isPointing: this.isPointing };
  }

  readonly #acts = {
    ask: (action: string) => void this.workplace.act(() => this.model.ask(action)),
    stop: (action: string) => this.#stop(action),
    flip: (what: ScreenSwitch) => this.#flip(what),
    press: (keys: Combination) => {
      this.model.screen.live?.press(keys.keys);
      this.focusPicture();
    },
    type: (text: string) => {
      this.model.screen.live?.type(text);
      this.focusPicture();
    },
    screenshot: () => void this.workplace.act(() => this.#screenshot()),
  };

  #remedy(name: ScreenRemedy): void {
    const { model } = this;
    if (name === 'ask') this.#acts.ask(VIEWING);
    else if (name === 'withdraw') this.#stop(VIEWING);
    else if (name === 'reopen') model.screen.reopen();
    else model.screen.putAway();
  }

  #stop(action: string): void {
    const live = this.model.requests.live.filter(request => request.action === action);
    // Who sees nothing moves nothing either.
    const also = action === VIEWING ? this.model.requests.live.filter(one => one.action !== CLIPBOARD) : [];
    for (const { id } of new Set([...also.filter(one => isOfScreen(one.action)), ...live])) this.model.stop(id);
  }

  #flip(what: ScreenSwitch): void {
    switch (what) {
      case 'isFit':
        this.isFit = !this.isFit;
        break;
      case 'isPointing':
        this.isPointing = !this.isPointing;
        if (!this.isPointing) this.#point(null);
        break;
      case 'isFull':
        void this.workplace.act(() => this.#flipFull());
        break;
      default:
        this.dispatchEvent(new CustomEvent<ScreenSwitch>('flip', { detail: what }));
    }
  }

  async #flipFull(): Promise<void> {
    if (document.fullscreenElement !== null) return document.exitFullscreen();
    await this.querySelector('section')?.requestFullscreen();
    const { keyboard } = navigator as { keyboard?: KeyboardLock };
    await keyboard?.lock();
    this.focusPicture();
  }

  #fullChanged = () => {
    this.isFull = document.fullscreenElement !== null && this.contains(document.fullscreenElement);
  };

  #typing(isIn: boolean): void {
    this.isTyping = isIn && this.model.screen.input !== 'off';
  }

  /** The way out for who has no mouse: without it, Tab and Esc are the customer's. */
  #pressed = (event: Event) => {
    if (!(event instanceof KeyboardEvent) || event.code !== 'Escape') return;
    if (!event.ctrlKey || !event.altKey || !event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.model.screen.live?.releaseKeys();
    this.querySelector<HTMLElement>('.screen-bar button:not([disabled])')?.focus();
  };

  #pointing = ({ clientX, clientY }: MouseEvent) => {
    this.#point(this.model.screen.live?.pixelAt(clientX, clientY) ?? null);
  };

  #point(at: { x: number; y: number } | null): void {
    const before = this.#pointed;
    this.#pointed = at;
    if (at !== null) this.model.screen.point(at.x, at.y, true);
    else if (before !== null) this.model.screen.point(before.x, before.y, false);
  }

  async #screenshot(): Promise<void> {
    const picture = await this.model.screen.shown?.picture();
    if (picture === undefined) return;
    const address = URL.createObjectURL(picture);
    const link = document.createElement('a');
    link.href = address;
    link.download = `screen-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.png`;
    link.click();
    URL.revokeObjectURL(address);
    this.workplace.say('Screenshot saved among your downloads.');
  }
}

function isOfScreen(action: string): boolean {
  return action === VIEWING || action === 'launch-remote-control';
}

customElements.define('screen-pane', ScreenPane);
