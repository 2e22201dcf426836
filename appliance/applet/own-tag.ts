// Which session this very file was downloaded for (F-01). Whatever is wrong with the tag, the answer is the same: none,
// and the window asks for the PIN. A tag can never lead to another server.
import { createPublicKey, verify } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ApplianceError } from '../errors.ts';
import { fromBase64Url } from '../guid.ts';
import { equalBytes } from '../protocol/bytes.ts';
import { parseTag, parseTagBlob, type SessionTag, TAG_MAGIC, TAG_SIZE } from '../protocol/tag.ts';
import { findTagPlace, type Platform } from './tag-place.ts';

export type OwnTag =
  | { readonly tag: SessionTag; readonly why: null }
  | { readonly tag: null; readonly why: 'missing' | 'malformed' | 'not-signed' | 'expired' };

/**
 * @param keys SPKI (DER) of the tag key and its successor, base64url, from the signed configuration
 * @param now ms UTC by this computer's clock: good enough to ask for a PIN instead of failing later
 */
export function readOwnTag(
  path: string,
  options: { platform: Platform; keys: readonly string[]; now: number },
): OwnTag {
  const bytes = readTagBytes(path, options.platform);
  if (bytes === undefined || !isTagged(bytes)) return { tag: null, why: 'missing' };
  try {
    const { tag, message, signature } = bytes.length === TAG_SIZE ? parseTag(bytes) : parseTagBlob(bytes);
    if (!options.keys.some(spki => isSignedBy(spki, message, signature))) return { tag: null, why: 'not-signed' };
    if (tag.expiresAt <= options.now) return { tag: null, why: 'expired' };
    return { tag, why: null }; // from here on the session is the one the appliance made this download for
  } catch (error) {
    if (!(error instanceof ApplianceError)) throw error;
    return { tag: null, why: 'malformed' };
  }
}

/** Not the program as it was built: there the magic stands alone, or there is nothing at all. */
function isTagged(bytes: Uint8Array<ArrayBuffer>): boolean {
  const magic = bytes.subarray(0, TAG_MAGIC.length);
  return equalBytes(magic, TAG_MAGIC) && bytes.subarray(TAG_MAGIC.length).some(byte => byte !== 0);
}

function readTagBytes(path: string, platform: Platform): Uint8Array<ArrayBuffer> | undefined {
  const file = openSync(path, 'r');
  try {
    const read = (offset: number, length: number) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    };
    const place = findTagPlace(platform, fstatSync(file).size, read);
    return place && new Uint8Array(read(place.offset, place.size));
  } finally {
    closeSync(file);
  }
}

function isSignedBy(spki: string, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(fromBase64Url(spki)), format: 'der', type: 'spki' });
  return key.asymmetricKeyType === 'ed25519' && verify(null, message, key, signature);
}
