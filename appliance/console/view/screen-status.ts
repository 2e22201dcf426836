// The line below the picture: where keys go, and how well the picture comes.
import { html, type TemplateResult } from 'lit';
import { rateWords } from '../screen-words.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { ModelElement, Ticking } from './model-element.ts';

interface Reading {
  readonly at: number;
  readonly bytes: number;
  readonly frames: number;
}

const LEAST_MS = 500;

export class ScreenStatus extends ModelElement<TechnicianSession> {
  static override properties = {
    ...ModelElement.properties,
    ...{ isTyping: { attribute: false }, isPointing: { attribute: false } },
  };
  declare isTyping: boolean;
  declare isPointing: boolean;
  #last: Reading | null = null;
  #rates = { bytes: 0, frames: 0 };

  constructor() {
    super();
    new Ticking(this);
  }

  override render(): TemplateResult {
    this.#read();
    const { screen, link } = this.model;
    const path = link.paths.find(({ active }) => active);
    const way = path === undefined ? 'no path' : path.gateway === null ? path.kind : `${path.kind}, ${path.gateway}`;
    const { shown } = screen;
    return html`<footer class="screen-status">
      <span class="keys-go" data-testid="keys-go">${this.#keysGo()}</span>
      <span class="grow"></span>
      <span class="picture-size" title="Size of the picture">${shown === null ? '' : `${shown.width} × ${shown.height}`}</span>
      <span title="Round trip">${path?.roundTripMs == null ? '–' : `${path.roundTripMs} ms`}</span>
      <span title="Pictures a second">${this.#rates.frames.toFixed(0)} fps</span>
      <span title="Picture data">${rateWords(this.#rates.bytes)}</span>
      <span title="Path of the connection">${way}</span>
    </footer>`;
  }

  #keysGo(): TemplateResult | string {
    const { screen } = this.model;
    if (this.isPointing) return 'Your mouse points: the customer sees a spot, and nothing is clicked.';
    if (screen.live === null) return '';
    if (screen.input === 'off') return 'View only: your keys and your mouse stay here.';
    if (screen.input !== 'on') return 'Your keys and your mouse don’t reach the customer just now.';
    if (!this.isTyping) return 'Click the picture to type there.';
    return html`Keys go to the customer. Back: <kbd>Ctrl</kbd><kbd>Alt</kbd><kbd>Shift</kbd><kbd>Esc</kbd>`;
  }

  #read(): void {
    const { bytes, frames } = this.model.screen;
    const at = performance.now();
    const last = this.#last;
    if (last !== null && at - last.at < LEAST_MS) return;
    this.#last = { at, bytes, frames };
    if (last === null || bytes < last.bytes) return; // another session is shown now
    const seconds = (at - last.at) / 1000;
    this.#rates = { bytes: (bytes - last.bytes) / seconds, frames: (frames - last.frames) / seconds };
  }
}

customElements.define('screen-status', ScreenStatus);
