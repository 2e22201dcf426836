// The applet's leg of a relay as a path for the link: a WebSocket of our own making (relay-frames.ts says why) on the
// checked connection.
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import { MAX_PATH_UNSENT_BYTES } from '../link/limits.ts';
import type { Path, PathListener } from '../link/path.ts';
import type { Bytes } from '../protocol/bytes.ts';
import type { ServerAddress } from './configuration.ts';
import { FrameReader, OPCODE, writeHead } from './relay-frames.ts';
import { authorityOf } from './web-socket.ts';

const RELAY_PATH = '/gateway/relay/applet';
const LINK_PROTOCOL = 'appliance.link.v1';
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; // RFC 6455 §1.3
const OPEN_MS = 10_000;
/** For the close frame to leave. */
const CLOSE_MS = 1000;

/** @throws ApplianceError `connection.failed` when the relay does not take the token, or is not there */
export function openRelayPath(
  address: ServerAddress,
  connection: TLSSocket,
  { clock, token }: { readonly clock: Clock; readonly token: Bytes },
): Promise<Path> {
  const authority = authorityOf(address);
  const key = randomBytes(16).toString('base64');
  const headers = {
    ...{ host: authority, origin: `https://${authority}`, connection: 'Upgrade', upgrade: 'websocket' },
    ...{ 'sec-websocket-version': '13', 'sec-websocket-key': key },
    'sec-websocket-protocol': `${LINK_PROTOCOL}, token.${toBase64Url(token)}`,
  };
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) => {
      connection.destroy();
      reject(new ApplianceError('unavailable', 'connection.failed', 'the relay did not take us', { cause }));
    };
    const asking = request({ path: RELAY_PATH, headers, createConnection: () => connection, timeout: OPEN_MS });
    asking.on('error', failed).on('timeout', failed).on('response', failed).end();
    asking.on('upgrade', (answer, socket, head) => {
      const accept = createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64');
      const { 'sec-websocket-accept': accepted, 'sec-websocket-protocol': protocol } = answer.headers;
      if (accepted !== accept || protocol !== LINK_PROTOCOL) return failed();
      resolve(new RelayPath(socket, head, clock));
    });
  });
}

class RelayPath implements Path {
  readonly kind = 'relay';
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  #listener: PathListener | null = null;
  #early: Bytes[] = [];
  #isFull = false;
  #isClosed = false;
  #cancelDestroy: Cancel = () => undefined;

  constructor(socket: Duplex, head: Buffer, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#reader = new FrameReader({
      message: bytes => this.#message(bytes),
      control: (opcode, payload) => this.#control(opcode, payload),
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.close());
    socket.on('close', () => {
      this.#cancelDestroy();
      this.#ended();
    });
    if (head.length > 0) this.#read(head);
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  listen(listener: PathListener): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener.message(message);
    if (this.#isClosed) listener.closed();
  }

  send(message: Bytes): void {
    if (this.#isClosed) return;
    this.#write(OPCODE.binary, message);
    this.#isFull ||= this.unsentBytes >= MAX_PATH_UNSENT_BYTES;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#write(OPCODE.close, Buffer.of(0x03, 0xe8)); // 1000
      this.#socket.end();
      this.#cancelDestroy = this.#clock.after(CLOSE_MS, () => this.#socket.destroy());
    }
    this.#ended();
  }

  #write(opcode: number, payload: Uint8Array): void {
    if (!this.#socket.writable) return;
    this.#socket.cork();
    this.#socket.write(writeHead(opcode, payload.length));
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  #read(chunk: Buffer): void {
    if (this.#isClosed) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      this.close(); // the link goes on by another path
    }
  }

  #message(message: Bytes): void {
    if (this.#isClosed) return;
    if (this.#listener === null) this.#early.push(message);
    else this.#listener.message(message);
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE.ping) this.#write(OPCODE.pong, payload);
    if (opcode === OPCODE.close) this.close();
  }

  #drained(): void {
    if (!this.#isFull || this.unsentBytes >= MAX_PATH_UNSENT_BYTES) return;
    this.#isFull = false;
    this.#listener?.drained();
  }

  #ended(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener?.closed();
  }
}
