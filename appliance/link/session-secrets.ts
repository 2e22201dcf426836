// What both ends derive from the session GUID (TRUST: keys and signatures). The GUID itself never leaves the applet.
import { fromBase64Url, type SessionGuid, type SessionId } from '../guid.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { hkdf, type LinkCrypto } from './crypto.ts';

const NO_SALT = new Uint8Array(0);

/** What the applet shows a gateway; the portal keeps its SHA-256. */
export function gatewayToken(crypto: LinkCrypto, guid: SessionGuid): Promise<Bytes> {
  return hkdf(crypto, NO_SALT, Uint8Array.from(guid), 'link-v1 gateway');
}

/** The pre-shared key of the session's handshakes: all a console is given. */
export function linkPsk(crypto: LinkCrypto, guid: SessionGuid, sid: SessionId): Promise<Bytes> {
  return hkdf(crypto, NO_SALT, Uint8Array.from(guid), 'link-v1 psk', fromBase64Url(sid));
}
