// The relay: two legs with one-time tokens of the same pair meet here, and their frames go across unread (B-03, F-04).
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Cancel, Clock } from '../clock.ts';
import { describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import { bareAnswer } from './answers.ts';
import { type AttachRequest, acceptance, parseAttachRequest } from './attach-request.ts';
import type { OwnOrigins } from './own-origins.ts';
import { type LegEnd, RelayLeg, type RelayRole, roleOf } from './relay-leg.ts';
import { type RelayLimits, relayLimits } from './relay-limits.ts';
import { plainAddress } from './source.ts';

const TICK_MS = 1000;

/**
 * Uses up a one-time token.
 * @returns the pair both legs of a session share, not secret; undefined when the token is not good for this role, now
 */
export type Authorise = (leg: LegClaim) => Promise<{ pairId: string } | undefined>;

export interface LegClaim {
  readonly token: string;
  readonly role: RelayRole;
  /** The peer's; left out where the socket has none any more. */
  readonly address?: string;
}

type Pair = { [role in RelayRole]?: RelayLeg };

export class Relay {
  readonly #authorise: Authorise;
  readonly #origins: OwnOrigins;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: RelayLimits;
  readonly #pairs = new Map<string, Pair>();
  readonly #legs = new Set<RelayLeg>();
  readonly #cancelTick: Cancel;
  readonly #refusals: Counter;
  readonly #ends: Counter;
  readonly #bytes: Counter;
  #closed = false;

  constructor(parts: {
    authorise: Authorise;
    origins: OwnOrigins;
    clock: Clock;
    log: Log;
    metrics: Metrics;
    limits?: RelayLimits;
  }) {
    this.#authorise = parts.authorise;
    this.#origins = parts.origins;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#limits = parts.limits ?? relayLimits;
    this.#refusals = parts.metrics.counter('relay_refusals_total', 'Legs that were not let in, by reason');
    this.#ends = parts.metrics.counter('relay_ends_total', 'Legs that ended, by reason');
    this.#bytes = parts.metrics.counter('relay_bytes_total', 'Bytes taken from legs that have ended, by role');
    const legs = parts.metrics.gauge('relay_legs', 'Legs attached');
    const pairs = parts.metrics.gauge('relay_pairs', 'Sessions with one leg or two');
    parts.metrics.sample(() => {
      legs.set(this.#legs.size);
      pairs.set(this.#pairs.size);
    });
    this.#cancelTick = parts.clock.every(TICK_MS, () => {
      for (const leg of this.#legs) leg.tick();
    });
  }

  /** Taken from legs so far. */
  get bytes(): number {
    const ended = (['console', 'applet'] as const).reduce((sum, role) => sum + this.#bytes.value({ role }), 0);
    return [...this.#legs].reduce((sum, leg) => sum + leg.bytesIn, ended);
  }

  /** Sessions with one leg or two. */
  get pairs(): number {
    return this.#pairs.size;
  }

  /** Takes an upgrade the edge has let through. Every refusal looks the same. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const asked = parseAttachRequest(request, this.#origins);
    if (!asked) return void this.#refuse(socket, 403, 'malformed');
    const { remoteAddress } = request.socket;
    const address = remoteAddress === undefined ? {} : { address: plainAddress(remoteAddress) };
    this.#attach({ ...asked, ...address }, socket, head).catch(error => {
      this.#log.error('relay.attach-failed', { error: describeError(error) });
      this.#refuse(socket, 503, 'unavailable');
    });
  }

  /** Ends both legs, by the appliance's word; of a pair that is not here nothing happens. */
  closePair(pairId: string): void {
    const pair = this.#pairs.get(pairId);
    pair?.console?.close('closed-by-appliance');
    pair?.applet?.close('closed-by-appliance');
  }

  /** Ends every leg, each with a close frame that says the gateway goes. */
  close(): void {
    this.#closed = true;
    this.#cancelTick();
    for (const leg of [...this.#legs]) leg.close('gateway-closed');
  }

  /** Way in: once the authoriser knows the token, the socket is a leg of that pair, and of no other. */
  async #attach(
    { token, client, key, ...from }: AttachRequest & Pick<LegClaim, 'address'>,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const role = roleOf(client);
    const allowed = await this.#inTime(this.#authorise({ token, role, ...from }));
    if (socket.destroyed) return;
    if (this.#closed) return void this.#refuse(socket, 503, 'gateway-closed');
    if (!allowed) return void this.#refuse(socket, 403, 'token');
    const pair = this.#pairs.get(allowed.pairId) ?? {};
    // A pair is made for two legs once: a second claim on one of them is a mistake or an attack, and changes nothing.
    if (pair[role]) return void this.#refuse(socket, 403, 'duplicate');
    const leg = new RelayLeg({
      client,
      socket,
      clock: this.#clock,
      limits: this.#limits,
      onEnded: (ended, end) => this.#ended(allowed.pairId, ended, end),
    });
    pair[role] = leg;
    this.#pairs.set(allowed.pairId, pair);
    this.#legs.add(leg);
    socket.write(acceptance(key));
    leg.start(head);
    const { console: technician, applet } = pair;
    // What came with the request may have ended the leg, and with it the pair.
    if (!technician || !applet || this.#pairs.get(allowed.pairId) !== pair) return;
    technician.join(applet);
    applet.join(technician);
    this.#log.info('relay.started', { pairId: allowed.pairId });
  }

  #ended(pairId: string, leg: RelayLeg, end: LegEnd): void {
    this.#legs.delete(leg);
    this.#ends.add({ reason: end });
    this.#bytes.add({ role: leg.role }, leg.bytesIn);
    const pair = this.#pairs.get(pairId);
    if (!pair) return;
    this.#pairs.delete(pairId); // before the other leg ends, so that it does not end this one again
    this.#log.info('relay.ended', { pairId, role: leg.role, end, bytesIn: leg.bytesIn, bytesOut: leg.bytesOut });
    const other = leg.role === 'console' ? pair.applet : pair.console;
    other?.close(end === 'gateway-closed' ? end : 'peer-left');
  }

  #refuse(socket: Duplex, status: 403 | 503, reason: string): void {
    this.#refusals.add({ reason });
    if (socket.writable) socket.end(bareAnswer(status, STATUS_CODES[status] ?? ''), () => socket.destroy());
  }

  /** @throws when the authoriser takes too long, or fails itself */
  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#limits.authoriseMs, () => reject(new Error('the authoriser is late')));
      answer.then(resolve, reject).finally(cancel);
    });
  }
}
