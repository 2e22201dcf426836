// The settings pages: one truth with the file, checked, logged, taken back; and nobody shuts himself out.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CONFIG_FILE, findConfigFaults, parseConfig } from '../../appliance/config.ts';
import { codeOf, PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

const ELSEWHERE = { 'x-appliance-peer': '198.51.100.9' };

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const path = join(at.folder, CONFIG_FILE);
  const as = async (name: string) => {
    const cookie = await at.realm.enter(name);
    const ask = (method: string, to: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
      askSocket(at.realm.socketPath, method, to, undefined, { accept: 'text/html', cookie, ...headers }, body);
    const seen = async () => typedOf((await ask('GET', '/settings')).body);
    /** What the page holds, with these fields typed over. */
    const save = async (over: Readonly<Record<string, string>>) =>
      ask('POST', '/settings', { ...(await seen()), ...over });
    return { ask, seen, save };
  };
  const file = () => readFileSync(path, 'utf8');
  const config = () => parseConfig(file());
  return { ...at, as, file, config, path, ann: await as('ann@example.com') };
}

/** The form of the page as a browser would send it. */
function typedOf(html: string): Record<string, string> {
  const form = /<form method="post" action="\/settings">[\s\S]*?<\/form>/.exec(html)?.[0] ?? '';
  const plain = (text: string) => text.replaceAll('&#x3D;', '=').replaceAll('&amp;', '&');
  const inputs = [...form.matchAll(/<input type="text" value="([^"]*)" id="[^"]*" name="([^"]+)"/g)];
  const areas = [...form.matchAll(/<textarea[^>]* name="([^"]+)"[^>]*>([^<]*)<\/textarea>/g)];
  const digest = /name="digest" value="([^"]+)"/.exec(form)?.[1] ?? '';
  return {
    digest,
    ...Object.fromEntries(inputs.map(([, value = '', name = '']) => [name, plain(value)])),
    ...Object.fromEntries(areas.map(([, name = '', value = '']) => [name, plain(value)])),
  };
}

test('A-05 whoever has to sign in again comes back to the page of the settings, and is told that nothing was saved; no way leads elsewhere', async t => {
  const { realm, ann } = await open(t);
  const kept = (path: string) => `__Host-settings-way-back=${Buffer.from(path).toString('base64url')}`;
  const typed = { referer: 'https://localhost/mail?saved=yes', 'sec-fetch-dest': 'document' };
  const ask = (method: string, to: string, headers: Readonly<Record<string, string>>, body?: unknown) =>
    askSocket(realm.socketPath, method, to, undefined, { accept: 'text/html', ...headers }, body);
  const signIn = (cookie: string) =>
    ask('POST', '/sign-in', { cookie }, new URLSearchParams({ name: 'ann@example.com', password: PASSWORD }));
  const opened = await ask('GET', '/backups', { 'sec-fetch-dest': 'document' });
  t.true(String(opened.headers['set-cookie']).startsWith(kept('/backups')));
  t.is((await signIn(kept('/backups'))).headers.location, '/backups');
  await ann.ask('POST', '/sign-out');
  const sent = await ann.ask('POST', '/mail', new URLSearchParams({ host: 'mail.example.com' }), typed);
  t.is(sent.status, 401);
  t.true(sent.body.includes('Your login had ended, so what you sent was not saved.'));
  t.true(String(sent.headers['set-cookie']).startsWith(`${kept('!/mail')};`));
  const back = await signIn(kept('!/mail'));
  t.is(back.headers.location, '/mail');
  const cookies = [back.headers['set-cookie'] ?? []].flat().map(one => one.split(';')[0]);
  const page = await ask('GET', '/mail', { cookie: cookies.join('; ') });
  t.true(page.body.includes('What you sent was not saved:'));
  t.false((await ask('GET', '/mail', { cookie: cookies[0] ?? '' })).body.includes('was not saved'));
  for (const path of ['//evil.example/', '/admin/members', '/settings/../..//evil.example'])
    t.is((await signIn(kept(path))).headers.location, '/settings', path);
});

test('A-05 a change on the page is a change in the file, comments kept; it waits for the start, is logged and taken back', async t => {
  const { ann, file, config, audit } = await open(t);
  const before = file();
  t.is((await ann.save({ 'login-idleMinutes': '30', 'organisation-name': 'Kestrel & Sons' })).status, 303);
  t.is(config().login.idleMinutes, 30);
  t.is(config().organisation.name, 'Kestrel & Sons');
  t.true(file().includes('without a click a login ends'), 'comments stay');
  const { body } = await ann.ask('GET', '/settings?saved=yes');
  t.true(body.includes('These hold from the next start on.'));
  t.true(body.includes('<code>login.idleMinutes</code>: <code>15</code> → <code>30</code>'));
  const [entry] = await audit.search({ limit: 1 });
  t.is(entry?.entry.event, 'settings.changed');
  t.deepEqual([entry?.entry.actor.kind, entry?.entry.actor.name], ['settings-account', 'ann@example.com']);
  t.true(String(entry?.entry.detail.changes).includes('login.idleMinutes: 15 → 30'));
  const to = /name="to" value="([^"]+)"/.exec(body)?.[1];
  const back = await ann.ask('POST', '/settings/take-back', { digest: (await ann.seen()).digest, to });
  t.is(back.status, 303);
  t.is(file(), before, 'to the byte');
  const again = (await ann.ask('GET', '/settings')).body;
  t.false(again.includes('These hold from the next start on.'));
  t.true(again.includes('href="https://localhost:8443/admin/single-sign-on"'), 'whoever looks for it here finds it');
  t.true(again.includes(`<dt>Name</dt><dd>${hostname()}</dd>`));
});

test('A-05 what is typed wrong stays, with what would be right beside its field, and the file is as it was', async t => {
  const { ann, file } = await open(t);
  const before = file();
  const { status, body } = await ann.save({
    'login-idleMinutes': 'ten',
    'session-pinDigits': '3',
    names: 'Not A Name',
  });
  t.is(status, 400);
  for (const hint of ['1 to 720', '6 to 16', 'One to a line'])
    t.true(body.includes(`That is not right. `) && body.includes(hint));
  t.regex(body, /value="ten" id="f-login-idleMinutes"[^>]*aria-invalid="true"/);
  t.is(file(), before);
  t.is((await ann.save({ 'listen-redirectPort': '80', 'recording-folder': '/srv/films' })).status, 303);
  t.is((await ann.save({ 'listen-redirectPort': '', 'recording-folder': ' ' })).status, 303);
  t.is(parseConfig(file()).recording.folder, null);
});

test('A-05 two at once: the second is told, and nothing is overwritten', async t => {
  const { ann, as, config } = await open(t);
  const bea = await as('bea@example.com');
  const seen = await bea.seen();
  t.is((await ann.save({ 'backup-keep': '20' })).status, 303);
  const late = await bea.ask('POST', '/settings', { ...seen, 'backup-keep': '7' });
  t.is(late.status, 409);
  t.true(late.body.includes('was changed meanwhile'));
  t.is(config().backup.keep, 20);
});

test('A-05 C-06 nobody shuts himself out, and who is not on the list does not get in', async t => {
  const { ann, config } = await open(t);
  const far = await ann.save({ 'settings-from': '10.0.0.0/8' });
  t.is(far.status, 409);
  t.true(far.body.includes('Your own address, 192.0.2.7, is not among these'));
  t.is((await ann.save({ names: 'support.example.com' })).status, 409, 'he is here by the name localhost');
  t.is((await ann.save({ names: 'localhost\r\nsupport.example.com' })).status, 303);
  t.deepEqual(config().names, ['localhost', 'support.example.com']);
  t.is((await ann.save({ 'settings-from': '192.0.2.0/24' })).status, 303);
  for (const path of ['/settings', '/settings/file', '/settings/diagnostics']) {
    const refused = await ann.ask('GET', path, undefined, ELSEWHERE);
    t.is(refused.status, 403, 'at once, not only from the next start on');
    t.true(refused.body.includes('settings.address'));
    t.is((await ann.ask('GET', path)).status, 200);
  }
  for (const path of ['/sign-in', '/backups', '/help/settings']) {
    t.is((await ann.ask('GET', path, undefined, ELSEWHERE)).status, 403, path);
  }
});

test('A-05 the whole file is checked before it is saved; one that was broken on the machine is mended here', async t => {
  const { ann, file, path, config } = await open(t);
  const now = file();
  const post = async (act: string, text: string) =>
    ann.ask('POST', '/settings/file', {
      act,
      text,
      digest: digestOf((await ann.ask('GET', '/settings/file')).body),
    });
  const wrong = await post('save', now.replace('pinDigits: 9', 'pinDigits: 99').replace('keep: 14', 'kept: 14'));
  t.is(wrong.status, 400);
  t.true(wrong.body.includes('<code>session.pinDigits</code>') && wrong.body.includes('Nothing was saved.'));
  t.is((await post('save', 'a: [')).status, 400);
  t.is(file(), now);
  const right = now.replace('pinDigits: 9', 'pinDigits: 10').replaceAll('\n', '\r\n');
  const checked = await post('check', right);
  t.true(checked.body.includes('<code>session.pinDigits</code>: <code>9</code> → <code>10</code>'));
  t.is(file(), now);
  t.is((await post('save', right)).status, 303);
  t.is(config().session.pinDigits, 10);
  t.false(file().includes('\r'));

  writeFileSync(path, 'version: 2\n');
  t.not(findConfigFaults(file()).length, 0);
  t.true((await ann.ask('GET', '/settings')).body.includes('The file has a fault'));
  t.is((await post('save', now)).status, 303);
  t.is(file(), now);
});

test('A-05 B-05 a diagnostics bundle holds facts, settings and log lines, no key, and is logged', async t => {
  const { ann, folder, audit } = await open(t);
  const secret = 'SECRET-OF-THE-KEYS-FOLDER';
  for (const name of ['keys', 'log']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'keys', 'store.key'), secret);
  writeFileSync(join(folder, 'keys', 'portal.log'), secret);
  writeFileSync(join(folder, 'log', 'gateway-1.log'), `${'x'.repeat(600 * 1024)}\n{"event":"newest-line"}\n`);
  writeFileSync(join(folder, 'log', 'notes.txt'), secret);
  const { status, body, headers } = await ann.ask('GET', '/settings/diagnostics');
  t.is(status, 200);
  t.is(headers['content-type'], 'application/zip');
  for (const part of ['facts.json', 'appliance.yaml', 'metrics.txt', 'log/gateway-1.log', 'newest-line', 'pinDigits']) {
    t.true(body.includes(part), part);
  }
  t.false(body.includes(secret));
  t.false(body.includes('xxxx'), 'from the start of a line');
  const [entry] = await audit.search({ limit: 1 });
  t.is(entry?.entry.event, 'diagnostics.taken');
});

function digestOf(html: string): string {
  return /name="digest" value="([^"]+)"/.exec(html)?.[1] ?? '';
}

test('A-05 C-03 attack: a login that was left open comes by no account, of its own or another’s, and so by no restore', async t => {
  const { ann, as, identity, clock } = await open(t);
  await as('bea@example.com');
  const accounts = identity.settingsAccounts;
  const all = await accounts.list();
  const [annId = '', beaId = ''] = ['ann@example.com', 'bea@example.com'].map(
    name => all.find(one => one.name === name)?.id,
  );
  const refused = async (to: string, typed: object, field: string) => {
    const { status, body } = await ann.ask('POST', to, typed);
    t.is(status, 403, to);
    t.regex(body, new RegExp(`id="f-${field}"[^>]*aria-invalid="true"`), to);
    return body;
  };
  t.regex(await refused('/accounts', { name: 'eve' }, 'password'), /value="eve" id="f-name"/);
  await refused(`/accounts/${beaId}/reset`, { password: 'wrong' }, 'password');
  const own = await ann.ask('POST', `/accounts/${annId}/reset`, { password: PASSWORD });
  t.is(own.status, 403);
  t.true(own.body.includes('Another account does that for you'));
  t.is((await ann.ask('POST', '/accounts', { name: 'bea@example.com', password: PASSWORD })).status, 409);
  const secretIn = (html: string) => /id="secret">([^<]+)</.exec(html)?.[1]?.replaceAll(' ', '') ?? '';
  const secret = secretIn((await ann.ask('GET', '/account/two-step')).body);
  const code = await codeOf(secret, clock.now());
  t.is(secretIn(await refused('/account/two-step', { code }, 'password')), secret, 'it need not be scanned again');
  t.deepEqual(await accounts.list(), all);
  t.is((await ann.ask('POST', '/accounts', { name: 'cleo', password: PASSWORD })).status, 200);
  t.is((await ann.ask('POST', `/accounts/${beaId}/reset`, { password: PASSWORD })).status, 200);
  t.is((await ann.ask('POST', '/account/two-step', { code, password: PASSWORD })).status, 303);
});
