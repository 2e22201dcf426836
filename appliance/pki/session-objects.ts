// What the session key may sign: only what the other end will read as that very object. The type stands in the object,
// so a lease is never taken for a credential, and lifetimes beyond what is agreed are refused before they exist.
import { createHash } from 'node:crypto';
import { ApplianceError, describeError } from '../errors.ts';
import { parseSessionId } from '../guid.ts';
import { type CanonicalValue, canonicalBytes } from '../protocol/canonical-json.ts';
import { parseRecordingReceipt } from '../protocol/recording-receipt.ts';
import { MAX_CREDENTIAL_MS, parseCredential, parseGrant, parseLease, parseTime } from '../protocol/signed.ts';

export const SESSION_TYPES = ['credential', 'grant', 'lease', 'time', 'leg'] as const;
export type SessionType = (typeof SESSION_TYPES)[number];
export type SignedObject = { readonly [key: string]: CanonicalValue };

const CLOCK_SLACK_MS = 30_000; // what both ends of a link grant each other (TRUST)

export interface SessionObject {
  /** Canonical JSON, with `v`, `type` and `kid`. */
  readonly payload: Uint8Array<ArrayBuffer>;
  /** Of an applet's credential: its session, and the digest of the keys it certifies. */
  readonly applet: { readonly sid: string; readonly keys: string } | null;
}

/**
 * @param object without `v`, `type` and `kid`, or with just the right ones
 * @param now ms UTC
 * @throws ApplianceError `signer.malformed`, `signer.time-wrong`
 */
export function completeSessionObject(
  type: SessionType,
  object: SignedObject,
  kid: string,
  now: number,
): SessionObject {
  const whole = { ...object, v: 1, type, kid };
  for (const name of ['v', 'type', 'kid'] as const) {
    if (object[name] !== undefined && object[name] !== whole[name]) throw malformed(`${name} is another one`);
  }
  const payload = canonicalBytes(whole);
  try {
    return { payload, applet: check(type, payload, whole, now) };
  } catch (cause) {
    if (cause instanceof ApplianceError && cause.code.startsWith('signer.')) throw cause;
    throw malformed(`${type}: ${describeError(cause)}`);
  }
}

/**
 * @param receipt without `kid`, or with the right one
 * @param now ms UTC
 * @returns canonical JSON, with `kid`
 * @throws ApplianceError `signer.malformed`, `signer.time-wrong`
 */
export function completeReceipt(receipt: SignedObject, kid: string, now: number): Uint8Array<ArrayBuffer> {
  const payload = canonicalBytes({ ...receipt, kid });
  let time: number;
  try {
    ({ time } = parseRecordingReceipt(payload));
  } catch (cause) {
    throw malformed(`a receipt: ${describeError(cause)}`);
  }
  checkNear(time, now);
  return payload;
}

function check(
  type: SessionType,
  payload: Uint8Array<ArrayBuffer>,
  whole: SignedObject,
  now: number,
): SessionObject['applet'] {
  if (type === 'grant') parseGrant(payload);
  else if (type === 'lease') parseLease(payload);
  else if (type === 'leg') parseSessionId(whole.sid);
  else if (type === 'time') checkNear(parseTime(payload).time, now);
  else {
    const { role, sid, spk, apk, nbf, exp } = parseCredential(payload);
    checkNear(nbf, now);
    if (exp <= nbf || exp - nbf > MAX_CREDENTIAL_MS) throw malformed(`a credential lives ${exp - nbf} ms`);
    if (role === 'applet') return { sid, keys: digest(spk, apk ?? new Uint8Array()) };
  }
  return null;
}

/** The signer has a clock of its own: nobody has it sign for another time. */
function checkNear(time: number, now: number): void {
  if (Math.abs(time - now) <= CLOCK_SLACK_MS) return;
  throw new ApplianceError('refused', 'signer.time-wrong', 'that is not the time');
}

function digest(...keys: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const key of keys) hash.update(Uint8Array.of(key.length)).update(key);
  return hash.digest('base64url');
}

function malformed(what: string): ApplianceError {
  return new ApplianceError('malformed', 'signer.malformed', what);
}
