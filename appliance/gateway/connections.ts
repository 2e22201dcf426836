// Who is connected: budgets for connections, unfinished handshakes and upgrades, and the requests on each connection.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Budget, type Release } from './budget.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { EdgeLimits } from './limits.ts';
import { sourceOf } from './source.ts';

export class Connections {
  readonly #metrics: EdgeMetrics;
  readonly #open: Budget;
  readonly #handshakes: Budget;
  readonly #upgrades: Budget;
  readonly #sockets = new Set<Socket>(); // TCP, below TLS
  readonly #upgraded = new Set<Socket>();
  readonly #requests = new WeakMap<Duplex, number>();
  /** By peer: TLS sockets don't lead back to their TCP socket. */
  readonly #unfinished = new Map<string, Release>();

  constructor(limits: EdgeLimits, metrics: EdgeMetrics) {
    this.#metrics = metrics;
    this.#open = new Budget(limits.connections, limits.connectionsPerSource);
    this.#handshakes = new Budget(limits.connections, limits.handshakesPerSource);
    this.#upgrades = new Budget(limits.upgrades, limits.upgradesPerSource);
  }

  get open(): number {
    return this.#open.held;
  }

  get upgraded(): number {
    return this.#upgrades.held;
  }

  /** Lets a TCP connection go on to its handshake, or ends it. */
  admit(socket: Socket): void {
    const source = sourceOf(socket.remoteAddress ?? '');
    const place = this.#open.take(source);
    const handshake = place && this.#handshakes.take(source);
    if (!place || !handshake) {
      place?.();
      this.#metrics.refused(place ? 'handshakes-of-source' : 'connections-of-source');
      socket.resetAndDestroy(); // no TIME-WAIT for what a flood leaves behind
      return;
    }
    const peer = peerOf(socket);
    this.#sockets.add(socket);
    this.#unfinished.set(peer, handshake);
    this.#metrics.connected();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#unfinished.get(peer) === handshake) this.#unfinished.delete(peer);
      handshake();
      place();
    });
  }

  handshakeDone(socket: Socket): void {
    this.#unfinished.get(peerOf(socket))?.();
  }

  /** @returns what gives the place back; undefined when there is none */
  admitUpgrade(socket: Socket): Release | undefined {
    const release = this.#upgrades.take(sourceOf(socket.remoteAddress ?? ''));
    if (!release) return undefined;
    this.#upgraded.add(socket);
    return () => {
      this.#upgraded.delete(socket);
      release();
    };
  }

  /** @returns how many requests are under way on the connection, this one counted */
  requestBegan(socket: Duplex): number {
    const count = (this.#requests.get(socket) ?? 0) + 1;
    this.#requests.set(socket, count);
    return count;
  }

  requestEnded(socket: Duplex): void {
    this.#requests.set(socket, Math.max(0, (this.#requests.get(socket) ?? 0) - 1));
  }

  hasRequests(socket: Duplex): boolean {
    return (this.#requests.get(socket) ?? 0) > 0;
  }

  /** Ends upgraded connections: their bytes are not ours, so there is no moment to wait for. */
  endUpgraded(): void {
    for (const socket of this.#upgraded) socket.end();
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
