import test from 'ava';
import { AuditLog } from '../../appliance/audit/audit.ts';
import type { Actor } from '../../appliance/audit/entry.ts';
import { parseConfig } from '../../appliance/config.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { Identity } from '../../appliance/identity/identity.ts';
import type { Role } from '../../appliance/identity/member.ts';
import { PasswordHasher } from '../../appliance/identity/password-hasher.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import type { Editor } from '../../appliance/permissions/groups.ts';
import { Channels } from '../../appliance/sessions/channels.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { TestHeadSigner } from '../support/audit.ts';
import { openTestStore } from '../support/store.ts';
import { asMember, openTestIdentity, PASSWORD } from './open-identity.ts';

const anyone: Actor = { kind: 'anyone', id: null, name: null, address: '192.0.2.66' };

test('C-01 an admin gives a login id and a temporary password, which has to be changed', async t => {
  const at = await openTestIdentity();
  const { members } = at.identity;
  const request = { loginId: 'Ann@Example.com', name: 'Ann', roles: ['technician'] as const };
  const { member, temporaryPassword } = await members.create(at.asRoot, request);
  t.is(member.loginId, 'ann@example.com');
  t.true(member.mustChangePassword);
  t.is(member.passwordChangedAt, null);
  t.deepEqual(await members.findByLoginId('ANN@example.com'), member);
  const { login } = await at.signIn('ann@example.com', temporaryPassword ?? '');
  t.is(login.stage, 'change-password');
  const given = await members.create(at.asRoot, { ...request, loginId: 'bob', password: PASSWORD });
  t.true(given.member.mustChangePassword, 'the admin knows it');
  t.is(given.temporaryPassword, null);
  await at.close();
});

test('C-01 of two members of one login id made at once, one is made', async t => {
  const at = await openTestIdentity();
  const { members } = at.identity;
  const make = (loginId: string) => members.create(at.asRoot, { loginId, name: 'Ann', roles: ['technician'] });
  const results = await Promise.allSettled([make('ann@x.org'), make('ANN@x.org'), make(' ann@X.org')]);
  t.is(results.filter(result => result.status === 'fulfilled').length, 1);
  for (const result of results) {
    if (result.status === 'rejected') t.is(result.reason.code, 'member.login-id-taken');
  }
  t.is(await members.count(), 2);
  t.is((await at.events('member.created')).length, 2);
  await at.close();
});

test('D-08 the last enabled master admin can be neither disabled nor demoted, not even by two at once', async t => {
  const at = await openTestIdentity();
  const { members } = at.identity;
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'done',
      error => (error instanceof ApplianceError ? error.code : 'thrown'),
    );
  t.is(await codeOf(members.disable(at.asRoot, at.root.id)), 'identity.last-master-admin');
  const demote = { name: 'root', roles: ['admin'] as const };
  t.is(await codeOf(members.update(at.asRoot, at.root.id, demote)), 'identity.last-master-admin');
  t.deepEqual((await members.get(at.root.id)).roles, ['master-admin']);
  const second = await at.member('second', ['master-admin', 'technician']);
  const both = await Promise.all([
    codeOf(members.disable(at.asRoot, second.id)),
    codeOf(members.disable(asMember(second), at.root.id)),
  ]);
  t.is(both.filter(code => code === 'done').length, 1);
  const enabled = (await members.list()).filter(({ state }) => state === 'enabled');
  t.is(enabled.length, 1);
  t.deepEqual(await at.events('member.disabled'), ['member.disabled']);
  await at.close();
});

test('D-08 nobody raises himself or others beyond what he may, whatever page he uses', async t => {
  const at = await openTestIdentity();
  const { members, passwords } = at.identity;
  const admin = await at.member('admin', ['admin']);
  await at.giveParts(admin.id);
  const ann = await at.member('ann');
  const auditor = await at.member('auditor', ['auditor']);
  const disabled = await at.member('disabled', ['master-admin']);
  await members.disable(at.asRoot, disabled.id);
  const customer: Actor = { kind: 'customer', id: at.root.id, name: null, address: null };
  const policy = await passwords.policy();
  const tries: [string, () => Promise<unknown>][] = [
    ['raise himself', () => members.update(asMember(admin), admin.id, { name: 'x', roles: ['master-admin'] })],
    ['raise another', () => members.update(asMember(admin), ann.id, { name: 'x', roles: ['technician', 'admin'] })],
    ['take over', () => members.resetPassword(asMember(admin), at.root.id)],
    ['read everything', () => members.resetPassword(asMember(admin), auditor.id)],
    ['make a reader', () => members.update(asMember(admin), ann.id, { name: 'x', roles: ['technician', 'auditor'] })],
    ['lower', () => members.update(asMember(admin), at.root.id, { name: 'x', roles: ['technician'] })],
    ['make one', () => members.create(asMember(admin), { loginId: 'y', name: 'y', roles: ['admin'] })],
    ['weaken two-step', () => members.resetTwoStep(asMember(admin), at.root.id)],
    ['force two-step', () => members.requireTwoStep(asMember(admin), ann.id, true)],
    ['set the policy', () => passwords.setPolicy(asMember(admin), policy)],
    ['as technician', () => members.disable(asMember(ann), auditor.id)],
    ['as auditor', () => members.unlock(asMember(auditor), ann.id)],
    ['as one disabled', () => members.disable(asMember(disabled), ann.id)],
    ['as customer', () => members.disable(customer, ann.id)],
    ['as nobody', () => members.forceChange(anyone, ann.id)],
    ['first setup again', () => members.create(anyone, { loginId: 'z', name: 'z', roles: ['master-admin'] })],
  ];
  const before = await members.list();
  const entries = (await at.entries()).length;
  for (const [title, act] of tries) {
    const error = await t.throwsAsync(act(), { instanceOf: ApplianceError }, title);
    t.is(error.code, 'identity.not-allowed', title);
  }
  t.deepEqual(await members.list(), before);
  t.is((await at.entries()).length, entries);
  await members.update(asMember(admin), ann.id, { name: 'Ann', roles: ['technician'] });
  t.is((await members.get(ann.id)).name, 'Ann');
  await at.close();
});

test('C-03 nobody resets his own password or second step by the member’s page: another admin does', async t => {
  const at = await openTestIdentity();
  const { members } = at.identity;
  const boss = await at.member('boss', ['master-admin']);
  await t.throwsAsync(members.resetPassword(asMember(boss), boss.id), { code: 'member.own-recovery' });
  await t.throwsAsync(members.resetTwoStep(asMember(boss), boss.id), { code: 'member.own-recovery' });
  await t.notThrowsAsync(members.resetTwoStep(at.asRoot, boss.id));
  t.true((await at.events()).includes('two-step.reset'));
  await at.close();
});

test('D-08 an admin of a part does not come by way of another technician to what his part was not given', async t => {
  const at = await openTestIdentity();
  const { members, groups, logins, allowLists } = at.identity;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const desk = await groups.create(editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  const night = await groups.create(editor, { name: 'Night shift', parentId: desk.id });
  const [ada, idle] = [await at.member('ada', ['admin']), await at.member('idle', ['admin'])];
  await at.giveParts(ada.id, [desk.id]);
  const [mine, other] = [await at.member('mine'), await at.member('other')];
  await groups.assign(editor, mine.id, night.id);
  const acts: Record<string, (actor: Actor, id: string) => Promise<unknown>> = {
    'reset the password': (actor, id) => members.resetPassword(actor, id),
    'reset two-step': (actor, id) => members.resetTwoStep(actor, id),
    'force a change': (actor, id) => members.forceChange(actor, id),
    rename: (actor, id) => members.update(actor, id, { name: 'X', roles: ['technician'] }),
    disable: (actor, id) => members.disable(actor, id),
    enable: (actor, id) => members.enable(actor, id),
    unlock: (actor, id) => members.unlock(actor, id),
    'end logins': (actor, id) => logins.endAllOf(actor, id),
    'allow an address': (actor, id) => allowLists.set(actor, { kind: 'member', id }, '192.0.2.0/24'),
    'make one': (actor, id) =>
      members.create(actor, {
        ...{ loginId: `new-${actor.id === ada.id ? 'one' : 'x'}`, name: 'New', roles: ['technician'] },
        groupId: id === mine.id ? night.id : ROOT_GROUP_ID,
      }),
  };
  await at.signIn('other');
  const entries = (await at.entries()).length;
  for (const [title, act] of Object.entries(acts)) {
    await t.throwsAsync(act(asMember(ada), other.id), { code: 'identity.not-your-part' }, title);
    await t.throwsAsync(act(asMember(idle), mine.id), { code: 'identity.not-your-part' }, title);
  }
  t.is((await at.entries()).length, entries);
  for (const [title, act] of Object.entries(acts)) await t.notThrowsAsync(act(asMember(ada), mine.id), title);
  const made = await members.findByLoginId('new-one');
  t.is(await groups.groupOf(made?.id ?? ''), night.id, 'and is in the part from the start');
  await at.close();
});

test('D-08 attack: an admin of a part moves neither himself nor a master admin to where something else holds', async t => {
  const at = await openTestIdentity();
  const { groups, members, allowLists } = at.identity;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const desk = await groups.create(editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  const seniors = await groups.create(editor, { name: 'Seniors', parentId: desk.id });
  await groups.setPermissions(editor, desk.id, { 'launch-file-manager': 'deny' });
  await groups.setPermissions(editor, seniors.id, { 'launch-file-manager': 'grant' });
  await allowLists.set(at.asRoot, { kind: 'group', id: seniors.id }, '192.0.2.0/24');
  const ada = await at.member('ada', ['admin', 'technician']);
  await at.giveParts(ada.id, [desk.id]);
  const boss = await at.member('boss', ['master-admin', 'technician']);
  const ann = await at.member('ann');
  await groups.assign(editor, [ada.id, boss.id, ann.id], desk.id);
  const asAda = { actor: { ...asMember(ada), address: '192.0.2.9' }, roles: ['admin', 'technician'] as const };
  const entries = (await at.entries()).length;
  await t.throwsAsync(groups.assign(asAda, ada.id, seniors.id), { code: 'identity.more-than-technician' });
  await t.throwsAsync(groups.assign(asAda, [ann.id, boss.id], seniors.id), { code: 'identity.more-than-technician' });
  for (const { id } of [ada, boss, ann]) t.is(await groups.groupOf(id), desk.id);
  t.is((await at.entries()).length, entries);
  const juniors = await groups.create(editor, { name: 'Juniors', parentId: desk.id });
  await groups.assign(editor, ada.id, juniors.id);
  const move = groups.move(asAda, juniors.id, seniors.id);
  await t.throwsAsync(move, { code: 'identity.more-than-technician' }, 'nor with the group he is in');
  await groups.assign(editor, ada.id, desk.id);
  await groups.move(asAda, juniors.id, seniors.id);
  await groups.move(asAda, juniors.id, desk.id);
  t.is(await groups.assign(asAda, ann.id, seniors.id), 1);
  t.is(await groups.assign(editor, ada.id, seniors.id), 1, 'a master admin does that');
  await members.update(at.asRoot, ann.id, { name: 'Ann', roles: ['technician', 'auditor'] });
  const removal = groups.delete(asAda, seniors.id, { to: desk.id, seen: 2 });
  await t.throwsAsync(removal, { code: 'identity.more-than-technician' }, 'nor by deleting the group they are in');
  await at.close();
});

test('D-08 an admin’s parts go with the role, by hand and by a file, and do not come back with it; a technician’s group stays', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const { members, groups, exchange } = at.identity;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const desk = await groups.create(editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  const tina = await at.member('tina');
  await groups.assign(editor, tina.id, desk.id);
  const ada = await at.member('ada', ['admin', 'technician']);
  await groups.assign(editor, ada.id, desk.id);
  const set = (roles: readonly Role[]) => members.update(at.asRoot, ada.id, { name: ada.name, roles });
  const bySheet = async () => {
    const file = `loginId,name,roles\n${ada.loginId},${ada.name},technician`;
    await exchange.apply(at.asRoot, file, (await exchange.plan(at.asRoot, file)).digest);
  };
  for (const takeAway of [() => set(['technician']), bySheet, () => set(['master-admin'])]) {
    await at.giveParts(ada.id, [desk.id]);
    await takeAway();
    t.deepEqual(await groups.partsOf(ada.id), []);
    const { event, subject, detail } = (await at.entries()).filter(one => one.event === 'group.parts-set').at(-1) ?? {};
    t.deepEqual([event, subject, detail], ['group.parts-set', ada.id, { from: 'Helpdesk', to: '' }]);
    await set(['admin', 'technician']);
    t.deepEqual(await groups.partsOf(ada.id), []);
    await t.throwsAsync(
      members.disable(asMember(ada), tina.id),
      { code: 'identity.not-your-part' },
      'no part, no tree',
    );
  }
  await set(['admin']);
  t.is(await groups.groupOf(ada.id), desk.id, 'his place, should he be one again');
});

test('D-08 attack: who was an admin when he asked and is none when it is done changes neither tree nor channels', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const { members, groups } = at.identity;
  const channels = new Channels({ ...at, groups });
  const root = { actor: at.asRoot, roles: ['master-admin'] as const };
  const desk = await groups.create(root, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  const night = await groups.create(root, { name: 'Night shift', parentId: desk.id });
  const settings = { name: 'Printers', greeting: '', awayText: '', isEnabled: true, maxWaiting: 5 };
  const { id, version } = await channels.create(root, { ...settings, groupIds: [night.id] });
  const [tina, ada] = [await at.member('tina'), await at.member('ada', ['admin'])];
  await groups.assign(root, tina.id, night.id);
  const acts: Record<string, (editor: Editor) => Promise<unknown>> = {
    create: editor => groups.create(editor, { name: 'X', parentId: night.id }),
    rename: editor => groups.rename(editor, night.id, 'X'),
    move: editor => groups.move(editor, night.id, ROOT_GROUP_ID),
    delete: editor => groups.delete(editor, night.id, { to: desk.id, seen: 1 }),
    'set permissions': editor => groups.setPermissions(editor, night.id, { reboot: 'grant' }),
    'set policy': editor => groups.setPolicy(editor, night.id, { storeChat: false }),
    'look at many': editor => groups.bulk(editor, { kind: 'delete' }, [night.id], null),
    assign: editor => groups.assign(editor, tina.id, desk.id),
    'give parts': editor => groups.setParts(editor, ada.id, [desk.id]),
    'make a channel': editor => channels.create(editor, { ...settings, name: 'Y', groupIds: [night.id] }),
    'change a channel': editor => channels.change(editor, id, { ...settings, name: 'Z', groupIds: [] }, version),
    'move a channel': editor => channels.move(editor, id, 'up'),
    'renew its link': editor => channels.renewLink(editor, id, version),
    'delete it': editor => channels.delete(editor, id, version),
  };
  const boss = await at.member('boss', ['master-admin']);
  const gone = await at.member('gone', ['master-admin']);
  await members.update(at.asRoot, boss.id, { name: boss.name, roles: ['technician'] });
  await members.disable(at.asRoot, gone.id);
  const entries = (await at.entries()).length;
  for (const [title, act] of Object.entries(acts)) {
    for (const who of [boss, gone]) {
      const editor = { actor: asMember(who), roles: ['master-admin'] as const };
      await t.throwsAsync(act(editor), { code: 'identity.not-allowed' }, title);
    }
  }
  t.is((await at.entries()).length, entries);
  await t.throwsAsync(
    groups.setParts(root, tina.id, [desk.id]),
    { code: 'group.no-admin' },
    'it was his role meanwhile',
  );
});

test('D-08 first setup makes one master admin, and only one, however many try at once', async t => {
  const at = await openTestIdentity();
  await at.store.core.transaction(tx => tx.run('DELETE FROM member'));
  const { members } = at.identity;
  const setUp = (loginId: string, roles: readonly ('master-admin' | 'admin')[] = ['master-admin']) =>
    members.create(anyone, { loginId, name: 'First', roles, password: PASSWORD });
  await t.throwsAsync(setUp('lesser', ['admin']), { instanceOf: ApplianceError });
  const results = await Promise.allSettled(['a', 'b', 'c'].map(loginId => setUp(loginId)));
  t.is(results.filter(result => result.status === 'fulfilled').length, 1);
  const [only] = await members.list();
  t.is(only?.mustChangePassword, false);
  t.is(await members.count(), 1);
  await at.close();
});

test('G-02 every act on a member is in the log with who, whom and what it was before', async t => {
  const at = await openTestIdentity();
  const { members } = at.identity;
  const { id } = await at.member('ann');
  await members.update(at.asRoot, id, { name: 'Ann Other', roles: ['technician', 'auditor'] });
  await members.disable(at.asRoot, id);
  await members.disable(at.asRoot, id); // nothing changes, nothing is logged
  await members.enable(at.asRoot, id);
  await members.unlock(at.asRoot, id);
  await members.forceChange(at.asRoot, id);
  await members.resetPassword(at.asRoot, id);
  await members.requireTwoStep(at.asRoot, id, true);
  await members.resetTwoStep(at.asRoot, id);
  const entries = (await at.entries()).filter(entry => entry.subject === id && entry.actor.id === at.root.id);
  t.deepEqual(
    entries.map(entry => entry.event),
    [
      'member.renamed',
      'member.roles-changed',
      'member.disabled',
      'member.enabled',
      'member.unlocked',
      'member.password-change-forced',
      'member.password-reset',
      'two-step.required',
      'two-step.reset',
    ],
  );
  t.deepEqual(entries[0]?.detail, { before: 'ann name', after: 'Ann Other' });
  t.deepEqual(entries[1]?.detail, { before: 'technician', after: 'technician auditor' });
  t.is(entries[1]?.actor.address, '192.0.2.1');
  const missing = await t.throwsAsync(members.enable(at.asRoot, 'A'.repeat(22)), { instanceOf: ApplianceError });
  t.is(missing.code, 'member.missing');
  await at.close();
});

test('G-02 what can’t be logged is not done', async t => {
  const at = await openTestStore();
  const metrics = new Metrics();
  const { audit: heads, login: config } = parseConfig('version: 1');
  // A log that was never begun refuses every entry.
  const audit = new AuditLog({
    sessions: new SessionFacts(at.store),
    ...at,
    signer: new TestHeadSigner(),
    log: silentLog,
    config: heads,
  });
  const hasher = new PasswordHasher(metrics, 4);
  const identity = new Identity({ ...at, audit, log: silentLog, metrics, config, hasher });
  const request = { loginId: 'ann', name: 'Ann', roles: ['master-admin'] as const };
  const error = await t.throwsAsync(identity.members.create(anyone, request), { instanceOf: ApplianceError });
  t.is(error.kind, 'defect');
  t.is(await identity.members.count(), 0);
  await identity.close();
  await at.close();
});
