import { scryptAsync } from '@noble/hashes/scrypt.js';
import test from 'ava';
import fc from 'fast-check';
import { ApplianceError } from '../../appliance/errors.ts';
import { PasswordHasher, parsePasswordHash, presentPasswordHash } from '../../appliance/identity/password-hasher.ts';
import { Metrics } from '../../appliance/metrics.ts';

test('C-01 a hash is scrypt 2^17/8/1 with a salt of 24 characters of its own, as another implementation computes it', async t => {
  const hasher = new PasswordHasher(new Metrics());
  const password = 'Grüße an\u0301 alle'; // decomposed: hashed in NFC
  const text = await hasher.hash(password);
  t.regex(text, /^\$scrypt\$ln=17,r=8,p=1\$[A-Za-z0-9_-]{24}\$[A-Za-z0-9_-]{43}$/);
  const { salt, hash } = parsePasswordHash(text);
  const expected = await scryptAsync(password.normalize('NFC'), salt, {
    N: 2 ** 17,
    r: 8,
    p: 1,
    dkLen: 32,
    maxmem: 2 ** 28,
  });
  t.deepEqual(Buffer.from(hash), Buffer.from(expected));
  t.true(await hasher.verify(password.normalize('NFC'), text));
  t.false(await hasher.verify(`${password} `, text));
});

test('C-01 two hashes of one password share nothing, and the decoy is nobody’s', async t => {
  const hasher = new PasswordHasher(new Metrics(), 4);
  const [one, two] = await Promise.all([hasher.hash('same'), hasher.hash('same')]);
  t.not(parsePasswordHash(one).salt, parsePasswordHash(two).salt);
  t.notDeepEqual(parsePasswordHash(one).hash, parsePasswordHash(two).hash);
  t.false(await hasher.verify('same', hasher.decoy));
});

test('C-01 a stored hash is parsed and presented without loss, and nothing else is parsed', t => {
  const base64Url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), bytes(18), bytes(32), (log2N, salt, hash) => {
      const text = presentPasswordHash({ log2N, salt: base64Url(salt), hash });
      const parsed = parsePasswordHash(text);
      t.is(presentPasswordHash(parsed), text);
      for (let end = 0; end < text.length; end += 7) t.throws(() => parsePasswordHash(text.slice(0, end)));
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(fc.string(), text => void t.throws(() => parsePasswordHash(text), { instanceOf: ApplianceError })),
  );
  const valid = presentPasswordHash({ log2N: 17, salt: 'a'.repeat(24), hash: new Uint8Array(32) });
  for (const wrong of [
    valid.replace('ln=17', 'ln=63'),
    valid.replace('ln=17', 'ln=0'),
    valid.replace('r=8', 'r=9'),
    `${valid} `,
    `${valid}A`,
  ]) {
    t.throws(() => parsePasswordHash(wrong), { instanceOf: ApplianceError });
  }
});

test('C-07 of 500 hashes at once two run, 64 wait and the others are refused; then there is room again', async t => {
  const metrics = new Metrics();
  const hasher = new PasswordHasher(metrics, 10);
  const results = await Promise.allSettled(Array.from({ length: 500 }, () => hasher.verify('x', hasher.decoy)));
  t.is(results.filter(result => result.status === 'fulfilled').length, 66);
  const refused = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []));
  t.true(refused.every(error => error instanceof ApplianceError && error.code === 'login.limited'));
  t.regex(metrics.text(), /identity_password_hashes_total 66\n/);
  t.regex(metrics.text(), /identity_password_hashes_refused_total 434\n/);
  t.false(await hasher.verify('x', hasher.decoy));
});
