// The page's face of a link: messages to and from its Worker.
import type { Bytes } from '../protocol/bytes.ts';
import {
  type FromLinkWorker,
  type GrantStreamName,
  type LinkStreamName,
  type LinkView,
  noLink,
  type RecordingView,
  type ToLinkWorker,
} from './link-messages.ts';

/** The part of a Worker that is used. */
export interface LinkWorker {
  onmessage: ((event: { data: FromLinkWorker }) => void) | null;
  postMessage(message: ToLinkWorker): void;
  terminate(): void;
}

export interface LinkListener {
  changed(view: LinkView): void;
  /** The next one comes when this has resolved. */
  message(linkId: string, stream: LinkStreamName, bytes: Bytes): Promise<void>;
  ended(linkId: string, stream: LinkStreamName): void;
  recording(view: RecordingView): void;
  signedOut(): void;
}

export interface GrantStreamListener {
  /** Its sender may send more when this has returned, or resolved; others may come before. */
  message(bytes: Bytes): void | Promise<void>;
  /** Told once, unless it was reset from here. */
  ended(): void;
}

/** One opening of a stream of a grant. */
export interface GrantStream {
  /** Dropped when it has ended. */
  send(bytes: Bytes): void;
  reset(code: number): void;
}

/** A session's link as its session uses it. */
export interface SessionLink {
  readonly view: LinkView;
  open(listener: LinkListener): void;
  /** On the link of that id; a message for another one is dropped. */
  send(linkId: string, stream: LinkStreamName, bytes: Bytes): void;
  reset(linkId: string, stream: LinkStreamName, code: number): void;
  /** On the link of that id; on another one it has ended at once. */
  openStream(linkId: string, stream: GrantStreamName, listener: GrantStreamListener): GrantStream;
  pauseRecording(isPaused: boolean): void;
  hurry(): void;
  anew(): void;
  close(): void;
}

export class LinkClient implements SessionLink {
  readonly #sessionId: string;
  readonly #makeWorker: () => LinkWorker;
  #worker: LinkWorker | null = null;
  #view: LinkView = noLink;
  readonly #opened = new Map<number, GrantStreamListener>();
  #lastOpening = 0;

  constructor(sessionId: string, makeWorker: () => LinkWorker) {
    this.#sessionId = sessionId;
    this.#makeWorker = makeWorker;
  }

  get view(): LinkView {
    return this.#view;
  }

  open(listener: LinkListener): void {
    if (this.#worker !== null) return;
    const worker = this.#makeWorker();
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#heard(worker, listener, data);
    worker.postMessage({ type: 'start', sessionId: this.#sessionId });
  }

  send(linkId: string, stream: LinkStreamName, bytes: Bytes): void {
    this.#worker?.postMessage({ type: 'send', linkId, stream, bytes });
  }

  reset(linkId: string, stream: LinkStreamName, code: number): void {
    this.#worker?.postMessage({ type: 'reset', linkId, stream, code });
  }

  openStream(linkId: string, stream: GrantStreamName, listener: GrantStreamListener): GrantStream {
    const opening = ++this.#lastOpening;
    const worker = this.#worker;
    this.#opened.set(opening, listener);
    worker?.postMessage({ type: 'open', linkId, stream, opening });
    if (worker === null) queueMicrotask(() => this.#endOpened(opening));
    return {
      send: bytes => worker?.postMessage({ type: 'opened-send', opening, bytes }),
      reset: code => {
        if (this.#opened.delete(opening)) worker?.postMessage({ type: 'opened-reset', opening, code });
      },
    };
  }

  pauseRecording(isPaused: boolean): void {
    this.#worker?.postMessage({ type: 'pause-recording', isPaused });
  }

  hurry(): void {
    this.#worker?.postMessage({ type: 'hurry' });
  }

  anew(): void {
    this.#worker?.postMessage({ type: 'anew' });
  }

  /** The Worker ends by itself when it has told the peer. */
  close(): void {
    this.#worker?.postMessage({ type: 'close' });
    this.#worker = null;
    this.#view = noLink;
    for (const opening of [...this.#opened.keys()]) this.#endOpened(opening);
  }

  #heard(worker: LinkWorker, listener: LinkListener, message: FromLinkWorker): void {
    if (message.type === 'closed') worker.terminate();
    if (this.#worker !== worker) return;
    switch (message.type) {
      case 'view':
        this.#view = message.view;
        listener.changed(message.view);
        break;
      case 'message': {
        const { linkId, stream, bytes } = message;
        void listener.message(linkId, stream, bytes).then(() => worker.postMessage({ type: 'took', linkId, stream }));
        break;
      }
      case 'ended':
        listener.ended(message.linkId, message.stream);
        break;
      case 'opened-message':
        void this.#openedMessage(worker, message.opening, message.bytes);
        break;
      case 'opened-ended':
        this.#endOpened(message.opening);
        break;
      case 'recording':
        listener.recording(message.view);
        break;
      case 'signed-out':
        listener.signedOut();
        break;
      case 'closed':
        this.#worker = null;
        break;
    }
  }

  async #openedMessage(worker: LinkWorker, opening: number, bytes: Bytes): Promise<void> {
    const { length } = bytes; // before, for whoever takes it may hand its memory on
    await this.#opened.get(opening)?.message(bytes);
    worker.postMessage({ type: 'opened-took', opening, length });
  }

  #endOpened(opening: number): void {
    const listener = this.#opened.get(opening);
    this.#opened.delete(opening);
    listener?.ended();
  }
}
