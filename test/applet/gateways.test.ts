import test from 'ava';
import { chooseGateway, findGateway, readGatewayList } from '../../appliance/applet/gateways.ts';
import { findProxy } from '../../appliance/applet/proxy.ts';
import { connectSecurely } from '../../appliance/applet/secure-connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { ApplianceError } from '../../appliance/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TestAuthority } from '../support/test-certificates.ts';
import { makeListKey, signedList, TestGateway, TestProxy } from './test-gateway.ts';

const authority = new TestAuthority();
const certificate = authority.issue({ names: ['applet.localhost'] });
const key = makeListKey();
const ownList = (port: number) => signedList(key, [{ id: 'gateway-1', host: 'localhost', port }], Date.now());

function optionsFor(ports: number[], environment: Record<string, string> = {}) {
  const servers = ports.map(port => ({ host: 'localhost', port }));
  const keys = { 'gateway-list': [key.info] } as never;
  const configuration = { servers, anchors: [authority.certificate], keys };
  return { configuration, environment, clock: systemClock, waiting: () => undefined };
}

test('F-02 the applet fetches the signed list, picks a gateway and asks for the appliance CA’s certificate', async t => {
  await using gateway = await TestGateway.start(certificate, ownList);
  const chosen = await chooseGateway(optionsFor([gateway.port]));
  t.teardown(() => chosen.connection.destroy());
  t.is(chosen.gateway.id, 'gateway-1');
  t.true(chosen.connection.authorized);
  // The second may not have been counted yet: a TLS 1.3 client is done before its server.
  t.deepEqual([...new Set(gateway.serverNames)], ['applet.localhost']);
  t.regex(chosen.connection.getCipher().standardName, /AES_256_GCM_SHA384/);
});

test('F-02 a server that is down is passed over, and so is a gateway', async t => {
  await using gateway = await TestGateway.start(certificate, port =>
    signedList(
      key,
      [
        { id: 'down', host: 'localhost', port: 1 },
        { id: 'up', host: 'localhost', port },
      ],
      Date.now(),
    ),
  );
  const chosen = await chooseGateway(optionsFor([1, gateway.port]));
  chosen.connection.destroy();
  t.is(chosen.gateway.id, 'up');
});

const strangers = {
  'a stranger’s CA': () => new TestAuthority('Somebody else').issue({ names: ['applet.localhost'] }),
  'another name': () => authority.issue({ names: ['localhost'] }),
  'a certificate that is over': () => authority.issue({ names: ['applet.localhost'], notAfter: Date.now() - 1000 }),
};
for (const [what, issue] of Object.entries(strangers)) {
  test(`F-02 attack: a gateway with ${what} is not talked to`, async t => {
    await using gateway = await TestGateway.start(issue(), ownList);
    await t.throwsAsync(chooseGateway(optionsFor([gateway.port])), { code: 'connection.not-trusted' });
    t.is(gateway.requests, 0);
  });
}

test('F-02 attack: a list that no pinned key signed, that is altered, or that is over, is not taken', t => {
  const now = Date.now();
  const gateways = [{ id: 'g', host: 'localhost', port: 443 }];
  const good = signedList(key, gateways, now);
  t.is(readGatewayList(good, [key.info], now).length, 1);
  const refused = (text: string, at = now) =>
    t.throws(() => readGatewayList(text, [key.info], at), { code: 'gateway-list.refused' });
  refused(signedList(makeListKey(), gateways, now));
  refused(good.replace('"payload":"e', '"payload":"f'));
  refused(good, now + 3 * 86_400_000);
  refused('');
  refused('{}');
  refused(good.slice(0, -1));
  const other = makeListKey();
  const claimed = JSON.parse(signedList(other, gateways, now));
  refused(JSON.stringify({ ...claimed, kid: key.info.kid }));
  t.is(readGatewayList(signedList(other, gateways, now), [key.info, other.info], now).length, 1); // the successor
});

test('F-02 it goes through the proxy of the environment, with its password', async t => {
  await using gateway = await TestGateway.start(certificate, ownList);
  await using proxy = await TestProxy.start(`Basic ${Buffer.from('ann:p@ss').toString('base64')}`);
  const environment = { HTTPS_PROXY: `http://ann:p%40ss@127.0.0.1:${proxy.port}` };
  const chosen = await chooseGateway(optionsFor([gateway.port], environment));
  chosen.connection.destroy();
  t.deepEqual(proxy.asked, Array(2).fill(`CONNECT localhost:${gateway.port} HTTP/1.1`));
  const wrong = optionsFor([gateway.port], { HTTPS_PROXY: `http://ann:wrong@127.0.0.1:${proxy.port}` });
  await t.throwsAsync(chooseGateway(wrong), { code: 'proxy.refused' });
});

test('F-02 attack: a proxy that speaks for the server is found out', async t => {
  await using gateway = await TestGateway.start(certificate, ownList);
  await using liar = await TestProxy.start(null, 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}');
  const through = (proxy: TestProxy) => optionsFor([gateway.port], { HTTPS_PROXY: `127.0.0.1:${proxy.port}` });
  await t.throwsAsync(chooseGateway(through(liar)), { code: 'proxy.refused' });
  await using endless = await TestProxy.start(null, 'x'.repeat(20_000));
  await t.throwsAsync(chooseGateway(through(endless)), { code: 'proxy.refused' });
});

test('F-02 which proxy: names that are exempt, forms that are not understood', t => {
  const target = { host: 'help.example.com', port: 443 };
  const HTTPS_PROXY = 'http://proxy:3128';
  t.is(findProxy(target, {}), null);
  t.deepEqual(findProxy(target, { HTTPS_PROXY }), { host: 'proxy', port: 3128, authorization: null });
  t.is(findProxy(target, { ALL_PROXY: 'proxy' })?.port, 80);
  for (const NO_PROXY of ['*', 'example.com', '.example.com', 'a, *.example.com', 'help.example.com:443']) {
    t.is(findProxy(target, { HTTPS_PROXY, NO_PROXY }), null, NO_PROXY);
  }
  for (const NO_PROXY of ['', 'ample.com', 'help.example.com:8443', 'example.org']) {
    t.not(findProxy(target, { HTTPS_PROXY, NO_PROXY }), null, NO_PROXY);
  }
  for (const text of ['socks5://proxy:1', 'https://proxy', 'http://']) {
    t.throws(() => findProxy(target, { HTTPS_PROXY: text }), { code: 'proxy.malformed' });
  }
});

test('F-02 it keeps trying, says why and when, and stops when told', async t => {
  await using gateway = await TestGateway.start(certificate, () => 'nothing yet');
  const clock = new ManualClock();
  const told: { error: ApplianceError; delayMs: number }[] = [];
  const twice = Promise.withResolvers<void>();
  const waiting = (error: ApplianceError, delayMs: number) => {
    told.push({ error, delayMs });
    if (told.length < 3) queueMicrotask(() => setImmediate(() => clock.advance(delayMs)));
    else twice.resolve();
    if (told.length === 2) gateway.list = () => 'still nothing';
  };
  const stop = new AbortController();
  const found = findGateway({ ...optionsFor([gateway.port]), clock, waiting }, stop.signal);
  await twice.promise;
  stop.abort(new Error('the customer ended it'));
  await t.throwsAsync(found, { message: 'the customer ended it' });
  t.deepEqual(
    told.map(({ error }) => error.code),
    Array(3).fill('gateway-list.refused'),
  );
  for (const [n, { delayMs }] of told.entries()) t.true(delayMs >= 500 * 2 ** n && delayMs < 500 * 2 ** n + 500);
});

test('F-02 a server that says nothing does not hold it up for ever', async t => {
  const { createServer } = await import('node:net');
  const silent = createServer(socket => socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1');
  await new Promise(resolve => silent.once('listening', resolve));
  t.teardown(() => silent.close());
  const { port } = silent.address() as { port: number };
  const options = { anchors: [authority.certificate], environment: {}, timeoutMs: 100 };
  await t.throwsAsync(connectSecurely({ host: 'localhost', port }, options), { code: 'connection.failed' });
});
