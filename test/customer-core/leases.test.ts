import test from 'ava';
import { newLink, openCustomer, random } from './open-customer.ts';

test('D-04 nothing is admitted before the first lease, and a lease thaws', async t => {
  const at = openCustomer();
  t.true(at.leases.isFrozen);
  await at.lease();
  t.false(at.leases.isFrozen);
  t.deepEqual(at.done, ['thawed']);
});

test('D-04 a lease that isn’t renewed: rights frozen, keys released, the session ends after five minutes', async t => {
  const at = openCustomer();
  await at.lease();
  at.clock.advance(59_999);
  t.false(at.leases.isFrozen);
  at.clock.advance(1);
  t.true(at.leases.isFrozen);
  t.deepEqual(at.done, ['thawed', 'frozen: lapsed', 'keys released']);
  at.clock.advance(5 * 60_000 - 1);
  t.false(at.done.includes('session ended'));
  at.clock.advance(1);
  t.true(at.done.includes('session ended'));
  await t.throwsAsync(at.lease(), { code: 'lease.refused' });
});

test('D-04 a lease in time before the five minutes are over takes the session on', async t => {
  const at = openCustomer();
  await at.lease();
  at.clock.advance(200_000);
  await at.lease();
  t.false(at.leases.isFrozen);
  at.clock.advance(59_000);
  await at.lease();
  at.clock.advance(59_000);
  t.false(at.leases.isFrozen);
  t.false(at.done.includes('session ended'));
});

test('D-04 a lease runs from when it was asked for: one held back on the way is worth less', async t => {
  const at = openCustomer();
  const nonce = at.leases.ask();
  at.clock.advance(50_000);
  await at.lease({}, nonce);
  at.clock.advance(9_999);
  t.false(at.leases.isFrozen);
  at.clock.advance(1);
  t.true(at.leases.isFrozen);
  const late = at.leases.ask();
  at.clock.advance(60_000);
  await t.throwsAsync(at.lease({}, late), { code: 'lease.refused', message: /lapsed/ });
});

test('D-04 replayed, older, foreign or forged leases are refused', async t => {
  const at = openCustomer();
  const nonce = at.leases.ask();
  await at.lease({ counter: 500 }, nonce);
  const refused = (message: RegExp) => ({ code: 'lease.refused', message });
  await t.throwsAsync(at.lease({ counter: 501 }, nonce), refused(/not the answer/), 'a nonce answers once');
  await t.throwsAsync(at.lease({ counter: 500 }), refused(/older/));
  await t.throwsAsync(at.lease({ linkId: random(16) }), refused(/another link/));
  await t.throwsAsync(at.lease({ sub: newLink().sub }), refused(/another link/));
  await t.throwsAsync(at.lease({ sid: 'AAAAAAAAAAAAAAAAAAAAAA' }), refused(/another session/));
  await t.throwsAsync(at.lease({ ttlMs: 60_001 }), { code: 'protocol.malformed' });
  await t.throwsAsync(at.leases.accept(random(100), random(64)), refused(/not signed/));
});

test('D-04 revoked on this link: frozen at once, and no lease helps; another link starts anew', async t => {
  const at = openCustomer();
  await at.lease();
  at.leases.revoke();
  t.true(at.leases.isFrozen);
  await t.throwsAsync(at.lease(), { code: 'lease.refused' });
  t.true(at.leases.isFrozen);
  at.relink(newLink());
  await at.lease();
  t.false(at.leases.isFrozen);
});

test('D-04 revoked when the link has ended already: the session goes on waiting for the next technician', async t => {
  const at = openCustomer();
  await at.lease();
  at.unlink();
  at.leases.revoke();
  at.clock.advance(6 * 60_000);
  t.true(at.leases.isFrozen);
  t.false(at.done.includes('session ended'));
  at.relink(newLink());
  await at.lease();
  t.false(at.leases.isFrozen);
});
