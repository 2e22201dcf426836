// What leaves of one picture, as the recorder gets it: the messages of `screen`, and between them marks that say what the
// picture alone does not (protocol/recording-marks.ts). Nothing leaves that the rule does not admit; it waits here.
import type { Cancel, Clock } from '../../clock.ts';
import type { Bytes } from '../../protocol/bytes.ts';
import { type BeginMark, type Mark, writeMark } from '../../protocol/recording-marks.ts';
import type { PixelFormat } from '../../protocol/rfb.ts';
import { OWN_PIXEL_FORMAT } from '../../protocol/rfb.ts';
import { type Monitor, writeScreenMark } from '../../protocol/screen.ts';
import type { RecordedStream } from '../recorded-stream.ts';
import type { PictureWatch } from '../rfb-server.ts';

const BEAT_MS = 1000;
/** A picture that is so much later than the last mark is told its own time. */
const MOMENT_MS = 100;
/** Where the technician points is told so often; a click at once. */
const POINTER_MS = 50;

type Stage = Extract<Mark, { type: 'action' }>['stage'];
type Told<Type extends Mark['type']> = Omit<Extract<Mark, { type: Type }>, 'at'>;

export interface RecordedScreenParts {
  readonly clock: Clock;
  readonly recorded: RecordedStream;
  /** ms UTC by the appliance's clock. */
  readonly applianceTime: () => number;
  readonly begin: Omit<BeginMark, 'type' | 'at' | 'version' | 'nonce' | 'forced' | 'format' | 'encodings'>;
  /** Takes a message of `screen`, of kind 2, after all that was given before. */
  readonly queue: (message: Bytes) => void;
  /** Whether something given before waits. */
  readonly isWaiting: () => boolean;
}

export class RecordedScreen implements PictureWatch {
  readonly #parts: RecordedScreenParts;
  #cancel: Cancel = () => undefined;
  #lastAt = 0;
  #keys = 0;
  #pointedAt = Number.NEGATIVE_INFINITY;
  #buttons = 0;
  #wasUnproved = false;
  /** The first picture is given, and counts as sent when nothing waits any more. */
  #isPictureGiven = false;
  #isOver = false;

  constructor(parts: RecordedScreenParts) {
    this.#parts = parts;
  }

  /** First of all, once what it queues comes back to `sent`. */
  start(): void {
    const { clock, recorded, begin } = this.#parts;
    this.#mark({
      ...{ type: 'begin', version: 1, nonce: recorded.nonce, forced: recorded.isForced },
      ...{ ...begin, format: OWN_PIXEL_FORMAT, encodings: [] },
    });
    for (const { nonce, sent, covered } of recorded.losses) this.#mark({ type: 'loss', nonce, sent, covered });
    this.#cancel = clock.every(BEAT_MS, () => this.#beat());
  }

  get nonce(): Bytes {
    return this.#parts.recorded.nonce;
  }

  get isForced(): boolean {
    return this.#parts.recorded.isForced;
  }

  get admitsInput(): boolean {
    return this.#parts.recorded.admitsInput;
  }

  /** Whether these may leave now, all of them at once; each is then given to `sent` first. */
  admits(messages: readonly Bytes[]): boolean {
    return this.#parts.recorded.admits(messages.reduce((sum, { length }) => sum + length + LENGTH_BYTES, 0));
  }

  sent(message: Bytes): void {
    this.#parts.recorded.add(message);
  }

  /** Nothing waits any more. */
  drained(): void {
    if (!this.#isPictureGiven) return;
    this.#isPictureGiven = false;
    this.#parts.recorded.pictureSent();
  }

  /** The rule may say something else than before. */
  ruleChanged(): void {
    const isUnproved = this.#parts.recorded.state === 'unproved';
    if (this.#wasUnproved && !isUnproved) this.#mark({ type: 'state', state: 'unrecorded' });
    this.#wasUnproved = isUnproved;
  }

  formatChanged(format: PixelFormat, encodings: readonly number[]): void {
    this.#mark({ type: 'format', format, encodings });
  }

  frameBegins(): void {
    if (this.#now() - this.#lastAt > MOMENT_MS) this.#beat();
  }

  frameEnds(): void {
    this.#isPictureGiven = true;
    if (!this.#parts.isWaiting()) this.drained();
  }

  monitors(monitors: readonly Monitor[], monitor: number): void {
    this.#mark({ type: 'monitors', monitors, monitor });
  }

  stateChanged(state: 'live' | 'paused' | 'frozen'): void {
    this.#mark({ type: 'state', state });
  }

  /** What the technician does; a key is counted, whatever it is. In pixels of the picture. */
  input(input: { readonly type: 'key'; readonly down: boolean } | Told<'pointer'>): void {
    if (input.type === 'key') {
      if (input.down) this.#keys++;
      return;
    }
    const now = this.#parts.clock.monotonic();
    if (input.buttons === this.#buttons && now - this.#pointedAt < POINTER_MS) return;
    this.#pointedAt = now;
    this.#buttons = input.buttons;
    this.#mark({ type: 'pointer', x: input.x, y: input.y, buttons: input.buttons });
  }

  action(action: string, stage: Stage): void {
    this.#mark({ type: 'action', action, stage });
  }

  chat(line: Bytes, by: 'customer' | 'technician'): void {
    this.#mark({ type: 'chat', line, by });
  }

  /** Nothing follows. What waits is not part of it: whoever calls has dropped it. */
  end(why: string): void {
    if (this.#isOver) return;
    this.#mark({ type: 'end', why });
    this.close();
  }

  /** The stream was cut; there is no end to be told. */
  close(): void {
    this.#isOver = true;
    this.#cancel();
    this.#parts.recorded.close();
  }

  /** Of what waits already each says when it was given. */
  #beat(): void {
    if (this.#parts.isWaiting()) return;
    const keys = this.#keys;
    this.#keys = 0;
    this.#mark({ type: 'beat', keys });
  }

  #mark(told: { [Type in Mark['type']]: Told<Type> }[Mark['type']]): void {
    if (this.#isOver) return;
    const mark = { ...told, at: this.#now() } as Mark; // the type of `told`, and its time
    this.#parts.queue(writeScreenMark(writeMark(mark)));
    this.#lastAt = mark.at;
  }

  /** Never earlier than before: the appliance's clock may have been set. */
  #now(): number {
    return Math.max(this.#lastAt, Math.round(this.#parts.applianceTime()));
  }
}

/** A message has its length in front of it in the stream. */
const LENGTH_BYTES = 4;
