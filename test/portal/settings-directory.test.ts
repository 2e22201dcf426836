// The page of the directory in the settings: its mapping in rows, and a test of what is typed at a real slapd.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CONFIG_FILE, type DirectoryConfig, parseConfig } from '../../appliance/config.ts';
import { ROLES } from '../../appliance/identity/member.ts';
import { CREDENTIALS } from '../../appliance/pki/password-files.ts';
import { groupDn, SERVICE_PASSWORD, Slapd } from '../support/slapd.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

type Fields = readonly (readonly [name: string, value: string])[];
const PAGE = '/directory';

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const cookie = await at.realm.enter('ann@example.com');
  const ask = async (method: string, to: string, sent?: unknown) => {
    const headers = { accept: 'text/html', cookie };
    const { status, body } = await askSocket(at.realm.socketPath, method, to, undefined, headers, sent);
    return { status, body: body.replaceAll('&#x3D;', '=') };
  };
  const hidden = async (name: string) => hiddenIn((await ask('GET', PAGE)).body, name);
  /** As a browser sends it. */
  const post = async (act: 'save' | 'test' | 'add' | 'remove-0', fields: Fields) => {
    const first: Fields = [
      ['digest', await hidden('digest')],
      ['isOn', 'on'],
    ];
    return ask('POST', PAGE, new URLSearchParams([...first, ...fields, ['act', act]].map(one => [...one])));
  };
  const file = () => readFileSync(join(at.folder, CONFIG_FILE), 'utf8');
  return { ...at, ask, post, file, config: () => parseConfig(file()) };
}

const hiddenIn = (html: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? '';
const stepsIn = (html: string) =>
  [...html.matchAll(/<td>([^<]*)<\/td><td><span class="badge [a-z]*">([^<]+)<\/span>/g)].map(
    ([, name, label]) => `${name}: ${label}`,
  );

/** All fields but the mapping's. */
function fieldsOf({ users, groups, ...directory }: DirectoryConfig, password = ''): Fields {
  const { servers, library, authorities, bindDn, bindPasswordFile, timeoutSeconds, createMembers, syncHours } =
    directory;
  return [
    ['directory-servers', servers.join('\r\n')],
    ...Object.entries({ library, authorities, bindDn, bindPasswordFile, timeoutSeconds, syncHours }).map(
      ([name, value]) => [`directory-${name}`, String(value ?? '')] as const,
    ),
    ...Object.entries(users).map(([name, value]) => [`directory-users-${name}`, value] as const),
    ...Object.entries(groups).map(([name, value]) => [`directory-groups-${name}`, value] as const),
    ...(createMembers ? [['directory-createMembers', 'on'] as const] : []),
    ['password', password],
  ];
}

process.env[CREDENTIALS] = '/etc/appliance'; // as systemd does
const SOMEWHERE: DirectoryConfig = {
  ...{ servers: ['ldaps://dc1.example.com', 'ldap://dc2.example.com:389'], library: 'ldapts', authorities: null },
  ...{ bindDn: 'cn=appliance,dc=example,dc=com', bindPasswordFile: '/etc/appliance/password', timeoutSeconds: 7 },
  users: { base: 'ou=people,dc=example,dc=com', objectClass: 'person', loginId: 'mail', name: 'cn', id: 'entryUUID' },
  groups: { base: 'ou=groups,dc=example,dc=com', objectClass: 'groupOfNames', member: 'member' },
  ...{ createMembers: false, syncHours: 24 },
  mapping: [
    { group: 'cn=support,dc=example,dc=com', roles: ['technician'], technicianGroup: 'Support › Berlin' },
    { group: 'cn=admins,dc=example,dc=com', roles: ['admin', 'auditor'], technicianGroup: null },
  ],
};
const ROWS: Fields = SOMEWHERE.mapping.flatMap(({ group, roles, technicianGroup }, at) => [
  [`g${at}`, group],
  ...roles.map(role => [`r${at}`, role] as const),
  [`t${at}`, technicianGroup ?? ''],
]);

test('A-05 C-05 the directory is switched on with its mapping in rows, rows are added and removed, and off again', async t => {
  const { ask, post, config } = await open(t);
  t.true((await ask('GET', PAGE)).body.includes('value="groupOfNames"'), 'what is mostly right stands there');
  const more = await post('add', [...fieldsOf(SOMEWHERE), ...ROWS]);
  t.true(more.body.includes('aria-label="Group of row 3"') && more.body.includes('Support › Berlin'));
  t.is(config().directory, null);
  t.is((await post('save', [...fieldsOf(SOMEWHERE), ...ROWS, ['g2', ''], ['t2', '']])).status, 303);
  t.deepEqual(config().directory, SOMEWHERE);
  const third: Fields = [
    ['g2', 'cn=third,dc=example,dc=com'],
    ['r2', 'auditor'],
  ];
  const fewer = (await post('remove-0', [...fieldsOf(SOMEWHERE), ...ROWS, ...third])).body;
  t.deepEqual(
    [...fewer.matchAll(/name="g\d" value="(.{8})/g)].map(([, group]) => group),
    ['cn=admin', 'cn=third'],
  );
  t.deepEqual(config().directory, SOMEWHERE, 'nothing is saved by that');
  t.is((await post('save', [...fieldsOf(SOMEWHERE), ...ROWS.slice(3), ...third])).status, 303);
  t.deepEqual(
    config().directory?.mapping.map(({ group }) => group.slice(0, 8)),
    ['cn=admin', 'cn=third'],
  );
  t.deepEqual(config().directory?.users, SOMEWHERE.users);
  t.is(
    (await ask('POST', PAGE, { digest: hiddenIn((await ask('GET', PAGE)).body, 'digest'), act: 'save' })).status,
    303,
  );
  t.is(config().directory, null);
  const off = (await ask('GET', PAGE)).body;
  t.true(off.includes('cn=third,dc=example,dc=com') && off.includes('dc2.example.com:389'), 'out of the history');
});

test('A-05 C-05 what is wrong in a row stands in that row, and nothing typed is lost', async t => {
  const { post, file } = await open(t);
  const before = file();
  const rows: Fields = [
    ['g0', ''],
    ['g1', 'cn=right,dc=x'],
    ['r1', 'admin'],
    ['g2', 'cn=no-role,dc=x'],
    ['r3', 'auditor'],
  ];
  const fields = [...fieldsOf({ ...SOMEWHERE, servers: ['http://dc1.example.com'] }), ...rows];
  const { status, body } = await post('save', fields);
  t.is(status, 400);
  t.regex(body, /At least one role\.<\/p><fieldset class="ticks"><legend class="sr">Roles of row 2</);
  t.regex(body, /name="g2" value=""[^>]*aria-label="Group of row 3" aria-invalid="true"/);
  t.regex(body, /id="f-directory-servers"[^>]*aria-invalid="true"/);
  t.true(body.includes('cn=no-role,dc=x') && body.includes('http://dc1.example.com'));
  const empty = (await post('save', fieldsOf({ ...SOMEWHERE, bindDn: '', bindPasswordFile: '' }))).body;
  t.true(empty.includes('>It can’t be empty.<') && empty.includes('>Type the password above, or name the file'));
  t.true((await post('save', fieldsOf(SOMEWHERE))).body.includes('At least one row, with a group and a role'));
  t.is(file(), before);
});

test('A-05 C-05 200 rows with every role go through a form, and one more does not', async t => {
  const { post, config } = await open(t);
  const rowsOf = (count: number): Fields =>
    Array.from({ length: count }, (_, at) => [
      [`g${at}`, `cn=group-${at},ou=${'a'.repeat(200)},dc=example,dc=com`] as const,
      ...ROLES.map(role => [`r${at}`, role] as const),
      [`t${at}`, ''] as const,
    ]).flat();
  t.is((await post('save', [...fieldsOf(SOMEWHERE), ...rowsOf(200)])).status, 303);
  t.is(config().directory?.mapping.length, 200);
  t.deepEqual(config().directory?.mapping.at(-1)?.roles, [...ROLES]);
  t.is(
    (await post('save', [...fieldsOf(SOMEWHERE), ...rowsOf(200), ['g200', 'cn=one-more'], ['r200', 'admin']])).status,
    400,
  );
  t.is((await post('save', [...fieldsOf(SOMEWHERE), ['g1000', 'cn=x']])).status, 400);
  t.is(config().directory?.mapping.length, 200);
});

test('A-05 C-05 the directory is tried with what is typed, before it is saved, at a real slapd; the password is nowhere but in its file', async t => {
  const { post, file, config, audit } = await open(t);
  await using slapd = await Slapd.start({
    people: [{ cn: 'Ann', mail: 'ann@example.com' }],
    groups: { support: ['Ann'] },
  });
  const before = file();
  const rows: Fields = [
    ['g0', groupDn('support')],
    ['r0', 'technician'],
    ['t0', ''],
  ];
  const typed = (password: string) => [...fieldsOf({ ...slapd.config(), bindPasswordFile: '' }, password), ...rows];
  const wrong = await post('test', typed('wrong'));
  t.deepEqual(stepsIn(wrong.body), [
    'Name: works',
    'Connect, TLS: works',
    'Sign in: fails',
    'People: not tried',
    'Groups: not tried',
  ]);
  const good = await post('test', typed(SERVICE_PASSWORD));
  t.true(stepsIn(good.body).every(step => step.endsWith(': works')));
  t.true(good.body.includes('each group of the mapping is there'));
  t.is(file(), before);
  const [entry] = await audit.search({ limit: 1 });
  t.deepEqual([entry?.entry.event, entry?.entry.detail.what], ['settings.tested', 'directory']);
  t.is((await post('save', [...typed(''), ['held', hiddenIn(good.body, 'held')]])).status, 303);
  const kept = config().directory?.bindPasswordFile ?? '';
  t.regex(kept, /\/keys\/directory-password-[0-9a-f]{16}$/);
  t.is(readFileSync(kept, 'utf8'), `${SERVICE_PASSWORD}\n`);
  for (const text of [good.body, file(), JSON.stringify(await audit.search({ limit: 9 }))])
    t.false(text.includes(SERVICE_PASSWORD));
  const elsewhere = {
    ...slapd.config(),
    bindPasswordFile: kept,
    servers: [...slapd.config().servers, 'ldaps://127.0.0.1:1'],
  };
  const otherPort = { ...elsewhere, servers: ['ldaps://localhost:1'] };
  for (const [act, to] of [
    ['test', elsewhere],
    ['save', elsewhere],
    ['test', otherPort],
    ['save', otherPort],
  ] as const) {
    const refused = await post(act, [...fieldsOf(to), ...rows]);
    t.is(refused.status, 403, 'attack: a further server is given the password that is kept');
    t.true(refused.body.includes('was not saved for'));
  }
});

test('A-05 C-05 attack: a directory that answers garbage ends its test and nothing else', async t => {
  const { ask, post } = await open(t);
  const garbage = createServer(socket => {
    socket.on('error', () => undefined);
    socket.end(Buffer.alloc(70_000, 0x30));
  });
  garbage.listen(0, '127.0.0.1');
  await once(garbage, 'listening');
  t.teardown(() => garbage.close());
  const { port } = garbage.address() as AddressInfo;
  const servers = [`ldap://localhost:${port}`, `ldaps://localhost:${port}`];
  const { status, body } = await post('test', [...fieldsOf({ ...SOMEWHERE, servers }, 'x'), ...ROWS]);
  t.is(status, 200);
  t.is(stepsIn(body).filter(step => step === 'Connect, TLS: fails').length, 2);
  t.is((await ask('GET', PAGE)).status, 200);
  const authorities = '/dev/zero'; // is read without end
  const endless = await post('test', [...fieldsOf({ ...SOMEWHERE, servers, authorities }, 'x'), ...ROWS]);
  t.true(endless.body.includes('/dev/zero is no file'));
});
