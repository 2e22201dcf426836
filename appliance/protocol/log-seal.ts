// How a chat line gets from the console to the portal's log past the gateway, which carries it but must not read it.
// The portal's X25519 key is good for one start of the portal; the console makes a pair of its own for each line.
//   sealed = ephemeral public key 32 ‖ AES-256-GCM(key, nonce of zeroes, AAD, text) with its tag 16
//   key    = HKDF-SHA256(salt = ephemeral ‖ portal's public key, X25519(ephemeral, portal), "log-seal-v1")
//   AAD    = "log-seal-v1" ‖ 0x00 ‖ session id 16 ‖ line id 16
// One key seals one text, so the nonce is always the same (RFC 5116 §3.2).
import { fromBase64Url, type SessionId } from '../guid.ts';
import { type Bytes, concat, utf8Bytes } from './bytes.ts';

export const LOG_SEAL_LABEL = 'log-seal-v1';
export const LOG_SEAL_KEY_BYTES = 32;
export const LOG_SEAL_NONCE: Bytes = new Uint8Array(12);
export const LOG_SEAL_OVERHEAD_BYTES = LOG_SEAL_KEY_BYTES + 16;

/** @param lineId base64url of 16 bytes */
export function logSealAad(sessionId: SessionId, lineId: string): Bytes {
  return concat(utf8Bytes(LOG_SEAL_LABEL), Uint8Array.of(0), fromBase64Url(sessionId), fromBase64Url(lineId));
}
