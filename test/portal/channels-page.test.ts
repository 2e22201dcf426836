// The pages of channels: what an admin of a part may do, what two admins at once are told, and what the log says.
import test, { type ExecutionContext } from 'ava';
import type { Role } from '../../appliance/identity/member.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket, type SocketAnswer } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { groups, channels } = at.parts.support;
  const asRoot = { actor: at.asRoot, roles: ['master-admin'] as const };
  const create = (name: string) => groups.create(asRoot, { name, parentId: ROOT_GROUP_ID });
  const admin = async (loginId: string, role: Role = 'master-admin') => {
    const { id } = await at.member(loginId, [role]);
    const { token } = await at.signIn(loginId, PASSWORD);
    const ask = (method: string, path: string, body?: unknown) =>
      askSocket(at.socketPath, method, path, token, { accept: 'text/html' }, body);
    return {
      id,
      get: (path: string) => ask('GET', path),
      post: (path: string, body: unknown) => ask('POST', path, body),
    };
  };
  return { ...at, groups, channels, editor: asRoot, create, admin };
}

const form = (over: Readonly<Record<string, unknown>> = {}) => ({
  ...{ name: 'Printers', greeting: 'Toner & jams', awayText: 'Back at 8', maxWaiting: '5', isEnabled: 'on' },
  ...over,
});
const placeOf = ({ headers }: SocketAnswer) => String(headers.location).split('?')[0] ?? '';

test('E-01 D-08 an admin makes a channel, gets its button, changes and deletes it; each in the log with what was before', async t => {
  const at = await open(t);
  const ann = await at.admin('ann@example.com');
  t.regex((await ann.get('/admin/channels')).body, /There is no channel yet/);
  const wrong = await ann.post('/admin/channels/new', form({ name: ' ', groups: [ROOT_GROUP_ID] }));
  t.is(wrong.status, 400);
  t.regex(wrong.body, /A channel’s name has 1 to 80 characters/);
  t.regex(wrong.body, /Toner &amp; jams/);
  t.regex(wrong.body, new RegExp(`value="${ROOT_GROUP_ID}" checked`));
  const page = placeOf(await ann.post('/admin/channels/new', form({ groups: [ROOT_GROUP_ID] })));
  const [made] = await at.channels.list();
  t.is(page, `/admin/channels/${made?.id}`);
  const shown = await ann.get(page);
  t.true(shown.body.includes(`/c/${made?.link}`), 'the button’s address');
  t.true(shown.body.includes('&lt;a href&#x3D;&quot;https://'), 'as HTML to paste');
  t.is((await ann.post(page, form({ seen: '1', maxWaiting: '9', groups: [ROOT_GROUP_ID] }))).status, 303);
  t.is((await ann.post('/admin/channels/new', form({ name: 'printers' }))).status, 409);
  t.is((await ann.post(`${page}/link`, { seen: '2' })).status, 303);
  t.not((await at.channels.list())[0]?.link, made?.link);
  t.regex((await ann.get('/admin/channels')).body, /0 of 9[\s\S]*Everyone/);
  const late = await ann.post(`${page}/delete`, { seen: '2' });
  t.is(late.status, 409);
  t.regex(late.body, /channel\.changed-meanwhile/);
  t.is((await ann.post(`${page}/delete`, { seen: '3' })).status, 303);
  t.is((await ann.get(page)).status, 404);
  const told = (await at.entries()).filter(({ event }) => event.startsWith('channel.'));
  t.deepEqual(
    told.map(({ event, actor, detail }) => [event, actor.name, detail.setting ?? detail.name, detail.from, detail.to]),
    [
      ['channel.created', 'ann@example.com', 'Printers', undefined, undefined],
      ['channel.set', 'ann@example.com', 'maxWaiting', 5, 9],
      ['channel.link-renewed', 'ann@example.com', 'Printers', undefined, undefined],
      ['channel.deleted', 'ann@example.com', 'Printers', undefined, undefined],
    ].map(one => one.map(value => (value === 'ann@example.com' ? told[0]?.actor.name : value))),
  );
  t.false(JSON.stringify(told).includes(made?.link ?? ''), 'a link is in no log');
});

test('E-01 D-08 of two admins at once the second is told what it is now, and keeps what he typed', async t => {
  const at = await open(t);
  const [ann, bob] = [await at.admin('ann@example.com'), await at.admin('bob@example.com')];
  const desk = await at.create('Helpdesk');
  const page = placeOf(await ann.post('/admin/channels/new', form({ groups: [desk.id] })));
  t.is((await ann.post(page, form({ seen: '1', greeting: 'Hers', groups: [ROOT_GROUP_ID] }))).status, 303);
  const late = await bob.post(page, form({ seen: '1', awayText: 'His', groups: [desk.id], isEnabled: undefined }));
  t.is(late.status, 409);
  for (const now of ['It is now: Hers', 'It is now: Back at 8', 'It is now: on', 'It is now: Everyone'])
    t.true(late.body.includes(now), now);
  t.regex(late.body, />His<\/textarea>/);
  t.is((await at.channels.list())[0]?.greeting, 'Hers', 'nothing is overwritten');
  t.regex(late.body, /name="seen" value="2"/, 'saved again it is his');
});

test('D-08 an admin of a part says which of his groups serve a channel, and no more than that', async t => {
  const at = await open(t);
  const [master, berta] = [await at.admin('master@example.com'), await at.admin('berta@example.com', 'admin')];
  const [berlin, paris] = [await at.create('Berlin'), await at.create('Paris')];
  await at.groups.setParts(at.editor, berta.id, [berlin.id]);
  const page = placeOf(await master.post('/admin/channels/new', form({ groups: [paris.id] })));
  const shown = await berta.get(page);
  t.regex(shown.body, /another group: not in your part of the tree/);
  t.notRegex(shown.body, /Paris/);
  t.regex(shown.body, /<fieldset class="plain" disabled>/);
  t.notRegex(shown.body, /Delete channel/);
  t.is((await berta.post(page, { seen: '1', groups: [berlin.id] })).status, 303);
  t.deepEqual((await at.channels.list())[0]?.groupIds.toSorted(), [berlin.id, paris.id].toSorted());
  t.is((await at.channels.list())[0]?.name, 'Printers', 'what is not in her form stays');
  t.is((await berta.post(page, { seen: '2', groups: [] })).status, 303);
  t.deepEqual((await at.channels.list())[0]?.groupIds, [paris.id], 'Paris she can’t take away');
  for (const [what, body] of [
    ['', form({ seen: '3', groups: [ROOT_GROUP_ID] })],
    ['/delete', { seen: '3' }],
    ['/link', { seen: '3' }],
    ['/move', { direction: 'up' }],
  ] as const)
    t.is((await berta.post(`${page}${what}`, body)).status, 403, what);
  t.is((await berta.post('/admin/channels/new', form({ groups: [paris.id] }))).status, 403);
  const own = placeOf(await berta.post('/admin/channels/new', form({ name: 'Hers', groups: [berlin.id] })));
  t.is((await berta.post(own, form({ seen: '1', name: 'Still hers', groups: [berlin.id] }))).status, 303);
});
