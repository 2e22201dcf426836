// The base of the console's components. They stand in the page itself, without shadow roots: one style sheet, one set of
// icons, and labels that reach across components.
import { LitElement, type PropertyValues } from 'lit';
import type { Cancel } from '../../clock.ts';
import type { Changes } from '../changes.ts';

export abstract class ConsoleElement extends LitElement {
  override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** Draws itself anew whenever its model changes. */
export abstract class ModelElement<M extends { readonly changes: Changes }> extends ConsoleElement {
  static override properties = { model: { attribute: false } };
  declare model: M;
  #watched: M | null = null;
  #stop: Cancel = () => undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.#watch();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop();
    this.#watched = null;
  }

  override willUpdate(_changed: PropertyValues): void {
    this.#watch();
  }

  #watch(): void {
    if (this.#watched === this.model) return;
    this.#stop();
    this.#watched = this.model;
    this.#stop = this.model.changes.on(() => this.requestUpdate());
  }
}

/** Calls each second while the element is in the page, for what counts up or down. */
export class Ticking {
  readonly #element: LitElement;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(element: LitElement) {
    this.#element = element;
    element.addController(this);
  }

  hostConnected(): void {
    this.#timer = setInterval(() => this.#element.requestUpdate(), 1000);
  }

  hostDisconnected(): void {
    clearInterval(this.#timer);
  }
}
