// What the customer does with his own mouse and keyboard, on X11: every raw event that is not one of ours, also of another
// program that types for him (an on-screen keyboard). Raw events come whoever has a grab, so the key that stops everything
// works beside an open menu, and no other program can have taken it.
import type { XEvent, XInput, Xkb } from 'x11';
import type { CustomerPriority } from './customer-priority.ts';
import { CONTROL, type KeyboardMap, SHIFT } from './keyboard-map.ts';
import type { OwnEvents } from './own-events.ts';
import { parseRawInput, type RawInput } from './raw-input.ts';

/** With Ctrl and Shift. */
const STOP_KEYSYM = 0xffc5; // F8
const STATE_NOTIFY = 2;

export interface CustomerInputOptions {
  readonly xinput: XInput;
  readonly xkb: Xkb;
  /** Numbers of XTEST's devices. */
  readonly xtestDevices: readonly number[];
  readonly own: OwnEvents;
  readonly priority: CustomerPriority;
  readonly map: () => KeyboardMap;
  readonly stopKey: () => void;
  readonly moved: () => void;
}

export class CustomerInput {
  readonly #options: CustomerInputOptions;
  #modifiers: number;

  /** @param modifiers that hold now */
  constructor(options: CustomerInputOptions, modifiers: number) {
    this.#options = options;
    this.#modifiers = modifiers;
  }

  /** To be given every event of the connection. */
  see(event: XEvent): void {
    const { xinput, xkb, own, xtestDevices } = this.#options;
    const { rawData } = event;
    if ((rawData.readUInt8(0) & 0x7f) === xkb.firstEvent) {
      if (rawData.readUInt8(1) === STATE_NOTIFY) this.#modifiers = rawData.readUInt8(9);
      return;
    }
    const raw = parseRawInput(event, xinput);
    if (raw === null) return;
    if (raw.kind !== 'touch' && xtestDevices.includes(raw.source) && own.isOurs(raw.kind, raw.detail, event.seq))
      return;
    this.#customerDid(raw);
  }

  #customerDid({ kind, detail, distance }: RawInput): void {
    const { priority, moved } = this.#options;
    const button = `${kind.startsWith('key') ? 'key' : 'button'} ${detail}`;
    if (kind === 'motion' || kind === 'touch') moved();
    if (kind === 'motion') priority.moved(distance);
    else if (kind === 'touch') priority.used();
    else if (kind.endsWith('release')) priority.released(button);
    else priority.pressed(button);
    if (kind === 'key-press') this.#lookForStopKey(detail);
  }

  #lookForStopKey(keycode: number): void {
    const isStop = this.#options.map().keysymOf(keycode, { group: 0, mods: 0 }) === STOP_KEYSYM;
    if (isStop && this.#modifiers & CONTROL && this.#modifiers & SHIFT) this.#options.stopKey();
  }
}
