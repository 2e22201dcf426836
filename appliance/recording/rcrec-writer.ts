// Writes a recording in RCREC. What was written stays good whatever happens after: a block is on the disk before anybody is
// told, and one that could not be written whole is written again in the same place.
import { hash } from 'node:crypto';
import { type Bytes, ByteWriter } from '../protocol/bytes.ts';
import {
  BLOCK,
  RCREC_START,
  type RcrecHead,
  type RcrecIndex,
  type RcrecSegment,
  writeBlock,
  writeData,
  writeEnd,
  writeHead,
  writeIndex,
} from '../protocol/rcrec.ts';
import { type RcrecCursor, writeRecord } from '../protocol/rcrec-records.ts';
import type { Picture } from './decode/picture.ts';
import { FrameWriter } from './rcrec/frame-writer.ts';
import { Packer } from './rcrec/packer.ts';

/** Who looks at a moment has to unpack its segment from the beginning. */
const SEGMENT_MS = 5 * 60_000;
const SEGMENT_BYTES = 192 * 1024 * 1024;
/** Later ones are in the recording all the same. */
const MAX_INDEX_MARKS = 100_000;

/** Where a recording goes. */
export interface RcrecOutput {
  /** @throws when not all of it could be written */
  write(position: number, bytes: Bytes): Promise<void>;
  /** What was written is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What was written by somebody who did not come to its end. */
export interface RcrecBegun {
  /** Of the file, up to the end of its last whole block. */
  readonly goodBytes: number;
  readonly index: RcrecIndex;
  readonly durationMs: number;
  /** Whether it has no end: one that has is as it will stay. */
  readonly isCut: boolean;
}

export class RcrecWriter {
  readonly #output: RcrecOutput;
  readonly #frames = new FrameWriter();
  readonly #plain = new ByteWriter(64 * 1024);
  #packer: Packer | null = null;
  #segments: RcrecSegment[];
  #marks: { readonly atMs: number; readonly json: Bytes }[];
  #segmentMs = 0;
  #segmentBytes = 0;
  #ms: number;
  /** Whether the time was written in this block's segment since it changed. */
  #isTimeWritten = false;
  #cursor: RcrecCursor | null = null;
  #pointer: { readonly x: number; readonly y: number; readonly buttons: number } | null = null;
  #position: number;
  #offset = 0;
  /** A block that is not on the disk yet. */
  #unwritten: Bytes | null = null;
  #isEnded = false;

  private constructor(output: RcrecOutput, { goodBytes, index, durationMs, isCut }: RcrecBegun) {
    this.#output = output;
    this.#position = goodBytes;
    this.#segments = [...index.segments];
    this.#marks = [...index.marks];
    this.#ms = durationMs;
    this.#isEnded = !isCut;
  }

  static begin(output: RcrecOutput, head: RcrecHead): RcrecWriter {
    const nothing = { goodBytes: 0, index: { segments: [], marks: [] }, durationMs: 0, isCut: true };
    const writer = new RcrecWriter(output, nothing);
    const block = writeBlock(BLOCK.head, writeHead(head), sha256);
    writer.#unwritten = new ByteWriter(RCREC_START.length + block.length).bytes(RCREC_START).bytes(block).done();
    return writer;
  }

  /** Goes on after the last whole block of a file that was cut; to one that has its end nothing is added. */
  static goOn(output: RcrecOutput, begun: RcrecBegun): RcrecWriter {
    return new RcrecWriter(output, begun);
  }

  /** Bytes of records that no block holds yet. */
  get pendingBytes(): number {
    return this.#plain.length;
  }

  get durationMs(): number {
    return this.#ms;
  }

  /** Of the file, as far as it is on the disk. */
  get writtenBytes(): number {
    return this.#position;
  }

  /** @param atMs of the recording; time never goes back in it */
  time(atMs: number): void {
    if (atMs <= this.#ms && this.#isTimeWritten) return;
    this.#ms = Math.max(atMs, this.#ms);
    this.#isTimeWritten = false;
  }

  /** What changed since the last one. */
  frame(picture: Picture): void {
    this.#isTimeWritten = false; // each frame has its own: what it copies is from before it
    this.#frames.write(picture, this.#records());
  }

  cursor(cursor: RcrecCursor | null): void {
    this.#cursor = cursor;
    writeRecord(this.#records(), { type: 'cursor', ...(cursor ?? noCursor) });
  }

  pointer(x: number, y: number, buttons: number): void {
    this.#pointer = { x, y, buttons };
    writeRecord(this.#records(), { type: 'pointer', x, y, buttons });
  }

  /** @param isPlace whether one may want to jump to it */
  mark(json: Bytes, isPlace: boolean): void {
    writeRecord(this.#records(), { type: 'mark', json });
    if (isPlace) this.place(json);
  }

  /** Told by the index alone: what the records say in another way, or said before this writer. */
  place(json: Bytes, atMs = this.#ms): void {
    if (this.#marks.length < MAX_INDEX_MARKS) this.#marks.push({ atMs, json });
  }

  /**
   * Everything so far is on the disk when it returns.
   * @param offset in the hashed stream, up to which all is in what was given
   * @throws when it could not be written; the next call tries again
   */
  async flush(offset: number): Promise<void> {
    await this.#writeBlock();
    if (this.#isEnded || (this.#plain.length === 0 && offset <= this.#offset)) return;
    const isStart = this.#packer === null;
    if (isStart) this.#records(); // a segment of marks only begins with its picture, too
    this.#packer ??= new Packer();
    const plain = this.#plain.take();
    const packed = plain.length === 0 ? plain : await this.#packer.pack(plain);
    if (isStart) this.#segments.push({ atMs: this.#segmentMs, position: this.#position });
    const body = writeData({ untilMs: this.#ms, offset, plainBytes: plain.length, packed });
    this.#unwritten = writeBlock(isStart ? BLOCK.start : BLOCK.more, body, sha256);
    this.#offset = offset;
    this.#segmentBytes += plain.length;
    if (this.#segmentBytes > SEGMENT_BYTES || this.#ms - this.#segmentMs > SEGMENT_MS) this.#endSegment();
    await this.#writeBlock();
  }

  /** Index and end. @throws when they could not be written; the next call tries again */
  async end(offset: number): Promise<void> {
    await this.flush(offset);
    if (!this.#isEnded) {
      const index = writeBlock(BLOCK.index, writeIndex({ segments: this.#segments, marks: this.#marks }), sha256);
      const place = { indexPosition: this.#position, durationMs: this.#ms, offset: this.#offset };
      const end = writeBlock(BLOCK.end, writeEnd(place), sha256);
      this.#unwritten = new ByteWriter(index.length + end.length).bytes(index).bytes(end).done();
      this.#isEnded = true;
    }
    await this.#writeBlock();
  }

  async close(): Promise<void> {
    this.#packer?.close();
    await this.#output.close();
  }

  /** Where the next record goes; the first of a segment is its time and its whole picture. */
  #records(): ByteWriter {
    if (this.#plain.length === 0 && this.#packer === null) this.#beginSegment();
    else if (!this.#isTimeWritten) writeRecord(this.#plain, { type: 'time', ms: this.#ms });
    this.#isTimeWritten = true;
    return this.#plain;
  }

  #beginSegment(): void {
    this.#segmentMs = this.#ms;
    this.#segmentBytes = 0;
    writeRecord(this.#plain, { type: 'time', ms: this.#ms });
    this.#frames.writeWhole(this.#plain);
    if (this.#cursor !== null) writeRecord(this.#plain, { type: 'cursor', ...this.#cursor });
    if (this.#pointer !== null) writeRecord(this.#plain, { type: 'pointer', ...this.#pointer });
  }

  #endSegment(): void {
    this.#packer?.close();
    this.#packer = null;
  }

  async #writeBlock(): Promise<void> {
    const block = this.#unwritten;
    if (block === null) return;
    await this.#output.write(this.#position, block);
    await this.#output.sync();
    this.#position += block.length;
    this.#unwritten = null;
  }
}

const noCursor: RcrecCursor = { hotX: 0, hotY: 0, width: 0, height: 0, pixels: new Uint8Array() };

function sha256(bytes: Bytes): Bytes {
  return new Uint8Array(hash('sha256', bytes, 'buffer'));
}
