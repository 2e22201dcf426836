// Keyboard shortcuts: one table for what they do and what the help overlay says. With Alt, and by the key's place, so that
// they work while a message is written and on every layout; none of them is a browser's menu.

export type Command =
  | 'help'
  | 'new-session'
  | 'pick-up-next'
  | 'next-tab'
  | 'previous-tab'
  | 'hold-or-resume'
  | 'end'
  | 'write'
  | 'picture'
  | 'pointer'
  | 'queues';

export interface Shortcut {
  readonly command: Command | null;
  readonly keys: readonly string[];
  readonly words: string;
  /** `KeyboardEvent.code` with Alt; null for what is handled where it is typed. */
  readonly code: string | null;
}

export const shortcuts: readonly Shortcut[] = [
  { command: 'new-session', keys: ['Alt', 'N'], code: 'KeyN', words: 'New session' },
  { command: 'pick-up-next', keys: ['Alt', 'P'], code: 'KeyP', words: 'Pick up who has waited longest' },
  { command: 'next-tab', keys: ['Alt', 'J'], code: 'KeyJ', words: 'Next session' },
  { command: 'previous-tab', keys: ['Alt', 'K'], code: 'KeyK', words: 'Session before' },
  { command: 'write', keys: ['Alt', 'M'], code: 'KeyM', words: 'Write a message' },
  {
    command: 'picture',
    keys: ['Alt', 'I'],
    code: 'KeyI',
    words: 'To the picture: keys go to the customer from then on',
  },
  {
    ...{ command: null, keys: ['Ctrl', 'Alt', 'Shift', 'Esc'], code: null },
    words: 'From the picture back to the console',
  },
  { command: 'pointer', keys: ['Alt', 'L'], code: 'KeyL', words: 'Pointer on the customer’s screen, on or off' },
  { command: 'queues', keys: ['Alt', 'Q'], code: 'KeyQ', words: 'To the queues' },
  { command: 'hold-or-resume', keys: ['Alt', 'O'], code: 'KeyO', words: 'Hold, or resume' },
  { command: 'end', keys: ['Alt', 'X'], code: 'KeyX', words: 'End the session (asks first)' },
  { command: null, keys: ['Enter'], code: null, words: 'Send the message' },
  { command: null, keys: ['Shift', 'Enter'], code: null, words: 'New line in the message' },
  { command: null, keys: ['/'], code: null, words: 'Predefined replies, at the start of a message' },
  { command: null, keys: ['Esc'], code: null, words: 'Close what is open' },
  { command: 'help', keys: ['?'], code: null, words: 'This overview' },
];

export interface PressedKey {
  readonly code: string;
  readonly key: string;
  readonly altKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly repeat: boolean;
}

/** @param isTyping whether the focus is where text is typed: a `?` is then a question mark */
export function commandOf(pressed: PressedKey, isTyping: boolean): Command | null {
  const { code, key, altKey, ctrlKey, metaKey } = pressed;
  if (pressed.repeat || ctrlKey || metaKey) return null;
  if (key === '?' && !altKey) return isTyping ? null : 'help';
  if (!altKey) return null;
  return shortcuts.find(shortcut => shortcut.code === code)?.command ?? null;
}
