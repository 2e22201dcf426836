// The edge: the one TLS listener that users, applets and consoles meet (A-05, B-01), in front of the portal.
// A stranger becomes a request at `#request` or `#upgrade`; before that, deadlines and budgets of `limits.ts` hold.
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { join as joinPath } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { ApplianceConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { RECORDER_PATH } from '../protocol/recorder-socket.ts';
import { answer, bareAnswer } from './answers.ts';
import { Certificates } from './certificates.ts';
import { Connections } from './connections.ts';
import { EdgeMetrics } from './edge-metrics.ts';
import { hasBody } from './forwarded-headers.ts';
import { Hosts } from './hosts.ts';
import { type EdgeLimits, edgeLimits } from './limits.ts';
import { createMetricsListener, createRedirect, listenOn } from './plain-listeners.ts';
import { PortalProxy } from './portal-proxy.ts';
import { ReadinessProbe } from './readiness.ts';
import { checkRequest } from './request-check.ts';

const LOOPBACK = '127.0.0.1';
const BUSY = 'The appliance has too much to do just now. Try again in a few seconds.';
const OWN_PREFIX = '/gateway/';
const TCP_KEEP_ALIVE_MS = 30_000; // finds peers that went without a word on upgraded connections
const MOST_HEADERS = 128;

export interface EdgeParts {
  readonly config: Pick<ApplianceConfig, 'names' | 'gateways' | 'listen'>;
  /** Id in `config.gateways`. */
  readonly id: string;
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits?: EdgeLimits;
  /** Ports in place of the configured ones; 0 takes any free one. */
  readonly ports?: { readonly edge: number; readonly redirect?: number | null; readonly metrics?: number | null };
  /** What answers under `/gateway/`: the requests and upgrades that never reach the portal. */
  readonly own?: {
    request(request: IncomingMessage, response: ServerResponse): void;
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  };
}

export interface EdgePorts {
  readonly edge: number;
  readonly redirect: number | null;
  readonly metrics: number | null;
}

export class Edge {
  readonly #parts: EdgeParts;
  readonly #limits: EdgeLimits;
  readonly #hosts: Hosts;
  readonly #metrics: EdgeMetrics;
  readonly #certificates: Certificates;
  readonly #connections: Connections;
  readonly #portal: PortalProxy;
  readonly #recorder: PortalProxy;
  readonly #readiness: ReadinessProbe;
  readonly #server: Server;
  readonly #plain: HttpServer[] = [];
  #requests = 0;
  #closing = false;

  /** @throws ApplianceError `gateway.certificate`, `gateway.unknown` */
  constructor(parts: EdgeParts) {
    const { config, dataFolder, clock, log, metrics } = parts;
    const run = (name: string) => joinPath(dataFolder, 'run', name);
    this.#parts = parts;
    this.#limits = parts.limits ?? edgeLimits;
    this.#hosts = new Hosts(config.names);
    this.#metrics = new EdgeMetrics(metrics, clock);
    this.#connections = new Connections(this.#limits, this.#metrics);
    const shared = { limits: this.#limits, clock, log, metrics };
    this.#portal = new PortalProxy({ ...shared, to: 'portal', socketPath: run('portal.sock') });
    this.#recorder = new PortalProxy({ ...shared, to: 'recorder', socketPath: run('recorder.sock') });
    this.#certificates = new Certificates({
      dataFolder,
      clock,
      log,
      onChanged: own => this.#server.setSecureContext(own.options),
    });
    this.#readiness = new ReadinessProbe({
      clock,
      portalSocket: run('portal.sock'),
      internalSocket: run('portal-internal.sock'),
      certificateInDate: () => this.#certificates.inDate(),
    });
    this.#metrics.watch(this.#connections, () => this.#certificates.list());
    this.#server = this.#createServer();
  }

  /** Opens the listeners: redirect and metrics only where they are configured. */
  async listen(): Promise<EdgePorts> {
    const ports = this.#portsToUse();
    const { address } = this.#parts.config.listen;
    const edge = await listenOn(this.#server, ports.edge, address);
    const plain = async (server: HttpServer, port: number, host: string) => {
      this.#plain.push(server);
      return listenOn(server, port, host);
    };
    const redirect =
      ports.redirect === null
        ? null
        : await plain(createRedirect(this.#hosts, edge, this.#limits), ports.redirect, address);
    const metrics =
      ports.metrics === null
        ? null
        : await plain(createMetricsListener(this.#parts.metrics, this.#limits), ports.metrics, LOOPBACK);
    this.#parts.log.info('gateway.listening', { id: this.#parts.id, address, port: edge, redirect, metrics });
    return { edge, redirect, metrics };
  }

  /** Takes names as they are configured now and reads the certificates again; running connections keep theirs. */
  reload(names: readonly string[] = this.#parts.config.names): void {
    this.#hosts.replace(names);
    this.#certificates.reload();
  }

  /** Takes no more, lets what is under way finish for `drainMs`, then cuts. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#certificates.close();
    const servers = [this.#server, ...this.#plain].filter(server => server.listening);
    const ended = servers.map(server => new Promise<void>(resolve => server.close(() => resolve())));
    for (const server of servers) server.closeIdleConnections();
    this.#connections.endUpgraded();
    const cancel = this.#parts.clock.after(this.#limits.drainMs, () => {
      this.#connections.destroyAll();
      for (const server of this.#plain) server.closeAllConnections();
    });
    await Promise.all(ended);
    cancel();
    this.#portal.close();
    this.#recorder.close();
    this.#parts.log.info('gateway.closed', { id: this.#parts.id });
  }

  #createServer(): Server {
    const server = createServer({
      ...this.#certificates.own.options,
      SNICallback: (name, done) => done(null, this.#certificates.choose(name).context),
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: this.#limits.handshakeMs,
      maxHeaderSize: this.#limits.headerBytes,
      headersTimeout: this.#limits.headersMs,
      requestTimeout: 0, // a long upload is fine as long as it moves: `bodySilenceMs`
      connectionsCheckingInterval: Math.min(1000, this.#limits.headersMs),
      keepAliveTimeout: this.#limits.keepAliveMs,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      noDelay: true,
      insecureHTTPParser: false,
      // Anything but WebSocket (h2c, say) is not switched to: RFC 9110 §7.8 lets us answer as if it were not there.
      shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() === 'websocket',
    });
    server.maxHeadersCount = MOST_HEADERS;
    server.maxConnections = this.#limits.connections;
    server.on('connection', (socket: Socket) => this.#connections.admit(socket));
    server.on('drop', () => this.#metrics.refused('connections'));
    server.on('secureConnection', (socket: TLSSocket) => this.#connections.handshakeDone(socket));
    server.on('tlsClientError', (_error, socket: TLSSocket) => {
      this.#metrics.refused('handshake');
      socket.destroy();
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => this.#malformed(error, socket));
    server.on('request', (request, response) => this.#request(request, response));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    return server;
  }

  /** Way in: from here on a stranger's bytes are a request that has been judged. */
  #request(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#begin(request, response)) return;
    const checked = checkRequest(request, this.#hosts);
    if (!checked.ok) return void this.#refuse(request, response, checked.status, checked.reason);
    if (request.url === '/healthz') return void answer(request, response, 200, { text: 'ok' });
    if (request.url === '/readyz') return void this.#answerReadiness(request, response);
    if (!request.url?.startsWith(OWN_PREFIX)) return void this.#portal.forward(request, response);
    if (this.#parts.own) return void this.#parts.own.request(request, response);
    answer(request, response, 404);
  }

  /** Way in, for connections that become WebSockets. */
  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: number, reason: string) => {
      this.#metrics.refused(reason);
      socket.on('error', () => socket.destroy());
      socket.end(bareAnswer(status, reason), () => socket.destroy());
    };
    const checked = checkRequest(request, this.#hosts);
    if (!checked.ok) return void refuse(checked.status, checked.reason);
    // A body before the switch would be read as one by some and as frames by others.
    if (request.method !== 'GET' || hasBody(request)) return void refuse(400, 'upgrade-form');
    const release = this.#closing ? undefined : this.#connections.admitUpgrade(request.socket);
    if (!release) return void refuse(503, 'upgrades');
    request.socket.setTimeout(0); // the HTTP server's keep-alive timer has no business here any more
    if (request.url === RECORDER_PATH) return void this.#recorder.upgrade(request, socket, head, release);
    if (!request.url?.startsWith(OWN_PREFIX)) return void this.#portal.upgrade(request, socket, head, release);
    socket.once('close', release);
    if (this.#parts.own) return void this.#parts.own.upgrade(request, socket, head);
    refuse(404, 'no-such-upgrade');
  }

  /** Counts a request that begins; false when there is no room for it. */
  #begin(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#closing) response.shouldKeepAlive = false;
    const pipelined = this.#connections.requestBegan(request.socket);
    this.#requests += 1;
    response.once('close', () => {
      this.#requests -= 1;
      this.#connections.requestEnded(request.socket);
      this.#metrics.answered(response.statusCode);
    });
    if (pipelined > this.#limits.requestsPerConnection) {
      this.#metrics.refused('pipelined');
      request.socket.destroy();
      return false;
    }
    if (this.#requests <= this.#limits.requests) return true;
    this.#refuse(request, response, 503, 'requests');
    return false;
  }

  /** A refused request's connection ends: where its body would begin and end is not worth finding out. */
  #refuse(request: IncomingMessage, response: ServerResponse, status: number, reason: string): void {
    this.#metrics.refused(reason);
    response.once('finish', () => request.destroy());
    answer(request, response, status, { last: true, ...(status === 503 && { text: BUSY }) });
  }

  async #answerReadiness(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { portal, certificate } = await this.#readiness.read();
    const state = (good: boolean) => (good ? 'ok' : 'not ready');
    const text = `portal: ${state(portal)}\ncertificate: ${state(certificate)}`;
    if (!response.destroyed) answer(request, response, portal && certificate ? 200 : 503, { text });
  }

  #malformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const [status, reason] = malformedAs[error.code ?? ''] ?? ([400, 'malformed'] as const);
    this.#metrics.refused(reason);
    // An answer under way would be mixed up with this one.
    if (!socket.writable || this.#connections.hasRequests(socket)) return void socket.destroy();
    socket.end(bareAnswer(status, reason), () => socket.destroy());
  }

  #portsToUse(): { edge: number; redirect: number | null; metrics: number | null } {
    const { config, id, ports } = this.#parts;
    if (ports) return { edge: ports.edge, redirect: ports.redirect ?? null, metrics: ports.metrics ?? null };
    const at = config.gateways.findIndex(gateway => gateway.id === id);
    const first = at === 0;
    const port = config.gateways[at]?.port ?? (first ? config.listen.port : undefined);
    if (port === undefined) {
      throw new ApplianceError('malformed', 'gateway.unknown', `no port is configured for ${id}`, {
        hint: 'Each gateway after the first stands under `gateways` with an id and a port.',
      });
    }
    const { redirectPort, metricsPort } = config.listen;
    return {
      edge: port,
      redirect: first ? redirectPort : null,
      metrics: metricsPort === null ? null : metricsPort + at, // one listener for each gateway process
    };
  }
}

const malformedAs: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers-too-long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'headers-late'],
  ECONNRESET: [400, 'reset'],
};
