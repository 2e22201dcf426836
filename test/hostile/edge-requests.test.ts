// Requests made to be read differently by two readers, and requests made to use us up.
import { once } from 'node:events';
import test from 'ava';
import { edgeLimits } from '../../appliance/gateway/limits.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NAME, readBody, readToEnd, startEdge, type TestEdgeWish } from '../support/test-edge.ts';

const HOST = `Host: ${NAME}\r\n`;

/** A portal that writes down every request line it was sent. */
function witness(): { seen: string[]; wish: TestEdgeWish } {
  const seen: string[] = [];
  return {
    seen,
    wish: {
      portal: async (request, response) => {
        seen.push(`${request.method} ${request.url} ${await readBody(request)}`);
        response.end('ok');
      },
    },
  };
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';

const smugglings: Readonly<Record<string, string>> = {
  'Content-Length and Transfer-Encoding': `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'Transfer-Encoding and Content-Length': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'two different lengths': `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${SMUGGLED}`,
  'a list of lengths': `POST / HTTP/1.1\r\n${HOST}Content-Length: 0, 40\r\n\r\n${SMUGGLED}`,
  'a signed length': `POST / HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\n${SMUGGLED}`,
  'a hexadecimal length': `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\n${SMUGGLED}`,
  'space before the colon': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'an encoding nobody has': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'two encodings': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'gzip before chunked': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a folded header': `POST / HTTP/1.1\r\n${HOST}X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'bare line feeds': `POST / HTTP/1.1\n${HOST}Content-Length: 0\n\n${SMUGGLED}`,
  'a bare carriage return': `POST / HTTP/1.1\r\n${HOST}X-A: b\rContent-Length: 40\r\n\r\n${SMUGGLED}`,
  'a NUL in a header': `POST / HTTP/1.1\r\n${HOST}X-A: \0b\r\n\r\n${SMUGGLED}`,
  'a chunk length that overflows': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1000000000000000f\r\n${SMUGGLED}`,
  'a chunk with a negative length': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n-1\r\n${SMUGGLED}`,
  'two hosts': `GET / HTTP/1.1\r\n${HOST}Host: evil.example\r\n\r\n${SMUGGLED}`,
  'no host': `GET / HTTP/1.1\r\n\r\n${SMUGGLED}`,
  'an absolute target': `GET http://evil.example/ HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
  'an asterisk target': `OPTIONS * HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
  'a proxy connection': `CONNECT 127.0.0.1:22 HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
  'HTTP/1.0 with an encoding': `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'HTTP/0.9': `GET /\r\n\r\n${SMUGGLED}`,
  'a trace': `TRACE / HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
  'a method nobody has': `GETT / HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
};

for (const [name, bytes] of Object.entries(smugglings)) {
  test(`A-05 smuggling by ${name}: one refusal, no second request, the connection ends`, async t => {
    const { seen, wish } = witness();
    await using edge = await startEdge(wish);
    const text = await edge.raw(bytes);
    t.regex(text, /^(HTTP\/1\.1 (400|405|421|505) |$)/);
    t.is([...text.matchAll(/^HTTP\/1\.1 /gm)].length <= 1, true);
    // A broken chunk is found after its head was passed on; whatever the portal had of it is never more than that.
    t.false(seen.some(line => line.includes('smuggled')));
    t.is((await edge.ask()).status, 200);
  });
}

test('A-05 a nominated Content-Length can not unframe the body on its way to the portal', async t => {
  const { seen, wish } = witness();
  await using edge = await startEdge(wish);
  const body = SMUGGLED;
  const head = `POST /a HTTP/1.1\r\n${HOST}Connection: close, content-length, transfer-encoding, host\r\nContent-Length: ${body.length}\r\n\r\n`;
  t.regex(await edge.raw(head + body), /^HTTP\/1\.1 200/);
  t.deepEqual(seen, [`POST /a ${body}`]);
});

test('A-05 headers beyond 16 KiB get 431, whether one long or many short', async t => {
  const { seen, wish } = witness();
  await using edge = await startEdge(wish);
  t.regex(await edge.raw(`GET / HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(17_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  t.regex(await edge.raw(`GET /${'a'.repeat(17_000)} HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1\.1 431 /);
  t.regex(await edge.raw(`GET / HTTP/1.1\r\n${HOST}${'X-Aaaaaaa: bbbbbbbb\r\n'.repeat(900)}\r\n`), /^HTTP\/1\.1 431 /);
  t.deepEqual(seen, []);
});

test('A-05 a slow loris is cut off when its headers take too long', async t => {
  await using edge = await startEdge({ limits: { headersMs: 400 } });
  const socket = await edge.connect();
  const ended = readToEnd(socket);
  socket.write('GET / HTTP/1.1\r\n');
  const drip = setInterval(() => socket.writable && socket.write('X-A: b\r\n'), 50);
  t.regex(await ended, /^HTTP\/1\.1 408 /);
  clearInterval(drip);
});

test('A-05 a connection that never says anything after its handshake is cut off', async t => {
  await using edge = await startEdge({ limits: { headersMs: 300 } });
  t.regex(await readToEnd(await edge.connect()), /^(HTTP\/1\.1 408 |$)/);
});

test('A-05 a body that stops moving is cut off, and the portal is told', async t => {
  const clock = new ManualClock();
  const begun = Promise.withResolvers<void>();
  const told = Promise.withResolvers<boolean>();
  await using edge = await startEdge({
    portal: request => {
      request.once('data', () => begun.resolve()).resume();
      request.on('error', () => undefined);
      request.once('close', () => told.resolve(request.complete));
    },
    clock,
  });
  const answer = edge.raw(`POST / HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\nonly this`);
  await begun.promise;
  clock.advance(edgeLimits.bodySilenceMs);
  t.regex(await answer, /^HTTP\/1\.1 408 /);
  t.false(await told.promise);
});

test('A-05 a body that stops moving is cut off also when the answer has begun', async t => {
  const clock = new ManualClock();
  await using edge = await startEdge({
    portal: (request, response) => {
      response.writeHead(200).write('begun');
      request.resume().on('error', () => undefined);
    },
    clock,
  });
  const socket = await edge.connect();
  const text = readToEnd(socket);
  const begun = once(socket, 'data');
  socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\nonly this`);
  await begun;
  clock.advance(edgeLimits.bodySilenceMs);
  t.regex(await text, /^HTTP\/1\.1 200 /);
});

test('A-05 a portal that never answers costs the client a 504, not a hanging connection', async t => {
  const clock = new ManualClock();
  const asked = Promise.withResolvers<void>();
  await using edge = await startEdge({ portal: () => asked.resolve(), clock });
  const answer = edge.ask();
  await asked.promise;
  clock.advance(edgeLimits.answerMs);
  t.is((await answer).status, 504);
});

test('A-05 a client that never reads is dropped, with bounded memory meanwhile', async t => {
  const stopped = Promise.withResolvers<number>();
  await using edge = await startEdge({
    portal: (_request, response) => {
      let sent = 0;
      const chunk = Buffer.alloc(65_536);
      const fill = () => {
        do sent += chunk.length;
        while (response.write(chunk));
      };
      response.on('drain', fill);
      response.on('close', () => stopped.resolve(sent));
      fill();
    },
    limits: { unreadMs: 500 },
  });
  const socket = await edge.connect();
  socket.pause();
  socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  // What kernel and stream buffers take, and no more, however much the portal would like to send.
  t.true((await stopped.promise) < 32 * 1024 * 1024);
  socket.destroy();
});

test('A-05 more pipelined requests than allowed end the connection', async t => {
  await using edge = await startEdge({ portal: () => undefined, limits: { requestsPerConnection: 4 } });
  t.is(await edge.raw(`GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(50)), '');
});

test('A-05 more requests under way than allowed get 503 at once, and room again afterwards', async t => {
  const goOn = Promise.withResolvers<void>();
  let waiting = 0;
  const full = Promise.withResolvers<void>();
  await using edge = await startEdge({
    portal: async (_request, response) => {
      waiting += 1;
      if (waiting === 3) full.resolve();
      await goOn.promise;
      response.end('ok');
    },
    limits: { requests: 3 },
  });
  const first = [edge.ask(), edge.ask(), edge.ask()];
  await full.promise;
  t.like(await edge.ask(), {
    status: 503,
    body: 'The appliance has too much to do just now. Try again in a few seconds.\n',
  });
  goOn.resolve();
  t.deepEqual(
    (await Promise.all(first)).map(answer => answer.status),
    [200, 200, 200],
  );
  t.is((await edge.ask()).status, 200);
});

test('A-05 a client that leaves in the middle ends its request at the portal', async t => {
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  await using edge = await startEdge({
    portal: (_request, response) => {
      response.once('close', () => left.resolve());
      asked.resolve();
    },
  });
  const socket = await edge.connect();
  socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  await asked.promise;
  socket.destroy();
  await t.notThrowsAsync(left.promise);
});

test('A-05 an answer before the end of the body ends the connection, so that the rest is not taken for a request', async t => {
  let requests = 0;
  await using edge = await startEdge({
    portal: (_request, response) => {
      requests += 1;
      response.writeHead(413, { 'content-length': 4 }).end('long');
    },
  });
  const text = await edge.raw(`POST / HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n${SMUGGLED}`);
  t.regex(text, /^HTTP\/1\.1 413 [\s\S]*Connection: close[\s\S]*long$/);
  t.is(requests, 1);
});

test('A-05 an upgrade with a body can not put the next request out of step', async t => {
  const { seen, wish } = witness();
  await using edge = await startEdge({
    ...wish,
    upgrade: (_request, socket) => socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n'),
  });
  const upgrade = (more: string) =>
    `GET /u HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;
  t.regex(await edge.raw(`${upgrade('Content-Length: 5\r\n')}hello`), /^HTTP\/1\.1 400 /);
  t.regex(await edge.raw(`${upgrade('Transfer-Encoding: chunked\r\n')}0\r\n\r\n`), /^HTTP\/1\.1 400 /);
  t.regex(await edge.raw(upgrade('').replace('GET', 'POST')), /^HTTP\/1\.1 400 /);
  t.regex(await edge.raw(upgrade('')), /^HTTP\/1\.1 403 /);
  t.is((await edge.ask({ path: '/next' })).status, 200);
  t.deepEqual(seen, ['GET /next ']);
});

test('A-05 a request answered before its body had ended leaves no connection waiting for the rest', async t => {
  const left = Promise.withResolvers<void>();
  await using edge = await startEdge({
    portal: (request, response) => {
      request.socket.once('close', () => left.resolve());
      response.writeHead(413, { 'content-length': 4 }).end('long');
    },
  });
  t.regex(await edge.raw(`POST / HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\nonly this`), /^HTTP\/1\.1 413 /);
  await t.notThrowsAsync(left.promise);
});

test('A-05 an upgrade to anything but WebSocket is an ordinary request', async t => {
  const { seen, wish } = witness();
  await using edge = await startEdge(wish);
  const text = await edge.raw(`GET /h2 HTTP/1.1\r\n${HOST}Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n`);
  t.regex(text, /^HTTP\/1\.1 200 /);
  t.deepEqual(seen, ['GET /h2 ']);
});

test('A-05 upgrades are counted overall and given back; one for an unknown host gets 421', async t => {
  await using edge = await startEdge({
    upgrade: (_request, socket) => {
      socket.on('error', () => socket.destroy());
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.resume().on('end', () => socket.end());
    },
    limits: { upgrades: 2 },
  });
  const ask = (host = NAME) => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const open = async () => {
    const socket = await edge.connect();
    socket.write(ask());
    await once(socket, 'data');
    return socket;
  };
  const [one, two] = [await open(), await open()];
  t.regex(await edge.raw(ask()), /^HTTP\/1\.1 503 /);
  t.regex(await edge.raw(ask('evil.example')), /^HTTP\/1\.1 421 /);
  const gone = once(one, 'close');
  one.end();
  await gone;
  const three = await open();
  t.pass();
  two.destroy();
  three.destroy();
});

for (const [place, request] of [
  ['the target', (byte: string) => `GET /a${byte}b HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`],
  ['a header', (byte: string) => `GET / HTTP/1.1\r\n${HOST}X-A: a${byte}b\r\nConnection: close\r\n\r\n`],
  ['a header’s name', (byte: string) => `GET / HTTP/1.1\r\n${HOST}X${byte}A: b\r\nConnection: close\r\n\r\n`],
  [
    'an upgrade',
    (byte: string) =>
      `GET /${byte} HTTP/1.1\r\n${HOST}X-A: ${byte}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ],
] as const) {
  test(`A-05 each of the 256 bytes in ${place} is passed on or refused, and never ends the gateway`, async t => {
    const { wish } = witness();
    await using edge = await startEdge({
      ...wish,
      upgrade: (_request, socket) => socket.end('HTTP/1.1 403 No\r\n\r\n'),
    });
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    for (let from = 0; from < bytes.length; from += 32) {
      const answers = await Promise.all(bytes.slice(from, from + 32).map(byte => edge.raw(request(byte))));
      for (const answer of answers) t.regex(answer, /^(HTTP\/1\.1 (200|400|403|421) |$)/);
    }
    t.is((await edge.ask()).status, 200);
  });
}

for (const head of [
  'HTTP/1.1 099 Low\r\n\r\n',
  'HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 Caf\u00e9 \u0001\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX-A: \u0001\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: nobody-asked\r\nConnection: Upgrade\r\n\r\n',
  'nonsense',
]) {
  test(`A-06 a portal that answers ${JSON.stringify(head.slice(0, 40))} costs that answer only`, async t => {
    let broken = true;
    await using edge = await startEdge({
      portal: (request, response) => {
        if (!broken) return void response.end('ok');
        request.socket.end(head, 'latin1');
      },
    });
    await edge.raw(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    broken = false;
    t.is((await edge.ask()).status, 200);
  });
}
