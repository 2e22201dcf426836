// One leg of a relayed session: a WebSocket whose frames go to the other leg as they are. Only whole frames are written,
// so that our own control frames can stand between any two.
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { FrameReader, type MaskRule } from './frame-reader.ts';
import type { RelayLimits } from './relay-limits.ts';
import { CLOSE, closeFrame, controlFrame, OPCODE } from './websocket-frame.ts';

export type RelayRole = 'console' | 'applet';
/** What speaks on a leg: the console's page, the applet's program, or the page that takes an applet's part. */
export type LegClient = RelayRole | 'browser';

/** A browser must not be sent masked frames (RFC 6455 §5.1); an applet takes them, and masks with the zero key itself. */
const maskRules: Readonly<Record<LegClient, MaskRule>> = { console: 'kept', applet: 'cleared', browser: 'opened' };

/** Why a leg ended, for the counters. */
export type LegEnd =
  | 'left'
  | 'lost'
  | 'silent'
  | 'unread'
  | 'flood'
  | 'peer-left'
  | 'peer-never-came'
  | 'gateway-closed'
  | 'closed-by-appliance'
  | 'relay.protocol'
  | 'relay.text'
  | 'relay.too-large';

const closeCodes: Readonly<Record<LegEnd, number>> = {
  left: CLOSE.normal,
  lost: CLOSE.normal,
  silent: CLOSE.policy,
  unread: CLOSE.policy,
  flood: CLOSE.policy,
  'peer-left': CLOSE.peerLeft,
  'peer-never-came': CLOSE.peerNeverCame,
  'gateway-closed': CLOSE.goingAway,
  'closed-by-appliance': CLOSE.policy,
  'relay.protocol': CLOSE.protocol,
  'relay.text': CLOSE.unsupported,
  'relay.too-large': CLOSE.tooLarge,
};
const SECOND_MS = 1000;

export class RelayLeg {
  readonly client: LegClient;
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #limits: RelayLimits;
  readonly #onEnded: (leg: RelayLeg, end: LegEnd) => void;
  readonly #reader: FrameReader;
  readonly #attachedAt: number; // monotonic, ms, as all times here
  #peer: RelayLeg | undefined;
  #waiting: Buffer[] = []; // frames of before the other leg came: those of one chunk, then reading stops
  #heardAt: number;
  #blockedSince: number | undefined;
  #controlSecond = 0;
  #controlsInSecond = 0;
  #ended = false;
  #bytesIn = 0;
  #bytesOut = 0;

  /** @param socket upgraded, with an error listener; nothing is read from it before `start` */
  constructor(parts: {
    client: LegClient;
    socket: Duplex;
    clock: Clock;
    limits: RelayLimits;
    onEnded: (leg: RelayLeg, end: LegEnd) => void;
  }) {
    this.client = parts.client;
    this.#socket = parts.socket;
    this.#clock = parts.clock;
    this.#limits = parts.limits;
    this.#onEnded = parts.onEnded;
    this.#attachedAt = this.#clock.monotonic();
    this.#heardAt = this.#attachedAt;
    this.#reader = new FrameReader(maskRules[parts.client], {
      data: frames => this.#forward(frames),
      control: (opcode, payload) => this.#control(opcode, payload),
    });
  }

  get role(): RelayRole {
    return roleOf(this.client);
  }

  /** Bytes of frames taken from this leg, headers and control frames counted. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Bytes of the other leg's frames written to this one. */
  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** @param head what came with the request */
  start(head: Buffer): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('drain', () => this.#drained());
    this.#socket.once('end', () => this.close('lost'));
    this.#socket.once('close', () => this.close('lost'));
    if (head.length > 0) this.#receive(head);
  }

  /** Both legs are here: what waited goes across, and from now on everything does. */
  join(peer: RelayLeg): void {
    this.#peer = peer;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.client === 'console' && peer.client === 'browser') this.#openMasks(waiting);
    else for (const frames of waiting) this.#forward(frames);
    this.#steer();
  }

  /** Nobody could know before that the other leg is a browser: what waited is read once more. */
  #openMasks(waiting: readonly Buffer[]): void {
    this.#reader.openMasks();
    const again = new FrameReader('opened', { data: frames => this.#forward(frames), control: () => undefined });
    for (const frames of waiting) again.push(frames);
  }

  /** Says why, lets what was written reach the leg for `closeMs`, and ends. */
  close(end: LegEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.stop();
    this.#waiting = [];
    if (this.#socket.writable) this.#socket.end(closeFrame(closeCodes[end]));
    if (!this.#socket.destroyed) {
      const cancel = this.#clock.after(this.#limits.closeMs, () => this.#socket.destroy());
      this.#socket.once('close', cancel);
      this.#socket.resume(); // what still comes is dropped in `#receive`
    }
    this.#onEnded(this, end);
  }

  /** Looks at the times; called about once a second. */
  tick(): void {
    const now = this.#clock.monotonic();
    if (this.#ended) return;
    if (!this.#peer && now - this.#attachedAt > this.#limits.waitMs) return void this.close('peer-never-came');
    if (this.#socket.writableNeedDrain) {
      this.#blockedSince ??= now;
      if (now - this.#blockedSince > this.#limits.unreadMs) this.close('unread');
      return;
    }
    this.#blockedSince = undefined;
    const silentMs = this.#socket.isPaused() ? 0 : now - this.#heardAt; // who is not read from can't be heard
    if (silentMs > this.#limits.silentMs) this.close('silent');
    else if (silentMs > this.#limits.pingMs) this.#socket.write(controlFrame(OPCODE.ping));
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.#heardAt = this.#clock.monotonic();
    this.#bytesIn += chunk.length;
    const out = this.#peer ? this.#peer.#socket : undefined;
    out?.cork(); // the frames of one chunk in one write
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ApplianceError) || !isFault(error.code)) throw error;
      this.close(error.code);
    } finally {
      out?.uncork();
    }
    if (!this.#ended) this.#steer();
  }

  #forward(frames: Buffer): void {
    const peer = this.#peer;
    if (!peer) this.#waiting.push(frames);
    else if (!peer.#ended) {
      peer.#bytesOut += frames.length;
      peer.#socket.write(frames);
    }
  }

  /** Reads from this leg only while the other one takes what it is sent. */
  #steer(): void {
    if (this.#ended) return;
    const blocked = this.#peer ? this.#peer.#socket.writableNeedDrain : this.#waiting.length > 0;
    if (blocked === this.#socket.isPaused()) return;
    if (blocked) this.#socket.pause();
    else {
      this.#heardAt = this.#clock.monotonic();
      this.#socket.resume();
    }
  }

  #drained(): void {
    this.#blockedSince = undefined;
    if (this.#peer) this.#peer.#steer();
  }

  #control(opcode: number, payload: Buffer): void {
    const second = Math.floor(this.#clock.monotonic() / SECOND_MS);
    if (second !== this.#controlSecond) this.#controlsInSecond = 0;
    this.#controlSecond = second;
    this.#controlsInSecond += 1;
    if (this.#controlsInSecond > this.#limits.controlPerSecond) return void this.close('flood');
    if (opcode === OPCODE.close) return void this.close('left');
    // Whoever does not read gets no pong either, so that pings can't fill our memory.
    if (opcode === OPCODE.ping && !this.#socket.writableNeedDrain) {
      this.#socket.write(controlFrame(OPCODE.pong, payload));
    }
  }
}

export function roleOf(client: LegClient): RelayRole {
  return client === 'console' ? 'console' : 'applet';
}

function isFault(code: string): code is 'relay.protocol' | 'relay.text' | 'relay.too-large' {
  return code === 'relay.protocol' || code === 'relay.text' || code === 'relay.too-large';
}
