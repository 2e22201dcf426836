// Ids and their text forms. A session has two: the 128-bit session GUID is its secret and is never logged; the
// `SessionId` is its public number. Both are 16 bytes, so each has a type of its own.
import { ApplianceError } from './errors.ts';

declare const brand: unique symbol;
/** Public number of a support session: 22 characters of base64url (16 random bytes). */
export type SessionId = string & { readonly [brand]: 'SessionId' };
/** Secret of a support session, 16 bytes. */
export type SessionGuid = Uint8Array & { readonly [brand]: 'SessionGuid' };

export const GUID_BYTES = 16;
const ID_PATTERN = /^[A-Za-z0-9_-]{21}[AQgw]$/; // 16 bytes leave 4 zero bits in the last character

/** @throws ApplianceError `session.id-malformed` when it is not the text of 16 bytes */
export function parseSessionId(text: unknown): SessionId {
  if (typeof text === 'string' && ID_PATTERN.test(text)) return text as SessionId;
  throw new ApplianceError('malformed', 'session.id-malformed', 'that is not the id of a session');
}

/** @param random 16 bytes from a cryptographic generator */
export function sessionIdFrom(random: Uint8Array): SessionId {
  return parseSessionId(toBase64Url(sized(random)));
}

/** @param random 16 bytes from a cryptographic generator, or as read from a tag */
export function sessionGuidFrom(random: Uint8Array): SessionGuid {
  return sized(random) as SessionGuid;
}

function sized(bytes: Uint8Array): Uint8Array {
  if (bytes.length === GUID_BYTES) return bytes;
  throw new ApplianceError('malformed', 'guid.size', `an id has ${GUID_BYTES} bytes, this has ${bytes.length}`);
}

/** Unpadded base64url (RFC 4648 §5). */
export function toBase64Url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * Reads unpadded base64url; anything a strict writer would not have written is refused.
 * @throws ApplianceError `base64url.malformed`
 */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const malformed = () => new ApplianceError('malformed', 'base64url.malformed', 'that is not unpadded base64url');
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw malformed();
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, character => character.charCodeAt(0));
  if (toBase64Url(bytes) !== text) throw malformed(); // bits beyond the last byte must be zero
  return bytes;
}
