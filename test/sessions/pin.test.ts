import { randomBytes } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { Metrics } from '../../appliance/metrics.ts';
import { DAILY_RISK, digestPin, digitsNeeded, drawPin, parsePin, showPin } from '../../appliance/sessions/pin.ts';
import { PinGuard, sourceOf } from '../../appliance/sessions/pin-guard.ts';
import { ManualClock } from '../support/manual-clock.ts';

test('E-01 a PIN is shown in groups of three and read however it is typed', t => {
  t.is(showPin('123456789'), '123 456 789');
  t.is(showPin('1234567890'), '123 456 789 0');
  for (const typed of [
    '123 456 789',
    ' 123-456-789 ',
    '123.456.789',
    '１２３４５６７８９',
    '١٢٣٤٥٦٧٨٩',
    '123–456–789',
  ]) {
    t.is(parsePin(typed), '123456789', typed);
  }
  for (const wrong of ['', '12345', '1234567x9', '1'.repeat(21), '-', '+123456789', '1e9']) {
    t.throws(() => parsePin(wrong), { code: 'pin.malformed' }, wrong);
  }
});

test('D-05 whatever is typed is a PIN or refused, quickly', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 5000 }), typed => {
      try {
        t.regex(parsePin(typed), /^\d{6,20}$/);
      } catch (error) {
        t.is((error as { code?: string }).code, 'pin.malformed');
      }
    }),
  );
});

test('D-05 PINs are drawn evenly', t => {
  const counts = new Array<number>(10).fill(0);
  for (let n = 0; n < 2000; n++)
    for (const digit of drawPin('', 9)) counts[Number(digit)] = (counts[Number(digit)] ?? 0) + 1;
  // 18,000 digits: each 1,800 expected, σ = 40; seven of them is chance for nobody
  for (const count of counts) t.true(Math.abs(count - 1800) < 280, String(counts));
  t.regex(drawPin('4', 8), /^4\d{8}$/);
});

test('D-05 the digest needs the key', t => {
  const [a, b] = [randomBytes(32), randomBytes(32)];
  t.deepEqual(digestPin(a, '123456789'), digestPin(a, '123456789'));
  t.notDeepEqual(digestPin(a, '123456789'), digestPin(b, '123456789'));
  t.throws(() => digestPin(randomBytes(16), '1'), { message: /32 bytes/ });
});

test('D-05 the settable length can’t break the budget: PINs grow with their number', t => {
  t.is(digitsNeeded(9, 0, 1), 9);
  t.is(digitsNeeded(9, 999, 1), 9);
  t.is(digitsNeeded(9, 1000, 1), 10);
  t.is(digitsNeeded(6, 0, 1), 6);
  t.is(digitsNeeded(6, 1, 1), 7);
  t.is(digitsNeeded(8, 40, 1 / 6), 9);
});

test('D-05 one that guesses is slowed down, one that mistypes is not', t => {
  const clock = new ManualClock();
  const guard = new PinGuard({ clock, metrics: new Metrics(), share: 1 });
  const risk = 10 / 1e9;
  const waits: number[] = [];
  for (let n = 0; n < 6; n++) {
    const admission = guard.admit('203.0.113.5', risk);
    waits.push(admission.waitMs);
    clock.advance(admission.waitMs);
    admission.settle(false);
  }
  t.deepEqual(waits, [0, 0, 0, 1000, 2000, 4000]);
  t.is(guard.admit('198.51.100.1', risk).waitMs, 0);
  clock.advance(60_000);
  t.is(guard.admit('203.0.113.5', risk).waitMs, 0, 'slower, not stopped');
});

test('D-05 guesses sent all at once wait in line like any others', t => {
  const clock = new ManualClock();
  const guard = new PinGuard({ clock, metrics: new Metrics(), share: 1 });
  let admitted = 0;
  for (let n = 0; n < 1000; n++) {
    try {
      guard.admit('203.0.113.5', 1e-8);
      admitted++;
    } catch (error) {
      t.is((error as { code?: string }).code, 'pin.limited');
    }
  }
  t.true(admitted <= 8, String(admitted));
});

test('D-05 a hit costs nothing, so a busy day of honest customers leaves the budget as it was', t => {
  const clock = new ManualClock();
  const guard = new PinGuard({ clock, metrics: new Metrics(), share: 1 });
  const risk = DAILY_RISK / 20; // five of them would use a lane up
  for (let n = 0; n < 100; n++) {
    const admission = guard.admit(`198.51.100.${n}`, risk);
    t.is(admission.waitMs, 0);
    admission.settle(true);
    admission.settle(true);
  }
});

test('D-05 a company behind one address: those who mistype don’t hold up the others', t => {
  const clock = new ManualClock();
  const guard = new PinGuard({ clock, metrics: new Metrics(), share: 1 });
  for (let n = 0; n < 500; n++) {
    const admission = guard.admit('192.0.2.1', 50 / 1e9);
    t.is(admission.waitMs, 0);
    admission.settle(n % 4 !== 0);
    clock.advance(20_000);
  }
});

test('D-05 further addresses of one network are no further sources', t => {
  t.is(sourceOf('2001:db8:1:2200::1'), sourceOf('2001:db8:1:22ff:ffff::2'));
  t.not(sourceOf('2001:db8:1:2200::1'), sourceOf('2001:db8:1:2300::1'));
  t.is(sourceOf('::ffff:192.0.2.1'), '192.0.2.1');
  t.is(sourceOf('fe80::1%eth0'), sourceOf('fe80::2'));
  t.is(sourceOf('::1'), '0:0:0:0::/56');
  t.not(sourceOf('192.0.2.1'), sourceOf('192.0.2.2'));
});
