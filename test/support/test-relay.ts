// A relay behind a real edge, one-time tokens, and legs that speak bytes.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import WebSocket, { type ClientOptions } from 'ws';
import { OwnOrigins } from '../../appliance/gateway/own-origins.ts';
import { Relay } from '../../appliance/gateway/relay.ts';
import { type LegClient, type RelayRole, roleOf } from '../../appliance/gateway/relay-leg.ts';
import { type RelayLimits, relayLimits } from '../../appliance/gateway/relay-limits.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ManualClock } from './manual-clock.ts';
import { NAME, TestEdge, testEdgeConfig } from './test-edge.ts';
import { clientFrame, type ReadFrame, readFrame } from './websocket-bytes.ts';

export const ZERO_MASK = Buffer.alloc(4);

export class TestRelay {
  readonly clock = new ManualClock();
  readonly metrics = new Metrics();
  readonly relay: Relay;
  readonly edge: TestEdge;
  readonly #tokens = new Map<string, { role: RelayRole; pairId: string }>();

  constructor(limits: Partial<RelayLimits>) {
    this.relay = new Relay({
      authorise: async ({ token, role }) => {
        const known = this.#tokens.get(token);
        this.#tokens.delete(token);
        return known?.role === role ? { pairId: known.pairId } : undefined;
      },
      origins: new OwnOrigins(testEdgeConfig),
      clock: this.clock,
      log: silentLog,
      metrics: this.metrics,
      limits: { ...relayLimits, ...limits },
    });
    const own = {
      request: (_request: IncomingMessage, response: ServerResponse) => void response.writeHead(404).end(),
      upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => this.relay.upgrade(request, socket, head),
    };
    this.edge = new TestEdge({ own });
  }

  issueToken(role: RelayRole, pairId: string): string {
    const token = randomBytes(32).toString('base64url');
    this.#tokens.set(token, { role, pairId });
    return token;
  }

  /** A leg that speaks bytes, with its handshake done. */
  async attach(client: LegClient, pairId: string): Promise<TestLeg> {
    const leg = await this.ask(client, { token: this.issueToken(roleOf(client), pairId) });
    const head = await leg.head();
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`not attached: ${head}`);
    return leg;
  }

  async ask(
    role: string,
    wish: { token: string; headers?: Record<string, string | undefined>; first?: Buffer },
  ): Promise<TestLeg> {
    const socket = await this.edge.connect();
    const headers: Record<string, string | undefined> = {
      Host: NAME,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      Origin: `https://${NAME}`,
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': `appliance.link.v1, token.${wish.token}`,
      ...wish.headers,
    };
    const lines = Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}: ${value}`],
    );
    const text = [`GET /gateway/relay/${role} HTTP/1.1`, ...lines, '', ''].join('\r\n');
    socket.write(Buffer.concat([Buffer.from(text), wish.first ?? Buffer.alloc(0)]));
    return new TestLeg(socket);
  }

  /** A leg as a browser would make it, with a key of its own for each frame: an independent implementation. */
  async attachBrowser(pairId: string, client: 'console' | 'browser' = 'console'): Promise<WebSocket> {
    const token = this.issueToken(roleOf(client), pairId);
    const options: ClientOptions & ConnectionOptions = {
      ca: this.edge.authority.certificate,
      servername: NAME,
      headers: { host: NAME },
      origin: `https://${NAME}`,
    };
    const address = `wss://127.0.0.1:${this.edge.ports.edge}/gateway/relay/${client}`;
    const socket = new WebSocket(address, ['appliance.link.v1', `token.${token}`], options);
    await once(socket, 'open');
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.relay.close();
    await this.edge.close();
  }
}

export async function startRelay(limits: Partial<RelayLimits> = {}): Promise<TestRelay> {
  const relay = new TestRelay(limits);
  await relay.edge.start();
  return relay;
}

export class TestLeg {
  readonly socket: TLSSocket;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Sends one binary message. */
  send(payload: Buffer | string, mask: Buffer = ZERO_MASK): boolean {
    return this.socket.write(clientFrame({ opcode: 2, payload: Buffer.from(payload), mask }));
  }

  control(opcode: number, payload: Buffer | string = ''): boolean {
    return this.socket.write(clientFrame({ opcode, payload: Buffer.from(payload), mask: ZERO_MASK }));
  }

  /** The answer's head, up to its blank line or the end. */
  async head(): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end >= 0 || this.#ended) {
        const head = this.#bytes.subarray(0, end < 0 ? undefined : end).toString('latin1');
        this.#bytes = end < 0 ? Buffer.alloc(0) : this.#bytes.subarray(end + 4);
        return head;
      }
      await this.#more();
    }
  }

  /** The next frame; undefined when the connection ends before it. */
  async next(): Promise<ReadFrame | undefined> {
    for (;;) {
      const frame = readFrame(this.#bytes);
      if (frame) {
        this.#bytes = this.#bytes.subarray(frame.size);
        return frame;
      }
      if (this.#ended) return undefined;
      await this.#more();
    }
  }

  /** Code of the close frame, after whatever else came first. */
  async closeCode(): Promise<number | undefined> {
    for (;;) {
      const frame = await this.next();
      if (!frame) return undefined;
      if (frame.opcode === 8) return frame.payload.readUInt16BE();
    }
  }

  #more(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve;
    });
  }
}
