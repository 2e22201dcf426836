// Draws one stream and writes down what it shows: at most five pictures a second of the stream's own time, which its marks
// tell, and what the marks say.
import type { Bytes } from '../../protocol/bytes.ts';
import { canonicalBytes } from '../../protocol/canonical-json.ts';
import type { RecordedPiece } from '../../protocol/recorded-stream.ts';
import { type Mark, writeMark } from '../../protocol/recording-marks.ts';
import { RfbDecoder } from '../decode/rfb-decoder.ts';
import type { RcrecWriter } from '../rcrec-writer.ts';

const FRAME_MS = 200;
/** What somebody may want to jump to. */
const PLACES = new Set<Mark['type']>(['action', 'chat', 'state', 'loss', 'monitors', 'end']);
/** RFC 6143 §7.5.5: those after them are of a wheel. */
const BUTTONS = 0b111;

export class PictureTrack {
  readonly #decoder = new RfbDecoder({ cursor: cursor => this.#writer?.cursor(cursor) });
  readonly #startedAt: number;
  /** Null while a stream is only drawn again, up to where it was. */
  #writer: RcrecWriter | null = null;
  #rfbBytes = 0;
  #nowMs = 0;
  /** When what is not written yet came. */
  #changedMs = 0;
  #frameMs = Number.NEGATIVE_INFINITY;
  /** That are pressed. */
  #buttons = 0;
  /** Of what is only drawn again: an index that was not written yet has none of it. */
  #places: { readonly atMs: number; readonly json: Bytes }[] = [];

  /** @param startedAt ms UTC of what is 0 in the recording */
  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  get updates(): number {
    return this.#decoder.updates;
  }

  /** RFB bytes that came, and those of them that are drawn. */
  get rfbBytes(): number {
    return this.#rfbBytes;
  }

  get settledBytes(): number {
    return this.#decoder.settled;
  }

  /** From here on it is written. */
  record(writer: RcrecWriter): void {
    this.#writer = writer;
    for (const { atMs, json } of this.#places) writer.place(json, atMs);
    this.#places = [];
  }

  /** @throws ApplianceError `protocol.malformed` for what can't be drawn */
  async take(piece: RecordedPiece): Promise<void> {
    if (piece.type === 'mark') return this.#mark(piece.mark);
    this.#rfbBytes += piece.bytes.length;
    await this.#decoder.push(piece.bytes);
    if (this.#decoder.picture?.isChanged === true) this.#changedMs = this.#nowMs;
  }

  /** What is seen now, if it was not written yet. */
  frame(): void {
    const { picture } = this.#decoder;
    if (picture?.isChanged !== true || this.#writer === null) return;
    this.#writer.time(this.#changedMs);
    this.#writer.frame(picture);
    this.#frameMs = this.#nowMs;
  }

  /** Something the recorder has to say about the recording. */
  note(note: string, at: number): void {
    this.#writer?.mark(writeNote(note, at), true);
  }

  close(): void {
    this.#decoder.close();
  }

  #mark(mark: Mark): void {
    this.#nowMs = Math.max(this.#nowMs, mark.at - this.#startedAt);
    if (this.#nowMs - this.#frameMs >= FRAME_MS) this.frame();
    if (mark.type === 'format') this.#decoder.format(mark.format);
    const isClick = mark.type === 'pointer' && (mark.buttons & ~this.#buttons & BUTTONS) !== 0;
    if (mark.type === 'pointer') this.#buttons = mark.buttons;
    const isPlace = PLACES.has(mark.type);
    const writer = this.#writer;
    if (writer === null) {
      if (isClick || isPlace) this.#places.push({ atMs: this.#nowMs, json: writeMark(mark) });
      return;
    }
    writer.time(this.#nowMs);
    if (isClick) writer.place(writeMark(mark));
    if (mark.type === 'pointer') writer.pointer(mark.x, mark.y, mark.buttons);
    else if (mark.type !== 'beat' || mark.keys > 0) writer.mark(writeMark(mark), isPlace);
  }
}

/** @param at ms UTC by the recorder's clock: since when */
export function writeNote(note: string, at: number): Bytes {
  return canonicalBytes({ v: 1, type: 'note', note, at });
}
