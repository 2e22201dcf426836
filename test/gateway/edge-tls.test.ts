import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type SecureVersion } from 'node:tls';
import test from 'ava';
import { Certificates } from '../../appliance/gateway/certificates.ts';
import { silentLog } from '../../appliance/log.ts';
import { scanTls } from '../support/sslscan.ts';
import { TestAuthority } from '../support/test-certificates.ts';
import { NAME, startEdge, type TestEdge } from '../support/test-edge.ts';

function handshake(
  edge: TestEdge,
  options: { version: SecureVersion; ciphers: string; groups?: string; sigalgs?: string },
) {
  return edge.connect({
    minVersion: options.version,
    maxVersion: options.version,
    // The client offers whatever it is told to; at level 0 OpenSSL has no objections of its own.
    ciphers: options.version === 'TLSv1.3' ? options.ciphers : `${options.ciphers}:@SECLEVEL=0`,
    ...(options.groups && { ecdhCurve: options.groups }),
    ...(options.sigalgs && { sigalgs: options.sigalgs }),
  });
}

test('B-01 sslscan finds exactly two suites, TLS 1.2 and 1.3, no compression, no renegotiation', async t => {
  await using edge = await startEdge();
  const { versions, suites, xml } = await scanTls(edge.ports.edge, NAME);
  t.deepEqual(suites, ['TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384', 'TLSv1.3 TLS_AES_256_GCM_SHA384']);
  t.deepEqual(versions, ['tls1.2', 'tls1.3']);
  t.notRegex(xml, /<compression supported="1"/);
  t.regex(xml, /<renegotiation supported="0"/);
  t.notRegex(xml, /<heartbleed[^>]*vulnerable="1"/);
  const groups = [...xml.matchAll(/<group [^>]*name="([^"]+)"/g)].map(([, name]) => name);
  for (const name of groups) t.regex(name ?? '', /x25519|secp256r1|secp384r1/);
  t.notRegex(xml, /<connection-signature-algorithm [^>]*name="[^"]*(sha1|md5|dsa)[^"]*"/i);
});

for (const [version, ciphers] of [
  ['TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLSv1.2', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLSv1.2', 'ECDHE-RSA-AES256-SHA384'],
  ['TLSv1.2', 'AES256-GCM-SHA384'],
  ['TLSv1.2', 'DHE-RSA-AES256-GCM-SHA384'],
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
  ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
  ['TLSv1.1', 'ECDHE-RSA-AES256-SHA'],
  ['TLSv1', 'ECDHE-RSA-AES256-SHA'],
] as const) {
  test(`B-01 a client with only ${version} ${ciphers} is refused`, async t => {
    await using edge = await startEdge();
    await t.throwsAsync(handshake(edge, { version, ciphers }), { message: /alert/ });
  });
}

test('B-01 the groups are X25519MLKEM768, X25519, P-256 and P-384; others are refused', async t => {
  await using edge = await startEdge();
  const ciphers = 'TLS_AES_256_GCM_SHA384';
  for (const groups of ['X25519MLKEM768', 'X25519', 'P-256', 'P-384']) {
    const socket = await handshake(edge, { version: 'TLSv1.3', ciphers, groups });
    t.is(socket.getCipher().name, ciphers, groups);
    socket.destroy();
  }
  for (const groups of ['P-521', 'X448', 'ffdhe2048']) {
    await t.throwsAsync(handshake(edge, { version: 'TLSv1.3', ciphers, groups }), { message: /alert/ }, groups);
  }
});

test('B-01 a SHA-1 signature is never made, and HTTP/2 is not agreed', async t => {
  await using edge = await startEdge();
  await t.throwsAsync(
    handshake(edge, { version: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384', sigalgs: 'RSA+SHA1' }),
    { message: /alert/ },
  );
  await t.throwsAsync(edge.connect({ ALPNProtocols: ['h2'] }), { message: /alert/ });
  const socket = await edge.connect({ ALPNProtocols: ['h2', 'http/1.1'] });
  t.is(socket.alpnProtocol, 'http/1.1');
  socket.destroy();
});

test('B-01 TLS 1.2 is not renegotiated and nothing is resumed', async t => {
  await using edge = await startEdge();
  const socket = await edge.connect({ maxVersion: 'TLSv1.2' });
  const refused = await new Promise<Error | null>(resolve => {
    socket.once('error', resolve);
    socket.renegotiate({}, resolve);
  });
  t.truthy(refused);
  const session = socket.getSession();
  socket.destroy();
  const second = await edge.connect({ maxVersion: 'TLSv1.2', ...(session && { session }) });
  t.false(second.isSessionReused());
  second.destroy();
});

async function namesShown(edge: TestEdge, servername: string): Promise<string | undefined> {
  const socket = connect({
    host: '127.0.0.1',
    port: edge.ports.edge,
    servername,
    ca: edge.authority.certificate,
    checkServerIdentity: () => undefined,
  });
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  const shown = socket.getPeerX509Certificate()?.subjectAltName;
  socket.destroy();
  return shown;
}

test('A-05 an uploaded certificate is shown for its name, the appliance’s own for applet.<name> and for all others', async t => {
  await using edge = await startEdge();
  edge.putCertificate('web-main', [NAME, `applet.${NAME}`, 'uploaded.test']);
  edge.edge.reload();
  t.regex((await namesShown(edge, NAME)) ?? '', /uploaded\.test/);
  t.notRegex((await namesShown(edge, `applet.${NAME}`)) ?? '', /uploaded\.test/);
  t.notRegex((await namesShown(edge, `APPLET.${NAME}`)) ?? '', /uploaded\.test/);
  t.notRegex((await namesShown(edge, 'localhost')) ?? '', /uploaded\.test/);
});

test('A-05 a reload shows the new certificate to new connections, and running ones go on', async t => {
  await using edge = await startEdge({ portal: (_request, response) => response.end('x') });
  const running = await edge.connect();
  edge.putCertificate('server', [NAME, 'renewed.test']);
  edge.edge.reload();
  t.regex((await namesShown(edge, NAME)) ?? '', /renewed\.test/);
  running.write(`GET / HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`);
  const [chunk] = await once(running, 'data');
  t.regex(String(chunk), /^HTTP\/1\.1 200/);
});

test('A-05 a certificate that can not be used leaves the one that worked', async t => {
  await using edge = await startEdge();
  edge.putCertificate('web-main', [NAME, 'uploaded.test']);
  edge.edge.reload();
  const other = new TestAuthority().issue({ names: [NAME] });
  writeFileSync(join(edge.folder, 'keys', 'web-main.key'), other.key); // not this certificate's key
  writeFileSync(join(edge.folder, 'public', 'server.crt'), 'torn');
  edge.edge.reload();
  t.regex((await namesShown(edge, NAME)) ?? '', /uploaded\.test/);
  t.regex((await namesShown(edge, 'localhost')) ?? '', /applet/);
});

test('A-05 files that are replaced by rename are noticed without a signal', async t => {
  await using edge = await startEdge();
  const periods: (() => void)[] = [];
  const clock = {
    now: Date.now,
    monotonic: () => 0,
    after: () => () => undefined,
    every: (_ms: number, look: () => void) => {
      periods.push(look);
      return () => undefined;
    },
  };
  const loaded: string[] = [];
  const certificates = new Certificates({
    dataFolder: edge.folder,
    clock,
    log: silentLog,
    onChanged: own => loaded.push(new X509Certificate(String(own.options.cert)).subjectAltName ?? ''),
  });
  for (const look of periods) look();
  t.deepEqual(loaded, []);
  edge.putCertificate('next', [NAME, 'renamed.test']);
  renameSync(join(edge.folder, 'keys', 'next.key'), join(edge.folder, 'keys', 'server.key'));
  renameSync(join(edge.folder, 'public', 'next.crt'), join(edge.folder, 'public', 'server.crt'));
  for (const look of periods) look();
  t.is(loaded.length, 1);
  t.regex(loaded[0] ?? '', /renamed\.test/);
  certificates.close();
});

test('A-05 without a usable certificate the gateway does not start, and says which file', async t => {
  await using edge = await startEdge();
  const open = () => new Certificates({ dataFolder: edge.folder, log: silentLog, onChanged: () => undefined });
  writeFileSync(join(edge.folder, 'public', 'server.crt'), 'torn');
  t.regex(String(t.throws(open, { code: 'gateway.certificate' })), /server\.crt/);
  rmSync(join(edge.folder, 'keys', 'server.key'));
  t.regex(String(t.throws(open, { code: 'gateway.certificate' })), /server\.key/);
});
