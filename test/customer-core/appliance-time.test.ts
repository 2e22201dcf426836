import test from 'ava';
import { openCustomer, random } from './open-customer.ts';

const THEN = Date.UTC(2030, 0, 1);

test('D-06 time is the appliance’s, counted on by the monotonic clock', async t => {
  const at = openCustomer();
  t.throws(() => at.time.now(), { code: 'time.unknown' });
  const nonce = at.time.ask();
  at.clock.advance(2000);
  await at.tellTime(THEN, nonce);
  t.true(at.time.isKnown);
  t.is(at.time.now(), THEN + 1000, 'it was told half-way through the two seconds');
  t.is(at.time.error, 1000);
  at.clock.advance(5000);
  t.is(at.time.now(), THEN + 6000);
});

test('D-06 a time that was replayed, forged or held back is refused', async t => {
  const at = openCustomer();
  const nonce = at.time.ask();
  await at.tellTime(THEN, nonce);
  const refused = (message: RegExp) => ({ code: 'time.refused', message });
  await t.throwsAsync(at.tellTime(0, nonce), refused(/not the answer/));
  await t.throwsAsync(at.tellTime(0, random(16)), refused(/not the answer/));
  await t.throwsAsync(at.tellTime(0, at.time.ask(), at.appletSigns), refused(/not signed/));
  const late = at.time.ask();
  at.clock.advance(30_001);
  await t.throwsAsync(at.tellTime(0, late), refused(/too long/));
  t.is(at.time.now(), THEN + 30_001);
});
