// Shows any moment of a recording: from the beginning of its segment on, record by record.
import { ApplianceError } from '../errors.ts';
import type { Bytes } from './bytes.ts';
import { damaged, type RcrecFile } from './rcrec-file.ts';
import { type JpegDecoder, type Later, RcrecPicture } from './rcrec-picture.ts';
import { type RcrecRecord, RecordReader } from './rcrec-records.ts';

/** zstd (RFC 8878) of the blocks of one segment, in order, with a window of at most 16 MiB. */
export interface Unpacker {
  /**
   * @returns exactly `plainBytes`
   * @throws where that is not what is in it
   */
  unpack(packed: Bytes, plainBytes: number): Later<Bytes>;
  close(): void;
}

export interface RcrecCodecs {
  newUnpacker(): Unpacker;
  readonly decodeJpeg: JpegDecoder;
}

export interface RcrecStep {
  /** Of the picture as it is now, in ms of the recording. */
  readonly ms: number;
  /** What is said of this moment, canonical JSON each. */
  readonly marks: readonly Bytes[];
}

interface Segment {
  readonly unpacker: Unpacker;
  readonly reader: RecordReader;
  /** Of its first block. */
  readonly start: number;
}

export class RcrecPlayer {
  readonly picture: RcrecPicture;
  readonly #file: RcrecFile;
  readonly #codecs: RcrecCodecs;
  #segment: Segment | null = null;
  /** Of the next block; null after the last. */
  #position: number | null = null;
  #records: Iterator<RcrecRecord> | null = null;
  /** The `time` that is shown, and the one that was read after it. */
  #shownMs: number | null = null;
  #nextMs: number | null = null;

  constructor(file: RcrecFile, codecs: RcrecCodecs) {
    this.#file = file;
    this.#codecs = codecs;
    this.picture = new RcrecPicture(codecs.decodeJpeg);
  }

  /** Of the picture as it is now; null before the first. */
  get ms(): number | null {
    return this.#shownMs;
  }

  /** When something is recorded next; null after the last, and before the first. */
  get nextMs(): number | null {
    return this.#nextMs;
  }

  /**
   * The picture as it was at this moment. @returns null where nothing was recorded by then
   * @throws ApplianceError `rcrec.damaged`
   */
  async seek(ms: number): Promise<RcrecStep | null> {
    const start = this.#file.segmentAt(ms);
    if (start === undefined) return null;
    const isAhead = this.#segment?.start === start && this.#shownMs !== null && this.#shownMs <= ms;
    if (!isAhead) await this.#open(start);
    let step: RcrecStep | null = this.#shownMs === null ? null : { ms: this.#shownMs, marks: [] };
    while (this.#nextMs !== null && this.#nextMs <= ms) step = await this.next();
    return step;
  }

  /** The next moment at which something was recorded; null after the last. @throws ApplianceError `rcrec.damaged` */
  async next(): Promise<RcrecStep | null> {
    if (this.#segment === null) await this.#open(this.#file.segmentAt(0) ?? this.#file.goodBytes);
    const ms = this.#nextMs;
    if (ms === null) return null;
    this.#shownMs = ms;
    const marks: Bytes[] = [];
    for (;;) {
      const record = await this.#record();
      this.#nextMs = record?.type === 'time' ? record.ms : null;
      if (record === null || record.type === 'time') {
        this.picture.settle();
        return { ms, marks };
      }
      if (record.type === 'mark') marks.push(record.json);
      else await this.#apply(record);
    }
  }

  close(): void {
    this.#segment?.unpacker.close();
    this.#segment = null;
    this.#records = null;
  }

  async #open(start: number): Promise<void> {
    this.#begin(start);
    this.#position = start;
    this.#records = null;
    this.#shownMs = null;
    const first = await this.#record();
    if (first !== null && first.type !== 'time') throw damaged(start, 'a segment that does not begin with its time');
    this.#nextMs = first?.ms ?? null;
  }

  #begin(start: number): void {
    this.#segment?.unpacker.close();
    this.#segment = { unpacker: this.#codecs.newUnpacker(), reader: new RecordReader(), start };
  }

  async #record(): Promise<RcrecRecord | null> {
    for (;;) {
      const record = this.#records === null ? undefined : this.#read(this.#records);
      if (record !== undefined) return record;
      if (!(await this.#block())) return null;
    }
  }

  #read(records: Iterator<RcrecRecord>): RcrecRecord | undefined {
    try {
      const { value, done } = records.next();
      return done === true ? undefined : value;
    } catch (cause) {
      throw this.#damaged(cause);
    }
  }

  async #apply(record: RcrecRecord): Promise<void> {
    try {
      await this.picture.apply(record);
    } catch (cause) {
      throw this.#damaged(cause);
    }
  }

  /** @returns whether there was one more */
  async #block(): Promise<boolean> {
    const position = this.#position;
    const block = position === null ? null : await this.#file.data(position);
    if (position === null || block === null) {
      this.#position = null;
      return false;
    }
    if (block.data.isStart && this.#segment?.start !== position) this.#begin(position);
    this.#position = block.next;
    const { packed, plainBytes } = block.data;
    if (this.#segment === null) return false;
    const { unpacker, reader } = this.#segment;
    try {
      const plain = plainBytes === 0 ? new Uint8Array() : await unpacker.unpack(packed, plainBytes);
      this.#records = reader.read(plain);
    } catch (cause) {
      throw damaged(position, describe(cause));
    }
    return true;
  }

  #damaged(cause: unknown): ApplianceError {
    return damaged(this.#segment?.start ?? 0, describe(cause));
  }
}

function describe(thrown: unknown): string {
  return thrown instanceof ApplianceError ? thrown.message : 'it can’t be unpacked';
}
