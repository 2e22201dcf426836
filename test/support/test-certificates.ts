// A certification authority of a test's own, and certificates for any name and time.
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import forge from 'node-forge';

const DAY_MS = 86_400_000;
const IP_ADDRESS = 7; // GeneralName types of RFC 5280 §4.2.1.6
const DNS_NAME = 2;

export interface TestCertificate {
  readonly certificate: string; // PEM
  readonly key: string; // PKCS#8 PEM
}

export interface CertificateWish {
  readonly names: readonly string[];
  readonly addresses?: readonly string[];
  /** ms UTC; a day ago and in a year unless told. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

export class TestAuthority {
  readonly certificate: string;
  readonly #key: string;
  readonly #issued = new Map<string, TestCertificate>();

  constructor(name = 'Test CA') {
    const { publicKey, privateKey } = makeRsaKey();
    this.#key = privateKey;
    const made = draft(publicKey, name, name, {});
    made.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ]);
    made.sign(forge.pki.privateKeyFromPem(this.#key), forge.md.sha256.create());
    this.certificate = forge.pki.certificateToPem(made);
  }

  /** The same wish gets the same certificate: an RSA key takes a tenth of a second to make. */
  issue(wish: CertificateWish): TestCertificate {
    const wanted = JSON.stringify(wish);
    const certificate = this.#issued.get(wanted) ?? this.#make(wish);
    this.#issued.set(wanted, certificate);
    return certificate;
  }

  #make(wish: CertificateWish): TestCertificate {
    const { publicKey, privateKey } = makeRsaKey();
    const issuer = forge.pki.certificateFromPem(this.certificate).subject.getField('CN').value;
    const made = draft(publicKey, wish.names[0] ?? 'test', String(issuer), wish);
    made.setExtensions([
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...wish.names.map(value => ({ type: DNS_NAME, value })),
          ...(wish.addresses ?? []).map(ip => ({ type: IP_ADDRESS, ip })),
        ],
      },
    ]);
    made.sign(forge.pki.privateKeyFromPem(this.#key), forge.md.sha256.create());
    return { certificate: forge.pki.certificateToPem(made), key: privateKey };
  }
}

function makeRsaKey(): { publicKey: string; privateKey: string } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function draft(publicKey: string, subject: string, issuer: string, wish: Partial<CertificateWish>) {
  const made = forge.pki.createCertificate();
  made.publicKey = forge.pki.publicKeyFromPem(publicKey);
  made.serialNumber = `01${randomBytes(8).toString('hex')}`;
  made.validity.notBefore = new Date(wish.notBefore ?? Date.now() - DAY_MS);
  made.validity.notAfter = new Date(wish.notAfter ?? Date.now() + 365 * DAY_MS);
  made.setSubject([{ name: 'commonName', value: subject }]);
  made.setIssuer([{ name: 'commonName', value: issuer }]);
  return made;
}
