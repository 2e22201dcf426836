// The recording share as auditors meet it: Debian's smbd with our configuration, accounts made by the helper, and smbclient.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { promisify } from 'node:util';
import test from 'ava';
import { isShareName, shareNameFor } from '../../appliance/recording/share-name.ts';
import { describeShare } from '../../packaging/samba/configuration.ts';
import { PASSWORD, TestShare } from './test-share.ts';

const run = promisify(execFile);
/** A client that can't encrypt. */
const NO_CIPHER = '-AES-128-GCM -AES-128-CCM -AES-256-GCM -AES-256-CCM';
const OTHER_USER = 65_534;

test('H-04 an auditor fetches the very file over SMB 3.1.1, encrypted, and can change nothing', async t => {
  await using share = await TestShare.start();
  const name = await share.provision();
  const fetched = share.path('fetched');
  await share.client(name, `get 2026/film.rcrec ${fetched}`);
  t.is(readFileSync(fetched, 'utf8'), 'the film');
  const attempts = [
    'put /etc/hostname 2026/x',
    'mkdir y',
    'del 2026/film.rcrec',
    'rename 2026 2027',
    'put /etc/hostname x',
  ];
  for (const attempt of attempts)
    t.regex(await share.client(name, attempt), /NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE)/, attempt);
  t.is(readFileSync(share.path('finished/2026/film.rcrec'), 'utf8'), 'the film');
  t.false(existsSync(share.path('finished/2027')));
  for (const way of ['get ../writing/now.rcrec /dev/null', 'ls ../writing/'])
    t.regex(await share.client(name, way), /NT_STATUS_(OBJECT|NO_SUCH)/, way);

  // Who is connected shows how: not only asked for, but so.
  const to = ['-s', '/dev/null', '-p', `${share.port}`, '-U', name, '//127.0.0.1/recordings'];
  const open = spawn('smbclient', ['-E', ...to], { env: { ...process.env, PASSWD: PASSWORD } });
  open.stdin.write('ls\n');
  await once(open.stderr, 'data');
  const { stdout } = await run('smbstatus', ['-s', share.path('run/smb.conf'), '-b']);
  t.regex(stdout, /SMB3_11\s+AES-256-GCM/);

  await share.helper.remove(name);
  t.regex(await share.client(name, 'ls'), /refused: .*(LOGON_FAILURE|ACCESS_DENIED)/s, 'the account is gone');
  const over = once(open, 'exit');
  open.stdin.write('ls\n');
  await over; // and what was connected with it has ended
  await t.throwsAsync(run('getent', ['passwd', name]));
});

test('H-04 attack: older, unencrypted, guests, wrong passwords and others of the machine get nothing', async t => {
  await using share = await TestShare.start();
  const name = await share.provision();
  const refusals: [string, Promise<string>][] = [
    ['SMB 2.1', share.client(name, 'ls', { 'client max protocol': 'SMB2_10' })],
    ['SMB 3.0', share.client(name, 'ls', { 'client max protocol': 'SMB3_00' })],
    ['SMB 3.0.2', share.client(name, 'ls', { 'client max protocol': 'SMB3_02' })],
    ['SMB 1', share.client(name, 'ls', { 'client min protocol': 'NT1', 'client max protocol': 'NT1' })],
    ['AES-128', share.client(name, 'ls', { 'client smb3 encryption algorithms': 'AES-128-GCM' })],
    ['not encrypted', share.client(name, 'ls', { 'client smb3 encryption algorithms': NO_CIPHER })],
    ['wrong password', share.client(name, 'ls', {}, 'kx7d-9mwa-33fe-q0zz')],
    ['nobody at all', share.client('%', 'ls')],
    ['root', share.client('root', 'ls')],
    ['nobody', share.client('nobody', 'ls')],
  ];
  for (const [what, said] of refusals) t.regex(await said, /^refused: /, what);

  // An account of Samba's that is no auditor's.
  await run('usermod', ['--gid', 'nogroup', name]);
  t.regex(await share.client(name, 'ls'), /^refused: .*ACCESS_DENIED/s, 'not in the group');
  await run('usermod', ['--gid', share.group, name]);
  t.notRegex(await share.client(name, 'ls'), /refused/);
});

test('H-04 attack: the helper does its verbs, for the portal, on accounts it made, and nothing else', async t => {
  await using share = await TestShare.start();
  const ask = (path: string, body: string, method = 'POST') =>
    new Promise<number>((done, fail) => {
      const sent = request({ socketPath: share.path('run/helper.sock'), method, path }, answer => {
        answer.resume();
        done(answer.statusCode ?? 0);
      });
      sent.once('error', fail);
      sent.end(body);
    });
  const bad = [
    'root',
    '-x',
    'aud-',
    'aud-anna',
    '--help',
    'aud-anna-00000000 x',
    'aud-anna-0000000g',
    'aud-a;id-00000000',
  ];
  for (const name of bad) {
    await t.throwsAsync(share.helper.provision(name, PASSWORD), { code: 'share.name' }, name);
    await t.throwsAsync(share.helper.remove(name), { code: 'share.name' }, name);
  }
  const name = shareNameFor(share.group, 'x');
  for (const password of ['short', `${PASSWORD}\nroot`, 'ö'.repeat(20)])
    await t.throwsAsync(share.helper.provision(name, password), { code: 'share.password' });
  t.is(await ask('/v1/shutdown', '{}'), 404);
  t.is(await ask('/v1/list', '{}', 'GET'), 404);
  t.is(await ask('/v1/remove', '{"name":'), 400);
  t.is(await ask('/v1/remove', JSON.stringify({ name, more: 1 })), 400);
  t.is(await ask('/v1/provision', JSON.stringify({ name, password: 'x'.repeat(5000) })), 400);

  const asked: number[] = [];
  for (let n = 0; n < 121; n++) asked.push(await ask('/v1/read-log', JSON.stringify({ position: {} })));
  t.is(asked.at(-1), 429);
  t.is(await ask('/v1/list', '{}'), 200, 'whoever fills the log keeps no account from being taken away');

  // A user of the machine who happens to be called so.
  await run('useradd', ['--system', '--no-create-home', '--gid', 'nogroup', name]);
  try {
    await t.throwsAsync(share.helper.provision(name, PASSWORD), { code: 'share.not-ours' });
    await t.throwsAsync(share.helper.remove(name), { code: 'share.not-ours' });
    t.truthy((await run('getent', ['passwd', name])).stdout);
  } finally {
    await run('userdel', [name]);
  }

  // Another user of the machine, even one who could open the socket.
  chmodSync(share.path('run/helper.sock'), 0o666);
  const program = `const { request } = require('node:http');
    const ask = { socketPath: ${JSON.stringify(share.path('run/helper.sock'))}, method: 'POST', path: '/v1/list' };
    request(ask, answer => process.stdout.write(String(answer.statusCode))).end('{}');`;
  const { stdout } = await run(process.execPath, ['-e', program], { uid: OTHER_USER, gid: OTHER_USER, cwd: '/' });
  t.is(stdout, '403');
  t.true(share.lines.join('').includes('helper.stranger'));
  t.false(share.lines.join('').includes(PASSWORD));
});

test('H-04 names of accounts: what a login id holds, and nothing that could be anything else', t => {
  t.regex(shareNameFor('a', 'Anna.Müller@example.com'), /^aud-annamuller-[0-9a-f]{8}$/);
  t.not(shareNameFor('a', 'anna'), shareNameFor('b', 'anna'));
  for (const loginId of ['', '../../etc', '--help', '日本', 'a'.repeat(128), 'x y;z', '$(id)']) {
    const name = shareNameFor('a', loginId);
    t.true(isShareName(name) && name.length <= 32, name);
  }
});

test('H-04 a folder whose name would be read as something else is not shared', t => {
  const wish = { state: '/s', run: '/r', user: 'u', group: 'g' };
  for (const finished of ['/a\n[other]\npath = /', '/%U', '/a;b', '/a#b', ''])
    t.throws(() => describeShare({ ...wish, finished }, 'm'), { code: 'share.path' }, JSON.stringify(finished));
  const text = describeShare({ ...wish, finished: '/mnt/nas/recordings/finished' }, 'm');
  for (const line of [
    'server min protocol = SMB3_11',
    'server smb encrypt = required',
    'read only = yes',
    'smb ports = 445',
  ])
    t.true(text.includes(`  ${line}\n`), line);
  t.regex(text, /vfs objects = full_audit/);
  for (const state of ['/var/lib/a b', '/a,b', '/a@b'])
    t.throws(() => describeShare({ ...wish, finished: '/f', state }, 'm'), { code: 'share.path' }, state);
  t.regex(text, /path = \/mnt\/nas\/recordings\/finished\n/);
});
