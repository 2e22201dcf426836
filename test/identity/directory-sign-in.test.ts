// Signing in by a directory, against a real slapd: accounts made, changed and taken away as its groups say.
import test from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { refusal } from '../support/refusal.ts';
import { groupDn, personDn, Slapd } from '../support/slapd.ts';
import { asMember, codeOf, openTestIdentity, PASSWORD, type TestIdentity } from './open-identity.ts';

const people = ['Ann', 'Bob', 'Carl', 'Dora', 'Eve'].map(cn => ({
  cn,
  mail: `${cn.toLowerCase()}@example.com`,
  password: `${cn}-password`,
}));
const groups = { support: ['Ann', 'Bob', 'Carl', 'Dora'], leads: ['Ann'], masters: ['Eve'] };

interface At extends TestIdentity {
  readonly slapd: Slapd;
  readonly berlin: string;
}

async function open(): Promise<At> {
  const slapd = await Slapd.start({ people, groups });
  const config = slapd.config({
    timeoutSeconds: 2,
    syncHours: 24,
    mapping: [
      { group: groupDn('leads'), roles: ['admin'], technicianGroup: null },
      { group: groupDn('masters'), roles: ['master-admin'], technicianGroup: null },
      { group: groupDn('support'), roles: ['technician'], technicianGroup: 'Support › Berlin' },
    ],
  });
  const at = await openTestIdentity({ directory: config });
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const support = await at.identity.groups.create(editor, { name: 'Support', parentId: ROOT_GROUP_ID });
  const { id: berlin } = await at.identity.groups.create(editor, { name: 'Berlin', parentId: support.id });
  const close = async () => {
    await at.close();
    await slapd[Symbol.asyncDispose]();
  };
  return { ...at, slapd, berlin, close };
}

let at: At;
test.before(async () => {
  at = await open();
});
test.after.always(() => at?.close());

const signIn = (cn: string, loginId = `${cn.toLowerCase()}@example.com`) => at.signIn(loginId, `${cn}-password`);

function members(group: string, act: 'add' | 'delete', cn: string): void {
  at.slapd.modify(`dn: ${groupDn(group)}\nchangetype: modify\n${act}: member\nmember: ${personDn(cn)}\n`);
}

test.serial(
  'C-05 who is in a mapped group gets an account at the first login, with its roles and technician group',
  async t => {
    const { login } = await signIn('Ann', ' ANN@example.com');
    t.is(login.stage, 'full');
    const ann = await at.identity.members.get(login.memberId);
    t.deepEqual(
      [ann.loginId, ann.name, ann.roles, ann.inDirectory],
      ['ann@example.com', 'Ann', ['admin', 'technician'], true],
    );
    t.is(await at.identity.groups.groupOf(ann.id), at.berlin);
    t.is((await signIn('Ann')).login.memberId, ann.id);
    t.deepEqual(await at.events('directory.'), ['directory.member-created']);
    t.is((await at.entries()).filter(({ event }) => event === 'group.member-moved').length, 1);
  },
);

test.serial(
  'C-05 C-07 wrong, empty and unknown: one answer after the same work, and nobody is made a member',
  async t => {
    const before = await at.identity.members.count();
    const answers = new Set<string>();
    const tries = [
      ['ann@example.com', 'wrong'],
      ['bob@example.com', ''],
      ['nobody@example.com', 'x'],
      ['eve*', 'Eve-password'],
      ['root', 'wrong'],
    ] as const;
    for (const [loginId, password] of tries) {
      const hashes = at.hashes();
      const error = await t.throwsAsync(at.signIn(loginId, password), { instanceOf: ApplianceError });
      answers.add(JSON.stringify([error.kind, error.code, error.message, error.hint, error.status]));
      t.is(at.hashes() - hashes, 1);
    }
    t.is(answers.size, 1);
    t.is(await at.identity.members.count(), before);
    t.deepEqual(await at.events('directory.failed'), []);
    const asked = /identity_directory_tasks_total\{outcome="answered"\} (\d+)/.exec(at.metrics.text())?.[1];
    t.is(asked, '7'); // each refused one asked once, whether of the directory or not
  },
);

test.serial('C-05 the account stays the same one when the person is renamed', async t => {
  const { memberId } = (await signIn('Bob')).login;
  const dn = personDn('Bob');
  at.slapd.modify(
    `dn: ${dn}\nchangetype: modify\nreplace: mail\nmail: robert@example.com\n\ndn: ${dn}\nchangetype: modrdn\nnewrdn: cn=Robert\ndeleteoldrdn: 1\n`,
  );
  members('support', 'delete', 'Bob');
  members('support', 'add', 'Robert');
  t.is((await signIn('Bob', 'robert@example.com')).login.memberId, memberId);
  const member = await at.identity.members.get(memberId);
  t.deepEqual([member.loginId, member.name], ['robert@example.com', 'Robert']);
  t.is(await refusal(signIn('Bob')), 'login.refused');
});

test.serial('C-05 what the mapping gives it takes away: roles, group, and the account with its logins', async t => {
  const { login, token } = await signIn('Ann');
  members('support', 'delete', 'Ann');
  await signIn('Ann');
  const ann = await at.identity.members.get(login.memberId);
  t.deepEqual(ann.roles, ['admin']);
  t.is(await at.identity.groups.groupOf(ann.id), ROOT_GROUP_ID);
  await at.giveParts(ann.id, [at.berlin]);
  t.is(await at.identity.logins.find(token, { touch: false }), undefined);
  members('support', 'add', 'Ann');
  at.slapd.modify(`dn: ${groupDn('leads')}\nchangetype: delete\n`);
  members('support', 'delete', 'Ann');
  t.is(await refusal(signIn('Ann')), 'login.refused');
  t.is((await at.identity.members.get(ann.id)).state, 'disabled');
  t.deepEqual(await at.identity.logins.list(ann.id), []);
  members('support', 'add', 'Ann');
  await signIn('Ann');
  t.deepEqual((await at.identity.members.get(ann.id)).roles, ['technician']);
  t.deepEqual(await at.identity.groups.partsOf(ann.id), [], 'an admin’s parts go with the role');
  await at.identity.members.disable(at.asRoot, ann.id); // by an admin: the directory doesn't undo that
  t.is(await refusal(signIn('Ann')), 'login.refused');
  await at.identity.members.enable(at.asRoot, ann.id);
  const events = (await at.events('directory.')).filter(event => /roles|withdrawn|restored/.test(event));
  t.deepEqual(events, [
    'directory.roles-changed',
    'directory.member-withdrawn',
    'directory.member-restored',
    'directory.roles-changed',
  ]);
});

test.serial(
  'C-05 a technician group that was renamed is found by nobody: its people stay where they are, and it is told',
  async t => {
    const { groups, directory } = at.identity;
    const bob = (await signIn('Bob', 'robert@example.com')).login.memberId;
    t.is(await groups.groupOf(bob), at.berlin);
    const editor = { actor: at.asRoot, roles: ['master-admin'] } as const;
    await groups.rename(editor, at.berlin, 'Hamburg');
    t.deepEqual(await directory?.unknownGroups(), ['Support › Berlin']);
    await signIn('Bob', 'robert@example.com');
    t.is(await groups.groupOf(bob), at.berlin, 'not into the root, where he may more or less');
    await groups.rename(editor, at.berlin, 'Berlin');
    t.deepEqual(await directory?.unknownGroups(), []);
  },
);

test.serial('C-05 C-03 two-step comes after the directory, and the password is changed there alone', async t => {
  const { login } = await signIn('Carl');
  const carl = await at.identity.members.get(login.memberId);
  t.is(
    await refusal(at.identity.passwords.change(login, { current: 'x', next: 'y', source: '192.0.2.9' })),
    'password.in-directory',
  );
  t.is(await refusal(at.identity.members.resetPassword(at.asRoot, carl.id)), 'password.in-directory');
  t.is(await refusal(at.identity.members.forceChange(at.asRoot, carl.id)), 'password.in-directory');
  const update = { name: 'Carl', roles: ['admin'] as const };
  t.is(await refusal(at.identity.members.update(at.asRoot, carl.id, update)), 'member.in-directory');
  await at.identity.stepUp.byPassword(login, 'Carl-password');
  const { secret } = await at.identity.twoStep.begin(carl.id);
  await at.identity.twoStep.confirm(login, await codeOf(secret, at.clock.now()));
  const again = await signIn('Carl');
  t.is(again.login.stage, 'two-step');
  at.clock.advance(60_000);
  const full = await at.identity.logins.verifyTwoStep(again.token, {
    code: await codeOf(secret, at.clock.now()),
    source: '192.0.2.9',
  });
  t.is(full.login.stage, 'full');
});

test.serial(
  'C-05 a local account is never the directory’s, and one master admin with a password here stays',
  async t => {
    const dora = await at.member('dora@example.com', ['auditor']);
    t.is(await refusal(signIn('Dora')), 'login.refused');
    t.is((await at.signIn('dora@example.com', PASSWORD)).login.memberId, dora.id);
    await signIn('Eve');
    t.is(await refusal(at.identity.members.disable(at.asRoot, at.root.id)), 'identity.last-master-admin');
  },
);

test.serial('C-05 C-07 too many wrong passwords lock here, and the directory is not asked any more', async t => {
  const codes: string[] = [];
  for (let n = 0; n < 10; n += 1) codes.push(await refusal(at.signIn('eve@example.com', 'wrong')));
  t.deepEqual(new Set(codes), new Set(['login.refused']));
  t.is(await refusal(signIn('Eve')), 'login.refused');
  t.is((await at.events('login.refused')).at(-1), 'login.refused locked');
  at.clock.advance(15 * 60_000);
  t.is(await refusal(signIn('Eve')), 'accepted');
});

test.serial('C-03 C-05 whoever adds a passkey confirms with the password of the directory', async t => {
  const { login } = await signIn('Ann');
  const { stepUp } = at.identity;
  t.is(await refusal(stepUp.byPassword(login, 'wrong')), 'step-up.wrong');
  t.is(await refusal(stepUp.byPassword(login, 'Bob-password')), 'step-up.wrong');
  t.is(await refusal(stepUp.byPassword(login, 'Ann-password')), 'accepted');
  t.true(await stepUp.isFresh(login.id));
});

test.serial('C-05 a sync is seen before it is applied, and only what was seen is applied', async t => {
  const { directory, members: accounts } = at.identity;
  if (directory === null) throw new Error('there is a directory');
  const carl = await accounts.findByLoginId('carl@example.com');
  const ann = await accounts.findByLoginId('ann@example.com');
  if (carl === undefined || ann === undefined) throw new Error('both have signed in');
  await t.throwsAsync(directory.preview(asMember(ann)), { message: /role you do not have/ });
  at.slapd.modify(`dn: ${personDn('Ann')}\nchangetype: delete\n`);
  members('masters', 'add', 'Carl');
  const seen = await directory.preview(at.asRoot);
  const short = seen.rows.map(({ kind, loginId, changes }) => `${kind} ${loginId}: ${changes.join('; ')}`).sort();
  t.deepEqual(short, [
    'change carl@example.com: roles: technician → master-admin, technician',
    'conflict dora@example.com: there is an account with that login id already; it stays as it is',
    'withdraw ann@example.com: not in the directory any more; loses: technician',
  ]);
  members('masters', 'delete', 'Carl');
  t.is(await refusal(directory.apply(at.asRoot, seen.digest)), 'directory.changed');
  members('masters', 'add', 'Carl');
  const { counts } = await directory.apply(at.asRoot, seen.digest);
  t.deepEqual(counts, { create: 0, change: 1, withdraw: 1, restore: 0, conflict: 1, unchanged: 2, noRole: 0 });
  t.deepEqual((await accounts.get(carl.id)).roles, ['master-admin', 'technician']);
  t.is((await accounts.get(ann.id)).state, 'disabled');
  t.is((await at.events('directory.synced')).length, 1);
  const after = await directory.preview(at.asRoot);
  t.deepEqual(
    after.rows.map(({ kind }) => kind),
    ['conflict'],
  );
});

test.serial('C-05 D-08 a sync that takes the role from who applies it is done to its end', async t => {
  const { directory, members: accounts, groups } = at.identity;
  if (directory === null) throw new Error('there is a directory');
  const [carl, bob] = [
    await accounts.findByLoginId('carl@example.com'),
    await accounts.findByLoginId('robert@example.com'),
  ];
  if (carl === undefined || bob === undefined) throw new Error('both have an account');
  t.true(carl.roles.includes('master-admin'));
  members('masters', 'add', 'Robert');
  members('support', 'delete', 'Robert');
  members('masters', 'delete', 'Carl');
  await directory.apply(asMember(carl), (await directory.preview(asMember(carl))).digest);
  t.deepEqual((await accounts.get(carl.id)).roles, ['technician']);
  t.is(await groups.groupOf(bob.id), ROOT_GROUP_ID);
  t.is((await at.events('directory.synced')).length, 2);
  members('support', 'add', 'Robert');
  members('masters', 'add', 'Carl');
  members('masters', 'delete', 'Robert');
  await directory.apply(at.asRoot, (await directory.preview(at.asRoot)).digest);
  t.is(await groups.groupOf(bob.id), at.berlin);
});

test.serial(
  'C-05 while the directory is down nobody signs in by it, local accounts do, and the log says why',
  async t => {
    const { directory } = at.identity;
    await directory?.probe();
    t.is(directory?.fault, null);
    await at.slapd.stop();
    t.is(await refusal(signIn('Carl')), 'login.refused');
    t.is((await at.events('login.refused')).at(-1), 'login.refused directory');
    const failed = (await at.entries()).filter(({ event }) => event === 'directory.failed');
    t.is(failed.length, 1);
    t.regex(String(failed[0]?.detail.why), /^ldaps:\/\/localhost:\d+: nobody listens there/);
    t.is(await refusal(at.signIn('root', PASSWORD)), 'accepted');
    const since = at.clock.now();
    t.like(directory?.fault, { since, code: 'directory.not-there' });
    at.clock.advance(60_000);
    await directory?.probe();
    t.like(directory?.fault, { since }, 'since then, however often it is asked');
    await at.slapd.resume();
    at.clock.advance(60_000);
    await directory?.probe();
    t.is(directory?.fault, null, 'without anybody who signs in');
    t.is((await signIn('Carl')).login.stage, 'two-step');
  },
);

test.serial(
  'C-05 where it is set accounts follow the directory by themselves, unless hardly anybody is left of them',
  async t => {
    const { directory, members: accounts } = at.identity;
    const carl = await accounts.findByLoginId('carl@example.com');
    if (directory === null || carl === undefined) throw new Error('both are there');
    const stateOf = async () => (await accounts.get(carl.id)).state;
    const again = async () => {
      at.clock.advance(24 * 3_600_000);
      await directory.syncWhenDue();
      return (await directory.lastSync())?.fault ?? 'never';
    };
    members('masters', 'delete', 'Carl');
    t.is(await again(), '');
    t.deepEqual((await accounts.get(carl.id)).roles, ['technician']);
    members('support', 'delete', 'Carl');
    await directory.syncWhenDue();
    t.is(await stateOf(), 'enabled', 'not due');
    await at.slapd.stop();
    t.regex(await again(), /nobody listens there/);
    await at.slapd.resume();
    members('support', 'delete', 'Robert');
    t.regex(await again(), /2 of 4 accounts would be disabled/);
    t.is(await stateOf(), 'enabled');
    t.is((await at.events('directory.sync-failed')).length, 2);
    members('support', 'add', 'Robert');
    t.is(await again(), '');
    t.is(await stateOf(), 'disabled');
    const { actor } = (await at.entries()).findLast(({ event }) => event === 'directory.synced') ?? {};
    t.is(actor?.kind, 'appliance');
  },
);

test.serial('C-05 no password, of a person or of the appliance, stands in a log', async t => {
  const text = JSON.stringify(await at.entries()) + at.lines.join('\n') + at.metrics.text();
  for (const secret of ['Ann-password', 'Eve-password', 'reads-people-only']) t.false(text.includes(secret));
});
