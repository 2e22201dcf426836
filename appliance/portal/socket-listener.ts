// A Unix socket with whoever answers on it. The answerer can be changed while requests come in: after first setup the
// portal takes the place of the setup on the same socket.
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
/** Of one that brings a large file, and may take its time. */
const LONG_REQUEST_MS = 3_600_000;
/** Longer than the gateway keeps its connections, so that it is the one who closes. */
const KEEP_ALIVE_MS = 75_000;
const DRAIN_MS = 1500; // the process has 3 s

export interface Answerer {
  handle(request: IncomingMessage, response: ServerResponse): unknown;
  /** @param head what came of the new protocol already */
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

export class SocketListener {
  answerer: Answerer;
  readonly #path: string;
  readonly #server: Server;

  /** @param longPath where a request may take up to an hour; undefined for nowhere */
  constructor(path: string, answerer: Answerer, longPath?: string) {
    this.#path = path;
    this.answerer = answerer;
    const requestTimeout = longPath === undefined ? REQUEST_MS : LONG_REQUEST_MS;
    const timeouts = { headersTimeout: HEADERS_MS, requestTimeout, keepAliveTimeout: KEEP_ALIVE_MS };
    this.#server = createServer(timeouts, (request, response) => {
      if (longPath !== undefined && request.url !== longPath) endWhenLate(request);
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

/** Its bytes have to be here in time, as they have on any other socket. */
function endWhenLate(request: IncomingMessage): void {
  const late = setTimeout(() => {
    if (!request.complete) request.destroy();
  }, REQUEST_MS);
  request.once('close', () => clearTimeout(late));
}
