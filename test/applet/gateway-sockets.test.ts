// The applet's WebSockets on the real edge and its real relay: names, masks and bytes as the gateway wants them.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { openRelayPath } from '../../appliance/applet/relay-path.ts';
import { connectSecurely } from '../../appliance/applet/secure-connection.ts';
import { openLegSocket } from '../../appliance/applet/web-socket.ts';
import { systemClock } from '../../appliance/clock.ts';
import { fromBase64Url } from '../../appliance/guid.ts';
import { bytesOf } from '../link/support.ts';
import { TestRelay } from '../support/test-relay.ts';

async function openRelay() {
  const relay = new TestRelay({});
  await relay.edge.start();
  const address = { host: 'localhost', port: relay.edge.ports.edge };
  const anchors = [relay.edge.authority.certificate];
  const connect = () => connectSecurely(address, { anchors, environment: {} });
  return { relay, address, connect };
}

test('F-04 the relay takes the applet’s leg: the applet’s name, its origin, its frames masked with zeroes', async t => {
  const { relay, address, connect } = await openRelay();
  await using _closes = relay;
  const token = fromBase64Url(relay.issueToken('applet', 'pair-1'));
  const path = await openRelayPath(address, await connect(), { clock: systemClock, token });
  const console = await relay.attach('console', 'pair-1');
  const heard = Promise.withResolvers<Uint8Array>();
  const closed = Promise.withResolvers<void>();
  path.listen({ message: heard.resolve, drained: () => undefined, closed: closed.resolve });
  const record = bytesOf(randomBytes(60_000));
  path.send(record);
  const frame = await console.next();
  t.deepEqual(bytesOf(frame?.payload ?? Buffer.alloc(0)), record);
  const answer = randomBytes(300);
  console.send(answer, randomBytes(4)); // masked with a key of the console's own, as a browser does
  t.deepEqual(Buffer.from(await heard.promise), answer);
  console.socket.destroy();
  await closed.promise;
  t.pass();
});

test('F-04 a token that is not good, or used: no path, and the connection is closed', async t => {
  const { relay, address, connect } = await openRelay();
  await using _closes = relay;
  const connection = await connect();
  const opening = openRelayPath(address, connection, { clock: systemClock, token: bytesOf(randomBytes(32)) });
  await t.throwsAsync(opening, { code: 'connection.failed' });
  t.true(connection.destroyed);
});

test('F-03 where there is no leg to be had the caller is told', async t => {
  const { relay, address, connect } = await openRelay();
  await using _closes = relay;
  await t.throwsAsync(openLegSocket(address, await connect(), systemClock), { code: 'connection.failed' });
});
