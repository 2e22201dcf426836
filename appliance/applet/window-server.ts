// The customer's window: a page on 127.0.0.1 at a port the system chose, guarded as TRUST.md says. Each connection is our own
// user's; Host and Origin are exactly ours; the address carries a code that is good once, for 15 s, and a second use of it
// means that somebody else read it: the session ends. What works afterwards lives in the page's memory only.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Cancel, Clock } from '../clock.ts';
import type { WindowModel } from '../customer-core/window-model.ts';
import { ApplianceError } from '../errors.ts';
import type { WindowCommand } from '../protocol/customer-window.ts';
import type { IsOwnConnection } from './connection-owner.ts';
import { readSmallBody, sendFile, type WindowFile, windowHeaders } from './window-answers.ts';
import { windowCommand } from './window-command.ts';

export const CODE_LIFETIME_MS = 15_000;
const FIRST_MESSAGE_MS = 5000;
/** A window that is gone this long was closed by the customer. */
export const WINDOW_GONE_MS = 5000;
const MAX_CONNECTIONS = 16;
const MAX_MESSAGE_BYTES = 16 * 1024;
const SECRET_BYTES = 32;
const HEARTBEAT_MS = 2000;

export type WindowRefusal = 'owner' | 'host' | 'origin' | 'code' | 'secret' | 'path' | 'command';

export interface WindowServerOptions {
  readonly clock: Clock;
  /** The page by its path: `/`, `/window.js`, `/window.css`. */
  readonly files: ReadonlyMap<string, WindowFile>;
  readonly model: WindowModel;
  readonly isOwn: IsOwnConnection;
  readonly command: (command: WindowCommand) => void;
  /** The window is there, or gone: without it nothing may be done to the computer (D-07). */
  readonly visible: (isVisible: boolean) => void;
  /** Closed for good, or its address was used a second time: the session ends. */
  readonly ended: (why: 'window-closed' | 'code-used-twice') => void;
}

export class WindowServer {
  readonly #options: WindowServerOptions;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  readonly #refused: Record<WindowRefusal, number> = {
    ...{ owner: 0, host: 0, origin: 0, code: 0, secret: 0, path: 0, command: 0 },
  };
  readonly #ownership = new WeakMap<Socket, Promise<boolean>>();
  #code: { readonly bytes: Buffer; readonly until: number; used: boolean } | null = null;
  #secret: Buffer | null = null;
  #window: WebSocket | null = null;
  #cancelGone: Cancel = () => undefined;
  #cancelHeartbeat: Cancel = () => undefined;
  #closed = false;

  constructor(options: WindowServerOptions) {
    this.#options = options;
    this.#server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 10_000, maxHeaderSize: 8192 });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('connection', socket => this.#ownership.set(socket, this.#checkOwner(socket)));
    this.#server.on('request', (request, response) => void this.#answer(request, response));
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  /** Connections and messages that were refused, by reason. */
  get refused(): Readonly<Record<WindowRefusal, number>> {
    return this.#refused;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
  }

  /** A new address for the browser; the one before is void, unless a window has already come from it. */
  newAddress(): string {
    if (this.#secret !== null) throw new ApplianceError('conflict', 'window.open', 'the window is open already');
    const bytes = randomBytes(SECRET_BYTES);
    this.#code = { bytes, until: this.#options.clock.monotonic() + CODE_LIFETIME_MS, used: false };
    return `${this.#origin}/#${bytes.toString('base64url')}`;
  }

  get isOpen(): boolean {
    return this.#secret !== null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelGone();
    this.#cancelHeartbeat();
    this.#window?.close(1000);
    this.#sockets.close();
    await new Promise<void>(resolve => {
      this.#server.close(() => resolve());
      // Let the last message reach the window, then let go of connections kept alive.
      this.#options.clock.after(200, () => this.#server.closeAllConnections());
    });
  }

  get #host(): string {
    const address = this.#server.address() as AddressInfo | null;
    if (address === null) throw new ApplianceError('defect', 'window.not-listening', 'the window is not served yet');
    return `127.0.0.1:${address.port}`;
  }

  get #origin(): string {
    return `http://${this.#host}`;
  }

  async #checkOwner(socket: Socket): Promise<boolean> {
    const { localPort, remotePort } = socket;
    socket.on('error', () => socket.destroy());
    const isOwn =
      localPort !== undefined && remotePort !== undefined
        ? await this.#options.isOwn({ serverPort: localPort, clientPort: remotePort }).catch(() => false)
        : false;
    if (isOwn) return true;
    this.#refused.owner++;
    socket.destroy(); // not a word to another user's process
    return false;
  }

  /** @returns why not, or null: from here on the request comes from our own user, and not from a page of anybody else */
  async #whyNot(request: IncomingMessage, mustNameOrigin: boolean): Promise<WindowRefusal | null> {
    if (!(await this.#ownership.get(request.socket))) return 'owner';
    const one = (name: string) => {
      const values = request.headersDistinct[name] ?? [];
      return values.length > 1 ? null : values[0];
    };
    if (one('host') !== this.#host) return 'host'; // a name that was made to point here (DNS rebinding)
    const origin = one('origin');
    if (mustNameOrigin ? origin !== this.#origin : origin !== undefined && origin !== this.#origin) return 'origin';
    const site = one('sec-fetch-site');
    return site === undefined || site === 'same-origin' || site === 'none' ? null : 'origin';
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isWrite = request.method === 'POST';
    const why = await this.#whyNot(request, isWrite);
    if (why !== null) return this.#refuse(response, why);
    windowHeaders(response, this.#host);
    if (isWrite && request.url === '/open') return this.#open(request, response);
    const file = request.method === 'GET' ? this.#options.files.get(request.url ?? '') : undefined;
    if (file === undefined) return this.#refuse(response, 'path');
    sendFile(response, file);
  }

  #refuse(response: ServerResponse, why: WindowRefusal): void {
    if (why !== 'owner') this.#refused[why]++;
    if (response.socket?.destroyed !== false) return;
    response.writeHead(why === 'path' ? 404 : 403, { connection: 'close' }).end();
  }

  /** The code of the address for the page's secret, once. */
  async #open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sent = Buffer.from((await readSmallBody(request)) ?? '', 'base64url');
    const code = this.#code;
    if (code === null || !isSame(sent, code.bytes)) return this.#refuse(response, 'code');
    if (code.used) {
      this.#refuse(response, 'code');
      return this.#options.ended('code-used-twice');
    }
    if (this.#options.clock.monotonic() > code.until) return this.#refuse(response, 'code');
    code.used = true;
    this.#secret = randomBytes(SECRET_BYTES);
    response.writeHead(200, { 'content-type': 'text/plain' }).end(this.#secret.toString('base64url'));
    this.#awaitWindow();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const why = request.url === '/window' ? await this.#whyNot(request, true) : 'path';
    if (why !== null) {
      if (why !== 'owner') this.#refused[why]++;
      socket.destroy();
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, window => this.#welcome(window));
  }

  /** The first message is the secret; nothing is said before it. */
  #welcome(window: WebSocket): void {
    window.on('error', () => window.terminate());
    const cancel = this.#options.clock.after(FIRST_MESSAGE_MS, () => window.terminate());
    window.on('close', cancel);
    window.once('message', (data: Buffer, isBinary) => {
      cancel();
      const sent = Buffer.from(isBinary ? '' : data.toString('latin1'), 'base64url');
      if (this.#secret !== null && isSame(sent, this.#secret)) return this.#attach(window);
      this.#refused.secret++;
      window.terminate();
    });
  }

  #attach(window: WebSocket): void {
    this.#window?.terminate(); // the same page, come back
    this.#window = window;
    this.#cancelGone();
    let isAlive = true;
    const leave = this.#options.model.follow(message => window.send(JSON.stringify(message)));
    const cancelHeartbeat = this.#options.clock.every(HEARTBEAT_MS, () => {
      if (!isAlive) return window.terminate(); // a page that hangs shows nothing
      isAlive = false;
      window.ping();
    });
    this.#cancelHeartbeat = cancelHeartbeat;
    window.on('pong', () => {
      isAlive = true;
    });
    window.on('message', (data: Buffer) => this.#command(data));
    window.on('close', () => {
      leave();
      cancelHeartbeat();
      if (this.#window === window) this.#lost();
    });
    this.#options.visible(true);
  }

  #command(data: Buffer): void {
    const command = windowCommand.safeParse(jsonOf(data));
    if (command.success) this.#options.command(command.data);
    else this.#refused.command++;
  }

  #lost(): void {
    this.#window = null;
    if (this.#closed) return;
    this.#options.visible(false);
    this.#awaitWindow();
  }

  #awaitWindow(): void {
    this.#cancelGone();
    this.#cancelGone = this.#options.clock.after(WINDOW_GONE_MS, () => this.#options.ended('window-closed'));
  }
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function jsonOf(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'));
  } catch {
    return undefined; // the schema refuses it, and it is counted
  }
}
