import test from 'ava';
import { parsePolicy } from '../../appliance/customer-core/narrowing.ts';
import { sessionGuidFrom, toBase64Url } from '../../appliance/guid.ts';
import { DOMAINS, verifySigned } from '../../appliance/pki/signature.ts';
import { BACK_AFTER_START_MS, LOST_AFTER_MS } from '../../appliance/portal/applet-legs.ts';
import { LEG_ALIVE_MS, LEG_CLOSE } from '../../appliance/protocol/applet-leg.ts';
import { parseCredential, parseGrant, parseLease, parseTime } from '../../appliance/protocol/signed.ts';
import { gatewayToken, sha256 } from '../../appliance/sessions/session-secrets.ts';
import { TestApplet } from '../sessions/open-sessions.ts';
import { bytes, legsGone, linked, openTestSupport, type TestSupport } from './open-support.ts';

const isSigned = (at: TestSupport, { payload, signature }: { payload: Uint8Array; signature: Uint8Array }) =>
  verifySigned(DOMAINS.session, payload, toBase64Url(signature), at.signerKey);

test('D-05 F-03 an applet enters by PIN, claims with what it was given, and waits', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { owner, id } = await at.made();
  const { pin } = await at.parts.support.entries.makePin(id, owner);
  const leg = await at.dial();
  const { nonce } = await leg.next('challenge');
  t.is(nonce.length, 16);
  leg.say({ type: 'pin', pin });
  const entered = await leg.next('entered');
  t.is(entered.sid, id);
  const applet = new TestApplet();
  const token = Uint8Array.from(sha256(gatewayToken(sessionGuidFrom(entered.guid))));
  const apk = Uint8Array.from(Buffer.from(applet.spki, 'base64url'));
  leg.say({ type: 'claim', token, apk, platform: 'browser', language: 'fr' });
  t.deepEqual(await leg.next('claimed'), {
    type: 'claimed',
    sid: id,
    organisation: 'Kestrel Works',
    silenceMs: 60_000,
  });
  t.deepEqual(await leg.next('state'), { type: 'state', state: 'waiting', technician: '' });
  const session = await at.parts.support.sessions.get(id);
  t.like(session, { state: 'waiting', isPresent: true, platform: 'browser', language: 'fr', appletKey: applet.spki });
  await at.parts.support.sessions.pickUp(id, owner);
  t.deepEqual(await leg.next('state'), { type: 'state', state: 'active', technician: owner.name });
});

test('D-05 a wrong PIN is refused and ends the leg, and a right one after it needs a new one', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const leg = await at.dial();
  await leg.next('challenge');
  leg.say({ type: 'pin', pin: '123 456 789' });
  t.deepEqual(await leg.next('refused'), { type: 'refused', reason: 'entry-refused' });
  t.deepEqual(await leg.rest(), { types: [], code: LEG_CLOSE.refused });
});

test('F-03 time and credential: signed, for the nonce that was asked, with the policy that is named', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, leg, applet } = await at.waiting();
  const nonce = bytes(16);
  leg.say({ type: 'ask-time', nonce });
  const time = await leg.next('time');
  t.true(isSigned(at, time));
  t.deepEqual(parseTime(time.payload), { nonce, time: at.clock.now(), kid: 'test-session-key' });
  const spk = bytes(32);
  leg.say({ type: 'certify', spk, nonce });
  const credential = await leg.next('credential');
  t.true(isSigned(at, credential));
  const parsed = parseCredential(credential.payload);
  t.like(parsed, { role: 'applet', sid: id, sub: 'customer' });
  t.deepEqual([parsed.spk, parsed.nonce], [spk, nonce]);
  t.is(toBase64Url(parsed.apk ?? bytes(1)), applet.spki);
  t.deepEqual(Buffer.from(parsed.policy), Buffer.from(sha256(credential.policy)));
  t.true(parsePolicy(credential.policy).actions.has('launch-remote-control'));
});

test('D-04 lease: given while the technician’s login lives, refused once it is over', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { owner, leg, linkId } = await linked(at);
  const nonce = bytes(16);
  leg.say({ type: 'ask-lease', linkId, nonce });
  const lease = await leg.next('lease');
  t.true(isSigned(at, lease));
  t.like(parseLease(lease.payload), { sub: owner.id, counter: 1 });
  leg.say({ type: 'ask-lease', linkId: bytes(16), nonce });
  t.is((await leg.next('lease-refused')).reason, 'rights-refused');
  await at.identity.logins.signOut(owner.token);
  t.is((await leg.next('revoked')).reason, 'signed-out');
  leg.say({ type: 'ask-lease', linkId, nonce });
  t.is((await leg.next('lease-refused')).reason, 'rights-refused');
});

test('D-02 grant: made of permission and the receipt of a yes, once; a no makes none', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, leg, receipt } = await linked(at);
  const yes = receipt();
  leg.say({ type: 'receipt', ...yes });
  const grant = await leg.next('grant');
  t.true(isSigned(at, grant));
  t.like(parseGrant(grant.payload), { sid: id, action: 'launch-desktop-viewing', ttlMs: 600_000 });
  leg.say({ type: 'receipt', ...yes });
  t.is((await leg.next('grant-refused')).reason, 'rights-refused');
  leg.say({ type: 'receipt', ...receipt({ answer: 'no', ttlMs: 0 }) });
  leg.say({ type: 'receipt', ...receipt({ action: 'deploy-scripts' }) });
  const refused = await leg.next('grant-refused');
  t.is(refused.reason, 'permission-denied');
  const logged = (await at.entries()).filter(entry => entry.sessionId === id).map(entry => entry.event);
  t.is(logged.filter(event => event === 'action.consent').length, 4);
  t.is(logged.filter(event => event === 'rights.granted').length, 1);
  leg.say({ type: 'stopped', consent: grant.consent });
  await leg.settled();
  t.true((await at.entries()).some(({ event, detail }) => event === 'rights.customer-stopped' && detail.consentId));
});

test('G-01 reports: acknowledged in order, and again when they are sent again', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, leg, applet } = await at.waiting();
  const reports = [1, 2, 3].map(() => applet.report(id));
  for (const report of reports) leg.say({ type: 'report', ...report });
  for (const count of [1, 2, 3]) t.is((await leg.next('acknowledged')).count, count);
  const [first] = reports;
  if (first !== undefined) leg.say({ type: 'report', ...first });
  t.is((await leg.next('acknowledged')).count, 3);
});

test('B-04 the codes are compared when both have said so on this link, and every leg is told', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, leg, linkId, token, applet } = await linked(at);
  const { codes, sessions } = at.parts.support;
  const said = { actor: owner, linkId: toBase64Url(linkId) };
  t.false(await codes.say(id, 'technician', { ...said, match: true }));
  leg.say({ type: 'codes', linkId: bytes(16), match: true });
  await leg.settled();
  t.false((await sessions.get(id)).areCodesCompared, 'of another link');
  leg.say({ type: 'codes', linkId, match: true });
  t.deepEqual((await leg.next('compared')).linkId, linkId);
  const second = await at.dial({ gateway: 'gateway-2' });
  await second.comeBack(token, applet);
  await second.next('claimed');
  t.deepEqual((await second.until('compared')).linkId, linkId);
  leg.say({ type: 'codes', linkId, match: false });
  await leg.settled();
  t.false((await sessions.get(id)).areCodesCompared);
  t.false(await codes.say(id, 'technician', { ...said, match: true }), 'a no takes back what the other had said');
});

test('J-02 a warm second leg: state goes to both, attach to the one at that gateway', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, token, applet, leg } = await at.waiting();
  const second = await at.dial({ gateway: 'gateway-2' });
  await second.comeBack(token, applet);
  await second.next('claimed');
  await second.next('state');
  t.deepEqual(at.parts.legs.gatewaysOf(id), ['gateway-2', 'gateway-1']);
  const relay = { gateway: 'gateway-2', token: bytes(32), purpose: 'handshake' as const };
  t.true(at.parts.legs.attach(id, relay));
  t.deepEqual(await second.next('attach'), { type: 'attach', ...relay });
  t.false(at.parts.legs.attach(id, { ...relay, gateway: 'gateway-3' }));
  await at.parts.support.sessions.pickUp(id, owner);
  t.is((await leg.next('state')).state, 'active');
  t.is((await second.next('state')).state, 'active');
  leg.cut();
  await second.settled();
  at.clock.advance(LOST_AFTER_MS * 2);
  await second.settled();
  t.is((await at.parts.support.sessions.get(id)).state, 'active', 'one leg is enough');
});

test('A-06 who is back within three seconds was never away; who is not, is lost, and is back by his key', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, token, applet, leg } = await at.waiting();
  const { sessions } = at.parts.support;
  await sessions.pickUp(id, owner);
  const changes: string[] = [];
  let heard: () => void = () => undefined;
  sessions.onChange(({ event }) => {
    changes.push(event);
    heard();
  });
  const change = () =>
    new Promise<void>(resolve => {
      heard = resolve;
    });
  leg.cut();
  const quick = await at.dial();
  await quick.comeBack(token, applet);
  await quick.next('claimed');
  t.deepEqual(await quick.next('state'), { type: 'state', state: 'active', technician: owner.name });
  at.clock.advance(LOST_AFTER_MS);
  await quick.settled();
  t.deepEqual(changes, []);
  quick.cut();
  await legsGone(at, id);
  const lost = change();
  at.clock.advance(LOST_AFTER_MS);
  await lost;
  t.is((await sessions.get(id)).state, 'reconnecting');
  const late = await at.dial();
  await late.comeBack(token, applet);
  await late.next('claimed');
  t.is((await late.next('state')).state, 'active');
  t.deepEqual(changes, ['session.customer-lost', 'session.customer-back']);
});

test('A-06 the portal starts again: applets are sent back for it, return, and the session never noticed', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, token, applet, leg } = await at.waiting();
  await at.parts.support.sessions.pickUp(id, owner);
  const gone = await at.waiting();
  await at.restart();
  t.is((await leg.rest()).code, LEG_CLOSE.comeBack);
  const again = await at.dial();
  await again.comeBack(token, applet);
  await again.next('claimed');
  t.is((await again.next('state')).state, 'active');
  const lost = new Promise<string>(resolve =>
    at.parts.support.sessions.onChange(({ sessionId }) => resolve(sessionId)),
  );
  at.clock.advance(BACK_AFTER_START_MS);
  t.is(await lost, gone.id, 'the one that did not come back');
  t.true((await at.parts.support.sessions.get(id)).isPresent);
});

test('F-04 what was revoked while no leg was there is told to the next one, first', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, token, applet, leg } = await linked(at);
  leg.cut();
  await legsGone(at, id);
  await at.parts.support.rights.revokeMember(owner.id, 'disabled');
  const back = await at.dial();
  await back.comeBack(token, applet);
  await back.next('claimed');
  t.is((await back.next('revoked')).reason, 'disabled');
});

test('D-04 hold stops what runs, a narrower group is told, an offer takes the link', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, leg } = await linked(at);
  const { sessions, groups } = at.parts.support;
  await sessions.hold(id, owner);
  t.is((await leg.until('stop')).reason, 'held');
  t.is((await leg.next('state')).state, 'on-hold');
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  await groups.setPermissions(editor, await groups.groupOf(owner.id), { 'launch-desktop-viewing': 'grant' });
  const { policy } = await leg.next('narrowed');
  t.deepEqual([...parsePolicy(policy).actions], ['launch-desktop-viewing']);
  const other = await at.technician();
  await sessions.offer(id, owner, other);
  t.is((await leg.next('revoked')).reason, 'transferred');
  t.is((await leg.next('state')).state, 'transferring');
});

test('G-03 the end is told with a signed head that covers it, and closes every leg for good', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, leg } = await at.waiting();
  leg.say({ type: 'end', reason: 'customer-left' });
  const { reason, head } = await leg.until('ended');
  t.is(reason, 'customer-left');
  const { seq, signature } = JSON.parse(head);
  t.truthy(signature);
  const ended = (await at.audit.search({ sessionId: id, event: 'session.ended', limit: 1 }))[0];
  t.true(seq >= (ended?.entry.seq ?? Number.POSITIVE_INFINITY));
  t.is((await leg.rest()).code, LEG_CLOSE.done);
  t.is((await at.parts.support.sessions.get(id)).state, 'closed');
});

test('E-07 after a granted restart a new process comes by its ticket, and its new key is certified', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { id, owner, token, leg } = await linked(at);
  const { sessions, entries } = at.parts.support;
  const restarts: boolean[] = [];
  const { signSessionObject } = at.signer;
  at.signer.signSessionObject = (object, type, options?: { restart?: boolean }) => {
    if (type === 'credential') restarts.push(options?.restart === true);
    return signSessionObject(object, type);
  };
  await sessions.reboot(id, owner);
  const ticket = Uint8Array.from(Buffer.from(await entries.makeTicket(id), 'base64url'));
  leg.cut();
  const fresh = new TestApplet();
  const apk = Uint8Array.from(Buffer.from(fresh.spki, 'base64url'));
  const again = await at.dial();
  await again.next('challenge');
  again.say({ type: 'ticket', token: Uint8Array.from(sha256(token)), ticket, apk, platform: 'win-x64' });
  await again.next('claimed');
  t.is((await again.next('state')).state, 'active');
  for (let times = 0; times < 2; times++) {
    again.say({ type: 'certify', spk: bytes(32), nonce: bytes(16) });
    t.is(toBase64Url(parseCredential((await again.next('credential')).payload).apk ?? bytes(1)), fresh.spki);
  }
  t.deepEqual(restarts, [true, false]);
});

test('A-06 the leg says that it is alive, and metrics count legs', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { leg } = await at.waiting();
  at.clock.advance(LEG_ALIVE_MS);
  await leg.next('alive');
  leg.say({ type: 'alive' });
  await leg.settled();
  t.is(leg.closedWith, null);
});
