import { join } from 'node:path';
import test from 'ava';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { own, post, signInAs } from './ask-as.ts';
import { askSocket } from './ask-socket.ts';

const SIGN_IN_BYTES = 20 * 1024;
let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

for (const path of ['/', '/sign-in', '/help', '/nothing-here', '/ca.crt']) {
  test(`C-08 ${path} carries the headers that keep a page to itself`, async t => {
    const { headers } = await appliance.fetch(path);
    const policy = String(headers['content-security-policy']);
    t.regex(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /);
    t.regex(policy, /require-trusted-types-for 'script'; trusted-types 'none'$/);
    t.false(policy.includes('unsafe'));
    t.regex(String(headers['strict-transport-security']), /max-age=\d{8}/);
    t.is(headers['x-content-type-options'], 'nosniff');
    t.is(headers['cross-origin-opener-policy'], 'same-origin');
    t.is(headers['cross-origin-resource-policy'], 'same-origin');
    t.is(headers['cache-control'], 'no-store');
  });
}

test('C-08 the login cookie is Secure, HttpOnly, SameSite, of this host alone, and new at each sign-in', async t => {
  const { loginId = '', password = '' } = appliance.accounts?.auditor ?? {};
  const answers = [];
  for (let times = 0; times < 2; times += 1) answers.push(await post(appliance, '/sign-in', { loginId, password }));
  const [one, two] = answers.map(answer => answer.headers['set-cookie']?.[0] ?? '');
  t.regex(one ?? '', /^__Host-login=[A-Za-z0-9_-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
  t.not(one, two);
});

test('C-08 signing out ends the login on the server', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.technician);
  t.is((await appliance.fetch('/account', { headers: { cookie } })).status, 200);
  t.is((await post(appliance, '/sign-out', {}, { ...own(appliance), cookie })).status, 303);
  t.is((await appliance.fetch('/account', { headers: { cookie } })).status, 302);
});

const WAY_BACK = '__Host-way-back';
const kept = (path: string) => `${WAY_BACK}=${Buffer.from(path).toString('base64url')}`;
const signedInWith = async (role: 'admin' | 'auditor' | 'technician', way: string) => {
  const { loginId = '', password = '' } = appliance.accounts?.[role] ?? {};
  return post(appliance, '/sign-in', { loginId, password }, { ...own(appliance), cookie: way });
};

test('C-01 whoever is sent to the sign-in page comes back to the page he wanted, once', async t => {
  const page = '/admin/audit?event=session.';
  const opened = await appliance.fetch(page, { headers: { 'sec-fetch-dest': 'document' } });
  t.is(opened.headers.location, '/sign-in');
  const [cookie = ''] = (opened.headers['set-cookie']?.[0] ?? '').split(';');
  t.is(cookie, kept(page));
  const answer = await signedInWith('auditor', cookie);
  t.is(answer.headers.location, page);
  t.regex(answer.headers['set-cookie']?.[1] ?? '', /^__Host-way-back=; .*Max-Age=0$/);
  for (const [path, dest] of [
    ['/admin/status/now', 'empty'],
    ['/auditor/sessions/x/evidence.zip', 'document'],
  ] as const) {
    const fetched = await appliance.fetch(path, { headers: { 'sec-fetch-dest': dest } });
    t.is(fetched.headers['set-cookie'], undefined, `${path} is no page`);
  }
});

test('C-08 the way back leads to nowhere else, and to no page of another role', async t => {
  for (const path of ['//evil.example/admin', '/admin/../..//evil.example'])
    t.is((await signedInWith('auditor', kept(path))).headers.location, '/admin/audit', path);
  t.is((await signedInWith('technician', kept('/admin/members'))).headers.location, '/technician');
});

test('C-01 whoever sent a form from a login that had ended comes back to its page, and is told once that nothing was saved', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.admin);
  await post(appliance, '/sign-out', {}, { ...own(appliance), cookie });
  const send = (from: string, over: Readonly<Record<string, string>> = {}) => {
    const headers = { cookie, referer: `${appliance.url}${from}`, 'sec-fetch-dest': 'document', ...over };
    return post(appliance, '/admin/members/new', { name: 'Nora' }, { ...own(appliance), ...headers });
  };
  const sent = await send('/admin/members/new?saved=yes&page=2');
  t.is(sent.status, 401);
  t.true(sent.text().includes('Your login had ended, so what you sent was not saved.'));
  t.true(sent.text().includes('you come back to the page'));
  const [waits = ''] = (sent.headers['set-cookie']?.[0] ?? '').split(';');
  t.is(waits, kept('!/admin/members/new?page=2'), 'and nothing of what was typed');
  const back = await signedInWith('admin', waits);
  t.is(back.headers.location, '/admin/members/new?page=2');
  const [login, unsaved] = (back.headers['set-cookie'] ?? []).map(one => one.split(';')[0] ?? '');
  const opened = await appliance.fetch('/admin/members/new', { headers: { cookie: `${login}; ${unsaved}` } });
  t.true(opened.text().includes('What you sent was not saved:'));
  t.regex(opened.headers['set-cookie']?.[0] ?? '', /^__Host-way-back=; .*Max-Age=0$/);
  const wrongOnce = await send('/admin/members/bulk');
  t.is(wrongOnce.headers['set-cookie']?.[0]?.split(';')[0], kept('!/admin/members'), 'nobody can open what is sent to');
  for (const [why, headers] of Object.entries({
    'from elsewhere': { referer: 'https://evil.example/admin/members' },
    'by a script': { 'sec-fetch-dest': 'empty' },
    'who was not signed in': { cookie: 'other=1' },
  }))
    t.is((await send('/admin/members/new', headers)).headers['set-cookie'], undefined, why);
});

test('A-08 the sign-in page with style and scripts is at most 20 KB on the wire', async t => {
  const headers = { 'accept-encoding': 'br' };
  const page = await appliance.fetch('/sign-in', { headers });
  const plain = (await appliance.fetch('/sign-in')).text();
  const parts = [...new Set([...plain.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(match => match[1] ?? ''))];
  t.true(parts.length >= 4);
  let bytes = page.body.length;
  for (const part of parts) {
    const answer = await appliance.fetch(part, { headers });
    t.is(answer.status, 200, part);
    t.is(answer.headers['content-encoding'], 'br');
    t.is(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
    bytes += answer.body.length;
  }
  t.log(`${bytes} bytes`);
  t.true(bytes <= SIGN_IN_BYTES, `${bytes} bytes`);
});

test('G-02 the list of error codes is that of the code', async t => {
  const page = (await appliance.fetch('/help/errors')).text();
  for (const code of ['login.refused', 'portal.foreign-origin', 'identity.last-master-admin', 'setup.code-wrong']) {
    t.true(page.includes(`<code>${code}</code>`), code);
  }
});

test('A-06 an error page names code and request, and nothing of the machine', async t => {
  const answer = await appliance.fetch('/nothing-here');
  t.is(answer.status, 404);
  t.regex(answer.text(), /portal\.not-found/);
  t.true(answer.text().includes('<p>There is no such page.</p>'), 'a sentence');
  t.true(answer.text().includes(String(answer.headers['x-request-id'])));
  t.false(/node_modules|at \w+ \(/.test(answer.text()));
});

test('C-02 the meter gives the verdict the server acts on', async t => {
  const cookie = await signInAs(appliance, appliance.accounts?.admin);
  const assess = async (password: string) => {
    const headers = { 'content-type': 'application/json', ...own(appliance), cookie };
    const body = JSON.stringify({ password, words: [] });
    return (await appliance.fetch('/account/password/assess', { method: 'POST', body, headers })).json();
  };
  t.like(await assess('password1234'), { acceptable: false });
  t.like(await assess('walnut-trumpet-sleigh-77'), { acceptable: true });
});

test('F-01 an organisation that has no name yet is called on the first page as in the customer’s program', async t => {
  const page = (await appliance.fetch('/')).text();
  t.true(
    page.includes('Get help from your helpdesk') && page.includes('Nobody from your helpdesk asks for a password'),
  );
});

test('A-06 the internal socket answers on health, and serves no page', async t => {
  const socket = join(appliance.dataFolder, 'run', 'portal-internal.sock');
  const health = await askSocket(socket, 'GET', '/internal/health');
  t.deepEqual([health.status, health.body], [200, '{"ok":true}']);
  for (const path of ['/', '/sign-in', '/internal/health/']) t.is((await askSocket(socket, 'GET', path)).status, 404);
  t.is((await appliance.fetch('/internal/health')).status, 404);
});

test('A-06 a request that did not come through the gateway is not served', async t => {
  const socket = join(appliance.dataFolder, 'run', 'portal.sock');
  for (const peer of ['', 'localhost', '1.2.3.4, 5.6.7.8']) {
    const answer = await askSocket(socket, 'GET', '/sign-in', undefined, { 'x-appliance-peer': peer });
    t.is(answer.code, 'portal.no-peer');
  }
});
