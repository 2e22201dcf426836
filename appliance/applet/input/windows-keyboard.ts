// Types on Windows what the technician typed: the key of the customer's own layout where it types this with what is held,
// else the character as such, which Windows takes beside any layout.
import type { KeyInput } from '../../customer-core/input-sink.ts';
import type { WindowsInputCalls } from '../ffi-windows.ts';
import { keyId } from './skipped-keys.ts';
import { characterInputs, INPUT_BYTES, keyInput, scanCodeInput } from './windows-events.ts';
import { characterOf, virtualKeyOf } from './windows-keys.ts';

const MAX_HELD = 64;
const VIRTUAL = { shift: 0x10, control: 0x11, alt: 0x12, capsLock: 0x14, windows: [0x5b, 0x5c] } as const;
/** Bits of VkKeyScanEx, and their keys. */
const MODIFIERS = [
  [1, VIRTUAL.shift],
  [2, VIRTUAL.control],
  [4, VIRTUAL.alt],
] as const;
/** Of ToUnicodeEx; the last one since Windows 10 of 2016. */
const KEY_STATES = 256;
const DOWN = 0x80;
const MAX_TYPED = 4;
const KEEP_DEAD_KEYS = 4;
/** Of MapVirtualKey: scan code → key, key → scan code, key → character. */
const MAP = { toKey: 3, toScanCode: 4, toCharacter: 2 } as const;
/** The characters say what AltGr made of them; held, it would make a menu command of what Windows types as such. */
const ALT_GR = 0xfe03;

/** What is down: a key, or a place on the keyboard. */
type Down = { readonly virtualKey: number; readonly scanCode: number } | { readonly place: number };

export class WindowsKeyboard {
  readonly #calls: WindowsInputCalls;
  readonly #held = new Map<string, Down>();

  constructor(calls: WindowsInputCalls) {
    this.#calls = calls;
  }

  get heldKeys(): string[] {
    return [...this.#held.keys()];
  }

  press(input: KeyInput): void {
    const { keysym, scanCode } = input;
    const virtualKey = virtualKeyOf(keysym);
    const character = characterOf(keysym);
    if (keysym === ALT_GR) return;
    if (virtualKey !== undefined) this.#hold(input, this.#key(virtualKey));
    else if (character !== undefined) this.#type(input, character);
    else if (keysym === 0 && this.#isWorthPressing(scanCode)) this.#hold(input, { place: scanCode });
  }

  release(input: KeyInput): void {
    const id = keyId(input);
    const down = this.#held.get(id);
    this.#held.delete(id);
    if (down !== undefined) this.#send([write(false, down)]);
  }

  releaseAll(): void {
    this.#send([...this.#held.values()].map(down => write(false, down)));
    this.#held.clear();
  }

  #type(input: KeyInput, character: string): void {
    const found = this.#find(character);
    const isShortcut = this.#isShortcut();
    if (found !== null && (isShortcut || this.#fitsWhatIsHeld(character, found.needs))) {
      this.#hold(input, this.#key(found.virtualKey));
    } else if (isShortcut && input.scanCode !== 0) {
      this.#hold(input, { place: input.scanCode });
    } else {
      this.#send(characterInputs(character));
    }
  }

  /** A browser's dead key or input method has no keysym, and what is composed comes afterwards, whole. */
  #isWorthPressing(scanCode: number): boolean {
    const place = scanCode & 0x80 ? 0xe000 | (scanCode & 0x7f) : scanCode;
    const key = this.#calls.MapVirtualKeyW(place, MAP.toKey);
    return key !== 0 && (this.#isShortcut() || this.#calls.MapVirtualKeyW(key, MAP.toCharacter) === 0);
  }

  /** The key of the customer's layout, and what must be held with it. */
  #find(character: string): { readonly virtualKey: number; readonly needs: number } | null {
    const layout = this.#layout();
    const found = character.length > 1 ? -1 : this.#calls.VkKeyScanExW(character.charCodeAt(0), layout);
    if (found === -1) return null;
    const [virtualKey, needs] = [found & 0xff, (found >> 8) & 7];
    // Some systems name a key that types something like it.
    const [state, typed] = [Buffer.alloc(KEY_STATES), Buffer.alloc(2 * MAX_TYPED)];
    for (const [bit, key] of MODIFIERS) if (needs & bit) state[key] = DOWN;
    const count = this.#calls.ToUnicodeEx(virtualKey, 0, state, typed, MAX_TYPED, KEEP_DEAD_KEYS, layout);
    return count === 1 && typed.toString('utf16le', 0, 2) === character ? { virtualKey, needs } : null;
  }

  #fitsWhatIsHeld(character: string, needs: number): boolean {
    const held = MODIFIERS.reduce((all, [bit, key]) => (this.#isDown(key) ? all | bit : all), 0);
    const isLetter = character.toLowerCase() !== character.toUpperCase();
    return held === needs && !(isLetter && this.#calls.GetKeyState(VIRTUAL.capsLock) & 1);
  }

  #isShortcut(): boolean {
    return [VIRTUAL.control, VIRTUAL.alt, ...VIRTUAL.windows].some(key => this.#isDown(key));
  }

  #isDown(virtualKey: number): boolean {
    return this.#calls.GetAsyncKeyState(virtualKey) < 0;
  }

  /** Of the program in front. */
  #layout(): bigint {
    const thread = this.#calls.GetWindowThreadProcessId(this.#calls.GetForegroundWindow(), null);
    return this.#calls.GetKeyboardLayout(thread);
  }

  #key(virtualKey: number): Down {
    return { virtualKey, scanCode: this.#calls.MapVirtualKeyW(virtualKey & 0xff, MAP.toScanCode) & 0xff };
  }

  #hold(input: KeyInput, down: Down): void {
    const id = keyId(input);
    if (!this.#held.has(id) && this.#held.size >= MAX_HELD) return;
    this.#held.set(id, down);
    this.#send([write(true, down)]);
  }

  #send(inputs: readonly Buffer[]): void {
    if (inputs.length > 0) this.#calls.SendInput(inputs.length, Buffer.concat(inputs), INPUT_BYTES);
  }
}

function write(isDown: boolean, down: Down): Buffer {
  return 'place' in down ? scanCodeInput(isDown, down.place) : keyInput(isDown, down.virtualKey, down.scanCode);
}
