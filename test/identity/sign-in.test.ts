import { createHash } from 'node:crypto';
import test from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { parseConfig } from '../../appliance/config.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { Identity } from '../../appliance/identity/identity.ts';
import { countFailure, type LockState } from '../../appliance/identity/lock-out.ts';
import { tokenDigest } from '../../appliance/identity/login.ts';
import { sourceKey } from '../../appliance/identity/login-limiter.ts';
import { PasswordHasher } from '../../appliance/identity/password-hasher.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { refusal } from '../support/refusal.ts';
import { MINUTE_MS, openTestIdentity, PASSWORD, type TestIdentity } from './open-identity.ts';

async function failTimes(at: TestIdentity, loginId: string, times: number): Promise<string[]> {
  const codes: string[] = [];
  for (let n = 0; n < times; n += 1) codes.push(await refusal(at.signIn(loginId, `wrong ${n}`)));
  return codes;
}

test('C-01 whoever has login id and password gets a login, and only its digest is stored', async t => {
  const at = await openTestIdentity();
  const member = await at.member('ann@example.com');
  const { token, login } = await at.signIn(' ANN@example.com');
  t.is(login.stage, 'full');
  t.is(login.memberId, member.id);
  t.regex(token, /^[A-Za-z0-9_-]{43}$/);
  const found = await at.identity.logins.find(token, { touch: true });
  t.is(found?.member.loginId, 'ann@example.com');
  t.is(found?.member.lastLoginAt, at.clock.now());
  const row = await at.store.core.read.get('SELECT token_digest FROM login');
  t.deepEqual(row?.token_digest, tokenDigest(token));
  t.notDeepEqual(row?.token_digest, createHash('sha256').update('').digest());
  t.deepEqual(await at.events('login.'), ['login.succeeded full']);
  await at.close();
});

test('C-07 unknown, wrong, disabled and locked get one answer after the same work', async t => {
  const at = await openTestIdentity();
  await at.member('wrong');
  const disabled = await at.member('disabled');
  await at.identity.members.disable(at.asRoot, disabled.id);
  await at.member('locked');
  await failTimes(at, 'locked', 10);
  const tries = [
    ['nobody@example.com', PASSWORD],
    ['<script>', PASSWORD],
    ['', ''],
    ['wrong', 'x'.repeat(100_000)],
    ['disabled', PASSWORD],
    ['locked', PASSWORD],
  ] as const;
  const answers = new Set<string>();
  for (const [loginId, password] of tries) {
    const before = at.hashes();
    const entries = (await at.entries()).length;
    const error = await t.throwsAsync(at.signIn(loginId, password), { instanceOf: ApplianceError });
    answers.add(JSON.stringify([error.kind, error.code, error.message, error.hint, error.status]));
    t.is(at.hashes() - before, 1, `${loginId}: one hash`);
    t.is((await at.entries()).length - entries, 1, `${loginId}: one entry`);
  }
  t.is(answers.size, 1);
  const reasons = (await at.events('login.refused')).slice(10);
  t.deepEqual(
    reasons,
    ['unknown', 'unknown', 'unknown', 'password', 'disabled', 'locked'].map(reason => `login.refused ${reason}`),
  );
  await at.close();
});

test('C-07 ten failures lock for 15 minutes, the next ten for 30; the right password ends the count', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  await failTimes(at, 'ann', 9);
  t.is(await refusal(at.signIn('ann')), 'accepted');
  await failTimes(at, 'ann', 9);
  t.is((await at.identity.members.get(id)).lockedUntil, null);
  await failTimes(at, 'ann', 1);
  t.is((await at.identity.members.get(id)).lockedUntil, at.clock.now() + 15 * MINUTE_MS);
  t.is(await refusal(at.signIn('ann')), 'login.refused');
  at.clock.advance(15 * MINUTE_MS - 1);
  t.is(await refusal(at.signIn('ann')), 'login.refused');
  at.clock.advance(1);
  await failTimes(at, 'ann', 10);
  t.is((await at.identity.members.get(id)).lockedUntil, at.clock.now() + 30 * MINUTE_MS);
  await at.identity.members.unlock(at.asRoot, id);
  t.is(await refusal(at.signIn('ann')), 'accepted');
  t.deepEqual(await at.events('member.locked'), ['member.locked', 'member.locked']);
  t.deepEqual(await at.events('member.unlocked'), ['member.unlocked']);
  await at.close();
});

test('C-07 C-06 attack: who is kept out by strangers’ wrong passwords is let in from the machine itself, by whatever he is kept out', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann', ['master-admin']);
  const { members, allowLists } = at.identity;
  await failTimes(at, 'ann', 10);
  await allowLists.set(at.asRoot, { kind: 'member', id }, '203.0.113.1');
  t.is(await refusal(at.signIn('ann')), 'login.refused');
  t.deepEqual(await members.letIn(applianceActor, ' ANN '), { emptied: 1, isUnlocked: true });
  t.is(await refusal(at.signIn('ann')), 'accepted');
  t.deepEqual(await members.letIn(applianceActor, 'ann'), { emptied: 0, isUnlocked: false });
  t.is(await refusal(members.letIn(applianceActor, 'nobody')), 'member.missing');
  t.deepEqual(await at.events('member.unlocked'), ['member.unlocked'], 'and it is logged where there was a lock');
  await at.close();
});

test('C-07 each lock in a row lasts twice as long, at most a day', t => {
  const rules = { lockAfterFailures: 1, lockMinutes: 15 };
  let state: LockState = { failures: 0, locks: 0, lockedUntil: null };
  const minutes: number[] = [];
  for (let n = 0; n < 40; n += 1) {
    state = countFailure(state, rules, 0);
    minutes.push((state.lockedUntil ?? 0) / MINUTE_MS);
  }
  t.deepEqual(minutes.slice(0, 8), [15, 30, 60, 120, 240, 480, 960, 1440]);
  t.is(Math.max(...minutes), 1440);
});

test('C-07 failures at once are each counted, and a right password among them does not slip through a lock', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  const wrong = Array.from({ length: 10 }, (_, n) => refusal(at.signIn('ann', `wrong ${n}`)));
  const right = refusal(at.signIn('ann'));
  t.true((await Promise.all(wrong)).every(code => code === 'login.refused'));
  const answer = await right;
  const refused = await at.events('login.refused');
  t.is(refused.filter(event => event === 'login.refused password').length, 10);
  // Whichever came first: the login was there before the lock, or the lock before the login.
  const isLocked = (await at.identity.members.get(id)).lockedUntil !== null;
  t.is(isLocked, answer === 'login.refused');
  t.is(refused.includes('login.refused locked'), isLocked);
  await at.close();
});

test('C-07 the lock survives a restart of the portal', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  await failTimes(at, 'ann', 10);
  const metrics = new Metrics();
  const config = parseConfig('version: 1').login;
  const restarted = new Identity({ ...at, log: silentLog, metrics, config, hasher: new PasswordHasher(metrics, 4) });
  const signIn = () =>
    refusal(restarted.logins.signIn({ loginId: 'ann', password: PASSWORD, source: '192.0.2.7', userAgent: '' }));
  t.is(await signIn(), 'login.refused');
  at.clock.advance(15 * MINUTE_MS);
  t.is(await signIn(), 'accepted');
  await restarted.close();
  await at.close();
});

test('C-07 one source is limited before any hash; another is not, and the first refusal alone is logged', async t => {
  const at = await openTestIdentity();
  const from = (source: string) =>
    refusal(at.identity.logins.signIn({ loginId: 'nobody', password: 'x', source, userAgent: '' }));
  const codes: string[] = [];
  for (let n = 0; n < 100; n += 1) {
    const loginId = `nobody-${n}`;
    const source = `2001:db8:1:2:${n.toString(16)}::1`; // one customer's network
    codes.push(await refusal(at.identity.logins.signIn({ loginId, password: 'x', source, userAgent: '' })));
  }
  t.is(codes.filter(code => code === 'login.refused').length, 60);
  t.is(codes.filter(code => code === 'login.limited').length, 40);
  t.is(at.hashes(), 61); // one made the master admin's password
  t.is(await from('2001:db8:1:3::1'), 'login.refused');
  t.deepEqual(await at.events('login.limited'), ['login.limited']);
  await at.close();
});

test('C-07 one login id is limited over all sources, known or not', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  for (const loginId of ['ann', 'nobody']) {
    const codes = await failTimes(at, loginId, 50);
    t.is(codes.indexOf('login.limited'), 40, loginId);
  }
  await at.close();
});

test('C-07 a source is an IPv4 address or the /64 of an IPv6 one', t => {
  t.is(sourceKey('::ffff:192.0.2.1'), '192.0.2.1');
  t.is(sourceKey('192.0.2.1'), '192.0.2.1');
  t.is(sourceKey('2001:db8::1'), sourceKey('2001:0DB8:0:0:ffff::2'));
  t.not(sourceKey('2001:db8:0:1::1'), sourceKey('2001:db8::1'));
  t.is(sourceKey('fe80::1%eth0'), sourceKey('fe80::2'));
  t.is(sourceKey('::1'), '0:0:0:0::/64');
});

test('C-07 of 500 sign-ins at once from as many sources the bound ones are hashed and the others told to come back', async t => {
  const at = await openTestIdentity({ log2N: 12 });
  await at.member('ann');
  const before = at.hashes();
  const codes = await Promise.all(Array.from({ length: 500 }, (_, n) => refusal(at.signIn(`nobody-${n}`, 'x'))));
  const refused = codes.filter(code => code === 'login.refused').length;
  const limited = codes.filter(code => code === 'login.limited').length;
  t.is(refused + limited, 500);
  t.is(at.hashes() - before, refused);
  t.true(limited > 0);
  const entries = (await at.entries()).filter(({ event }) => event === 'login.limited');
  t.deepEqual(
    entries.map(({ detail }) => detail),
    [{ by: 'queue' }],
  );
  t.is((await at.events('login.refused')).length, refused);
  t.is(await refusal(at.signIn('ann')), 'accepted');
  await at.close();
});

test('C-01 no password, and no login id nobody has, stands in the log, the audit log or the store', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  const typo = 'hunter2-typed-into-the-wrong-field';
  await refusal(at.signIn('ann', typo));
  await refusal(at.signIn(typo, 'x'));
  await refusal(at.signIn(typo, 'y'));
  const { token } = await at.signIn('ann');
  const { temporaryPassword } = await at.identity.members.resetPassword(at.asRoot, id);
  const entries = await at.entries();
  const tables = await at.store.core.read.all(`SELECT name FROM sqlite_master WHERE type = 'table'`);
  const rows = [];
  for (const { name } of tables) rows.push(...(await at.store.core.read.all(`SELECT * FROM "${name}"`)));
  const everything = JSON.stringify([entries, rows, at.lines]);
  for (const secret of [PASSWORD, typo, token, temporaryPassword]) t.false(everything.includes(secret));
  t.true(everything.includes('scrypt'), 'the search looks at the right rows');
  const digests = entries.flatMap(({ detail }) => (detail.loginIdDigest === undefined ? [] : [detail.loginIdDigest]));
  t.is(digests.length, 2);
  t.is(digests[0], digests[1]);
  await at.close();
});

test('C-07 whatever happens to an account while the right password is hashed is not overtaken', async t => {
  const at = await openTestIdentity();
  const { members } = at.identity;
  const acts: Record<string, (id: string) => Promise<unknown>> = {
    'changed-meanwhile': id => members.resetPassword(at.asRoot, id),
    disabled: id => members.disable(at.asRoot, id),
    locked: () => failTimes(at, 'locked', 10),
  };
  for (const [reason, act] of Object.entries(acts)) {
    const { id } = await at.member(reason);
    at.hooks.afterVerify = () => act(id);
    t.is(await refusal(at.signIn(reason)), 'login.refused');
    t.is((await at.events('login.refused')).at(-1), `login.refused ${reason}`);
    t.deepEqual(await at.identity.logins.list(id), []);
  }
  await at.close();
});
