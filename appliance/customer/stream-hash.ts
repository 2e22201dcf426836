// SHA-256 of a recorded stream in a browser, whose own can't go on after it was asked.
import { sha256 } from '@noble/hashes/sha2.js';
import type { StreamHash } from '../customer-core/stream-ledger.ts';

export function newStreamHash(): StreamHash {
  const hash = sha256.create();
  return {
    add: bytes => {
      hash.update(bytes);
    },
    digest: () => new Uint8Array(hash.clone().digest()),
  };
}
