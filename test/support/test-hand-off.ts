// The hand-off behind a real edge, with a WebSocket server on a Unix socket where the portal's end of the leg would be.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import WebSocket, { type ClientOptions, WebSocketServer } from 'ws';
import { HandOff } from '../../appliance/gateway/hand-off.ts';
import { type HandOffLimits, handOffLimits } from '../../appliance/gateway/hand-off-limits.ts';
import { OwnOrigins } from '../../appliance/gateway/own-origins.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { createLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import {
  APPLET_LEG_PATH,
  APPLET_LEG_PROTOCOL,
  type FromApplet,
  type FromAppliance,
  parseFromAppliance,
  writeLegMessage,
} from '../../appliance/protocol/applet-leg.ts';
import { ManualClock } from './manual-clock.ts';
import { NAME, TestEdge, testEdgeConfig } from './test-edge.ts';

const SESSION = sessionIdFrom(randomBytes(16));
export const CLAIMED = { type: 'claimed', sid: SESSION, organisation: 'Example', silenceMs: 60_000 } as const;
export const CHALLENGE = { type: 'challenge', nonce: new Uint8Array(16) } as const;

export function claim(token: Buffer = randomBytes(32)): FromApplet {
  const apk = Uint8Array.from(randomBytes(91));
  return { type: 'claim', token: Uint8Array.from(token), apk, platform: 'linux-x64', language: 'en' };
}

export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(bytes).digest());
}

/** Messages in the order they came; each is waited for once. */
class Inbox {
  readonly #messages: Buffer[] = [];
  #wake: () => void = () => undefined;
  #over = false;
  received = 0;

  constructor(socket: WebSocket) {
    socket.on('message', data => {
      this.received += 1;
      this.#messages.push(Buffer.from(data as Buffer));
      this.#wake();
    });
    socket.on('close', () => {
      this.#over = true;
      this.#wake();
    });
  }

  /** The next message; undefined when the connection ends before it. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message || this.#over) return message;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  get waiting(): number {
    return this.#messages.length;
  }
}

export class PortalEnd {
  readonly socket: WebSocket;
  readonly headers: IncomingMessage['headers'];
  readonly inbox: Inbox;

  constructor(socket: WebSocket, headers: IncomingMessage['headers']) {
    this.socket = socket;
    this.headers = headers;
    this.inbox = new Inbox(socket);
    socket.on('error', () => socket.terminate());
  }

  say(message: FromAppliance): void {
    this.socket.send(writeLegMessage(message), { binary: true });
  }
}

export class AppletEnd {
  readonly socket: WebSocket;
  readonly inbox: Inbox;
  readonly closed: Promise<number>;

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.inbox = new Inbox(socket);
    this.closed = new Promise(resolve => {
      socket.on('close', code => resolve(code));
    });
    socket.on('error', () => socket.terminate());
  }

  say(message: FromApplet): void {
    this.socket.send(writeLegMessage(message), { binary: true });
  }

  async hears(): Promise<FromAppliance | undefined> {
    const message = await this.inbox.next();
    return message && parseFromAppliance(Uint8Array.from(message));
  }
}

type LegOptions = ClientOptions & ConnectionOptions & { createConnection?: () => Duplex };

export interface TestHandOffWish {
  readonly limits?: Partial<HandOffLimits>;
  /** Nobody listens where the portal would. */
  readonly portalAway?: boolean;
  /** The internal socket of a real portal. */
  readonly socketPath?: string;
}

export class TestHandOff {
  readonly clock = new ManualClock();
  readonly metrics = new Metrics();
  readonly handOff: HandOff;
  readonly edge: TestEdge;
  readonly lines: string[] = [];
  readonly #ends: PortalEnd[] = []; // not given out yet
  readonly #sockets = new Set<WebSocket>();
  #wake: () => void = () => undefined;
  #portal: Server | undefined;

  constructor(wish: TestHandOffWish) {
    const own = {
      request: (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(404).end(),
      upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => this.handOff.upgrade(request, socket, head),
    };
    this.edge = new TestEdge({ own });
    this.handOff = new HandOff({
      socketPath: wish.socketPath ?? this.#socketPath,
      id: 'gateway-1',
      origins: new OwnOrigins(testEdgeConfig),
      clock: this.clock,
      log: createLog('gateway', { write: line => this.lines.push(line) }),
      metrics: this.metrics,
      limits: { ...handOffLimits, closeMs: 200, ...wish.limits },
    });
  }

  get #socketPath(): string {
    return join(this.edge.folder, 'run', 'portal-internal.sock');
  }

  async startPortal(): Promise<void> {
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    this.#portal = createServer((_request, response) => response.writeHead(404).end());
    this.#portal.on('upgrade', (request, socket, head) => {
      if (request.url !== '/internal/applet-leg') return void socket.destroy();
      sockets.handleUpgrade(request, socket, head, accepted => {
        const end = new PortalEnd(accepted, request.headers);
        end.say(CHALLENGE);
        this.#ends.push(end);
        this.#sockets.add(accepted);
        accepted.on('close', () => this.#sockets.delete(accepted));
        this.#wake();
      });
    });
    this.#portal.listen(this.#socketPath);
    await once(this.#portal, 'listening');
  }

  async stopPortal(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    this.#portal?.closeAllConnections();
    await new Promise<unknown>(resolve => (this.#portal ? this.#portal.close(resolve) : resolve(undefined)));
    this.#portal = undefined;
  }

  /** The portal's end of the next leg. */
  async portalEnd(): Promise<PortalEnd> {
    for (;;) {
      const end = this.#ends.shift();
      if (end) return end;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  open(options: LegOptions = {}, protocol: string = APPLET_LEG_PROTOCOL): WebSocket {
    return new WebSocket(`wss://127.0.0.1:${this.edge.ports.edge}${APPLET_LEG_PATH}`, [protocol], {
      ca: this.edge.authority.certificate,
      servername: NAME,
      headers: { host: NAME },
      origin: `https://${NAME}`,
      perMessageDeflate: false,
      ...options,
    });
  }

  /** An applet that is connected and has heard the challenge, and the portal's end of its leg. */
  async connect(options: LegOptions = {}): Promise<{ applet: AppletEnd; portal: PortalEnd }> {
    const applet = new AppletEnd(this.open(options));
    await once(applet.socket, 'open');
    const portal = await this.portalEnd();
    await applet.hears();
    return { applet, portal };
  }

  async claimed(options: LegOptions = {}): Promise<{ applet: AppletEnd; portal: PortalEnd }> {
    const ends = await this.connect(options);
    ends.applet.say(claim());
    await ends.portal.inbox.next();
    ends.portal.say(CLAIMED);
    await ends.applet.hears();
    return ends;
  }

  /** Status of an upgrade that is refused; 101 when it is not. */
  async status(options: LegOptions = {}, protocol?: string): Promise<number> {
    const socket = this.open(options, protocol);
    return new Promise(resolve => {
      socket.once('open', () => {
        socket.terminate();
        resolve(101);
      });
      socket.once('unexpected-response', (request, response) => {
        resolve(response.statusCode ?? 0);
        request.destroy();
      });
      socket.on('error', () => socket.terminate());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.handOff.close();
    await this.stopPortal();
    await this.edge.close();
  }
}

export async function startHandOff(wish: TestHandOffWish = {}): Promise<TestHandOff> {
  const at = new TestHandOff(wish);
  await at.edge.start();
  if (!wish.portalAway && wish.socketPath === undefined) await at.startPortal();
  return at;
}
