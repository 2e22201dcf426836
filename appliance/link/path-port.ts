// One end of a path as the link uses it: incoming messages are read one by one during a handshake or ATTACH, then go
// to a handler, in order; outgoing messages keep the order in which they were asked for, whenever they are sealed.
import { ApplianceError } from '../errors.ts';
import type { PathKind } from '../protocol/attach.ts';
import { type Bytes, malformed } from '../protocol/bytes.ts';
import { HEADER_BYTES, parseRecord, type RecordType } from '../protocol/record.ts';
import type { Later } from './crypto.ts';
import { Fifo, Serial } from './fifo.ts';
import { MAX_UNREAD_BYTES } from './limits.ts';
import type { Path } from './path.ts';

export interface PortHandler {
  /** The next message is handled when this one is done. */
  message(message: Bytes): Later<void>;
  drained(): void;
  /** The path ended by itself, or a message could not be handled. */
  closed(error: unknown): void;
}

interface Reader {
  resolve(message: Bytes): void;
  reject(error: unknown): void;
}

export class PathPort {
  readonly #path: Path;
  readonly #outbox: Fifo<Bytes>;
  readonly #inbox: Bytes[] = [];
  #unreadBytes = 0;
  #serial: Serial<Bytes | null> | null = null;
  #handler: PortHandler | null = null;
  #reader: Reader | null = null;
  #closed = false;
  #finishing = false;

  constructor(path: Path) {
    this.#path = path;
    this.#outbox = new Fifo(
      message => {
        path.send(message);
        if (this.#finishing && this.#outbox.idle) path.close();
      },
      error => this.#end(error),
    );
    path.listen({
      message: message => this.#receive(message),
      drained: () => this.#handler?.drained(),
      closed: () => this.#pathEnded(),
    });
  }

  get kind(): PathKind {
    return this.#path.kind;
  }

  get unsentBytes(): number {
    return this.#path.unsentBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  send(message: Later<Bytes>): void {
    if (!this.#closed) this.#outbox.push(message);
  }

  /** The next message. @throws ApplianceError `link.path-closed` */
  read(): Promise<Bytes> {
    const message = this.#inbox.shift();
    if (message !== undefined) {
      this.#unreadBytes -= message.length;
      return Promise.resolve(message);
    }
    if (this.#closed) return Promise.reject(pathClosed());
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** The body of the next message, which must be a plain record of this type. */
  async readPlain(type: RecordType): Promise<Bytes> {
    const message = await this.read();
    const header = parseRecord(message);
    if (header.type !== type || header.epoch !== 0 || header.seq !== 0) throw malformed('another message was due');
    return message.subarray(HEADER_BYTES);
  }

  /** From now on messages go to the handler, those that wait first. */
  handle(handler: PortHandler): void {
    this.#handler = handler;
    this.#serial = new Serial(
      message => (message === null ? this.#end(pathClosed()) : handler.message(message)),
      error => this.#end(error),
    );
    for (const message of this.#inbox.splice(0)) this.#serial.push(message);
    if (this.#closed) handler.closed(pathClosed());
  }

  /** Takes nothing more; what was asked to be sent still goes, even if it is being sealed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#outbox.idle) this.#path.close();
    else this.#finishing = true;
    this.#reader?.reject(pathClosed());
    this.#reader = null;
    this.#inbox.length = 0;
  }

  #receive(message: Bytes): void {
    if (this.#closed) return;
    if (this.#serial !== null) {
      this.#serial.push(message);
    } else if (this.#reader !== null) {
      const { resolve } = this.#reader;
      this.#reader = null;
      resolve(message);
    } else {
      this.#unreadBytes += message.length;
      this.#inbox.push(message);
      if (this.#unreadBytes > MAX_UNREAD_BYTES) this.#end(malformed('more than may wait before the path is attached'));
    }
  }

  /** What came before the end is still handled: the last message may say why. */
  #pathEnded(): void {
    if (this.#serial !== null && !this.#closed) this.#serial.push(null);
    else this.#end(pathClosed());
  }

  #end(error: unknown): void {
    if (this.#closed) return;
    const reader = this.#reader;
    this.#reader = null;
    this.close();
    reader?.reject(error);
    this.#handler?.closed(error);
  }
}

function pathClosed(): ApplianceError {
  return new ApplianceError('unavailable', 'link.path-closed', 'the path has ended');
}
