// The listener of the settings: who is not on its list gets no TLS, the list and the place change while it runs.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ApplianceConfig, parseConfig, settingsEndpoint } from '../../appliance/config.ts';
import { freePort } from '../support/appliance.ts';
import { startEdge, type TestEdge, testEdgeConfig } from '../support/test-edge.ts';

async function open(t: ExecutionContext, from: readonly string[]) {
  const port = await freePort();
  const settings = { enabled: true, address: null, port, from: [...from] };
  const edge = await startEdge({
    portal: (_request, answer) => answer.end('portal'),
    config: { ...testEdgeConfig, settings },
  });
  const behind = createServer((request, answer) => answer.end(`settings for ${request.headers['x-appliance-peer']}`));
  await new Promise<void>(resolve => behind.listen(join(edge.folder, 'run', 'portal-settings.sock'), resolve));
  t.teardown(async () => {
    await edge.close();
    behind.closeAllConnections();
    behind.close();
  });
  const set = (over: Partial<ApplianceConfig['settings']>) =>
    edge.edge.reload({ ...testEdgeConfig, settings: { ...settings, ...over } });
  return { edge, port, set };
}

/** What comes from a TCP connection that says as much as the start of a handshake. */
async function touch(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => socket.destroy());
  let got = '';
  socket.on('data', chunk => {
    got += chunk.toString('hex');
  });
  socket.write(Buffer.from('16030100050100000100', 'hex'));
  await new Promise(resolve => socket.once('close', resolve)); // also after an error
  return got;
}

const ask = async (edge: TestEdge, port: number) => (await edge.ask({ port })).body;

test('A-05 B-01 the settings have a listener of their own: the same certificate, another socket behind it', async t => {
  const { edge, port } = await open(t, ['127.0.0.0/8']);
  t.is(await ask(edge, port), 'settings for 127.0.0.1');
  t.is(await ask(edge, edge.ports.edge), 'portal');
  t.is((await edge.ask({ port, headers: { host: 'elsewhere.example' } })).status, 421);
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  t.is((await edge.ask({ port, path: '/gateway/relay', headers: upgrade })).status, 404, 'no relay, no hand-off');
});

test('A-05 who is not on the list is dropped before TLS: he does not even see a certificate', async t => {
  const { edge, port } = await open(t, ['10.0.0.0/8']);
  t.is(await touch(port), '', 'not a byte of an answer');
  t.not(await touch(edge.ports.edge), '', 'where one is let in there is an alert');
  t.regex(edge.metrics.text(), /settings-address/);
});

test('A-05 a list that changes holds for who is there already, and lets in whom it names', async t => {
  const { edge, port, set } = await open(t, ['127.0.0.1']);
  const live: Socket = await edge.connect({ port });
  const gone = once(live, 'close');
  live.on('error', () => live.destroy());
  await set({ from: ['192.168.0.0/16'] });
  await gone;
  await t.throwsAsync(ask(edge, port));
  await set({ from: ['192.168.0.0/16', '127.0.0.1'] });
  t.is(await ask(edge, port), 'settings for 127.0.0.1');
});

test('A-05 the place may change while it runs, be turned off and on; one that is taken leaves the old one', async t => {
  const { edge, port, set } = await open(t, ['127.0.0.1']);
  const next = await freePort();
  await set({ port: next });
  t.is(await ask(edge, next), 'settings for 127.0.0.1');
  await t.throwsAsync(ask(edge, port), { code: 'ECONNREFUSED' });
  await set({ port: edge.ports.edge });
  t.is(await ask(edge, next), 'settings for 127.0.0.1', 'where it was');
  await set({ port: next, address: '192.0.2.1' });
  t.is(await ask(edge, next), 'settings for 127.0.0.1', 'an address that is not ours');
  await set({ enabled: false });
  await t.throwsAsync(ask(edge, next), { code: 'ECONNREFUSED' });
  await set({});
  t.is(await ask(edge, port), 'settings for 127.0.0.1');
});

test('A-05 without a word in the file they listen beside the pages, for private networks; an old file’s list still holds', t => {
  const plain = parseConfig('version: 1');
  t.deepEqual(settingsEndpoint(plain), { address: '::', port: 8444 });
  t.true(plain.settings.from.includes('10.0.0.0/8') && !plain.settings.from.includes('0.0.0.0/0'));
  const busy =
    'version: 1\nlisten: { port: 443, redirectPort: 80 }\ngateways: [{ id: gateway-1 }, { id: gateway-2, port: 444 }]\n';
  t.is(settingsEndpoint(parseConfig(busy)).port, 445);
  t.deepEqual(parseConfig('version: 1\nsettings: { addresses: [192.0.2.0/24] }').settings.from, ['192.0.2.0/24']);
  t.deepEqual(parseConfig('version: 1\nsettings: { addresses: [] }').settings.from, plain.settings.from);
  t.throws(() => parseConfig('version: 1\nsettings: { from: [] }'), { code: 'config.malformed' });
});
