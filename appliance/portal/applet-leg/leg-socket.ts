// One applet's own leg as the portal sees it: a WebSocket from its gateway. Messages are handled one after the other; who
// says more than that, or more than the rate, is not read from meanwhile, so that what waits stays small.
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '../../clock.ts';
import { type FromAppliance, LEG_CLOSE, MAX_LEG_MESSAGE_BYTES, writeLegMessage } from '../../protocol/applet-leg.ts';
import type { Bytes } from '../../protocol/bytes.ts';

/** Messages an applet may send at once, and then each second. */
export const LEG_BURST = 1000;
export const LEG_RATE = 200;
const MAX_WAITING = 32;
/** An applet that does not take what it is sent is gone: all that is sent in an hour is less. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const CLOSE_MS = 500;

export interface LegSocketParts {
  readonly socket: WebSocket;
  readonly clock: Clock;
  /** Called with one message at a time. It may throw nothing. */
  readonly handle: (bytes: Bytes) => Promise<void>;
  /** Called once. @param fault why, when it was the other side's */
  readonly left: (fault: string | null) => void;
}

export class LegSocket {
  readonly #parts: LegSocketParts;
  readonly #socket: WebSocket;
  readonly #waiting: Bytes[] = [];
  #isWorking = false;
  #isOpen = true;
  #closing: Promise<void> | undefined;
  /** Monotonic: when all that was said is paid for at the rate. */
  #paidAt: number;

  constructor(parts: LegSocketParts) {
    this.#parts = parts;
    this.#socket = parts.socket;
    this.#paidAt = parts.clock.monotonic();
    parts.socket.on('message', (data, isBinary) => this.#take(data, isBinary));
    parts.socket.on('error', () => {
      this.#left('protocol'); // too long, or no WebSocket at all
      parts.socket.terminate();
    });
    parts.socket.on('close', () => this.#left(null));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(message: FromAppliance): void {
    if (!this.#isOpen || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) return void this.#socket.terminate();
    this.#socket.send(writeLegMessage(message), { binary: true }, () => undefined); // a lost one is told by `close`
  }

  /** What was sent before still goes; nothing that waits is handled any more. */
  close(code: number): Promise<void> {
    this.#closing ??= new Promise(resolve => {
      this.#left(null);
      const cancel = this.#parts.clock.after(CLOSE_MS, () => this.#socket.terminate());
      this.#socket.once('close', () => {
        cancel();
        resolve();
      });
      if (this.#socket.readyState === this.#socket.CLOSED) resolve();
      this.#socket.resume(); // to see the answer to the close frame
      this.#socket.close(code);
    });
    return this.#closing;
  }

  #left(fault: string | null): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#waiting.length = 0;
    this.#parts.left(fault);
  }

  #take(data: RawData, isBinary: boolean): void {
    if (!this.#isOpen) return;
    if (!isBinary) return void this.close(LEG_CLOSE.refused);
    this.#waiting.push(bytesOf(data));
    if (this.#waiting.length >= MAX_WAITING) this.#socket.pause();
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let next = this.#waiting.shift(); next !== undefined && this.#isOpen; next = this.#waiting.shift()) {
      await this.#pay();
      if (this.#isOpen) await this.#parts.handle(next);
    }
    this.#isWorking = false;
    if (this.#isOpen && this.#socket.isPaused) this.#socket.resume();
  }

  #pay(): Promise<void> {
    const { clock } = this.#parts;
    const now = clock.monotonic();
    this.#paidAt = Math.max(this.#paidAt, now) + 1000 / LEG_RATE;
    const waitMs = this.#paidAt - now - (LEG_BURST * 1000) / LEG_RATE;
    return waitMs <= 0 ? Promise.resolve() : new Promise(resolve => void clock.after(waitMs, resolve));
  }
}

/** What is longer than any message is not copied: it is refused by its length. */
function bytesOf(data: RawData): Bytes {
  const parts = Array.isArray(data) ? data : [data];
  const bytes = Buffer.concat(parts.map(part => (part instanceof ArrayBuffer ? new Uint8Array(part) : part)));
  return new Uint8Array(bytes.subarray(0, MAX_LEG_MESSAGE_BYTES + 1));
}
