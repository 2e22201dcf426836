import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import forge from 'node-forge';
import {
  writeCaCertificate,
  writeCertificateRequest,
  writeCodeSigningCertificate,
  writeServerCertificate,
} from '../../appliance/pki/certificates.ts';
import {
  checkCertificate,
  findRequestKey,
  installCertificate,
  makeRequestKey,
} from '../../appliance/pki/own-certificate.ts';
import { TempFolder } from '../support/temp-folder.ts';

const now = Date.UTC(2026, 5, 1);
const DAY_MS = 86_400_000;
const rsa = (bits = 2048) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey;
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const ca = rsa();
const caCertificate = writeCaCertificate('Some CA', 'Example', ca, now);
const issuer = { certificate: caCertificate, privateKey: ca };
const key = rsa();
const certificate = writeServerCertificate(['a.example.com'], createPublicKey(key), issuer, now);

function check(chain: string, keyPem: string, names: readonly string[], at: number) {
  const [certificatePem = '', ...rest] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
  return checkCertificate({ certificatePem, chainPem: rest.join(''), keyPem, names, now: at });
}

test('A-07 a good certificate is taken, with or without its root', t => {
  const withRoot = check(certificate + caCertificate, pem(key), ['a.example.com'], now);
  t.like(withRoot, { hasRoot: true, expiresAt: now + 396 * DAY_MS });
  t.false(check(certificate, pem(key), ['a.example.com'], now).hasRoot);
});

const otherCa = rsa();
const weak = rsa(1024);
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const codeSigning = writeCodeSigningCertificate('', createPublicKey(key), issuer, now);

/** Names in the subject alone: browsers have not looked there since 2017. */
function withoutAltNames(): string {
  const bare = forge.pki.certificateFromPem(certificate);
  bare.setExtensions(bare.extensions.filter(extension => extension.name !== 'subjectAltName'));
  bare.sign(forge.pki.privateKeyFromPem(pem(ca)), forge.md.sha256.create());
  return forge.pki.certificateToPem(bare).replaceAll('\r\n', '\n');
}

/** As an authority of old would have signed it. */
function signedWithSha1(): string {
  const old = forge.pki.certificateFromPem(certificate);
  old.sign(forge.pki.privateKeyFromPem(pem(ca)), forge.md.sha1.create());
  return forge.pki.certificateToPem(old).replaceAll('\r\n', '\n');
}

const refusals: Record<string, [chain: string, key: string, names: string[], at: number, code: string]> = {
  'a hash of old': [signedWithSha1(), pem(key), [], now, 'weak'],
  'an elliptic curve, which the listener has no suites for': [certificate, pem(elliptic), [], now, 'weak'],
  'one that is not for servers': [codeSigning, pem(key), [], now, 'purpose'],
  'the certificate of an authority': [caCertificate, pem(ca), [], now, 'purpose'],
  'a chain out of order': [certificate + certificate + caCertificate, pem(key), [], now, 'chain'],
  'a name that is only its subject': [withoutAltNames(), pem(key), ['a.example.com'], now, 'name'],
  'no certificate': ['hello', pem(key), [], now, 'malformed'],
  'a broken certificate': [certificate.replace(/\n.{10}/, '\nAAAAAAAAAA'), pem(key), [], now, 'malformed'],
  'no key': [certificate, 'hello', [], now, 'malformed'],
  'another key': [certificate, pem(rsa()), [], now, 'other-key'],
  'a name it is not for': [certificate, pem(key), ['b.example.com'], now, 'name'],
  'one of two names': [certificate, pem(key), ['a.example.com', 'b.example.com'], now, 'name'],
  'an expired one': [certificate, pem(key), [], now + 398 * DAY_MS, 'dates'],
  'one not valid yet': [certificate, pem(key), [], now - 3 * DAY_MS, 'dates'],
  'a chain of strangers': [certificate + writeCaCertificate('Other', '', otherCa, now), pem(key), [], now, 'chain'],
  'a short key': [
    writeServerCertificate(['a.example.com'], createPublicKey(weak), issuer, now),
    pem(weak),
    [],
    now,
    'weak',
  ],
};
for (const [name, [chain, keyText, names, at, code]] of Object.entries(refusals)) {
  test(`A-07 ${name} is refused with a reason`, t => {
    const error = t.throws(() => check(chain, keyText, names, at), {
      code: `certificate.${code}`,
    });
    t.truthy(error && 'hint' in error && error.hint);
  });
}

test('A-07 an encrypted key is refused with how to open it', t => {
  const encrypted = createPrivateKey(pem(key)).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  t.throws(() => check(certificate, String(encrypted), [], now), {
    message: /encrypted/,
  });
});

test('A-07 the key of a request waits for its certificate, and both end up where the listener looks', async t => {
  using folder = new TempFolder();
  const data = folder.path;
  for (const name of ['keys', 'public']) mkdirSync(join(data, name), { mode: 0o700 });
  const { label, privateKey } = await makeRequestKey(data);
  const request = forge.pki.certificationRequestFromPem(writeCertificateRequest(['a.example.com'], '', privateKey));
  t.true(request.verify());
  const issued = writeServerCertificate(['a.example.com'], createPublicKey(privateKey), issuer, now);
  t.is(findRequestKey(data, certificate), undefined);
  const waiting = findRequestKey(data, issued) ?? '';
  const checked = check(issued + caCertificate, waiting, ['a.example.com'], now);
  installCertificate(data, checked);
  t.is(checked.label, label);
  t.is(readFileSync(join(data, 'public', `${label}.crt`), 'utf8'), issued + caCertificate);
  t.is(readFileSync(join(data, 'keys', `${label}.key`), 'utf8'), pem(privateKey));
  t.is(statSync(join(data, 'keys', `${label}.key`)).mode & 0o777, 0o600);
});
