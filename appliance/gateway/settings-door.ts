// The listener of the settings: the same TLS and the same names as the other one, in front of a socket of its own. Who is not on
// its list is dropped at accept, before TLS. The list, the address and the port may change while it runs.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import { type BlockList, isIPv6, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { answer, bareAnswer } from './answers.ts';
import type { Certificates } from './certificates.ts';
import { Connections } from './connections.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { Hosts } from './hosts.ts';
import type { EdgeLimits } from './limits.ts';
import { listenOn } from './plain-listeners.ts';
import { PortalProxy } from './portal-proxy.ts';
import { checkRequest } from './request-check.ts';
import { plainAddress, rangesOf } from './source.ts';
import { createTlsServer } from './tls-server.ts';

const BUSY = 'The appliance has too much to do just now. Try again in a few seconds.';

export interface SettingsDoorParts {
  readonly certificates: Certificates;
  readonly hosts: Hosts;
  readonly limits: EdgeLimits;
  readonly edgeMetrics: EdgeMetrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly socketPath: string;
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export class SettingsDoor {
  readonly #parts: SettingsDoorParts;
  readonly #connections: Connections;
  readonly #portal: PortalProxy;
  readonly #sockets = new Set<Socket>();
  #list: BlockList = rangesOf([]);
  #open: { server: Server; at: Endpoint } | null = null;
  /** One change after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #requests = 0;

  constructor(parts: SettingsDoorParts) {
    const { limits, edgeMetrics, socketPath, clock, log, metrics } = parts;
    this.#parts = parts;
    this.#connections = new Connections(limits, edgeMetrics);
    this.#portal = new PortalProxy({ limits, clock, log, metrics, to: 'settings', socketPath });
  }

  /**
   * From here on this list, and this place; a place that can't be taken leaves the one there was, and is logged.
   * @param at null for nowhere
   */
  open(at: Endpoint | null, from: readonly string[]): Promise<void> {
    this.#list = rangesOf(from);
    for (const socket of this.#sockets) if (!this.#admits(socket)) socket.destroy();
    const turn = this.#turn.then(() => this.#move(at));
    this.#turn = turn;
    return turn;
  }

  renew({ options }: Certificates['own']): void {
    this.#open?.server.setSecureContext(options);
  }

  async close(): Promise<void> {
    await this.open(null, []);
    this.#portal.close();
  }

  async #move(to: Endpoint | null): Promise<void> {
    const now = this.#open;
    if (to?.port === now?.at.port && to?.address === now?.at.address) return;
    const { log } = this.#parts;
    // On one port a narrower address is not free before the wider one is given up.
    if (now !== null && (to === null || to.port === now.at.port)) this.#end(now.server);
    if (to === null) {
      this.#open = null;
      return;
    }
    try {
      this.#open = { server: await this.#listen(to), at: to };
      if (now !== null && now.at.port !== to.port) this.#end(now.server);
      log.info('gateway.settings-listening', { ...to });
    } catch (error) {
      log.error('gateway.settings-not-listening', { ...to, error: describeError(error) });
      if (now !== null && now.at.port === to.port) await this.#goBack(now.at);
    }
  }

  /** To where it was just now: what has failed there is not tried again before the next change. */
  async #goBack(at: Endpoint): Promise<void> {
    this.#open = null;
    try {
      this.#open = { server: await this.#listen(at), at };
    } catch (error) {
      this.#parts.log.error('gateway.settings-gone', { ...at, error: describeError(error) });
    }
  }

  async #listen({ address, port }: Endpoint): Promise<Server> {
    const { certificates, limits, edgeMetrics } = this.#parts;
    const server = createTlsServer({
      ...{ certificates, limits, metrics: edgeMetrics, connections: this.#connections },
      admits: socket => this.#take(socket),
    });
    server.on('request', (request, response) => this.#request(request, response));
    server.on('upgrade', (_request, socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(bareAnswer(404, 'no-such-upgrade'), () => socket.destroy());
    });
    await listenOn(server, port, address);
    return server;
  }

  /** What is under way on it ends with it: whoever changed the place asks again at the new one. */
  #end(server: Server): void {
    server.close();
    server.closeIdleConnections();
    const cancel = this.#parts.clock.after(this.#parts.limits.drainMs, () => server.closeAllConnections());
    server.once('close', cancel);
  }

  #take(socket: Socket): boolean {
    if (!this.#admits(socket)) {
      this.#parts.edgeMetrics.refused('settings-address');
      return false;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return true;
  }

  #admits({ remoteAddress = '' }: Socket): boolean {
    const address = plainAddress(remoteAddress).split('%')[0] ?? '';
    return this.#list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  /** Way in, as at the edge: from here on a stranger's bytes are a request that has been judged. */
  #request(request: IncomingMessage, response: ServerResponse): void {
    const { limits, edgeMetrics, hosts } = this.#parts;
    const pipelined = this.#connections.requestBegan(request.socket);
    this.#requests += 1;
    response.once('close', () => {
      this.#requests -= 1;
      this.#connections.requestEnded(request.socket);
      edgeMetrics.answered(response.statusCode);
    });
    if (pipelined > limits.requestsPerConnection) return void request.socket.destroy();
    if (this.#requests > limits.requests) return void this.#refuse(request, response, 503, 'requests');
    const checked = checkRequest(request, hosts);
    if (!checked.ok) return void this.#refuse(request, response, checked.status, checked.reason);
    this.#portal.forward(request, response);
  }

  #refuse(request: IncomingMessage, response: ServerResponse, status: number, reason: string): void {
    this.#parts.edgeMetrics.refused(reason);
    response.once('finish', () => request.destroy());
    answer(request, response, status, { last: true, ...(status === 503 && { text: BUSY }) });
  }
}
