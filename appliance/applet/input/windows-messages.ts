// A window of ours that nobody sees, for what Windows tells a program: raw input of mouse and keyboard, whoever is in front,
// and whatever is said to the owner of the clipboard, who must answer for others not to wait.
// Nothing is hooked: no call of ours lies in the way of the customer's input.
import type { Cancel, Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import type { WindowsInputCalls } from '../ffi-windows.ts';
import { parseRawWindowsInput, type RawWindowsInput } from './windows-events.ts';

const POLL_MS = 15;
/** In one go; the rest comes next time. */
const MAX_MESSAGES = 1000;
const MESSAGE_ONLY = -3n; // HWND_MESSAGE
const REMOVE = 1;
const WM_INPUT = 0xff;
const RID_INPUT = 0x1000_0003;
const INPUT_SINK = 0x100;
const GENERIC_DESKTOP = 1;
const MOUSE = 2;
const KEYBOARD = 6;
const DEVICE_BYTES = 16;
const HEADER_BYTES = 24;
/** RAWINPUT of mouse or keyboard; anything larger is of another device. */
const RAW_BYTES = 64;
const MSG = { size: 48, message: 8, lParam: 24 } as const;

export class WindowsMessages {
  readonly #calls: WindowsInputCalls;
  readonly #cancel: Cancel;
  readonly #message = Buffer.alloc(MSG.size);
  readonly #raw = Buffer.alloc(RAW_BYTES);
  #told: (input: RawWindowsInput) => void = () => undefined;
  /** 0 where Windows gives none. */
  readonly window: bigint;

  constructor(calls: WindowsInputCalls, clock: Clock) {
    this.#calls = calls;
    this.window = calls.CreateWindowExW(0, wide('Static'), wide(''), 0, 0, 0, 0, 0, MESSAGE_ONLY, 0n, 0n, 0n);
    this.#cancel = clock.every(POLL_MS, () => this.poll());
  }

  /** Of every mouse and keyboard, from now on. @throws ApplianceError `input.unavailable` */
  onRawInput(told: (input: RawWindowsInput) => void): void {
    const devices = Buffer.concat([MOUSE, KEYBOARD].map(usage => this.#device(usage)));
    if (this.window === 0n || this.#calls.RegisterRawInputDevices(devices, 2, DEVICE_BYTES) === 0) {
      const hint = 'Start the program on the desktop, not as a service.';
      const message = 'Windows does not tell of the customer’s own input';
      throw new ApplianceError('unavailable', 'input.unavailable', message, { hint });
    }
    this.#told = told;
  }

  /** What came since. Before something is injected this is called, so that the customer's input is seen first. */
  poll(): void {
    for (let count = 0; count < MAX_MESSAGES; count++) {
      if (this.#calls.PeekMessageW(this.#message, 0n, 0, 0, REMOVE) === 0) return;
      if (this.#message.readUInt32LE(MSG.message) === WM_INPUT) this.#read(this.#message.readBigInt64LE(MSG.lParam));
      this.#calls.DispatchMessageW(this.#message);
    }
  }

  close(): void {
    this.#cancel();
    this.#calls.DestroyWindow(this.window);
  }

  #device(usage: number): Buffer {
    const device = Buffer.alloc(DEVICE_BYTES);
    device.writeUInt16LE(GENERIC_DESKTOP, 0);
    device.writeUInt16LE(usage, 2);
    device.writeUInt32LE(INPUT_SINK, 4);
    device.writeBigUInt64LE(this.window, 8);
    return device;
  }

  #read(handle: bigint): void {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(RAW_BYTES);
    const length = this.#calls.GetRawInputData(handle, RID_INPUT, this.#raw, size, HEADER_BYTES);
    if (length > RAW_BYTES) return; // of another device, or an error (all bits set)
    const input = parseRawWindowsInput(this.#raw.subarray(0, length));
    if (input !== null) this.#told(input);
  }
}

/** As Windows takes text: UTF-16 with a zero at the end. */
export function wide(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf16le');
}
