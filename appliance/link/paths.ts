// The paths of a link and which of them carries its records. The console leads: it raises the generation with SWITCH,
// the applet answers with the same generation. A change by choice loses nothing: new records move at once, what is on
// its way on the old path still arrives, even when a later SWITCH overtook its own. When a path was lost both sides send
// again from where the other one stands, and whatever still comes of an earlier generation is dropped.
import type { Clock } from '../clock.ts';
import type { ControlFrame, SwitchFrame } from '../protocol/control-frames.ts';
import type { LinkRole } from '../protocol/signed.ts';
import type { Attachment } from './attachment.ts';
import { protocolError } from './errors.ts';
import { MAX_ATTACHMENTS, MAX_SWITCHES_PER_MINUTE, PROVING_PINGS } from './limits.ts';
import type { RecordReceiver } from './record-receiver.ts';
import type { RecordSender } from './record-sender.ts';

const MINUTE_MS = 60_000;

export interface PathsOptions {
  readonly role: LinkRole;
  readonly clock: Clock;
  readonly sender: RecordSender;
  readonly receiver: RecordReceiver;
  /** Records can go out again, or on another path. */
  readonly moved: () => void;
  /** There is no path left, or again one. */
  readonly attachedChanged: (attached: boolean) => void;
}

export class Paths {
  readonly #options: PathsOptions;
  readonly #attachments = new Map<number, Attachment>();
  #generation = 0;
  #active: Attachment | null = null;
  /** The console's SWITCH that awaits its answer after a loss. */
  #pending: Attachment | null = null;
  /** The console's SWITCHes without an answer yet, by generation. */
  readonly #asked = new Map<number, { readonly attachment: Attachment; readonly lossy: boolean }>();
  /** The peer's latest move: its generation, and the first record that travels by it. */
  #peerMove = { generation: 0, from: 0 };
  /** The generation of the last recovery, as agreed. */
  #recovered = 0;
  #chosenAt: number[] = [];

  constructor(options: PathsOptions) {
    this.#options = options;
  }

  get generation(): number {
    return this.#generation;
  }

  /** The path records go out on; null while there is none, or it is being agreed. */
  get active(): Attachment | null {
    return this.#active;
  }

  get all(): readonly Attachment[] {
    return [...this.#attachments.values()];
  }

  /** The path of the handshake: it carries records from the first. */
  addFirst(attachment: Attachment): void {
    this.#attachments.set(attachment.id, attachment);
    attachment.openIntake(0);
    this.#active = attachment;
  }

  /** A path that was attached later. It waits for a SWITCH; with none in use the console sends one at once. */
  add(attachment: Attachment): void {
    if (this.#attachments.size >= MAX_ATTACHMENTS) {
      attachment.close();
      throw protocolError('more paths than a link may have');
    }
    const first = this.#attachments.size === 0;
    this.#attachments.set(attachment.id, attachment);
    if (first) this.#options.attachedChanged(true);
    if (this.#options.role === 'console' && this.#active === null && this.#pending === null) this.#recover(attachment);
  }

  /**
   * Moves to an attached path by choice; the console only.
   * @returns false when there were six such moves within a minute: it stays as it is
   */
  choose(attachment: Attachment): boolean {
    if (this.#options.role !== 'console' || !attachment.alive || this.#active === null) return false;
    if (attachment === this.#active) return true;
    const now = this.#options.clock.monotonic();
    this.#chosenAt = this.#chosenAt.filter(at => now - at < MINUTE_MS);
    if (this.#chosenAt.length >= MAX_SWITCHES_PER_MINUTE) return false;
    this.#chosenAt.push(now);
    const { sender, receiver } = this.#options;
    this.#ask(attachment, switchFrame(++this.#generation, false, sender.transmitSeq, receiver.next));
    this.#active.sentUntil = sender.transmitSeq;
    this.#active = attachment;
    this.#options.moved();
    return true;
  }

  /** A path ended. */
  lost(attachment: Attachment): void {
    this.#attachments.delete(attachment.id);
    const inUse = this.#active === attachment || this.#pending === attachment;
    if (this.#active === attachment) this.#active = null;
    if (this.#pending === attachment) this.#pending = null;
    const unanswered = this.#forget(attachment);
    if (this.#attachments.size === 0) this.#options.attachedChanged(false);
    else if (this.#options.role !== 'console') return;
    else if (inUse) this.#recover(this.#best());
    else if (this.#active !== null && (unanswered || this.#mayHaveLost(attachment))) this.#recover(this.#active);
  }

  /** Pings each path; a direct one that answers no slower than the relay takes over. */
  tick(): void {
    for (const attachment of this.all) attachment.tick();
    if (this.#options.role !== 'console' || this.#active?.kind !== 'relay') return;
    const relayMs = this.#active.roundTripMs ?? 0;
    const faster = this.all.find(
      ({ kind, answered, roundTripMs }) =>
        kind !== 'relay' && answered >= PROVING_PINGS && (roundTripMs ?? Number.POSITIVE_INFINITY) <= relayMs,
    );
    if (faster !== undefined) this.choose(faster);
  }

  /** A SWITCH, as asked (applet) or answered (console). */
  switched(attachment: Attachment, frame: Extract<ControlFrame, { type: 'switch' }>): void {
    if (this.#options.role === 'applet') this.#follow(attachment, frame);
    else this.#answered(attachment, frame);
  }

  close(): void {
    for (const attachment of this.all) attachment.close();
    this.#attachments.clear();
    this.#active = null;
    this.#pending = null;
  }

  /** The relay is the way back; else whatever there is. */
  #best(): Attachment {
    const best = this.all.find(({ kind }) => kind === 'relay') ?? this.all[0];
    if (best === undefined) throw protocolError('no path to go back to');
    return best;
  }

  /** A path records had moved away from may have ended before all of them arrived. */
  #mayHaveLost(attachment: Attachment): boolean {
    const { sender, receiver } = this.#options;
    return attachment.sentUntil > sender.acknowledged || attachment.owes(receiver.next);
  }

  #recover(attachment: Attachment): void {
    const { receiver } = this.#options;
    this.#active = null;
    this.#pending = attachment;
    this.#ask(attachment, switchFrame(++this.#generation, true, 0, receiver.next));
  }

  #ask(attachment: Attachment, frame: SwitchFrame): void {
    this.#asked.set(frame.generation, { attachment, lossy: frame.lossy });
    attachment.sendControl(frame);
  }

  /** @returns whether a SWITCH on this path had no answer: the peer may have sent records there, or not */
  #forget(attachment: Attachment): boolean {
    const before = this.#asked.size;
    for (const [generation, asked] of this.#asked) if (asked.attachment === attachment) this.#asked.delete(generation);
    return this.#asked.size < before;
  }

  #follow(attachment: Attachment, frame: SwitchFrame): void {
    const { sender, receiver } = this.#options;
    const { generation, lossy, next } = frame;
    sender.acknowledge(next);
    if (generation <= this.#generation) {
      this.#peerMoved(attachment, frame); // overtaken by a later one on another path
      return;
    }
    this.#generation = generation;
    if (lossy) {
      // The console has given up the path in use; what still comes from there was sent before it did.
      this.#peerStartsAgain(attachment, generation, receiver.next);
      sender.rewind(next);
      attachment.sendControl(switchFrame(generation, true, sender.transmitSeq, receiver.next));
    } else {
      this.#peerMoved(attachment, frame);
      attachment.sendControl(switchFrame(generation, false, sender.transmitSeq, receiver.next));
    }
    this.#active = attachment;
    this.#options.moved();
  }

  #answered(attachment: Attachment, frame: SwitchFrame): void {
    const { sender, receiver } = this.#options;
    const { generation, lossy, from, next } = frame;
    const asked = this.#asked.get(generation);
    if (asked?.attachment !== attachment || asked.lossy !== lossy || (lossy && from > receiver.next))
      throw protocolError('an answer nobody asked for');
    this.#asked.delete(generation);
    sender.acknowledge(next);
    if (lossy) {
      this.#peerStartsAgain(attachment, generation, from);
      this.#pending = null;
      sender.rewind(next);
      this.#active = attachment;
    } else {
      this.#peerMoved(attachment, frame);
    }
    this.#options.moved();
  }

  /** The peer's records from `from` on come on this path, up to where a later move of its starts. */
  #peerMoved(attachment: Attachment, { generation, from, lossy }: SwitchFrame): void {
    if (lossy || generation < this.#recovered) {
      attachment.muteIntake();
    } else if (generation < this.#peerMove.generation) {
      attachment.openIntake(from, Math.max(from, this.#peerMove.from));
    } else {
      for (const other of this.all) if (other !== attachment) other.limitIntake(from);
      attachment.openIntake(from);
      this.#peerMove = { generation, from };
    }
  }

  /** After a loss: all that was not delivered comes again on this path. */
  #peerStartsAgain(attachment: Attachment, generation: number, from: number): void {
    for (const other of this.all) if (other !== attachment) other.retireIntake();
    attachment.openIntake(from);
    this.#peerMove = { generation, from };
    this.#recovered = generation;
  }
}

function switchFrame(generation: number, lossy: boolean, from: number, next: number): SwitchFrame {
  return { type: 'switch', generation, lossy, from, next };
}
