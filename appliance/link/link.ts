// The link: an ordered, encrypted, resumable connection of console and applet over whatever paths there are. This
// class puts the parts together; the protocol is in the README of this folder.
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, defect } from '../errors.ts';
import { fromBase64Url, type SessionId } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { CLOSE_CODE, type ControlFrame } from '../protocol/control-frames.ts';
import { DIRECTION, type RecordHeader } from '../protocol/record.ts';
import type { Credential, LinkRole } from '../protocol/signed.ts';
import { AckTimer } from './ack-timer.ts';
import { type AttachOptions, attachFromConsole, attachToApplet } from './attach-exchange.ts';
import { Attachment, type AttachmentEvents } from './attachment.ts';
import type { LinkCrypto } from './crypto.ts';
import { linkClosed, overLimit } from './errors.ts';
import { type HandshakeOptions, type HandshakeResult, helloFromConsole, helloToApplet } from './handshake.ts';
import type { HandshakeGuard } from './handshake-guard.ts';
import {
  CONTROL_FRAME_BURST,
  DETACHED_MS,
  MAX_BYTES_PER_SECOND,
  MAX_CONTROL_FRAMES_PER_SECOND,
  MAX_PATH_UNSENT_BYTES,
  PING_MS,
  SEND_BYTES_PER_SECOND,
} from './limits.ts';
import type { Path } from './path.ts';
import { PathPort } from './path-port.ts';
import { Paths } from './paths.ts';
import { RateLimit } from './rate-limit.ts';
import { RecordReceiver } from './record-receiver.ts';
import { RecordSender } from './record-sender.ts';
import type { LinkStream } from './stream.ts';
import { type RecordContent, Streams } from './streams.ts';

export interface LinkOptions extends HandshakeOptions {
  /** UNACKNOWLEDGED_BYTES of the platform. */
  readonly unacknowledgedBytes: number;
  /** Smaller in tests. */
  readonly rekeyRecords?: number;
}

/** `detached`: rights are frozen until a path is attached again. `closed` is the end; `error` says why, if not `close`. */
export interface LinkState {
  readonly state: 'open' | 'detached' | 'closed';
  readonly error: ApplianceError | null;
}

export interface PathView {
  readonly attach: number;
  readonly kind: Path['kind'];
  readonly active: boolean;
  readonly roundTripMs: number | null;
}

const PACE_MS = 10;

export class Link {
  readonly role: LinkRole;
  readonly sid: SessionId;
  readonly id: Bytes;
  /** Six digits both people read to each other. */
  readonly shortString: string;
  readonly handshakeHash: Bytes;
  readonly peer: Credential;
  readonly peerCaps: readonly string[];
  readonly #crypto: LinkCrypto;
  readonly #clock: Clock;
  readonly #guard: HandshakeGuard;
  readonly #unacknowledgedLimit: number;
  readonly #resume: Bytes;
  readonly #control: Bytes;
  readonly #sender: RecordSender;
  readonly #receiver: RecordReceiver;
  readonly #paths: Paths;
  readonly #streams: Streams;
  readonly #acks: AckTimer;
  readonly #incomingBytes: RateLimit;
  readonly #incomingFrames: RateLimit;
  readonly #outgoingBytes: RateLimit;
  readonly #stopTicking: Cancel;
  readonly #seenAttaches = new Set<number>([0]);
  readonly #opening = new Set<PathPort>();
  readonly #stateListeners = new Set<(state: LinkState) => void>();
  #onStream: ((stream: LinkStream) => void) | null = null;
  #unclaimed: LinkStream[] = [];
  #lastAttach = 0;
  #state: LinkState = { state: 'open', error: null };
  #stopDetached: Cancel | null = null;
  #stopPacing: Cancel | null = null;
  #flushing = false;
  #waiting: RecordContent | null = null;

  private constructor(role: LinkRole, options: LinkOptions, result: HandshakeResult, port: PathPort) {
    const { crypto, clock } = options;
    const { keys, linkId } = result;
    this.role = role;
    this.sid = options.sid;
    this.id = linkId;
    this.shortString = result.shortString;
    this.handshakeHash = result.handshakeHash;
    this.peer = result.peer;
    this.peerCaps = result.peerCaps;
    this.#crypto = crypto;
    this.#clock = clock;
    this.#guard = options.guard;
    this.#unacknowledgedLimit = options.unacknowledgedBytes;
    this.#resume = keys.resume;
    this.#control = keys.control;
    const [send, receive] = directionsOf(role);
    const fail = (error: unknown) => this.#fail(error);
    this.#sender = new RecordSender({
      ...{ crypto, clock, linkId, fail, direction: send, secret: keys.secrets[send], sealed: () => this.#pump() },
      ...(options.rekeyRecords === undefined ? {} : { rekeyRecords: options.rekeyRecords }),
    });
    const deliver = (plain: Bytes) => this.#deliver(plain);
    this.#receiver = new RecordReceiver({
      crypto,
      linkId,
      fail,
      deliver,
      direction: receive,
      secret: keys.secrets[receive],
    });
    this.#paths = new Paths({
      ...{ role, clock, sender: this.#sender, receiver: this.#receiver, moved: () => this.#moved() },
      attachedChanged: attached => this.#attachedChanged(attached),
    });
    this.#streams = new Streams({
      ...{ role, fail, ready: () => this.#schedule(), opened: stream => this.#opened(stream) },
      countFrame: () => this.#countFrame(),
    });
    this.#acks = new AckTimer(clock, () => this.#acknowledge());
    this.#incomingBytes = new RateLimit(clock, MAX_BYTES_PER_SECOND);
    this.#incomingFrames = new RateLimit(clock, MAX_CONTROL_FRAMES_PER_SECOND, CONTROL_FRAME_BURST);
    this.#outgoingBytes = new RateLimit(clock, SEND_BYTES_PER_SECOND, MAX_PATH_UNSENT_BYTES * 4);
    this.#guard.setLive(this, true);
    const first = this.#attachment(port, 0);
    this.#paths.addFirst(first);
    this.#stopTicking = clock.every(PING_MS, () => this.#paths.tick());
    first.start();
  }

  /** The console's end, on a new path. @throws ApplianceError `link.refused` `link.busy` `link.locked` */
  static async connectConsole(options: LinkOptions, path: Path): Promise<Link> {
    const port = new PathPort(path);
    return new Link('console', options, await helloFromConsole(options, port), port);
  }

  /** The applet's end: waits for a console on this path. @throws as above */
  static async acceptApplet(options: LinkOptions, path: Path): Promise<Link> {
    const port = new PathPort(path);
    return new Link('applet', options, await helloToApplet(options, port), port);
  }

  get state(): LinkState {
    return this.#state;
  }

  get paths(): readonly PathView[] {
    const active = this.#paths.active;
    return this.#paths.all.map(one => ({
      ...{ attach: one.id, kind: one.kind, active: one === active, roundTripMs: one.roundTripMs },
    }));
  }

  /** What this side has sealed and the peer has not acknowledged, in bytes. */
  get unacknowledgedBytes(): number {
    return this.#sender.unacknowledgedBytes;
  }

  /** Calls `listener` at each change. @returns ends that */
  onState(listener: (state: LinkState) => void): Cancel {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Streams the peer opens; those it opened before wait. */
  onStream(listener: (stream: LinkStream) => void): void {
    this.#onStream = listener;
    for (const stream of this.#unclaimed.splice(0)) listener(stream);
  }

  /**
   * @param kind lower-case words with hyphens, at most 32 characters
   * @param priority 0 consent and revocation, 1 input and cursor, 2 chat, 3 screen, 4 files
   * @throws ApplianceError `link.closed` `link.too-many-streams` `link.stream-kind`
   */
  openStream(kind: string, priority: number): LinkStream {
    return this.#streams.open(kind, priority);
  }

  /**
   * Attaches another path. The console asks, the applet waits to be asked.
   * @returns its number, for `choosePath`
   * @throws ApplianceError `link.attach-refused`; the link is not disturbed
   */
  async attachPath(path: Path): Promise<number> {
    const port = new PathPort(path);
    this.#checkOpen(port);
    this.#opening.add(port);
    try {
      const options = this.#attachOptions();
      const attach =
        this.role === 'console'
          ? await attachFromConsole(options, port, ++this.#lastAttach)
          : await attachToApplet(options, port, this.#seenAttaches);
      this.#checkOpen(port);
      const attachment = this.#attachment(port, attach);
      this.#paths.add(attachment);
      attachment.start();
      return attach;
    } finally {
      this.#opening.delete(port);
    }
  }

  /** Moves to an attached path; the console only. @returns false when it stays: six moves a minute are the most */
  choosePath(attach: number): boolean {
    const attachment = this.#paths.all.find(({ id }) => id === attach);
    return attachment !== undefined && this.#paths.choose(attachment);
  }

  /** Ends the link and tells the peer. What was not sent yet is dropped. */
  close(): void {
    this.#end(null, CLOSE_CODE.ended);
  }

  #checkOpen(port: PathPort): void {
    if (this.#state.state !== 'closed') return;
    port.close();
    throw linkClosed();
  }

  #attachOptions(): AttachOptions {
    const [generation, next] = [() => this.#paths.generation, () => this.#receiver.next];
    const sid = fromBase64Url(this.sid);
    const { id: linkId } = this;
    return { crypto: this.#crypto, clock: this.#clock, sid, linkId, resume: this.#resume, generation, next };
  }

  #attachment(port: PathPort, id: number): Attachment {
    const [send, receive] = directionsOf(this.role);
    const events: AttachmentEvents = {
      received: bytes => this.#received(bytes),
      data: (header, message) => this.#data(header, message),
      control: (attachment, frame) => this.#controlFrame(attachment, frame),
      drained: () => this.#schedule(),
      lost: attachment => this.#guarded(() => this.#paths.lost(attachment)),
      fail: error => this.#fail(error),
    };
    const [crypto, clock, linkId, control] = [this.#crypto, this.#clock, this.id, this.#control];
    return new Attachment({ crypto, clock, port, id, linkId, control, send, receive, events });
  }

  // What comes in.

  #received(bytes: number): void {
    if (!this.#incomingBytes.take(bytes)) throw overLimit('more bytes a second than a link may carry');
  }

  #data(header: RecordHeader, message: Bytes): void {
    this.#receiver.accept(header, message);
  }

  #deliver(plain: Bytes): void {
    this.#acks.delivered(plain.length);
    this.#streams.deliver(plain);
  }

  #countFrame(): void {
    if (!this.#incomingFrames.take(1)) throw overLimit('more control frames a second than a link may carry');
  }

  #controlFrame(attachment: Attachment, frame: ControlFrame): void {
    this.#countFrame();
    switch (frame.type) {
      case 'ack':
        this.#sender.acknowledge(frame.next);
        this.#schedule();
        break;
      case 'ping':
        attachment.sendControl({ type: 'pong', number: frame.number });
        break;
      case 'pong':
        break;
      case 'switch':
        this.#paths.switched(attachment, frame);
        break;
      case 'close':
        this.#end(new ApplianceError('unavailable', 'link.closed', 'the peer has ended the link'), null);
        break;
    }
  }

  #opened(stream: LinkStream): void {
    if (this.#onStream === null) this.#unclaimed.push(stream);
    else this.#onStream(stream);
  }

  // What goes out.

  /** All that is queued in one turn of the event loop goes into as few records as it fits. */
  #schedule(): void {
    if (this.#flushing || this.#state.state === 'closed') return;
    this.#flushing = true;
    Promise.resolve().then(() => {
      this.#flushing = false;
      this.#guarded(() => this.#flush());
    });
  }

  #flush(): void {
    while (this.#maySeal()) {
      const content = this.#waiting ?? this.#streams.take();
      if (content === null) break;
      this.#waiting = null;
      if (!this.#outgoingBytes.take(content.length)) {
        this.#waiting = content;
        this.#pace();
        break;
      }
      this.#sender.seal(content.parts, content.length);
      this.#pump();
    }
    this.#pump();
  }

  #maySeal(): boolean {
    const active = this.#paths.active;
    if (this.#state.state !== 'open' || active === null) return false;
    if (this.#sender.unacknowledgedBytes >= this.#unacknowledgedLimit) return false;
    return active.unsentBytes + this.#sender.untransmittedBytes < MAX_PATH_UNSENT_BYTES;
  }

  #pace(): void {
    this.#stopPacing ??= this.#clock.after(PACE_MS, () => {
      this.#stopPacing = null;
      this.#schedule();
    });
  }

  #pump(): void {
    const active = this.#paths.active;
    while (active?.alive && active === this.#paths.active && active.unsentBytes < MAX_PATH_UNSENT_BYTES) {
      const record = this.#sender.next();
      if (record === null) break;
      active.sendData(record);
    }
    if (this.#sender.untransmittedBytes === 0) this.#schedulePending();
  }

  /** Sealing that came later than asked for may have made room. */
  #schedulePending(): void {
    if (this.#waiting === null && !this.#streams.pending) return;
    if (this.#maySeal()) this.#schedule();
  }

  #acknowledge(): void {
    this.#paths.active?.sendControl({ type: 'ack', next: this.#receiver.next });
  }

  #moved(): void {
    this.#acks.delivered(0);
    this.#pump();
    this.#schedule();
  }

  // The end.

  #attachedChanged(attached: boolean): void {
    if (this.#state.state === 'closed') return;
    this.#guard.setLive(this, attached);
    this.#stopDetached?.();
    this.#stopDetached = null;
    if (!attached) {
      const late = new ApplianceError('unavailable', 'link.detached', 'no path came back in time');
      this.#stopDetached = this.#clock.after(DETACHED_MS, () => this.#end(late, null));
    }
    this.#setState({ state: attached ? 'open' : 'detached', error: null });
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(thrown: unknown): void {
    const error = thrown instanceof ApplianceError ? thrown : defect('the link could not go on', thrown);
    const code = error.code === 'link.exhausted' ? CLOSE_CODE.exhausted : CLOSE_CODE.protocol;
    this.#end(error, error.code === 'link.limit' ? CLOSE_CODE.limit : code);
  }

  #end(error: ApplianceError | null, code: number | null): void {
    if (this.#state.state === 'closed') return;
    if (code !== null) for (const path of this.#paths.all) path.sendControl({ type: 'close', code }); // one may be dead
    this.#state = { state: 'closed', error };
    this.#stopTicking();
    this.#stopDetached?.();
    this.#stopPacing?.();
    this.#acks.close();
    this.#guard.setLive(this, false);
    this.#paths.close();
    for (const port of this.#opening) port.close();
    this.#sender.erase();
    this.#receiver.erase();
    this.#resume.fill(0);
    this.#control.fill(0);
    this.#waiting = null;
    this.#streams.close();
    this.#tell();
  }

  #setState(state: LinkState): void {
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#stateListeners) listener(this.#state);
  }
}

/** Which way this role sends and receives. */
function directionsOf(role: LinkRole) {
  const { appletToConsole, consoleToApplet } = DIRECTION;
  return role === 'console'
    ? ([consoleToApplet, appletToConsole] as const)
    : ([appletToConsole, consoleToApplet] as const);
}
