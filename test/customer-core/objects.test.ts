import test from 'ava';
import fc from 'fast-check';
import { parsePolicy } from '../../appliance/customer-core/narrowing.ts';
import { parseReceipt, parseReport, STAGES, writeReceipt, writeReport } from '../../appliance/customer-core/objects.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { random } from './open-customer.ts';

const sid = sessionIdFrom(random(16));
const instant = fc.nat(Number.MAX_SAFE_INTEGER);
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size }).map(array => new Uint8Array(array));
const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const action = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);

const report = fc.record({
  ...{ sid: fc.constant(sid), count: fc.integer({ min: 1 }), previous: bytes(32), at: instant, action, detail: text },
  ...{ stage: fc.constantFrom(...STAGES), consentId: bytes(16), digest: bytes(32) },
});
const receipt = fc.record({
  ...{ sid: fc.constant(sid), linkId: bytes(16), handshake: bytes(32), sub: fc.constant('tina'), action, scope: text },
  ...{ technician: fc.constant('Tina Ünal'), organisation: text, consentId: bytes(16), under: fc.option(bytes(16)) },
  ...{
    wording: fc.constant('consent.send-files.1'),
    language: fc.constant('en'),
    askedAt: instant,
    answeredAt: instant,
  },
  ...{ answer: fc.constantFrom('yes' as const, 'no' as const, 'silence' as const), ttlMs: fc.nat(43_200_000) },
});
const policy = {
  ...{ actions: ['reboot', 'send-files'], maxConsentMs: 60_000, singlePrompt: false, codesMatch: true },
  ...{ forcedRecording: false, pauseRecording: false, customerAway: 'end' },
};

test('G-01 D-06 what is written is read back, whatever it holds', t => {
  fc.assert(fc.property(report, one => void t.deepEqual(parseReport(writeReport(one)), one)));
  fc.assert(fc.property(receipt, one => void t.deepEqual(parseReceipt(writeReceipt(one)), one)));
  const { actions, ...rest } = parsePolicy(canonicalBytes(policy));
  t.deepEqual({ ...rest, actions: [...actions] }, policy as object);
});

const decoders = {
  report: { parse: parseReport, sample: () => fc.sample(report, 1).map(writeReport)[0] },
  receipt: { parse: parseReceipt, sample: () => fc.sample(receipt, 1).map(writeReceipt)[0] },
  policy: { parse: parsePolicy, sample: () => canonicalBytes(policy) },
};

for (const [name, { parse, sample }] of Object.entries(decoders)) {
  const refused = { code: 'protocol.malformed' };
  test(`D-04 a ${name} that is cut, padded, random or says more is refused`, t => {
    const good = sample() ?? random(1);
    for (let end = 0; end < good.length; end++) t.throws(() => parse(good.slice(0, end)), refused);
    t.throws(() => parse(new Uint8Array([...good, 32])), refused, 'a space too many');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), junk => void t.throws(() => parse(new Uint8Array(junk)), refused)),
    );
    const whole = JSON.parse(new TextDecoder().decode(good));
    t.throws(() => parse(canonicalBytes({ ...whole, more: 1 })), refused);
    for (const field of Object.keys(whole)) {
      if (field === 'under') continue;
      const { [field]: _, ...less } = whole;
      t.throws(() => parse(canonicalBytes(less)), refused, `without ${field}`);
      t.throws(() => parse(canonicalBytes({ ...whole, [field]: { a: 1 } })), refused, `${field} of another kind`);
    }
    t.throws(() => parse(utf8Bytes(`[${'['.repeat(5000)}`)), refused);
  });
}
