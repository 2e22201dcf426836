// One act on several groups: looked at without a trace, done as a whole or not at all, by the rules of an act on one.
import test from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import type { BulkAct, BulkPlan } from '../../appliance/permissions/group-bulk.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { type Editor, Groups } from '../../appliance/permissions/groups.ts';
import { openTestAudit } from '../support/audit.ts';
import { refusal } from '../support/refusal.ts';

const master: Editor = { actor: applianceActor, roles: ['master-admin'] };
const ada: Editor = { actor: { kind: 'member', id: 'a'.repeat(22), name: 'Ada', address: null }, roles: ['admin'] };

/** Desk with Berlin and Bonn, Berlin with Night; and Field beside Desk. */
async function open(t: { teardown(end: () => Promise<void>): void }) {
  const at = await openTestAudit();
  t.teardown(() => at.close());
  const groups = new Groups({ store: at.store, audit: at.audit, clock: at.clock });
  const create = async (name: string, parentId = ROOT_GROUP_ID) => (await groups.create(master, { name, parentId })).id;
  const desk = await create('Desk');
  const [berlin, bonn] = [await create('Berlin', desk), await create('Bonn', desk)];
  const [night, field] = [await create('Night', berlin), await create('Field')];
  const told: string[][] = [];
  groups.onChange(({ groupIds }) => void told.push([...groupIds]));
  const entries = async () => (await at.entries()).filter(({ event }) => event !== 'group.created');
  const seenOf = (plan: BulkPlan) => new Map(plan.rows.map(({ id, seen }) => [id, seen]));
  const look = (act: BulkAct, ids: readonly string[], editor = master) => groups.bulk(editor, act, ids, null);
  const apply = (act: BulkAct, ids: readonly string[], plan: BulkPlan, editor = master) =>
    groups.bulk(editor, act, ids, seenOf(plan));
  return { ...at, groups, desk, berlin, bonn, night, field, told, entries, look, apply };
}

const deny: BulkAct = { kind: 'permission', permission: 'launch-remote-control', setting: 'deny' };

test('D-01 one permission for several groups: the preview tells before, after and what holds, below them too, and leaves no trace', async t => {
  const at = await open(t);
  await at.groups.setPermissions(master, ROOT_GROUP_ID, { 'launch-remote-control': 'grant' });
  await at.groups.setPermissions(master, at.bonn, { 'launch-remote-control': 'deny', reboot: 'grant' });
  const before = await at.entries();
  at.told.length = 0;
  const plan = await at.look(deny, [at.bonn, at.berlin, at.field]);
  const effects = [{ what: 'launch-remote-control', from: true, to: false }] as const;
  t.deepEqual(
    plan.rows.map(({ path, before: from, after, effects: what }) => [path, from, after, what]),
    [
      ['Desk › Berlin', null, 'deny', effects],
      ['Desk › Bonn', 'deny', 'deny', []],
      ['Field', null, 'deny', effects],
    ],
  );
  t.deepEqual(
    plan.others.map(({ path }) => path),
    ['Desk › Berlin › Night'],
  );
  t.false(plan.isDone);
  t.deepEqual([await at.entries(), at.told, (await at.groups.get(at.field)).permissions], [before, [], {}]);

  const done = await at.apply(deny, [at.bonn, at.berlin, at.field], plan);
  t.deepEqual([done.isDone, done.rows], [true, plan.rows]);
  t.deepEqual((await at.groups.get(at.bonn)).permissions, { 'launch-remote-control': 'deny', reboot: 'grant' });
  const told = (await at.entries()).slice(before.length);
  t.deepEqual(
    told.map(({ event, subject, detail }) => [event, subject, detail.from, detail.to]).toSorted(),
    [at.berlin, at.field].map(id => ['group.permission-set', id, 'inherit', 'deny']).toSorted(),
    'one entry for each that changes',
  );
  t.deepEqual(at.told.flat().toSorted(), [at.berlin, at.night, at.bonn, at.field].toSorted());
  const inherit = { ...deny, setting: null };
  t.true((await at.apply(inherit, [at.bonn], await at.look(inherit, [at.bonn]))).isDone);
  t.deepEqual((await at.groups.get(at.bonn)).permissions, { reboot: 'grant' });
});

test('D-01 one item of policy for several, and back to inherited', async t => {
  const at = await open(t);
  const act: BulkAct = { kind: 'policy', key: 'consentMinutes', value: 15 };
  await at.groups.setPolicy(master, at.bonn, { consentMinutes: 30, storeChat: false });
  const ids = [at.berlin, at.bonn];
  const plan = await at.look(act, ids);
  t.deepEqual(
    plan.rows.map(({ before, after }) => [before, after]),
    [
      [null, 15],
      [30, 15],
    ],
  );
  t.deepEqual(plan.others[0]?.effects, [{ what: 'consentMinutes', from: 0, to: 15 }]);
  await at.apply(act, ids, plan);
  t.like((await at.groups.get(at.bonn)).policy, { consentMinutes: 15, storeChat: false });
  const back: BulkAct = { ...act, value: null };
  await at.apply(back, ids, await at.look(back, ids));
  t.like((await at.groups.get(at.bonn)).policy, { consentMinutes: undefined, storeChat: false });
});

test('D-01 what somebody else changed meanwhile in any of them is told by name, and nothing is written', async t => {
  const at = await open(t);
  const ids = [at.berlin, at.field];
  const changes = [
    () => at.groups.setPermissions(master, at.field, { reboot: 'deny' }),
    () => at.groups.rename(master, at.field, 'Outside'),
    () => at.groups.setPermissions(master, ROOT_GROUP_ID, { 'launch-remote-control': 'deny' }),
    () => at.groups.move(master, at.field, at.bonn),
    () => at.groups.assign(master, 'm'.repeat(22), at.field),
  ];
  for (const change of changes.slice(0, -1)) {
    const plan = await at.look(deny, ids);
    await change();
    const count = (await at.entries()).length;
    const late = await at.apply(deny, ids, plan);
    t.false(late.isDone);
    const [changed] = late.rows.filter(({ id, seen }) => plan.rows.find(one => one.id === id)?.seen !== seen);
    t.truthy(changed);
    t.deepEqual([(await at.entries()).length, (await at.groups.get(at.berlin)).permissions], [count, {}]);
  }
  const plan = await at.look(deny, ids);
  await at.groups.delete(master, at.field);
  t.is(await refusal(at.apply(deny, ids, plan)), 'group.missing');
});

test('D-01 several are moved under one; a circle, the root, too deep or a name that is taken refuses all, naming which', async t => {
  const at = await open(t);
  const move = (parentId: string): BulkAct => ({ kind: 'move', parentId });
  const plan = await at.look(move(at.field), [at.night, at.berlin, at.bonn]);
  t.deepEqual(
    plan.rows.map(({ path, before, after }) => [path, before, after]),
    [
      ['Desk › Berlin', 'Desk', 'Field'],
      ['Desk › Berlin › Night', 'Desk › Berlin', 'Field'],
      ['Desk › Bonn', 'Desk', 'Field'],
    ],
  );
  await at.apply(move(at.field), [at.night, at.berlin, at.bonn], plan);
  const parents = await Promise.all([at.night, at.berlin, at.bonn].map(async id => (await at.groups.get(id)).parentId));
  t.deepEqual(parents, [at.field, at.field, at.field]);
  t.is((await at.entries()).filter(({ event }) => event === 'group.moved').length, 3);
  await t.throwsAsync(at.look(move(at.bonn), [at.night, at.field]), { code: 'group.cycle', message: /^Field: / });
  await t.throwsAsync(at.look(move(at.bonn), [ROOT_GROUP_ID]), { code: 'group.root' });
  const twin = await at.groups.create(master, { name: 'Bonn', parentId: at.desk });
  await t.throwsAsync(at.look(move(at.field), [at.night, twin.id]), {
    code: 'group.name-taken',
    message: /^Desk › Bonn: /,
  });
  t.is((await at.groups.get(twin.id)).parentId, at.desk);
  t.is(await refusal(at.look(move(at.field), [])), 'group.none-chosen');
});

test('D-01 only empty groups are deleted; the others are named, and then none is', async t => {
  const at = await open(t);
  const act: BulkAct = { kind: 'delete' };
  await t.throwsAsync(at.look(act, [at.desk, at.bonn, at.berlin]), {
    code: 'group.not-empty',
    message: /Desk › Berlin$/,
  });
  await t.throwsAsync(at.look(act, [at.desk, at.field]), { code: 'group.not-empty', message: /in: Desk$/ });
  const ids = [at.desk, at.berlin, at.bonn, at.night];
  const plan = await at.look(act, ids);
  t.deepEqual(
    plan.rows.map(({ after, effects }) => [after, effects.length]),
    ids.map(() => [null, 0]),
  );
  t.is((await at.groups.list()).length, 6);
  await at.groups.assign(master, 'm'.repeat(22), at.night);
  t.is(await refusal(at.apply(act, ids, plan)), 'group.not-empty', 'a technician came meanwhile');
  await at.groups.assign(master, 'm'.repeat(22), at.field);
  await at.apply(act, ids, plan);
  t.deepEqual(
    (await at.groups.list()).map(({ name }) => name),
    ['Everyone', 'Field'],
  );
  t.is((await at.entries()).filter(({ event }) => event === 'group.deleted').length, 4);
});

test('D-08 attack: an admin of a part acts on several below its top alone, and hands out no more than it has', async t => {
  const at = await open(t);
  await at.groups.setParts(master, ada.actor.id ?? '', [at.desk]);
  for (const ids of [[at.berlin, at.field], [at.desk], [ROOT_GROUP_ID]]) {
    t.is(await refusal(at.look(deny, ids, ada)), 'group.not-yours');
    t.is(await refusal(at.apply(deny, ids, await at.look(deny, ids), ada)), 'group.not-yours');
  }
  t.is(await refusal(at.look({ kind: 'move', parentId: at.field }, [at.berlin], ada)), 'group.not-yours');
  t.is(await refusal(at.look({ kind: 'delete' }, [at.field], ada)), 'group.not-yours');
  const grant: BulkAct = { kind: 'permission', permission: 'deploy-scripts', setting: 'grant' };
  await t.throwsAsync(at.look(grant, [at.bonn, at.berlin], ada), {
    code: 'group.beyond-your-part',
    message: /^Desk › /,
  });
  await at.groups.setPolicy(master, at.desk, { storeChat: false });
  const loosen: BulkAct = { kind: 'policy', key: 'storeChat', value: true };
  t.is(await refusal(at.look(loosen, [at.bonn], ada)), 'group.beyond-your-part');
  const plan = await at.look(deny, [at.berlin, at.bonn], ada);
  t.true((await at.apply(deny, [at.berlin, at.bonn], plan, ada)).isDone);
  const seen = [...plan.rows, ...plan.others].map(({ path }) => path);
  t.true(
    seen.every(path => path.startsWith('Desk › ')),
    'nor is shown another part',
  );
});
