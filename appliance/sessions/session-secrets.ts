// What is derived from a session's GUID (TRUST: keys). The GUID itself is handed out once and forgotten.
import { createHash, hkdfSync } from 'node:crypto';
import { fromBase64Url, type SessionGuid, type SessionId } from '../guid.ts';

const KEY_BYTES = 32;
const NO_SALT = new Uint8Array(0); // RFC 5869 §3.1: the GUID is uniformly random already

/** T: what the applet presents to a gateway. */
export function gatewayToken(guid: SessionGuid): Uint8Array {
  return derive(guid, Buffer.from('link-v1 gateway'));
}

/** Key of the link that outsiders lack; the console is given this and never the GUID. */
export function linkPsk(guid: SessionGuid, sessionId: SessionId): Uint8Array {
  return derive(guid, Buffer.concat([Buffer.from('link-v1 psk'), fromBase64Url(sessionId)]));
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

function derive(guid: SessionGuid, info: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', guid, NO_SALT, info, KEY_BYTES));
}
