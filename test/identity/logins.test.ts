import test from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { asMember, MINUTE_MS, openTestIdentity } from './open-identity.ts';

const HOUR_MS = 60 * MINUTE_MS;

test('C-08 a login nobody used for 15 minutes is over; use keeps it, a heartbeat does not', async t => {
  const at = await openTestIdentity();
  const { logins } = at.identity;
  await at.member('ann');
  const { token } = await at.signIn('ann');
  for (let round = 0; round < 3; round += 1) {
    at.clock.advance(14 * MINUTE_MS);
    t.not(await logins.find(token, { touch: true }), undefined);
  }
  at.clock.advance(14 * MINUTE_MS);
  t.not(await logins.find(token, { touch: false }), undefined);
  at.clock.advance(MINUTE_MS);
  t.is(await logins.find(token, { touch: true }), undefined);
  t.is(await logins.find(token, { touch: true }), undefined);
  t.deepEqual(await at.events('login.ended'), ['login.ended idle']);
  await at.close();
});

test('C-08 a login ends after 12 hours however busy it is', async t => {
  const at = await openTestIdentity();
  const { logins } = at.identity;
  await at.member('ann');
  const { token, login } = await at.signIn('ann');
  for (let minutes = 0; minutes < 12 * 60 - 10; minutes += 10) {
    at.clock.advance(10 * MINUTE_MS);
    t.not(await logins.find(token, { touch: true }), undefined);
  }
  at.clock.advance(login.createdAt + 12 * HOUR_MS - at.clock.now());
  t.is(await logins.find(token, { touch: true }), undefined);
  t.deepEqual(await at.events('login.ended'), ['login.ended too-old']);
  await at.close();
});

test('C-08 the sweep ends what has run out and says so to whoever holds a socket', async t => {
  const at = await openTestIdentity();
  const { logins } = at.identity;
  const member = await at.member('ann');
  const ended: string[] = [];
  const cancel = logins.onEnded(id => ended.push(id));
  logins.onEnded(() => {
    throw new Error('a listener that fails');
  });
  const idle = await at.signIn('ann');
  const busy = await at.signIn('ann');
  at.clock.advance(10 * MINUTE_MS);
  await logins.find(busy.token, { touch: true });
  at.clock.advance(5 * MINUTE_MS);
  await logins.sweep();
  t.deepEqual(ended, [idle.login.id]);
  t.deepEqual(
    (await logins.list(member.id)).map(login => login.id),
    [busy.login.id],
  );
  cancel();
  await logins.signOut(busy.token);
  t.deepEqual(ended, [idle.login.id]);
  t.deepEqual(await at.events('login.ended'), ['login.ended idle', 'login.ended signed-out']);
  t.true(at.lines.some(line => line.includes('identity.listener-failed')));
  await at.close();
});

test('C-08 the clock sweeps by itself', async t => {
  const at = await openTestIdentity();
  await at.member('ann');
  const { login } = await at.signIn('ann');
  const ended: string[] = [];
  at.identity.logins.onEnded(id => ended.push(id));
  for (let minute = 0; minute < 1000 && ended.length === 0; minute += 1) {
    at.clock.advance(MINUTE_MS);
    await at.store.core.read.get('SELECT 1'); // lets the sweep that was begun look at the store
  }
  t.deepEqual(ended, [login.id]);
  t.deepEqual(await at.events('login.ended'), ['login.ended idle']);
  await at.close();
});

test('C-08 a touch between the look and the sweep keeps the login', async t => {
  const at = await openTestIdentity();
  const { logins } = at.identity;
  await at.member('ann');
  const { token } = await at.signIn('ann');
  at.clock.advance(15 * MINUTE_MS - 1);
  const touched = logins.find(token, { touch: true });
  await Promise.all([touched, logins.sweep()]);
  t.not(await logins.find(token, { touch: false }), undefined);
  await at.close();
});

test('C-08 a member ends his own logins; ending another’s takes the role for it', async t => {
  const at = await openTestIdentity();
  const { logins } = at.identity;
  const ann = await at.member('ann');
  const bob = await at.member('bob');
  const admin = await at.member('admin', ['admin']);
  await at.giveParts(admin.id);
  const [one, two] = [await at.signIn('ann'), await at.signIn('ann')];
  await t.throwsAsync(logins.end(asMember(bob), one.login.id), { message: /role/ });
  await t.throwsAsync(logins.endAllOf(asMember(bob), ann.id), { message: /role/ });
  await logins.endAllOf(asMember(ann), ann.id, one.login.id);
  t.is(await logins.find(two.token, { touch: true }), undefined);
  await logins.end(asMember(admin), one.login.id);
  t.is(await logins.find(one.token, { touch: true }), undefined);
  const gone = await t.throwsAsync(logins.end(asMember(ann), one.login.id), { instanceOf: ApplianceError });
  t.is(gone.code, 'login.missing');
  const root = await at.signIn('root');
  await t.throwsAsync(logins.end(asMember(admin), root.login.id), { message: /role/ });
  t.deepEqual(await at.events('login.ended'), ['login.ended ended-by-member', 'login.ended ended-by-admin']);
  await at.close();
});

test('C-08 what is no token finds nothing and asks the store nothing', async t => {
  const at = await openTestIdentity();
  const { logins } = at.identity;
  for (const token of ['', 'x', 'A'.repeat(43), 'A'.repeat(100_000), "' OR 1=1 --"]) {
    t.is(await logins.find(token, { touch: true }), undefined);
    await logins.signOut(token);
  }
  await at.close();
});

test('D-08 disabling, a change of roles and a new password end every login at once', async t => {
  const at = await openTestIdentity();
  const { logins, members } = at.identity;
  const acts = {
    disabled: (id: string) => members.disable(at.asRoot, id),
    'roles-changed': (id: string) => members.update(at.asRoot, id, { name: 'Ann', roles: ['auditor'] }),
    'password-reset': (id: string) => members.resetPassword(at.asRoot, id),
    'two-step-changed': (id: string) => members.requireTwoStep(at.asRoot, id, true),
  };
  for (const [reason, act] of Object.entries(acts)) {
    const { id } = await at.member(`ann-${reason}`);
    const issued = [await at.signIn(`ann-${reason}`), await at.signIn(`ann-${reason}`)];
    const ended: string[] = [];
    const cancel = logins.onEnded(one => ended.push(one));
    await act(id);
    cancel();
    t.deepEqual(ended.sort(), issued.map(({ login }) => login.id).sort(), reason);
    for (const { token } of issued) t.is(await logins.find(token, { touch: true }), undefined);
  }
  t.is((await at.events('login.ended')).length, 8);
  await at.close();
});
