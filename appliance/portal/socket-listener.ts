// A Unix socket with whoever answers on it. The answerer can be changed while requests come in: after first setup the
// portal takes the place of the setup on the same socket.
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
/** Of one that brings a large file, and may take its time once it is known whose it is. */
const LONG_REQUEST_MS = 3_600_000;
const lateTimers = new WeakMap<IncomingMessage, NodeJS.Timeout>();
/** Longer than the gateway keeps its connections, so that it is the one who closes. */
const KEEP_ALIVE_MS = 75_000;
const DRAIN_MS = 1500; // the process has 3 s

export interface Answerer {
  handle(request: IncomingMessage, response: ServerResponse): unknown;
  /** @param head what came of the new protocol already */
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export interface ListenerOptions {
  /** Whether a request may take an hour, once `allowLong` was said of it. */
  readonly takesLong?: boolean;
  /** Of all others. */
  readonly requestMs?: number;
}

export class SocketListener {
  answerer: Answerer;
  readonly #path: string;
  readonly #server: Server;

  constructor(path: string, answerer: Answerer, { takesLong = false, requestMs = REQUEST_MS }: ListenerOptions = {}) {
    this.#path = path;
    this.answerer = answerer;
    const requestTimeout = takesLong ? LONG_REQUEST_MS : requestMs;
    const timeouts = { headersTimeout: HEADERS_MS, requestTimeout, keepAliveTimeout: KEEP_ALIVE_MS };
    this.#server = createServer(timeouts, (request, response) => {
      if (takesLong) endWhenLate(request, requestMs);
      return this.answerer.handle(request, response);
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      if (this.answerer.upgrade === undefined) socket.destroy();
      else this.answerer.upgrade(request, socket, head);
    });
  }

  async listen(): Promise<void> {
    rmSync(this.#path, { force: true }); // left by a process that was killed
    this.#server.listen(this.#path);
    await once(this.#server, 'listening');
    chmodSync(this.#path, 0o600);
  }

  /** Lets requests under way end, for a while. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearTimeout(timer);
  }
}

/** Of somebody who is signed in: it may take up to an hour, for a large file. */
export function allowLong(request: IncomingMessage): void {
  clearTimeout(lateTimers.get(request));
}

/** Its bytes have to be here in time. */
function endWhenLate(request: IncomingMessage, afterMs: number): void {
  const late = setTimeout(() => {
    if (!request.complete) request.destroy();
  }, afterMs);
  lateTimers.set(request, late);
  request.once('close', () => clearTimeout(late));
}
