// A path over a WebSocket: the relay's leg, or direct TCP. Browsers and the `ws` package offer the same face.
import type { Cancel, Clock } from '../clock.ts';
import type { PathKind } from '../protocol/attach.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { HEADER_BYTES, MAX_BULK_BYTES, TAG_BYTES } from '../protocol/record.ts';
import { MAX_PATH_UNSENT_BYTES, MAX_UNREAD_BYTES } from './limits.ts';
import type { Path, PathListener } from './path.ts';

/** The part of a WebSocket that is used; it is open already. */
export interface OpenSocket {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Bytes): void;
  close(): void;
}

const OPEN = 1;
/** A WebSocket does not say when its buffer empties. */
const POLL_MS = 5;

export class WebSocketPath implements Path {
  readonly kind: PathKind;
  readonly #socket: OpenSocket;
  readonly #clock: Clock;
  #listener: PathListener | null = null;
  #early: Bytes[] = [];
  #earlyBytes = 0;
  #stopPolling: Cancel | null = null;
  #closed = false;

  constructor(kind: PathKind, socket: OpenSocket, clock: Clock) {
    this.kind = kind;
    this.#socket = socket;
    this.#clock = clock;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }: { readonly data: unknown }) => this.#message(data);
    socket.onclose = () => this.#ended();
    socket.onerror = () => this.close();
  }

  get unsentBytes(): number {
    return this.#socket.bufferedAmount;
  }

  listen(listener: PathListener): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener.message(message);
    if (this.#closed) listener.closed();
  }

  send(message: Bytes): void {
    if (this.#closed || this.#socket.readyState !== OPEN) return;
    this.#socket.send(message);
    if (this.#socket.bufferedAmount >= MAX_PATH_UNSENT_BYTES) this.#poll();
  }

  close(): void {
    this.#socket.close();
    this.#ended();
  }

  #message(data: unknown): void {
    if (this.#closed) return;
    // Text, and what is longer than any record, ends the path before anything looks at it.
    if (!(data instanceof ArrayBuffer) || data.byteLength > HEADER_BYTES + MAX_BULK_BYTES + TAG_BYTES) {
      this.close();
      return;
    }
    const message = new Uint8Array(data);
    if (this.#listener !== null) {
      this.#listener.message(message);
      return;
    }
    this.#early.push(message);
    this.#earlyBytes += message.length;
    if (this.#earlyBytes > MAX_UNREAD_BYTES) this.close();
  }

  #poll(): void {
    this.#stopPolling ??= this.#clock.every(POLL_MS, () => {
      if (this.#socket.bufferedAmount >= MAX_PATH_UNSENT_BYTES) return;
      this.#stopPolling?.();
      this.#stopPolling = null;
      this.#listener?.drained();
    });
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopPolling?.();
    this.#listener?.closed();
  }
}
