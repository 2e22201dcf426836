// The hashed stream (TRUST: recording receipts): what an applet sends of its picture, describing itself, so that applet and
// recorder hash the same bytes and the console between them only hands them on. It is made of the messages of `screen`, A→C,
// of kinds 0 (RFB) and 2 (mark), in the order they were sent:
//   length varint, shortest form | message: kind 1 byte, body, at most MAX_RECORDED_MESSAGE_BYTES
// An offset counts these bytes and lies between two messages; its digest is SHA-256 of all bytes before it. The first
// message is the mark `begin`, whose nonce makes every stream another one; the last is `end`, where it has an end.
import type { SessionId } from '../guid.ts';
import { type Bytes, ByteWriter, malformed, varintBytes } from './bytes.ts';
import { type Mark, parseMark } from './recording-marks.ts';
import { KIND_MARK, KIND_RFB } from './screen.ts';

export const RECORDED_VERSION = 1;
export const MAX_RECORDED_MESSAGE_BYTES = 64 * 1024;
/** Of a length: two bits say how long it is. */
const MAX_LENGTH_BYTES = 4;

/** One message of the stream. The bytes are valid for good: nobody writes to them again. */
export type RecordedPiece = {
  /** As they are hashed: with the length in front. */
  readonly whole: Bytes;
  /** Where the stream is after it. */
  readonly end: number;
} & ({ readonly type: 'rfb'; readonly bytes: Bytes } | { readonly type: 'mark'; readonly mark: Mark });

/** What tells streams apart. */
export interface StreamName {
  readonly sid: SessionId;
  /** Of the link it is for, 16 bytes. */
  readonly linkId: Bytes;
  /** 16 bytes the applet drew for it. */
  readonly nonce: Bytes;
}

/** A message of `screen` as it stands in the hashed stream. */
export function recordedBytes(message: Bytes): Bytes {
  checkLength(message.length);
  return new ByteWriter(varintBytes(message.length) + message.length).block(message).done();
}

/** Cuts the stream, which comes in any pieces, into its messages; one message at most is held. */
export class RecordedReader {
  #held: Bytes = new Uint8Array(MAX_LENGTH_BYTES);
  #heldBytes = 0;
  /** Of the message that is held, with its length; null while that isn't known. */
  #wanted: number | null = null;
  #offset = 0;
  #state: 'new' | 'begun' | 'ended' = 'new';

  /** Bytes of all messages that have come wholly. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes of a message that has not come wholly. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What comes next begins at `offset`: the rest of a message that was held is not coming. */
  dropHeld(): void {
    this.#held = new Uint8Array(MAX_LENGTH_BYTES);
    this.#heldBytes = 0;
    this.#wanted = null;
  }

  /** Whether the applet has said that nothing follows. */
  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /**
   * @param bytes as they came; they must not change afterwards
   * @throws ApplianceError `protocol.malformed`; what comes after can't be read any more
   */
  push(bytes: Bytes): RecordedPiece[] {
    const pieces: RecordedPiece[] = [];
    for (let at = 0; at < bytes.length; ) at += this.#take(bytes.subarray(at), pieces);
    return pieces;
  }

  /** @returns how many bytes it used */
  #take(bytes: Bytes, pieces: RecordedPiece[]): number {
    if (this.#heldBytes === 0) {
      const length = wholeLength(bytes);
      if (length !== null && length <= bytes.length) {
        pieces.push(this.#piece(bytes.subarray(0, length)));
        return length;
      }
    }
    const taken = Math.min(bytes.length, (this.#wanted ?? this.#heldBytes + 1) - this.#heldBytes);
    this.#held.set(bytes.subarray(0, taken), this.#heldBytes);
    this.#heldBytes += taken;
    if (this.#wanted === null) this.#wantLength();
    if (this.#heldBytes === this.#wanted) {
      pieces.push(this.#piece(this.#held));
      this.dropHeld();
    }
    return taken;
  }

  #wantLength(): void {
    this.#wanted = wholeLength(this.#held.subarray(0, this.#heldBytes));
    if (this.#wanted === null) return;
    const room = new Uint8Array(this.#wanted);
    room.set(this.#held.subarray(0, this.#heldBytes));
    this.#held = room;
  }

  #piece(whole: Bytes): RecordedPiece {
    const message = whole.subarray(lengthBytes(whole[0] ?? 0));
    const end = this.#offset + whole.length;
    const piece = this.#read(message, { whole, end });
    this.#offset = end;
    return piece;
  }

  #read(message: Bytes, place: { readonly whole: Bytes; readonly end: number }): RecordedPiece {
    const body = message.subarray(1);
    if (this.#state === 'ended') throw malformed('a message after the end of the stream');
    if (message[0] === KIND_RFB && this.#state === 'begun' && body.length > 0)
      return { ...place, type: 'rfb', bytes: body };
    if (message[0] !== KIND_MARK) throw malformed(`a message of kind ${message[0]} where a mark was due`);
    const mark = parseMark(body);
    if ((mark.type === 'begin') !== (this.#state === 'new')) throw malformed('a stream begins once, before all else');
    this.#state = mark.type === 'end' ? 'ended' : 'begun';
    return { ...place, type: 'mark', mark };
  }
}

function lengthBytes(first: number): number {
  return 1 << (first >> 6);
}

/** @returns the length of a message with its length in front, or null while that can't be told */
function wholeLength(start: Bytes): number | null {
  const size = lengthBytes(start[0] ?? 0);
  if (size > MAX_LENGTH_BYTES) throw malformed('a message of a stream that is far too long');
  if (start.length < size) return null;
  let length = (start[0] ?? 0) & 0x3f;
  for (let at = 1; at < size; at++) length = length * 256 + (start[at] ?? 0);
  checkLength(length);
  if (varintBytes(length) !== size) throw malformed('a length in more bytes than it needs');
  return size + length;
}

function checkLength(length: number): void {
  if (length < 1 || length > MAX_RECORDED_MESSAGE_BYTES) throw malformed(`a recorded message of ${length} bytes`);
}
