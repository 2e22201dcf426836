// Records one stream. What came is drawn and written; a receipt says so only when everything up to its place was drawn
// without a mistake and is on the disk (TRUST: recording receipts). Trouble with the share or the signer ends by itself: no
// receipt meanwhile, and nothing more is read.
import { createHash, type Hash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { type Bytes, malformed } from '../protocol/bytes.ts';
import type { RcrecHead } from '../protocol/rcrec.ts';
import { type RecordedPiece, RecordedReader } from '../protocol/recorded-stream.ts';
import type { RecorderState } from '../protocol/recorder-socket.ts';
import type { BeginMark } from '../protocol/recording-marks.ts';
import type { RecordingReceipt, StreamPlace } from '../protocol/recording-receipt.ts';
import type { Signed } from '../protocol/signed.ts';
import { type RcrecBegun, type RcrecOutput, RcrecWriter } from './rcrec-writer.ts';
import type { Journal } from './receive/journal.ts';
import { PictureTrack } from './receive/picture-track.ts';

/** Records that wait for a block of theirs. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024;

/** So far marks may be from this machine's time: its clock was set, and the applet has not heard of it. */
export const MAX_CLOCK_STEP_MS = 2 * 3_600_000;

export interface StreamRecorderParts {
  readonly clock: Clock;
  readonly journal: Journal;
  /** Where the file will be. */
  readonly create: (begin: BeginMark) => RcrecOutput;
  /** @throws ApplianceError where the signer is away */
  readonly sign: (receipt: Omit<RecordingReceipt, 'kid'>) => Promise<Signed>;
}

export interface StreamListener {
  /** Whether this may be recorded for whoever brings it. @throws ApplianceError where it may not */
  check(begin: BeginMark): void;
  proved(receipt: Signed): void;
  stateChanged(state: RecorderState): void;
}

/** While a stream is drawn again nobody listens: it was checked when it came. */
const nobody: StreamListener = { check: () => undefined, proved: () => undefined, stateChanged: () => undefined };

/** A place between two messages that is not proved yet. */
interface Waiting extends StreamPlace {
  /** RFB bytes before it. */
  readonly rfbBytes: number;
}

/** The file of a stream whose recorder was ended. */
export interface FileBegun extends RcrecBegun {
  readonly output: RcrecOutput;
  /** In the stream, up to which all is in the file. */
  readonly offset: number;
}

interface Begun {
  readonly mark: BeginMark;
  readonly track: PictureTrack;
  readonly writer: RcrecWriter;
}

export class StreamRecorder {
  readonly #parts: StreamRecorderParts;
  #listener = nobody;
  readonly #reader = new RecordedReader();
  readonly #hash: Hash = createHash('sha256');
  #begun: Begun | null = null;
  /** In order; what is drawn of it can be written and proved. */
  #waiting: Waiting[] = [];
  #written: StreamPlace | null = null;
  #receipt: { readonly place: StreamPlace; readonly signed: Signed } | null = null;
  #state: RecorderState = 'recording';
  #troubleAt = 0;
  #isTroubleNoted = false;
  /** The file has its end, or is getting it. */
  #isDone = false;
  #calm: PromiseWithResolvers<void> | null = null;
  #isPictureProved = false;
  /** Of its end mark; null before that. */
  #endWhy: string | null = null;
  /** Counts who brings it. */
  #bringing = 0;
  /** One thing after the other. */
  #working: Promise<unknown> = Promise.resolve();

  constructor(parts: StreamRecorderParts) {
    this.#parts = parts;
  }

  /**
   * Goes on with what another recorder began: the journal is drawn again, and written from where the file ends.
   * @param file null where there is none yet
   * @throws ApplianceError `recording.journal-short` where it does not reach as far as the file
   */
  static async restore(parts: StreamRecorderParts, file: FileBegun | null): Promise<StreamRecorder> {
    const recorder = new StreamRecorder(parts);
    recorder.#isDone = file?.isCut === false;
    for await (const bytes of parts.journal.read())
      for (const piece of recorder.#reader.push(bytes))
        if (!recorder.#isDone || piece.end <= (file?.offset ?? 0)) await recorder.#draw(piece, file);
    recorder.#reader.dropHeld();
    await parts.journal.truncate(recorder.offset);
    if (recorder.offset >= (file?.offset ?? 0)) return recorder;
    await recorder.close();
    throw new ApplianceError('missing', 'recording.journal-short', 'the journal ends before the recording does');
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
  }

  get begin(): BeginMark | null {
    return this.#begun?.mark ?? null;
  }

  /** Bytes of the stream that came, as far as they are whole messages. */
  get offset(): number {
    return this.#reader.offset;
  }

  /** Whether the applet has said that nothing follows. */
  get isEnded(): boolean {
    return this.#reader.isEnded;
  }

  /** Whether it ended because the technician paused the recording. */
  get isPaused(): boolean {
    return this.#endWhy === 'paused';
  }

  /** Whether nothing can be added to its file any more. */
  get isDone(): boolean {
    return this.#isDone;
  }

  get state(): RecorderState {
    return this.#state;
  }

  get durationMs(): number {
    return this.#begun?.writer.durationMs ?? 0;
  }

  /** Bytes of the stream that are in the file. */
  get writtenOffset(): number {
    return this.#written?.offset ?? 0;
  }

  /** The last place that was proved, and its receipt. */
  get receipt(): { readonly place: StreamPlace; readonly signed: Signed } | null {
    return this.#receipt;
  }

  /** Somebody brings what follows `offset`, once this returns; what was brought before and waits is void. */
  broughtAnew(): Promise<void> {
    this.#bringing++;
    return this.#do(async () => this.#reader.dropHeld());
  }

  /**
   * What follows, cut anywhere; the next piece when this one is dealt with, for in trouble nothing is read.
   * @throws ApplianceError `protocol.malformed`, and what `check` throws; nothing more can be recorded then
   */
  async receive(bytes: Bytes): Promise<void> {
    const bringing = this.#bringing;
    while (this.#calm !== null) await this.#calm.promise;
    await this.#do(async () => {
      if (bringing === this.#bringing) await this.#receive(bytes);
    });
  }

  /** Writes what is drawn and proves it; called once a second, and whenever somebody waits. */
  flush(): Promise<void> {
    return this.#do(() => this.#flush());
  }

  /**
   * Nothing more comes: the file is finished. What was not drawn wholly is not in it.
   * @param note why, where the stream itself has not ended
   * @throws ApplianceError `recording.share-…`; the next call tries again
   */
  end(note: string | null): Promise<void> {
    return this.#do(async () => {
      // Tried again it says so once: behind the file's end nothing may follow.
      if (note !== null && !this.#isDone) this.#begun?.track.note(note, this.#parts.clock.now());
      this.#isDone = true;
      await this.#flush();
      if (this.#begun !== null) await this.#begun.writer.end(this.writtenOffset);
    });
  }

  /**
   * A receipt for an earlier place of what is proved, whose digest is made of the journal again.
   * @returns null for the last place that was proved, and where nothing proves another any more
   * @throws ApplianceError where the signer is away
   */
  receiptAt(offset: number): Promise<Signed | null> {
    return this.#do(async () => {
      const { journal, sign, clock } = this.#parts;
      if (this.#begun === null || offset >= (this.#receipt?.place.offset ?? 0)) return null;
      const digest = await journal.digest(offset);
      if (digest === null) return null;
      const { sid, linkId, nonce } = this.#begun.mark;
      return sign({ sid, linkId, nonce, offset, digest, time: clock.now() });
    });
  }

  async close(): Promise<void> {
    this.#bringing++; // what waits is void
    this.#calm?.resolve();
    this.#calm = null;
    this.#begun?.track.close();
    await this.#begun?.writer.close();
    await this.#parts.journal.close();
  }

  async #receive(bytes: Bytes): Promise<void> {
    if (this.#state === 'refused' || this.#isDone)
      throw new ApplianceError('refused', 'recording.refused', 'it was refused before, or is being finished');
    try {
      for (const piece of this.#reader.push(bytes)) {
        this.#checkTime(piece);
        await this.#parts.journal.append(piece.whole);
        await this.#draw(piece, null);
      }
    } catch (error) {
      this.#change('refused');
      throw error;
    }
    const isPictureNew = !this.#isPictureProved && (this.#begun?.track.updates ?? 0) > 0;
    const isMuch = (this.#begun?.writer.pendingBytes ?? 0) > MAX_PENDING_BYTES;
    if (isPictureNew || isMuch || this.isEnded) await this.#flush();
    if (isPictureNew) this.#isPictureProved = true;
  }

  /** A film lasts as long as its marks say, and stands where its beginning is: a picture of years to come would fill every disk. */
  #checkTime(piece: RecordedPiece): void {
    if (piece.type === 'mark' && piece.mark.at > this.#parts.clock.now() + MAX_CLOCK_STEP_MS)
      throw malformed('a mark of a time to come');
  }

  /** @param file of a recorder before this one: what is in it is not written again */
  async #draw(piece: RecordedPiece, file: FileBegun | null): Promise<void> {
    this.#hash.update(piece.whole);
    const begun = this.#begun ?? this.#start(piece, file);
    await begun.track.take(piece);
    if (piece.type === 'mark' && piece.mark.type === 'end') this.#endWhy = piece.mark.why;
    const place = { offset: piece.end, digest: new Uint8Array(this.#hash.copy().digest()) };
    if (file === null || place.offset > file.offset) this.#waiting.push({ ...place, rfbBytes: begun.track.rfbBytes });
    else if (place.offset === file.offset) {
      this.#written = place;
      begun.track.record(begun.writer); // from here on
    }
  }

  #start(piece: RecordedPiece, file: FileBegun | null): Begun {
    if (piece.type !== 'mark' || piece.mark.type !== 'begin') throw malformed('a stream that does not begin');
    const { mark } = piece;
    this.#listener.check(mark);
    const track = new PictureTrack(mark.at);
    const writer =
      file === null ? RcrecWriter.begin(this.#parts.create(mark), headOf(mark)) : RcrecWriter.goOn(file.output, file);
    if (file === null) track.record(writer);
    this.#begun = { mark, track, writer };
    return this.#begun;
  }

  async #flush(): Promise<void> {
    const begun = this.#begun;
    if (begun === null) return;
    const { sid, linkId, nonce } = begun.mark;
    const drawn = this.#waiting.findLast(({ rfbBytes }) => rfbBytes <= begun.track.settledBytes);
    try {
      if (drawn !== undefined && drawn.offset > this.writtenOffset) {
        if (this.#calm !== null) this.#noteTrouble(begun); // with what waits: nothing goes on before it is on the disk
        begun.track.frame();
        await begun.writer.flush(drawn.offset);
        this.#written = drawn;
        this.#waiting = this.#waiting.filter(({ offset }) => offset > drawn.offset);
      }
      const written = this.#written;
      if (written !== null && written.offset > (this.#receipt?.place.offset ?? 0)) {
        const { offset, digest } = written;
        const signed = await this.#parts.sign({ sid, linkId, nonce, offset, digest, time: this.#parts.clock.now() });
        this.#receipt = { place: { offset, digest }, signed };
        this.#listener.proved(signed);
      }
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      return this.#trouble(troubleOf(error));
    }
    this.#settle(begun);
  }

  #trouble(state: RecorderState): void {
    if (this.#state === 'refused') return;
    if (this.#calm === null) this.#troubleAt = this.#parts.clock.now();
    this.#calm ??= Promise.withResolvers();
    this.#change(state);
  }

  /** Once for each trouble: what it was at first, and since when. */
  #noteTrouble({ track }: Begun): void {
    if (!this.#isTroubleNoted) track.note(this.#state, this.#troubleAt);
    this.#isTroubleNoted = true;
  }

  /** All is well; where it was not, the recording says so. */
  #settle(begun: Begun): void {
    if (this.#calm === null || this.#state === 'refused') return;
    this.#noteTrouble(begun);
    this.#isTroubleNoted = false;
    this.#change('recording');
    this.#calm.resolve();
    this.#calm = null;
  }

  #change(state: RecorderState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.stateChanged(state);
  }

  #do<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#working.then(act);
    this.#working = done.catch(() => undefined); // told to who asked for it
    return done;
  }
}

export function headOf({ sid, linkId, nonce, sub, technician, forced, at, after, pausedMs }: BeginMark): RcrecHead {
  return { sid, linkId, nonce, sub, technician, forced, startedAt: at, after, pausedMs };
}

function troubleOf({ code }: ApplianceError): RecorderState {
  switch (code) {
    case 'recording.share-full':
      return 'share-full';
    case 'recording.share-read-only':
      return 'share-read-only';
    case 'recording.share-gone':
      return 'share-gone';
    default:
      return 'signer-away';
  }
}
