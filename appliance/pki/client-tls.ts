// TLS of whatever we connect to on the network: AES-256 only, also with ECDSA certificates (DESIGN 12.8).
import { readFile, stat } from 'node:fs/promises';

const MAX_AUTHORITIES_BYTES = 2 ** 20;

export const clientTls = {
  minVersion: 'TLSv1.2',
  ciphers: ['TLS_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'].join(':'),
  ecdhCurve: 'X25519MLKEM768:X25519:P-256:P-384',
} as const;

/** Whom alone to trust: a PEM file, and no device that is read without end. @param path null for the public ones */
export async function trustIn(path: string | null): Promise<{ readonly ca?: string }> {
  if (path === null) return {};
  const file = await stat(path);
  if (!file.isFile() || file.size > MAX_AUTHORITIES_BYTES) throw new Error(`${path} is no file with certificates`);
  return { ca: await readFile(path, 'utf8') };
}
