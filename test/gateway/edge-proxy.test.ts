import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as openPlain } from 'node:http';
import { request as openRequest } from 'node:https';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import test from 'ava';
import { NAME, readBody, readToEnd, startEdge, type TestEdge, testEdgeConfig } from '../support/test-edge.ts';

const WEBSOCKET = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'x',
  'sec-websocket-version': '13',
};

function getPlain(port: number, path: string, host: string) {
  return new Promise<{ status: number; location: string | undefined; body: string }>((resolve, reject) => {
    const asking = openPlain({ host: '127.0.0.1', port, path, headers: { host }, agent: false }, async reply => {
      resolve({ status: reply.statusCode ?? 0, location: reply.headers.location, body: await readBody(reply) });
    });
    asking.once('error', reject);
    asking.end();
  });
}

test('A-05 a request reaches the portal with its method, path, headers and body, and the answer comes back whole', async t => {
  await using edge = await startEdge({
    portal: async (request, response) => {
      const body = await readBody(request);
      response.writeHead(201, 'Made', [
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'X-Kept',
        'yes',
        'Connection',
        'X-Hop',
        'X-Hop',
        '1',
      ]);
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }));
    },
  });
  const answer = await edge.ask({ method: 'POST', path: '/a%20b?c=d', body: 'hello', headers: { cookie: 'login=1' } });
  const seen = JSON.parse(answer.body);
  t.is(answer.status, 201);
  t.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
  t.is(answer.headers['x-kept'], 'yes');
  t.is(answer.headers['x-hop'], undefined);
  t.like(seen, { method: 'POST', url: '/a%20b?c=d', body: 'hello' });
  t.like(seen.headers, { host: NAME, cookie: 'login=1', 'x-appliance-peer': '127.0.0.1' });
  t.regex(seen.headers['x-appliance-port'], /^[0-9]+$/);
});

test('B-01 a client can not say where it comes from, nor set a header for the next hop', async t => {
  await using edge = await startEdge({
    portal: (request, response) => response.end(JSON.stringify(request.rawHeaders)),
  });
  const answer = await edge.raw(
    [
      'GET / HTTP/1.1',
      `Host: ${NAME}`,
      'X-Appliance-Peer: 203.0.113.9',
      'x-appliance-port: 1',
      'X-Appliance-Admin: yes',
      'X-Forwarded-For: 203.0.113.9',
      'Forwarded: for=203.0.113.9',
      'X-Real-IP: 203.0.113.9',
      'TE: trailers',
      'Proxy-Authorization: Basic eDp5',
      'Connection: close, x-secret-hop, x-appliance-peer',
      'X-Secret-Hop: 1',
      '',
      '',
    ].join('\r\n'),
  );
  const names: string[] = JSON.parse(answer.slice(answer.indexOf('['), answer.lastIndexOf(']') + 1));
  const text = names.join('\n').toLowerCase();
  t.notRegex(text, /203\.0\.113\.9|x-appliance-admin|x-forwarded|proxy-auth|secret-hop|trailers/);
  t.is(names.filter(name => name.toLowerCase() === 'x-appliance-peer').length, 1);
  t.is(names[names.findIndex(name => name.toLowerCase() === 'x-appliance-peer') + 1], '127.0.0.1');
});

test('A-05 16 MiB go up and come back down at once, unchanged', async t => {
  await using edge = await startEdge({ portal: (request, response) => request.pipe(response) });
  const bytes = randomBytes(16 * 1024 * 1024);
  const asking = openRequest({
    host: '127.0.0.1',
    port: edge.ports.edge,
    servername: NAME,
    ca: edge.authority.certificate,
    agent: false,
    method: 'POST',
    headers: { host: NAME },
  });
  asking.end(bytes);
  const [reply] = await once(asking, 'response');
  const hash = createHash('sha256');
  for await (const chunk of reply) hash.update(chunk);
  t.is(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'));
});

test('A-05 connections to the portal are kept and used again', async t => {
  const sockets = new Set<unknown>();
  await using edge = await startEdge({
    portal: (request, response) => {
      sockets.add(request.socket);
      response.end('x');
    },
  });
  for (let round = 0; round < 5; round++) t.is((await edge.ask()).status, 200);
  t.is(sockets.size, 1);
});

test('A-06 without a portal users get an honest 503 with Retry-After, and service again when it is back', async t => {
  await using edge = await startEdge();
  const down = await edge.ask({ headers: { accept: 'text/html' } });
  t.is(down.status, 503);
  t.truthy(down.headers['retry-after']);
  t.regex(down.body, /portal is not answering/);
  t.is(down.headers['cache-control'], 'no-store');
  await edge.startPortal();
  t.is((await edge.ask()).body, 'portal');
  await edge.stopPortal();
  t.is((await edge.ask()).status, 503);
});

test('A-06 a portal that goes away in the middle of an answer never looks like a whole answer', async t => {
  await using edge = await startEdge({
    portal: (_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.destroy());
    },
  });
  await t.throwsAsync(edge.ask(), { message: /aborted|hang up|ECONNRESET/ });
});

async function openSocket(edge: TestEdge, path = '/live') {
  const socket = await edge.connect();
  const headers = Object.entries({ host: NAME, ...WEBSOCKET }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\nearly`);
  return socket;
}

test('A-05 an upgrade is passed on with its early bytes, echoes both ways and closes on both sides', async t => {
  const gone = Promise.withResolvers<void>();
  await using edge = await startEdge({
    upgrade: (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      socket.once('close', () => gone.resolve());
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Peer: ${request.headers['x-appliance-peer']}\r\n\r\n`,
      );
      if (head.length > 0) socket.write(head);
      socket.pipe(socket);
    },
  });
  const socket = await openSocket(edge);
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.endsWith('early')) socket.write('later');
    if (text.endsWith('later')) break;
  }
  t.regex(text, /^HTTP\/1\.1 101 [\s\S]*X-Peer: 127\.0\.0\.1[\s\S]*\r\n\r\nearlylater$/);
  socket.destroy();
  await gone.promise;
});

test('A-05 an upgrade the portal refuses is answered with the portal’s own words', async t => {
  await using edge = await startEdge({
    upgrade: (_request, socket) =>
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nX-Why: origin\r\n\r\nno!'),
  });
  const text = await readToEnd(await openSocket(edge));
  t.regex(text, /^HTTP\/1\.1 403 Forbidden[\s\S]*X-Why: origin[\s\S]*no!$/);
});

test('A-06 an upgrade without a portal gets 503 and its connection ends', async t => {
  await using edge = await startEdge();
  t.regex(await readToEnd(await openSocket(edge)), /^HTTP\/1\.1 503 /);
});

test('H-03 a console’s way to the recorder ends at the recorder alone, without its login, and the portal is not asked', async t => {
  await using edge = await startEdge({ upgrade: (_request, socket) => socket.end('HTTP/1.1 418 Portal\r\n\r\n') });
  t.regex(await readToEnd(await openSocket(edge, '/recorder/stream')), /^HTTP\/1\.1 503 /, 'it is away');
  const recorder = createServer();
  const asked = once(recorder, 'upgrade') as Promise<[IncomingMessage, Duplex]>;
  recorder.listen(join(edge.folder, 'run', 'recorder.sock'));
  t.teardown(() => recorder.close());
  await once(recorder, 'listening');
  const socket = await edge.connect();
  const headers = { host: NAME, ...WEBSOCKET, cookie: '__Host-login=secret', 'sec-websocket-protocol': 'one, token.x' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET /recorder/stream HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const [request, other] = await asked;
  t.is(request.headers.cookie, undefined);
  t.is(request.headers['sec-websocket-protocol'], 'one, token.x');
  t.is(request.headers.host, NAME);
  other.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
  t.regex(await readToEnd(socket), /^HTTP\/1\.1 403 /);
  t.regex(await readToEnd(await openSocket(edge, '/recorder/other')), /^HTTP\/1\.1 418 /);
});

test('A-06 /healthz says the process lives, /readyz that portal and certificate are good', async t => {
  await using edge = await startEdge();
  t.is((await edge.ask({ path: '/healthz' })).status, 200);
  const unready = await edge.ask({ path: '/readyz' });
  t.is(unready.status, 503);
  t.regex(unready.body, /portal: not ready\ncertificate: ok/);
});

test('A-06 /readyz is 200 with a portal, and 503 once the certificate has run out', async t => {
  await using edge = await startEdge({ upgrade: (_request, socket) => socket.end() });
  t.is((await edge.ask({ path: '/readyz' })).status, 200);
  edge.putCertificate('server', [NAME], { notBefore: Date.now() - 7_200_000, notAfter: Date.now() - 3_600_000 });
  edge.edge.reload();
  await t.throwsAsync(edge.ask({ path: '/healthz' }), { code: 'CERT_HAS_EXPIRED' });
  const text = await edge.probe(`GET /readyz HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`);
  t.regex(text, /^HTTP\/1\.1 503 [\s\S]*certificate: not ready/);
});

test('A-05 only known names are answered, others get 421; a literal only where it came in', async t => {
  await using edge = await startEdge({ portal: (request, response) => response.end(request.headers.host) });
  for (const host of [NAME, `${NAME}:443`, NAME.toUpperCase(), `applet.${NAME}`, 'localhost', '127.0.0.1:8443']) {
    t.is((await edge.ask({ headers: { host } })).status, 200, host);
  }
  for (const host of ['evil.example', `x.${NAME}`, '127.0.0.2', '10.0.0.1', '[::1]', `${NAME}.evil.example`, 'a@b']) {
    t.is((await edge.ask({ headers: { host } })).status, 421, host);
  }
});

test('A-05 port 80 redirects the appliance’s own names to HTTPS with 308, and does nothing else', async t => {
  await using edge = await startEdge({ portal: (_request, response) => response.end('never over plain HTTP') });
  const port = edge.ports.redirect ?? 0;
  const good = await getPlain(port, '/a?b=c', NAME);
  t.is(good.status, 308);
  t.is(good.location, `https://${NAME}:${edge.ports.edge}/a?b=c`);
  t.is((await getPlain(port, '/', 'evil.example')).status, 421);
  t.is((await getPlain(port, '//evil.example/', NAME)).location, `https://${NAME}:${edge.ports.edge}//evil.example/`);
});

test('A-06 metrics are read on loopback, by loopback’s name only, and not through the edge', async t => {
  await using edge = await startEdge({ portal: (_request, response) => response.writeHead(404).end() });
  await edge.ask({ headers: { host: 'evil.example' } });
  const port = edge.ports.metrics ?? 0;
  const text = (await getPlain(port, '/metrics', '127.0.0.1')).body;
  t.regex(text, /gateway_refusals_total\{reason="host"\} 1/);
  t.regex(text, /gateway_certificate_seconds_left\{certificate="server"\} [0-9]+/);
  t.is((await getPlain(port, '/metrics', 'rebound.example')).status, 421);
  t.is((await edge.ask({ path: '/metrics' })).status, 404);
});

test('A-06 ending lets an answer under way finish and takes no new connection', async t => {
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const edge = await startEdge({
    portal: async (_request, response) => {
      asked.resolve();
      await goOn.promise;
      response.end('finished');
    },
  });
  const answer = edge.ask();
  await asked.promise;
  const closed = edge.edge.close();
  await t.throwsAsync(edge.connect(), { code: 'ECONNREFUSED' });
  goOn.resolve();
  t.is((await answer).body, 'finished');
  await closed;
  await edge.close();
});

test('A-06 ending cuts what does not finish in time', async t => {
  const asked = Promise.withResolvers<void>();
  const edge = await startEdge({ portal: () => asked.resolve(), limits: { drainMs: 50 } });
  const answer = t.throwsAsync(edge.ask());
  await asked.promise;
  await edge.close();
  await answer;
});

test('A-05 nothing under /gateway/ ever reaches the portal', async t => {
  await using edge = await startEdge({ portal: (_request, response) => response.end('portal') });
  t.is((await edge.ask({ path: '/gateway/anything' })).status, 404);
  t.regex(await readToEnd(await openSocket(edge, '/gateway/relay')), /^HTTP\/1\.1 404 /);
});

test('A-05 names that setup changes are answered from then on, and the old ones no more', async t => {
  await using edge = await startEdge({ portal: (_request, response) => response.end('x') });
  edge.edge.reload({ ...testEdgeConfig, names: ['renamed.example'] });
  t.is((await edge.ask({ headers: { host: 'renamed.example' } })).status, 200);
  t.is((await edge.ask({ headers: { host: 'applet.renamed.example' } })).status, 200);
  t.is((await edge.ask({ headers: { host: NAME } })).status, 421);
});
