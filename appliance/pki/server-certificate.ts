// The appliance's own server certificate: 397 days, replaced a month before it ends or when the names change. The key is
// replaced with it, so key and certificate go through a file that holds both: killed half-way, the next start finishes.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { ApplianceError } from '../errors.ts';
import { certificateNames } from './certificates.ts';
import { damagedKey, KEYS_FOLDER, PUBLIC_FOLDER, readKeyFile, replaceFile, syncFolder } from './key-files.ts';

const DAY_MS = 86_400_000;
const RENEW_BEFORE_MS = 30 * DAY_MS;
const PENDING_FILE = 'server-next.pem';

export interface CertificatePair {
  /** PEM */
  readonly certificate: string;
  /** PKCS#8 PEM */
  readonly key: string;
}

/** @returns why a new server certificate is due; undefined while the one there will do */
export function findRenewalReason(certificatePem: string, names: readonly string[], now: number): string | undefined {
  const certificate = new X509Certificate(certificatePem);
  if (certificate.validToDate.getTime() - now < RENEW_BEFORE_MS) return `it ends on ${certificate.validTo}`;
  const missing = certificateNames(names).find(name => !coversName(certificate, name));
  return missing === undefined ? undefined : `it does not name ${missing}`;
}

/** A name of the configuration, or an address. */
export function coversName(certificate: X509Certificate, name: string): boolean {
  const found = isIP(name) === 0 ? certificate.checkHost(name, { subject: 'never' }) : certificate.checkIP(name);
  return found !== undefined;
}

/**
 * Puts a pair in the place of `keys/server.key` and `public/server.crt`; the gateway reads them again by itself.
 * @throws ApplianceError `certificate.other-key` when the two don't belong together
 */
export function installServerCertificate(dataFolder: string, { certificate, key }: CertificatePair): void {
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw new ApplianceError('malformed', 'certificate.other-key', 'the certificate belongs to another key');
  }
  replaceFile(join(dataFolder, KEYS_FOLDER), PENDING_FILE, `${key.trimEnd()}\n${certificate.trimEnd()}\n`);
  finishServerCertificate(dataFolder);
}

/** Does what is left of an installation that was cut short; nothing else. */
export function finishServerCertificate(dataFolder: string): void {
  const keys = join(dataFolder, KEYS_FOLDER);
  const pending = join(keys, PENDING_FILE);
  if (!existsSync(pending)) return;
  const text = readKeyFile(dataFolder, PENDING_FILE).toString('utf8');
  const [key, ...certificates] = text.match(/-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----\n/g) ?? [];
  if (key === undefined || certificates.length === 0) throw damagedKey(pending, 'it is not a key and its certificate');
  replaceFile(keys, 'server.key', key);
  mkdirSync(join(dataFolder, PUBLIC_FOLDER), { recursive: true, mode: 0o755 });
  replaceFile(join(dataFolder, PUBLIC_FOLDER), 'server.crt', certificates.join(''), 0o644);
  rmSync(pending);
  syncFolder(keys);
}

/** @returns PEM of the certificate that is shown now */
export function readServerCertificate(dataFolder: string): string {
  return readFileSync(join(dataFolder, PUBLIC_FOLDER, 'server.crt'), 'utf8');
}
