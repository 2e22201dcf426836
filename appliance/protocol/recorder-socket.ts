// What a console and the recorder say to each other: a WebSocket at RECORDER_PATH of the gateway the console came by, with
// `Sec-WebSocket-Protocol: appliance.recording.v1, token.<base64url of 32 bytes>`; the portal gives the token, for one use.
// Binary messages, C→R in this order:
//   kind 1 byte: 1 canonical JSON {nonce}: which stream; the recorder answers `at`
//        0 the hashed stream from there on, cut anywhere, at most MAX_PIECE_BYTES; to be kept until it is proved
//   R→C  kind 1 byte: 1 a receipt: signature 64 bytes, payload
//        2 canonical JSON: at {offset} · state {state}: how the recorder is doing
import { toBase64Url } from '../guid.ts';
import { ByteReader, type Bytes, concat, malformed } from './bytes.ts';
import { canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';
import { MAX_SIGNED_BYTES, SIGNATURE_BYTES, type Signed } from './signed.ts';

export const RECORDER_PATH = '/recorder/stream';
export const RECORDER_PROTOCOL = 'appliance.recording.v1';
export const MAX_PIECE_BYTES = 256 * 1024;
const NONCE_BYTES = 16;
const KIND = { data: 0, begin: 1, receipt: 1, control: 2 } as const;
/**
 * `recording`: all is well · `share-…`: the recording share is full, can't be written to, or is gone · `signer-away`: what is
 * kept can't be proved · these end by themselves, and the stream is read no further meanwhile. `refused`: this stream is not
 * one that can be recorded · `lost`: the recorder has lost what it needs to go on with it. After these the connection ends.
 */
const RECORDER_STATES = [
  'recording',
  'share-full',
  'share-read-only',
  'share-gone',
  'signer-away',
  'refused',
  'lost',
] as const;
export type RecorderState = (typeof RECORDER_STATES)[number];

export type ToRecorder =
  | { readonly type: 'stream'; readonly nonce: Bytes }
  | { readonly type: 'data'; readonly bytes: Bytes };

export type FromRecorder =
  | ({ readonly type: 'receipt' } & Signed)
  /** Everything before is there. */
  | { readonly type: 'at'; readonly offset: number }
  | { readonly type: 'state'; readonly state: RecorderState };

export function writeToRecorder(message: ToRecorder): Bytes {
  if (message.type === 'data') return concat(Uint8Array.of(KIND.data), message.bytes);
  return concat(Uint8Array.of(KIND.begin), canonicalBytes({ v: 1, nonce: toBase64Url(message.nonce) }));
}

/** @throws ApplianceError `protocol.malformed` */
export function parseToRecorder(bytes: Bytes): ToRecorder {
  const body = bytes.subarray(1);
  if (bytes[0] === KIND.data) {
    if (body.length === 0 || body.length > MAX_PIECE_BYTES) throw malformed(`a piece of ${body.length} bytes`);
    return { type: 'data', bytes: body };
  }
  if (bytes[0] !== KIND.begin) throw malformed(`a message to the recorder of kind ${bytes[0]}`);
  const fields = Fields.fromCanonical(body);
  fields.integer('v', 1, 1);
  const nonce = fields.bytes('nonce', NONCE_BYTES);
  fields.end();
  return { type: 'stream', nonce };
}

export function writeFromRecorder(message: FromRecorder): Bytes {
  if (message.type === 'receipt') return concat(Uint8Array.of(KIND.receipt), message.signature, message.payload);
  return concat(Uint8Array.of(KIND.control), canonicalBytes({ ...message, v: 1 }));
}

/** @throws ApplianceError `protocol.malformed` */
export function parseFromRecorder(bytes: Bytes): FromRecorder {
  const reader = new ByteReader(bytes);
  const kind = reader.uint(1);
  if (kind === KIND.receipt) {
    const signature = reader.bytes(SIGNATURE_BYTES);
    if (reader.left === 0 || reader.left > MAX_SIGNED_BYTES) throw malformed('a receipt of no good length');
    return { type: 'receipt', signature, payload: reader.bytes(reader.left) };
  }
  if (kind !== KIND.control) throw malformed(`a message of the recorder of kind ${kind}`);
  const fields = Fields.fromCanonical(reader.bytes(reader.left));
  fields.integer('v', 1, 1);
  const message = readControl(fields);
  fields.end();
  return message;
}

function readControl(fields: Fields): FromRecorder {
  const type = fields.oneOf('type', ['at', 'state']);
  if (type === 'at') return { type, offset: fields.integer('offset', 0) };
  return { type, state: fields.oneOf('state', RECORDER_STATES) };
}
