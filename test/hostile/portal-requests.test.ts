import { once } from 'node:events';
import { connect } from 'node:tls';
import test from 'ava';
import { cookieOf, own, post, signInAs } from '../portal/ask-as.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

const foreign: Record<string, Record<string, string>> = {
  'no origin at all': {},
  'a null origin': { origin: 'null' },
  'a foreign origin': { origin: 'https://evil.example' },
  'the right name on another port': { origin: 'https://localhost:1' },
  'plain HTTP': { origin: 'http://localhost' },
  'a cross-site fetch': { 'sec-fetch-site': 'cross-site' },
  'a sister domain': { 'sec-fetch-site': 'same-site' },
  'a right origin that the browser contradicts': { 'sec-fetch-site': 'cross-site', origin: 'own' },
};

for (const [name, headers] of Object.entries(foreign)) {
  test(`C-08 a write from ${name} is refused`, async t => {
    const cookie = await signInAs(appliance, appliance.accounts?.technician);
    const given = headers.origin === 'own' ? { ...headers, origin: appliance.url } : headers;
    const answer = await post(appliance, '/account/logins/end-others', {}, { ...given, cookie });
    t.is(answer.status, 403);
    t.regex(answer.text(), /portal\.foreign-origin/);
  });

  test(`C-08 an upgrade from ${name} is refused`, async t => {
    const given = headers.origin === 'own' ? { ...headers, origin: appliance.url } : headers;
    t.regex(await upgrade('/technician/live', given), /^HTTP\/1\.1 403 /);
  });
}

test('C-08 an upgrade from our own page to a path nobody serves is not found', async t => {
  t.regex(await upgrade('/technician/live', own(appliance)), /^HTTP\/1\.1 404 /);
});

const tricks = [
  '/setup',
  '/setup/',
  '/Setup',
  '/SETUP',
  '//setup',
  '/setup//',
  '/%73etup',
  '/setup%2f',
  '/setup%2Fopen',
]
  .concat(['/setup;x', '/setup;/open', '/./setup', '/x/../setup', '/setup/x', '/setup/open', '/setup/assess'])
  .concat(['/setup/open/', '/setup%00', '/setup.', '/setup?x=/setup', '/sign-in/../setup', '/assets/../setup']);

test('A-04 after setup no spelling of its paths finds it, and nobody is made an admin', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.['master-admin']);
  const before = await countMembers(cookie);
  const fields = { organisation: 'x', timeZone: 'Etc/UTC', names: 'localhost', loginId: 'evil', name: 'Evil' };
  const form = { ...fields, next: 'walnut-trumpet-sleigh-77', again: 'walnut-trumpet-sleigh-77', code: 'x' };
  for (const path of tricks) {
    for (const method of ['GET', 'POST'] as const) {
      const answer = method === 'GET' ? await appliance.fetch(path) : await post(appliance, path, form);
      t.true([400, 401, 404].includes(answer.status), `${method} ${path} gave ${answer.status}`);
    }
  }
  t.is(await countMembers(cookie), before);
});

test('D-08 a private page has one spelling only', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.['master-admin']);
  for (const path of ['/admin/members/', '/Admin/members', '/admin//members', '/admin/members;x', '/admin%2fmembers']) {
    t.is((await appliance.fetch(path, { headers: { cookie } })).status, 404, path);
  }
});

const bodies: [string, string, string, number][] = [
  ['a body that is too long', 'application/x-www-form-urlencoded', `loginId=${'x'.repeat(70_000)}`, 413],
  ['broken JSON', 'application/json', '{"loginId":', 400],
  ['a field nobody asked for', 'application/x-www-form-urlencoded', 'loginId=a&password=b&roles=master-admin', 400],
  ['lists where text belongs', 'application/x-www-form-urlencoded', 'loginId=a&loginId=b&password=c', 400],
  ['an object where text belongs', 'application/json', '{"loginId":{"$ne":1},"password":"x"}', 400],
  ['a prototype', 'application/json', '{"__proto__":{"isAdmin":true},"loginId":"a","password":"b"}', 400],
];
for (const [name, type, body, status] of bodies) {
  test(`C-01 ${name} is refused without a defect`, async t => {
    const headers = { 'content-type': type, ...own(appliance) };
    const answer = await appliance.fetch('/sign-in', { method: 'POST', body, headers });
    t.true(answer.status === status || (name === 'a prototype' && answer.status === 401), String(answer.status));
  });
}

test('C-08 attack: a form of as many fields as fit, from nobody, does not hold up everybody else', async t => {
  const names = Array.from({ length: 80_000 }, (_, at) => at.toString(36)).join('&');
  t.true(names.length > 350_000 && names.length < 400_000);
  const begun = performance.now();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', ...own(appliance) };
  const answer = await appliance.fetch('/saml/acs', { method: 'POST', body: names, headers });
  t.is(answer.status, 400);
  t.true(performance.now() - begun < 5000, 'it took half a minute of the portal’s one thread');
});

test('C-07 markup in what was typed stays text', async t => {
  const evil = '"><script>alert(1)</script>{{constructor}}';
  const answer = await post(appliance, '/sign-in', { loginId: evil, password: 'x' });
  t.is(answer.status, 401);
  t.false(answer.text().includes('<script>alert'));
});

test('C-07 unknown and known login ids get the same page', async t => {
  const loginId = appliance.accounts?.auditor.loginId ?? '';
  const pages = [];
  for (const id of [loginId, 'nobody@example.com']) {
    const answer = await post(appliance, '/sign-in', { loginId: id, password: 'wrong' });
    pages.push([answer.status, answer.text().replaceAll(id, 'ID')]);
  }
  t.deepEqual(pages[0], pages[1]);
});

test('C-08 what a client says of its address is not believed', async t => {
  const claims = { 'x-appliance-peer': '203.0.113.99', 'x-forwarded-for': '203.0.113.99', ...own(appliance) };
  const { loginId = '', password = '' } = appliance.accounts?.technician ?? {};
  const cookie = cookieOf(await post(appliance, '/sign-in', { loginId, password }, claims));
  const page = (await appliance.fetch('/account', { headers: { cookie } })).text();
  t.false(page.includes('203.0.113.99'));
  t.true(page.includes('127.0.0.1'));
});

test("D-08 another member's login can't be ended, and is not said to be there", async t => {
  const admin = await signInAs(appliance, appliance.accounts?.admin);
  const technician = await signInAs(appliance, appliance.accounts?.auditor);
  const page = (await appliance.fetch('/account', { headers: { cookie: admin } })).text();
  const id = /\/account\/logins\/([A-Za-z0-9_-]{22})\/end/.exec(page)?.[1] ?? '';
  const answer = await post(appliance, `/account/logins/${id}/end`, {}, { ...own(appliance), cookie: technician });
  t.is(answer.status, 404);
  t.is((await appliance.fetch('/account', { headers: { cookie: admin } })).status, 200);
});

test('C-08 a login cookie sent twice, cut or of another kind is no login', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.technician);
  for (const bad of [`${cookie}; ${cookie}`, cookie.slice(0, -1), `${cookie}x`, '__Host-login=', '__Host-login="a"']) {
    t.is((await appliance.fetch('/account', { headers: { cookie: bad } })).status, 302, bad.length.toString());
  }
});

async function countMembers(cookie: string): Promise<number> {
  const page = (await appliance.fetch('/admin/members', { headers: { cookie } })).text();
  return Number(/(\d+) of \d+/.exec(page)?.[1] ?? Number.NaN);
}

async function upgrade(path: string, headers: Record<string, string>): Promise<string> {
  const { ca, port } = appliance;
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ALPNProtocols: ['http/1.1'] });
  await once(socket, 'secureConnect');
  const lines = Object.entries({
    host: `localhost:${port}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
    ...headers,
  });
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  const [first] = await once(socket, 'data');
  socket.destroy();
  return String(first);
}
