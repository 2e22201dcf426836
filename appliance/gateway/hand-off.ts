// The hand-off (F-03): an applet's own leg is let through to the portal, which alone knows who may come in. Until it has
// said so, deadlines and budgets of `hand-off-limits.ts` hold. Why somebody was refused is counted, and told to nobody.
//   GET /gateway/applet, Sec-WebSocket-Protocol: appliance.applet-leg.v1 ⇄ run/portal-internal.sock, /internal/applet-leg
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import WebSocket, { WebSocketServer } from 'ws';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import { APPLET_LEG_PATH, APPLET_LEG_PROTOCOL, MAX_LEG_MESSAGE_BYTES } from '../protocol/applet-leg.ts';
import { bareAnswer } from './answers.ts';
import { Budget, type Release } from './budget.ts';
import { type HandOffEnd, HandOffLeg } from './hand-off-leg.ts';
import { type HandOffLimits, handOffLimits } from './hand-off-limits.ts';
import { type OwnOrigins, onlyHeader } from './own-origins.ts';
import { plainAddress, sourceOf } from './source.ts';
import { isWebSocketRequest } from './websocket-request.ts';

const PORTAL_ADDRESS = 'ws://portal/internal/applet-leg'; // the name is for the Host header only
const TICK_MS = 1000;
/** Of one message, and of one frame at once: nobody honest needs more pieces of 16 KiB. */
const MAX_FRAGMENTS = 64;
const MAX_CHUNKS = 1024;

export interface HandOffParts {
  /** `run/portal-internal.sock` */
  readonly socketPath: string;
  /** This gateway's id in the configuration. */
  readonly id: string;
  readonly origins: OwnOrigins;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits?: HandOffLimits;
}

export class HandOff {
  readonly #parts: HandOffParts;
  readonly #limits: HandOffLimits;
  readonly #server: WebSocketServer;
  readonly #unclaimed: Budget;
  readonly #legs = new Set<HandOffLeg>();
  readonly #cancelTick: Cancel;
  readonly #refusals: Counter;
  readonly #ends: Counter;
  readonly #throttled: Counter;
  #portalReachable = true;
  #closed = false;

  constructor(parts: HandOffParts) {
    this.#parts = parts;
    this.#limits = parts.limits ?? handOffLimits;
    this.#server = new WebSocketServer({
      ...this.#both(),
      noServer: true,
      clientTracking: false,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_CHUNKS,
      handleProtocols: () => APPLET_LEG_PROTOCOL,
    });
    this.#unclaimed = new Budget(this.#limits.unclaimed, this.#limits.unclaimedPerSource);
    const { metrics } = parts;
    this.#refusals = metrics.counter('hand_off_refusals_total', 'Applets that were not let in, by reason');
    this.#ends = metrics.counter('hand_off_ends_total', 'Legs of applets that ended, by reason');
    this.#throttled = metrics.counter('hand_off_throttled_total', 'Times an applet was not read from for its rate');
    const legs = metrics.gauge('hand_off_legs', 'Legs of applets, those not let in yet counted');
    const unclaimed = metrics.gauge('hand_off_unclaimed', 'Legs of applets not let in yet');
    metrics.sample(() => {
      legs.set(this.#legs.size);
      unclaimed.set(this.#unclaimed.held);
    });
    this.#cancelTick = parts.clock.every(TICK_MS, () => {
      for (const leg of this.#legs) leg.tick();
    });
  }

  /** Takes an upgrade the edge has let through. Every refusal of what was asked looks the same. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    if (!this.#isAskedWell(request)) return void this.#refuse(socket, 403, 'malformed');
    if (this.#closed) return void this.#refuse(socket, 503, 'gateway-closed');
    const release = this.#unclaimed.take(sourceOf(request.socket.remoteAddress ?? ''));
    if (release === undefined) return void this.#refuse(socket, 503, 'unclaimed-of-source');
    socket.once('close', release);
    this.#openPortal(request, socket, head, release);
  }

  /** Ends every leg, each with a close frame that says to come back. */
  close(): void {
    this.#closed = true;
    this.#cancelTick();
    for (const leg of [...this.#legs]) leg.close('gateway-closed');
  }

  #isAskedWell(request: IncomingMessage): boolean {
    return (
      request.url === APPLET_LEG_PATH &&
      isWebSocketRequest(request) &&
      this.#parts.origins.isOwn(request) &&
      onlyHeader(request, 'sec-websocket-protocol') === APPLET_LEG_PROTOCOL
    );
  }

  /** First the portal, then the answer: an applet that is let this far has somebody to talk to. */
  #openPortal(request: IncomingMessage, socket: Duplex, head: Buffer, release: Release): void {
    const portal = this.#connect(plainAddress(request.socket.remoteAddress ?? ''));
    const gone = () => portal.terminate();
    const failed = (error: Error) => {
      socket.off('close', gone);
      if (socket.destroyed) return; // the applet went first
      if (this.#portalReachable) this.#parts.log.warn('hand-off.portal-lost', { error: describeError(error) });
      this.#portalReachable = false;
      this.#refuse(socket, 503, 'portal-unreachable');
    };
    socket.once('close', gone);
    portal.once('error', failed);
    portal.on('error', () => portal.terminate());
    portal.once('open', () => {
      portal.off('error', failed);
      socket.off('close', gone);
      if (!this.#portalReachable) this.#parts.log.info('hand-off.portal-back');
      this.#portalReachable = true;
      this.#join({ request, socket, head, portal, release });
    });
  }

  #connect(peer: string): WebSocket {
    const { socketPath, id } = this.#parts;
    const options = {
      ...this.#both(),
      createConnection: () => connect(socketPath),
      headers: { 'X-Appliance-Peer': peer, 'X-Appliance-Gateway': id },
      handshakeTimeout: this.#limits.portalMs,
    };
    return new WebSocket(PORTAL_ADDRESS, options);
  }

  /** What holds for either side's WebSocket; the types of `ws` don't know all of it. */
  #both() {
    return { perMessageDeflate: false, maxPayload: MAX_LEG_MESSAGE_BYTES, closeTimeout: this.#limits.closeMs };
  }

  #join(asked: { request: IncomingMessage; socket: Duplex; head: Buffer; portal: WebSocket; release: Release }): void {
    const { request, socket, head, portal, release } = asked;
    if (this.#closed || !socket.readable || !socket.writable) {
      portal.terminate();
      if (this.#closed) return void this.#refuse(socket, 503, 'gateway-closed');
      return void socket.destroy();
    }
    this.#server.handleUpgrade(request, socket, head, applet => {
      const leg = new HandOffLeg({
        applet,
        portal,
        clock: this.#parts.clock,
        limits: this.#limits,
        onClaimed: sessionId => {
          release();
          this.#parts.log.info('hand-off.claimed', { sessionId });
        },
        onRefused: reason => this.#refusals.add({ reason }),
        onThrottled: () => this.#throttled.add(),
        onEnded: (ended, end) => this.#ended(ended, end),
      });
      this.#legs.add(leg);
    });
  }

  #ended(leg: HandOffLeg, end: HandOffEnd): void {
    this.#legs.delete(leg);
    this.#ends.add({ reason: end });
    if (end === 'portal-malformed') this.#parts.log.error('hand-off.portal-malformed');
    if (!leg.isClaimed && isRefusal(end)) this.#refusals.add({ reason: end });
  }

  #refuse(socket: Duplex, status: 403 | 503, reason: string): void {
    this.#refusals.add({ reason });
    if (socket.writable) socket.end(bareAnswer(status, STATUS_CODES[status] ?? ''), () => socket.destroy());
  }
}

/** Ends that are our no to a stranger; the portal's own is counted by its reason. */
function isRefusal(end: HandOffEnd): boolean {
  return end === 'late' || end === 'malformed' || end === 'too-much' || end === 'text' || end === 'protocol';
}
