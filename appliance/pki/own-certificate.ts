// A certificate IT brings along, checked before it is taken: chain, names, key, strength, dates.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ApplianceError } from '../errors.ts';
import { KEYS_FOLDER, PUBLIC_FOLDER, readKeyFile, replaceFile, writeNewFile } from './key-files.ts';
import { coversName } from './server-certificate.ts';

export interface CertificateToCheck {
  /** The server's own; what it was issued by may follow it here. */
  readonly certificatePem: string;
  /** Unencrypted. */
  readonly keyPem: string;
  /** Intermediates in their order; the root last, or left out. */
  readonly chainPem?: string | undefined;
  /** What browsers will ask for: each must be in it. */
  readonly names: readonly string[];
  /** ms UTC */
  readonly now: number;
}

export interface CheckedCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** ms UTC; the earliest end in the chain. */
  readonly expiresAt: number;
  /** Whether the chain ends in a root that signs itself. */
  readonly hasRoot: boolean;
  /** PEM, the server's certificate first. */
  readonly certificate: string;
  /** PKCS#8 PEM. */
  readonly key: string;
  /** Name of its files: `web-…`, the same for the same key. */
  readonly label: string;
}

const MAX_PEM_CHARACTERS = 64 * 1024;
const MAX_CHAIN = 6;
const MIN_RSA_BITS = 2048;
const SLACK_MS = 86_400_000; // a clock that is wrong by hours must not keep IT from setting up
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'; // id-kp-serverAuth, RFC 5280 §4.2.1.12
const SHA2 = /sha-?(256|384|512)/i;
const generate = promisify(generateKeyPair);

/**
 * Makes a key for a certificate request. It stays in `keys/` and waits for its certificate: renewing the appliance's own
 * certificate in between doesn't touch it.
 */
export async function makeRequestKey(dataFolder: string): Promise<{ label: string; privateKey: KeyObject }> {
  const { privateKey } = await generate('rsa', { modulusLength: MIN_RSA_BITS });
  const label = labelOf(privateKey);
  writeNewFile(join(dataFolder, KEYS_FOLDER), `${label}.key`, pkcs8(privateKey));
  return { label, privateKey };
}

/** @returns PKCS#8 PEM of the waiting key this certificate was made for; undefined where there is none */
export function findRequestKey(dataFolder: string, certificatePem: string): string | undefined {
  const [leaf] = parseChain(certificatePem);
  if (leaf === undefined) return undefined;
  const name = `${labelOf(leaf.publicKey)}.key`;
  return existsSync(join(dataFolder, KEYS_FOLDER, name)) ? readKeyFile(dataFolder, name).toString('utf8') : undefined;
}

/**
 * @throws ApplianceError `certificate.malformed`, `.other-key`, `.name`, `.dates`, `.weak`, `.chain`, `.purpose`, saying
 * what to do
 */
export function checkCertificate(wish: CertificateToCheck): CheckedCertificate {
  const certificates = parseChain(`${wish.certificatePem}\n${wish.chainPem ?? ''}`);
  const [leaf] = certificates;
  if (leaf === undefined)
    throw refused('malformed', 'there is no certificate in it', 'Paste the text from BEGIN to END.');
  const key = parseKey(wish.keyPem);
  checkKey(leaf, key);
  checkPurpose(leaf);
  checkNames(leaf, wish.names);
  for (const certificate of certificates) {
    checkDates(certificate, wish.now);
    checkStrength(certificate);
  }
  checkChain(certificates);
  return {
    subject: leaf.subject,
    issuer: leaf.issuer,
    expiresAt: Math.min(...certificates.map(certificate => certificate.validToDate.getTime())),
    hasRoot: isRoot(certificates.at(-1) ?? leaf),
    certificate: certificates.map(certificate => `${certificate.toString().trimEnd()}\n`).join(''),
    key: pkcs8(key),
    label: labelOf(key),
  };
}

/** Puts a checked pair where the gateway finds it by itself: the key first, so that no certificate is there without one. */
export function installCertificate(dataFolder: string, { label, certificate, key }: CheckedCertificate): void {
  writeNewFile(join(dataFolder, KEYS_FOLDER), `${label}.key`, key); // the name is the key's digest: never another one
  replaceFile(join(dataFolder, PUBLIC_FOLDER), `${label}.crt`, certificate, 0o644);
}

function labelOf(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const digest = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  return `web-${digest.slice(0, 32)}`;
}

function pkcs8(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function parseChain(text: string): X509Certificate[] {
  if (text.length > MAX_PEM_CHARACTERS)
    throw refused('malformed', 'the chain is too long', 'Leave out what is no part of it.');
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length > MAX_CHAIN)
    throw refused('malformed', `more than ${MAX_CHAIN} certificates`, 'Give this chain only.');
  try {
    return blocks.map(block => new X509Certificate(block));
  } catch (cause) {
    throw refused('malformed', 'a certificate can not be read', 'Export it again as PEM (Base64).', cause);
  }
}

function parseKey(text: string): KeyObject {
  if (text.length > MAX_PEM_CHARACTERS) throw refused('malformed', 'the key is too long', 'Give the private key only.');
  if (/ENCRYPTED/.test(text)) {
    throw refused(
      'malformed',
      'the key is encrypted',
      'Take the password off: openssl pkey -in key.pem -out plain.pem',
    );
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw refused('malformed', 'the key can not be read', 'Export it as unencrypted PEM (PKCS#8).', cause);
  }
}

function checkKey(leaf: X509Certificate, key: KeyObject): void {
  if (key.asymmetricKeyType !== 'rsa') {
    throw refused(
      'weak',
      `the key is ${key.asymmetricKeyType}`,
      'The listener offers RSA suites only: use RSA, 2048 bits or more.',
    );
  }
  if (leaf.checkPrivateKey(key)) return;
  throw refused('other-key', 'the key does not belong to the certificate', 'Give the key the request was made with.');
}

function checkNames(leaf: X509Certificate, names: readonly string[]): void {
  const missing = names.filter(name => !coversName(leaf, name));
  if (missing.length === 0) return;
  throw refused(
    'name',
    `it is not for ${missing.join(', ')}`,
    'Ask for a certificate with these as alternative names.',
  );
}

function checkDates(certificate: X509Certificate, now: number): void {
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (now < from - SLACK_MS)
    throw refused('dates', `it is valid from ${certificate.validFrom} only`, 'Check the clock.');
  if (now >= to) throw refused('dates', `it has expired on ${certificate.validTo}`, 'Renew it first.');
}

function checkStrength(certificate: X509Certificate): void {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  if (asymmetricKeyType === 'rsa' && bits < MIN_RSA_BITS) {
    throw refused('weak', `${nameOf(certificate)} has ${bits} bits`, `Use ${MIN_RSA_BITS} or more.`);
  }
  // Nobody checks the signature a root made over itself, so its hash is of no importance.
  const { signatureAlgorithm = 'an unknown hash' } = certificate;
  if (!SHA2.test(signatureAlgorithm) && !isRoot(certificate)) {
    const hint = 'Ask for SHA-256 with RSA or ECDSA; browsers refuse older hashes, and some of them RSA-PSS.';
    throw refused('weak', `${nameOf(certificate)} is signed with ${signatureAlgorithm}`, hint);
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function nameOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ');
}

function checkPurpose(leaf: X509Certificate): void {
  if (leaf.ca)
    throw refused('purpose', 'it is the certificate of an authority', 'Give the server’s certificate first.');
  const usages: readonly string[] | undefined = leaf.keyUsage; // Node's name for the extended ones; none means any
  if (usages === undefined || usages.includes(SERVER_AUTH)) return;
  throw refused('purpose', 'it is not for servers', 'Ask for one with the usage “TLS Web Server Authentication”.');
}

function checkChain(certificates: readonly X509Certificate[]): void {
  for (const [at, certificate] of certificates.entries()) {
    const issuer = certificates[at + 1];
    if (issuer === undefined) break;
    if (certificate.checkIssued(issuer) && issuer.ca && certificate.verify(issuer.publicKey)) continue;
    const hint = 'Order: the server’s certificate, then the one that issued it, and so on.';
    throw refused('chain', `${nameOf(certificate)} was not issued by ${nameOf(issuer)}`, hint);
  }
}

function refused(code: string, message: string, hint: string, cause?: unknown): ApplianceError {
  return new ApplianceError('malformed', `certificate.${code}`, message, { hint, cause });
}
