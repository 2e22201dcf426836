import { randomBytes } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { toBase64Url } from '../../appliance/guid.ts';
import { authorise } from '../../appliance/permissions/authorise.ts';
import { permissions } from '../../appliance/permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { type Editor, Groups } from '../../appliance/permissions/groups.ts';
import { openTestAudit } from '../support/audit.ts';

const newId = () => toBase64Url(randomBytes(16));

function editor(role: 'master-admin' | 'admin' | 'technician', id = newId()): Editor & { id: string } {
  return { id, actor: { kind: 'member', id, name: role, address: '192.0.2.7' }, roles: [role] };
}
const master = editor('master-admin');

async function open() {
  const at = await openTestAudit();
  const groups = new Groups({ store: at.store, audit: at.audit, clock: at.clock });
  const create = (name: string, parentId = ROOT_GROUP_ID, by: Editor = master) => groups.create(by, { name, parentId });
  return { ...at, groups, create };
}

test('D-01 the root is there from the start, and what it does not grant is denied', async t => {
  const at = await open();
  const [root, ...others] = await at.groups.list();
  t.is(root?.name, 'Everyone');
  t.deepEqual(others, []);
  const { permissions: effective } = await at.groups.effective(ROOT_GROUP_ID);
  t.true(effective['launch-desktop-viewing'].allowed);
  for (const risky of ['deploy-scripts', 'request-windows-credentials', 'single-prompt'] as const) {
    t.is(effective[risky].why.text, 'denied: no group grants it');
  }
  await at.close();
});

test('D-01 a group inherits, overrides, and tells where each comes from', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  const night = await at.create('Night shift', desk.id);
  await at.groups.setPermissions(master, desk.id, { 'deploy-scripts': 'grant', reboot: 'deny' });
  await at.groups.setPermissions(master, night.id, { 'send-files': 'deny', reboot: 'grant' });
  const { permissions: effective } = await at.groups.effective(night.id);
  t.is(effective['deploy-scripts'].why.text, 'granted by Helpdesk');
  t.is(effective['send-files'].why.text, 'denied by Helpdesk › Night shift');
  t.is(effective.reboot.why.text, 'granted by Helpdesk › Night shift');
  t.is(effective['receive-files'].why.text, 'granted by Everyone');
  await at.close();
});

test('D-01 D-03 D-06 policy is inherited, and single prompt is the permission', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  const night = await at.create('Night shift', desk.id);
  await at.groups.setPolicy(master, desk.id, { consentMinutes: 30, forcedRecording: true });
  await at.groups.setPermissions(master, desk.id, { 'single-prompt': 'grant' });
  await at.groups.setPolicy(master, night.id, { consentMinutes: 10, storeChat: false });
  const { policy, sources } = await at.groups.effective(night.id);
  t.deepEqual(policy, {
    consentMinutes: 10,
    forcedRecording: true,
    pauseRecording: false,
    codesMatch: false,
    storeChat: false,
    customerAway: 'view-only',
    recordingFormat: 'both',
    singlePrompt: true,
  });
  t.is(sources.forcedRecording, desk.id);
  t.is(sources.codesMatch, null);
  await at.close();
});

test('D-01 H-01 pausing is inherited, is of no effect where recording is forced, and a part’s admin allows it to nobody', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  const ada = editor('admin');
  await at.groups.setParts(master, ada.id, [desk.id]);
  const mine = await at.create('Mine', desk.id, ada);
  const may = async () => (await at.groups.effective(mine.id)).policy.pauseRecording;
  t.false(await may(), 'off where nobody sets it');
  const beyond = { code: 'group.beyond-your-part' };
  await t.throwsAsync(at.groups.setPolicy(ada, mine.id, { pauseRecording: true }), beyond);
  await at.groups.setPolicy(master, desk.id, { pauseRecording: true });
  t.true(await may());
  await at.groups.setPolicy(ada, mine.id, { forcedRecording: true, pauseRecording: true });
  t.false(await may());
  await at.groups.setPolicy(ada, mine.id, { pauseRecording: false });
  t.false(await may());
  await at.close();
});

test('D-01 H-01 the form of recordings is inherited, and a part’s admin takes no form away', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  await at.groups.setPolicy(master, desk.id, { recordingFormat: 'rcrec' });
  const ada = editor('admin');
  await at.groups.setParts(master, ada.id, [desk.id]);
  const mine = await at.create('Mine', desk.id, ada);
  t.is((await at.groups.effective(mine.id)).policy.recordingFormat, 'rcrec');
  t.is((await at.groups.effective(mine.id)).sources.recordingFormat, desk.id);
  const beyond = { code: 'group.beyond-your-part' };
  await t.throwsAsync(at.groups.setPolicy(ada, mine.id, { recordingFormat: 'avi' }), beyond);
  await at.groups.setPolicy(ada, mine.id, { recordingFormat: 'both' });
  t.is((await at.groups.effective(mine.id)).policy.recordingFormat, 'both');
  await at.close();
});

test('D-01 a group is never put below itself', async t => {
  const at = await open();
  const a = await at.create('A');
  const b = await at.create('B', a.id);
  const c = await at.create('C', b.id);
  for (const [id, parent] of [
    [a.id, a.id],
    [a.id, b.id],
    [a.id, c.id],
    [b.id, c.id],
  ] as const) {
    await t.throwsAsync(at.groups.move(master, id, parent), { code: 'group.cycle' });
  }
  await t.throwsAsync(at.groups.move(master, ROOT_GROUP_ID, a.id), { code: 'group.root' });
  await at.groups.move(master, c.id, ROOT_GROUP_ID);
  await at.groups.move(master, a.id, c.id);
  t.deepEqual(
    (await at.groups.path(b.id)).map(group => group.name),
    ['Everyone', 'C', 'A', 'B'],
  );
  await at.close();
});

test('D-01 whatever is moved where, the tree stays one tree', async t => {
  const at = await open();
  const ids = [ROOT_GROUP_ID];
  for (let n = 0; n < 7; n++) ids.push((await at.create(`G${n}`, ids[Math.floor(n / 2)])).id);
  const index = fc.nat({ max: ids.length - 1 });
  const moves = fc.array(fc.tuple(index, index), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(moves, async steps => {
      for (const [from, to] of steps) {
        await at.groups.move(master, ids[from] ?? '', ids[to] ?? '').catch(error => t.is(error.kind, 'conflict'));
      }
      for (const id of ids) t.is((await at.groups.path(id))[0]?.id, ROOT_GROUP_ID);
    }),
    { numRuns: 5 },
  );
  await at.close();
});

test('D-01 two moves at once that would close a circle: one is refused', async t => {
  const at = await open();
  const a = await at.create('A');
  const b = await at.create('B');
  const results = await Promise.allSettled([at.groups.move(master, a.id, b.id), at.groups.move(master, b.id, a.id)]);
  t.deepEqual(results.map(result => result.status).sort(), ['fulfilled', 'rejected']);
  await at.close();
});

test('D-01 only an empty group is deleted, and names are told apart in one place', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  const night = await at.create('Night shift', desk.id);
  const technician = newId();
  await at.groups.assign(master, technician, night.id);
  await t.throwsAsync(at.groups.delete(master, desk.id), { code: 'group.not-empty' });
  await t.throwsAsync(at.groups.delete(master, night.id), { code: 'group.not-empty' });
  await t.throwsAsync(at.create('Helpdesk'), { code: 'group.name-taken' });
  await t.throwsAsync(at.create('a › b'), { code: 'group.name' });
  await t.throwsAsync(at.create(' \u202e '), { code: 'group.name' });
  await t.throwsAsync(at.groups.delete(master, ROOT_GROUP_ID), { code: 'group.root' });
  await at.groups.assign(master, technician, ROOT_GROUP_ID);
  await at.groups.delete(master, night.id);
  await at.groups.delete(master, desk.id);
  await t.throwsAsync(at.groups.get(desk.id), { code: 'group.missing' });
  await at.close();
});

test('G-02 each change is in the log, with who, what and the reason readable', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  await at.groups.setPermissions(master, desk.id, { reboot: 'deny' });
  await at.groups.setPolicy(master, desk.id, { codesMatch: true });
  await at.groups.rename(master, desk.id, 'Service desk');
  const technician = newId();
  await at.groups.assign(master, technician, desk.id);
  await at.groups.setParts(master, technician, [desk.id]);
  const entries = await at.entries();
  t.deepEqual(
    entries.map(entry => entry.event),
    [
      'group.created',
      'group.permission-set',
      'group.policy-set',
      'group.renamed',
      'group.member-moved',
      'group.parts-set',
    ],
  );
  t.deepEqual(entries[1]?.detail, { permission: 'reboot', from: 'inherit', to: 'deny' });
  t.deepEqual(entries[2]?.detail, { setting: 'codesMatch', from: 'inherit', to: 'true' });
  t.true(entries.every(entry => entry.actor.id === master.id));
  await at.close();
});

test('D-08 an admin changes what lies below the top of his part, and nothing else', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  const other = await at.create('Other');
  const ada = editor('admin');
  await t.throwsAsync(at.create('Mine', desk.id, ada), { code: 'group.not-yours' });
  await at.groups.setParts(master, ada.id, [desk.id]);
  const mine = await at.create('Mine', desk.id, ada);
  await at.groups.rename(ada, mine.id, 'Ours');
  for (const attempt of [
    at.create('X', other.id, ada),
    at.groups.rename(ada, desk.id, 'X'),
    at.groups.setPermissions(ada, desk.id, { 'deploy-scripts': 'grant' }),
    at.groups.move(ada, other.id, desk.id),
    at.groups.move(ada, mine.id, ROOT_GROUP_ID),
    at.groups.assign(ada, newId(), mine.id), // a technician of the root is not his to take
    at.groups.setParts(ada, ada.id, [ROOT_GROUP_ID]),
    at.groups.delete(editor('technician', ada.id), mine.id),
  ]) {
    await t.throwsAsync(attempt, { code: 'group.not-yours' });
  }
  await at.close();
});

test('D-08 an admin of a part hands out no more than his part was given', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  await at.groups.setPermissions(master, desk.id, { reboot: 'deny' });
  await at.groups.setPolicy(master, desk.id, { forcedRecording: true, consentMinutes: 15 });
  const ada = editor('admin');
  await at.groups.setParts(master, ada.id, [desk.id]);
  const mine = await at.create('Mine', desk.id, ada);
  const beyond = { code: 'group.beyond-your-part' };
  await t.throwsAsync(at.groups.setPermissions(ada, mine.id, { reboot: 'grant' }), beyond);
  await t.throwsAsync(at.groups.setPermissions(ada, mine.id, { 'deploy-scripts': 'grant' }), beyond);
  await t.throwsAsync(at.groups.setPolicy(ada, mine.id, { forcedRecording: false }), beyond);
  await t.throwsAsync(at.groups.setPolicy(ada, mine.id, { consentMinutes: 0 }), beyond);
  await t.throwsAsync(at.groups.setPolicy(ada, mine.id, { customerAway: 'continue' }), beyond);
  await at.groups.setPolicy(ada, mine.id, { consentMinutes: 5, customerAway: 'end' });
  await at.groups.setPermissions(ada, mine.id, { 'send-files': 'deny' });
  t.false((await at.groups.effective(mine.id)).permissions.reboot.allowed);
  await at.close();
});

test('D-08 an admin of two parts can’t carry a right from one into the other', async t => {
  const at = await open();
  const [rich, poor] = [await at.create('Rich'), await at.create('Poor')];
  await at.groups.setPermissions(master, poor.id, { reboot: 'deny' });
  const ada = editor('admin');
  await at.groups.setParts(master, ada.id, [rich.id, poor.id]);
  const carried = await at.create('Carried', rich.id, ada);
  const below = await at.create('Below', carried.id, ada);
  await at.groups.setPermissions(ada, below.id, { reboot: 'grant' });
  await t.throwsAsync(at.groups.move(ada, carried.id, poor.id), { code: 'group.beyond-your-part' });
  t.is((await at.groups.path(carried.id))[1]?.name, 'Rich', 'the move was taken back');
  await at.groups.setPermissions(ada, below.id, {});
  await at.groups.move(ada, carried.id, poor.id);
  t.false((await at.groups.effective(below.id)).permissions.reboot.allowed);
  await at.close();
});

test('D-01 who is affected by a change is told, after it is on the disk', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  const night = await at.create('Night shift', desk.id);
  const technician = newId();
  await at.groups.assign(master, technician, night.id);
  const told: { groupIds: readonly string[]; memberIds: readonly string[] }[] = [];
  const cancel = at.groups.onChange(change => told.push(change));
  await at.groups.setPermissions(master, desk.id, { reboot: 'deny' });
  t.deepEqual(told, [{ groupIds: [desk.id, night.id], memberIds: [technician] }]);
  await at.groups.assign(master, technician, desk.id);
  t.deepEqual(told[1], { groupIds: [], memberIds: [technician] });
  cancel();
  await at.close();
});

test('D-01 a refusal by authorise carries its reason', async t => {
  const at = await open();
  const desk = await at.create('Helpdesk');
  await at.groups.setPermissions(
    master,
    desk.id,
    Object.fromEntries(permissions.map(permission => [permission, 'deny'])),
  );
  const groupPath = await at.groups.path(desk.id);
  const actor = { id: 'tina', roles: ['technician'] as const };
  const error = t.throws(() => authorise({ action: 'send-files', actor, ownerId: 'tina', groupPath, state: 'active' }));
  t.is(error?.message, 'send-files: denied by Helpdesk');
  await at.close();
});
