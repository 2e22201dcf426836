// Messages on the stream `recording`, which a console opens where the session is recorded: receipts of the recorder on their
// way to the applet, and how the applet takes them. It is a stream of its own so that a receipt finds its way whatever has
// become of the picture it is for.
//   C→A  kind 1 byte: 1 a receipt: signature 64 bytes, payload
//        2 canonical JSON: lost {nonce}   what is missing of this stream can't be delivered any more
//                          pause {paused} the technician wants the recording to stop for a while, or to go on
//   A→C  canonical JSON: state {state, nonce?, mayPause, pausedAt?}
import { toBase64Url } from '../guid.ts';
import { ByteReader, type Bytes, concat, malformed } from './bytes.ts';
import { canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';
import { MAX_SIGNED_BYTES, SIGNATURE_BYTES, type Signed } from './signed.ts';

export const RECORDING_STREAM = 'recording';
/** With the consents: a picture waits for it. */
export const RECORDING_PRIORITY = 0;
const NONCE_BYTES = 16;
const KIND = { receipt: 1, control: 2 } as const;
/**
 * `idle`: there is no picture · `waiting`: the first picture is out, and nothing else goes before its receipt · `proved`: all
 * is well · `unproved`: what was sent is not proved in time, so nothing is sent and no input taken · `debt`: an earlier
 * stream, `nonce`, is not proved to its end; there is no picture before it is, or is said to be lost · `lost`: that was said
 * too often in this session
 */
const STATES = ['idle', 'waiting', 'proved', 'unproved', 'debt', 'lost'] as const;

export type RecordingState = (typeof STATES)[number];

export type RecordingMessage =
  | ({ readonly type: 'receipt' } & Signed)
  | { readonly type: 'lost'; readonly nonce: Bytes }
  | { readonly type: 'pause'; readonly paused: boolean };

export interface RecordingNews {
  readonly state: RecordingState;
  /** Of the stream that is owed, with `debt` and `lost`; null else. */
  readonly nonce: Bytes | null;
  /** A recording runs that the technician may pause, or has paused. */
  readonly mayPause: boolean;
  /** ms UTC by the appliance's clock; null while it is not paused. */
  readonly pausedAt: number | null;
}

export function writeRecording(message: RecordingMessage): Bytes {
  if (message.type === 'receipt') return concat(Uint8Array.of(KIND.receipt), message.signature, message.payload);
  const said = message.type === 'lost' ? { nonce: toBase64Url(message.nonce) } : ({ paused: message.paused } as const);
  return concat(Uint8Array.of(KIND.control), canonicalBytes({ v: 1, type: message.type, ...said }));
}

/** @throws ApplianceError `protocol.malformed` */
export function parseRecording(bytes: Bytes): RecordingMessage {
  const reader = new ByteReader(bytes);
  const kind = reader.uint(1);
  if (kind === KIND.receipt) {
    const signature = reader.bytes(SIGNATURE_BYTES);
    if (reader.left === 0 || reader.left > MAX_SIGNED_BYTES) throw malformed('a receipt of no good length');
    return { type: 'receipt', signature, payload: reader.bytes(reader.left) };
  }
  if (kind !== KIND.control) throw malformed(`a recording message of kind ${kind}`);
  const fields = Fields.fromCanonical(reader.bytes(reader.left));
  fields.integer('v', 1, 1);
  const type = fields.oneOf('type', ['lost', 'pause']);
  const message: RecordingMessage =
    type === 'lost' ? { type, nonce: fields.bytes('nonce', NONCE_BYTES) } : { type, paused: fields.boolean('paused') };
  fields.end();
  return message;
}

export function writeRecordingNews({ state, nonce, mayPause, pausedAt }: RecordingNews): Bytes {
  const owed = nonce === null ? {} : { nonce: toBase64Url(nonce) };
  return canonicalBytes({ v: 1, type: 'state', state, ...owed, mayPause, ...(pausedAt === null ? {} : { pausedAt }) });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseRecordingNews(bytes: Bytes): RecordingNews {
  const fields = Fields.fromCanonical(bytes);
  fields.integer('v', 1, 1);
  fields.oneOf('type', ['state']);
  const state = fields.oneOf('state', STATES);
  const owed = state === 'debt' || state === 'lost';
  const news = {
    ...{ state, nonce: owed ? fields.bytes('nonce', NONCE_BYTES) : null, mayPause: fields.boolean('mayPause') },
    pausedAt: fields.has('pausedAt') ? fields.integer('pausedAt', 0) : null,
  };
  fields.end();
  return news;
}
