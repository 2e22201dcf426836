// Frames inside a data record: type 1, stream varint, then
//   OPEN    1  priority 1, kind text ≤ 32 bytes
//   DATA    2  block: a part of a message, more follows      DATA_END 3  block: the last part of a message
//   WINDOW  4  limit varint: the credit up to which the peer may send, counted from the stream's start
//   RESET   5  code varint: both directions end, what is on its way is dropped
//   END     6  nothing more comes in this direction
// Sending uses up credit: each byte one, and the end of each message MESSAGE_COST more, so that tiny messages can't
// fill the receiver's memory.
import { ByteReader, type Bytes, ByteWriter, malformed, varintBytes } from './bytes.ts';
import { MAX_BULK_BYTES } from './record.ts';

export const MESSAGE_COST = 64;
export const MAX_KIND_BYTES = 32;
/** 0 consent and revocation, 1 input and cursor, 2 chat, 3 screen, 4 files. */
export const PRIORITIES = 5;
export const FILES_PRIORITY = 4;

const TYPE = { open: 1, data: 2, dataEnd: 3, window: 4, reset: 5, end: 6 } as const;
const KIND = /^[a-z][a-z0-9-]*$/;

export type StreamFrame =
  | { readonly type: 'open'; readonly stream: number; readonly priority: number; readonly kind: string }
  | { readonly type: 'data'; readonly stream: number; readonly last: boolean; readonly bytes: Bytes }
  | { readonly type: 'window'; readonly stream: number; readonly limit: number }
  | { readonly type: 'reset'; readonly stream: number; readonly code: number }
  | { readonly type: 'end'; readonly stream: number };

/** Whether a stream may be called so: lower-case letters, digits and hyphens. */
export function isStreamKind(kind: string): boolean {
  return kind.length <= MAX_KIND_BYTES && KIND.test(kind);
}

export function writeOpen(stream: number, priority: number, kind: string): Bytes {
  return new ByteWriter().uint(1, TYPE.open).varint(stream).uint(1, priority).text(kind).done();
}

/** What goes before the bytes of a DATA frame; the bytes themselves are not copied. */
export function writeDataHead(stream: number, length: number, last: boolean): Bytes {
  const writer = new ByteWriter(dataHeadBytes(stream, length));
  return writer
    .uint(1, last ? TYPE.dataEnd : TYPE.data)
    .varint(stream)
    .varint(length)
    .done();
}

export function dataHeadBytes(stream: number, length: number): number {
  return 1 + varintBytes(stream) + varintBytes(length);
}

export function writeWindow(stream: number, limit: number): Bytes {
  return new ByteWriter(17).uint(1, TYPE.window).varint(stream).varint(limit).done();
}

export function writeReset(stream: number, code: number): Bytes {
  return new ByteWriter(17).uint(1, TYPE.reset).varint(stream).varint(code).done();
}

export function writeEnd(stream: number): Bytes {
  return new ByteWriter(9).uint(1, TYPE.end).varint(stream).done();
}

/** The frames of one record, one after the other, so that a record of thousands of frames takes no extra memory. */
export function* readStreamFrames(record: Bytes): Generator<StreamFrame> {
  const reader = new ByteReader(record);
  while (reader.left > 0) yield readFrame(reader);
}

function readFrame(reader: ByteReader): StreamFrame {
  const type = reader.uint(1);
  const stream = reader.varint();
  switch (type) {
    case TYPE.open: {
      const priority = reader.uint(1);
      const kind = reader.text(MAX_KIND_BYTES);
      if (priority >= PRIORITIES || !isStreamKind(kind)) throw malformed('OPEN of a kind or priority that is none');
      return { type: 'open', stream, priority, kind };
    }
    case TYPE.data:
    case TYPE.dataEnd: {
      const bytes = reader.block(MAX_BULK_BYTES);
      if (bytes.length === 0) throw malformed('DATA without bytes');
      return { type: 'data', stream, last: type === TYPE.dataEnd, bytes };
    }
    case TYPE.window:
      return { type: 'window', stream, limit: reader.varint() };
    case TYPE.reset:
      return { type: 'reset', stream, code: reader.varint() };
    case TYPE.end:
      return { type: 'end', stream };
    default:
      throw malformed(`a stream frame of type ${type}`);
  }
}
