// Strangers at the gateway, with a real portal behind it: whatever is wrong with what they show, they hear the same.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { portalAuthoriser } from '../../appliance/gateway/portal-authoriser.ts';
import { LEG_CLOSE } from '../../appliance/protocol/applet-leg.ts';
import { gatewayToken } from '../../appliance/sessions/session-secrets.ts';
import { openTestSupport, type TestSupport } from '../portal/open-support.ts';
import { TestApplet } from '../sessions/open-sessions.ts';
import { AppletEnd, startHandOff, type TestHandOff } from '../support/test-hand-off.ts';

const EXPIRED_MS = 24 * 60 * 60 * 1000 + 2000; // a link sent by mail is good for a day

async function start(t: ExecutionContext): Promise<{ portal: TestSupport; gateway: TestHandOff }> {
  const portal = await openTestSupport();
  const gateway = await startHandOff({ socketPath: portal.socketPath });
  t.teardown(async () => {
    await gateway[Symbol.asyncDispose]();
    await portal.close();
  });
  return { portal, gateway };
}

/** A token nobody has claimed yet, as a download carries it. */
async function freshToken({ parts, made }: TestSupport): Promise<Buffer> {
  const { id, owner } = await made();
  const { code } = await parts.support.entries.makeLink(id, owner);
  const { guid } = await parts.support.entries.drawGuid(code, '127.0.0.1');
  return Buffer.from(gatewayToken(guid));
}

/** Claims through the gateway. @returns what it is told until the end, or until it is let in */
async function tryToken(gateway: TestHandOff, token: Buffer) {
  const applet = new AppletEnd(gateway.open());
  await once(applet.socket, 'open');
  await applet.hears(); // the challenge
  const apk = Uint8Array.from(Buffer.from(new TestApplet().spki, 'base64url'));
  applet.say({ type: 'claim', token: Uint8Array.from(token), apk, platform: 'linux-x64', language: 'en' });
  const answer = await applet.hears();
  if (answer?.type === 'claimed') return { applet, answer: answer.type };
  return { applet, answer, rest: await applet.hears(), code: await applet.closed };
}

test('F-03 the true token is let in through the gateway, once', async t => {
  const { portal, gateway } = await start(t);
  const { answer, applet } = await tryToken(gateway, await freshToken(portal));
  t.is(answer, 'claimed');
  t.regex(gateway.metrics.text(), /hand_off_legs 1/);
  applet.socket.terminate();
});

const strangers: Record<string, (portal: TestSupport, gateway: TestHandOff) => Promise<Buffer>> = {
  unknown: async () => randomBytes(32),
  used: async (portal, gateway) => {
    const token = await freshToken(portal);
    const { applet } = await tryToken(gateway, token);
    const gone = once(applet.socket, 'close');
    applet.socket.terminate();
    await gone;
    return token;
  },
  'already connected': async (portal, gateway) => {
    const token = await freshToken(portal);
    await tryToken(gateway, token);
    return token;
  },
  expired: async portal => {
    const token = await freshToken(portal);
    portal.clock.advance(EXPIRED_MS);
    await portal.parts.support.sessions.sweep();
    return token;
  },
};
for (const [name, tokenOf] of Object.entries(strangers)) {
  test(`F-03 attack: a GUID that is ${name} is refused, and the reply never says why`, async t => {
    const { portal, gateway } = await start(t);
    const token = await tokenOf(portal, gateway);
    const { answer, rest, code } = await tryToken(gateway, token);
    t.deepEqual(answer, { type: 'refused', reason: 'refused' });
    t.is(rest, undefined);
    t.is(code, LEG_CLOSE.refused);
    t.regex(gateway.metrics.text(), /hand_off_refusals_total\{reason="[a-z-]+"\} 1/);
    t.false(gateway.lines.join('').includes(token.toString('base64url')));
  });
}

test('F-04 attack: a leg’s token works once, for its role, in its time, and two of one issue are a pair', async t => {
  const { portal } = await start(t);
  const { id } = await portal.made();
  const ask = portalAuthoriser(portal.socketPath);
  const { applet, console: technician } = await portal.parts.support.legTokens.issue(id);
  t.is(await ask({ token: applet, role: 'console' }), undefined); // the other role
  const [one, other] = [
    await ask({ token: applet, role: 'applet' }),
    await ask({ token: technician, role: 'console' }),
  ];
  t.truthy(one?.pairId);
  t.deepEqual(one, other);
  t.is(await ask({ token: applet, role: 'applet' }), undefined); // used
  t.is(await ask({ token: randomBytes(32).toString('base64url'), role: 'applet' }), undefined);
  const late = await portal.parts.support.legTokens.issue(id);
  portal.clock.advance(31_000);
  t.is(await ask({ token: late.applet, role: 'applet' }), undefined);
});

test('C-06 attack: a console’s token shown from an address its technician may not come from; his login ends', async t => {
  const { portal } = await start(t);
  const { id, owner } = await portal.made();
  const { allowLists, logins } = portal.identity;
  const ask = portalAuthoriser(portal.socketPath);
  const attach = async (address?: string) => {
    const { console: token } = await portal.parts.support.legTokens.issue(id, owner.login.id);
    return (await ask({ token, role: 'console', ...(address !== undefined && { address }) })) !== undefined;
  };
  await allowLists.set(portal.asRoot, { kind: 'member', id: owner.id }, `${owner.login.address} 192.0.2.0/24`);
  t.true(await attach('::ffff:192.0.2.10'));
  t.false(await attach(), 'from nowhere');
  t.false(await attach('203.0.113.9%192.0.2.10'));
  t.is(await logins.find(owner.token, { touch: false }), undefined);
  t.false(await attach('192.0.2.10'), 'the login it was made for is gone');
});
