import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { systemClock as clock } from '../../appliance/clock.ts';
import { loadPrivateKey, writeNewFile } from '../../appliance/pki/key-files.ts';
import { makeKeys } from '../../appliance/pki/make-keys.ts';
import { readBackupIdentity, readStoreKeys } from '../../appliance/pki/store-keys.ts';
import { TempFolder } from '../support/temp-folder.ts';

const COMMAND = join(import.meta.dirname, '../../appliance/bin/make-keys.ts');
const names = ['support.example.com', '192.0.2.4'];

// RSA keys take a second each: made once, copied for the tests that look at what comes after.
const template = new TempFolder();
const ready = makeKeys({ dataFolder: template.path, names, organisation: 'Example Ltd', clock });
test.after.always(() => template[Symbol.dispose]());

async function made(folder: TempFolder): Promise<string> {
  await ready;
  if (!existsSync(join(folder.path, 'keys'))) execFileSync('cp', ['-a', `${template.path}/.`, folder.path]);
  await makeKeys({ dataFolder: folder.path, names, organisation: 'Example Ltd', clock });
  return folder.path;
}

const openssl = (...options: string[]) => execFileSync('openssl', options, { encoding: 'utf8' });

test('A-03 every key is there, private, of the promised kind, and made once', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  const bits: Record<string, number> = { ca: 3072, 'ca-next': 3072, server: 2048, 'code-signing': 2048 };
  for (const [name, size] of Object.entries(bits)) {
    const key = createPrivateKey(readFileSync(join(data, `keys/${name}.key`)));
    t.is(key.asymmetricKeyDetails?.modulusLength, size, name);
  }
  for (const name of ['session', 'receipts', 'gateway-list', 'log-head', 'manifest']) {
    t.is(loadPrivateKey(data, `${name}.key`).asymmetricKeyDetails?.namedCurve, 'prime256v1', name);
  }
  t.is(loadPrivateKey(data, 'tag.key').asymmetricKeyType, 'ed25519');
  t.is(readStoreKeys(data).store.length, 32);
  t.regex(readBackupIdentity(data), /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/);
  t.is(statSync(join(data, 'keys')).mode & 0o777, 0o700);
  for (const name of readdirSync(join(data, 'keys')))
    t.is(statSync(join(data, 'keys', name)).mode & 0o777, 0o600, name);
  const before = readdirSync(join(data, 'keys')).map(name => readFileSync(join(data, 'keys', name)));
  t.deepEqual(await makeKeys({ dataFolder: data, names: ['other.example.com'], organisation: '', clock }), []);
  t.deepEqual(
    readdirSync(join(data, 'keys')).map(name => readFileSync(join(data, 'keys', name))),
    before,
  );
});

test('A-03 certificates stand the eye of openssl: chain, names, purposes, SHA-256', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  const file = (name: string) => join(data, 'public', name);
  t.regex(
    openssl('verify', '-x509_strict', '-CAfile', file('ca.crt'), file('server.crt'), file('code-signing.crt')),
    /code-signing.crt: OK/,
  );
  t.throws(() =>
    execFileSync('openssl', ['verify', '-CAfile', file('ca-next.crt'), file('server.crt')], { stdio: 'pipe' }),
  );
  const server = new X509Certificate(readFileSync(file('server.crt')));
  for (const name of ['support.example.com', 'applet.support.example.com']) t.is(server.checkHost(name), name);
  t.is(server.checkIP('192.0.2.4'), '192.0.2.4');
  const text = openssl('x509', '-noout', '-text', '-in', file('server.crt'));
  t.regex(text, /sha256WithRSAEncryption/);
  t.regex(text, /TLS Web Server Authentication/);
  t.true(server.validToDate.getTime() - server.validFromDate.getTime() <= 397 * 86_400_000);
  t.regex(openssl('x509', '-noout', '-ext', 'extendedKeyUsage', '-in', file('code-signing.crt')), /Code Signing/);
  t.regex(
    openssl('x509', '-noout', '-ext', 'basicConstraints', '-in', file('ca.crt')),
    /critical[\s\S]*CA:TRUE, pathlen:0/,
  );
});

test('A-03 only what is missing is made again', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  execFileSync('rm', [join(data, 'public/server.crt'), join(data, 'keys/setup-code')]);
  t.deepEqual(await makeKeys({ dataFolder: data, names, organisation: '', clock }), ['public/server.crt']);
});

test('A-03 a keys folder others can read, and a key that is none, are refused and left as they are', async t => {
  using folder = new TempFolder();
  mkdirSync(join(folder.path, 'keys'), { mode: 0o755 });
  chmodSync(join(folder.path, 'keys'), 0o755);
  const options = { dataFolder: folder.path, names, organisation: '', clock };
  await t.throwsAsync(makeKeys(options), { code: 'keys.exposed' });
  chmodSync(join(folder.path, 'keys'), 0o700);
  writeFileSync(join(folder.path, 'keys/ca.key'), 'half a k', { mode: 0o600 });
  await t.throwsAsync(makeKeys(options), { code: 'keys.damaged', message: /ca\.key/ });
  t.is(readFileSync(join(folder.path, 'keys/ca.key'), 'utf8'), 'half a k');
});

test('A-03 two installers at once make one set of keys', async t => {
  using folder = new TempFolder();
  const options = { dataFolder: folder.path, names, organisation: '', clock };
  const [one, two] = await Promise.all([makeKeys(options), makeKeys(options)]);
  t.deepEqual(
    one.filter(name => name.endsWith('.key') && two.includes(name)),
    [],
  );
  const server = new X509Certificate(readFileSync(join(folder.path, 'public/server.crt')));
  t.true(server.checkPrivateKey(loadPrivateKey(folder.path, 'server.key')));
});

test('A-03 a key that is lost while its certificate is trusted is not made anew', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  for (const name of ['ca.key', 'session.key']) {
    renameSync(join(data, 'keys', name), join(data, 'kept'));
    await t.throwsAsync(made(folder), { code: 'keys.lost', message: new RegExp(name) });
    t.false(existsSync(join(data, 'keys', name)));
    renameSync(join(data, 'kept'), join(data, 'keys', name));
  }
  rmSync(join(data, 'keys/store.key'));
  mkdirSync(join(data, 'store'));
  writeFileSync(join(data, 'store/core.db'), '');
  await t.throwsAsync(made(folder), { code: 'keys.lost', message: /store\.key/ });
});

for (const [name, content] of Object.entries({
  'keys/session.key': '-----BEGIN PRIVATE KEY-----\nMIGH',
  'keys/store.key': 'short',
  'keys/backup.key': '# no identity\n',
  'public/server.crt': 'half',
  'public/session.pub': 'half',
})) {
  test(`A-03 a damaged ${name} is named, and nothing is changed`, async t => {
    using folder = new TempFolder();
    const data = await made(folder);
    writeFileSync(join(data, name), content);
    await t.throwsAsync(made(folder), { code: 'keys.damaged', message: new RegExp(name.replace('.', '\\.')) });
    t.is(readFileSync(join(data, name), 'utf8'), content);
  });
}

test('A-03 a single key file others can read is refused', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  chmodSync(join(data, 'keys/log-head.key'), 0o640);
  await t.throwsAsync(made(folder), { code: 'keys.exposed', message: /log-head\.key/ });
});

test('A-04 the setup code is made for a new data folder only, with 160 random bits, and never again', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  const code = readFileSync(join(data, 'keys/setup-code'), 'utf8');
  t.regex(code, /^([A-HJ-NP-Z2-9]{4}-){7}[A-HJ-NP-Z2-9]{4}\n$/);
  rmSync(join(data, 'keys/setup-code'));
  t.deepEqual(await made(folder), data);
  t.false(existsSync(join(data, 'keys/setup-code')));
  rmSync(join(data, 'keys/setup-code-made')); // a store is there: this folder is not new
  mkdirSync(join(data, 'store'));
  writeFileSync(join(data, 'store/core.db'), '');
  await made(folder);
  t.false(existsSync(join(data, 'keys/setup-code')));
});

test('A-03 what a killed writer left behind does no harm and goes away', async t => {
  using folder = new TempFolder();
  const data = await made(folder);
  const part = join(data, 'keys/.ca.key.0123456789ab');
  writeFileSync(part, 'half', { mode: 0o600 });
  await made(folder);
  t.true(existsSync(part), 'another writer may still be at work');
  utimesSync(part, 0, 0);
  await made(folder);
  t.false(existsSync(part));
});

test('A-03 a file is never overwritten, and has its mode whatever the umask is', t => {
  using folder = new TempFolder();
  const umask = process.umask(0);
  try {
    t.true(writeNewFile(folder.path, 'a.key', 'first'));
    t.false(writeNewFile(folder.path, 'a.key', 'second'));
  } finally {
    process.umask(umask);
  }
  t.is(readFileSync(join(folder.path, 'a.key'), 'utf8'), 'first');
  t.is(statSync(join(folder.path, 'a.key')).mode & 0o777, 0o600);
  t.deepEqual(readdirSync(folder.path), ['a.key']);
});

test('A-03 an organisation with letters of any script stands in certificates that verify', async t => {
  using folder = new TempFolder();
  const organisation = `Müller & Söhne ${'東京'.repeat(60)}`;
  await makeKeys({ dataFolder: folder.path, names, organisation, clock });
  const file = (name: string) => join(folder.path, 'public', name);
  t.regex(openssl('verify', '-x509_strict', '-CAfile', file('ca.crt'), file('server.crt')), /OK/);
  t.true(new X509Certificate(readFileSync(file('server.crt'))).issuer.includes('Müller & Söhne 東京'));
});

test('A-03 the installer’s command names what it made, and says nothing when there was nothing to make', t => {
  using folder = new TempFolder();
  writeFileSync(join(folder.path, 'appliance.yaml'), 'version: 1\nnames: [help.example.org]\n');
  const run = () => spawnSync(process.execPath, [COMMAND, '--data', folder.path], { encoding: 'utf8' });
  const first = run();
  t.is(first.status, 0, first.stderr);
  t.true(JSON.parse(first.stdout).made.includes('keys/ca.key'));
  t.is(
    new X509Certificate(readFileSync(join(folder.path, 'public/server.crt'))).checkHost('help.example.org'),
    'help.example.org',
  );
  t.is(run().stdout, '');
  chmodSync(join(folder.path, 'keys'), 0o755);
  const exposed = run();
  t.is(exposed.status, 1);
  t.regex(exposed.stderr, /can be read by other users[\s\S]*chmod go-rwx/);
});
