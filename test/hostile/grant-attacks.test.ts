// TRUST: `input-after-stop`, `grant-of-another-link` and what else one would try with a grant.

import test from 'ava';
import { fromBase64Url } from '../../appliance/guid.ts';
import { newLink, openCustomer, random } from '../customer-core/open-customer.ts';
import { newId, openSessions, technician } from '../sessions/open-sessions.ts';

const refused = { code: 'grant.refused' };

test('D-04 input after stop: the number is raised first, and older numbers are dropped and counted', async t => {
  const at = openCustomer();
  const { number } = await at.control();
  t.true(at.grants.admitsInput(number));
  at.done.length = 0;
  at.grants.stop('customer');
  t.deepEqual(at.done, ['stopped by customer', 'keys released'], 'nothing was admitted while it was being stopped');
  for (let n = 0; n < 3; n++) t.false(at.grants.admitsInput(number));
  t.is(at.grants.dropped.stopped, 4);
  t.false(at.grants.admitsInput(number + 1), 'the raised number is nobody’s');
  t.false(at.grants.admitsInput(number + 2));
  t.false(at.grants.admitsInput(0));
  t.false(at.grants.admitsInput(-1));
});

test('D-04 input after stop: a new yes is a new number, and the old one stays dead', async t => {
  const at = openCustomer();
  const first = await at.control();
  at.grants.stop('technician');
  const second = await at.control();
  t.is(second.number, first.number + 2, 'raised by the stop, and by the new grant');
  t.true(at.grants.admitsInput(second.number));
  t.false(at.grants.admitsInput(first.number));
});

test('D-02 input after stop: the customer’s one click ends everything at once', async t => {
  const at = openCustomer();
  const { number } = await at.control();
  at.consents.revoke(null);
  t.false(at.grants.admitsInput(number));
  t.deepEqual(at.grants.list(), []);
});

test('D-06 input after stop: time ends control by itself', async t => {
  const at = openCustomer({ maxConsentMs: 30_000 });
  const { number } = await at.control();
  at.clock.advance(29_499);
  t.true(at.grants.admitsInput(number));
  at.clock.advance(1);
  t.false(at.grants.admitsInput(number));
});

test('D-04 input after stop: a lapsed lease freezes, a new one lets go on', async t => {
  const at = openCustomer();
  const { number } = await at.control();
  at.clock.advance(60_000);
  t.false(at.grants.admitsInput(number));
  t.is(at.grants.dropped.frozen, 1);
  await at.lease();
  t.true(at.grants.admitsInput(number));
});

for (const [what, fields] of [
  ['another session', { sid: 'AAAAAAAAAAAAAAAAAAAAAA' }],
  ['another link', { linkId: random(16) }],
  ['another handshake', { handshake: random(32) }],
  ['another technician', { sub: newLink().sub }],
  ['another action', { action: 'send-files' }],
  ['another scope', { scope: 'everything' }],
  ['another question', { consentId: random(16) }],
] as const) {
  test(`D-04 grant of another link and its like: ${what}`, async t => {
    const at = openCustomer();
    await at.lease();
    const { consentId } = await at.ask('launch-remote-control', 'yes');
    const grant = at.grantFor(consentId, fields);
    await t.throwsAsync(at.grants.accept(grant.payload, grant.signature), refused);
    const good = at.grantFor(consentId);
    t.truthy(await at.grants.accept(good.payload, good.signature));
  });
}

test('D-04 grant of another link: after a new handshake the grant of the one before is worth nothing', async t => {
  const at = openCustomer();
  await at.lease();
  const { consentId } = await at.ask('launch-remote-control', 'yes');
  const early = at.grantFor(consentId);
  const held = await at.grants.accept(early.payload, early.signature);
  at.relink(newLink({ sub: at.link.sub }));
  await at.lease();
  t.false(at.grants.admitsInput(held.number));
  await t.throwsAsync(at.grants.accept(early.payload, early.signature), refused);
  at.relink(null);
  await t.throwsAsync(at.grants.accept(early.payload, early.signature), refused);
});

test('D-04 a grant the applet’s own key, or nobody, signed is refused', async t => {
  const at = openCustomer();
  await at.lease();
  const { consentId } = await at.ask('launch-remote-control', 'yes');
  const own = at.grantFor(consentId, {}, at.appletSigns);
  await t.throwsAsync(at.grants.accept(own.payload, own.signature), refused);
  const good = at.grantFor(consentId);
  await t.throwsAsync(at.grants.accept(good.payload, random(64)), refused);
});

test('D-04 a grant is used once', async t => {
  const at = openCustomer();
  await at.lease();
  const { consentId } = await at.ask('launch-remote-control', 'yes');
  const grant = at.grantFor(consentId);
  await at.grants.accept(grant.payload, grant.signature);
  at.grants.stop('technician');
  await t.throwsAsync(at.grants.accept(grant.payload, grant.signature), refused);
});

test('B-04 control waits for the codes where the policy says so; nothing else does', async t => {
  const at = openCustomer();
  at.mayControl = false;
  await at.lease();
  const control = await at.ask('launch-remote-control', 'yes');
  const grant = at.grantFor(control.consentId);
  await t.throwsAsync(at.grants.accept(grant.payload, grant.signature), refused);
  const files = await at.ask('send-files', 'yes');
  const other = at.grantFor(files.consentId, { action: 'send-files' });
  const { number } = await at.grants.accept(other.payload, other.signature);
  t.true(at.grants.admits(number, 'send-files'));
  t.false(at.grants.admits(number, 'launch-remote-control'));
  t.false(at.grants.admitsInput(number), 'a grant for files moves no mouse');
});

// The same attacks on the appliance, which issues the grants.
test('D-04 the appliance makes no grant of a yes of another session, link, technician or time', async t => {
  const at = await openSessions();
  const { id, owner, applet, receipt } = await at.active();
  const other = await at.active();
  const no = { code: 'rights.refused' };
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ sid: other.id })), no);
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ linkId: fromBase64Url(other.linkId) })), no);
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ handshake: fromBase64Url(other.handshakeHash) })), no);
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ sub: other.owner.id })), no);
  await t.throwsAsync(at.rights.grant(id, other.owner, receipt()), no);
  await t.throwsAsync(at.rights.grant(id, technician(), receipt()), no);
  await t.throwsAsync(at.rights.grant(other.id, other.owner, receipt()), { code: 'applet-signature.wrong' });
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ answer: 'no', ttlMs: 0 })), no);
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ answer: 'silence', ttlMs: 0 })), no);
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ action: 'pick-up' })), no);
  await t.throwsAsync(at.rights.grant(id, owner, receipt({ answeredAt: at.clock.now() - 61_000 })), no);
  await t.throwsAsync(at.rights.grant(id, owner, applet.report(id)), { code: 'applet-signature.wrong' });
  t.false((await at.events(id)).includes('rights.granted'));
  await at.close();
});

test('D-04 a yes on the link before is no yes on this one, and none while on hold', async t => {
  const at = await openSessions();
  const { id, owner, receipt } = await at.active();
  await at.sessions.hold(id, owner);
  await t.throwsAsync(at.rights.grant(id, owner, receipt()), { code: 'permission.denied', message: /on-hold/ });
  await at.sessions.resume(id, owner);
  await at.sessions.startLink(id, { linkId: newId(), handshakeHash: 'A'.repeat(43) });
  await t.throwsAsync(at.rights.grant(id, owner, receipt()), { code: 'rights.refused' });
  await at.close();
});
