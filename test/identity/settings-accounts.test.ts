// Accounts of the settings: apart from members, with the same strength, limits and locks; never the last one gone; a link once.
import test, { type ExecutionContext } from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { codeOf, MINUTE_MS, NEXT_PASSWORD, openTestIdentity, PASSWORD } from './open-identity.ts';

async function open(t: ExecutionContext) {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const accounts = at.identity.settingsAccounts;
  let sources = 0;
  const signIn = (name: string, password = PASSWORD) =>
    accounts.logins.signIn({ name, password, source: `198.51.100.${++sources}` });
  const { account: ann } = await accounts.create(applianceActor, { name: 'ann', password: PASSWORD });
  const asAnn = { kind: 'settings-account', id: ann.id, name: 'ann', address: '192.0.2.1' } as const;
  const events = async () => (await at.entries()).map(({ event }) => event).filter(one => one.startsWith('settings-'));
  return { ...at, accounts, signIn, ann, asAnn, events };
}

test('A-05 an account signs in; no member does, and a member’s login is none here', async t => {
  const { signIn, accounts, identity, member, entries } = await open(t);
  await member('mia@example.com', ['master-admin']);
  const { token, login } = await signIn(' ANN ');
  t.is(login.stage, 'full');
  t.is((await accounts.logins.find(token, { touch: true }))?.account.name, 'ann');
  t.is(await identity.logins.find(token, { touch: true }), undefined, 'nothing of the portal');
  await t.throwsAsync(signIn('mia@example.com'), { code: 'login.refused' });
  const { token: ofMember } = await identity.logins.signIn({
    ...{ loginId: 'mia@example.com', password: PASSWORD, source: '192.0.2.3', userAgent: '' },
  });
  t.is(await accounts.logins.find(ofMember, { touch: true }), undefined);
  await accounts.logins.signOut(token);
  t.is(await accounts.logins.find(token, { touch: true }), undefined);
  const told = (await entries()).filter(({ event }) => event.startsWith('settings-login.'));
  t.deepEqual(
    told.map(({ event, actor }) => `${event} ${actor.kind}`),
    [
      'settings-login.succeeded settings-account',
      'settings-login.refused anyone',
      'settings-login.ended settings-account',
    ],
  );
});

test('A-05 C-07 wrong passwords lock the account, and the right one is refused then', async t => {
  const { signIn, clock, events } = await open(t);
  for (let n = 0; n < 10; n++) await t.throwsAsync(signIn('ann', 'wrong'), { code: 'login.refused' });
  await t.throwsAsync(signIn('ann'), { code: 'login.refused' });
  t.true((await events()).includes('settings-account.locked'));
  clock.skip(16 * MINUTE_MS);
  t.is((await signIn('ann')).login.stage, 'full');
});

test('A-05 C-08 a login ends without a click, and after its day in any case', async t => {
  const { signIn, accounts, clock, entries } = await open(t);
  const idle = await signIn('ann');
  clock.skip(15 * MINUTE_MS);
  t.is(await accounts.logins.find(idle.token, { touch: true }), undefined);
  const long = await signIn('ann');
  for (let n = 0; n < 12 * 6; n++) {
    t.truthy(await accounts.logins.find(long.token, { touch: true }), `${n}`);
    clock.skip(10 * MINUTE_MS);
  }
  t.is(await accounts.logins.find(long.token, { touch: true }), undefined);
  const reasons = (await entries()).filter(({ event }) => event === 'settings-login.ended');
  t.deepEqual(
    reasons.map(({ detail }) => detail.reason),
    ['idle', 'too-old'],
  );
});

test('A-05 C-03 two-step is enrolled, asked for and works once; a reset takes it off, with a password to be changed', async t => {
  const { signIn, accounts, ann, asAnn, clock } = await open(t);
  const { account: bea } = await accounts.create(asAnn, { name: 'bea', password: PASSWORD });
  await accounts.requireTwoStep(asAnn, bea.id, true);
  const first = await signIn('bea');
  t.is(first.login.stage, 'enrol-two-step');
  const { secret } = await accounts.beginTwoStep(bea.id);
  await t.throwsAsync(accounts.confirmTwoStep(first.login, '000000', '192.0.2.2'), { code: 'two-step.code-wrong' });
  const code = await codeOf(secret, clock.now());
  t.is((await accounts.confirmTwoStep(first.login, code, '192.0.2.2')).login.stage, 'full');
  const second = await signIn('bea');
  t.is(second.login.stage, 'two-step');
  await t.throwsAsync(accounts.logins.verifyTwoStep(second.token, code, '192.0.2.2'), { code: 'login.refused' });
  clock.skip(MINUTE_MS);
  const next = await codeOf(secret, clock.now());
  const whole = await accounts.logins.verifyTwoStep(second.token, next, '192.0.2.2');
  t.is(whole.login.stage, 'full');
  await t.throwsAsync(accounts.removeTwoStep(whole.login, next, '192.0.2.2'), { code: 'two-step.required' });
  await accounts.requireTwoStep(asAnn, bea.id, false);
  const { temporaryPassword } = await accounts.reset(asAnn, bea.id);
  t.is(await accounts.logins.find(whole.token, { touch: true }), undefined, 'its logins have ended');
  const { login } = await signIn('bea', temporaryPassword);
  t.is(login.stage, 'change-password');
  const given = { current: temporaryPassword, code: '', source: '192.0.2.2' };
  await t.throwsAsync(accounts.changePassword(login, { ...given, next: 'bea-bea-bea' }), {
    code: 'password.unacceptable',
  });
  t.is((await accounts.changePassword(login, { ...given, next: NEXT_PASSWORD })).login.stage, 'full');
  t.is((await accounts.get(ann.id)).twoStepEnrolled, false);
});

test('A-05 C-03 attack: who is at a browser left open sets up no app of his own, and changes no password by a code that is not asked for', async t => {
  const { signIn, accounts, ann, clock } = await open(t);
  const from = '192.0.2.2';
  const { login } = await signIn('ann');
  const { secret } = await accounts.beginTwoStep(ann.id);
  const code = await codeOf(secret, clock.now());
  t.is(
    (await accounts.beginTwoStep(ann.id, code)).secret,
    secret,
    'after a wrong password it need not be scanned again',
  );
  await t.throwsAsync(accounts.confirmTwoStep(login, code, from), { code: 'step-up.wrong' });
  await t.throwsAsync(accounts.confirmTwoStep(login, code, from, 'wrong'), { code: 'step-up.wrong' });
  t.false((await accounts.get(ann.id)).twoStepEnrolled);
  const whole = await accounts.confirmTwoStep(login, code, from, PASSWORD);
  const change = (given: string) =>
    accounts.changePassword(whole.login, { current: PASSWORD, next: NEXT_PASSWORD, code: given, source: from });
  const { account: bea } = await accounts.create(applianceActor, { name: 'bea', password: PASSWORD });
  const planted = await accounts.beginTwoStep(bea.id);
  const hers = await accounts.beginTwoStep(bea.id, code);
  t.not(hers.secret, planted.secret, 'nor is anybody shown one that another browser was shown before');
  for (const given of ['', code, '000000']) await t.throwsAsync(change(given), { code: 'two-step.code-wrong' }, given);
  clock.skip(MINUTE_MS);
  t.is((await change(await codeOf(secret, clock.now()))).login.stage, 'full');
});

test('A-05 C-07 attack: of many guesses at the present password at once no more than the lock lets through count', async t => {
  const { signIn, accounts } = await open(t);
  const { login } = await signIn('ann');
  const change = (current: string) =>
    accounts.changePassword(login, { current, next: NEXT_PASSWORD, code: '', source: '192.0.2.2' });
  const guesses = Array.from({ length: 10 }, () => change('wrong').catch(({ code }) => code));
  const right = change(PASSWORD).then(
    () => 'changed',
    ({ code }) => code,
  );
  await Promise.all(guesses);
  t.is(await right, 'login.refused', 'it was locked when its turn came');
  await t.throwsAsync(signIn('ann', NEXT_PASSWORD), { code: 'login.refused' });
});

test('A-05 C-08 a login that has ended gets no further by what was on its way', async t => {
  const { signIn, accounts, ann, asAnn } = await open(t);
  const { login, token } = await signIn('ann');
  const change = { current: PASSWORD, next: NEXT_PASSWORD, code: '', source: '192.0.2.2' };
  await accounts.logins.signOut(token);
  await t.throwsAsync(accounts.changePassword(login, change), { code: 'login.refused' });
  t.is((await signIn('ann')).login.stage, 'full', 'the password is as it was');
  await t.throwsAsync(accounts.reset(asAnn, ann.id), { code: 'member.own-recovery' });
});

test('A-05 the last account that can sign in is neither disabled nor removed; names are had once', async t => {
  const { accounts, ann, asAnn, events } = await open(t);
  await t.throwsAsync(accounts.setDisabled(asAnn, ann.id, true), { code: 'settings-account.last' });
  await t.throwsAsync(accounts.remove(asAnn, ann.id), { code: 'settings-account.last' });
  const { account: bea } = await accounts.create(asAnn, { name: 'bea', password: PASSWORD });
  await t.throwsAsync(accounts.create(asAnn, { name: 'BEA' }), { code: 'settings-account.name-taken' });
  await t.throwsAsync(accounts.rename(asAnn, bea.id, 'ann'), { code: 'settings-account.name-taken' });
  await accounts.rename(asAnn, bea.id, 'bea.b');
  await accounts.setDisabled(asAnn, bea.id, true);
  await t.throwsAsync(accounts.remove(asAnn, ann.id), { code: 'settings-account.last' }, 'a disabled one is no help');
  await accounts.remove(asAnn, bea.id);
  t.deepEqual(
    (await events()).map(event => event.replace('settings-account.', '')),
    ['created', 'created', 'renamed', 'disabled', 'removed'],
  );
});

test('A-05 a link made on the machine works once, for half an hour: it makes an account, or frees one', async t => {
  const { accounts, signIn, clock, ann, events } = await open(t);
  const old = await accounts.makeLink();
  const link = await accounts.makeLink();
  const typed = { name: 'ann', password: NEXT_PASSWORD, source: '192.0.2.4' };
  await t.throwsAsync(accounts.openLink(old, typed), { code: 'settings-account.link-void' });
  await t.throwsAsync(accounts.openLink(link, { ...typed, password: 'ann' }), { code: 'password.unacceptable' });
  for (let n = 0; n < 10; n++) await t.throwsAsync(signIn('ann', 'wrong'));
  t.is((await accounts.openLink(link, typed)).id, ann.id);
  t.is((await signIn('ann', NEXT_PASSWORD)).login.stage, 'full', 'its lock is gone');
  await t.throwsAsync(accounts.openLink(link, typed), { code: 'settings-account.link-void' });
  const late = await accounts.makeLink();
  clock.skip(30 * MINUTE_MS);
  t.false(await accounts.isLinkOpen(late));
  const next = await accounts.makeLink();
  t.not((await accounts.openLink(next, { ...typed, name: 'cleo' })).id, ann.id);
  t.is((await events()).filter(event => event === 'settings-account.link-used').length, 2);
});
