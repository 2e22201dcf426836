// The streams of a link: opening, closing, and whose turn it is. A lower priority waits for every higher one; between
// equals deficit round robin shares by bytes, whatever the size of their messages.
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { MAX_BULK_BYTES, MAX_INTERACTIVE_BYTES } from '../protocol/record.ts';
import type { LinkRole } from '../protocol/signed.ts';
import {
  FILES_PRIORITY,
  isStreamKind,
  PRIORITIES,
  readStreamFrames,
  type StreamFrame,
  writeOpen,
} from '../protocol/stream-frames.ts';
import { linkClosed, overLimit, protocolError } from './errors.ts';
import { MAX_STREAMS, MAX_URGENT_FRAMES, QUANTUM_BYTES } from './limits.ts';
import { LinkStream, type StreamHost } from './stream.ts';

export interface StreamsOptions {
  readonly role: LinkRole;
  /** Something waits to be sent. */
  readonly ready: () => void;
  readonly opened: (stream: LinkStream) => void;
  /** Counts a frame that costs more than its bytes. */
  readonly countFrame: () => void;
  readonly fail: (error: unknown) => void;
}

/** The plaintext of one record. */
export interface RecordContent {
  readonly parts: readonly Bytes[];
  readonly length: number;
}

/** With less left of its turn a stream waits for the next one. */
const MIN_TURN_BYTES = QUANTUM_BYTES / 4;
/** Each side may have half of them, so that two who open at once never have one too many. */
const MAX_OWN_STREAMS = MAX_STREAMS / 2;

/** RESET when the whole link ended. */
export const RESET_LINK_CLOSED = 1;

export class Streams {
  readonly #options: StreamsOptions;
  readonly #host: StreamHost;
  readonly #streams = new Map<number, LinkStream>();
  readonly #levels: readonly LinkStream[][] = Array.from({ length: PRIORITIES }, () => []);
  readonly #urgent: Bytes[] = [];
  /** Those with more credit to grant than the peer was told of. */
  readonly #granting = new Set<LinkStream>();
  /** The console's numbers are even, the applet's odd. */
  #nextOwn: number;
  #nextPeer: number;
  #closed = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#nextOwn = options.role === 'console' ? 0 : 1;
    this.#nextPeer = 1 - this.#nextOwn;
    this.#host = {
      ready: stream => this.#ready(stream),
      urgent: frame => {
        if (this.#urgent.length >= MAX_URGENT_FRAMES) options.fail(overLimit('more resets than the peer takes'));
        this.#urgent.push(frame);
        options.ready();
      },
      granting: stream => {
        this.#granting.add(stream);
        options.ready();
      },
      over: stream => {
        this.#streams.delete(stream.id);
        this.#granting.delete(stream);
      },
      fail: options.fail,
    };
  }

  get count(): number {
    return this.#streams.size;
  }

  /** Whether something waits that could go into a record now. */
  get pending(): boolean {
    return this.#urgent.length > 0 || this.#granting.size > 0 || this.#levels.some(level => level.length > 0);
  }

  /** @throws ApplianceError `link.closed`, `link.too-many-streams` */
  open(kind: string, priority: number): LinkStream {
    if (this.#closed) throw linkClosed();
    if (!isStreamKind(kind) || !Number.isInteger(priority) || priority < 0 || priority >= PRIORITIES)
      throw new ApplianceError('malformed', 'link.stream-kind', `no stream ${kind} of priority ${priority}`);
    if (this.#countOf(this.#nextOwn) >= MAX_OWN_STREAMS)
      throw new ApplianceError('limited', 'link.too-many-streams', `${MAX_OWN_STREAMS} streams are open`);
    const stream = new LinkStream(this.#host, this.#nextOwn, kind, priority);
    this.#nextOwn += 2;
    this.#streams.set(stream.id, stream);
    this.#host.urgent(writeOpen(stream.id, priority, kind));
    return stream;
  }

  /** The content of the next record, by priority; null when nothing can be sent. */
  take(): RecordContent | null {
    const waiting = this.#levels.find(level => level.length > 0);
    const bulkOnly = waiting === this.#levels[FILES_PRIORITY] && this.#urgent.length + this.#granting.size === 0;
    const size = bulkOnly ? MAX_BULK_BYTES : MAX_INTERACTIVE_BYTES;
    const parts: Bytes[] = [];
    let length = this.#takeUrgent(parts, size);
    for (const level of this.#levels) length += takeTurns(level, parts, size - length);
    return length === 0 ? null : { parts, length };
  }

  #takeUrgent(parts: Bytes[], room: number): number {
    let used = 0;
    for (let frame = this.#urgent[0]; frame !== undefined && used + frame.length <= room; frame = this.#urgent[0]) {
      parts.push(frame);
      used += frame.length;
      this.#urgent.shift();
    }
    for (const stream of this.#granting) {
      const frame = stream.takeWindow();
      if (used + frame.length > room) break;
      parts.push(frame);
      used += frame.length;
      this.#granting.delete(stream);
    }
    return used;
  }

  /** The frames of a record of the peer's. @throws ApplianceError: the link ends */
  deliver(record: Bytes): void {
    for (const frame of readStreamFrames(record)) {
      if (this.#closed) return;
      if (frame.type === 'open') this.#peerOpened(frame);
      else this.#onFrame(frame);
    }
  }

  close(): void {
    this.#closed = true;
    this.#urgent.length = 0;
    this.#granting.clear();
    for (const stream of [...this.#streams.values()]) stream.onReset(RESET_LINK_CLOSED);
  }

  #peerOpened({ stream: id, kind, priority }: Extract<StreamFrame, { type: 'open' }>): void {
    this.#options.countFrame();
    if (id !== this.#nextPeer) throw protocolError('a stream whose number is not the next');
    if (this.#countOf(id) >= MAX_OWN_STREAMS) throw overLimit('more streams than a link may have');
    this.#nextPeer += 2;
    const stream = new LinkStream(this.#host, id, kind, priority);
    this.#streams.set(id, stream);
    this.#options.opened(stream);
  }

  #onFrame(frame: Exclude<StreamFrame, { type: 'open' }>): void {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) {
      const next = frame.stream % 2 === this.#nextOwn % 2 ? this.#nextOwn : this.#nextPeer;
      if (frame.stream >= next) throw protocolError('a frame of a stream nobody opened');
      return; // sent before its author knew that the stream had ended
    }
    switch (frame.type) {
      case 'data':
        stream.onData(frame.bytes, frame.last);
        break;
      case 'window':
        stream.onWindow(frame.limit);
        break;
      case 'end':
        stream.onEnd();
        break;
      case 'reset':
        this.#options.countFrame();
        stream.onReset(frame.code);
        break;
    }
  }

  /** Streams opened by the side this number belongs to. */
  #countOf(number: number): number {
    let count = 0;
    for (const id of this.#streams.keys()) if (id % 2 === number % 2) count++;
    return count;
  }

  #ready(stream: LinkStream): void {
    if (stream.scheduled || this.#closed || !stream.sendable) return;
    stream.scheduled = true;
    this.#levels[stream.priority]?.push(stream);
    this.#options.ready();
  }
}

function takeTurns(level: LinkStream[], parts: Bytes[], room: number): number {
  let used = 0;
  for (let stream = level[0]; stream !== undefined; stream = level[0]) {
    if (stream.deficit < MIN_TURN_BYTES) stream.deficit += QUANTUM_BYTES;
    const took = stream.take(parts, Math.min(room - used, stream.deficit));
    used += took;
    stream.deficit -= took;
    if (!stream.sendable) {
      level.shift();
      stream.deficit = 0;
      stream.scheduled = false;
    } else if (stream.deficit < MIN_TURN_BYTES) {
      level.push(...level.splice(0, 1));
    } else {
      break; // the record is full; it is still this stream's turn
    }
  }
  return used;
}
