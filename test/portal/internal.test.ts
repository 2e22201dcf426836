import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readGatewayList } from '../../appliance/applet/gateways.ts';
import { publicKeyInfo } from '../../appliance/pki/signature.ts';
import { GatewayList } from '../../appliance/portal/gateway-list.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { askSocket } from './ask-socket.ts';

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

const ask = (method: string, path: string, json?: unknown) =>
  askSocket(join(appliance.dataFolder, 'run', 'portal-internal.sock'), method, path, undefined, {}, json);

test('F-02 the list of gateways is signed with the key an applet has pinned, and names the first name', async t => {
  const { status, body } = await ask('GET', '/internal/gateway-list');
  t.is(status, 200);
  const pem = readFileSync(join(appliance.dataFolder, 'public', 'gateway-list.pub'), 'utf8');
  const key = publicKeyInfo(createPublicKey(pem));
  t.deepEqual(readGatewayList(body, [key], Date.now()), [{ id: 'gateway-1', host: 'localhost', port: appliance.port }]);
  const again = await ask('GET', '/internal/gateway-list');
  t.is(again.body, body, 'it is signed once, not for whoever asks');
});

test('F-02 the list is signed anew when half its time is over, when it changes, and after a refusal', async t => {
  const clock = new ManualClock();
  let signed = 0;
  let isDown = false;
  let port = 8443;
  const signGatewayList = async () => {
    if (isDown) throw new Error('no signer');
    return { payload: new Uint8Array(), kid: '', signature: String(++signed) };
  };
  const listen = { address: '::', redirectPort: null, metricsPort: null };
  const config = () => ({
    names: ['support.example.com'],
    listen: { ...listen, port },
    gateways: [{ id: 'gateway-1' }, { id: 'gateway-2', port: 8444 }, { id: 'gateway-3' }],
  });
  const list = new GatewayList({ signer: { signGatewayList }, clock, config });
  const next = async () => (await list.current()).signature;
  t.deepEqual(await Promise.all([next(), next()]), ['1', '1']);
  clock.advance(30 * 60_000 - 1);
  t.is(await next(), '1');
  clock.advance(1);
  t.is(await next(), '2');
  port = 443;
  t.is(await next(), '3');
  port = 8443;
  isDown = true;
  await t.throwsAsync(next());
  isDown = false;
  t.is(await next(), '4');
  t.deepEqual(
    list.gateways().map(gateway => [gateway.id, gateway.port]),
    [
      ['gateway-1', 8443],
      ['gateway-2', 8444],
    ],
  );
});

test('F-04 a token nobody issued opens no relay, and the answer never says why', async t => {
  const digest = 'A'.repeat(43);
  t.is((await ask('POST', '/internal/relay/authorise', { digest, role: 'console' })).status, 403);
  t.is((await ask('POST', '/internal/relay/authorise', { digest: '', role: 'applet' })).status, 403);
  for (const body of [undefined, {}, { digest, role: 'portal' }, { digest: 1, role: 'applet' }, [], 'x'.repeat(5000)]) {
    t.is((await ask('POST', '/internal/relay/authorise', body)).status, 400);
  }
});

test('A-06 the metrics of the portal can be read on the internal socket alone', async t => {
  const { status, body } = await ask('GET', '/internal/metrics');
  t.is(status, 200);
  t.regex(JSON.parse(body).text, /support_sessions\{state="waiting"\} 0/);
  t.is((await appliance.fetch('/internal/metrics')).status, 404);
});
