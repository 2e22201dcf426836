// Seals a chat line to the portal's log, past the gateway (protocol/log-seal.ts), on WebCrypto.
import type { SessionId } from '../guid.ts';
import { type Bytes, concat, utf8Bytes } from '../protocol/bytes.ts';
import { LOG_SEAL_LABEL, LOG_SEAL_NONCE, logSealAad } from '../protocol/log-seal.ts';

export interface LineToSeal {
  readonly sessionId: SessionId;
  /** base64url of 16 bytes */
  readonly lineId: string;
  readonly text: string;
}

/** @param logKey the portal's X25519 key, 32 bytes, as `ConsoleStart` has it */
export async function sealForLog(logKey: Bytes, { sessionId, lineId, text }: LineToSeal): Promise<Bytes> {
  const { subtle } = crypto;
  const own = await subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']);
  if (!('privateKey' in own)) throw new TypeError('X25519 is no pair here');
  const ephemeral = new Uint8Array(await subtle.exportKey('raw', own.publicKey));
  const portal = await subtle.importKey('raw', logKey, { name: 'X25519' }, false, []);
  const shared = await subtle.deriveBits({ name: 'X25519', public: portal }, own.privateKey, 256);
  const secret = await subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey']);
  const key = await subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: concat(ephemeral, logKey), info: utf8Bytes(LOG_SEAL_LABEL) },
    secret,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt'],
  );
  const params = { name: 'AES-GCM', iv: LOG_SEAL_NONCE, additionalData: logSealAad(sessionId, lineId) };
  return concat(ephemeral, new Uint8Array(await subtle.encrypt(params, key, utf8Bytes(text))));
}
