// Connections made to use us up before anyone has said who they are.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { NAME, startEdge, type TestEdge } from '../support/test-edge.ts';

function openTcp(edge: TestEdge): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: edge.ports.edge });
  return once(socket, 'connect').then(() => socket);
}

function closed(socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  socket.resume();
  return new Promise(resolve => (socket.closed ? resolve() : socket.once('close', () => resolve())));
}

test('A-05 a handshake that is never begun, and one that stops half way, are cut off in time', async t => {
  await using edge = await startEdge({ limits: { handshakeMs: 300 } });
  const silent = await openTcp(edge);
  const half = await openTcp(edge);
  half.write(Buffer.from('16030102000100', 'hex')); // the head of a ClientHello of 512 bytes
  const drip = setInterval(() => half.writable && half.write('\0'), 50); // and a byte now and then
  await Promise.all([closed(silent), closed(half)]);
  clearInterval(drip);
  t.is((await edge.ask({ path: '/healthz' })).status, 200);
});

test('A-05 what is not TLS, or TLS of a hundred random beginnings, is dropped and nothing else suffers', async t => {
  await using edge = await startEdge();
  const beginnings = [
    'GET / HTTP/1.1\r\n\r\n',
    'SSH-2.0-x\r\n',
    '\x16\x03\x01\xff\xff',
    '\x80\x2e\x01\x00\x02',
    '\0'.repeat(3000),
  ];
  for (const bytes of beginnings) {
    const socket = await openTcp(edge);
    socket.end(bytes, 'latin1');
    await closed(socket);
  }
  t.is((await edge.ask({ path: '/healthz' })).status, 200);
});

test('A-05 one source gets its share of connections, is refused more, and gets it back', async t => {
  await using edge = await startEdge({ limits: { connectionsPerSource: 5 } });
  const held = await Promise.all([1, 2, 3, 4, 5].map(() => edge.connect()));
  await t.throwsAsync(edge.connect());
  t.regex(edge.metrics.text(), /gateway_refusals_total\{reason="connections-of-source"\} 1/);
  const gone = held.map(socket => once(socket, 'close'));
  for (const socket of held) socket.end();
  await Promise.all(gone);
  t.is((await edge.ask({ path: '/healthz' })).status, 200);
});

test('A-05 unfinished handshakes of one source are few, finished ones do not count', async t => {
  await using edge = await startEdge({ limits: { handshakesPerSource: 3 } });
  const done = await Promise.all([edge.connect(), edge.connect(), edge.connect()]);
  const flood = await Promise.all(Array.from({ length: 20 }, () => openTcp(edge)));
  const ended = flood.map(closed);
  await Promise.all(ended.slice(3)); // the three that are left are within the share
  t.is(flood.filter(socket => socket.closed).length, 17);
  for (const socket of [...flood, ...done]) socket.destroy();
});

test('A-05 beyond the overall limit connections are dropped before they cost anything, and service goes on', async t => {
  await using edge = await startEdge({ limits: { connections: 4 } });
  const held = await Promise.all([1, 2, 3, 4].map(() => edge.connect()));
  await t.throwsAsync(edge.connect());
  t.regex(edge.metrics.text(), /gateway_refusals_total\{reason="connections"\} 1/);
  held[0]?.write(`GET /healthz HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`);
  const [answer] = await once(held[0] ?? process, 'data');
  t.regex(String(answer), /^HTTP\/1\.1 200/);
  for (const socket of held) socket.destroy();
});

test('A-06 a gateway under silent connections still ends in time', async t => {
  const edge = await startEdge({ limits: { drainMs: 100 } });
  const silent = await Promise.all(Array.from({ length: 20 }, () => openTcp(edge)));
  const ended = silent.map(closed);
  await edge.close();
  await t.notThrowsAsync(Promise.all(ended));
});
