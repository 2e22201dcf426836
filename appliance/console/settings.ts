// What a technician likes, kept in this browser. Nothing about customers is ever kept here.
import { Changes } from './changes.ts';

export type Theme = 'system' | 'light' | 'dark';
export type Density = 'compact' | 'roomy';

export interface SettingValues {
  readonly sounds: boolean;
  readonly notifications: boolean;
  readonly density: Density;
  readonly theme: Theme;
}

const KEY = 'console.settings';
/** Shared with the portal's other pages, which set it before they are painted. */
const THEME_KEY = 'theme';
const defaults: SettingValues = { sounds: true, notifications: false, density: 'compact', theme: 'system' };

/** The part of `localStorage` that is used. */
export interface Memory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export class Settings {
  readonly changes = new Changes();
  readonly #memory: Memory;
  #values: SettingValues;

  constructor(memory: Memory) {
    this.#memory = memory;
    const theme = memory.getItem(THEME_KEY);
    this.#values = {
      ...readSettings(memory.getItem(KEY)),
      theme: theme === 'light' || theme === 'dark' ? theme : 'system',
    };
  }

  get values(): SettingValues {
    return this.#values;
  }

  set(change: Partial<SettingValues>): void {
    this.#values = { ...this.#values, ...change };
    const { theme, ...rest } = this.#values;
    this.#memory.setItem(KEY, JSON.stringify(rest));
    if (theme === 'system') this.#memory.removeItem(THEME_KEY);
    else this.#memory.setItem(THEME_KEY, theme);
    this.changes.tell();
  }
}

/** Whatever does not fit any more is what it is at first. */
export function readSettings(text: string | null): SettingValues {
  const kept = parse(text);
  const flag = (name: 'sounds' | 'notifications') => {
    const value = kept.get(name);
    return typeof value === 'boolean' ? value : defaults[name];
  };
  const density = kept.get('density') === 'roomy' ? 'roomy' : defaults.density;
  return { ...defaults, sounds: flag('sounds'), notifications: flag('notifications'), density };
}

function parse(text: string | null): ReadonlyMap<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
  } catch {
    return new Map(); // somebody wrote into it by hand
  }
}
