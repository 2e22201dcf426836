// What the applet itself signs, with the session key it made (TRUST: keys): receipts of what the customer was asked and
// said, and reports of what was done. Canonical JSON, like everything signed; bytes are unpadded base64url.
import { type SessionId, toBase64Url } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { type CanonicalValue, canonicalBytes } from '../protocol/canonical-json.ts';
import type { Answer } from '../protocol/consent.ts';
import { Fields } from '../protocol/fields.ts';
import { MAX_GRANT_MS } from '../protocol/signed.ts';

export const CONSENT_DOMAIN = 'appliance/consent/v1';
export const REPORT_DOMAIN = 'appliance/report/v1';
export const RETURN_DOMAIN = 'appliance/applet-return/v1';

/** A value now, or later: crypto is handed in and may be either. */
export type Later<T> = T | Promise<T>;

/** @returns ES256 over utf8(domain) ‖ 0x00 ‖ payload, r ‖ s, 64 bytes */
export type AppletSigner = (domain: string, payload: Bytes) => Later<Bytes>;

export interface AppletSigned {
  readonly payload: Bytes;
  readonly signature: Bytes;
}

/** Kept for each question, whatever the answer (D-06). */
export interface ConsentReceipt {
  readonly sid: SessionId;
  readonly linkId: Bytes;
  readonly handshake: Bytes;
  /** The technician's member id and the name the customer was shown. */
  readonly sub: string;
  readonly technician: string;
  readonly organisation: string;
  readonly action: string;
  readonly scope: string;
  readonly consentId: Bytes;
  /** The single prompt this answer follows from; null when the customer was asked this very thing. */
  readonly under: Bytes | null;
  /** Key of the text that was shown, with its version: `consent.send-files.1`. */
  readonly wording: string;
  readonly language: string;
  readonly answer: Answer;
  /** ms UTC by the appliance's clock, not the computer's. */
  readonly askedAt: number;
  readonly answeredAt: number;
  /** How long a yes is good for; 0 for anything else. */
  readonly ttlMs: number;
}

/** What an applet signs to come back: the nonce of the new connection, and its session. */
/** @param tokenHash SHA-256(T) */
export function writeReturn(nonce: Bytes, tokenHash: Bytes): Bytes {
  return canonicalBytes({ nonce: toBase64Url(nonce), token: toBase64Url(tokenHash) });
}

const ID = 16;
const HASH = 32;
const ANSWERS = ['yes', 'no', 'silence'] as const;

export function writeReceipt(receipt: ConsentReceipt): Bytes {
  return write('consent', { ...receipt });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseReceipt(payload: Bytes): ConsentReceipt {
  const fields = open(payload, 'consent');
  const receipt = {
    sid: fields.sessionId('sid'),
    linkId: fields.bytes('linkId', ID),
    handshake: fields.bytes('handshake', HASH),
    sub: fields.line('sub', 64),
    technician: fields.line('technician', 400),
    organisation: fields.text('organisation', 400),
    action: fields.name('action'),
    scope: fields.text('scope', 256),
    consentId: fields.bytes('consentId', ID),
    under: fields.has('under') ? fields.bytes('under', ID) : null,
    wording: fields.line('wording', 100),
    language: fields.line('language', 35),
    answer: fields.oneOf('answer', ANSWERS),
    askedAt: fields.integer('askedAt', 0),
    answeredAt: fields.integer('answeredAt', 0),
    ttlMs: fields.integer('ttlMs', 0, MAX_GRANT_MS),
  };
  fields.end();
  return receipt;
}

export const STAGES = [
  'asked',
  'granted',
  'refused',
  'started',
  'ended',
  'file',
  'chat',
  'input-pause',
  'input-dropped',
  'monitor',
  'paused',
  'resumed',
  'screen-lost',
  'clipboard',
] as const;
export type Stage = (typeof STAGES)[number];

/** One link of the applet's chain of reports. */
export interface Report {
  readonly sid: SessionId;
  /** 1, 2, 3 … */
  readonly count: number;
  /** SHA-256 of the payload before, zeroes for the first. */
  readonly previous: Bytes;
  /** ms UTC by the appliance's clock. */
  readonly at: number;
  readonly stage: Stage;
  /** Name of the action; `chat` for a line, `input` for input. */
  readonly action: string;
  /** The question this comes of; zeroes where there is none. */
  readonly consentId: Bytes;
  /** Reason, file name, line id: what there is to say, at most 1 KiB. */
  readonly detail: string;
  /** SHA-256 of a file or of a chat line; zeroes where there is none. */
  readonly digest: Bytes;
}

export function writeReport(report: Report): Bytes {
  return write('report', { ...report });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseReport(payload: Bytes): Report {
  const fields = open(payload, 'report');
  const report = {
    sid: fields.sessionId('sid'),
    count: fields.integer('count', 1),
    previous: fields.bytes('previous', HASH),
    at: fields.integer('at', 0),
    stage: fields.oneOf('stage', STAGES),
    action: fields.name('action'),
    consentId: fields.bytes('consentId', ID),
    detail: fields.text('detail', 1024),
    digest: fields.bytes('digest', HASH),
  };
  fields.end();
  return report;
}

// Canonical JSON has no null: what isn't there isn't written.
function write(type: string, object: Record<string, CanonicalValue | Bytes | null>): Bytes {
  const there: Record<string, CanonicalValue> = { v: 1, type };
  for (const [name, value] of Object.entries(object)) {
    if (value !== null) there[name] = value instanceof Uint8Array ? toBase64Url(value) : value;
  }
  return canonicalBytes(there);
}

function open(payload: Bytes, type: string): Fields {
  const fields = Fields.fromCanonical(payload);
  fields.integer('v', 1, 1);
  fields.oneOf('type', [type]);
  return fields;
}
