// The applets' own legs (TRUST: the applet's own leg), behind their gateways: who is in which session, what they are told,
// and when a customer counts as lost. A session may have several legs, one for each gateway its applet keeps warm.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { AuditLog } from '../audit/audit.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import {
  type AttachPurpose,
  type FromAppliance,
  LEG_ALIVE_MS,
  LEG_CLOSE,
  MAX_LEG_MESSAGE_BYTES,
} from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { canonicalBytes } from '../protocol/canonical-json.ts';
import { isOver } from '../sessions/session-state.ts';
import type { SessionRow } from '../sessions/session-store.ts';
import { customerActor } from '../sessions/sessions.ts';
import { AppletLeg, type LegPeer } from './applet-leg/applet-leg.ts';
import type { Support } from './support.ts';

/** Without any leg for so long a customer counts as lost; one who is back before has not been away. */
export const LOST_AFTER_MS = 3000;
/** After a start of the portal every applet has so long to find its way back. */
export const BACK_AFTER_START_MS = 15_000;
/** Legs of one session; the oldest goes. Applets keep two. */
const MAX_LEGS = 4;
const HEAD_MS = 2000;
const GATEWAY_ID = /^[a-z0-9-]{1,32}$/;

export interface AppletLegsOptions {
  readonly support: Support;
  readonly audit: Pick<AuditLog, 'signHead' | 'lastHead'>;
  readonly welcome: { readonly organisation: string; readonly silenceMs: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class AppletLegs {
  readonly #options: AppletLegsOptions;
  readonly #server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: MAX_LEG_MESSAGE_BYTES });
  readonly #all = new Set<AppletLeg>();
  readonly #bySession = new Map<SessionId, Set<AppletLeg>>();
  readonly #losing = new Map<SessionId, Cancel>();
  /** Sessions whose applet is a new process after a restart, and has no credential yet. */
  readonly #restarted = new Set<SessionId>();
  /** Revocations no leg was there to hear. */
  readonly #unheard = new Map<SessionId, string>();
  /** Sessions that are being told of; true when something has changed meanwhile. */
  readonly #telling = new Map<SessionId, boolean>();
  readonly #ends: Counter;
  #cancels: readonly Cancel[] = [];
  #isClosing = false;

  constructor(options: AppletLegsOptions) {
    this.#options = options;
    const { metrics } = options;
    this.#ends = metrics.counter('applet_leg_ends_total', 'Own legs of applets that ended, by reason.');
    const legs = metrics.gauge('applet_legs', 'Own legs of applets that are open, by whether they are in a session.');
    metrics.sample(() => {
      const claimed = [...this.#bySession.values()].reduce((sum, ofOne) => sum + ofOne.size, 0);
      legs.set(claimed, { stage: 'claimed' });
      legs.set(this.#all.size - claimed, { stage: 'open' });
    });
  }

  /** Tells applets what happens to their sessions, from now on, and looks for those that don't come back. */
  async start(): Promise<void> {
    const { support, clock } = this.#options;
    const { sessions, rights } = support;
    this.#cancels = [
      sessions.onChange(({ sessionId }) => this.#tellSoon(sessionId)),
      rights.onRevoked(({ sessionId, reason }) => this.#revoke(sessionId, reason)),
      rights.onStopped((sessionId, reason) => this.#send(sessionId, { type: 'stop', reason })),
      rights.onNarrowed((sessionId, policy) => {
        this.#send(sessionId, { type: 'narrowed', policy: canonicalBytes({ ...policy }) });
      }),
      clock.every(LEG_ALIVE_MS, () => {
        for (const leg of this.#all) if (leg.sessionId !== null) leg.send({ type: 'alive' });
      }),
    ];
    for (const { id } of await sessions.listPresent()) this.#lose(id, BACK_AFTER_START_MS);
  }

  /** The applets come back to the next portal; nobody counts as lost for it. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const cancel of [...this.#cancels, ...this.#losing.values()]) cancel();
    await Promise.all([...this.#all].map(leg => leg.end(LEG_CLOSE.comeBack, 'portal-closed')));
    this.#server.close();
  }

  /** Takes what came to `/internal/applet-leg`; it is from a gateway, which says who is behind it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const peer = peerOf(request);
    if (peer === undefined || this.#isClosing) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, connection => {
      const leg = new AppletLeg({
        ...this.#options,
        socket: connection,
        peer,
        restartOf: id => ({ isDue: () => this.#restarted.has(id), done: () => void this.#restarted.delete(id) }),
        claimed: (one, isRestarted) => this.#claimed(one, isRestarted),
        left: (one, reason) => this.#left(one, reason),
      });
      this.#all.add(leg);
    });
  }

  /** Where the session's applet has an own leg just now, the newest first. */
  gatewaysOf(sessionId: SessionId): string[] {
    const legs = [...(this.#bySession.get(sessionId) ?? [])].reverse();
    return [...new Set(legs.map(leg => leg.peer.gatewayId))];
  }

  /** Tells the applet of a relay at that gateway. @returns false when it has no leg there (any more) */
  attach(sessionId: SessionId, relay: { gateway: string; token: Bytes; purpose: AttachPurpose }): boolean {
    const legs = [...(this.#bySession.get(sessionId) ?? [])].filter(leg => leg.peer.gatewayId === relay.gateway);
    legs.at(-1)?.send({ type: 'attach', ...relay });
    return legs.length > 0;
  }

  #claimed(leg: AppletLeg, isRestarted: boolean): void {
    const { sessionId: id } = leg;
    if (id === null) return;
    if (isRestarted) this.#restarted.add(id);
    if (!leg.isOpen) return void this.#lose(id, LOST_AFTER_MS); // it left while it was being let in
    this.#losing.get(id)?.();
    this.#losing.delete(id);
    const legs = this.#bySession.get(id) ?? new Set();
    this.#bySession.set(id, legs.add(leg));
    const [oldest] = legs;
    if (legs.size > MAX_LEGS) void oldest?.end(LEG_CLOSE.done, 'too-many');
    const reason = this.#unheard.get(id);
    this.#unheard.delete(id);
    if (reason !== undefined) leg.send({ type: 'revoked', reason });
    this.#tellSoon(id);
  }

  #left(leg: AppletLeg, reason: string): void {
    this.#all.delete(leg);
    this.#ends.add({ reason });
    const { sessionId: id } = leg;
    const legs = id === null ? undefined : this.#bySession.get(id);
    if (id === null || !legs?.delete(leg) || legs.size > 0) return;
    this.#bySession.delete(id);
    this.#lose(id, LOST_AFTER_MS);
  }

  #lose(id: SessionId, afterMs: number): void {
    if (this.#isClosing || this.#bySession.has(id)) return;
    const { support, clock, log } = this.#options;
    this.#losing.get(id)?.();
    const cancel = clock.after(afterMs, () => {
      this.#losing.delete(id);
      support.sessions.appletLost(id).catch(error => {
        if (error instanceof ApplianceError && error.kind === 'conflict') return; // it is over, and was left for that
        log.error('applet-legs.not-lost', { sessionId: id, why: describeError(error) });
      });
    });
    this.#losing.set(id, cancel);
  }

  #send(id: SessionId, message: FromAppliance): void {
    for (const leg of this.#bySession.get(id) ?? []) leg.send(message);
  }

  #revoke(id: SessionId, reason: string): void {
    if (!this.#bySession.has(id)) this.#unheard.set(id, reason);
    this.#send(id, { type: 'revoked', reason });
  }

  // One look at the session at a time, so that an applet is never told an older state after a newer one.
  #tellSoon(id: SessionId): void {
    if (this.#telling.has(id)) return void this.#telling.set(id, true);
    this.#telling.set(id, false);
    this.#tell(id)
      .catch(error => this.#options.log.error('applet-legs.not-told', { sessionId: id, why: describeError(error) }))
      .finally(() => {
        const isStale = this.#telling.get(id) === true;
        this.#telling.delete(id);
        if (isStale && !this.#isClosing) this.#tellSoon(id);
      });
  }

  async #tell(id: SessionId): Promise<void> {
    const { sessions } = this.#options.support;
    const session = await sessions.get(id);
    if (!session.isPresent && !isOver(session.state) && this.#bySession.has(id)) {
      await sessions.appletBack(id, customerActor); // it came back in the very moment it was given up
      return;
    }
    for (const leg of this.#bySession.get(id) ?? []) leg.tell(session);
    if (!isOver(session.state)) return;
    this.#unheard.delete(id);
    this.#restarted.delete(id);
    if (!this.#bySession.has(id)) return;
    const ended = { type: 'ended', reason: endReasonOf(session), head: await this.#head() } as const;
    for (const leg of this.#bySession.get(id) ?? []) {
      leg.send(ended);
      void leg.end(LEG_CLOSE.done, 'session-over');
    }
  }

  /** A head that covers the session's end, if the signer is quick; else the last there is. */
  async #head(): Promise<string> {
    const { audit, clock, log } = this.#options;
    const late = new Promise<void>(resolve => void clock.after(HEAD_MS, resolve));
    const signed = audit.signHead().catch(error => log.warn('audit.head-unsigned', { why: describeError(error) }));
    await Promise.race([signed, late]);
    const head = await audit.lastHead();
    if (head === undefined) return '';
    const { log: name, seq, hash, kid, signature } = head;
    return JSON.stringify({ log: name, seq, hash, kid, signature });
  }
}

function peerOf({ headers }: IncomingMessage): LegPeer | undefined {
  const address = headers['x-appliance-peer'];
  const gatewayId = headers['x-appliance-gateway'];
  if (typeof address !== 'string' || isIP(address) === 0) return undefined;
  return typeof gatewayId === 'string' && GATEWAY_ID.test(gatewayId) ? { address, gatewayId } : undefined;
}

/** A word of the protocol: what people wrote as a reason stays with the technician. */
function endReasonOf({ state, endReason }: SessionRow): string {
  if (state === 'timed-out') return 'timed-out';
  return endReason !== null && /^[a-z][a-z0-9-]{0,63}$/.test(endReason) ? endReason : 'ended';
}
