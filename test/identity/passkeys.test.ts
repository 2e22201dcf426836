import test from 'ava';
import { insertLink } from '../../appliance/identity/directory-store.ts';
import type { IssuedLogin } from '../../appliance/identity/login.ts';
import { passkeyOrigins } from '../../appliance/identity/passkey.ts';
import { CHALLENGE_MS, PasskeyChallenges } from '../../appliance/identity/passkey-challenges.ts';
import { CONFIRMED_MS } from '../../appliance/identity/step-up.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { refusal } from '../support/refusal.ts';
import {
  codeOf,
  MINUTE_MS,
  NEXT_PASSWORD,
  ORIGIN,
  openTestIdentity,
  PASSWORD,
  SECOND_ORIGIN,
  type TestIdentity,
} from './open-identity.ts';
import { type Algorithm, type Lies, SoftPasskey } from './soft-passkey.ts';

const source = '192.0.2.8';
const browser = 'b'.repeat(43);

interface Registered extends IssuedLogin {
  readonly recoveryCodes: readonly string[];
}

async function register(
  at: TestIdentity,
  issued: IssuedLogin,
  key: SoftPasskey,
  lies: Lies & { name?: string } = {},
): Promise<Registered> {
  const { passkeys } = at.identity;
  const answer = key.register(await passkeys.begin(issued.login, ORIGIN), ORIGIN, lies);
  return passkeys.add(issued.login, { name: lies.name ?? 'blue key', answer, origin: ORIGIN });
}

/** A member with one passkey, who has just confirmed that it is he. */
async function withPasskey(at: TestIdentity, loginId: string, key = new SoftPasskey()) {
  const member = await at.member(loginId);
  const confirmed = await at.identity.stepUp.byPassword((await at.signIn(loginId)).login, PASSWORD);
  return { member, key, ...(await register(at, confirmed, key)) };
}

/** Signs in with the password, then takes the second step with the passkey. */
async function secondStep(at: TestIdentity, loginId: string, key: SoftPasskey, lies: Lies = {}): Promise<IssuedLogin> {
  const { token, login } = await at.signIn(loginId);
  const asked = await at.identity.logins.askPasskey(login, ORIGIN);
  return at.identity.logins.verifyPasskey(token, { answer: key.answer(asked, ORIGIN, lies), origin: ORIGIN, source });
}

async function alone(at: TestIdentity, key: SoftPasskey, lies: Lies = {}): Promise<IssuedLogin> {
  const { logins } = at.identity;
  const asked = await logins.askAlone(browser, ORIGIN, source);
  const answer = key.answer(asked, ORIGIN, lies);
  return logins.signInAlone({ answer, browser, origin: ORIGIN, source, userAgent: 'test browser' });
}

test('C-03 a passkey is a second step: asked for after the password, beside codes', async t => {
  const at = await openTestIdentity();
  const { key, login, recoveryCodes } = await withPasskey(at, 'ann');
  t.is(login.stage, 'full');
  t.is(recoveryCodes.length, 10);
  const { token, login: asking } = await at.signIn('ann');
  t.is(asking.stage, 'two-step');
  const asked = await at.identity.logins.askPasskey(asking, ORIGIN);
  t.is(asked.rpId, 'support.example.com');
  t.is(Buffer.from(asked.challenge, 'base64url').length, 32);
  t.deepEqual(asked.allowCredentials, [
    { type: 'public-key', id: key.credentialId.toString('base64url'), transports: ['usb'] },
  ]);
  const given = { answer: key.answer(asked, ORIGIN, { isUserVerified: false }), origin: ORIGIN, source };
  const done = await at.identity.logins.verifyPasskey(token, given);
  t.is(done.login.stage, 'full');
  t.is(await at.identity.logins.find(token, { touch: true }), undefined, 'the token before the step is void');
  t.is((await at.identity.passkeys.list(asking.memberId))[0]?.lastUsedAt, at.clock.now());
  const again = await at.signIn('ann');
  const code = recoveryCodes[0] ?? '';
  t.is((await at.identity.logins.verifyTwoStep(again.token, { code, source })).login.stage, 'full');
  t.deepEqual(await at.events('passkey'), ['passkey.added', 'passkey.used']);
  await at.close();
});

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] satisfies Algorithm[]) {
  test(`C-03 a passkey may sign with ${algorithm}`, async t => {
    const at = await openTestIdentity();
    const { key } = await withPasskey(at, 'ann', new SoftPasskey(algorithm));
    t.is((await secondStep(at, 'ann', key)).login.stage, 'full');
    t.is(await refusal(secondStep(at, 'ann', key, { tamper: true })), 'login.refused');
    await at.close();
  });
}

const lies: Record<string, Lies> = {
  'of another origin': { origin: 'https://evil.example.com' },
  'of our name at a port that is not ours': { origin: 'https://support.example.com:9443' },
  'of another name': { rpId: 'evil.example.com' },
  'to another challenge': { challenge: 'A'.repeat(43) },
  'of a registration': { type: 'webauthn.create' },
  'with a tampered signature': { tamper: true },
  'without anybody there': { isUserPresent: false },
  'that names another member': { userHandle: 'A'.repeat(22) },
  'of a passkey nobody has': { credentialId: Buffer.alloc(32, 7) },
};
for (const [what, lie] of Object.entries(lies)) {
  test(`C-03 an answer ${what} is refused as a second step and alone, and counts`, async t => {
    const at = await openTestIdentity();
    await at.identity.passkeys.setPolicy(at.asRoot, { aloneAllowed: true });
    const { key } = await withPasskey(at, 'ann');
    t.is(await refusal(secondStep(at, 'ann', key, lie)), 'login.refused');
    t.is(await refusal(alone(at, key, lie)), 'login.refused');
    const reason = what === 'of a passkey nobody has' ? 'unknown' : 'passkey';
    t.deepEqual(await at.events('login.refused'), ['login.refused passkey', `login.refused ${reason}`]);
    t.is((await secondStep(at, 'ann', key)).login.stage, 'full', 'the honest one goes on');
    await at.close();
  });
}

test('C-03 a challenge is good once, for five minutes, for the login that asked', async t => {
  const at = await openTestIdentity();
  const { key } = await withPasskey(at, 'ann');
  const { logins } = at.identity;
  const first = await at.signIn('ann');
  const second = await at.signIn('ann');
  const verify = (token: string, answer: string) =>
    refusal(logins.verifyPasskey(token, { answer, origin: ORIGIN, source }));
  const wrong = key.answer(await logins.askPasskey(first.login, ORIGIN), ORIGIN, { tamper: true });
  t.is(await verify(first.token, wrong), 'login.refused');
  t.is(await verify(first.token, wrong), 'passkey.too-late', 'used up by what was wrong');
  const answer = key.answer(await logins.askPasskey(first.login, ORIGIN), ORIGIN);
  t.is(await verify(second.token, answer), 'passkey.too-late', 'another login');
  await logins.askPasskey(second.login, ORIGIN);
  t.is(await verify(second.token, answer), 'login.refused', 'another login with a challenge of its own');
  at.clock.advance(CHALLENGE_MS);
  t.is(await verify(first.token, answer), 'passkey.too-late');
  const late = key.answer(await logins.askPasskey(first.login, ORIGIN), ORIGIN);
  at.clock.advance(CHALLENGE_MS - 1);
  t.is(await verify(first.token, late), 'accepted');
  t.is(await verify(first.token, late), 'login.refused', 'the login stepped up and has another token');
  await at.close();
});

test('C-03 challenges of strangers can not push out those of members, and are bounded', t => {
  const clock = new ManualClock();
  const challenges = new PasskeyChallenges(clock);
  const mine = challenges.give('second-step', 'login');
  for (let n = 0; n <= 10_000; n += 1) challenges.give('alone', `stranger ${n}`);
  t.is(challenges.take('alone', 'stranger 0'), undefined);
  t.truthy(challenges.take('alone', 'stranger 1'));
  t.is(challenges.take('second-step', 'login'), mine);
  t.is(challenges.take('second-step', 'login'), undefined);
});

test('C-03 a counter that went back is refused and logged', async t => {
  const at = await openTestIdentity();
  const { key } = await withPasskey(at, 'ann');
  t.is((await secondStep(at, 'ann', key, { counter: 7 })).login.stage, 'full');
  t.is(await refusal(secondStep(at, 'ann', key, { counter: 7 })), 'login.refused');
  t.is(await refusal(secondStep(at, 'ann', key, { counter: 0 })), 'login.refused');
  t.is(await refusal(secondStep(at, 'ann', key, { counter: 3, tamper: true })), 'login.refused');
  const told = (await at.entries()).filter(({ event }) => event === 'passkey.counter-went-back');
  t.deepEqual(
    told.map(({ detail }) => [detail.before, detail.given]),
    [
      [7, 7],
      [7, 0],
    ],
    'only what stands under a right signature',
  );
  t.is((await secondStep(at, 'ann', key, { counter: 8 })).login.stage, 'full');
  await at.close();
});

test('C-03 another member’s passkey is no second step, and can not be registered twice', async t => {
  const at = await openTestIdentity();
  const { key } = await withPasskey(at, 'ann');
  const bob = await withPasskey(at, 'bob');
  t.is(await refusal(secondStep(at, 'bob', key)), 'login.refused');
  const credentialId = key.credentialId;
  t.is(await refusal(register(at, bob, new SoftPasskey(), { credentialId })), 'passkey.taken');
  t.is((await secondStep(at, 'ann', key)).login.stage, 'full', 'it is still his');
  await at.close();
});

test('C-03 a registration is refused with another algorithm, origin, name, challenge or attestation', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const issued = await at.identity.stepUp.byPassword((await at.signIn('ann')).login, PASSWORD);
  const wrong: Lies[] = [
    { origin: 'https://evil.example.com' },
    { rpId: 'evil.example.com' },
    { challenge: 'A'.repeat(43) },
    { type: 'webauthn.get' },
    { isUserPresent: false },
    { format: 'tpm' },
    { format: 'android-safetynet' },
  ];
  for (const lie of wrong) {
    t.is(await refusal(register(at, issued, new SoftPasskey(), lie)), 'passkey.answer-malformed', JSON.stringify(lie));
  }
  t.is(await refusal(register(at, issued, new SoftPasskey('ES384'))), 'passkey.answer-malformed');
  const { passkeys } = at.identity;
  for (const answer of ['', '{}', 'no JSON', `"${'x'.repeat(20_000)}"`, '{"id":"*"}']) {
    await passkeys.begin(issued.login, ORIGIN);
    const code = answer === '' ? 'passkey.no-answer' : 'passkey.answer-malformed';
    t.is(await refusal(passkeys.add(issued.login, { name: 'key', answer, origin: ORIGIN })), code);
  }
  t.is(await refusal(passkeys.begin(issued.login, 'https://192.0.2.1')), 'passkey.no-place');
  t.is(await refusal(register(at, issued, new SoftPasskey(), { name: ' ' })), 'passkey.name-malformed');
  t.deepEqual(await passkeys.list(issued.login.memberId), []);
  await at.close();
});

test('C-03 a passkey answers only under the name it was made for', async t => {
  const at = await openTestIdentity();
  const { key, member } = await withPasskey(at, 'ann');
  t.true(await at.identity.passkeys.answersAt(member.id, ORIGIN));
  t.false(await at.identity.passkeys.answersAt(member.id, SECOND_ORIGIN));
  const { token, login } = await at.signIn('ann');
  const asked = await at.identity.logins.askPasskey(login, SECOND_ORIGIN);
  t.deepEqual(asked.allowCredentials, []);
  const answer = key.answer(asked, SECOND_ORIGIN);
  t.is(
    await refusal(at.identity.logins.verifyPasskey(token, { answer, origin: SECOND_ORIGIN, source })),
    'login.refused',
  );
  const names = ['support.example.com', '192.0.2.1', 'help.example.com'];
  const listen = { address: '::', port: 443, redirectPort: null, metricsPort: null };
  t.deepEqual(passkeyOrigins({ names, listen, gateways: [{ id: 'gateway-1' }, { id: 'gateway-2', port: 8444 }] }), [
    'https://support.example.com',
    'https://support.example.com:8444',
    'https://help.example.com',
    'https://help.example.com:8444',
  ]);
  await at.close();
});

test('C-03 adding and removing needs a fresh proof: the password, or a second step where there is one', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { passkeys, stepUp } = at.identity;
  const plain = await at.signIn('ann');
  t.is(await refusal(register(at, plain, new SoftPasskey())), 'step-up.needed');
  t.is(await refusal(stepUp.byPassword(plain.login, 'wrong')), 'step-up.wrong');
  const elsewhere = await at.signIn('ann');
  const confirmed = await stepUp.byPassword(plain.login, PASSWORD);
  t.not(confirmed.token, plain.token);
  t.is(await refusal(register(at, elsewhere, new SoftPasskey())), 'step-up.needed', 'another login is not confirmed');
  const key = new SoftPasskey();
  const done = await register(at, confirmed, key);
  t.is(await at.identity.logins.find(elsewhere.token, { touch: true }), undefined, 'other logins end');
  const [{ id = '' } = {}] = await passkeys.list(done.login.memberId);
  at.clock.advance(CONFIRMED_MS);
  t.is(await refusal(passkeys.remove(done.login, id)), 'step-up.needed');
  t.is(await refusal(stepUp.byPassword(done.login, PASSWORD)), 'step-up.wrong', 'now a second step is asked');
  const asked = await stepUp.askPasskey(done.login, ORIGIN);
  const last = await stepUp.byPasskey(done.login, { answer: key.answer(asked, ORIGIN), origin: ORIGIN });
  await passkeys.rename(last.login, id, 'green key');
  await passkeys.remove(last.login, id);
  t.is((await at.signIn('ann')).login.stage, 'full', 'two-step is off');
  t.is(await at.identity.twoStep.recoveryCodesLeft(last.login.memberId), 0);
  t.deepEqual(await at.events('passkey'), ['passkey.added', 'passkey.used', 'passkey.renamed', 'passkey.removed']);
  for (let n = 0; n < 10; n += 1) await refusal(stepUp.byPassword(last.login, 'wrong'));
  t.is(await at.identity.logins.find(last.token, { touch: true }), undefined, 'guessing ends the login');
  await at.close();
});

test('C-03 ten passkeys at most; another member’s is missing', async t => {
  const at = await openTestIdentity();
  const { login } = await withPasskey(at, 'ann');
  const { passkeys } = at.identity;
  for (let n = 2; n <= 10; n += 1) {
    t.deepEqual((await register(at, { login, token: '' }, new SoftPasskey(), { name: `key ${n}` })).recoveryCodes, []);
  }
  t.is(await refusal(register(at, { login, token: '' }, new SoftPasskey())), 'passkey.too-many');
  const bob = await withPasskey(at, 'bob');
  const [{ id = '' } = {}] = await passkeys.list(login.memberId);
  t.is(await refusal(passkeys.remove(bob.login, id)), 'passkey.missing');
  t.is(await refusal(passkeys.rename(bob.login, id, 'mine')), 'passkey.missing');
  await at.close();
});

test('C-03 the last second step stays where two-step is required; forced set-up takes a passkey', async t => {
  const at = await openTestIdentity();
  const member = await at.member('ann');
  await at.identity.members.requireTwoStep(at.asRoot, member.id, true);
  const forced = await at.signIn('ann');
  t.is(forced.login.stage, 'enrol-two-step');
  const key = new SoftPasskey();
  const done = await register(at, forced, key);
  t.is(done.login.stage, 'full');
  const [{ id = '' } = {}] = await at.identity.passkeys.list(member.id);
  const confirm = async (login = done.login) => {
    const answer = key.answer(await at.identity.stepUp.askPasskey(login, ORIGIN), ORIGIN);
    return at.identity.stepUp.byPasskey(login, { answer, origin: ORIGIN });
  };
  await confirm();
  t.is(await refusal(at.identity.passkeys.remove(done.login, id)), 'two-step.required');
  const { secret } = await at.identity.twoStep.begin(member.id);
  const both = await at.identity.twoStep.confirm(done.login, await codeOf(secret, at.clock.now()));
  await at.identity.twoStep.remove(both.login, '');
  t.is((await at.identity.members.get(member.id)).twoStepEnrolled, true, 'the app may go while a passkey stays');
  t.is(await at.identity.twoStep.recoveryCodesLeft(member.id), 10);
  await at.close();
});

test('C-03 beside a passkey an app is added, and the password changed, only after a fresh proof', async t => {
  const at = await openTestIdentity();
  const { login, key, member } = await withPasskey(at, 'ann');
  at.clock.advance(CONFIRMED_MS);
  const { secret } = await at.identity.twoStep.begin(member.id);
  const enrol = async () => at.identity.twoStep.confirm(login, await codeOf(secret, at.clock.now()));
  t.is(await refusal(enrol()), 'step-up.needed');
  const change = { current: PASSWORD, next: NEXT_PASSWORD, source };
  t.is(await refusal(at.identity.passwords.change(login, change)), 'password.not-changed');
  const answer = key.answer(await at.identity.stepUp.askPasskey(login, ORIGIN), ORIGIN);
  await at.identity.stepUp.byPasskey(login, { answer, origin: ORIGIN });
  t.is((await at.identity.passwords.change(login, change)).login.stage, 'full');
  t.is(await refusal(enrol()), 'accepted');
  await at.close();
});

test('C-03 C-07 a passkey alone signs in only where a master admin allows it, and only when it verified its user', async t => {
  const at = await openTestIdentity();
  const { key, member } = await withPasskey(at, 'ann');
  t.is(await refusal(alone(at, key)), 'passkey.not-alone');
  const asAnn = { kind: 'member', id: member.id, name: 'ann', address: null } as const;
  t.is(await refusal(at.identity.passkeys.setPolicy(asAnn, { aloneAllowed: true })), 'identity.not-allowed');
  await at.identity.passkeys.setPolicy(at.asRoot, { aloneAllowed: true });
  const asked = await at.identity.logins.askAlone(browser, ORIGIN, source);
  t.deepEqual([asked.allowCredentials, asked.userVerification], [[], 'required']);
  t.is((await alone(at, key)).login.stage, 'full');
  t.is(await refusal(alone(at, key, { isUserVerified: false })), 'login.refused');
  t.is(await refusal(alone(at, key, { userHandle: null })), 'login.refused', 'it must name who it is');
  t.is(await refusal(alone(at, new SoftPasskey())), 'login.refused', 'nobody’s');
  const answer = key.answer(await at.identity.logins.askAlone(browser, ORIGIN, source), ORIGIN);
  const elsewhere = { answer, browser: 'c'.repeat(43), origin: ORIGIN, source, userAgent: '' };
  t.is(await refusal(at.identity.logins.signInAlone(elsewhere)), 'passkey.too-late', 'another browser');
  await at.identity.members.forceChange(at.asRoot, member.id);
  t.is((await alone(at, key)).login.stage, 'change-password');
  await at.identity.members.disable(at.asRoot, member.id);
  t.is(await refusal(alone(at, key)), 'login.refused');
  t.true((await at.events()).includes('passkey-policy.changed'));
  await at.close();
});

test('C-07 wrong passkeys lock the account and are limited by source, as wrong passwords', async t => {
  const at = await openTestIdentity();
  const { key, member } = await withPasskey(at, 'ann');
  await at.identity.passkeys.setPolicy(at.asRoot, { aloneAllowed: true });
  for (let n = 0; n < 10; n += 1) t.is(await refusal(alone(at, key, { tamper: true })), 'login.refused');
  t.is(await refusal(alone(at, key)), 'login.refused', 'locked: even the right one');
  t.is(await refusal(at.signIn('ann')), 'login.refused');
  at.clock.advance(20 * MINUTE_MS);
  t.is(await refusal(alone(at, key)), 'accepted');
  let tries = 0;
  while ((await refusal(alone(at, key, { credentialId: Buffer.alloc(16, 1) }))) !== 'login.limited') tries += 1;
  t.true(tries > 5 && tries <= 60, `${tries}`);
  t.is((await at.identity.members.get(member.id)).lockedUntil, null, 'nobody’s passkey locks nobody');
  await at.close();
});

test('C-03 an admin resets every second step of a member; his logins end', async t => {
  const at = await openTestIdentity();
  const { key, token, member } = await withPasskey(at, 'ann');
  await at.identity.members.resetTwoStep(at.asRoot, member.id);
  t.is(await at.identity.logins.find(token, { touch: true }), undefined);
  t.is((await at.signIn('ann')).login.stage, 'full');
  t.is((await at.identity.members.get(member.id)).passkeys, 0);
  await at.identity.passkeys.setPolicy(at.asRoot, { aloneAllowed: true });
  t.is(await refusal(alone(at, key)), 'login.refused');
  const entry = (await at.entries()).find(({ event }) => event === 'two-step.reset');
  t.is(entry?.detail.passkeys, 1);
  await at.close();
});

test('C-05 a passkey alone lets nobody of a directory in: that is asked at each login whether he still may', async t => {
  const at = await openTestIdentity();
  const { key, member } = await withPasskey(at, 'ann');
  await at.identity.passkeys.setPolicy(at.asRoot, { aloneAllowed: true });
  t.is((await alone(at, key)).login.stage, 'full');
  await at.store.core.transaction(tx => insertLink(tx, member.id, 'an id in the directory'));
  t.is(await refusal(alone(at, key)), 'login.refused');
  t.is((await at.events('login.refused')).at(-1), 'login.refused directory');
  await at.close();
});
