// The pages of members: found by name page by page, changed several at once, put into groups and given parts of the tree.
import { request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import type { Role } from '../../appliance/identity/member.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { UNSEEN_MS } from '../../appliance/portal/admin/unseen-passwords.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { groups } = at.parts.support;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const as = async (loginId: string, role: Role) => {
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
  return { ...at, groups, editor, as };
}

test('D-08 members are found by part of name or login id in any case, and shown page by page', async t => {
  const at = await open(t);
  const ann = await at.as('ann@example.com', 'master-admin');
  for (let n = 0; n < 60; n++) {
    await at.identity.members.create(at.asRoot, {
      loginId: `tech-${String(n).padStart(2, '0')}@example.com`,
      name: n === 7 ? 'Åsa Öberg' : `Person ${n}`,
      roles: ['technician'],
      password: PASSWORD,
    });
  }
  const names = async (path: string) => {
    const { body } = await ann.get(path);
    return [...body.matchAll(/<a href="\/admin\/members\/[A-Za-z0-9_-]{22}">([^<]+)<\/a>/g)].map(([, name]) => name);
  };
  t.deepEqual(await names('/admin/members?q=%C3%A5SA'), ['Åsa Öberg']);
  t.deepEqual(await names('/admin/members?q=TECH-33'), ['Person 33']);
  t.deepEqual(await names('/admin/members?q=%25'), [], 'nothing is a wildcard');
  const first = await names('/admin/members?role=technician');
  const second = await names('/admin/members?role=technician&page=2');
  t.deepEqual([first.length, second.length, new Set([...first, ...second]).size], [50, 10, 60]);
  t.true((await ann.get('/admin/members?role=technician&page=2')).body.includes('60 of 62 members, page 2 of 2'));
  t.true((await ann.get('/admin/members?page=99')).body.includes('Nobody fits'));
  const page = await ann.get('/admin/members?role=technician');
  const ticks = [...page.body.matchAll(/name="members" value="([^"]+)"/g)].map(([, value = '']) => ['members', value]);
  const form = new URLSearchParams([['act', 'disable'], ...ticks]);
  t.is(ticks.length, 50);
  t.regex(String((await ann.post('/admin/members/bulk', form)).headers.location), /done=disable-50/);
  t.is((await at.identity.members.list()).filter(({ state }) => state === 'disabled').length, 50);
});

test('C-02 of a temporary password pages say how long it is good, and after that what to do, to who gives it right', async t => {
  const at = await open(t);
  const ann = await at.as('ann@example.com', 'master-admin');
  const { id } = await at.member('tina@example.com');
  const { body } = await ann.post(`/admin/members/${id}/reset-password`, {});
  t.regex(body, /which has to be before <time/);
  const password = /id="temporary">([^<]+)</.exec(body)?.[1] ?? '';
  t.regex((await ann.get(`/admin/members/${id}`)).body, /temporary, until <time/);
  at.clock.advance(7 * 86_400_000);
  const enter = (typed: string) => {
    const form = { loginId: 'tina@example.com', password: typed };
    return askSocket(at.socketPath, 'POST', '/sign-in', undefined, { accept: 'text/html' }, form);
  };
  const guessed = await enter('a-guess-that-is-wrong');
  t.false(guessed.body.includes('run out'));
  const told = await enter(password);
  t.is(told.status, 403);
  t.regex(told.body, /That password was a temporary one, and has run out\..*Ask an admin for a new one\./s);
  t.true(told.body.includes('value="tina@example.com"'));
  const { token } = await at.signIn('ann@example.com', PASSWORD);
  const page = await askSocket(at.socketPath, 'GET', `/admin/members/${id}`, token, { accept: 'text/html' });
  t.regex(page.body, /temporary, ran out <time/);
});

test('D-08 the list of members is sorted by the heads of its columns, over all pages, and the address keeps it', async t => {
  const at = await open(t);
  const ann = await at.as('ann@example.com', 'master-admin');
  const make = (loginId: string, name: string) =>
    at.identity.members.create(at.asRoot, { loginId, name, roles: ['technician'], password: PASSWORD });
  const { member: off } = await make('a@example.com', 'zoe');
  await make('b@example.com', 'Bob');
  await make('c@example.com', 'amy');
  await at.identity.members.disable(at.asRoot, off.id);
  await at.signIn('c@example.com', PASSWORD);
  const ids = async (sort: string) => {
    const { body } = await ann.get(`/admin/members?role=technician&sort=${encodeURIComponent(sort)}`);
    const found = [...body.matchAll(/aria-label="[^"]*, ([abc])@example\.com"/g)].map(([, one]) => one).join('');
    return { found, ways: [...body.matchAll(/<th scope="col" aria-sort="(\w+)"><a href="([^"]+)"/g)] };
  };
  for (const [sort, order] of Object.entries({
    ...{ login: 'abc', '-login': 'cba', name: 'cba', '-name': 'abc', state: 'abc', '-state': 'cba' },
    ...{ last: 'abc', '-last': 'cba', 'name;drop table member': 'abc' },
  }))
    t.is((await ids(sort)).found, order, sort);
  const { ways } = await ids('name');
  t.deepEqual(
    ways.map(([, way]) => way),
    ['ascending'],
  );
  t.regex(ways[0]?.[2] ?? '', /sort&#x3D;-name/, 'once more turns it round');
});

test('D-08 several are changed at once; who can’t be is named with the reason, and the others are changed all the same', async t => {
  const at = await open(t);
  const ada = await at.as('ada@example.com', 'admin');
  const [tina, theo] = [await at.technician(), await at.technician()];
  const floor = await at.groups.create(at.editor, { name: 'Floor', parentId: ROOT_GROUP_ID });
  await at.groups.assign(at.editor, [tina.id, theo.id], floor.id);
  await at.giveParts(ada.id, [floor.id]);
  const chief = await at.member('chief@example.com', ['master-admin']);
  await at.groups.assign(at.editor, chief.id, floor.id);
  const inFloor = ({ id }: { readonly id: string }) => `${id} ${floor.id}`;
  const nobody = await ada.post('/admin/members/bulk', { act: 'disable' });
  t.is(nobody.status, 409);
  t.true(nobody.body.includes('Nobody is ticked'));
  const mixed = await ada.post('/admin/members/bulk', {
    act: 'disable',
    members: [inFloor(tina), inFloor(chief), `${at.root.id} ${ROOT_GROUP_ID}`, inFloor(theo)],
  });
  t.is(mixed.status, 409);
  t.regex(mixed.body, /Disabled: 2\.<\/strong>.*chief@example\.com name: that takes a role you do not have/);
  t.regex(mixed.body, /<br>Somebody: not in your part of the tree/, 'whom he doesn’t see he is not told of');
  const states = async () =>
    Promise.all([tina.id, chief.id, theo.id].map(async id => (await at.identity.members.get(id)).state));
  t.deepEqual(await states(), ['disabled', 'enabled', 'disabled']);
  t.is((await ada.post('/admin/members/bulk', { act: 'enable', members: [inFloor(tina), inFloor(theo)] })).status, 303);
  t.deepEqual(await states(), ['enabled', 'enabled', 'enabled']);

  const desk = await at.groups.create(at.editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  const move = { act: 'move', to: desk.id, members: [inFloor(tina), inFloor(theo)] };
  const notHers = await ada.post('/admin/members/bulk', move);
  t.is(notHers.status, 409);
  t.true(notHers.body.includes('not in your part of the tree'));
  const ann = await at.as('ann@example.com', 'master-admin');
  t.is(
    (await ann.post('/admin/members/bulk', { ...move, members: [`${ada.id} ${ROOT_GROUP_ID}`] })).status,
    409,
    'only technicians are in groups',
  );
  t.is((await ann.post('/admin/members/bulk', move)).status, 303);
  t.deepEqual((await at.groups.membersOf(desk.id)).toSorted(), [tina.id, theo.id].toSorted());
  const late = await ann.post('/admin/members/bulk', { ...move, to: ROOT_GROUP_ID });
  t.is(late.status, 409);
  t.true(late.body.includes('somebody else has changed it since you looked'));
  t.is((await at.groups.membersOf(desk.id)).length, 2, 'where the one before put them');
});

test('D-08 of two admins who change the same at once the second is told, and sees what it is now', async t => {
  const at = await open(t);
  const ann = await at.as('ann@example.com', 'master-admin');
  const tina = await at.technician();
  const seenIn = async (path: string, form = path) => {
    const { body } = await ann.get(path);
    const [, seen = ''] = new RegExp(`action="${form}"[^]*?name="seen" value="([^"]*)"`).exec(body) ?? [];
    return seen.replaceAll('&quot;', '"').replaceAll('&#x3D;', '=');
  };
  const own = `/admin/members/${tina.id}`;
  const policy = { minScore: '3', minLength: '12', maxAgeDays: '', history: '3', temporaryDays: '7' };
  const months = { onlineMonths: '24', archiveMonths: '24', recordingMonths: '12' };
  for (const [path, form, first, second] of [
    [own, own, { name: 'One', roles: 'technician' }, { name: 'Two', roles: 'technician' }],
    [`${own}/addresses`, `${own}/addresses`, { ranges: '192.0.2.0/24' }, { ranges: '198.51.100.0/24' }],
    ['/admin/password-policy', '/admin/password-policy', policy, { ...policy, minLength: '14' }],
    ['/admin/password-policy', '/admin/passkey-policy', { aloneAllowed: 'on' }, {}],
    ['/admin/retention', '/admin/retention', months, { ...months, onlineMonths: '36' }],
  ] as const) {
    const seen = await seenIn(path, form);
    t.not(seen, '', form);
    t.is((await ann.post(form, { ...first, seen })).status, 303, form);
    const now = await seenIn(path, form);
    const late = await ann.post(form, { ...second, seen });
    t.is(late.status, 409, form);
    t.true(late.body.includes('changed-meanwhile'), form);
    t.is(await seenIn(path, form), now, 'and nothing is overwritten');
    t.is((await ann.post(form, { ...second, seen: now })).status, 303, form);
  }
});

test('D-08 on a member’s page he is moved and given parts, unless another was faster', async t => {
  const at = await open(t);
  const ann = await at.as('ann@example.com', 'master-admin');
  const ada = await at.as('ada@example.com', 'admin');
  const tina = await at.technician();
  const [desk, hotline] = [
    await at.groups.create(at.editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID }),
    await at.groups.create(at.editor, { name: 'Hotline', parentId: ROOT_GROUP_ID }),
  ];
  const group = `/admin/members/${tina.id}/group`;
  t.is((await ann.post(group, { groupId: desk.id, seen: ROOT_GROUP_ID })).status, 303);
  const late = await ann.post(group, { groupId: hotline.id, seen: ROOT_GROUP_ID });
  t.is(late.status, 409);
  t.true(late.body.includes('group.changed-meanwhile'));
  t.true(late.body.includes(`name="seen" value="${desk.id}"`), 'and the page shows where he is');
  t.is(await at.groups.groupOf(tina.id), desk.id);

  const parts = `/admin/members/${ada.id}/parts`;
  t.is((await ann.post(parts, { more: desk.id })).status, 303);
  t.is((await ann.post(parts, { more: hotline.id })).status, 409, 'drawn before there was one');
  t.is((await ann.post(parts, { parts: desk.id, more: hotline.id, seen: desk.id })).status, 303);
  t.deepEqual((await at.groups.partsOf(ada.id)).toSorted(), [desk.id, hotline.id].toSorted());
  t.is(
    (await ada.post(parts, { more: ROOT_GROUP_ID, seen: [desk.id, hotline.id] })).status,
    403,
    'nobody gives himself more',
  );
  t.is((await ann.post(parts, { parts: hotline.id, seen: [desk.id, hotline.id] })).status, 303);
  const told = (await at.entries()).filter(({ event }) => event === 'group.parts-set').map(({ detail }) => detail);
  t.deepEqual(told[0], { from: '', to: 'Helpdesk' });
  t.deepEqual(told.at(-1), { from: 'Helpdesk; Hotline', to: 'Hotline' });
});

test('D-08 a new technician is put into a group at once, by an admin into one of his parts alone', async t => {
  const at = await open(t);
  const [ada, idle] = [await at.as('ada@example.com', 'admin'), await at.as('idle@example.com', 'admin')];
  const desk = await at.groups.create(at.editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  await at.giveParts(ada.id, [desk.id]);
  const places = async (who: typeof ada) => {
    const { body } = await who.get('/admin/members/new');
    return [...body.matchAll(/<option value="[^"]+"[^>]*>([^<]+)</g)].map(([, name]) => name);
  };
  t.deepEqual([await places(ada), await places(idle)], [['Helpdesk'], []]);
  t.true((await idle.get('/admin/members/new')).body.includes('No part of the tree was given to you'));
  const typed = { loginId: 'new@example.com', name: 'New One', roles: 'technician' };
  const beyond = await ada.post('/admin/members/new', { ...typed, groupId: ROOT_GROUP_ID });
  t.is(beyond.status, 403);
  t.true(beyond.body.includes('identity.not-your-part') && beyond.body.includes('value="New One"'));
  t.is((await idle.post('/admin/members/new', { ...typed, groupId: desk.id })).status, 403);
  t.is((await ada.post('/admin/members/new', { ...typed, groupId: desk.id })).status, 200);
  const made = await at.identity.members.findByLoginId('new@example.com');
  t.is(await at.groups.groupOf(made?.id ?? ''), desk.id);
  const page = (await ada.get(`/admin/members/${made?.id}`)).body;
  t.true(page.includes('/reset-password'));
  t.false((await idle.get(`/admin/members/${made?.id}`)).body.includes('/reset-password'));
});

test('D-08 a role is given to several or taken from them; nobody is locked out by it, and an admin gives none', async t => {
  const at = await open(t);
  const ann = await at.as('ann@example.com', 'master-admin');
  const [tina, theo] = [await at.technician(), await at.technician()];
  const bulk = (act: string, which: string, ids: readonly string[], by = ann) =>
    by.post('/admin/members/bulk', { act, which, members: ids.map(id => `${id} ${ROOT_GROUP_ID}`) });
  const rolesOf = async (id: string) => (await at.identity.members.get(id)).roles;
  const given = await bulk('give', 'auditor', [tina.id, theo.id]);
  t.regex(String(given.headers.location), /done=give-2/);
  t.deepEqual(
    [await rolesOf(tina.id), await rolesOf(theo.id)],
    [1, 2].map(() => ['technician', 'auditor']),
  );
  t.regex(String((await bulk('take', 'technician', [tina.id])).headers.location), /done=take-1/);
  const mixed = await bulk('take', 'auditor', [tina.id, theo.id]);
  t.is(mixed.status, 409);
  t.regex(mixed.body, /Without the role now: 1\..*that is the only role; disable the member instead/s);
  t.deepEqual([await rolesOf(tina.id), await rolesOf(theo.id)], [['auditor'], ['technician']]);
  await bulk('give', 'technician', [at.root.id]);
  const last = await bulk('take', 'master-admin', [at.root.id, ann.id]);
  t.regex(last.body, /Without the role now: 1\..*that is yourself/s);
  const masters = (await at.identity.members.list()).filter(({ roles }) => roles.includes('master-admin'));
  t.is(masters.length, 1);
  const ada = await at.as('ada@example.com', 'admin');
  await at.giveParts(ada.id);
  for (const which of ['admin', 'auditor', 'master-admin']) {
    t.true((await bulk('give', which, [theo.id], ada)).body.includes('that takes a role you do not have'), which);
  }
  t.deepEqual(await rolesOf(theo.id), ['technician']);
  const told = (await at.entries()).filter(
    ({ event, subject }) => event === 'member.roles-changed' && subject === tina.id,
  );
  t.deepEqual(
    told.map(({ detail }) => detail.after),
    ['technician auditor', 'auditor'],
  );
});

test('D-08 what a large file would change is looked at page by page, what is wrong first, and applied without passwords, as was said before', async t => {
  const at = await open(t);
  await at.member('ann@example.com', ['master-admin']);
  const { token } = await at.signIn('ann@example.com', PASSWORD);
  const post = async (path: string, fields: Readonly<Record<string, string>>) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    const body = new Response(form);
    const headers = { accept: 'text/html', 'content-type': body.headers.get('content-type') ?? '' };
    return askSocket(at.socketPath, 'POST', path, token, headers, await body.text());
  };
  const lines = Array.from({ length: 250 }, (_, n) => `p${n}@example.com,P ${n},technician`);
  const csv = (...more: readonly string[]) => ['loginId,name,roles', ...lines, ...more].join('\n');
  const wrong = await post('/admin/members/import', { file: csv('nobody,,boss') });
  t.true(wrong.body.includes('250 new, 0 changed, 0 disabled, 0 as they are, 1 wrong'));
  t.true(wrong.body.includes('Page 1 of 3'));
  t.true(wrong.body.indexOf('>nobody<') < wrong.body.indexOf('>p0@example.com<'));
  t.false(wrong.body.includes('>Apply<'));
  const carried = /name="csv" value="([^"]*)"/.exec(wrong.body)?.[1] ?? '';
  t.is(carried.split('\n').length, 252);
  const last = await post('/admin/members/import', { csv: csv(), page: '3', digest: 'as it was' });
  t.true(last.body.includes('Page 3 of 3'));
  t.deepEqual(
    [last.body.includes('>p199@'), last.body.includes('>p200@'), last.body.includes('>p249@')],
    [false, true, true],
  );
  const digest = /name="digest" value="([^"]*)"/.exec(last.body)?.[1] ?? '';
  const done = await post('/admin/members/import/apply', { csv: csv(), digest });
  t.true(done.body.includes('Applied: 250 new'));
  t.true(last.body.includes('These new members get no password.'));
  t.true(done.body.includes('The new members have no password yet.'));
  t.false(done.body.includes('Temporary passwords</h2>'));
  const again = await post('/admin/members/import/apply', { csv: csv(), digest });
  t.true(again.body.includes('members.import-changed'));

  const few = ['loginId,name,roles', ...lines.slice(0, 30)].join('\n').replaceAll('@', '@few.');
  const look = await post('/admin/members/import', { file: few });
  const fewDigest = /name="digest" value="([^"]*)"/.exec(look.body)?.[1] ?? '';
  const made = await post('/admin/members/import/apply', { csv: few, digest: fewDigest });
  const passwords = /<textarea id="passwords"[^>]*>([^<]*)</.exec(made.body)?.[1] ?? '';
  t.regex(passwords, /^loginId,password\r\np0@few\.example\.com,[a-z0-9-]{19}\r\n/);
});

/** An import that makes two members, and whose connection drops while it runs. @param page the page of imports, meanwhile */
async function importAndDrop(
  t: ExecutionContext,
  at: Pick<Awaited<ReturnType<typeof open>>, 'identity' | 'asRoot' | 'socketPath'>,
  token: string,
  page: () => Promise<string>,
  name: string,
): Promise<void> {
  const { exchange } = at.identity;
  const csv = `loginId,name,roles\n${name}-1@example.com,One,technician\n${name}-2@example.com,Two,technician`;
  const form = new FormData();
  form.set('csv', csv);
  form.set('digest', (await exchange.plan(at.asRoot, csv)).digest);
  const body = new Response(form);
  const headers = {
    ...{ host: 'localhost', origin: 'https://localhost', 'x-appliance-peer': '192.0.2.7' },
    ...{ cookie: `__Host-login=${token}`, 'content-type': body.headers.get('content-type') ?? '' },
  };
  const path = '/admin/members/import/apply';
  const asked = request({ socketPath: at.socketPath, method: 'POST', path, agent: false, headers });
  const gone = new Promise(resolve => asked.on('error', resolve));
  const apply = exchange.apply.bind(exchange);
  const { promise: applied, resolve } = Promise.withResolvers<void>();
  exchange.apply = async (...given) => {
    exchange.apply = apply;
    asked.destroy();
    t.true((await page()).includes('An import of yours is still running.'));
    const outcome = await apply(...given);
    setImmediate(resolve);
    return outcome;
  };
  asked.end(await body.text());
  await Promise.all([applied, gone]);
}

test('D-08 passwords of an import whose connection dropped wait for the login that made them, are shown once, and are gone in time and with the login', async t => {
  const at = await open(t);
  const { logins } = at.identity;
  const ann = await at.as('ann@example.com', 'master-admin');
  const { token, login } = await at.signIn('ann@example.com', PASSWORD);
  const ask = (method: string, path: string) => askSocket(at.socketPath, method, path, token, { accept: 'text/html' });
  const page = async () => {
    const { status, body } = await ask('GET', '/admin/members/exchange');
    t.is(status, 200);
    return body;
  };
  const drop = (name: string) => importAndDrop(t, at, token, page, name);
  await drop('a');
  await drop('b');
  t.true((await page()).includes('its 4 passwords were not seen yet'));
  t.false((await ann.get('/admin/members/exchange')).body.includes('not seen yet'), 'another login of the same member');
  const shown = await ask('POST', '/admin/members/import/passwords');
  const passwords = [...shown.body.matchAll(/<td>([ab]-\d@example\.com)<\/td><td><code>([^<]+)</g)];
  t.deepEqual(
    passwords.map(([, loginId]) => loginId),
    ['a-1@example.com', 'a-2@example.com', 'b-1@example.com', 'b-2@example.com'],
  );
  t.is((await at.signIn('b-2@example.com', passwords[3]?.[2] ?? '')).login.stage, 'change-password');
  t.false((await page()).includes('not seen yet'), 'shown once');
  t.true((await ask('POST', '/admin/members/import/passwords')).body.includes('No passwords wait here any more.'));
  await drop('c');
  at.clock.advance(UNSEEN_MS - 1);
  t.true((await page()).includes('its 2 passwords were not seen yet'));
  at.clock.advance(1);
  t.false((await page()).includes('not seen yet'), 'their time is over');
  await drop('d');
  const timers = at.clock.timers;
  await logins.signOut(token);
  t.is(at.clock.timers, timers - 1, `gone with the login ${login.id}`);
  for (const { detail } of await at.entries())
    t.false(
      passwords.some(([, , password = '']) => JSON.stringify(detail).includes(password)),
      'in no log',
    );
});
