// A real edge with its own certificates, and a real HTTP server on a Unix socket where the portal would be.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { request as openRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../../appliance/clock.ts';
import { Edge, type EdgeConfig, type EdgeParts, type EdgePorts } from '../../appliance/gateway/edge.ts';
import { type EdgeLimits, edgeLimits } from '../../appliance/gateway/limits.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { TestAuthority } from './test-certificates.ts';

export const NAME = 'support.example.test';
/** One for all edges of a process. */
const authority = new TestAuthority();

export const testEdgeConfig: EdgeConfig = {
  names: [NAME, 'localhost'],
  gateways: [{ id: 'gateway-1' }, { id: 'gateway-2', port: 8444 }],
  listen: { address: '127.0.0.1', port: 8443, redirectPort: null, metricsPort: null },
};

export interface TestAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export interface TestEdgeWish {
  readonly portal?: RequestListener;
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly limits?: Partial<EdgeLimits>;
  /** Of the edge's own deadlines; Node's, for handshake and headers, go by the machine's. */
  readonly clock?: Clock;
  readonly own?: EdgeParts['own'];
  readonly ports?: EdgeParts['ports'];
  readonly config?: EdgeConfig;
}

export class TestEdge {
  readonly folder: string;
  readonly authority = authority;
  readonly metrics = new Metrics();
  readonly edge: Edge;
  ports: EdgePorts = { edge: 0, redirect: null, metrics: null };
  #portal: Server | undefined;
  #internal: Server | undefined;
  readonly #wish: TestEdgeWish;

  constructor(wish: TestEdgeWish) {
    this.#wish = wish;
    this.folder = mkdtempSync(join(tmpdir(), 'edge-'));
    for (const name of ['public', 'keys', 'run']) mkdirSync(join(this.folder, name));
    this.putCertificate('server', [NAME, `applet.${NAME}`, 'localhost', 'applet.localhost']);
    this.edge = new Edge({
      config: wish.config ?? testEdgeConfig,
      id: 'gateway-1',
      dataFolder: this.folder,
      clock: wish.clock ?? systemClock,
      log: silentLog,
      metrics: this.metrics,
      limits: { ...edgeLimits, ...wish.limits },
      ports: wish.ports ?? { edge: 0, redirect: 0, metrics: 0 },
      ...(wish.own && { own: wish.own }),
    });
  }

  async start(): Promise<this> {
    if (this.#wish.portal || this.#wish.upgrade) await this.startPortal();
    this.ports = await this.edge.listen();
    return this;
  }

  async startPortal(): Promise<void> {
    // It never closes an idle connection itself, so that what the edge leaves behind stays to be seen.
    this.#portal = createServer(
      { keepAliveTimeout: 0 },
      this.#wish.portal ?? ((_request, response) => response.end('portal')),
    );
    if (this.#wish.upgrade) this.#portal.on('upgrade', this.#wish.upgrade);
    this.#internal = createServer((_request, response) => response.end('{"ok":true}'));
    await listen(this.#portal, join(this.folder, 'run', 'portal.sock'));
    await listen(this.#internal, join(this.folder, 'run', 'portal-internal.sock'));
  }

  async stopPortal(): Promise<void> {
    for (const server of [this.#portal, this.#internal]) {
      server?.closeAllConnections();
      if (server?.listening) await new Promise(resolve => server.close(resolve));
    }
  }

  putCertificate(label: string, names: readonly string[], times: { notBefore?: number; notAfter?: number } = {}): void {
    const made = authority.issue({ names, addresses: ['127.0.0.1'], ...times });
    writeFileSync(join(this.folder, 'public', `${label}.crt`), made.certificate);
    writeFileSync(join(this.folder, 'keys', `${label}.key`), made.key, { mode: 0o600 });
  }

  /** Asks as a browser would, checking the certificate against the test's authority. */
  ask(options: RequestOptions & { body?: string } = {}): Promise<TestAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<TestAnswer>();
    const asking = openRequest(
      {
        host: '127.0.0.1',
        port: this.ports.edge,
        servername: NAME,
        ca: this.authority.certificate,
        agent: false,
        ...options,
        headers: { host: NAME, ...options.headers },
      },
      reply => {
        readBody(reply).then(
          body =>
            resolve({ status: reply.statusCode ?? 0, headers: reply.headers, rawHeaders: reply.rawHeaders, body }),
          reject,
        );
      },
    );
    asking.once('error', reject);
    asking.end(options.body);
    return promise;
  }

  /** A TLS connection with its handshake done. */
  connect(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({
      host: '127.0.0.1',
      port: this.ports.edge,
      servername: NAME,
      ca: this.authority.certificate,
      ...options,
    });
    return new Promise((resolve, reject) => {
      socket.once('secureConnect', () => resolve(socket));
      socket.once('error', reject);
    });
  }

  /** As `raw`, for a certificate no client would take: bytes go through whatever OpenSSL's verdict, and nothing is trusted. */
  async probe(bytes: string): Promise<string> {
    const asking = spawn('openssl', [
      's_client',
      '-quiet',
      '-connect',
      `127.0.0.1:${this.ports.edge}`,
      '-servername',
      NAME,
    ]);
    asking.stdin.write(bytes);
    const text = await readBody(asking.stdout);
    asking.stdin.destroy();
    return text;
  }

  /** Sends bytes as they are and reads until the edge ends the connection. */
  async raw(bytes: string): Promise<string> {
    const socket = await this.connect();
    socket.write(bytes, 'latin1');
    return readToEnd(socket);
  }

  async close(): Promise<void> {
    await this.edge.close();
    await this.stopPortal();
    rmSync(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export function startEdge(wish: TestEdgeWish = {}): Promise<TestEdge> {
  return new TestEdge(wish).start();
}

export async function readBody(from: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of from) text += String(chunk);
  return text;
}

/** What comes until the other side ends, whether by a close or a reset. */
export function readToEnd(socket: Duplex): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(text));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
}
