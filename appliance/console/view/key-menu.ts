// Of the picture's bar: combinations this computer keeps for itself, one put together by hand, and how keys arrive.
import { html, nothing, type TemplateResult } from 'lit';
import {
  type Combination,
  combination,
  endKeys,
  type KeyboardLayout,
  layoutName,
  modifierNames,
  usualCombinations,
} from '../key-combinations.ts';
import { closeDropDown, dropDown } from './drop-down.ts';
import { ConsoleElement } from './model-element.ts';

export class KeyMenu extends ConsoleElement {
  static override properties = { isDisabled: { attribute: false }, layout: { state: true } };
  declare isDisabled: boolean;
  declare layout: string | null;

  constructor() {
    super();
    this.isDisabled = false;
    this.layout = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#readLayout();
  }

  override render(): TemplateResult {
    return dropDown(
      { id: 'key-menu', icon: 'keyboard', words: 'Keys', isDisabled: this.isDisabled },
      html`<ul class="combinations">
          ${usualCombinations.map(
            one => html`<li>
              <button type="button" class="small" @click=${(event: Event) => this.#press(one, event)}>${keyCaps(one)}</button>
            </li>`,
          )}
        </ul>
        <form class="combine" @submit=${this.#combine}>
          <fieldset>
            <legend>Another one</legend>
            ${modifierNames.map(
              name => html`<label class="tick"><input type="checkbox" name="held" value=${name} /> ${name}</label>`,
            )}
          </fieldset>
          <label class="sr" for="last-key">Key</label>
          <select id="last-key" name="last">
            ${[...endKeys.keys()].map(name => html`<option value=${name}>${name}</option>`)}
          </select>
          <button class="small primary">Press</button>
        </form>
        <form class="type-text" @submit=${this.#type}>
          <label class="sr" for="type-text">Text to type</label>
          <input id="type-text" name="text" autocomplete="off" placeholder="A text to type there" />
          <button class="small">Type</button>
        </form>
        ${this.#notice()}`,
    );
  }

  #notice(): TemplateResult {
    return html`<p class="hint">
      ${this.layout === null ? nothing : html`Your keyboard is <b>${this.layout}</b>. `}Letters and signs arrive as you
      type them, whatever keyboard the customer has. What your own computer keeps for itself is in this menu; in full
      screen it keeps less.
    </p>`;
  }

  #press(keys: Combination, { target }: Event): void {
    closeDropDown(target);
    this.dispatchEvent(new CustomEvent<Combination>('press', { detail: keys }));
  }

  #combine = (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const said = new FormData(event.target);
    const held = modifierNames.filter(name => said.getAll('held').includes(name));
    this.#press(combination(held, String(said.get('last') ?? '')), event);
  };

  /** Not kept: it may be a password. */
  #type = (event: SubmitEvent) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const text = String(new FormData(event.target).get('text') ?? '');
    event.target.reset();
    closeDropDown(event.target);
    this.dispatchEvent(new CustomEvent<string>('type', { detail: text }));
  };

  async #readLayout(): Promise<void> {
    const { keyboard } = navigator as { keyboard?: { getLayoutMap(): Promise<KeyboardLayout> } };
    this.layout = layoutName((await keyboard?.getLayoutMap()) ?? null);
  }
}

function keyCaps({ words }: Combination): readonly TemplateResult[] {
  return words.split(' + ').map(name => html`<kbd>${name}</kbd>`);
}

customElements.define('key-menu', KeyMenu);
