// The evidence check's cryptography on `node:crypto`.
import { createHash, createPublicKey, verify } from 'node:crypto';
import type { EvidenceCrypto } from '../protocol/evidence-check.ts';

export const nodeEvidenceCrypto: EvidenceCrypto = {
  newHash: () => {
    const hash = createHash('sha256');
    return { add: bytes => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
  },
  verifyEs256: async (spki, message, signature) => {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false;
    return verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  },
};
