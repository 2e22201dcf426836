// What noVNC takes for a WebSocket: bytes of the picture in, bytes of a viewer out, cut into whole messages by their kind.
// Whoever feeds it waits for the viewer, so a viewer that is behind holds back the sender and nothing piles up here.
import type { Bytes } from '../protocol/bytes.ts';
import { ClientMessageSplitter, type ClientPiece } from '../protocol/rfb-splitter.ts';

export interface RfbChannelListener {
  /** The viewer says this. */
  said(piece: ClientPiece): void;
  /** Told once: the viewer can't go on, or doesn't want to. */
  over(why: unknown): void;
}

export class RfbChannel {
  // noVNC looks for these eight by name.
  binaryType = 'arraybuffer';
  protocol = '';
  readyState: 'open' | 'closed' = 'open';
  onopen: (() => void) | null = null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly #splitter = new ClientMessageSplitter();
  readonly #listener: RfbChannelListener;
  #onmessage: ((event: { readonly data: Bytes }) => void) | null = null;
  /** Resolves when the viewer can take more; undefined when it can at once. */
  busy: () => Promise<void> | undefined = () => undefined;
  #fault: Error | null = null;
  #attach: () => void = () => undefined;
  #attached = new Promise<void>(resolve => {
    this.#attach = resolve;
  });

  constructor(listener: RfbChannelListener) {
    this.#listener = listener;
  }

  get onmessage(): ((event: { readonly data: Bytes }) => void) | null {
    return this.#onmessage;
  }

  set onmessage(take: (event: { readonly data: Bytes }) => void) {
    this.#onmessage = take;
    this.#attach();
  }

  /** For the viewer. @param data its own memory, which it writes to again */
  send(data: Bytes): void {
    if (this.readyState === 'closed') return;
    try {
      for (const piece of this.#splitter.push(data.slice())) this.#listener.said(piece);
    } catch (error) {
      this.#over(error);
    }
  }

  /** For the viewer, before it closes: what came can't be a picture. */
  fail(why: string): void {
    this.#fault ??= new Error(why);
  }

  /** For the viewer. */
  close(): void {
    this.#over(this.#fault);
  }

  /** Bytes of the picture. Resolves when more may come. */
  async take(bytes: Bytes): Promise<void> {
    await this.#attached;
    if (this.readyState === 'closed') return;
    try {
      this.#onmessage?.({ data: bytes });
    } catch (error) {
      this.#over(error); // what it could not read is the sender's doing
      return;
    }
    await this.busy();
  }

  /** The sender has ended; the viewer keeps its last picture. */
  end(): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.#attach();
    this.onclose?.({ code: 1000, reason: '' });
  }

  #over(why: unknown): void {
    if (this.readyState === 'closed') return;
    this.end();
    this.#listener.over(why);
  }
}
