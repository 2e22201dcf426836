import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import test from 'ava';
import { LEG_CLOSE, parseFromApplet, writeLegMessage } from '../../appliance/protocol/applet-leg.ts';
import { CLAIMED, claim, sha256, startHandOff } from '../support/test-hand-off.ts';

test('F-03 an applet’s leg reaches the portal with its address and its gateway, and both hear each other', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.connect();
  t.is(portal.headers['x-appliance-peer'], '127.0.0.1');
  t.is(portal.headers['x-appliance-gateway'], 'gateway-1');
  t.is(applet.socket.protocol, 'appliance.applet-leg.v1');
  t.is(applet.socket.extensions, '');
  applet.say(claim());
  t.truthy(await portal.inbox.next());
  portal.say(CLAIMED);
  t.deepEqual(await applet.hears(), CLAIMED);
  applet.say({ type: 'ask-time', nonce: new Uint8Array(16) });
  t.is(String(await portal.inbox.next()), '{"nonce":"AAAAAAAAAAAAAAAAAAAAAA","type":"ask-time"}');
});

for (const show of [
  (token: Uint8Array<ArrayBuffer>) => ({ ...claim(), token }),
  (token: Uint8Array<ArrayBuffer>) => ({ type: 'return', token, signature: new Uint8Array(64) }) as const,
  (token: Uint8Array<ArrayBuffer>) =>
    ({ type: 'ticket', token, ticket: new Uint8Array(32), apk: new Uint8Array(91), platform: 'win-x64' }) as const,
]) {
  const token = Uint8Array.from(randomBytes(32));
  const message = show(token);
  test(`F-03 of the token in ${message.type} the portal sees SHA-256, before and after the claim, all else unchanged`, async t => {
    await using at = await startHandOff();
    const { applet, portal } = await at.connect();
    for (const claimed of [false, true]) {
      if (claimed) portal.say(CLAIMED);
      if (claimed) await applet.hears();
      applet.socket.send(writeLegMessage(message), { binary: true });
      const got = parseFromApplet(Uint8Array.from((await portal.inbox.next()) ?? []));
      t.deepEqual(got, { ...message, token: sha256(token) });
    }
    t.notRegex(at.lines.join(''), new RegExp(Buffer.from(token).toString('base64url')));
  });
}

test('F-03 once claimed, messages go on byte for byte as they come, up to 16 KiB, both ways', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.claimed();
  for (const size of [1, 125, 126, 16_384]) {
    const bytes = randomBytes(size);
    applet.socket.send(bytes, { binary: true });
    t.deepEqual(await portal.inbox.next(), bytes);
    portal.socket.send(bytes, { binary: true });
    t.deepEqual(await applet.inbox.next(), bytes);
  }
});

test('F-03 when the applet goes the portal is told, and when the portal is done so is the leg', async t => {
  await using at = await startHandOff();
  const one = await at.claimed();
  const portalClosed = once(one.portal.socket, 'close');
  one.applet.say({ type: 'end', reason: 'customer' });
  one.applet.socket.close();
  t.truthy(await one.portal.inbox.next()); // what was said before arrives
  t.is((await portalClosed)[0], 1000);
  const other = await at.claimed();
  other.portal.say({ type: 'ended', reason: 'technician', head: '' });
  other.portal.socket.close(1000);
  t.like(await other.applet.hears(), { type: 'ended' });
  t.is(await other.applet.closed, LEG_CLOSE.done);
  t.regex(at.metrics.text(), /hand_off_legs 0/);
});

test('F-03 a portal killed in mid-leg, and a gateway that ends, tell the applet to come back', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.claimed();
  portal.socket.terminate();
  t.is(await applet.closed, LEG_CLOSE.comeBack);
  const next = await at.claimed();
  at.handOff.close();
  t.is(await next.applet.closed, LEG_CLOSE.comeBack);
  t.is(await at.status(), 503);
});

test('F-03 without a portal the upgrade is 503, and works again when the portal is back', async t => {
  await using at = await startHandOff({ portalAway: true });
  t.is(await at.status(), 503);
  t.is(await at.status(), 503);
  t.regex(at.metrics.text(), /hand_off_refusals_total\{reason="portal-unreachable"\} 2/);
  t.is(at.lines.filter(line => line.includes('hand-off.portal-lost')).length, 1);
  await at.startPortal();
  t.is(await at.status(), 101);
  t.true(at.lines.some(line => line.includes('hand-off.portal-back')));
});

test('F-03 an applet is asked after 10 s of silence; one that answers stays, one that does not is gone after 30 s', async t => {
  await using at = await startHandOff();
  const alive = await at.claimed();
  const dead = await at.claimed({ autoPong: false });
  for (const { applet, portal } of [alive, dead]) {
    applet.say({ type: 'alive' });
    await portal.inbox.next(); // so that nothing of before is under way to the applet any more
  }
  const asked = [once(alive.applet.socket, 'ping'), once(dead.applet.socket, 'ping')];
  at.clock.advance(10_000);
  await Promise.all(asked);
  alive.applet.say({ type: 'alive' });
  t.truthy(await alive.portal.inbox.next()); // heard, after its pong
  at.clock.advance(21_000);
  t.is(await dead.applet.closed, LEG_CLOSE.comeBack);
  t.regex(at.metrics.text(), /hand_off_ends_total\{reason="silent"\} 1/);
  t.is(alive.applet.socket.readyState, 1);
});

test('F-03 a portal that says what is no message ends that leg, says so in the log, and nothing else suffers', async t => {
  await using at = await startHandOff();
  const { applet, portal } = await at.connect();
  portal.socket.send(Buffer.from('{}'), { binary: true });
  t.is(await applet.closed, LEG_CLOSE.comeBack);
  t.true(at.lines.some(line => line.includes('hand-off.portal-malformed')));
  t.is(await at.status(), 101);
});

test('F-03 a page that another gateway of this appliance gave may open its leg here', async t => {
  await using at = await startHandOff();
  t.is(await at.status({ origin: 'https://support.example.test:8443' }), 101);
  t.is(await at.status({ origin: 'https://applet.support.example.test:8444' }), 101);
  t.is(await at.status({ origin: 'https://support.example.test:9443' }), 403);
});
