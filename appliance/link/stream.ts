// One stream of messages in both directions. Credit holds the sender back until the receiver has dealt with what it
// has; a message may be larger than the credit, for its parts are credited as they come while nothing else waits.
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import {
  dataHeadBytes,
  FILES_PRIORITY,
  MESSAGE_COST,
  writeDataHead,
  writeEnd,
  writeReset,
  writeWindow,
} from '../protocol/stream-frames.ts';
import { overLimit, protocolError } from './errors.ts';
import { FILES_CREDIT_BYTES, MAX_MESSAGE_BYTES, MAX_STREAM_QUEUE_BYTES, STREAM_CREDIT_BYTES } from './limits.ts';

/** A record's last few bytes are not worth a frame. */
const MIN_PIECE_BYTES = 64;

export interface StreamListener {
  /** Credit is given back when it returns, or when its promise resolves; until then no other message comes. */
  message(message: Bytes): void | Promise<void>;
  /** Less than the stream's credit is queued again. */
  drained?(): void;
  /** The peer sends nothing more. */
  ended?(): void;
  /** The peer, or the end of the link, ended both directions. */
  reset?(code: number): void;
}

/** What the streams of a link do for one of them. */
export interface StreamHost {
  /** It has something to send. */
  ready(stream: LinkStream): void;
  /** To be sent before any data. */
  urgent(frame: Bytes): void;
  /** It grants the peer more credit: `takeWindow` says how much, once there is room. */
  granting(stream: LinkStream): void;
  /** Both directions have ended. */
  over(stream: LinkStream): void;
  fail(error: unknown): void;
}

export class LinkStream {
  readonly id: number;
  readonly kind: string;
  readonly priority: number;
  /** For deficit round robin. */
  deficit = 0;
  /** Whether it waits for its turn. */
  scheduled = false;
  readonly #host: StreamHost;
  readonly #credit: number;
  readonly #queue: Bytes[] = [];
  #queuedBytes = 0;
  #offset = 0;
  #sentCredit = 0;
  #peerLimit: number;
  #sending: 'open' | 'ending' | 'ended' = 'open';
  #full = false;

  #listener: StreamListener | null = null;
  readonly #inbox: Bytes[] = [];
  #busy = false;
  readonly #unfinished = new Assembly();
  #received = 0;
  #consumed = 0;
  #limitSent: number;
  #receiving: 'open' | 'ended' | 'told' = 'open';
  #gone = false;

  constructor(host: StreamHost, id: number, kind: string, priority: number) {
    this.#host = host;
    this.id = id;
    this.kind = kind;
    this.priority = priority;
    this.#credit = priority === FILES_PRIORITY ? FILES_CREDIT_BYTES : STREAM_CREDIT_BYTES;
    this.#peerLimit = this.#credit;
    this.#limitSent = this.#credit;
  }

  /** Bytes of messages that are not in a record yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether something can be sent now. */
  get sendable(): boolean {
    const [message] = this.#queue;
    if (this.#gone) return false;
    if (message === undefined) return this.#sending === 'ending';
    return this.#pieceOf(message, MAX_MESSAGE_BYTES) > 0;
  }

  /**
   * Queues a message of 1 to MAX_MESSAGE_BYTES bytes, which must not change afterwards.
   * @returns false when enough is queued: go on after `drained`
   * @throws ApplianceError `link.stream-closed`, `link.stream-full` when the answer was not heeded
   */
  send(message: Bytes): boolean {
    if (this.#gone || this.#sending !== 'open')
      throw new ApplianceError('conflict', 'link.stream-closed', `stream ${this.kind} has ended`);
    if (message.length === 0 || message.length > MAX_MESSAGE_BYTES)
      throw new ApplianceError('malformed', 'link.message-size', `a message of ${message.length} bytes`);
    if (this.#queuedBytes + message.length > MAX_STREAM_QUEUE_BYTES)
      throw new ApplianceError('limited', 'link.stream-full', `too much is queued on stream ${this.kind}`);
    this.#queue.push(message);
    this.#queuedBytes += message.length;
    this.#host.ready(this);
    this.#full = this.#queuedBytes >= this.#credit;
    return !this.#full;
  }

  /** Drops the messages of which no part was sent yet. @returns how many */
  dropQueued(): number {
    const dropped = this.#queue.splice(this.#offset > 0 ? 1 : 0);
    for (const message of dropped) this.#queuedBytes -= message.length;
    return dropped.length;
  }

  /** Says that nothing more will be sent; what is queued still goes. */
  end(): void {
    if (this.#gone || this.#sending !== 'open') return;
    this.#sending = 'ending';
    this.#host.ready(this);
  }

  /** Ends both directions at once and drops what is queued. */
  reset(code: number): void {
    if (this.#gone) return;
    this.#host.urgent(writeReset(this.id, code));
    this.#vanish();
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
    this.#deliver();
  }

  /** Adds frames of at most `room` bytes to `parts`. @returns how many bytes it added */
  take(parts: Bytes[], room: number): number {
    let used = 0;
    for (let message = this.#queue[0]; message !== undefined && !this.#gone; message = this.#queue[0]) {
      const left = room - used;
      const most = left - dataHeadBytes(this.id, left);
      const rest = message.length - this.#offset;
      if (most < Math.min(MIN_PIECE_BYTES, rest)) return used;
      const length = this.#pieceOf(message, most);
      if (length === 0) return used;
      const last = length === rest;
      const head = writeDataHead(this.id, length, last);
      parts.push(head, message.subarray(this.#offset, this.#offset + length));
      used += head.length + length;
      this.#advance(message, length, last);
    }
    if (this.#sending === 'ending' && !this.#gone && room - used >= 9) {
      const end = writeEnd(this.id);
      parts.push(end);
      used += end.length;
      this.#sending = 'ended';
      this.#overWhenBothEnded();
    }
    return used;
  }

  /** The frame that tells the peer how far it may go. */
  takeWindow(): Bytes {
    return writeWindow(this.id, this.#limitSent);
  }

  /** A part of a message came. */
  onData(bytes: Bytes, last: boolean): void {
    if (this.#receiving !== 'open') throw protocolError('data after the end of its stream');
    this.#received += bytes.length + (last ? MESSAGE_COST : 0);
    if (this.#received > this.#limitSent) throw overLimit('more than the credit of a stream');
    if (this.#unfinished.length + bytes.length > MAX_MESSAGE_BYTES) throw overLimit('a message that is too long');
    if (last) {
      this.#inbox.push(this.#unfinished.finish(bytes));
      this.#deliver();
    } else {
      this.#unfinished.add(bytes);
      this.#giveCredit();
    }
  }

  onWindow(limit: number): void {
    if (limit <= this.#peerLimit) return;
    this.#peerLimit = limit;
    if (this.sendable) this.#host.ready(this);
  }

  onEnd(): void {
    if (this.#receiving !== 'open' || this.#unfinished.length > 0)
      throw protocolError('an end in the middle of something');
    this.#receiving = 'ended';
    this.#deliver();
    this.#overWhenBothEnded();
  }

  /** The peer, or the end of the link, ended it. */
  onReset(code: number): void {
    if (this.#gone) return;
    this.#vanish();
    this.#listener?.reset?.(code);
  }

  /** Bytes of this message that credit and room let go now; its last byte only goes together with its end. */
  #pieceOf(message: Bytes, room: number): number {
    const rest = message.length - this.#offset;
    const credit = this.#peerLimit - this.#sentCredit;
    if (rest <= room && rest + MESSAGE_COST <= credit) return rest;
    return Math.max(0, Math.min(rest - 1, room, credit));
  }

  #advance(message: Bytes, length: number, last: boolean): void {
    this.#sentCredit += length + (last ? MESSAGE_COST : 0);
    this.#queuedBytes -= length;
    this.#offset += length;
    if (this.#offset === message.length) {
      this.#queue.shift();
      this.#offset = 0;
    }
    if (!this.#full || this.#queuedBytes >= this.#credit) return;
    this.#full = false;
    this.#listener?.drained?.();
  }

  #deliver(): void {
    while (this.#listener !== null && !this.#busy && !this.#gone) {
      const message = this.#inbox.shift();
      if (message === undefined) break;
      const consumed = message.length + MESSAGE_COST; // before, for the listener may give its memory away
      const done = this.#listener.message(message);
      if (done instanceof Promise) {
        this.#busy = true;
        done.then(() => this.#done(consumed), this.#host.fail);
      } else {
        this.#consumed += consumed;
      }
    }
    this.#giveCredit();
    if (this.#receiving !== 'ended' || this.#inbox.length > 0 || this.#busy || this.#listener === null) return;
    this.#receiving = 'told';
    this.#listener.ended?.();
  }

  #done(consumed: number): void {
    this.#busy = false;
    this.#consumed += consumed;
    try {
      this.#deliver();
    } catch (error) {
      this.#host.fail(error);
    }
  }

  #giveCredit(): void {
    if (this.#gone || this.#receiving !== 'open') return;
    const idle = this.#inbox.length === 0 && !this.#busy;
    const limit = this.#credit + this.#consumed + (idle ? this.#unfinished.length : 0);
    if (limit - this.#limitSent < this.#credit / 2) return;
    this.#limitSent = limit;
    this.#host.granting(this);
  }

  #overWhenBothEnded(): void {
    if (this.#sending === 'ended' && this.#receiving !== 'open') this.#host.over(this);
  }

  #vanish(): void {
    this.#gone = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#inbox.length = 0;
    this.#unfinished.drop();
    this.#host.over(this);
  }
}

/**
 * A message whose parts come one by one. They are copied together as they come: a peer may send them a byte at a time,
 * and a million parts would take far more memory than they hold bytes.
 */
class Assembly {
  #bytes: Bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(part: Bytes): void {
    const length = this.#length + part.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, Math.min(2 * this.#bytes.length, MAX_MESSAGE_BYTES)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
  }

  /** @returns the whole message, in memory of its own size: a part of a large record does not keep that alive */
  finish(last: Bytes): Bytes {
    if (this.#length === 0) return 2 * last.length < last.buffer.byteLength ? last.slice() : last;
    this.add(last);
    const whole = this.#bytes.subarray(0, this.#length);
    const fits = 2 * whole.length >= this.#bytes.length;
    this.drop();
    return fits ? whole : whole.slice();
  }

  drop(): void {
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }
}
