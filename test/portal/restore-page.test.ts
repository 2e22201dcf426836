// The page of a restore: it takes the name, typed, and the second step, fresh.
import { existsSync, readFileSync } from 'node:fs';
import { request as asking } from 'node:http';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { codeOf, PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

const NAME = '20260101T080000Z';
const PATH = `/backups/${NAME}/restore`;

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const cookie = await at.realm.enter('ann@example.com');
  const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    askSocket(at.realm.socketPath, method, path, undefined, { accept: 'text/html', cookie, ...headers }, body);
  const seen = async () => {
    const found = /name="seen" value="([^"]*)"/.exec((await ask('GET', PATH)).body)?.[1] ?? '';
    return found.replaceAll('&quot;', '"');
  };
  const request = () => join(at.folder, 'restore-request.json');
  const events = async () => (await at.audit.search({ limit: 5 })).map(({ entry }) => entry.event);
  return { ...at, cookie, ask, seen, request, events };
}

test('J-05 A-05 a restore takes the name typed and the password; what was typed wrong stays, and nothing is asked for', async t => {
  const { ask, seen, request, events, realm } = await open(t);
  const page = (await ask('GET', PATH)).body;
  for (const part of ['What is lost', 'What ends', 'Logins: <strong>1</strong>', 'name="password"', NAME])
    t.true(page.includes(part));
  const typed = { confirm: NAME, code: '', password: PASSWORD, seen: await seen() };
  const wrong = await ask('POST', PATH, { ...typed, confirm: '2026' });
  t.regex(wrong.body, /value="2026"[\s\S]*That is not what has to be typed/);
  const guess = await ask('POST', PATH, { ...typed, password: 'not-the-password' });
  t.deepEqual(
    [guess.status, guess.body.includes(`value="${NAME}"`), guess.body.includes('not-the-password')],
    [403, true, false],
  );
  t.is((await ask('POST', PATH, { ...typed, seen: '"other"' })).status, 409, 'somebody has restored meanwhile');
  t.is((await ask('POST', PATH, typed, { origin: 'https://evil.example.com' })).status, 403);
  t.is((await ask('POST', '/backups/undo-restore', { ...typed, confirm: 'undo' })).status, 404);
  t.false(existsSync(request()));
  t.false((await events()).includes('restore.asked'));

  const done = await ask('POST', PATH, typed);
  t.is(done.status, 200);
  t.regex(String(done.headers['set-cookie']), /__Host-settings=;/);
  t.like(JSON.parse(readFileSync(request(), 'utf8')), { backup: NAME, actor: { name: 'ann@example.com' }, tries: 0 });
  t.is((await events())[0], 'restore.asked');
  t.is(realm.restarts(), 1);
  t.is((await ask('POST', PATH, typed)).status, 409, 'it is about to be done');
});

test('J-05 what a provider or a directory has done to accounts is counted among what is lost', async t => {
  const { ask, store, audit } = await open(t);
  const counted = async () => /Changes to members since then: <strong>(\d+)</.exec((await ask('GET', PATH)).body)?.[1];
  const before = Number(await counted());
  const told = [
    'member.disabled',
    'saml.roles-changed',
    'saml.member-withdrawn',
    'directory.member-created',
    'saml.refused',
  ];
  await store.core.transaction(async tx => {
    for (const event of told) await audit.append(tx, { event, actor: applianceActor });
  });
  t.is(Number(await counted()) - before, 4);
});

test('J-05 whoever does not wait for the answer has asked all the same: the portal ends, and does it', async t => {
  const { cookie, request, realm } = await open(t);
  const text = JSON.stringify({ confirm: NAME, code: '', password: PASSWORD, seen: 'null' });
  const sent = asking({
    ...{ socketPath: realm.socketPath, method: 'POST', path: PATH, agent: false },
    headers: {
      ...{ host: 'localhost', origin: 'https://localhost', 'x-appliance-peer': '192.0.2.7', cookie },
      ...{ 'content-type': 'application/json', 'content-length': String(text.length) },
    },
  });
  sent.on('error', () => undefined);
  sent.end(text, () => setImmediate(() => sent.destroy()));
  while (realm.restarts() === 0) await new Promise(setImmediate);
  t.true(existsSync(request()));
});

test('J-05 attack: passwords are not tried on the page of a restore: the login ends and the account is locked', async t => {
  const { ask, seen, request } = await open(t);
  const typed = { confirm: NAME, code: '', password: 'guess-guess-guess', seen: await seen() };
  let last = 403;
  for (let tries = 0; tries < 20 && last === 403; tries++) last = (await ask('POST', PATH, typed)).status;
  t.is(last, 302);
  t.is((await ask('POST', PATH, { ...typed, password: PASSWORD })).status, 401);
  t.false(existsSync(request()));
});

test('J-05 A-05 who has a second step gives a code, and one that was used does not do', async t => {
  const { ask, cookie, request, identity, clock } = await open(t);
  const accounts = identity.settingsAccounts;
  const [, token = ''] = cookie.split('=');
  const { login } = (await accounts.logins.find(token, { touch: false })) ?? {};
  if (login === undefined) return t.fail();
  const { secret } = await accounts.beginTwoStep(login.accountId);
  const used = await codeOf(secret, clock.now());
  const headers = {
    cookie: `__Host-settings=${(await accounts.confirmTwoStep(login, used, '192.0.2.7', PASSWORD)).token}`,
  };
  const page = (await ask('GET', PATH, undefined, headers)).body;
  t.true(page.includes('name="code"') && !page.includes('name="password"'));
  const typed = { confirm: NAME, password: PASSWORD, seen: 'null' };
  for (const code of ['', used, '123456']) {
    const refused = await ask('POST', PATH, { ...typed, code }, headers);
    t.is(refused.status, 403, code);
    t.regex(refused.body, /That code is not right, or was used already/);
  }
  t.false(existsSync(request()));
  clock.advance(30_000);
  t.is((await ask('POST', PATH, { ...typed, code: await codeOf(secret, clock.now()) }, headers)).status, 200);
  t.true(existsSync(request()));
});
