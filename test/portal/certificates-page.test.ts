// The page of certificates: a request whose key stays, one brought along with its key, what is refused and why.
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import forge from 'node-forge';
import { createLog } from '../../appliance/log.ts';
import { writeCaCertificate, writeServerCertificate } from '../../appliance/pki/certificates.ts';
import { installServerCertificate } from '../../appliance/pki/server-certificate.ts';
import { CertificateDesk } from '../../appliance/portal/certificate-desk.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

const DAY_MS = 86_400_000;
const NAME = 'support.example.com';
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  for (const folder of ['keys', 'public']) mkdirSync(join(at.folder, folder), { recursive: true, mode: 0o700 });
  const root = rsa();
  const issuer = { certificate: writeCaCertificate('Good CA', 'Example', root, at.clock.now()), privateKey: root };
  const cookie = await at.realm.enter('ann@example.com');
  const ask = (method: string, path: string, body?: unknown) =>
    askSocket(at.realm.socketPath, method, path, undefined, { accept: 'text/html', cookie }, body);
  const certify = (key: KeyObject, names = [NAME]) => writeServerCertificate(names, key, issuer, at.clock.now());
  const events = async () =>
    (await at.audit.search({ limit: 50 }))
      .map(({ entry }) => entry.event)
      .filter(one => one.startsWith('certificate.'));
  return { ...at, ask, certify, events };
}

test('A-07 a request is made and its key stays; the certificate that comes back is used, and taken away again', async t => {
  const { ask, certify, folder, events } = await open(t);
  const request = await ask('POST', '/certificates/request', {});
  t.is(request.headers['content-type'], 'application/pkcs10');
  const csr = forge.pki.certificationRequestFromPem(request.body);
  t.true(csr.verify());
  t.false(request.body.includes('PRIVATE'));
  const [keyFile = ''] = readdirSync(join(folder, 'keys')).filter(name => name.startsWith('web-'));
  t.is(statSync(join(folder, 'keys', keyFile)).mode & 0o777, 0o600);
  const label = keyFile.replace('.key', '');
  t.true((await ask('GET', '/certificates')).body.includes(`Throw ${label} away`));

  const publicKey = createPublicKey(forge.pki.publicKeyToPem(csr.publicKey ?? fail()));
  const taken = await ask('POST', '/certificates', { chain: certify(publicKey) });
  t.is(taken.status, 303);
  const installed = new X509Certificate(readFileSync(join(folder, 'public', `${label}.crt`)));
  t.is(installed.checkHost(NAME), NAME);
  const { body } = await ask('GET', '/certificates?done=yes');
  t.true(body.includes(installed.fingerprint256));
  t.true(body.includes('396 days left'));
  t.is(body.match(/Our (next )?authority<\/h3>/g)?.length, 2);
  t.false(body.includes('Waiting for their certificate'));

  t.is((await ask('POST', `/certificates/${label}/remove`, {})).status, 303);
  t.false(existsSync(join(folder, 'public', `${label}.crt`)) || existsSync(join(folder, 'keys', keyFile)));
  t.is((await ask('POST', `/certificates/${label}/remove`, {})).status, 404);
  t.is((await ask('POST', '/certificates/server/remove', {})).status, 404, 'never the appliance’s own');
  t.deepEqual(await events(), ['certificate.removed', 'certificate.installed', 'certificate.requested']);
});

test('A-07 what does not fit is refused with what to do; a key that was typed is not shown again', async t => {
  const { ask, certify, folder, events } = await open(t);
  const key = rsa();
  const cases: [chain: string, key: string, says: RegExp][] = [
    [certify(createPublicKey(key)), '', /Its key is not here\. .*give its private key, too/],
    [certify(createPublicKey(key)), pem(rsa()), /The key does not belong to the certificate/],
    [certify(createPublicKey(key), ['other.example.com']), pem(key), /It is not for support\.example\.com/],
    ['hello', '', /There is no certificate in it/],
  ];
  for (const [chain, typed, says] of cases) {
    const { status, body } = await ask('POST', '/certificates', { chain, key: typed });
    t.is(status, 400);
    t.regex(body, says);
    t.false(body.includes('PRIVATE KEY'));
  }
  t.deepEqual(
    readdirSync(join(folder, 'keys')).filter(name => name.startsWith('web-')),
    [],
  );
  t.deepEqual(await events(), []);
  t.is((await ask('POST', '/certificates', { chain: certify(createPublicKey(key)), key: pem(key) })).status, 303);
  t.deepEqual(await events(), ['certificate.installed']);
});

test('A-07 the appliance’s own certificate is renewed by the clock: a month before its end, and when a name is not in it', async t => {
  const { certify, folder, clock, audit, store, events } = await open(t);
  const install = (names: readonly string[]) => {
    const key = rsa();
    const certificate = certify(createPublicKey(key), [...names]);
    installServerCertificate(folder, { certificate, key: pem(key) });
  };
  let names = [NAME];
  let isAway = true;
  const lines: string[] = [];
  const desk = new CertificateDesk({
    ...{ dataFolder: folder, store, audit, clock, names: () => names, organisation: '' },
    log: createLog('portal', { write: line => lines.push(line) }),
    request: () => Promise.reject(new Error('nobody asks')),
    certify: async wanted => {
      if (isAway) throw new Error('the signer is away');
      install(wanted.flatMap(name => [name, `applet.${name}`]));
    },
  });
  t.teardown(() => desk.close());
  const shown = () => new X509Certificate(readFileSync(join(folder, 'public', 'server.crt')));
  install([NAME, `applet.${NAME}`]);
  const first = shown().fingerprint256;
  await desk.renewWhenDue();
  t.is(shown().fingerprint256, first, 'it will do');
  clock.skip(370 * DAY_MS);
  await t.throwsAsync(desk.renewWhenDue(), { message: 'the signer is away' });
  desk.start();
  while (!lines.some(line => line.includes('certificate.not-renewed'))) await new Promise(setImmediate);
  t.is(shown().fingerprint256, first);
  isAway = false;
  await desk.renewWhenDue();
  t.not(shown().fingerprint256, first);
  t.true(shown().validToDate.getTime() - clock.now() > 390 * DAY_MS);
  names = [NAME, 'help.example.com'];
  await desk.renewWhenDue();
  t.is(shown().checkHost('help.example.com'), 'help.example.com');
  await desk.renewWhenDue();
  t.deepEqual(await events(), ['certificate.renewed', 'certificate.renewed'], 'once each');
});

function fail(): never {
  throw new Error('the request has no key');
}
