// Keys a technician's own computer keeps for itself, to be sent from a menu, and those he puts together himself. Keysyms
// are X11's (keysymdef.h); places of keys are those of `KeyboardEvent.code`.
import type { ViewerKey } from './screen-viewer.ts';

const key = (keysym: number, code: string): ViewerKey => ({ keysym, code });

export const modifiers = {
  Ctrl: key(0xffe3, 'ControlLeft'),
  Alt: key(0xffe9, 'AltLeft'),
  Shift: key(0xffe1, 'ShiftLeft'),
  Win: key(0xffeb, 'MetaLeft'),
} as const;

export type Modifier = keyof typeof modifiers;
export const modifierNames: readonly Modifier[] = ['Ctrl', 'Alt', 'Shift', 'Win'];

const named = {
  Esc: key(0xff1b, 'Escape'),
  Tab: key(0xff09, 'Tab'),
  Enter: key(0xff0d, 'Enter'),
  Space: key(0x20, 'Space'),
  Backspace: key(0xff08, 'Backspace'),
  Delete: key(0xffff, 'Delete'),
  Insert: key(0xff63, 'Insert'),
  Home: key(0xff50, 'Home'),
  End: key(0xff57, 'End'),
  'Page up': key(0xff55, 'PageUp'),
  'Page down': key(0xff56, 'PageDown'),
  Left: key(0xff51, 'ArrowLeft'),
  Up: key(0xff52, 'ArrowUp'),
  Right: key(0xff53, 'ArrowRight'),
  Down: key(0xff54, 'ArrowDown'),
  Print: key(0xff61, 'PrintScreen'),
  Pause: key(0xff13, 'Pause'),
  Menu: key(0xff67, 'ContextMenu'),
} as const;

const letters = [...'abcdefghijklmnopqrstuvwxyz'];
const functions = Array.from({ length: 12 }, (_, at) => at + 1);

/** What a combination may end with, by its name. */
export const endKeys: ReadonlyMap<string, ViewerKey> = new Map<string, ViewerKey>([
  ...Object.entries(named),
  ...functions.map((n): [string, ViewerKey] => [`F${n}`, key(0xffbd + n, `F${n}`)]),
  // No place: the customer's layout says where a letter is, and his program finds it.
  ...letters.map((letter): [string, ViewerKey] => [letter.toUpperCase(), key(letter.charCodeAt(0), '')]),
  ...[...'0123456789'].map((digit): [string, ViewerKey] => [digit, key(digit.charCodeAt(0), '')]),
]);

export interface Combination {
  readonly words: string;
  readonly keys: readonly ViewerKey[];
}

/** @throws TypeError for a key that has no such name: ours */
export function combination(held: readonly Modifier[], name: string | null): Combination {
  const last = name === null ? [] : [endKeys.get(name)];
  const keys = [...held.map(modifier => modifiers[modifier]), ...last];
  const known = keys.filter(one => one !== undefined);
  if (known.length !== keys.length) throw new TypeError(`no key is called ${name}`);
  return { words: [...held, ...(name === null ? [] : [name])].join(' + '), keys: known };
}

export const usualCombinations: readonly Combination[] = [
  combination(['Ctrl', 'Alt'], 'Delete'),
  combination(['Win'], null),
  combination(['Win'], 'L'),
  combination(['Win'], 'R'),
  combination(['Alt'], 'Tab'),
  combination(['Alt'], 'F4'),
  combination(['Ctrl', 'Shift'], 'Esc'),
  combination([], 'Print'),
];

/** The part of the Keyboard Map API (WICG) that is used; not every browser has it. */
export interface KeyboardLayout {
  get(code: string): string | undefined;
}

/** What stands on the keys that layouts differ in; null where the browser does not tell. */
export function layoutName(layout: KeyboardLayout | null): string | null {
  const row = ['KeyQ', 'KeyW', 'KeyE', 'KeyR', 'KeyT', 'KeyY'].map(code => layout?.get(code) ?? '').join('');
  return row === '' ? null : row.toUpperCase();
}
