// What an admin of a part of the tree reads (D-08): every page he may open, with the id of everything there is. Of the other parts nothing
// stands there: no group, no person, no address, no session; a master admin, asked the same, finds each of them.
import test from 'ava';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';
import { routeTable } from './route-table.ts';

/** Stand in names, login ids, an allow list and a customer’s name of the other part. */
const marks = ['Zebra', 'Zulu', 'otto.outside', '198.51.77.0', 'Zacharias', 'berta.outside'];

async function open() {
  const desk = await openTestDesk();
  const { groups, allowLists, members } = desk.identity;
  const editor = { actor: desk.asRoot, roles: ['master-admin'] as const };
  const create = async (name: string, parentId: string) => (await groups.create(editor, { name, parentId })).id;
  const hall = await create('Hall', ROOT_GROUP_ID);
  const [mine, zebra] = [await create('Mine', hall), await create('Zebra', hall)];
  const [below, zulu] = [await create('Below', mine), await create('Zulu', zebra)];
  const tina = await desk.member('tina@example.com');
  const otto = await desk.member('otto.outside@example.com');
  await groups.assign(editor, tina.id, below);
  await groups.assign(editor, otto.id, zulu);
  await allowLists.set(desk.asRoot, { kind: 'member', id: otto.id }, '198.51.77.0/24', '[]');
  const ada = await desk.member('ada@example.com', ['admin']);
  const both = await desk.member('both@example.com', ['admin', 'technician']);
  const berta = await desk.member('berta.outside@example.com', ['admin']);
  const idle = await desk.member('idle@example.com', ['admin']);
  for (const { id } of [ada, both]) await groups.setParts(editor, id, [mine]);
  await groups.assign(editor, both.id, mine);
  await groups.setParts(editor, berta.id, [zebra]);
  const { support } = desk.parts;
  const settings = { greeting: '', awayText: '', isEnabled: true, maxWaiting: 5 };
  const channel = await support.channels.create(editor, { ...settings, name: 'Printers', groupIds: [mine, zulu] });
  const { id: ownerId, name } = otto;
  const owner = { kind: 'member', id: ownerId, name, address: null } as const;
  const session = await support.sessions.create(owner, { groupId: zulu, customerName: 'Zacharias' });
  const hers = { kind: 'member', id: tina.id, name: tina.name, address: null } as const;
  const own = await support.sessions.create(hers, { groupId: below, customerName: 'Carl' });
  const ids = { hall, mine, below, zebra, zulu, tina: tina.id, otto: otto.id, berta: berta.id, channel: channel.id };
  const tokens = new Map<string, string>();
  for (const { loginId } of [ada, both, idle, desk.root]) tokens.set(loginId, (await desk.signIn(loginId)).token);
  const get = (who: string, path: string) =>
    askSocket(desk.socketPath, 'GET', path, tokens.get(who), path.includes('/api/') ? {} : { accept: 'text/html' });
  return { desk, ids, sessions: { own: own.id, other: session.id }, editor, members, get };
}

let at: Awaited<ReturnType<typeof open>>;
test.before(async () => {
  at = await open();
});
test.after.always(() => at?.desk.close());

const rules = ['member', 'master-admin or admin', 'master-admin or admin or auditor'] as const;
const pages = rules.flatMap(rule => routeTable[rule] ?? []).flatMap(route => /^GET (.*)$/.exec(route)?.[1] ?? []);

/** Every page with every id, and what of the tree is found by searching for it. */
function paths(): string[] {
  const ids = [...Object.values(at.ids), at.sessions.other];
  const each = pages.flatMap(page => (page.includes(':id') ? ids.map(id => page.replace(':id', id)) : [page]));
  const searched = ['Zebra', 'otto', 'berta'].flatMap(q => [`/admin/groups?q=${q}`, `/admin/members?q=${q}`]);
  const within = [at.ids.zulu, at.ids.hall].map(id => `/admin/members?group=${id}`);
  const elsewhere = [at.ids.mine, at.ids.zulu].map(id => `/admin/groups/${id}/technicians?where=elsewhere`);
  return [...each, ...searched, ...within, ...elsewhere, `/admin/groups/new?parent=${at.ids.zebra}`];
}

async function found(who: string): Promise<Map<string, string[]>> {
  const seen = new Map<string, string[]>();
  for (const path of paths()) {
    const { body } = await at.get(who, path);
    // What he typed himself stands in the field he typed it into.
    const said = body.replace(/<input [^>]*name="q"[^>]*>/g, '');
    for (const mark of marks.filter(one => said.includes(one))) seen.set(mark, [...(seen.get(mark) ?? []), path]);
  }
  return seen;
}

test('D-08 an admin of a part reads nothing of the other parts, on any page, by any id', async t => {
  t.true(pages.length >= 15, `${pages.length} pages`);
  for (const who of ['ada@example.com', 'both@example.com', 'idle@example.com']) {
    t.deepEqual([...(await found(who))], [], who);
  }
  const all = await found(at.desk.root.loginId);
  t.deepEqual(
    [...all.keys()].toSorted(),
    marks.filter(mark => mark !== 'Zacharias').toSorted(),
    'as a master admin does',
  );
});

test('D-08 what he doesn’t see is answered as if it were not there; what is his he reads', async t => {
  const { hall, mine, below, zulu, tina, otto, berta } = at.ids;
  const status = async (path: string) => (await at.get('ada@example.com', path)).status;
  for (const id of [mine, below]) {
    t.deepEqual([await status(`/admin/groups/${id}`), await status(`/admin/groups/${id}/technicians`)], [200, 200]);
  }
  for (const id of [hall, zulu, ROOT_GROUP_ID, `${'A'.repeat(21)}Q`]) {
    t.deepEqual([await status(`/admin/groups/${id}`), await status(`/admin/groups/${id}/technicians`)], [404, 404], id);
  }
  t.deepEqual([await status(`/admin/members/${tina}`), await status(`/admin/members/${tina}/addresses`)], [200, 200]);
  for (const id of [otto, berta, at.desk.root.id]) {
    t.deepEqual([await status(`/admin/members/${id}`), await status(`/admin/members/${id}/addresses`)], [404, 404]);
  }
  const tree = await at.get('ada@example.com', '/admin/groups');
  t.regex(tree.body, /Hall ›<\/span> <a [^>]*>Mine<\/a>/, 'where his part stands he is told');
  t.true(tree.body.includes('2 groups.'));
  t.regex((await at.get('ada@example.com', '/admin/members')).body, />3 members</, 'hers, and herself');
  t.true((await at.get('idle@example.com', '/admin/groups')).body.includes('No part of the tree was given to you yet'));
  const channel = await at.get('ada@example.com', '/admin/channels');
  t.true(channel.body.includes('Hall › Mine, another group'));
});

test('D-08 E-02 an admin who is a technician sees no live session but his own; logs and films are not his to read', async t => {
  for (const queue of ['incoming', 'active', 'on-hold', 'closed']) {
    const list = await at.get('both@example.com', `/technician/api/sessions?queue=${queue}`);
    t.deepEqual([list.status, list.body.includes('Zacharias')], [200, false], queue);
  }
  const { own, other } = at.sessions;
  for (const id of [own, other]) {
    const refused = await at.get('both@example.com', `/technician/api/sessions/${id}`);
    t.is(refused.status, 404);
    t.notRegex(refused.body, /Carl|Zacharias/);
  }
  // The log, sessions that ended and their films are the auditors' and master admins' to read.
  for (const path of [
    '/admin/audit',
    `/auditor/sessions/${own}`,
    `/auditor/recordings/${own}/film.avi`,
    '/admin/retention',
  ]) {
    t.is((await at.get('both@example.com', path)).status, 403, path);
  }
});

test('D-08 attack: what is refused to an admin of a part tells him nothing of whom he asked for', async t => {
  const { token } = await at.desk.signIn('ada@example.com');
  const post = (path: string, body: unknown) =>
    askSocket(at.desk.socketPath, 'POST', path, token, { accept: 'text/html' }, body);
  const { otto, zulu, zebra, mine } = at.ids;
  const asked: readonly [path: string, body: unknown][] = [
    [`/admin/members/${otto}`, { name: 'x', roles: ['technician'], seen: '{}' }],
    [`/admin/members/${otto}/group`, { groupId: mine, seen: zulu }],
    [`/admin/members/${otto}/parts`, { more: mine, seen: [] }],
    [`/admin/members/${otto}/addresses`, { ranges: '', seen: '[]' }],
    [`/admin/members/${otto}/disable`, {}],
    [`/admin/members/${otto}/reset-password`, {}],
    ['/admin/members/bulk', { act: 'disable', members: [`${otto} ${zulu}`] }],
    [`/admin/groups/${zulu}/name`, { name: 'x', seen: 'y' }],
    [`/admin/groups/${zulu}/place`, { parentId: mine, seen: mine }],
    [`/admin/groups/${zulu}/delete`, { to: mine, seen: 1 }],
    [`/admin/groups/${zulu}/technicians`, { to: mine, where: 'here', members: [`${otto} ${zulu}`] }],
    [`/admin/groups/${mine}/technicians`, { to: mine, where: 'elsewhere', members: [`${otto} ${zulu}`] }],
    ['/admin/groups/bulk', { act: 'permission', groups: [zulu], q: '' }],
    ['/admin/groups/bulk', { act: 'delete', groups: [zulu, zebra], q: '' }],
    ['/admin/groups/bulk', { act: 'move', parentId: zebra, groups: [at.ids.below], q: '' }],
    ['/admin/groups/new', { name: 'x', parentId: zulu }],
    ['/admin/members/new', { loginId: 'x@example.com', name: 'x', roles: ['technician'], groupId: zulu }],
  ];
  for (const [path, body] of asked) {
    const answer = await post(path, body);
    t.true([403, 404, 409].includes(answer.status), `${path} ${answer.status}`);
    t.deepEqual(
      marks.filter(mark => answer.body.includes(mark)),
      [],
      path,
    );
  }
  t.is((await at.members.get(otto)).state, 'enabled');
});
