// RCREC, the compact form of a recording: the file and its blocks. What a block holds is in rcrec-records.ts, who shows it in
// rcrec-player.ts; the README of recording/ says why it is so.
//   file    "RCREC" 0d 0a 1a | version uint16 | block, block, …
//   block   type uint8 | length uint32 | body: length bytes | check: first 16 bytes of SHA-256 of type, length and body
//     1 head    first of all: canonical JSON, whose picture it is
//     2 start   a segment begins: like `more`, but needs nothing that came before it
//     3 more    until uint40, ms of the recording at its end | offset uint48 in the hashed stream, all of which up to there
//               is in the file then | plain uint32 | zstd: plain bytes of whole records, flushed; the blocks of a segment
//               are one zstd frame with a window of at most 16 MiB, which need not end
//     4 index   segments: count uint32, each at uint40 ms, position uint48 of its block · marks: count uint32, each at
//               uint40 ms, canonical JSON with a varint length in front
//     5 end     position uint48 of the index | duration uint40, ms | offset uint48; last in a file that was finished
// A file without `end` was cut: it is good up to its last whole block.
import { type SessionId, toBase64Url } from '../guid.ts';
import { ByteReader, type Bytes, ByteWriter, equalBytes, malformed } from './bytes.ts';
import { canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';

/** "RCREC", a line end that careless transfers change, and what ends a text file; then the version. */
export const RCREC_START: Bytes = Uint8Array.of(0x52, 0x43, 0x52, 0x45, 0x43, 0x0d, 0x0a, 0x1a, 0, 1);
export const BLOCK_HEAD_BYTES = 5;
export const CHECK_BYTES = 16;
export const BLOCK = { head: 1, start: 2, more: 3, index: 4, end: 5 } as const;
/** `type | length | body | check` of a block `end`. */
export const END_BLOCK_BYTES = BLOCK_HEAD_BYTES + 17 + CHECK_BYTES;
/** A whole picture of the largest size, as pixels, and what goes with it. */
export const MAX_PLAIN_BYTES = 128 * 1024 * 1024;
export const MAX_BLOCK_BYTES = MAX_PLAIN_BYTES + 1024 * 1024;
export const RCREC_WINDOW_LOG = 24;
const MAX_JSON_BYTES = 64 * 1024;
const MAX_SEGMENTS = 1_000_000;
const MAX_INDEX_MARKS = 1_000_000;

export interface RcrecHead {
  readonly sid: SessionId;
  readonly linkId: Bytes;
  readonly nonce: Bytes;
  /** Member id and name. */
  readonly sub: string;
  readonly technician: string;
  readonly forced: boolean;
  /** ms UTC of what is 0 in the recording. */
  readonly startedAt: number;
  /** Nonce of the recording this one goes on with behind a pause, and how long that was; null and 0 where it follows none. */
  readonly after: Bytes | null;
  readonly pausedMs: number;
}

export interface RcrecData {
  readonly isStart: boolean;
  readonly untilMs: number;
  readonly offset: number;
  readonly plainBytes: number;
  readonly packed: Bytes;
}

export interface RcrecSegment {
  readonly atMs: number;
  /** Of its first block in the file. */
  readonly position: number;
}

export interface RcrecIndex {
  readonly segments: readonly RcrecSegment[];
  /** Where one may want to jump to: what happened, of the pointer its clicks, no beats; canonical JSON as in the records. */
  readonly marks: readonly { readonly atMs: number; readonly json: Bytes }[];
}

export interface RcrecEnd {
  /** Of its block in the file. */
  readonly indexPosition: number;
  readonly durationMs: number;
  readonly offset: number;
}

export interface BlockHead {
  readonly type: number;
  readonly bodyBytes: number;
}

/** @param check of type, length and body; 16 bytes or more of SHA-256 */
export function writeBlock(type: number, body: Bytes, check: (bytes: Bytes) => Bytes): Bytes {
  const start = new ByteWriter(BLOCK_HEAD_BYTES + body.length).uint(1, type).uint(4, body.length).bytes(body).done();
  const digest = check(start).subarray(0, CHECK_BYTES);
  return new ByteWriter(start.length + CHECK_BYTES).bytes(start).bytes(digest).done();
}

/** @param bytes BLOCK_HEAD_BYTES of them. @throws ApplianceError `protocol.malformed` */
export function parseBlockHead(bytes: Bytes): BlockHead {
  const reader = new ByteReader(bytes);
  const [type, bodyBytes] = [reader.uint(1), reader.uint(4)];
  if (type < BLOCK.head || type > BLOCK.end) throw malformed(`a block of type ${type}`);
  if (bodyBytes > MAX_BLOCK_BYTES) throw malformed(`a block of ${bodyBytes} bytes`);
  return { type, bodyBytes };
}

/**
 * @param block from its type to its check
 * @param digest SHA-256 of all of it but the check
 * @returns the body
 * @throws ApplianceError `protocol.malformed` where a bit of it changed
 */
export function openBlock(block: Bytes, digest: Bytes): Bytes {
  const { bodyBytes } = parseBlockHead(block.subarray(0, BLOCK_HEAD_BYTES));
  const end = BLOCK_HEAD_BYTES + bodyBytes;
  if (block.length !== end + CHECK_BYTES) throw malformed('a block of another length than it says');
  if (!equalBytes(block.subarray(end), digest.subarray(0, CHECK_BYTES))) throw malformed('a block that was changed');
  return block.subarray(BLOCK_HEAD_BYTES, end);
}

export function writeHead({ linkId, nonce, after, pausedMs, ...head }: RcrecHead): Bytes {
  const part = after === null ? {} : { after: toBase64Url(after), pausedMs };
  return canonicalBytes({ v: 1, ...head, ...part, linkId: toBase64Url(linkId), nonce: toBase64Url(nonce) });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseHead(body: Bytes): RcrecHead {
  const fields = Fields.fromCanonical(body);
  fields.integer('v', 1, 1);
  const head = {
    ...{ sid: fields.sessionId('sid'), linkId: fields.bytes('linkId', 16), nonce: fields.bytes('nonce', 16) },
    ...{ sub: fields.line('sub', 64), technician: fields.line('technician', 400), forced: fields.boolean('forced') },
    startedAt: fields.integer('startedAt', 0),
    after: fields.has('after') ? fields.bytes('after', 16) : null,
    pausedMs: fields.has('after') ? fields.integer('pausedMs', 0) : 0,
  };
  fields.end();
  return head;
}

export function writeData({ untilMs, offset, plainBytes, packed }: Omit<RcrecData, 'isStart'>): Bytes {
  const writer = new ByteWriter(15 + packed.length).uint(5, untilMs).uint(6, offset).uint(4, plainBytes);
  return writer.bytes(packed).done();
}

/** @throws ApplianceError `protocol.malformed` */
export function parseData(type: number, body: Bytes): RcrecData {
  const reader = new ByteReader(body);
  const data = { untilMs: reader.uint(5), offset: reader.uint(6), plainBytes: reader.uint(4) };
  if (data.plainBytes > MAX_PLAIN_BYTES) throw malformed(`a block of ${data.plainBytes} bytes of records`);
  return { isStart: type === BLOCK.start, ...data, packed: reader.bytes(reader.left) };
}

export function writeIndex({ segments, marks }: RcrecIndex): Bytes {
  const writer = new ByteWriter(1024).uint(4, segments.length);
  for (const { atMs, position } of segments) writer.uint(5, atMs).uint(6, position);
  writer.uint(4, marks.length);
  for (const { atMs, json } of marks) writer.uint(5, atMs).block(json);
  return writer.done();
}

/** @throws ApplianceError `protocol.malformed` */
export function parseIndex(body: Bytes): RcrecIndex {
  const reader = new ByteReader(body);
  const segments = readMany(reader, MAX_SEGMENTS, () => ({ atMs: reader.uint(5), position: reader.uint(6) }));
  const marks = readMany(reader, MAX_INDEX_MARKS, () => ({ atMs: reader.uint(5), json: reader.block(MAX_JSON_BYTES) }));
  reader.end();
  return { segments, marks };
}

export function writeEnd({ indexPosition, durationMs, offset }: RcrecEnd): Bytes {
  return new ByteWriter(17).uint(6, indexPosition).uint(5, durationMs).uint(6, offset).done();
}

/** @throws ApplianceError `protocol.malformed` */
export function parseEnd(body: Bytes): RcrecEnd {
  const reader = new ByteReader(body);
  const end = { indexPosition: reader.uint(6), durationMs: reader.uint(5), offset: reader.uint(6) };
  reader.end();
  return end;
}

function readMany<Item>(reader: ByteReader, most: number, read: () => Item): Item[] {
  const count = reader.uint(4);
  if (count > most) throw malformed(`${count} entries in an index`);
  const items: Item[] = [];
  while (items.length < count) items.push(read()); // not made at once: the count is only a claim
  return items;
}
