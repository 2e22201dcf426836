import { randomBytes } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import type { IssuedLogin } from '../../appliance/identity/login.ts';
import { insertPasskey } from '../../appliance/identity/passkey-store.ts';
import { CONFIRMED_MS } from '../../appliance/identity/step-up.ts';
import { refusal } from '../support/refusal.ts';
import { codeOf, MINUTE_MS, NEXT_PASSWORD, openTestIdentity, PASSWORD, type TestIdentity } from './open-identity.ts';

const source = '192.0.2.8';

interface Enrolled extends IssuedLogin {
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
  /** What the app shows now; the step it belongs to was not used yet. */
  next(): Promise<string>;
}

/** A member with two-step on; time is one step on, so that the next code is a fresh one. */
async function enrol(at: TestIdentity, loginId: string): Promise<Enrolled> {
  const { login } = await at.identity.stepUp.byPassword((await at.signIn(loginId)).login, PASSWORD);
  const { secret } = await at.identity.twoStep.begin(login.memberId);
  const done = await at.identity.twoStep.confirm(login, await codeOf(secret, at.clock.now()));
  at.clock.advance(CONFIRMED_MS); // so that a code is asked for
  const next = () => {
    at.clock.advance(MINUTE_MS);
    return codeOf(secret, at.clock.now());
  };
  return { ...done, secret, next };
}

test('C-03 a member enrols with a code of the app, and from then on is asked at each login', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const before = await at.identity.stepUp.byPassword((await at.signIn('ann')).login, PASSWORD);
  const elsewhere = await at.signIn('ann');
  const { secret, uri } = await at.identity.twoStep.begin(before.login.memberId);
  t.regex(uri, /^otpauth:\/\/totp\/Kestrel%20Works:ann\?/);
  t.true(uri.includes(`secret=${secret}`));
  t.is(await refusal(at.identity.twoStep.confirm(before.login, '000000')), 'two-step.code-wrong');
  t.is((await at.signIn('ann')).login.stage, 'full', 'what was only offered is not asked for');
  const done = await at.identity.twoStep.confirm(before.login, await codeOf(secret, at.clock.now()));
  t.is(done.recoveryCodes.length, 10);
  t.is(new Set(done.recoveryCodes).size, 10);
  t.not(done.token, before.token);
  t.is(await at.identity.logins.find(elsewhere.token, { touch: true }), undefined);
  const asked = await at.signIn('ann');
  t.is(asked.login.stage, 'two-step');
  at.clock.advance(30_000);
  const code = await codeOf(secret, at.clock.now());
  const stepped = await at.identity.logins.verifyTwoStep(asked.token, { code, source });
  t.is(stepped.login.stage, 'full');
  t.is(stepped.login.id, asked.login.id);
  t.is(await at.identity.logins.find(asked.token, { touch: true }), undefined, 'the token before the step is void');
  t.is(await refusal(at.identity.logins.verifyTwoStep(asked.token, { code, source })), 'login.refused');
  await at.close();
});

test('C-03 attack: who is at a browser left open sets up no app of his own, by whose codes he would be taken for the member', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  const { login } = await at.signIn('ann');
  const { secret } = await at.identity.twoStep.begin(id);
  const confirm = async () => at.identity.twoStep.confirm(login, await codeOf(secret, at.clock.now()));
  t.is(await refusal(confirm()), 'step-up.needed');
  t.is(await refusal(at.identity.stepUp.byCode(login, await codeOf(secret, at.clock.now()))), 'step-up.wrong');
  t.false((await at.identity.members.get(id)).twoStepEnrolled);
  await at.identity.stepUp.byPassword(login, PASSWORD);
  at.clock.advance(CONFIRMED_MS);
  t.is(await refusal(confirm()), 'step-up.needed');
  await at.identity.stepUp.byPassword(login, PASSWORD);
  t.is(await refusal(confirm()), 'accepted');
  await at.close();
});

test('C-03 a code is good one step early and one late, and no further; and once', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { secret } = await enrol(at, 'ann');
  at.clock.advance(10 * MINUTE_MS);
  const verify = async (offsetMs: number) => {
    const { token } = await at.signIn('ann');
    const code = await codeOf(secret, at.clock.now() + offsetMs);
    return refusal(at.identity.logins.verifyTwoStep(token, { code, source }));
  };
  t.is(await verify(-60_000), 'login.refused');
  t.is(await verify(60_000), 'login.refused');
  t.is(await verify(-30_000), 'accepted');
  t.is(await verify(-30_000), 'login.refused', 'used');
  t.is(await verify(30_000), 'accepted');
  t.is(await verify(0), 'login.refused', 'older than one that was used');
  at.clock.advance(MINUTE_MS);
  t.is(await verify(0), 'accepted');
  await at.close();
});

test('C-03 of one code used in several logins at once, of the app or for recovery, one use wins', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { next, recoveryCodes } = await enrol(at, 'ann');
  for (const code of [await next(), recoveryCodes[0] ?? '']) {
    const tokens = [];
    for (let n = 0; n < 5; n += 1) tokens.push((await at.signIn('ann')).token);
    const answers = await Promise.all(
      tokens.map(token => refusal(at.identity.logins.verifyTwoStep(token, { code, source }))),
    );
    t.deepEqual(answers.sort(), ['accepted', ...Array.from({ length: 4 }, () => 'login.refused')]);
    const same = (await at.signIn('ann')).token;
    t.is(await refusal(at.identity.logins.verifyTwoStep(same, { code, source })), 'login.refused');
    await at.identity.members.unlock(at.asRoot, (await at.identity.members.findByLoginId('ann'))?.id ?? '');
  }
  await at.close();
});

test('C-03 each recovery code works once, as typed; new ones void the old', async t => {
  const at = await openTestIdentity();
  const member = await at.member('ann');
  const { login, next, recoveryCodes } = await enrol(at, 'ann');
  const use = async (code: string) =>
    refusal(at.identity.logins.verifyTwoStep((await at.signIn('ann')).token, { code, source }));
  const [first = '', second = '', third = ''] = recoveryCodes;
  t.is(await use(` ${first.toUpperCase().replaceAll('-', ' ')}`), 'accepted');
  t.is(await use(first), 'login.refused');
  t.is(await use(second), 'accepted');
  t.is(await at.identity.twoStep.recoveryCodesLeft(member.id), 8);
  t.is(await refusal(at.identity.twoStep.newRecoveryCodes(login, '000000')), 'two-step.code-wrong');
  const renewed = await at.identity.twoStep.newRecoveryCodes(login, await next());
  t.is(renewed.length, 10);
  t.is(await use(third), 'login.refused');
  t.is(await use(renewed[9] ?? ''), 'accepted');
  const stored = JSON.stringify(await at.store.core.read.all('SELECT hex(digest) AS digest FROM recovery_code'));
  t.false(renewed.some(code => stored.includes(Buffer.from(code).toString('hex').toUpperCase())));
  t.is((await at.events('two-step.recovery-code-used')).length, 3);
  await at.close();
});

test('C-07 wrong codes count towards the lock although the password was right each time', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  const { next } = await enrol(at, 'ann');
  let token = '';
  for (let n = 0; n < 10; n += 1) {
    token = (await at.signIn('ann')).token; // signs in afresh each time
    t.is(await refusal(at.identity.logins.verifyTwoStep(token, { code: '000000', source })), 'login.refused');
  }
  t.not((await at.identity.members.get(id)).lockedUntil, null);
  t.is(await refusal(at.signIn('ann')), 'login.refused');
  t.is(await at.identity.logins.find(token, { touch: true }), undefined, 'the login that guessed is over');
  t.is(await refusal(at.identity.logins.verifyTwoStep(token, { code: await next(), source })), 'login.refused');
  t.is((await at.events('login.refused')).filter(event => event === 'login.refused code').length, 10);
  await at.close();
});

test('C-03 a master admin forces two-step: the member enrols before anything else, and can’t leave it', async t => {
  const at = await openTestIdentity();
  const { members, logins, twoStep } = at.identity;
  const { id } = await at.member('ann');
  const live = await at.signIn('ann');
  await members.requireTwoStep(at.asRoot, id, true);
  t.is(await logins.find(live.token, { touch: true }), undefined);
  await members.forceChange(at.asRoot, id);
  const forced = await at.signIn('ann');
  t.is(forced.login.stage, 'enrol-two-step');
  t.is(
    await refusal(at.identity.passwords.change(forced.login, { current: PASSWORD, next: NEXT_PASSWORD, source })),
    'login.refused',
  );
  t.is(await refusal(twoStep.newRecoveryCodes(forced.login, '000000')), 'login.refused');
  const { secret } = await twoStep.begin(id);
  const enrolled = await twoStep.confirm(forced.login, await codeOf(secret, at.clock.now()));
  t.is(enrolled.login.stage, 'change-password', 'one step after the other');
  const changed = await at.identity.passwords.change(enrolled.login, {
    current: PASSWORD,
    next: NEXT_PASSWORD,
    source,
  });
  t.is(changed.login.stage, 'full');
  at.clock.advance(MINUTE_MS);
  const code = await codeOf(secret, at.clock.now());
  t.is(await refusal(twoStep.remove(changed.login, code)), 'two-step.required');
  await members.requireTwoStep(at.asRoot, id, false);
  await twoStep.remove(changed.login, code); // not used up by the refusal: nothing of it was committed
  t.is((await at.signIn('ann', NEXT_PASSWORD)).login.stage, 'full');
  await at.close();
});

test('C-03 attack: a login at forced set-up, where a password is enough, sets up no app beside a second step that is there', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const { members, twoStep } = at.identity;
  const { id } = await at.member('ann');
  await members.requireTwoStep(at.asRoot, id, true);
  const { login } = await at.signIn('ann');
  t.is(login.stage, 'enrol-two-step');
  const { secret } = await twoStep.begin(id);
  await at.store.core.transaction(tx =>
    insertPasskey(tx, {
      ...{ id: 'P'.repeat(22), memberId: id, name: 'blue key', rpId: 'support.example.com', transports: [] },
      ...{ credentialId: randomBytes(32), publicKey: randomBytes(77), counter: 0, createdAt: 1, lastUsedAt: null },
    }),
  );
  t.is(await refusal(twoStep.confirm(login, await codeOf(secret, at.clock.now()))), 'login.refused');
  const { hasAuthenticatorApp, passkeys } = await members.get(id);
  t.deepEqual([hasAuthenticatorApp, passkeys], [false, 1]);
  t.is((await at.signIn('ann')).login.stage, 'two-step');
});

test('C-03 the second step is asked for when the password changes', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { login, next } = await enrol(at, 'ann');
  const change = (code?: string) => {
    const request = { current: PASSWORD, next: NEXT_PASSWORD, source };
    return refusal(at.identity.passwords.change(login, code === undefined ? request : { ...request, code }));
  };
  t.is(await change(), 'password.not-changed');
  t.is(await change('000000'), 'password.not-changed');
  t.is(await refusal(at.signIn('ann', NEXT_PASSWORD)), 'login.refused');
  t.is(await change(await next()), 'accepted');
  await at.close();
});

test('C-03 an unfinished login ends after 15 minutes and opens nothing meanwhile', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { next } = await enrol(at, 'ann');
  const { token } = await at.signIn('ann');
  for (let n = 0; n < 3; n += 1) {
    at.clock.advance(4 * MINUTE_MS);
    t.is((await at.identity.logins.find(token, { touch: true }))?.login.stage, 'two-step');
  }
  at.clock.advance(3 * MINUTE_MS);
  t.is(await refusal(at.identity.logins.verifyTwoStep(token, { code: await next(), source })), 'login.refused');
  t.true((await at.events('login.ended')).includes('login.ended unfinished'));
  await at.close();
});

test('C-03 an admin resets the second step of a lost telephone, and the member begins again', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  const { token, login, recoveryCodes } = await enrol(at, 'ann');
  t.is(await refusal(at.identity.twoStep.begin(id)), 'two-step.enrolled-already');
  await at.identity.members.resetTwoStep(at.asRoot, id);
  t.is(await at.identity.logins.find(token, { touch: true }), undefined);
  t.is(await refusal(at.identity.twoStep.confirm(login, '000000')), 'two-step.not-begun');
  t.is(await at.identity.twoStep.recoveryCodesLeft(id), 0);
  t.is((await at.signIn('ann')).login.stage, 'full');
  const again = await enrol(at, 'ann');
  t.false(again.recoveryCodes.some(code => recoveryCodes.includes(code)));
  await at.close();
});

test('C-03 no text but the right code is accepted, and none is more than refused', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  await enrol(at, 'ann');
  const { login } = await at.signIn('ann');
  const odd = ['', '٠١٢٣٤٥', '1e5', '-12345', '12345 6', '0'.repeat(10_000), '\u0000', '１２３４５６'];
  for (const code of [...odd, ...fc.sample(fc.string(), 30)]) {
    const { token } = await at.signIn('ann');
    const answer = await refusal(at.identity.logins.verifyTwoStep(token, { code, source: `192.0.2.${odd.length}` }));
    t.is(answer, 'login.refused', code);
    await at.identity.members.unlock(at.asRoot, id);
  }
  t.is(login.stage, 'two-step');
  await at.close();
});

test('C-03 neither secret nor code stands in the logs', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { secret, recoveryCodes, next } = await enrol(at, 'ann');
  const code = await next();
  await at.identity.logins.verifyTwoStep((await at.signIn('ann')).token, { code, source });
  const everything = JSON.stringify([await at.entries(), at.lines]);
  for (const text of [secret, ...recoveryCodes]) t.false(everything.includes(text));
  t.notRegex(everything, new RegExp(`(?<!\\d)${code}(?!\\d)`)); // six digits stand in many a longer number
  t.true(everything.includes('two-step.enrolled'));
  await at.close();
});

test('C-03 hostile: a login kept from before a step is worth nothing after it', async t => {
  const at = await openTestIdentity();
  const { id } = await at.member('ann');
  const { next } = await enrol(at, 'ann');
  await at.identity.members.forceChange(at.asRoot, id);
  const { token } = await at.signIn('ann');
  const forced = await at.identity.logins.verifyTwoStep(token, { code: await next(), source });
  t.is(forced.login.stage, 'change-password');
  const change = (current: string, wanted: string) =>
    refusal(at.identity.passwords.change(forced.login, { current, next: wanted, source }));
  t.is(await change(PASSWORD, NEXT_PASSWORD), 'accepted');
  // At a forced change no code is asked; the same login, now full, must not pass for one again.
  t.is(await change(NEXT_PASSWORD, 'velvet-ocarina-plinth-52'), 'login.refused');
  t.is((await at.signIn('ann', NEXT_PASSWORD)).login.stage, 'two-step');
  await at.close();
});
