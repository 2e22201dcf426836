// The edge: the one TLS listener that users, applets and consoles meet (A-05, B-01), in front of the portal.
// A stranger becomes a request at `#request` or `#upgrade`; before that, deadlines and budgets of `limits.ts` hold.
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import { join as joinPath } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { type ApplianceConfig, settingsEndpoint } from '../config.ts';
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
import { SettingsDoor } from './settings-door.ts';
import { createTlsServer } from './tls-server.ts';

const LOOPBACK = '127.0.0.1';
const BUSY = 'The appliance has too much to do just now. Try again in a few seconds.';
const OWN_PREFIX = '/gateway/';

/** Without `settings` there is no listener for them. */
export type EdgeConfig = Pick<ApplianceConfig, 'names' | 'gateways' | 'listen'> &
  Partial<Pick<ApplianceConfig, 'settings'>>;

export interface EdgeParts {
  readonly config: EdgeConfig;
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
  readonly #settings: SettingsDoor;
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
      onChanged: own => {
        this.#server.setSecureContext(own.options);
        this.#settings.renew(own);
      },
    });
    this.#settings = new SettingsDoor({
      ...{ certificates: this.#certificates, hosts: this.#hosts, limits: this.#limits, edgeMetrics: this.#metrics },
      ...{ clock, log, metrics, socketPath: run('portal-settings.sock') },
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
    await this.#openSettings(this.#parts.config);
    this.#parts.log.info('gateway.listening', { id: this.#parts.id, address, port: edge, redirect, metrics });
    return { edge, redirect, metrics };
  }

  /**
   * Takes names as they are configured now and reads the certificates again; running connections keep theirs, but those to the
   * settings end where their address is not on the list any more.
   */
  async reload(config: EdgeConfig = this.#parts.config): Promise<void> {
    this.#hosts.replace(config.names);
    this.#certificates.reload();
    await this.#openSettings(config);
  }

  /** The first gateway has them. */
  async #openSettings(config: EdgeConfig): Promise<void> {
    const { settings, gateways } = config;
    if (settings === undefined || gateways[0]?.id !== this.#parts.id || this.#closing) return;
    await this.#settings.open(settings.enabled ? settingsEndpoint({ ...config, settings }) : null, settings.from);
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
    const settings = this.#settings.close();
    const cancel = this.#parts.clock.after(this.#limits.drainMs, () => {
      this.#connections.destroyAll();
      for (const server of this.#plain) server.closeAllConnections();
    });
    await Promise.all([...ended, settings]);
    cancel();
    this.#portal.close();
    this.#recorder.close();
    this.#parts.log.info('gateway.closed', { id: this.#parts.id });
  }

  #createServer(): Server {
    const server = createTlsServer({
      certificates: this.#certificates,
      limits: this.#limits,
      metrics: this.#metrics,
      connections: this.#connections,
    });
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
