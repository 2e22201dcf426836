// The applet's own leg as a whole: one connection, and where the list has another gateway a second, warm one, so that the
// loss of a gateway costs nothing (LINK "path lost"). The one in use is kept until it is lost. Fresh connections are made
// with jitter and back-off; the warm one takes over at once.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { FromApplet, FromAppliance } from '../protocol/applet-leg.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { type Claimed, Leg, type LegEnd, type LegEntry } from './leg.ts';
import type { MessageSocket } from './session-parts.ts';

const JITTER_MS = 500;
const BACK_OFF_MS = [0, 500, 1000, 2000, 4000, 8000] as const;
/** So often in a row the appliance may refuse to know us before the session is over. */
const MAX_REFUSED = 3;
const MAX_EARLY = 64;

export interface LegsOptions {
  readonly clock: Clock;
  readonly random: (bytes: number) => Bytes;
  readonly gateways: readonly string[];
  readonly open: (gateway: string) => Promise<MessageSocket>;
  readonly entry: LegEntry;
  /** No connection is there; the next attempt comes at this time (clock.now), or is under way. */
  readonly waiting: (retryAt: number | null) => void;
  /** What broke a rule ended its connection. */
  readonly malformed: () => void;
}

export interface LegsListener {
  message(message: FromAppliance): void;
  /** Another connection is in use than before: what was not acknowledged has to be said again. */
  renewed(): void;
  /** The appliance does not know this applet any more. */
  refused(): void;
}

interface Slot {
  leg: Leg | null;
  gateway: string | null;
  attempts: number;
  refused: number;
  cancel: Cancel;
}

export class Legs {
  readonly #options: LegsOptions;
  readonly #slots: Slot[] = [];
  readonly #claimed = Promise.withResolvers<Claimed>();
  #listener: LegsListener | null = null;
  #early: FromAppliance[] = [];
  #current: Leg | null = null;
  #next = 0;
  #isClaimed = false;
  #isClosed = false;

  constructor(options: LegsOptions) {
    this.#options = options;
  }

  /** Connects and claims. @throws ApplianceError `leg.refused` when the appliance does not let us in */
  start(): Promise<Claimed> {
    if (this.#slots.length === 0) this.#connect(this.#addSlot());
    return this.#claimed.promise;
  }

  /** What came since `claimed` waits for it. */
  listen(listener: LegsListener): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) listener.message(message);
  }

  get isUp(): boolean {
    return this.#current !== null;
  }

  /** @returns false when there is no connection: nothing was said */
  send(message: FromApplet): boolean {
    this.#current?.send(message);
    return this.#current !== null;
  }

  close(): void {
    this.#isClosed = true;
    this.#current = null;
    for (const slot of this.#slots) {
      slot.cancel();
      slot.leg?.close();
    }
    this.#claimed.reject(new ApplianceError('unavailable', 'leg.closed', 'it was given up'));
    this.#claimed.promise.catch(() => undefined); // whoever waits for it has been told
  }

  #addSlot(): Slot {
    const slot: Slot = { leg: null, gateway: null, attempts: 0, refused: 0, cancel: () => undefined };
    this.#slots.push(slot);
    return slot;
  }

  #connect(slot: Slot): void {
    const gateway = this.#pick(slot);
    slot.gateway = gateway;
    slot.attempts++;
    if (this.#current === null) this.#options.waiting(null);
    this.#options.open(gateway).then(
      socket => this.#opened(slot, socket),
      () => this.#again(slot),
    );
  }

  #opened(slot: Slot, socket: MessageSocket): void {
    if (this.#isClosed) return void socket.close();
    const { clock, entry } = this.#options;
    const leg = new Leg({
      ...{ clock, socket, entry },
      up: claimed => this.#up(slot, leg, claimed),
      message: message => this.#message(message),
      down: why => this.#down(slot, leg, why),
    });
    slot.leg = leg;
  }

  #up(slot: Slot, leg: Leg, claimed: Claimed): void {
    slot.attempts = 0;
    slot.refused = 0;
    if (!this.#isClaimed) {
      this.#isClaimed = true;
      this.#current = leg;
      this.#claimed.resolve(claimed);
      if (this.#options.gateways.length > 1) this.#connect(this.#addSlot());
    } else if (this.#current === null) {
      this.#use(leg);
    }
  }

  #use(leg: Leg): void {
    this.#current = leg;
    this.#listener?.renewed();
  }

  #message(message: FromAppliance): void {
    if (this.#listener !== null) this.#listener.message(message);
    else if (this.#early.length < MAX_EARLY) this.#early.push(message);
  }

  #down(slot: Slot, leg: Leg, why: LegEnd): void {
    slot.leg = null;
    if (this.#isClosed) return;
    if (why === 'malformed') this.#options.malformed();
    if (this.#current === leg) {
      this.#current = null;
      const warm = this.#slots.find(other => other.leg?.isUp)?.leg;
      if (warm != null) this.#use(warm);
    }
    if (why === 'refused' && this.#isRefused(slot)) return;
    this.#again(slot);
  }

  /** A claim that is refused is over; one who comes back may meet an appliance that is just starting. */
  #isRefused(slot: Slot): boolean {
    if (!this.#isClaimed) {
      if (this.#options.entry.refused()) return false;
      this.#claimed.reject(new ApplianceError('refused', 'leg.refused', 'the appliance does not let us in'));
      return true;
    }
    slot.refused++;
    if (slot.refused < MAX_REFUSED || this.#current !== null) return false;
    this.#listener?.refused();
    return true;
  }

  #again(slot: Slot): void {
    if (this.#isClosed) return;
    const { clock, random, waiting } = this.#options;
    const [high = 0, low = 0] = random(2);
    const jitterMs = ((high * 256 + low) * JITTER_MS) / 65_536;
    const delayMs = (BACK_OFF_MS[Math.min(slot.attempts, BACK_OFF_MS.length - 1)] ?? 0) + jitterMs;
    slot.cancel = clock.after(delayMs, () => this.#connect(slot));
    if (this.#current === null) waiting(clock.now() + delayMs);
  }

  /** Another gateway than the other connection's, where there is one; the next of the list each time. */
  #pick(slot: Slot): string {
    const { gateways } = this.#options;
    const taken = this.#slots.filter(other => other !== slot).map(({ gateway }) => gateway);
    const free = gateways.filter(gateway => !taken.includes(gateway));
    const gateway = free[this.#next++ % Math.max(1, free.length)];
    if (gateway === undefined) throw new ApplianceError('missing', 'leg.no-gateway', 'there is no gateway');
    return gateway;
  }
}
