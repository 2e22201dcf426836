import { fork, spawn, spawnSync } from 'node:child_process';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { systemClock } from '../../appliance/clock.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { sessionGuidFrom } from '../../appliance/guid.ts';
import { createLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { makeKeys } from '../../appliance/pki/make-keys.ts';
import {
  findRenewalReason,
  installServerCertificate,
  readServerCertificate,
} from '../../appliance/pki/server-certificate.ts';
import type { SessionType, SignedObject } from '../../appliance/pki/session-objects.ts';
import { DOMAINS, PURPOSES, publicKeyFrom, verifySigned } from '../../appliance/pki/signature.ts';
import { Signer } from '../../appliance/pki/signer.ts';
import { SignerClient } from '../../appliance/pki/signer-client.ts';
import { SignerServer } from '../../appliance/pki/signer-server.ts';
import { CALLS_PER_MINUTE } from '../../appliance/pki/signer-verbs.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { parseCredential, parseLease } from '../../appliance/protocol/signed.ts';
import { writeTagHead } from '../../appliance/protocol/tag.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';

const PROCESS = join(import.meta.dirname, '../../appliance/bin/signer.ts');
const OWN = process.getuid?.() ?? 0;
const STRANGER = 65_533; // not `nobody`, who is the customer in other tests and is watched there
const log22 = 'a'.repeat(22);
const hash = (letter: string) => letter.repeat(43);

/** Keys are made once: RSA keys are what takes time. */
const template = new TempFolder();
const ready = makeKeys({ dataFolder: template.path, names: ['localhost'], organisation: '', clock: systemClock });
test.after.always(() => template[Symbol.dispose]());

async function openSigner(t: ExecutionContext, users = { portal: OWN, recorder: OWN }, requestTimeoutMs = 5000) {
  await ready;
  const folder = new TempFolder();
  const dataFolder = join(folder.path, 'data');
  spawnSync('cp', ['-a', template.path, dataFolder]);
  const lines: string[] = [];
  const log = createLog('signer', { write: line => lines.push(line) });
  const clock = new ManualClock(Date.now()); // openssl looks at the certificates with the machine's clock
  const metrics = new Metrics();
  const open = () => new Signer({ dataFolder, clock, log, metrics: new Metrics() });
  const signer = new Signer({ dataFolder, clock, log, metrics });
  const socketPath = join(folder.path, 'signer.sock');
  const server = new SignerServer({ signer, socketPath, users, log, requestTimeoutMs });
  await server.listen();
  const client = new SignerClient({ socketPath });
  t.teardown(async () => {
    client.close();
    await server.close();
    signer.close();
    folder[Symbol.dispose]();
  });
  return { dataFolder, folder, socketPath, client, signer, open, clock, metrics, lines };
}

/** By WebCrypto, which shares no code with the signer, over bytes put together here. */
async function holds(domain: string, payload: Uint8Array, signature: string, spki: string): Promise<boolean> {
  const isTag = domain === 'appliance/tag/v1';
  const algorithm = isTag ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256' };
  const verify = isTag ? 'Ed25519' : { name: 'ECDSA', hash: 'SHA-256' };
  const key = await webcrypto.subtle.importKey('spki', Buffer.from(spki, 'base64url'), algorithm, false, ['verify']);
  const signed = Buffer.concat([Buffer.from(`${domain}\0`), payload]);
  return webcrypto.subtle.verify(verify, key, Buffer.from(signature, 'base64url'), signed);
}

const bytes = (length: number, value = 7) => Buffer.alloc(length, value).toString('base64url');
const sid = bytes(16, 0);
const apk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });

function credential(now: number, changes: Record<string, string | number> = {}) {
  const named = { role: 'applet', sid, spk: bytes(32), sub: 'customer', apk: apk.toString('base64url') };
  const random = { policy: bytes(32), jti: bytes(16), nonce: bytes(16) };
  return { ...named, ...random, nbf: now, exp: now + 60_000, features: ['chat'], ...changes };
}

function tagHead(): Uint8Array {
  const guid = sessionGuidFrom(Buffer.alloc(16, 9));
  return writeTagHead({ guid, expiresAt: 2_000_000_000_000, language: 'en' });
}

/** What a recorder has signed. */
function receipt(time: number) {
  const place = { nonce: bytes(16), offset: 7, digest: bytes(32) };
  return { v: 1, type: 'recording-receipt', sid, linkId: bytes(16), ...place, time };
}

test('H-03 attack: as a receipt nothing else is signed, and none of another time', async t => {
  const at = await openSigner(t);
  const good = receipt(at.clock.now());
  const { type: _, ...untyped } = good;
  const bad = [
    {},
    untyped,
    { ...good, type: 'lease' },
    { ...good, offset: 0 },
    { ...good, more: 1 },
    { ...good, v: 2 },
  ];
  for (const payload of bad) await t.throwsAsync(at.client.signReceipt(payload), { code: 'signer.malformed' });
  for (const ms of [-30_001, 30_001])
    await t.throwsAsync(at.client.signReceipt(receipt(at.clock.now() + ms)), { code: 'signer.time-wrong' });
  await t.notThrowsAsync(at.client.signReceipt(good));
});

test('B-02 each object is signed with the key of its purpose, under its own domain', async t => {
  const at = await openSigner(t);
  const keys = await at.client.publicKeys();
  const now = at.clock.now();
  const link = { sid, linkId: bytes(16), sub: 'm' };
  const plain = { n: 1, deep: { flag: true, list: ['a'] } };
  const grant = { ...link, handshake: bytes(32), action: 'reboot', scope: '', consentId: bytes(16), ttlMs: 1000 };
  const lease = { ...link, counter: 1, nonce: bytes(16), ttlMs: 60_000 };
  const made = {
    'session credential': await at.client.signSessionObject(credential(now), 'credential'),
    'session grant': await at.client.signSessionObject(grant, 'grant'),
    'session lease': await at.client.signSessionObject(lease, 'lease'),
    'session time': await at.client.signSessionObject({ nonce: bytes(16), time: now }, 'time'),
    'session leg': await at.client.signSessionObject({ sid, ttlMs: 1000 }, 'leg'),
    receipts: await at.client.signReceipt(receipt(now)),
    'gateway-list': await at.client.signGatewayList(plain),
    manifest: await at.client.signManifest(plain),
    'log-head': await at.client.signLogHead({ log: log22, seq: 1, hash: hash('a') }),
    tag: await at.client.signTag(tagHead()),
  };
  for (const [name, { kid, signature, payload }] of Object.entries(made)) {
    const purpose = PURPOSES.find(one => one === name.split(' ')[0]);
    if (purpose === undefined) return t.fail(name);
    const { kid: expected, spki } = keys[purpose];
    t.is(kid, expected, name);
    t.true(await holds(`appliance/${purpose}/v1`, payload, signature, spki), name);
    t.true(verifySigned(DOMAINS[purpose], payload, signature, publicKeyFrom({ kid, spki })), name);
    const another = purpose === 'manifest' ? DOMAINS.receipts : DOMAINS.manifest;
    t.false(verifySigned(another, payload, signature, publicKeyFrom({ kid, spki })), `${name} for another purpose`);
    t.false(await holds(`appliance/${purpose}/v1`, Buffer.concat([payload, Buffer.of(0)]), signature, spki), name);
    if (purpose !== 'tag') t.is(JSON.parse(Buffer.from(payload).toString()).kid, kid, name);
  }
  t.deepEqual(Buffer.from(made.manifest.payload), Buffer.from(canonicalBytes({ ...plain, kid: keys.manifest.kid })));
  t.is(String(parseCredential(made['session credential'].payload).sid), sid);
  t.is(parseLease(made['session lease'].payload).ttlMs, 60_000);
  t.throws(() => parseCredential(made['session lease'].payload));
  t.is(new Set(Object.values(keys).map(key => key.kid)).size, 6);
  for (const purpose of PURPOSES) {
    const pem = createPublicKey(readFileSync(join(at.dataFolder, 'public', `${purpose}.pub`)));
    t.is(pem.export({ type: 'spki', format: 'der' }).toString('base64url'), keys[purpose].spki);
    const digest = createHash('sha256').update(Buffer.from(keys[purpose].spki, 'base64url')).digest('base64url');
    t.is(keys[purpose].kid, digest.slice(0, 16));
  }
});

test('F-01 attack: nothing but the head of a tag is signed with the tag key', async t => {
  const at = await openSigner(t);
  await t.throwsAsync(at.client.signTag(Buffer.alloc(31)), { code: 'signer.malformed' });
  await t.throwsAsync(at.client.signTag(Buffer.alloc(30, 7)), { code: 'signer.malformed' });
});

test('B-02 attack: what no link would take, and what another time would, is not signed', async t => {
  const at = await openSigner(t);
  const now = at.clock.now();
  const ask = (object: SignedObject, type: SessionType) => at.client.signSessionObject(object, type);
  const refused = { code: 'signer.malformed' };
  await t.throwsAsync(ask(credential(now, { exp: now + 11 * 60_000 }), 'credential'), refused);
  await t.throwsAsync(ask(credential(now, { exp: now }), 'credential'), refused);
  await t.throwsAsync(ask(credential(now, { type: 'lease' }), 'credential'), refused);
  await t.throwsAsync(ask(credential(now, { kid: 'somebody-elses-k' }), 'credential'), refused);
  await t.throwsAsync(ask(credential(now, { more: 1 }), 'credential'), refused);
  await t.throwsAsync(ask(credential(now), 'lease'), refused);
  await t.throwsAsync(ask({ sid: 'x' }, 'leg'), refused);
  const wrongTime = { code: 'signer.time-wrong' };
  await t.throwsAsync(ask(credential(now + 31_000), 'credential'), wrongTime);
  await t.throwsAsync(ask({ nonce: bytes(16), time: now - 31_000 }, 'time'), wrongTime);
});

test('G-03 attack: a log that does not continue what was signed gets no signature, after a restart either', async t => {
  const at = await openSigner(t);
  await at.client.signLogHead({ log: log22, seq: 10, hash: hash('a') });
  await at.client.signLogHead({ log: log22, seq: 10, hash: hash('a') });
  for (const bad of [
    { seq: 9, hash: hash('a') },
    { seq: 10, hash: hash('b') },
  ]) {
    await t.throwsAsync(at.client.signLogHead({ log: log22, ...bad }), { code: 'signer.log-not-continued' });
    const again = at.open();
    const asked = again.do('sign-log-head', { log: log22, ...bad });
    await t.throwsAsync(asked, { code: 'signer.log-not-continued' });
    again.close();
  }
  await at.client.signLogHead({ log: 'b'.repeat(22), seq: 1, hash: hash('b') });
});

test('B-02 attack: a second applet key for one session needs the ticket of a restart, the signer’s restart is none', async t => {
  const at = await openSigner(t);
  const now = at.clock.now();
  const first = credential(now);
  const second = credential(now, { spk: bytes(32, 8) });
  const refused = { code: 'signer.second-applet-key' };
  await at.client.signSessionObject(first, 'credential');
  await at.client.signSessionObject(credential(now, { jti: bytes(16, 1) }), 'credential');
  const { apk: _, ...console } = credential(now, { role: 'console', spk: bytes(32, 5) });
  await at.client.signSessionObject(console, 'credential'); // consoles come and go
  await t.throwsAsync(at.client.signSessionObject(second, 'credential'), refused);
  const ask = (payload: object) => ['sign-session-object', { type: 'credential', payload }] as const;
  const again = at.open();
  await t.throwsAsync(again.do(...ask(second)), refused);
  await t.notThrowsAsync(again.do(...ask(first)));
  again.close();
  await at.client.signSessionObject(second, 'credential', { restart: true });
  await t.throwsAsync(at.client.signSessionObject(first, 'credential'), refused);
  const path = join(at.dataFolder, 'keys/applet-keys.jsonl');
  t.is(statSync(path).mode & 0o777, 0o600);
  appendFileSync(path, '{"sid":"cut'); // by a power failure
  at.open().close();
  writeFileSync(path, '{"half"\n');
  t.throws(at.open, { code: 'keys.damaged', message: /applet-keys/ });
});

test('A-03 each use is counted and logged, without what was signed', async t => {
  const at = await openSigner(t);
  const digest = createHash('sha256').update('marker-of-a-payload').digest('base64url');
  await at.client.signReceipt({ ...receipt(at.clock.now()), digest });
  await t.throwsAsync(at.client.signTag(Buffer.alloc(1)));
  const text = at.metrics.text();
  t.regex(text, /signer_uses_total\{outcome="done",verb="sign-receipt"\} 1/);
  t.regex(text, /signer_uses_total\{outcome="signer.malformed",verb="sign-tag"\} 1/);
  const { receipts } = await at.client.publicKeys();
  const used = at.lines.map(line => JSON.parse(line)).find(line => line.event === 'signer.used');
  t.like(used, { verb: 'sign-receipt', purpose: 'receipts', kid: receipts.kid });
  t.false(at.lines.join('').includes(digest));
});

test('A-03 a verb used more often than it ever needs to be is refused for the rest of the minute', async t => {
  const at = await openSigner(t);
  const ask = () => at.signer.do('sign-gateway-list', { payload: { a: 1 } });
  for (let n = 0; n < CALLS_PER_MINUTE['sign-gateway-list']; n++) await ask();
  await t.throwsAsync(ask, { code: 'signer.limited' });
  at.clock.advance(60_000);
  await t.notThrowsAsync(ask);
});

const openssl = (...options: string[]) => spawnSync('openssl', options, { encoding: 'utf8' });

test('A-03 renewal: a fresh key and a certificate of the appliance CA take the place of the old ones', async t => {
  const at = await openSigner(t);
  const file = (name: string) => join(at.dataFolder, name);
  const names = ['new.example.com'];
  t.is(findRenewalReason(readServerCertificate(at.dataFolder), ['localhost'], at.clock.now()), undefined);
  t.regex(findRenewalReason(readServerCertificate(at.dataFolder), names, at.clock.now()) ?? '', /name new\.example/);
  const soon = at.clock.now() + 370 * 86_400_000;
  t.regex(findRenewalReason(readServerCertificate(at.dataFolder), ['localhost'], soon) ?? '', /ends on/);
  const pair = await at.client.issueServerCertificate({ names, addresses: ['192.0.2.9', '2001:db8::9'] });
  const oldKey = readFileSync(file('keys/server.key'), 'utf8');
  t.throws(() => installServerCertificate(at.dataFolder, { ...pair, key: oldKey }), { code: 'certificate.other-key' });
  t.is(readFileSync(file('keys/server.key'), 'utf8'), oldKey);
  installServerCertificate(at.dataFolder, pair);
  const verified = openssl(
    'verify',
    '-x509_strict',
    '-CAfile',
    file('public/ca.crt'),
    '-verify_hostname',
    'applet.new.example.com',
    file('public/server.crt'),
  );
  t.is(verified.status, 0, verified.stderr);
  const shown = new X509Certificate(readServerCertificate(at.dataFolder));
  t.is(shown.checkIP('192.0.2.9'), '192.0.2.9');
  t.truthy(shown.checkIP('2001:db8::9'));
  t.not(readFileSync(file('keys/server.key'), 'utf8'), oldKey);
  t.true(shown.checkPrivateKey(createPrivateKey(readFileSync(file('keys/server.key')))));
  t.is(statSync(file('keys/server.key')).mode & 0o777, 0o600);
  t.false(existsSync(file('keys/server-next.pem')));
});

test('A-03 a renewal killed between key and certificate is finished by the next start', async t => {
  const at = await openSigner(t);
  const pair = await at.client.issueServerCertificate({ names: ['localhost'] });
  writeFileSync(join(at.dataFolder, 'keys/server-next.pem'), pair.key + pair.certificate, { mode: 0o600 });
  writeFileSync(join(at.dataFolder, 'keys/server.key'), pair.key); // and here the power went
  t.deepEqual(await makeKeys({ dataFolder: at.dataFolder, names: [], organisation: '', clock: at.clock }), []);
  t.is(readServerCertificate(at.dataFolder), pair.certificate);
});

test('A-07 a certificate request is made for a key that stays on the appliance', async t => {
  const at = await openSigner(t);
  const wish = { names: ['new.example.com'], organisation: 'Söhne Ltd' };
  const path = join(at.folder.path, 'request.pem');
  writeFileSync(path, await at.client.writeCertificateRequest(wish));
  const text = openssl('req', '-verify', '-noout', '-text', '-nameopt', 'utf8', '-in', path);
  t.is(text.status, 0, text.stderr);
  t.regex(text.stdout, /DNS:new\.example\.com/);
  t.regex(text.stdout, /Söhne Ltd/);
  t.is(readdirSync(join(at.dataFolder, 'keys')).filter(name => /^web-[0-9a-f]{32}\.key$/.test(name)).length, 1);
});

function rawRequest(socketPath: string, options: { method?: string; path?: string; body?: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const { method = 'POST', path = '/v1/public-keys', body = '{}' } = options;
    const sent = request({ socketPath, method, path }, answer => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('A-03 hostile requests get an answer and harm nothing', async t => {
  const at = await openSigner(t);
  const status = (options: Parameters<typeof rawRequest>[1]) => rawRequest(at.socketPath, options);
  t.is(await status({ path: '/v1/sign-anything' }), 404);
  t.is(await status({ path: '/v1/__proto__' }), 404);
  t.is(await status({ method: 'GET' }), 404);
  t.is(await status({ body: '{' }), 400);
  t.is(await status({ body: '[]' }), 400);
  t.is(await status({ path: '/v1/sign-receipt', body: '{"payload":{"a":1.5}}' }), 400);
  t.is(await status({ path: '/v1/sign-receipt', body: `{"payload":${'{"a":'.repeat(20)}1${'}'.repeat(20)}}` }), 400);
  t.is(await status({ path: '/v1/sign-receipt', body: JSON.stringify({ payload: { a: 'x'.repeat(70_000) } }) }), 400);
  const garbage = connect(at.socketPath);
  garbage.end('\u0000\u0001\u0002 not http\r\n\r\n');
  garbage.resume();
  await once(garbage, 'close');
  t.truthy(await at.client.publicKeys());
});

test('A-03 another user of the machine is refused by the kernel’s word, even where the socket lets him in', async t => {
  const at = await openSigner(t);
  chmodSync(join(at.folder.path), 0o755);
  const script = `const r=require('node:http').request({socketPath:process.argv[1],path:'/v1/public-keys',method:'POST'},a=>{console.log(a.statusCode);process.exit()});r.on('error',e=>{console.log(e.code);process.exit()});r.end('{}')`;
  const as = (uid: number) => {
    const child = spawn(
      'setpriv',
      [`--reuid=${uid}`, '--clear-groups', '/usr/bin/env', 'node', '-e', script, at.socketPath],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    return new Promise<string>(resolve => child.stdout.on('data', chunk => resolve(String(chunk).trim())));
  };
  t.is(statSync(at.socketPath).mode & 0o777, 0o600);
  t.is(await as(STRANGER), 'EACCES');
  chmodSync(at.socketPath, 0o666);
  t.is(await as(STRANGER), '403');
  t.is(await as(0), '200');
  t.true(at.lines.some(line => line.includes('signer.stranger') && line.includes(String(STRANGER))));
});

test('A-03 where processes have their own users, receipts are for the recorder only', async t => {
  const at = await openSigner(t, { portal: OWN, recorder: STRANGER });
  await t.throwsAsync(at.client.signReceipt({ a: 1 }), { code: 'signer.not-for-you' });
  await at.client.signSessionObject({ sid }, 'leg');
});

test('A-03 a signer that is not there is an error with a name', async t => {
  using folder = new TempFolder();
  const client = new SignerClient({ socketPath: join(folder.path, 'none.sock') });
  await t.throwsAsync(client.publicKeys(), { code: 'signer.unreachable' });
  client.close();
});

test('A-03 a damaged memory of heads stops the signer instead of being forgotten', async t => {
  const at = await openSigner(t);
  mkdirSync(join(at.dataFolder, 'keys'), { recursive: true });
  writeFileSync(join(at.dataFolder, 'keys/log-heads.json'), '{"half', { mode: 0o600 });
  t.throws(at.open, { code: 'keys.damaged', message: /log-heads/ });
  t.is(readFileSync(join(at.dataFolder, 'keys/log-heads.json'), 'utf8'), '{"half');
});

test('A-03 a request that drips in is cut off, and so is one that never begins', async t => {
  const at = await openSigner(t, { portal: OWN, recorder: OWN }, 200);
  const slow = connect(at.socketPath);
  slow.write('POST /v1/public-keys HTTP/1.1\r\nhost: signer\r\ncontent-length: 100\r\n\r\n{');
  const silent = connect(at.socketPath);
  for (const socket of [slow, silent]) socket.resume();
  await Promise.all([once(slow, 'close'), once(silent, 'close')]);
  t.false(at.lines.some(line => line.includes('signer.defect')));
  t.truthy(await at.client.publicKeys());
});

// Alone: keys that others make in this process take seconds of the deadline.
test.serial('A-03 a signer that takes the call and never answers is given up at the deadline, once', async t => {
  using folder = new TempFolder();
  let calls = 0;
  const mute = createServer((incoming, answer) => {
    calls++;
    incoming.resume();
    answer.writeHead(200, { 'content-length': '100' }).write('{'); // dripping an answer doesn't help either
  });
  const socketPath = join(folder.path, 'mute.sock');
  await once(mute.listen(socketPath), 'listening');
  const client = new SignerClient({ socketPath, deadlineMs: 5000 });
  t.teardown(() => {
    client.close();
    mute.closeAllConnections();
    mute.close();
  });
  await t.throwsAsync(client.publicKeys(), { code: 'signer.unreachable', instanceOf: ApplianceError });
  t.is(calls, 1);
});

test('A-03 the process serves, keeps its socket to itself and ends when told to', async t => {
  await ready;
  using folder = new TempFolder();
  spawnSync('cp', ['-a', `${template.path}/.`, folder.path]);
  const child = fork(PROCESS, ['--data', folder.path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  t.teardown(() => child.kill('SIGKILL'));
  t.deepEqual(await once(child, 'message'), ['ready', undefined]);
  const socketPath = join(folder.path, 'run/signer.sock');
  t.is(statSync(socketPath).mode & 0o777, 0o600);
  const client = new SignerClient({ socketPath });
  t.is((await client.publicKeys()).session.kid.length, 16);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
  await t.throwsAsync(client.publicKeys(), { code: 'signer.unreachable' });
  client.close();
});

test('A-03 a signer without its keys says which is missing and does not start', async t => {
  using folder = new TempFolder();
  const child = spawnSync(process.execPath, [PROCESS, '--data', folder.path], { encoding: 'utf8' });
  t.is(child.status, 1);
  t.regex(child.stdout, /signer\.start-failed.*session\.key is missing/);
});
