// The way of an applet into a session on a whole appliance: real processes, TLS, signer and store, two gateways.
import { createHash, randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { fromBase64Url, parseSessionId, sessionGuidFrom, toBase64Url } from '../../appliance/guid.ts';
import { permissions } from '../../appliance/permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import type { LinkFacts, MadeSession, RelayPath, SessionDetail } from '../../appliance/protocol/console-api.ts';
import { parseCredential, parseLease } from '../../appliance/protocol/signed.ts';
import { gatewayToken } from '../../appliance/sessions/session-secrets.ts';
import { own, post, signInAs } from '../portal/ask-as.ts';
import { TestLeg } from '../portal/test-leg.ts';
import { TestApplet } from '../sessions/open-sessions.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true, gateways: 2 });
});
test.after.always(() => appliance?.close());

const bytes = (length: number) => Uint8Array.from(randomBytes(length));

async function ask<T>(cookie: string, path: string, body?: object): Promise<T> {
  const headers = { cookie, accept: 'application/json', 'content-type': 'application/json', ...own(appliance) };
  const asking = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const answer = await appliance.fetch(`/technician/api${path}`, asking);
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text()}`);
  return answer.json() as T;
}

test('F-03 F-04 D-04 from the PIN to a lease, through a killed portal, to the end of the login', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.technician);
  const entered = await enter(t, cookie);
  await certify(t, entered);
  await openRelay(t, cookie, entered);
  const { id, leg, applet } = entered;
  const linkId = bytes(16);
  leg.say({ type: 'link-started', linkId, handshake: bytes(32) });
  leg.say({ type: 'ask-lease', linkId, nonce: bytes(16) });
  t.is(parseLease((await leg.next('lease')).payload).counter, 1);

  const back = await killPortal(t, entered);
  back.say({ type: 'ask-lease', linkId, nonce: bytes(16) });
  t.is(parseLease((await back.next('lease')).payload).counter, 2);
  back.say({ type: 'report', ...applet.report(id) });
  t.is((await back.next('acknowledged')).count, 1);
  const { events } = await ask<SessionDetail>(cookie, `/sessions/${id}`);
  t.false(events.some(({ event }) => event === 'session.customer-lost'));

  const signedOut = performance.now();
  await appliance.fetch('/sign-out', { method: 'POST', headers: { cookie, ...own(appliance) } });
  t.is((await back.next('revoked')).reason, 'signed-out');
  t.true(performance.now() - signedOut < 2000);
  t.log(`revoked ${(performance.now() - signedOut).toFixed(0)} ms after signing out`);
  back.say({ type: 'ask-lease', linkId, nonce: bytes(16) });
  t.is((await back.next('lease-refused')).reason, 'rights-refused');
});

type Entered = Awaited<ReturnType<typeof enter>>;

/** A session, entered by PIN and picked up. */
async function enter(t: ExecutionContext, cookie: string) {
  const made = await ask<MadeSession>(cookie, '/sessions', { customerName: 'Carl', language: 'de' });
  t.true(made.link.startsWith(`${appliance.url}/s/`));
  const id = parseSessionId(made.session.id);
  const applet = new TestApplet();
  const leg = await TestLeg.dialGateway(appliance);
  await leg.next('challenge');
  leg.say({ type: 'pin', pin: made.pin });
  const token = gatewayToken(sessionGuidFrom((await leg.next('entered')).guid));
  t.is((await leg.claimNow(token, applet)).sid, id);
  t.is((await leg.next('state')).state, 'waiting');
  await ask(cookie, `/sessions/${id}/pick-up`, {});
  t.like(await leg.next('state'), { state: 'active', technician: 'Demo technician' });
  return { id, applet, leg, token };
}

/** The signer keeps one key of the applet for each session. */
async function certify(t: ExecutionContext, { leg }: Entered): Promise<void> {
  const spk = bytes(32);
  for (let times = 0; times < 2; times++) {
    leg.say({ type: 'certify', spk, nonce: bytes(16) });
    t.deepEqual(parseCredential((await leg.next('credential')).payload).spk, spk);
  }
  leg.say({ type: 'certify', spk: bytes(32), nonce: bytes(16) });
  t.is((await leg.next('credential-refused')).reason, 'signer-second-applet-key');
}

async function openRelay(t: ExecutionContext, cookie: string, { id, leg }: Entered): Promise<void> {
  const facts = await ask<LinkFacts>(cookie, `/sessions/${id}/link`, {});
  t.is(fromBase64Url(facts.psk).length, 32);
  await ask(cookie, `/sessions/${id}/certify`, { spk: toBase64Url(bytes(32)), nonce: toBase64Url(bytes(16)) });
  const wish = { purpose: 'handshake', except: [] };
  const { paths } = await ask<{ paths: RelayPath[] }>(cookie, `/sessions/${id}/relay`, wish);
  t.deepEqual(
    paths.map(({ url }) => url),
    [`wss://localhost:${appliance.port}/gateway/relay/console`],
  );
  t.is((await leg.next('attach')).gateway, 'gateway-1');
}

/** @returns the leg the applet came back on */
async function killPortal(t: ExecutionContext, { leg, token, applet }: Entered): Promise<TestLeg> {
  const killed = performance.now();
  const restarted = appliance.processes.portal.restart('SIGKILL');
  t.is((await leg.rest()).code, 1012);
  let back = await TestLeg.dialGateway(appliance);
  while (!(await back.isLetIn(token, applet))) back = await TestLeg.dialGateway(appliance);
  t.log(`back ${(performance.now() - killed).toFixed(0)} ms after the portal was killed`);
  t.is((await back.next('state')).state, 'active');
  await restarted;
  t.log(`pages ${(performance.now() - killed).toFixed(0)} ms after it`);
  return back;
}

test.serial(
  'D-01 D-06 what an admin saves about a group is with the customer’s program within five seconds, more as well as less',
  async t => {
    const { leg } = await enter(t, await signInAs(appliance, appliance.accounts?.technician));
    const cookie = await signInAs(appliance, appliance.accounts?.['master-admin']);
    const saved = [
      { set: { consentMinutes: '1', forcedRecording: 'true' }, holds: { maxConsentMs: 60_000, forcedRecording: true } },
      { set: { pauseRecording: 'true', codesMatch: 'true' }, holds: { pauseRecording: true, codesMatch: true } },
      { set: {}, holds: { forcedRecording: false, codesMatch: false } },
    ];
    for (const { set, holds } of saved) {
      const startedAt = performance.now();
      await savePolicy(cookie, set);
      t.like(read((await leg.next('narrowed')).policy), holds);
      leg.say({ type: 'certify', spk: bytes(32).fill(1), nonce: bytes(16) });
      const { payload, policy } = await leg.next('credential');
      t.deepEqual(parseCredential(payload).policy, new Uint8Array(createHash('sha256').update(policy).digest()));
      t.like(read(policy), holds, 'and signed for it');
      t.true(performance.now() - startedAt < 5000);
    }
    const promptAt = performance.now();
    await savePermission(cookie, 'single-prompt', 'deny');
    t.like(read((await leg.next('narrowed')).policy), { singlePrompt: false });
    await savePermission(cookie, 'single-prompt', 'grant');
    t.like(read((await leg.next('narrowed')).policy), { singlePrompt: true });
    t.true(performance.now() - promptAt < 5000);
    leg.say({ type: 'end', reason: 'customer' });
    t.is((await leg.next('revoked')).reason, 'ended');
  },
);

function read(policy: Uint8Array): object {
  return JSON.parse(new TextDecoder().decode(policy));
}

/** As the form on the page of the group above all does it. @param set what is not inherited */
async function savePolicy(cookie: string, set: Readonly<Record<string, string>>): Promise<void> {
  const choices = ['forcedRecording', 'pauseRecording', 'codesMatch', 'storeChat', 'customerAway', 'recordingFormat'];
  const inherited = Object.fromEntries(choices.map(key => [key, 'inherit']));
  await saveGroup(cookie, 'policy', () => ({ ...inherited, consentMinutes: '', ...set }));
}

async function savePermission(cookie: string, permission: string, setting: string): Promise<void> {
  const ticked = (page: string, name: string) => new RegExp(`name="${name}" value="([a-z]+)" checked`).exec(page)?.[1];
  await saveGroup(cookie, 'permissions', page => ({
    ...Object.fromEntries(permissions.map(one => [one, ticked(page, one) ?? 'inherit'])),
    [permission]: setting,
  }));
}

async function saveGroup(
  cookie: string,
  form: 'policy' | 'permissions',
  fieldsOf: (page: string) => Readonly<Record<string, string>>,
): Promise<void> {
  const path = `/admin/groups/${ROOT_GROUP_ID}`;
  const page = (await appliance.fetch(path, { headers: { cookie } })).text();
  const seen = /name="seen" value="([^"]*)"/.exec(page.slice(page.indexOf(`/${form}">`)))?.[1] ?? '';
  const fields = { ...fieldsOf(page), seen: seen.replaceAll('&quot;', '"') };
  const answer = await post(appliance, `${path}/${form}`, fields, { ...own(appliance), cookie });
  if (answer.status !== 303) throw new Error(`saving gave ${answer.status}`);
}

test('F-03 D-05 what is no PIN and no token is refused at the edge, whatever it was', async t => {
  const leg = await TestLeg.dialGateway(appliance);
  await leg.next('challenge');
  leg.say({ type: 'pin', pin: '000 000 000' });
  t.is((await leg.next('refused')).reason, 'refused');
  t.is((await leg.rest()).code, 1008);
  const second = await TestLeg.dialGateway(appliance);
  await second.comeBack(bytes(32), new TestApplet());
  t.is((await second.next('refused')).reason, 'refused');
});
