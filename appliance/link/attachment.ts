// One path attached to a link: its control keys and their counters, the number of the data record it must carry next,
// and whether it still answers.
import type { Cancel, Clock } from '../clock.ts';
import type { PathKind } from '../protocol/attach.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { type ControlFrame, readControl, writeControl } from '../protocol/control-frames.ts';
import {
  associatedData,
  type Direction,
  HEADER_BYTES,
  nonceOf,
  parseRecord,
  RECORD,
  type RecordHeader,
  writeHeader,
} from '../protocol/record.ts';
import { type AeadKey, type Later, type LinkCrypto, whenReady } from './crypto.ts';
import { protocolError, tampered } from './errors.ts';
import { controlKey } from './keys.ts';
import { DEAD_MS, DEAD_ROUND_TRIPS, DEAD_UNPROVEN_MS, MAX_PATH_BACKLOG_BYTES, PING_MS } from './limits.ts';
import type { PathPort } from './path-port.ts';

export interface AttachmentOptions {
  readonly crypto: LinkCrypto;
  readonly clock: Clock;
  readonly port: PathPort;
  /** The attach number; 0 for the path of the handshake. */
  readonly id: number;
  readonly linkId: Bytes;
  /** K_att. */
  readonly control: Bytes;
  readonly send: Direction;
  readonly receive: Direction;
  readonly events: AttachmentEvents;
}

export interface AttachmentEvents {
  received(bytes: number): void;
  data(header: RecordHeader, message: Bytes): void;
  control(attachment: Attachment, frame: ControlFrame): void;
  drained(): void;
  /** The path ended or is dead. */
  lost(attachment: Attachment): void;
  /** The peer broke a rule: the link ends. */
  fail(error: unknown): void;
}

/** Data records on this path: none yet; from this number on, up to a limit; or left over from a path given up. */
type Intake =
  | { readonly kind: 'none' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'open'; next: number; limit: number };

const MAX_OPEN_PINGS = 64;

export class Attachment {
  readonly id: number;
  /** Our records below this number may be on their way on this path. */
  sentUntil = 0;
  readonly #options: AttachmentOptions;
  #sendKey: Later<AeadKey>;
  #receiveKey: Later<AeadKey>;
  #sent = 0;
  #received = 0;
  #intake: Intake = { kind: 'none' };
  readonly #pings = new Map<number, number>();
  #pingNumber = 0;
  #answered = 0;
  #roundTripMs: number | null = null;
  #heardAt: number;
  #lookedAt: number;
  #stopWatching: Cancel | null = null;
  #over = false;

  constructor(options: AttachmentOptions) {
    const { crypto, control, id, clock } = options;
    this.id = id;
    this.#options = options;
    this.#sendKey = controlKey(crypto, control, id, options.send);
    this.#receiveKey = controlKey(crypto, control, id, options.receive);
    this.#heardAt = clock.monotonic();
    this.#lookedAt = this.#heardAt;
  }

  /** Starts to handle what comes. */
  start(): void {
    const { port, events } = this.#options;
    port.handle({
      message: message => this.#message(message),
      drained: () => events.drained(),
      closed: () => this.#lost(),
    });
  }

  get kind(): PathKind {
    return this.#options.port.kind;
  }

  get unsentBytes(): number {
    return this.#options.port.unsentBytes;
  }

  /** Smoothed; null until the first ping was answered. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** Pings answered so far. */
  get answered(): number {
    return this.#answered;
  }

  get alive(): boolean {
    return !this.#over;
  }

  /** The peer's data records on this path start here, and from `limit` on they travel on another one. */
  openIntake(next: number, limit = Number.POSITIVE_INFINITY): void {
    this.#intake = { kind: 'open', next, limit };
  }

  /** The peer's records from this number on travel on another path. */
  limitIntake(limit: number): void {
    if (this.#intake.kind === 'open') this.#intake.limit = Math.min(this.#intake.limit, limit);
  }

  /** What still comes was meant for a generation that is over, and is dropped. */
  muteIntake(): void {
    this.#intake = { kind: 'stale' };
  }

  /** The same, for a path that carried records. */
  retireIntake(): void {
    if (this.#intake.kind === 'open') this.muteIntake();
  }

  /** Whether records the peer sent on this path may still be on their way, seen from the next one to be delivered. */
  owes(next: number): boolean {
    return this.#intake.kind === 'open' && this.#intake.limit > next;
  }

  sendData(record: Bytes): void {
    this.#options.port.send(record);
  }

  sendControl(frame: ControlFrame): void {
    if (this.#over) return;
    const body = writeControl(frame);
    const header = new Uint8Array(HEADER_BYTES);
    const counter = this.#sent++; // before the cipher is called, so that no two frames share a nonce
    writeHeader(header, { type: RECORD.control, epoch: 0, seq: counter, length: body.length });
    const associated = associatedData(header, this.#options.linkId, this.#options.send);
    const sealed = whenReady(this.#sendKey, key => key.seal(nonceOf(counter), associated, [body], HEADER_BYTES));
    const withHeader = (record: Bytes) => {
      record.set(header);
      return record;
    };
    this.#options.port.send(whenReady(sealed, withHeader));
  }

  /** Pings, and finds out whether the path is dead. Called every PING_MS. */
  tick(): void {
    if (!this.#look()) return;
    const number = this.#pingNumber++;
    this.#pings.set(number, this.#lookedAt);
    this.#pings.delete(number - MAX_OPEN_PINGS);
    this.sendControl({ type: 'ping', number });
  }

  /** Ends the path, without `lost`. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.port.close();
    this.#erase();
  }

  /** Ends a path that is dead, or will be before the next tick. @returns whether it lives */
  #look(): boolean {
    const now = this.#options.clock.monotonic();
    const stopped = now - this.#lookedAt;
    // A process that was stopped for a while has heard nothing either: it counts as one period.
    if (stopped > 1.5 * PING_MS) this.#heardAt += stopped - PING_MS;
    this.#lookedAt = now;
    const left = this.#heardAt + this.#patienceMs() - now;
    if (left <= 0 || this.unsentBytes > MAX_PATH_BACKLOG_BYTES) {
      this.#options.port.close();
      this.#lost();
      return false;
    }
    if (left < PING_MS)
      this.#stopWatching ??= this.#options.clock.after(left, () => {
        this.#stopWatching = null;
        if (!this.#over) this.#look();
      });
    return true;
  }

  #patienceMs(): number {
    return this.#roundTripMs === null ? DEAD_UNPROVEN_MS : Math.max(DEAD_MS, DEAD_ROUND_TRIPS * this.#roundTripMs);
  }

  #message(message: Bytes): Later<void> {
    if (this.#over) return;
    const { events } = this.#options;
    try {
      events.received(message.length);
      const header = parseRecord(message);
      if (header.type === RECORD.data) this.#data(header, message);
      else if (header.type === RECORD.control) return this.#control(header, message);
      else this.#stranger();
    } catch (error) {
      events.fail(error);
    }
  }

  /** A Hello, flight or ATTACH, which anybody can send, never disturbs a link: the path alone ends. */
  #stranger(): void {
    this.#options.port.close();
    this.#lost();
  }

  #data(header: RecordHeader, message: Bytes): void {
    const intake = this.#intake;
    if (intake.kind === 'stale') return;
    if (intake.kind === 'none') throw protocolError('a record on a path that carries none');
    if (header.seq !== intake.next || header.seq >= intake.limit) throw protocolError('not the record that was due');
    intake.next++;
    this.#heard();
    this.#options.events.data(header, message);
  }

  #control(header: RecordHeader, message: Bytes): Later<void> {
    const { linkId, receive, events } = this.#options;
    if (header.seq !== this.#received || header.epoch !== 0) throw protocolError('not the control record that was due');
    this.#received++;
    const associated = associatedData(message, linkId, receive);
    const sealed = message.subarray(HEADER_BYTES);
    const refuse = (cause: unknown) => events.fail(tampered(`control record ${header.seq}`, cause));
    let opened: Later<Bytes>;
    try {
      opened = whenReady(this.#receiveKey, key => key.open(nonceOf(header.seq), associated, sealed));
    } catch (error) {
      return refuse(error);
    }
    if (!(opened instanceof Promise)) return this.#frames(opened);
    return opened.then(plain => {
      try {
        this.#frames(plain);
      } catch (error) {
        events.fail(error);
      }
    }, refuse);
  }

  #frames(plain: Bytes): void {
    for (const frame of readControl(plain)) {
      if (this.#over) return;
      this.#heard();
      if (frame.type === 'pong') this.#pong(frame.number);
      this.#options.events.control(this, frame);
    }
  }

  #heard(): void {
    this.#heardAt = this.#options.clock.monotonic();
  }

  #pong(number: number): void {
    const sentAt = this.#pings.get(number);
    if (sentAt === undefined) return;
    this.#pings.delete(number);
    const sample = this.#options.clock.monotonic() - sentAt;
    this.#roundTripMs = this.#roundTripMs === null ? sample : this.#roundTripMs * 0.75 + sample * 0.25;
    this.#answered++;
  }

  #lost(): void {
    if (this.#over) return;
    this.#over = true;
    this.#erase();
    this.#options.events.lost(this);
  }

  #erase(): void {
    this.#stopWatching?.();
    for (const key of [this.#sendKey, this.#receiveKey]) {
      const erased = whenReady(key, aead => aead.erase());
      if (erased instanceof Promise) erased.catch(this.#options.events.fail);
    }
  }
}
