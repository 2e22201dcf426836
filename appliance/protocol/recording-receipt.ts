// What the recorder proves and the applet answers (TRUST: recording receipts). Both are canonical JSON and signed: the
// receipt by the appliance's key for receipts, the attestation by the applet's own session key.
//   receipt      {v, type, sid, linkId, nonce, offset, digest, time, kid}   everything before `offset` was decoded and kept
//   attestation  {v, type, sid, linkId, nonce, offset, digest, at}         this is what was sent
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Bytes } from './bytes.ts';
import { type CanonicalValue, canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';
import type { StreamName } from './recorded-stream.ts';

export const RECEIPT_DOMAIN = 'appliance/receipts/v1';
export const ATTESTATION_DOMAIN = 'appliance/recording/v1';
const ID_BYTES = 16;
const DIGEST_BYTES = 32;

/** A place in a stream and what the stream is up to there. */
export interface StreamPlace {
  readonly offset: number;
  /** SHA-256 of the first `offset` bytes. */
  readonly digest: Bytes;
}

export interface RecordingReceipt extends StreamName, StreamPlace {
  /** The recorder's clock, ms UTC. */
  readonly time: number;
  readonly kid: string;
}

export interface RecordingAttestation extends StreamName, StreamPlace {
  /** ms UTC by the appliance's clock, as the applet knows it. */
  readonly at: number;
}

/** What the signer completes with the id of its key. */
export function receiptObject(receipt: Omit<RecordingReceipt, 'kid'>): Readonly<Record<string, string | number>> {
  return { v: 1, type: 'recording-receipt', ...placeFields(receipt), time: receipt.time };
}

/** @throws ApplianceError `protocol.malformed` */
export function parseRecordingReceipt(payload: Bytes): RecordingReceipt {
  const fields = open(payload, 'recording-receipt');
  const receipt = { ...readPlace(fields), time: fields.integer('time', 0), kid: fields.line('kid', 16) };
  fields.end();
  return receipt;
}

export function writeAttestation(attestation: RecordingAttestation): Bytes {
  return canonicalBytes({ v: 1, type: 'recording-attestation', ...placeFields(attestation), at: attestation.at });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseAttestation(payload: Bytes): RecordingAttestation {
  const fields = open(payload, 'recording-attestation');
  const attestation = { ...readPlace(fields), at: fields.integer('at', 0) };
  fields.end();
  return attestation;
}

function placeFields({ sid, linkId, nonce, offset, digest }: StreamName & StreamPlace) {
  const bytes = { linkId: toBase64Url(linkId), nonce: toBase64Url(nonce), digest: toBase64Url(digest) };
  return { sid, offset, ...bytes } satisfies Record<string, CanonicalValue>;
}

function readPlace(fields: Fields): StreamName & StreamPlace {
  const sid: SessionId = fields.sessionId('sid');
  return {
    ...{ sid, linkId: fields.bytes('linkId', ID_BYTES), nonce: fields.bytes('nonce', ID_BYTES) },
    ...{ offset: fields.integer('offset', 1), digest: fields.bytes('digest', DIGEST_BYTES) },
  };
}

function open(payload: Bytes, type: string): Fields {
  const fields = Fields.fromCanonical(payload);
  fields.integer('v', 1, 1);
  fields.oneOf('type', [type]);
  return fields;
}
