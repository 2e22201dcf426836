import { createHash } from 'node:crypto';
import test from 'ava';
import { parsePolicy } from '../../appliance/customer-core/narrowing.ts';
import { fromBase64Url, toBase64Url } from '../../appliance/guid.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { DOMAINS, verifySigned } from '../../appliance/pki/signature.ts';
import { parseCredential, parseGrant, parseLease, parseTime } from '../../appliance/protocol/signed.ts';
import type { Revocation, SignedObject } from '../../appliance/sessions/rights.ts';
import { master, newHash, newId, openSessions, TestApplet, technician } from './open-sessions.ts';

type Open = Awaited<ReturnType<typeof openSessions>>;
const bytes = (signed: SignedObject) => new Uint8Array(signed.payload);

function isSigned(at: Open, { payload, signature }: SignedObject): boolean {
  return verifySigned(DOMAINS.session, payload, signature, at.signerKey);
}

test('D-02 a grant is permission and consent together, bound to session, link, technician and question', async t => {
  const at = await openSessions();
  const { id, owner, linkId, handshakeHash, receipt } = await at.active();
  const consentId = fromBase64Url(newId());
  const signed = await at.rights.grant(id, owner, receipt({ consentId, action: 'send-files', scope: 'notes.txt' }));
  t.true(isSigned(at, signed));
  const { kid, ...grant } = parseGrant(bytes(signed));
  t.is(kid, 'test-session-key');
  t.deepEqual(grant, {
    ...{ sid: id, sub: owner.id, action: 'send-files', scope: 'notes.txt', ttlMs: 600_000 },
    ...{ linkId: fromBase64Url(linkId), handshake: fromBase64Url(handshakeHash), consentId },
  });
  t.true((await at.events(id)).includes('rights.granted'));
  await at.close();
});

test('D-06 the policy limits a yes, never lengthens it', async t => {
  const at = await openSessions();
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { consentMinutes: 5 });
  const { id, owner, receipt } = await at.active();
  const ttl = async (ttlMs: number) => parseGrant(bytes(await at.rights.grant(id, owner, receipt({ ttlMs })))).ttlMs;
  t.is(await ttl(3_600_000), 300_000);
  t.is(await ttl(60_000), 60_000);
  await at.close();
});

test('D-04 without the permission the yes of a customer brings nothing, and the reason is told', async t => {
  const at = await openSessions();
  const desk = await at.groups.create(master, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  await at.groups.setPermissions(master, desk.id, { 'send-files': 'deny' });
  const { id, owner, receipt } = await at.active();
  const revoked = new Promise(resolve => at.rights.onRevoked(resolve));
  await at.groups.assign(master, owner.id, desk.id);
  await revoked;
  await at.sessions.startLink(id, { linkId: newId(), handshakeHash: newHash() });
  const session = await at.sessions.get(id);
  const link = {
    linkId: fromBase64Url(session.linkId ?? ''),
    handshake: fromBase64Url(session.handshakeHash ?? ''),
  };
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ ...link, action: 'send-files' })), {
    code: 'permission.denied',
    message: 'send-files: denied by Helpdesk',
  });
  await at.close();
});

test('B-04 where codes have to match, control waits for that', async t => {
  const at = await openSessions();
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { codesMatch: true });
  const { id, owner, linkId, receipt } = await at.active();
  const ask = () => at.rights.grant(id, owner, receipt({ action: 'launch-remote-control' }));
  await t.throwsAsync(ask(), { code: 'rights.compare-codes' });
  t.truthy(await at.rights.grant(id, owner, receipt()));
  await t.throwsAsync(at.sessions.codesCompared(id, owner, newId()), { code: 'session.other-link' });
  await at.sessions.codesCompared(id, owner, linkId);
  t.truthy(await ask());
  await at.close();
});

test('D-04 a lease answers the applet’s nonce, counts up, and lives a minute at most', async t => {
  const at = await openSessions();
  const { id, owner, linkId } = await at.active();
  const nonce = newId();
  const first = await at.rights.lease(id, { linkId, nonce });
  t.true(isSigned(at, first));
  const lease = parseLease(bytes(first));
  t.deepEqual([lease.sid, lease.sub, lease.ttlMs], [id, owner.id, 60_000]);
  t.is(toBase64Url(lease.nonce), nonce);
  t.is(parseLease(bytes(await at.rights.lease(id, { linkId, nonce: newId() }))).counter, lease.counter + 1);
  await t.throwsAsync(at.rights.lease(id, { linkId: newId(), nonce }), { code: 'rights.refused' });
  t.is(parseTime(bytes(await at.rights.time(nonce))).time, at.clock.now());
  await at.close();
});

for (const [what, after] of [
  ['disabled or logged off', async (at: Open, memberId: string) => at.rights.revokeMember(memberId, 'disabled')],
  [
    'moved to another group',
    async (at: Open, memberId: string) => {
      const desk = await at.groups.create(master, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
      const told = new Promise(resolve => at.rights.onRevoked(resolve));
      await at.groups.assign(master, memberId, desk.id);
      await told;
    },
  ],
] as const) {
  test(`D-04 a technician who is ${what} loses leases and grants at once, on every path`, async t => {
    const at = await openSessions();
    const { id, owner, linkId, receipt } = await at.active();
    const other = await at.active();
    const revoked: Revocation[] = [];
    at.rights.onRevoked(revocation => revoked.push(revocation));
    await after(at, owner.id);
    t.deepEqual(
      revoked.map(({ sessionId, memberId }) => [sessionId, memberId]),
      [[id, owner.id]],
    );
    await t.throwsAsync(at.rights.lease(id, { linkId, nonce: newId() }), { code: 'rights.refused' });
    await t.throwsAsync(at.rights.grant(id, owner, receipt()), { code: 'rights.refused' });
    t.true((await at.events(id)).includes('rights.revoked'));
    t.truthy(await at.rights.lease(other.id, { linkId: other.linkId, nonce: newId() }), 'others keep theirs');
    await at.close();
  });
}

test('D-04 without a live login there is no lease, grant or credential', async t => {
  const at = await openSessions();
  const { id, owner, linkId, receipt } = await at.active();
  at.barred.add(owner.id);
  const refused = { code: 'rights.refused' };
  await t.throwsAsync(at.rights.lease(id, { linkId, nonce: newId() }), refused);
  await t.throwsAsync(at.rights.grant(id, owner, receipt()), refused);
  const to = { role: 'console' as const, spk: newHash(), nonce: newId(), features: [] };
  await t.throwsAsync(at.rights.credential(await at.sessions.get(id), to), refused);
  await at.close();
});

test('B-02 credentials name the key, its session and role, for ten minutes; the applet’s certifies its signing key', async t => {
  const at = await openSessions();
  const { id, owner, applet } = await at.active();
  const session = await at.sessions.get(id);
  const to = { spk: newHash(), nonce: newId(), features: ['chat'] };
  const console_ = parseCredential(bytes(await at.rights.credential(session, { role: 'console', ...to })));
  t.deepEqual([console_.sid, console_.sub, console_.apk, console_.exp - console_.nbf], [id, owner.id, null, 600_000]);
  const ofApplet = parseCredential(bytes(await at.rights.credential(session, { role: 'applet', ...to })));
  t.is(toBase64Url(ofApplet.apk ?? new Uint8Array(0)), applet.spki);
  t.notDeepEqual(ofApplet.jti, console_.jti);
  await at.close();
});

test('D-06 a change of policy is told to live sessions, as what they may still ask for', async t => {
  const at = await openSessions();
  const { id } = await at.active();
  const told = new Promise<readonly string[]>(resolve => {
    at.rights.onNarrowed((sessionId, policy) => sessionId === id && resolve(policy.actions));
  });
  await at.groups.setPermissions(master, ROOT_GROUP_ID, { 'launch-desktop-viewing': 'grant' });
  t.deepEqual(await told, ['launch-desktop-viewing']);
  await at.close();
});

test('D-06 the policy is sent in words the applet reads, and the credential holds its hash', async t => {
  const at = await openSessions();
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { consentMinutes: 5, forcedRecording: true, customerAway: 'end' });
  const { id } = await at.active();
  const session = await at.sessions.get(id);
  const sent = new Uint8Array(await at.rights.policyBytes(session));
  const read = parsePolicy(sent);
  t.true(read.actions.has('send-files') && !read.actions.has('deploy-scripts'));
  t.deepEqual([read.maxConsentMs, read.forcedRecording, read.customerAway], [300_000, true, 'end']);
  const to = { role: 'applet' as const, spk: newHash(), nonce: newId(), features: [] };
  const { policy } = parseCredential(bytes(await at.rights.credential(session, to)));
  t.deepEqual(Buffer.from(policy), createHash('sha256').update(sent).digest());
  await at.close();
});

test('D-04 hold stops what runs; an offer, a take-over and the end take the link and its rights', async t => {
  const at = await openSessions();
  const theo = technician('Theo');
  const { id, owner, linkId, receipt } = await at.active();
  const heard: string[] = [];
  at.rights.onStopped((_, reason) => heard.push(reason));
  at.rights.onRevoked(({ memberId, reason }) => heard.push(`${memberId === owner.id ? 'Tina' : 'Theo'} ${reason}`));
  await at.sessions.hold(id, owner);
  t.truthy(await at.rights.lease(id, { linkId, nonce: newId() }), 'the link lives on while on hold');
  await at.sessions.offer(id, owner, theo);
  const refused = { code: 'rights.refused' };
  await t.throwsAsync(at.rights.lease(id, { linkId, nonce: newId() }), refused);
  await at.sessions.pickUp(id, theo);
  await t.throwsAsync(at.rights.lease(id, { linkId, nonce: newId() }), refused);
  await t.throwsAsync(at.rights.grant(id, theo, receipt()), refused);
  await at.sessions.end(id, theo, 'solved');
  t.deepEqual(heard, ['held', 'Tina transferred', 'Theo ended']);
  await at.close();
});

test('D-04 one yes, one grant, even when asked for twice at once', async t => {
  const at = await openSessions();
  const { id, owner, receipt } = await at.active();
  const yes = receipt();
  const results = await Promise.allSettled([1, 2, 3].map(() => at.rights.grant(id, owner, yes)));
  t.is(results.filter(result => result.status === 'fulfilled').length, 1);
  await at.close();
});

test('D-04 a receipt another applet signed brings nothing', async t => {
  const at = await openSessions();
  const { id, owner, linkId, handshakeHash } = await at.active();
  const link = { linkId: fromBase64Url(linkId), handshake: fromBase64Url(handshakeHash) };
  const forged = new TestApplet().receipt({ sid: id, sub: owner.id, ...link, answeredAt: at.clock.now() });
  await t.throwsAsync(at.rights.grant(id, owner, forged), { code: 'applet-signature.wrong' });
  await at.close();
});
