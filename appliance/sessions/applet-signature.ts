// Signatures of an applet: ES256 under the session key it made itself and was certified for when it claimed the session.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url } from '../guid.ts';
import { type CanonicalValue, canonicalBytes } from '../protocol/canonical-json.ts';

const MAX_SPKI_CHARACTERS = 200;

/** @param spki base64url of a P-256 public key; @throws ApplianceError `applet-key.malformed` */
export function parseAppletKey(spki: string): KeyObject {
  try {
    if (spki.length > MAX_SPKI_CHARACTERS) throw new RangeError('too long');
    const key = createPublicKey({ key: Buffer.from(fromBase64Url(spki)), format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new RangeError('another curve');
    return key;
  } catch (cause) {
    throw new ApplianceError('malformed', 'applet-key.malformed', 'that is not a P-256 public key', { cause });
  }
}

/** @param signature base64url, r ‖ s; @throws ApplianceError `applet-signature.wrong` */
export function checkAppletSignature(domain: string, payload: CanonicalValue, signature: string, spki: string): void {
  checkAppletBytes(domain, { payload: canonicalBytes(payload), signature: Buffer.from(signature, 'base64url') }, spki);
}

/** @param spki of the applet that claimed the session; null before one did */
export function checkAppletBytes(
  domain: string,
  { payload, signature }: { readonly payload: Uint8Array; readonly signature: Uint8Array },
  spki: string | null,
): void {
  const signed = Buffer.concat([Buffer.from(`${domain}\0`), payload]);
  if (spki !== null) {
    const key = { key: parseAppletKey(spki), dsaEncoding: 'ieee-p1363' } as const;
    if (verify('sha256', signed, key, signature)) return;
  }
  throw new ApplianceError('refused', 'applet-signature.wrong', 'not signed by the session’s applet');
}
