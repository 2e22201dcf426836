// The page of the audit log: who reads it, and that reading is in it.
import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { applianceActor, hashEntry } from '../../appliance/audit/entry.ts';
import { FOUND_FORMATS } from '../../appliance/audit/found-export.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { auditDesk } from '../../appliance/portal/audit-desk.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { linked, openTestDesk } from './open-support.ts';

test('G-02 D-08 auditors and master admins read the log, and that they did stands in it', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { id } = await linked(at);
  const signIn = async (role: 'master-admin' | 'admin' | 'technician' | 'auditor') => {
    await at.member(`${role}@example.com`, [role]);
    return (await at.signIn(`${role}@example.com`, PASSWORD)).token;
  };
  const ask = (path: string, token: string) => askSocket(at.socketPath, 'GET', path, token, { accept: 'text/html' });
  for (const role of ['admin', 'technician'] as const) {
    const refused = await askSocket(at.socketPath, 'GET', '/admin/audit', await signIn(role));
    t.is(refused.code, 'portal.not-allowed', role);
  }
  t.deepEqual(await at.events('audit.viewed'), []);
  const [auditor, master] = [await signIn('auditor'), await signIn('master-admin')];
  const shown = await ask('/admin/audit?event=session.&from=2020-01-01', auditor);
  t.is(shown.status, 200);
  t.true(shown.body.includes(`/auditor/sessions/${id}/evidence.zip`), 'each entry of a session leads to its bundle');
  t.is((await ask('/admin/audit', master)).status, 200);
  const viewed = (await at.entries()).filter(({ event }) => event === 'audit.viewed');
  t.deepEqual(
    viewed.map(({ actor, detail }) => [actor.name, detail]),
    [
      ['auditor@example.com name', { event: 'session.', from: Date.parse('2020-01-01') }],
      ['master-admin@example.com name', {}],
    ],
  );
  const before = viewed.at(-1)?.seq;
  t.is((await ask(`/admin/audit?before=${before}`, auditor)).status, 200);
  t.deepEqual((await at.entries()).at(-1)?.detail, { before }, 'nor does anybody see an older page unseen');
});

async function openLog(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  await at.member('auditor@example.com', ['auditor']);
  const { token } = await at.signIn('auditor@example.com', PASSWORD);
  const html = { accept: 'text/html' };
  const look = (query: Record<string, string>) =>
    askSocket(at.socketPath, 'GET', `/admin/audit?${new URLSearchParams(query)}`, token, html);
  const take = (form: Record<string, string>) =>
    askSocket(at.socketPath, 'POST', '/admin/audit/export-found', token, html, form);
  /** Numbers of the entries on a page. */
  const shown = (body: string) => [...body.matchAll(/<td class="number">(\d+)</g)].map(([, seq]) => Number(seq));
  return { at, look, take, shown };
}

test('G-04 the log is searched by session, group, channel and customer, all of it together, and what was erased is not found', async t => {
  const { at, look, take, shown } = await openLog(t);
  const { support } = at.parts;
  const master = { actor: applianceActor, roles: ['master-admin'] } as const;
  const { id: groupId } = await support.groups.create(master, { name: 'Berlin', parentId: ROOT_GROUP_ID });
  const owner = await at.technician();
  const zoe = await support.sessions.create(owner, { groupId, customerName: 'Zoë Kestrel' });
  const carl = await support.sessions.create(owner, { groupId: ROOT_GROUP_ID, customerName: 'Carl' });
  const rules = { greeting: '', awayText: '', isEnabled: true, maxWaiting: 5, groupIds: [groupId] };
  const [printers, lines] = [
    await support.channels.create(master, { name: 'Printers', ...rules }),
    await support.channels.create(master, { name: 'Lines', ...rules }),
  ];
  const said = { name: 'Chloe', question: '', language: null };
  const chloe = await support.sessions.createInChannel(owner, printers, said);
  const seqOf = async (sessionId: string) =>
    (await at.audit.search({ sessionId, limit: 9 })).map(({ entry }) => entry.seq);
  const [ofZoe, ofCarl] = [await seqOf(zoe.id), await seqOf(carl.id)];
  const found = async (query: Record<string, string>) => shown((await look({ event: 'session.', ...query })).body);
  t.deepEqual(await found({ session: carl.id }), ofCarl);
  t.deepEqual(await found({ group: groupId }), ofZoe);
  t.true((await look({ group: groupId })).body.includes('group: Berlin'), 'a group goes by its name');
  const ofChloe = await seqOf(chloe.id);
  t.deepEqual(await found({ group: ROOT_GROUP_ID }), [...ofChloe, ...ofCarl, ...ofZoe], 'with the groups below it');
  t.deepEqual(await found({ channel: printers.id }), ofChloe);
  t.deepEqual(await found({ channel: printers.id, customer: 'chlo', text: 'printers' }), ofChloe);
  t.deepEqual(await found({ channel: lines.id }), []);
  t.deepEqual(await found({ channel: printers.id, group: groupId }), [], 'nobody of that group has picked it up');
  const file = (await take({ channel: printers.id, format: 'csv' })).body;
  t.true(file.includes(chloe.id) && !file.includes(zoe.id));
  t.regex((await look({ channel: 'x' })).body, /the channel is none of the list/i);
  t.deepEqual(await found({ customer: 'zoË' }), ofZoe);
  t.deepEqual(await found({ customer: 'kestrel', group: groupId, member: owner.id, from: '2020-01-01' }), ofZoe);
  t.deepEqual(await found({ customer: 'kestrel', until: '2020-01-01' }), []);
  const asked = (await at.entries()).filter(({ event }) => event === 'audit.viewed');
  t.false(
    JSON.stringify(asked).toLowerCase().includes('kestrel'),
    'a sealed name does not come into the log by being asked for',
  );
  t.true(asked.some(({ detail }) => detail.byCustomer === true && detail.groupId === groupId));
  await at.store.sessionKeys.destroy(zoe.id);
  t.deepEqual(await found({ customer: 'zoë' }), []);
  t.deepEqual(await found({ group: groupId }), ofZoe, 'the chain is whole');
});

test('G-04 pages follow each other by the number of an entry; what can’t be is told at its field', async t => {
  const { at, look, take, shown } = await openLog(t);
  for (let n = 0; n < 150; n++)
    await at.store.core.transaction(tx => at.audit.append(tx, { event: 'bench.entry', actor: applianceActor }));
  const first = await look({ event: 'bench.' });
  const link = /href="([^"]*before[^"]*)"/.exec(first.body)?.[1] ?? '';
  const older = link.replaceAll('&#x3D;', '=').replaceAll('&amp;', '&');
  t.is(new URLSearchParams(older.split('?')[1]).get('event'), 'bench.');
  const second = await look(Object.fromEntries(new URLSearchParams(older.split('?')[1])));
  t.deepEqual([shown(first.body).length, shown(second.body).length], [100, 50]);
  t.is(new Set([...shown(first.body), ...shown(second.body)]).size, 150);
  t.true(first.body.includes('there are older ones'));
  t.deepEqual(
    shown((await look({ text: 'appliance', event: 'bench.' })).body),
    [],
    'a kind of actor is no word of an entry',
  );
  t.is(shown((await look({ text: 'BENCH', before: String(shown(first.body).at(-1)) })).body).length, 50);
  t.true((await look({ event: 'nothing.' })).body.includes('No entry fits.'));
  const before = (await at.events('audit.viewed')).length;
  const wrong = { from: '31.3.2026', until: '2026-02-30', event: 'a b', session: 'x', text: '...' };
  for (const [field, typed] of Object.entries(wrong)) {
    for (const answer of [await look({ [field]: typed }), await take({ [field]: typed, format: 'csv' })]) {
      t.is(answer.status, 400, field);
      t.true(answer.body.includes(`id="f-${field}-error"`), field);
      t.true(answer.body.includes(`value="${typed}"`), 'what was typed stays');
    }
  }
  t.is((await at.events('audit.viewed')).length, before, 'nothing was looked at');
  for (const cursor of ['0', '-1', 'x', '99999999999999999']) t.is((await look({ before: cursor })).status, 400);
});

test('G-02 G-04 what was found is taken as a file, and the log says who took how much of what', async t => {
  const { at, take } = await openLog(t);
  const count = 1200; // more than is read at a time
  await at.store.core.transaction(async tx => {
    for (let n = 0; n < count; n++)
      await at.audit.append(tx, { event: 'bench.entry', actor: applianceActor, detail: { n } });
  });
  for (const format of FOUND_FORMATS) {
    const file = await take({ event: 'bench.', format });
    t.is(file.status, 200);
    t.regex(
      String(file.headers['content-disposition']),
      new RegExp(`^attachment; filename="audit-found-[0-9-]+\\.${format}"$`),
    );
    const [taken, ended] = (await at.entries()).slice(-2);
    t.like(taken, { event: 'audit.exported', detail: { format, event: 'bench.' } });
    t.is(taken?.actor.name, 'auditor@example.com name');
    const sha256 = createHash('sha256').update(file.body).digest('base64url');
    t.deepEqual(ended?.detail, { export: taken?.seq ?? 0, count, isWhole: true, sha256 });
    if (format !== 'json') continue;
    const { entries } = JSON.parse(file.body);
    t.is(entries.length, count);
    for (const { previous, hash, ...fields } of entries) if (hashEntry(fields, previous) !== hash) t.fail(fields.seq);
  }
  await at.member('technician@example.com', ['technician']);
  const { token } = await at.signIn('technician@example.com', PASSWORD);
  t.is(
    (await askSocket(at.socketPath, 'POST', '/admin/audit/export-found', token, {}, { format: 'csv' })).code,
    'portal.not-allowed',
  );
});

test('G-02 an export that is broken off says so in the log', async t => {
  const { at } = await openLog(t);
  const desk = auditDesk({ ...at, ...at.parts });
  const pieces = await desk.exportFound({ ...applianceActor, name: 'auditor' }, {}, 'jsonl');
  for await (const piece of pieces) if (piece.includes('"entry"')) break;
  t.like((await at.entries()).at(-1), { event: 'audit.export-ended', detail: { count: 1, isWhole: false } });
});
