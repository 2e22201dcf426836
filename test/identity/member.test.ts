import test from 'ava';
import fc from 'fast-check';
import { ApplianceError } from '../../appliance/errors.ts';
import { foldLoginId, mayManage, parseLoginId, parseName, parseRoles, ROLES } from '../../appliance/identity/member.ts';
import { newReadableCode, parseReadableCode } from '../../appliance/identity/readable-code.ts';

const parsedOr = (text: string): string | undefined => {
  try {
    return parseLoginId(text);
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'member.login-id-malformed') return undefined;
    throw error;
  }
};

test('C-01 a login id is read, whatever its case, form and surrounding space', t => {
  for (const [typed, stored] of [
    ['Bob@Example.com ', 'bob@example.com'],
    ['JÖRG', 'jörg'],
    ['jo\u0308rg', 'jörg'],
    ['ｂｏｂ', 'bob'],
    ["o'neil+1@x.org", "o'neil+1@x.org"],
    ['ΟΔΟΣ', foldLoginId('οδοσ')],
  ] as const) {
    t.is(parsedOr(typed), stored);
  }
});

test('C-01 what is not a login id is refused', t => {
  for (const text of ['', ' ', '@x', 'a b', 'a\u0000b', 'a\u202eb', '<b>', 'a/b', '.a', 'a'.repeat(129), '\ud800']) {
    t.is(parsedOr(text), undefined, JSON.stringify(text));
  }
  for (const value of [undefined, null, 7, ['a'], {}])
    t.throws(() => parseLoginId(value), { instanceOf: ApplianceError });
});

test('C-01 any text: a login id that is read is read again as itself, in any case', t => {
  const letters = fc.string({ unit: 'binary', maxLength: 40 });
  fc.assert(
    fc.property(fc.oneof(letters, fc.emailAddress()), text => {
      const parsed = parsedOr(text);
      if (parsed === undefined) return;
      t.is(parsedOr(parsed), parsed);
      t.is(parsedOr(parsed.toUpperCase()), parsed);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('D-08 roles and names are read strictly', t => {
  t.deepEqual(parseRoles(['auditor', 'technician', 'auditor']), ['technician', 'auditor']);
  for (const roles of [[], ['root'], ['admin', 'x'], 'admin', undefined, [null]]) t.throws(() => parseRoles(roles));
  t.is(parseName(' Ann '), 'Ann');
  for (const name of ['', ' ', 'a\nb', 'x'.repeat(121), 5]) t.throws(() => parseName(name));
});

test('D-08 an admin manages technicians, never admins nor who reads everything; who is neither manages nobody', t => {
  for (const target of ROLES) {
    t.true(mayManage(['master-admin'], [target]));
    t.is(mayManage(['admin'], [target]), target === 'technician');
    t.false(mayManage(['technician', 'auditor'], [target]));
  }
  t.false(mayManage(['admin'], ['technician', 'master-admin']));
  t.false(mayManage(['admin'], ['technician', 'auditor']));
});

test('C-03 a recovery code is read as people type it', t => {
  for (let round = 0; round < 50; round += 1) {
    const code = newReadableCode();
    t.regex(code, /^([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}$/);
    const typed = code.replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l').toUpperCase();
    t.is(parseReadableCode(typed), code);
  }
  for (const text of ['', '123456', 'x'.repeat(1000), 'uuuu-uuuu-uuuu-uuuu']) t.is(parseReadableCode(text), undefined);
});
