// What the portal tells by itself: a WebSocket that is kept open. After each new `hello` the console asks for everything
// anew, for it can't know what it missed.
import type { Cancel, Clock } from '../clock.ts';
import type { ConsoleEvent } from '../protocol/console-api.ts';

/** The portal says `alive` more often; who hears nothing for so long takes the socket for dead. */
const SILENCE_MS = 30_000;
const AGAIN_MS = [250, 500, 1000, 2000, 4000, 8000];

/** The part of a WebSocket that is used. */
export interface EventSocket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: never) => void) | null;
  close(): void;
}

export interface EventsParts {
  readonly open: () => EventSocket;
  readonly clock: Clock;
  readonly heard: (event: ConsoleEvent) => void;
  readonly lost: () => void;
}

export class ConsoleEvents {
  readonly #parts: EventsParts;
  #socket: EventSocket | null = null;
  #failures = 0;
  #cancelSilence: Cancel | null = null;
  #cancelAgain: Cancel | null = null;
  #closed = false;

  constructor(parts: EventsParts) {
    this.#parts = parts;
    this.#open();
  }

  /** The network is back, or the page is looked at again: no waiting. */
  hurry(): void {
    if (this.#cancelAgain === null) return;
    this.#cancelAgain();
    this.#cancelAgain = null;
    this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#cancelSilence?.();
    this.#cancelAgain?.();
    this.#socket?.close();
  }

  #open(): void {
    const socket = this.#parts.open();
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#heard(data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost();
    };
    this.#watchSilence();
  }

  #heard(data: unknown): void {
    this.#watchSilence();
    if (typeof data !== 'string') return;
    const event = JSON.parse(data) as ConsoleEvent; // our own portal, of the same release as this page
    if (event.type === 'hello') this.#failures = 0;
    this.#parts.heard(event);
  }

  #lost(): void {
    if (this.#closed || this.#socket === null) return;
    this.#socket = null;
    this.#cancelSilence?.();
    this.#parts.lost();
    const delay = AGAIN_MS[Math.min(this.#failures++, AGAIN_MS.length - 1)] ?? 0;
    this.#cancelAgain = this.#parts.clock.after(delay, () => {
      this.#cancelAgain = null;
      this.#open();
    });
  }

  #watchSilence(): void {
    this.#cancelSilence?.();
    this.#cancelSilence = this.#parts.clock.after(SILENCE_MS, () => {
      const socket = this.#socket;
      this.#lost();
      socket?.close();
    });
  }
}
