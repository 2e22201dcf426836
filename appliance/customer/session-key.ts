// The key a customer signs with for this one session: made in the browser, and it can't be taken out of it.
import type { SessionKey } from '../customer-core/session-parts.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

export async function makeSessionKey(): Promise<SessionKey> {
  const { subtle } = crypto;
  const { privateKey, publicKey } = await subtle.generateKey(ALGORITHM, false, ['sign', 'verify']);
  return {
    spki: new Uint8Array(await subtle.exportKey('spki', publicKey)),
    sign: async message => new Uint8Array(await subtle.sign(SIGNING, privateKey, message)),
  };
}
