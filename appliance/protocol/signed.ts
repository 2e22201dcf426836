// Objects the appliance signs for both ends of a link: ES256 over utf8(domain) ‖ 0x00 ‖ payload, the payload being
// the canonical JSON of the object. The type stands in the object, so one key's signature on a lease is no credential.
import type { SessionId } from '../guid.ts';
import { type Bytes, concat, utf8Bytes } from './bytes.ts';
import { Fields } from './fields.ts';

/** r ‖ s, IEEE P1363. */
export const SIGNATURE_BYTES = 64;
export const MAX_SIGNED_BYTES = 4096;
export const SESSION_DOMAIN = 'appliance/session/v1';
export const MAX_CREDENTIAL_MS = 10 * 60 * 1000;
export const MAX_LEASE_MS = 60 * 1000;
export const MAX_GRANT_MS = 12 * 60 * 60 * 1000;
const MAX_FEATURES = 32;
const MAX_SPKI_BYTES = 128;
const MAX_SUBJECT_BYTES = 64;

export interface Signed {
  readonly payload: Bytes;
  readonly signature: Bytes;
}

export const ROLES = ['console', 'applet'] as const;
export type LinkRole = (typeof ROLES)[number];

/** Says whose Noise key this is: `{v, type, role, sid, spk, sub, nbf, exp, features, policy, jti, kid, nonce, apk?}`. */
export interface Credential {
  readonly role: LinkRole;
  readonly sid: SessionId;
  /** The X25519 static key, 32 bytes. */
  readonly spk: Bytes;
  /** The member's id for a console, `customer` for an applet. */
  readonly sub: string;
  /** ms UTC. */
  readonly nbf: number;
  /** ms UTC, at most ten minutes after `nbf`. */
  readonly exp: number;
  readonly features: readonly string[];
  /** SHA-256 of the policy in force. */
  readonly policy: Bytes;
  readonly jti: Bytes;
  readonly kid: string;
  readonly nonce: Bytes;
  /** The applet's ES256 key as SPKI (DER); applets only. */
  readonly apk: Bytes | null;
}

export function parseCredential(payload: Bytes): Credential {
  const fields = open(payload, 'credential');
  const role = fields.oneOf('role', ROLES);
  const credential = {
    role,
    sid: fields.sessionId('sid'),
    spk: fields.bytes('spk', 32),
    sub: fields.line('sub', MAX_SUBJECT_BYTES),
    nbf: fields.integer('nbf', 0),
    exp: fields.integer('exp', 0),
    features: fields.names('features', MAX_FEATURES),
    policy: fields.bytes('policy', 32),
    jti: fields.bytes('jti', 16),
    kid: fields.line('kid', 16),
    nonce: fields.bytes('nonce', 16),
    apk: role === 'applet' ? fields.bytes('apk', 64, MAX_SPKI_BYTES) : null,
  };
  fields.end();
  return credential;
}

/** The appliance's leave to do one thing: permission and consent together. */
export interface Grant {
  readonly sid: SessionId;
  readonly linkId: Bytes;
  /** Noise handshake hash of the link it is for. */
  readonly handshake: Bytes;
  readonly sub: string;
  readonly action: string;
  readonly scope: string;
  /** Made by the applet for that one question. */
  readonly consentId: Bytes;
  readonly ttlMs: number;
  readonly kid: string;
}

export function parseGrant(payload: Bytes): Grant {
  const fields = open(payload, 'grant');
  const grant = {
    sid: fields.sessionId('sid'),
    linkId: fields.bytes('linkId', 16),
    handshake: fields.bytes('handshake', 32),
    sub: fields.line('sub', MAX_SUBJECT_BYTES),
    action: fields.name('action'),
    scope: fields.text('scope', 256),
    consentId: fields.bytes('consentId', 16),
    ttlMs: fields.integer('ttlMs', 1, MAX_GRANT_MS),
    kid: fields.line('kid', 16),
  };
  fields.end();
  return grant;
}

/** Keeps a technician's rights alive for a short time; not renewed means frozen. */
export interface Lease {
  readonly sid: SessionId;
  readonly linkId: Bytes;
  readonly sub: string;
  readonly counter: number;
  readonly nonce: Bytes;
  readonly ttlMs: number;
  readonly kid: string;
}

export function parseLease(payload: Bytes): Lease {
  const fields = open(payload, 'lease');
  const lease = {
    sid: fields.sessionId('sid'),
    linkId: fields.bytes('linkId', 16),
    sub: fields.line('sub', MAX_SUBJECT_BYTES),
    counter: fields.integer('counter', 0),
    nonce: fields.bytes('nonce', 16),
    ttlMs: fields.integer('ttlMs', 1, MAX_LEASE_MS),
    kid: fields.line('kid', 16),
  };
  fields.end();
  return lease;
}

/** The appliance's answer to "what time is it?"; the nonce is the asker's. */
export interface SignedTime {
  readonly nonce: Bytes;
  /** ms UTC. */
  readonly time: number;
  readonly kid: string;
}

export function parseTime(payload: Bytes): SignedTime {
  const fields = open(payload, 'time');
  const time = { nonce: fields.bytes('nonce', 16), time: fields.integer('time', 0), kid: fields.line('kid', 16) };
  fields.end();
  return time;
}

/** The bytes a signature covers. */
export function signedMessage(domain: string, payload: Bytes): Bytes {
  return concat(utf8Bytes(domain), Uint8Array.of(0), payload);
}

function open(payload: Bytes, type: string): Fields {
  const fields = Fields.fromCanonical(payload);
  fields.integer('v', 1, 1);
  fields.oneOf('type', [type]);
  return fields;
}
