// SHA-256 of a recorded stream on `node:crypto`, which can go on after it was asked.
import { createHash } from 'node:crypto';
import type { StreamHash } from '../customer-core/stream-ledger.ts';

export function newStreamHash(): StreamHash {
  const hash = createHash('sha256');
  return {
    add: bytes => {
      hash.update(bytes);
    },
    digest: () => new Uint8Array(hash.copy().digest()),
  };
}
