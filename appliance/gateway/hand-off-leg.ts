// An applet's own leg once both of its WebSockets are open: the applet's, and ours to the portal. Messages go across in
// order; who does not read is not read from; the end of one is the end of both.
import type { RawData, WebSocket } from 'ws';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { SessionId } from '../guid.ts';
import { LEG_CLOSE } from '../protocol/applet-leg.ts';
import type { HandOffLimits } from './hand-off-limits.ts';
import { FirstMessages, hideToken, readFromPortal } from './hand-off-messages.ts';
import { Silence } from './silence.ts';
import { TokenBucket } from './token-bucket.ts';
import { CLOSE } from './websocket-frame.ts';

/** Why a leg ended, for the counters. */
export type HandOffEnd =
  | 'left'
  | 'portal-done'
  | 'portal-refused'
  | 'portal-lost'
  | 'portal-malformed'
  | 'gateway-closed'
  | 'late'
  | 'malformed'
  | 'too-much'
  | 'text'
  | 'protocol'
  | 'silent'
  | 'unread';

const closeCodes: Readonly<Record<HandOffEnd, number>> = {
  left: LEG_CLOSE.done,
  'portal-done': LEG_CLOSE.done,
  'portal-refused': LEG_CLOSE.refused,
  'portal-lost': LEG_CLOSE.comeBack,
  'portal-malformed': LEG_CLOSE.comeBack,
  'gateway-closed': LEG_CLOSE.comeBack,
  late: LEG_CLOSE.refused,
  malformed: LEG_CLOSE.refused,
  'too-much': LEG_CLOSE.refused,
  text: CLOSE.unsupported,
  protocol: CLOSE.protocol, // `ws` has said its own code already
  silent: LEG_CLOSE.comeBack, // a computer that slept
  unread: LEG_CLOSE.comeBack,
};
const BINARY = { binary: true } as const;

export interface HandOffLegParts {
  readonly applet: WebSocket;
  readonly portal: WebSocket;
  readonly clock: Clock;
  readonly limits: HandOffLimits;
  /** The portal has let the applet in. */
  readonly onClaimed: (sessionId: SessionId) => void;
  /** The portal has said no, and why; the leg goes on until the portal ends it. */
  readonly onRefused: (reason: string) => void;
  /** The applet said more than its rate, and is not read from for a while. */
  readonly onThrottled: () => void;
  readonly onEnded: (leg: HandOffLeg, end: HandOffEnd) => void;
}

export class HandOffLeg {
  readonly #parts: HandOffLegParts;
  readonly #applet: WebSocket;
  readonly #portal: WebSocket;
  readonly #clock: Clock;
  readonly #limits: HandOffLimits;
  readonly #rate: TokenBucket;
  /** Until the applet is let in. */
  #first: { readonly messages: FirstMessages; readonly deadline: Silence } | undefined;
  #heardAt: number; // monotonic, ms, as all times here
  #pingedAt: number;
  #unreadSince: number | undefined;
  #cancelResume: Cancel | undefined;
  #ended = false;

  /** @param parts both sockets just opened: nothing they said was lost yet */
  constructor(parts: HandOffLegParts) {
    this.#parts = parts;
    this.#applet = parts.applet;
    this.#portal = parts.portal;
    this.#clock = parts.clock;
    this.#limits = parts.limits;
    this.#rate = new TokenBucket(parts.clock, parts.limits.messagesPerSecond, parts.limits.messageBurst);
    this.#first = {
      messages: new FirstMessages(parts.limits),
      deadline: new Silence(parts.clock, parts.limits.progressMs, () => this.close('late')),
    };
    this.#heardAt = parts.clock.monotonic();
    this.#pingedAt = this.#heardAt;
    this.#listen();
  }

  get isClaimed(): boolean {
    return this.#first === undefined;
  }

  /** Says why, as far as it is the other side's business; what was sent before still goes. */
  close(end: HandOffEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#first?.deadline.close();
    this.#cancelResume?.();
    for (const side of [this.#applet, this.#portal]) side.resume(); // to see the answer to the close frame
    this.#applet.close(closeCodes[end]);
    this.#portal.close(LEG_CLOSE.done);
    this.#parts.onEnded(this, end);
  }

  /** Looks at the times; called about once a second. */
  tick(): void {
    if (this.#ended) return;
    const now = this.#clock.monotonic();
    if (this.#unreadSince !== undefined && now - this.#unreadSince > this.#limits.unreadMs) {
      return void this.close('unread');
    }
    const silentMs = this.#applet.isPaused ? 0 : now - this.#heardAt; // who is not read from can't be heard
    if (silentMs > this.#limits.silentMs) return void this.close('silent');
    if (now - Math.max(this.#heardAt, this.#pingedAt) < this.#limits.pingMs) return;
    this.#pingedAt = now;
    this.#applet.ping();
  }

  #listen(): void {
    this.#applet.on('message', (data, isBinary) => this.#fromApplet(data, isBinary));
    for (const event of ['ping', 'pong'] as const) this.#applet.on(event, () => this.#heard());
    this.#applet.on('error', () => this.close('protocol'));
    this.#applet.on('close', () => this.close('left'));
    this.#portal.on('message', data => this.#fromPortal(data));
    this.#portal.on('error', () => this.#portal.terminate()); // `close` follows, and tells
    this.#portal.on('close', code => this.close(endOf(code)));
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#rate.take();
    this.#steer();
  }

  #fromApplet(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    if (!isBinary) return void this.close('text');
    const message = bufferOf(data);
    try {
      this.#portal.send(this.#first?.messages.take(message) ?? hideToken(message), BINARY, () => this.#steer());
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      return void this.close(error.code === 'hand-off.too-much' ? 'too-much' : 'malformed');
    }
    this.#first?.deadline.progress();
    this.#heard();
  }

  #fromPortal(data: RawData): void {
    if (this.#ended) return;
    const message = this.#first === undefined ? bufferOf(data) : this.#judged(bufferOf(data));
    if (message === undefined) return void this.close('portal-malformed');
    this.#applet.send(message, BINARY, () => {
      this.#unreadSince = this.#applet.bufferedAmount > 0 ? this.#clock.monotonic() : undefined;
      this.#steer();
    });
    this.#unreadSince ??= this.#clock.monotonic();
    this.#steer();
  }

  /** Way in: from the portal's `claimed` on, what this applet says is somebody's we know. @returns undefined for no message */
  #judged(message: Buffer): Uint8Array | undefined {
    const read = readFromPortal(message);
    if (read === undefined) return undefined;
    const { said, forApplet } = read;
    if (said.type === 'refused') this.#parts.onRefused(said.reason);
    if (said.type === 'claimed') {
      this.#first?.deadline.close();
      this.#first = undefined;
      this.#parts.onClaimed(said.sid);
    }
    return forApplet;
  }

  /** Reads from each side only while the other one takes what it is sent, and from the applet at its rate. */
  #steer(): void {
    if (this.#ended) return;
    const { waitingBytes } = this.#limits;
    const debtMs = this.#rate.debtMs;
    if (debtMs > 0 && this.#cancelResume === undefined) {
      this.#parts.onThrottled();
      this.#cancelResume = this.#clock.after(debtMs, () => {
        this.#cancelResume = undefined;
        this.#steer();
      });
    }
    const wasPaused = this.#applet.isPaused;
    pauseWhen(debtMs > 0 || this.#portal.bufferedAmount > waitingBytes, this.#applet);
    if (wasPaused && !this.#applet.isPaused) this.#heardAt = this.#clock.monotonic();
    pauseWhen(this.#applet.bufferedAmount > waitingBytes, this.#portal);
  }
}

function pauseWhen(blocked: boolean, side: WebSocket): void {
  if (blocked === side.isPaused) return;
  if (blocked) side.pause();
  else side.resume();
}

/** What the portal means by the code it closed with; anything but its own two is a portal that went. */
function endOf(code: number): HandOffEnd {
  if (code === LEG_CLOSE.done) return 'portal-done';
  return code === LEG_CLOSE.refused ? 'portal-refused' : 'portal-lost';
}

function bufferOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
