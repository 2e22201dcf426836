// Certificates and requests. node:crypto makes the keys; node-forge only writes X.509 (RFC 5280) and PKCS#10 (RFC 2986).
import { createPublicKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';

const DAY_MS = 86_400_000;
export const CA_DAYS = 3653;
/** What browsers accept at most is 398. */
export const SERVER_DAYS = 397;
export const CODE_SIGNING_DAYS = 1095;
const BACKDATED_MS = DAY_MS; // clocks of customers' machines are often a little behind
const MAX_NAME_CHARACTERS = 64; // RFC 5280 appendix A.1, ub-common-name and ub-organization-name

export interface Issuer {
  /** PEM */
  readonly certificate: string;
  readonly privateKey: KeyObject;
}

const UTF8 = forge.asn1.Type.UTF8;

interface CertificateRequest {
  readonly subject: forge.pki.CertificateField[];
  readonly publicKey: KeyObject;
  readonly days: number;
  readonly now: number;
  readonly extensions: object[];
}

/** A certificate authority that signs itself; path length 0, so that nothing below it can issue. @returns PEM */
export function writeCaCertificate(name: string, organisation: string, privateKey: KeyObject, now: number): string {
  const publicKey = createPublicKey(privateKey);
  const extensions = [
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ];
  const request = { subject: subjectOf(name, organisation), publicKey, days: CA_DAYS, now, extensions };
  return signCertificate(request, privateKey, request.subject, undefined);
}

/** A certificate that signs itself and nobody else: the frame a SAML key is told in. @returns PEM */
export function writeOwnCertificate(name: string, privateKey: KeyObject, now: number): string {
  const publicKey = createPublicKey(privateKey);
  const extensions = [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true },
    { name: 'subjectKeyIdentifier' },
  ];
  const request = { subject: subjectOf(name, ''), publicKey, days: CA_DAYS, now, extensions };
  return signCertificate(request, privateKey, request.subject, undefined);
}

/** @param names DNS names and IP addresses, the first also as common name @returns PEM */
export function writeServerCertificate(
  names: readonly string[],
  publicKey: KeyObject,
  issuer: Issuer,
  now: number,
): string {
  const extensions = [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: names.map(alternativeName) },
    { name: 'subjectKeyIdentifier' },
  ];
  const subject = subjectOf(commonNameFor(names), '');
  return issueCertificate({ subject, publicKey, days: SERVER_DAYS, now, extensions }, issuer);
}

/** @returns PEM */
export function writeCodeSigningCertificate(
  organisation: string,
  publicKey: KeyObject,
  issuer: Issuer,
  now: number,
): string {
  const extensions = [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true },
    { name: 'extKeyUsage', critical: true, codeSigning: true },
    { name: 'subjectKeyIdentifier' },
  ];
  const subject = subjectOf('Remote support code signing', organisation);
  return issueCertificate({ subject, publicKey, days: CODE_SIGNING_DAYS, now, extensions }, issuer);
}

/** Applets ask for `applet.<name>` (SNI) and always get the appliance CA's certificate. */
export function certificateNames(names: readonly string[]): string[] {
  const applets = names.filter(name => isIP(name) === 0).map(name => `applet.${name}`);
  const local = names.includes('localhost') ? ['127.0.0.1', '::1'] : [];
  return [...new Set([...names, ...applets, ...local])];
}

/** PKCS#10, for a certificate of IT's own choosing. @returns PEM */
export function writeCertificateRequest(names: readonly string[], organisation: string, privateKey: KeyObject): string {
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forgePublicKey(createPublicKey(privateKey));
  request.setSubject(subjectOf(commonNameFor(names), organisation));
  const altNames = { name: 'subjectAltName', altNames: names.map(alternativeName) };
  request.setAttributes([{ name: 'extensionRequest', extensions: [altNames] }]);
  request.sign(forgePrivateKey(privateKey), forge.md.sha256.create());
  return forge.pki.certificationRequestToPem(request).replaceAll('\r\n', '\n');
}

function issueCertificate(request: CertificateRequest, issuer: Issuer): string {
  const parent = forge.pki.certificateFromPem(issuer.certificate);
  // node-forge reads UTF-8 as bytes and writes it from text, so what it read has to become text again.
  const attributes = parent.subject.attributes.map(field => ({
    ...field,
    value:
      Number(field.valueTagClass) === Number(UTF8) ? forge.util.decodeUtf8(String(field.value)) : String(field.value),
  }));
  return signCertificate(request, issuer.privateKey, attributes, parent);
}

function signCertificate(
  { subject, publicKey, days, now, extensions }: CertificateRequest,
  issuerKey: KeyObject,
  issuer: forge.pki.CertificateField[],
  parent: forge.pki.Certificate | undefined,
): string {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forgePublicKey(publicKey);
  certificate.serialNumber = serialNumber();
  certificate.validity.notBefore = new Date(now - BACKDATED_MS);
  certificate.validity.notAfter = new Date(now - BACKDATED_MS + days * DAY_MS);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
  const authority = (parent ?? certificate).generateSubjectKeyIdentifier().getBytes();
  const authorityKeyIdentifier = { name: 'authorityKeyIdentifier', keyIdentifier: authority };
  certificate.setExtensions([...extensions, authorityKeyIdentifier]);
  certificate.sign(forgePrivateKey(issuerKey), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}

/** 127 random bits, positive, as RFC 5280 §4.1.2.2 wants it. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function subjectOf(name: string, organisation: string): forge.pki.CertificateField[] {
  const fields = [
    { name: 'organizationName', value: organisation.trim() },
    { name: 'commonName', value: name.trim() },
  ];
  return fields
    .filter(field => field.value !== '')
    .map(({ name, value }) => ({ name, value: shortened(value), valueTagClass: UTF8 as unknown as forge.asn1.Class })); // its types name the wrong enumeration
}

function shortened(value: string): string {
  return [...value.toWellFormed()].slice(0, MAX_NAME_CHARACTERS).join('');
}

/** Clients read the alternative names; a name too long for a common name is left to them. */
function commonNameFor(names: readonly string[]): string {
  return names.find(name => name.length <= MAX_NAME_CHARACTERS) ?? 'Remote support appliance';
}

function alternativeName(name: string): { type: number; value?: string; ip?: string } {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}

function forgePublicKey(publicKey: KeyObject): forge.pki.rsa.PublicKey {
  return forge.pki.publicKeyFromPem(
    publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  ) as forge.pki.rsa.PublicKey;
}

function forgePrivateKey(privateKey: KeyObject): forge.pki.rsa.PrivateKey {
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return forge.pki.privateKeyFromPem(pem) as forge.pki.rsa.PrivateKey;
}

/** SHA-256 of the DER, `AB:CD:…`, as browsers and the console show it. */
export function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256;
}
