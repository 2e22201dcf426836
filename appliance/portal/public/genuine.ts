// What a worried customer can compare: the certificates that this appliance signs and shows.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint } from '../../pki/certificates.ts';

export interface GenuineFacts {
  /** SHA-256, `AB:CD:…`; null where the file is not there. */
  readonly program: string | null;
  readonly authority: string | null;
}

/** @param publicFolder the data folder's `public/` */
export function genuineFacts(publicFolder: string): GenuineFacts {
  const read = (name: string) => {
    const path = join(publicFolder, name);
    return existsSync(path) ? fingerprint(readFileSync(path, 'utf8')) : null;
  };
  return { program: read('code-signing.crt'), authority: read('ca.crt') };
}
