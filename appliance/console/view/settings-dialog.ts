// What a technician can set for this browser.
import { html, type TemplateResult } from 'lit';
import type { Attention } from '../attention.ts';
import type { Density, Settings, Theme } from '../settings.ts';
import { DialogElement } from './dialog-element.ts';

const themes: readonly (readonly [Theme, string])[] = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];
const densities: readonly (readonly [Density, string])[] = [
  ['compact', 'Compact: more on the screen'],
  ['roomy', 'Roomy: larger text'],
];

export class SettingsDialog extends DialogElement {
  static override properties = {
    settings: { attribute: false },
    attention: { attribute: false },
    isRefused: { state: true },
  };
  declare settings: Settings;
  declare attention: Attention;
  declare isRefused: boolean;

  constructor() {
    super();
    this.isRefused = false;
  }

  override get heading(): string {
    return 'Settings';
  }

  override body(): TemplateResult {
    const { sounds, notifications, theme, density } = this.settings.values;
    return html`<p class="hint">For this browser only.</p>
      <div class="field">
        <label class="tick"
          ><input type="checkbox" data-first .checked=${sounds} @change=${() => this.#set({ sounds: !sounds })} />
          Sounds</label
        >
        <label class="tick"
          ><input type="checkbox" .checked=${notifications} @change=${this.#switchNotifications} /> Desktop
          notifications, without what was written</label
        >
        ${this.isRefused ? html`<p class="error" role="alert">The browser does not allow notifications here.</p>` : ''}
      </div>
      ${this.#choice('Colours', 'theme', themes, theme, value => this.#set({ theme: value }))}
      ${this.#choice('Density', 'density', densities, density, value => this.#set({ density: value }))}
      <div class="row end"><button class="primary" @click=${() => this.close()}>Done</button></div>`;
  }

  #choice<T extends string>(
    legend: string,
    name: string,
    choices: readonly (readonly [T, string])[],
    chosen: T,
    set: (value: T) => void,
  ): TemplateResult {
    return html`<fieldset class="field">
      <legend>${legend}</legend>
      ${choices.map(
        ([value, words]) =>
          html`<label class="tick"
            ><input type="radio" name=${name} .checked=${value === chosen} @change=${() => set(value)} /> ${words}</label
          >`,
      )}
    </fieldset>`;
  }

  #set(change: Parameters<Settings['set']>[0]): void {
    this.settings.set(change);
    this.requestUpdate();
  }

  #switchNotifications = async () => {
    const isOn = !this.settings.values.notifications;
    const isAllowed = isOn && (await this.attention.allowNotifications());
    this.isRefused = isOn && !isAllowed;
    this.#set({ notifications: isAllowed });
  };
}

customElements.define('settings-dialog', SettingsDialog);
