// Members as a file: what a spreadsheet may do to it, what is wrong in which line, and that nothing happens unseen.
import test from 'ava';
import fc from 'fast-check';
import { MAX_IMPORT_LINES, MAX_IMPORT_PASSWORDS } from '../../appliance/identity/member-import.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { parseCsv, presentCsv } from '../../appliance/protocol/csv.ts';
import { TestIdp } from '../support/saml-idp.ts';
import { asMember, openTestIdentity } from './open-identity.ts';

async function open(t: { teardown(end: () => Promise<void>): void }) {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const { exchange, groups } = at.identity;
  const editor = { actor: at.asRoot, roles: ['master-admin'] as const };
  const desk = await groups.create(editor, { name: 'Helpdesk', parentId: ROOT_GROUP_ID });
  const night = await groups.create(editor, { name: 'Night shift', parentId: desk.id });
  const plan = (csv: string) => exchange.plan(at.asRoot, csv);
  const apply = async (csv: string) => exchange.apply(at.asRoot, csv, (await plan(csv)).digest);
  return { ...at, exchange, groups, desk, night, plan, apply };
}

test('D-08 whatever is in a cell comes back as it was, and none begins as a formula', t => {
  const cell = fc.oneof(
    fc.string(),
    fc.constantFrom('=1+1', "'=1+1", "''@x", '-2', '+49 30', '"', 'a;b', 'a,b', '\r\n', "'"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, fc.constant('x')), { maxLength: 8 }), rows => {
      const text = presentCsv([['a', 'b', 'c'], ...rows]);
      t.deepEqual(
        parseCsv(text).map(({ cells }) => cells),
        [['a', 'b', 'c'], ...rows],
      );
      for (const { cells } of parseCsv(text.replaceAll("'", ''))) t.is(cells.length, 3);
    }),
  );
  for (const begins of ['=', '+', '-', '@', '\t', '\r', "'="]) {
    t.true(
      presentCsv([[`${begins}cmd|' /C calc'!A0`]])
        .replace(/^"/, '')
        .startsWith("'"),
      begins,
    );
  }
});

test('D-08 a file is read with either separator, a mark at its beginning and any end of line', t => {
  const wanted = [
    ['loginId', 'name'],
    ['a@b.c', 'A "B"; C'],
  ];
  for (const text of [
    '\uFEFFloginId,name\r\n\r\na@b.c,"A ""B""; C"\r\n',
    'loginId;name\na@b.c;"A ""B""; C"',
    'loginId,name\ra@b.c,"A ""B""; C"\r',
  ]) {
    t.deepEqual(
      parseCsv(text).map(({ cells }) => cells),
      wanted,
    );
  }
  t.throws(() => parseCsv('a\n"b\nc'), { code: 'csv.malformed', message: /^line 2: / });
  t.throws(() => parseCsv('a\nb\n"b"c'), { code: 'csv.malformed', message: /^line 3: / });
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', ',', ';', '\n', '\r', 'a', "'", '=') }), text => {
      try {
        parseCsv(text);
      } catch (error) {
        t.is((error as { code?: string }).code, 'csv.malformed');
      }
    }),
  );
});

test('D-08 each line says what it would change or what is wrong with it, and nothing is changed by looking', async t => {
  const at = await open(t);
  const [tina, ann] = [await at.member('tina@example.com'), await at.member('ann@example.com', ['admin'])];
  const { lines, counts } = await at.plan(
    [
      'loginId,name,roles,state,group',
      'new@example.com,New One,technician,,Helpdesk › Night shift',
      `TINA@example.com,Tina Turner,,disabled,Helpdesk`,
      `ann@example.com,,admin,enabled,`,
      'new@example.com,Again,technician,,',
      'no one,X,technician,,',
      'x@example.com,X,boss,,',
      'y@example.com,Y,technician,gone,',
      'z@example.com,Z,technician,,Nowhere',
      'w@example.com,,technician,,',
      'v@example.com,V,auditor,,Helpdesk',
      `${at.root.loginId},,technician,,`,
      'u@example.com,U,technician,,,,',
      't@example.com,T,"technician; auditor,",,',
    ].join('\n'),
  );
  t.deepEqual(
    lines.map(({ line, kind, changes }) => [line, kind, ...changes]),
    [
      [2, 'create', 'roles: technician', 'group: Everyone → Helpdesk › Night shift'],
      [3, 'disable', `name: ${tina.name} → Tina Turner`, 'state: enabled → disabled', 'group: Everyone → Helpdesk'],
      [4, 'same'],
      [5, 'fault', 'line 2 has this login id too'],
      [6, 'fault', 'that is not a login id'],
      [7, 'fault', 'roles are one or more of master-admin, admin, technician, auditor'],
      [8, 'fault', 'a state is enabled or disabled'],
      [9, 'fault', 'there is no such group'],
      [10, 'fault', 'a new member needs a name and roles'],
      [11, 'fault', 'only technicians are in groups'],
      [12, 'fault', 'that is yourself'],
      [13, 'fault', 'there are more cells than columns'],
      [14, 'create', 'roles: technician auditor'],
    ],
  );
  t.deepEqual(counts, { create: 2, change: 0, disable: 1, same: 1, fault: 9 });
  t.is(await at.identity.members.count(), 3);
  t.is((await at.identity.members.get(ann.id)).state, 'enabled');
  for (const head of ['name,roles', 'loginId,loginId', 'loginId,password', '']) {
    await t.throwsAsync(at.plan(`${head}\na`), { code: 'members.import-columns' }, head);
  }
  const many = Array.from({ length: MAX_IMPORT_LINES + 1 }, (_, n) => `n${n}@example.com,N,technician`);
  await t.throwsAsync(at.plan(`loginId,name,roles\n${many.join('\n')}`), { code: 'members.import-too-long' });
});

test('D-08 what was looked at is applied, logged, and again there is nothing to do; what changed meanwhile is refused', async t => {
  const at = await open(t);
  const tina = await at.member('tina@example.com');
  const csv = [
    'loginId,name,roles,state,group',
    'new@example.com,New One,technician,disabled,Helpdesk › Night shift',
    'tina@example.com,Tina Turner,technician auditor,,Helpdesk',
  ].join('\r\n');
  const { digest } = await at.plan(csv);
  await at.identity.members.update(at.asRoot, tina.id, { name: 'Tina T.', roles: ['technician'] });
  await t.throwsAsync(at.exchange.apply(at.asRoot, csv, digest), { code: 'members.import-changed' });
  const { counts, passwords } = await at.apply(csv);
  t.deepEqual(counts, { create: 1, change: 1, disable: 0, same: 0, fault: 0 });
  t.deepEqual(
    passwords.map(({ loginId }) => loginId),
    ['new@example.com'],
  );
  const made = await at.identity.members.findByLoginId('new@example.com');
  t.like(made, { name: 'New One', state: 'disabled', mustChangePassword: true });
  t.is(await at.groups.groupOf(made?.id ?? ''), at.night.id);
  t.like(await at.identity.members.get(tina.id), { name: 'Tina Turner', roles: ['technician', 'auditor'] });
  t.is(await at.groups.groupOf(tina.id), at.desk.id);
  t.deepEqual((await at.plan(csv)).counts, { create: 0, change: 0, disable: 0, same: 2, fault: 0 });
  const imported = (await at.entries()).find(({ event }) => event === 'members.imported');
  t.deepEqual(imported?.detail, { create: 1, change: 1, disable: 0 });

  const exported = await at.exchange.export(at.asRoot);
  t.deepEqual((await at.plan(exported)).counts, { create: 0, change: 0, disable: 0, same: 3, fault: 0 });
  t.true(exported.includes('tina@example.com,Tina Turner,technician auditor,enabled,Helpdesk\r\n'));
  t.false(/scrypt/.test(exported));
  t.deepEqual(await at.events('members.exported'), ['members.exported']);
});

test('D-08 only a master admin exports and imports; the last one is not disabled by a file', async t => {
  const at = await open(t);
  const ada = asMember(await at.member('ada@example.com', ['admin']));
  await t.throwsAsync(at.exchange.export(ada), { code: 'identity.not-allowed' });
  await t.throwsAsync(at.exchange.plan(ada, 'loginId\n'), { code: 'identity.not-allowed' });
  await t.throwsAsync(at.exchange.apply(ada, 'loginId\n', 'x'), { code: 'identity.not-allowed' });
  await t.throwsAsync(at.apply(`loginId,state\n${at.root.loginId},disabled`), { code: 'members.import-faults' });
  t.is((await at.identity.members.get(at.root.id)).state, 'enabled');
});

test('D-08 C-01 ten thousand new members come by one file, without passwords, and one entry each', async t => {
  const at = await open(t);
  const many = Array.from({ length: MAX_IMPORT_LINES }, (_, n) => `p${n}@example.com,P ${n},technician,Helpdesk`);
  const csv = `loginId,name,roles,group\n${many.join('\n')}`;
  const startedAt = performance.now();
  const { counts, passwords } = await at.apply(csv);
  const tookMs = Math.round(performance.now() - startedAt);
  t.log(`${MAX_IMPORT_LINES} new members took ${tookMs} ms`);
  t.true(tookMs < 60_000, 'within the time a request has');
  t.deepEqual([counts.create, passwords.length], [MAX_IMPORT_LINES, 0]);
  const last = await at.identity.members.findByLoginId(`p${MAX_IMPORT_LINES - 1}@example.com`);
  await t.throwsAsync(at.signIn(last?.loginId ?? '', ''));
  const { temporaryPassword } = await at.identity.members.resetPassword(at.asRoot, last?.id ?? '');
  t.is((await at.signIn(last?.loginId ?? '', temporaryPassword)).login.stage, 'change-password');
  t.is((await at.groups.membersOf(at.desk.id)).length, MAX_IMPORT_LINES);
  t.is((await at.identity.members.count()) - 1, MAX_IMPORT_LINES);
  const created = (await at.entries()).filter(
    ({ event, actor }) => event === 'member.created' && actor.id === at.root.id,
  );
  t.is(new Set(created.map(({ subject }) => subject)).size, MAX_IMPORT_LINES);
});

test('D-08 a file is applied as a whole or not at all: what can’t be at the end takes all of it back, entries too', async t => {
  const at = await open(t);
  const [tina, chief] = [await at.member('tina@example.com'), await at.member('chief@example.com', ['master-admin'])];
  const { ssoRules, idps } = at.identity;
  const idp = await idps.add(at.asRoot, new TestIdp().metadata(), 'Login');
  await idps.switch(at.asRoot, idp.id, true);
  await ssoRules.set(at.asRoot, { isForced: true, breakGlassId: chief.id });
  const csv = [
    'loginId,name,roles,state,group',
    'new@example.com,New,technician,,Helpdesk',
    'tina@example.com,Tina T.,technician auditor,disabled,Helpdesk',
    'chief@example.com,,,disabled,',
  ].join('\n');
  const count = (await at.entries()).length;
  await t.throwsAsync(at.apply(csv), { code: 'sso.break-glass' });
  t.is((await at.entries()).length, count);
  t.is(await at.identity.members.findByLoginId('new@example.com'), undefined);
  t.like(await at.identity.members.get(tina.id), { name: tina.name, roles: ['technician'], state: 'enabled' });
  t.is(await at.groups.groupOf(tina.id), ROOT_GROUP_ID);
  await ssoRules.set(asMember(chief), { isForced: false, breakGlassId: null });
  const login = await at.signIn('tina@example.com');
  await at.apply(csv);
  t.is(await at.identity.logins.find(login.token, { touch: false }), undefined);
  const events = (await at.entries()).filter(({ subject }) => subject === tina.id).map(({ event }) => event);
  for (const event of [
    'member.renamed',
    'member.roles-changed',
    'member.disabled',
    'login.ended',
    'group.member-moved',
  ]) {
    t.true(events.includes(event), event);
  }
});

test('D-08 C-01 each of the new members has a temporary password of his own, hashed as any other', async t => {
  const at = await open(t);
  const many = Array.from({ length: MAX_IMPORT_PASSWORDS }, (_, n) => `p${n}@example.com,P ${n},technician`);
  const { passwords } = await at.apply(`loginId,name,roles\n${many.join('\n')}`);
  t.is(new Set(passwords.map(({ password }) => password)).size, MAX_IMPORT_PASSWORDS);
  for (const { loginId, password } of [passwords.at(0), passwords.at(-1)].filter(one => one !== undefined))
    t.is((await at.signIn(loginId, password)).login.stage, 'change-password');
});
