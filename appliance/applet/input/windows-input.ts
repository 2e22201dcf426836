// The technician's hands on a Windows desktop.
import type { Clock } from '../../clock.ts';
import type { DesktopInput, InputListener, InputSink, PointerInput } from '../../customer-core/input-sink.ts';
import type { WindowsInputCalls } from '../ffi-windows.ts';
import { CustomerPriority } from './customer-priority.ts';
import { PointerWatch } from './pointer-watch.ts';
import { keyId, SkippedKeys } from './skipped-keys.ts';
import { BUTTON_COUNT, buttonInput, INPUT_BYTES, moveInput, type RawWindowsInput } from './windows-events.ts';
import { WindowsKeyboard } from './windows-keyboard.ts';
import type { WindowsMessages } from './windows-messages.ts';

const METRIC = { swapped: 23, left: 76, top: 77, width: 78, height: 79 } as const; // SM_SWAPBUTTON, SM_XVIRTUALSCREEN …
const KEY = { shift: 0x10, control: 0x11, stop: 0x77 } as const; // F8

export class WindowsInput implements InputSink {
  /** Seen in raw input, so no other program can take it. */
  readonly stopKey = 'Ctrl + Shift + F8';
  readonly #calls: WindowsInputCalls;
  readonly #keyboard: WindowsKeyboard;
  readonly #messages: WindowsMessages;
  readonly #priority: CustomerPriority;
  readonly #pointerWatch: PointerWatch;
  readonly #skipped = new SkippedKeys();
  readonly #modifiers = new Set<number>();
  #listener: InputListener | null = null;
  /** Bits as in RFC 6143. */
  #pressed = 0;
  #skippedButtons = 0;
  #isClosed = false;

  /** @throws ApplianceError `input.unavailable` */
  constructor(clock: Clock, calls: WindowsInputCalls, messages: WindowsMessages) {
    this.#calls = calls;
    this.#keyboard = new WindowsKeyboard(calls);
    this.#messages = messages;
    this.#priority = new CustomerPriority({ clock, changed: state => this.#turn(state) });
    this.#pointerWatch = new PointerWatch(
      clock,
      () => this.#pointerPlace(),
      ({ x, y }) => this.#listener?.pointer(x, y),
    );
    messages.onRawInput(input => this.#told(input));
  }

  listen(listener: InputListener): void {
    this.#listener = listener;
  }

  inject(input: DesktopInput): boolean {
    if (this.#isClosed) return false;
    this.#messages.poll();
    if (this.#priority.isCustomers) {
      if (input.type === 'pointer') this.#skippedButtons = input.buttons;
      else this.#skipped.skip(keyId(input), input.down);
      return false;
    }
    if (input.type === 'pointer') this.#move(input);
    else if (this.#skipped.drops(input)) return false;
    else if (input.down) this.#keyboard.press(input);
    else this.#keyboard.release(input);
    return true;
  }

  releaseKeys(): void {
    if (this.#isClosed) return;
    this.#keyboard.releaseAll();
    this.#skippedButtons |= this.#pressed;
    this.#press(0);
  }

  /** Not there on Windows yet. */
  point(): void {
    return;
  }

  close(): void {
    if (this.#isClosed) return;
    this.releaseKeys();
    this.#isClosed = true;
    this.#priority.close();
    this.#pointerWatch.close();
  }

  #pointerPlace(): { x: number; y: number } {
    const place = Buffer.alloc(8); // POINT
    if (this.#calls.GetCursorPos(place) === 0) throw new Error('no desktop to ask');
    const { left, top } = METRIC;
    const [x, y] = [place.readInt32LE(0), place.readInt32LE(4)];
    return { x: x - this.#calls.GetSystemMetrics(left), y: y - this.#calls.GetSystemMetrics(top) };
  }

  #move({ x, y, buttons }: PointerInput): void {
    const { width, height } = METRIC;
    this.#send([moveInput(x, y, this.#calls.GetSystemMetrics(width), this.#calls.GetSystemMetrics(height))]);
    this.#skippedButtons &= buttons;
    this.#press(buttons & ~this.#skippedButtons);
  }

  #press(buttons: number): void {
    const swapped = this.#calls.GetSystemMetrics(METRIC.swapped) !== 0;
    const changed = this.#pressed ^ buttons;
    this.#pressed = buttons;
    const all = Array.from({ length: BUTTON_COUNT }, (_, at) => at).filter(at => changed & (1 << at));
    this.#send(all.flatMap(at => buttonInput((buttons & (1 << at)) !== 0, at, swapped) ?? []));
  }

  #send(inputs: readonly Buffer[]): void {
    if (inputs.length > 0) this.#calls.SendInput(inputs.length, Buffer.concat(inputs), INPUT_BYTES);
  }

  #told(input: RawWindowsInput): void {
    if (input.type === 'key') {
      if (input.down) this.#modifiers.add(input.virtualKey);
      else this.#modifiers.delete(input.virtualKey);
    }
    if (input.isOurs || this.#isClosed) return;
    if (input.type === 'mouse') {
      for (const button of input.pressed) this.#priority.pressed(button);
      for (const button of input.released) this.#priority.released(button);
      if (input.distance > 0) {
        this.#priority.moved(input.distance);
        this.#pointerWatch.moved();
      }
      return;
    }
    const key = `key ${input.virtualKey}`;
    if (input.down) this.#priority.pressed(key);
    else this.#priority.released(key);
    const isStop = input.virtualKey === KEY.stop && this.#modifiers.has(KEY.control) && this.#modifiers.has(KEY.shift);
    if (input.down && isStop) this.#listener?.stopKey();
  }

  #turn(state: 'on' | 'customer-input'): void {
    if (state === 'customer-input') {
      for (const id of this.#keyboard.heldKeys) this.#skipped.skip(id, true);
      this.releaseKeys();
    }
    this.#listener?.state(state);
  }
}
