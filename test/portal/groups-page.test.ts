// The pages of technician groups: what two admins at once are told, what a refused form keeps, and what the log says.
import test, { type ExecutionContext } from 'ava';
import type { Role } from '../../appliance/identity/member.ts';
import { permissions } from '../../appliance/permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket, type SocketAnswer } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { groups } = at.parts.support;
  const asRoot = { actor: at.asRoot, roles: ['master-admin'] as const };
  const create = (name: string, parentId = ROOT_GROUP_ID) => groups.create(asRoot, { name, parentId });
  const admin = async (loginId: string, role: Role = 'master-admin') => {
    const { id } = await at.member(loginId, [role]);
    const { token } = await at.signIn(loginId, PASSWORD);
    const ask = (method: string, path: string, body?: unknown) =>
      askSocket(at.socketPath, method, path, token, { accept: 'text/html' }, body);
    const get = (path: string) => ask('GET', path);
    const post = (path: string, body: unknown) => ask('POST', path, body);
    return { id, get, post };
  };
  return { ...at, groups, asRoot, create, admin };
}

/** The form of a group's permissions as the page has it, with what is changed in it. */
function permissionForm(page: SocketAnswer, changed: Readonly<Record<string, string>>) {
  const ticked = permissions.map(one => [one, tickedIn(page, one)]);
  return { ...Object.fromEntries(ticked), seen: seenIn(page, 'permissions'), ...changed };
}

function tickedIn({ body }: SocketAnswer, name: string): string {
  return new RegExp(`name="${name}" value="([a-z]+)" checked`).exec(body)?.[1] ?? '';
}

function seenIn({ body }: SocketAnswer, form: 'permissions' | 'policy'): string {
  const part = body.slice(body.indexOf(`/${form}">`));
  return /name="seen" value="([^"]*)"/.exec(part)?.[1]?.replaceAll('&quot;', '"') ?? '';
}

test('D-01 D-08 of two admins at once the second is told both values, and what he did not touch is not put back', async t => {
  const at = await open(t);
  const desk = await at.create('Helpdesk');
  const [ann, bob] = [await at.admin('ann@example.com'), await at.admin('bob@example.com')];
  const page = `/admin/groups/${desk.id}`;
  const [hers, his] = [await ann.get(page), await bob.get(page)];
  const annSaved = { 'send-files': 'deny', reboot: 'deny' };
  t.is((await ann.post(`${page}/permissions`, permissionForm(hers, annSaved))).status, 303);

  const late = await bob.post(
    `${page}/permissions`,
    permissionForm(his, { 'send-files': 'grant', 'send-urls': 'deny' }),
  );
  t.is(late.status, 409);
  t.true(late.body.includes('group.changed-meanwhile'));
  t.true(late.body.includes('Somebody else set it to: deny. Yours is: grant.'), 'both values of what both touched');
  t.true(late.body.includes('Somebody else set it to: deny.<'), 'and what she alone touched');
  t.is(late.body.match(/Somebody else set it to/g)?.length, 2);
  t.deepEqual((await at.groups.get(desk.id)).permissions, annSaved as object, 'nothing is overwritten');
  t.deepEqual(
    ['send-files', 'reboot', 'send-urls'].map(one => tickedIn(late, one)),
    ['grant', 'deny', 'deny'],
  );

  t.is((await bob.post(`${page}/permissions`, permissionForm(late, {}))).status, 303, 'now he knows');
  const both = { 'send-files': 'grant', 'send-urls': 'deny', reboot: 'deny' };
  t.deepEqual((await at.groups.get(desk.id)).permissions, both as object);
  const told = (await at.entries()).filter(({ event }) => event === 'group.permission-set');
  t.deepEqual(
    told.map(({ actor, detail }) => [actor.name, detail.permission, detail.from, detail.to]),
    [
      ['ann@example.com name', 'reboot', 'inherit', 'deny'],
      ['ann@example.com name', 'send-files', 'inherit', 'deny'],
      ['bob@example.com name', 'send-files', 'deny', 'grant'],
      ['bob@example.com name', 'send-urls', 'inherit', 'deny'],
    ],
  );
});

test('D-06 H-03 a policy that is refused stays as typed, and what another sets meanwhile is still told', async t => {
  const at = await open(t);
  const desk = await at.create('Helpdesk');
  const ann = await at.admin('ann@example.com');
  const path = `/admin/groups/${desk.id}/policy`;
  const inherited = {
    forcedRecording: 'inherit',
    pauseRecording: 'inherit',
    codesMatch: 'inherit',
    storeChat: 'inherit',
  };
  const rest = { ...inherited, customerAway: 'inherit', recordingFormat: 'inherit' };
  const typed = { ...rest, storeChat: 'false', consentMinutes: '481' };
  const wrong = await ann.post(path, { ...typed, seen: '{}' });
  t.is(wrong.status, 400);
  t.true(wrong.body.includes('Minutes are a number from 0 to 480'));
  t.regex(wrong.body, /value="481"/);
  t.regex(wrong.body, /value="false" selected>not kept/);
  await at.groups.setPolicy(at.asRoot, desk.id, { consentMinutes: 15 });
  const again = { ...typed, consentMinutes: '20' };
  const late = await ann.post(path, { ...again, seen: seenIn(wrong, 'policy') });
  t.is(late.status, 409);
  t.true(late.body.includes('Somebody else set it to: 15 minutes. Yours is: 20 minutes.'));
  t.is((await ann.post(path, { ...again, seen: seenIn(late, 'policy') })).status, 303);
  t.deepEqual(
    { ...(await at.groups.effective(desk.id)).policy },
    {
      ...(await at.groups.effective(ROOT_GROUP_ID)).policy,
      ...{ consentMinutes: 20, storeChat: false },
    },
  );
  for (const odd of ['{"reboot":true}', '[]', 'x', '{"consentMinutes":9999}', '{"__proto__":{}}x']) {
    t.is((await ann.post(path, { ...again, seen: odd })).status, 400, odd);
  }
  const set = (await at.entries()).filter(({ event, actor }) => event === 'group.policy-set' && actor.id === ann.id);
  t.deepEqual(
    set.map(({ detail }) => [detail.setting, detail.from, detail.to]),
    [
      ['consentMinutes', '15', '20'],
      ['storeChat', 'inherit', 'false'],
    ],
  );
});

test('D-01 deleting a group says where its technicians go, and moves those the page told of and no others', async t => {
  const at = await open(t);
  const desk = await at.create('Helpdesk');
  const night = await at.create('Night shift', desk.id);
  const [tina, theo] = [await at.technician(), await at.technician()];
  await at.groups.assign(at.asRoot, tina.id, night.id);
  const ann = await at.admin('ann@example.com');
  const page = await ann.get(`/admin/groups/${night.id}`);
  t.regex(page.body, /Its technicians \(<a [^>]*>1<\/a>\) go to/);
  t.regex(page.body, new RegExp(`value="${desk.id}" selected>Helpdesk`));
  t.true((await ann.get(`/admin/groups/${desk.id}`)).body.includes('First move or delete the groups below it'));

  await at.groups.assign(at.asRoot, theo.id, night.id);
  const path = `/admin/groups/${night.id}/delete`;
  const late = await ann.post(path, { to: desk.id, seen: '1' });
  t.is(late.status, 409);
  t.true(late.body.includes('group.changed-meanwhile'));
  t.is((await ann.post(path, { to: night.id, seen: '2' })).status, 409, 'nobody stays in what is gone');
  t.is((await ann.post(path, { to: desk.id, seen: '2' })).status, 303);
  t.deepEqual((await at.groups.membersOf(desk.id)).toSorted(), [tina.id, theo.id].toSorted());
  await t.throwsAsync(at.groups.get(night.id), { code: 'group.missing' });
  const moved = (await at.entries()).filter(
    ({ event, actor }) => event === 'group.member-moved' && actor.id === ann.id,
  );
  t.deepEqual(
    moved.map(({ detail }) => detail),
    [1, 2].map(() => ({ from: 'Helpdesk › Night shift', to: 'Helpdesk' })),
  );
});

test('D-08 an admin of a part is shown forms below its top only, and others are refused him', async t => {
  const at = await open(t);
  const desk = await at.create('Helpdesk');
  const [mine, other] = [await at.create('Mine', desk.id), await at.create('Other')];
  const ada = await at.admin('ada@example.com', 'admin');
  await at.groups.setParts(at.asRoot, ada.id, [desk.id]);
  const hasForms = async (id: string) => (await ada.get(`/admin/groups/${id}`)).body.includes('Save permissions');
  t.deepEqual([await hasForms(mine.id), await hasForms(desk.id), await hasForms(other.id)], [true, false, false]);
  const form = permissionForm(await ada.get(`/admin/groups/${mine.id}`), {});
  const beyond = await ada.post(`/admin/groups/${mine.id}/permissions`, { ...form, 'deploy-scripts': 'grant' });
  t.is(beyond.status, 409);
  t.true(beyond.body.includes('group.beyond-your-part'));
  t.is(tickedIn(beyond, 'deploy-scripts'), 'grant', 'what was typed stays');
  t.false(beyond.body.includes('Somebody else'));
  for (const id of [desk.id, other.id]) {
    const refused = await ada.post(`/admin/groups/${id}/permissions`, { ...form, reboot: 'deny' });
    t.true(refused.body.includes(id === desk.id ? 'group.not-yours' : 'group.missing'), id);
  }
  t.true((await ada.post(`/admin/groups/${other.id}/place`, { parentId: mine.id, seen: ROOT_GROUP_ID })).status >= 400);
  t.deepEqual((await at.groups.get(other.id)).permissions, {});
});

test('D-01 a name that is no name is told at its field, and groups are found by their names', async t => {
  const at = await open(t);
  const desk = await at.create('Helpdesk <b>');
  const ann = await at.admin('ann@example.com');
  for (const name of ['', 'a › b', 'x'.repeat(81), 'Helpdesk <b>']) {
    const refused = await ann.post('/admin/groups/new', { name, parentId: ROOT_GROUP_ID });
    t.true([400, 409].includes(refused.status), name);
    t.regex(refused.body, /id="f-name-error"/);
  }
  t.true((await ann.get('/admin/groups?q=helpd')).body.includes('Helpdesk &lt;b&gt;'));
  t.true((await ann.get('/admin/groups?q=nothing')).body.includes('No group has that name'));
  const stale = await ann.post(`/admin/groups/${desk.id}/name`, { name: 'Desk', seen: 'Hotline' });
  t.is(stale.status, 409);
  t.is((await ann.post(`/admin/groups/${desk.id}/name`, { name: 'Desk', seen: 'Helpdesk <b>' })).status, 303);
  t.is((await at.groups.get(desk.id)).name, 'Desk');
});

test('D-01 D-08 several groups are ticked, looked at and changed by plain forms; a late second admin is told, and ticks stay', async t => {
  const at = await open(t);
  const desk = await at.create('Helpdesk');
  const many = await Promise.all(Array.from({ length: 25 }, (_, n) => at.create(`Team ${n}`, desk.id)));
  const ada = await at.admin('ada@example.com', 'admin');
  await at.groups.setParts(at.asRoot, ada.id, [desk.id]);
  const tree = await ada.get('/admin/groups');
  const boxes = [...tree.body.matchAll(/type="checkbox" name="groups" value="([^"]+)"/g)].map(([, id]) => id);
  t.deepEqual(boxes.toSorted(), many.map(({ id }) => id).toSorted(), 'below the top of her part alone');
  const form = (fields: Readonly<Record<string, string>>, groups: readonly string[]) =>
    new URLSearchParams([...Object.entries(fields), ...groups.map(one => ['groups', one])]);
  const ids = many.map(({ id }) => id);
  const act = { act: 'permission', permission: 'reboot', setting: 'deny', policy: 'consentMinutes', minutes: '481' };
  const plan = await ada.post('/admin/groups/bulk', form(act, ids));
  t.is(plan.status, 200);
  t.true(plan.body.includes('Do it to 25 groups'));
  t.true(plan.body.includes('<td>inherited</td><td>deny</td>'));
  const seen = [...plan.body.matchAll(/name="groups" value="([^"]+)"/g)].map(([, both = '']) => both);
  const [first] = many;
  await at.groups.setPermissions(at.asRoot, first?.id ?? '', { 'send-files': 'deny' });
  const late = await ada.post('/admin/groups/bulk/apply', form(act, seen));
  t.is(late.status, 409);
  t.regex(late.body, /Nothing was written\. Changed: Helpdesk › Team 0\. /);
  t.deepEqual((await at.groups.get(many[1]?.id ?? '')).permissions, {});
  const now = [...late.body.matchAll(/name="groups" value="([^"]+)"/g)].map(([, both = '']) => both);
  const most = [...now, ...Array.from({ length: 1975 }, () => now[0] ?? '')]; // of which a browser sends 100 kB
  const done = await ada.post('/admin/groups/bulk/apply', form(act, most));
  t.deepEqual([done.status, done.headers.location], [303, '/admin/groups?changed=25']);
  t.is(
    (await at.entries()).filter(({ event, actor }) => event === 'group.permission-set' && actor.id === ada.id).length,
    25,
  );

  const wrong = await ada.post('/admin/groups/bulk', form({ ...act, act: 'policy' }, ids.slice(0, 2)));
  t.is(wrong.status, 400);
  t.regex(wrong.body, /name="minutes"[^>]*value="481"[^>]*aria-invalid/);
  t.is(wrong.body.match(/name="groups" value="[^"]+"[^>]* checked/g)?.length, 2, 'ticks stay');
  t.regex(wrong.body, /<option value="reboot" selected>/);
  const none = await ada.post('/admin/groups/bulk', form({ ...act, act: 'delete' }, []));
  t.true(none.body.includes('group.none-chosen'));
  const chat = await ada.post(
    '/admin/groups/bulk',
    form({ ...act, act: 'policy', policy: 'storeChat false' }, ids.slice(0, 2)),
  );
  t.true(chat.body.includes('Chat text: kept → not kept'));
  for (const policy of ['storeChat maybe', 'x y', '']) {
    t.is((await ada.post('/admin/groups/bulk', form({ ...act, act: 'policy', policy }, ids))).status, 400, policy);
  }
  const move = { ...act, act: 'move', parentId: ROOT_GROUP_ID };
  t.true((await ada.post('/admin/groups/bulk', form(move, ids))).body.includes('group.not-yours'));
  const gone = await ada.post('/admin/groups/bulk', form({ ...act, act: 'delete' }, ids.slice(0, 1)));
  t.true(gone.body.includes('<td>gone</td>'));
});
