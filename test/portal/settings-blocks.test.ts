// The pages of mail and syslog: on and off, one truth with the file, a password that is nowhere but in its file, and a test before saving.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CONFIG_FILE, type MailConfig, parseConfig, type SyslogConfig } from '../../appliance/config.ts';
import { runSteps } from '../../appliance/portal/settings/trial.ts';
import { mailSteps } from '../../appliance/portal/settings/trial-mail.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';
import { startMailServer } from './test-mail-server.ts';
import { startTlsSyslog, startUdpSyslog } from './test-syslog.ts';

const PASSWORD = 'pass-word';

async function open(t: ExecutionContext) {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const path = join(at.folder, CONFIG_FILE);
  const as = async (name: string) => {
    const cookie = await at.realm.enter(name);
    const ask = (method: string, to: string, body?: unknown) =>
      askSocket(at.realm.socketPath, method, to, undefined, { accept: 'text/html', cookie }, body);
    const digest = async (page: string) => hiddenIn((await ask('GET', page)).body, 'digest');
    const post = async (page: string, act: 'save' | 'test', typed: object) =>
      ask('POST', page, { digest: await digest(page), act, isOn: 'on', ...typed });
    return { ask, digest, post };
  };
  const file = () => readFileSync(path, 'utf8');
  const secrets = () => readdirSync(join(at.folder, 'keys')).filter(name => name.includes('-password-'));
  return { ...at, as, file, path, secrets, config: () => parseConfig(file()), ann: await as('ann@example.com') };
}

const hiddenIn = (html: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? '';

/** As a browser sends it. */
const mailOf = ({ host, port, security, authorities, from, to, user, passwordFile }: MailConfig) => ({
  'alerts-mail-host': host,
  'alerts-mail-security': security,
  'alerts-mail-port': String(port ?? ''),
  'alerts-mail-authorities': authorities ?? '',
  'alerts-mail-user': user ?? '',
  'alerts-mail-passwordFile': passwordFile ?? '',
  'alerts-mail-from': from,
  'alerts-mail-to': to.join('\r\n'),
});
const syslogOf = ({ host, port, protocol, authorities }: SyslogConfig) => ({
  'alerts-syslog-host': host,
  'alerts-syslog-protocol': protocol,
  'alerts-syslog-port': String(port ?? ''),
  'alerts-syslog-authorities': authorities ?? '',
});
const SOMEWHERE: MailConfig = {
  ...{ security: 'starttls', host: 'mail.example.com', authorities: null, user: 'appliance', passwordFile: null },
  ...{ from: 'appliance@example.com', to: ['it@example.com', 'ann@example.com'] },
};

/** Results of the test's steps, in their order. */
const stepsIn = (html: string) =>
  [...html.matchAll(/<span class="badge [a-z]*">([^<]+)<\/span><\/td><td/g)].map(([, label]) => label);

test('A-05 A-06 mail is switched on, changed and off on its page; the file says the same, and what was typed comes back', async t => {
  const { ann, file, config, audit } = await open(t);
  const before = file();
  t.is((await ann.post('/mail', 'save', mailOf(SOMEWHERE))).status, 303);
  t.deepEqual(config().alerts.mail, SOMEWHERE);
  t.true(file().includes('# of a disk, below which an alert is raised'), 'comments stay');
  const shown = (await ann.ask('GET', '/mail?saved=yes')).body;
  t.true(shown.includes('Saved in the file.') && shown.includes('These hold from the next start on.'));
  t.true(shown.includes('<code>alerts.mail</code>: <code>off</code> → <code>on</code>'));
  t.regex(shown, /value="mail\.example\.com" id="f-alerts-mail-host"/);
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), 'alerts-mail-port': '2525' })).status, 303);
  t.is(config().alerts.mail?.port, 2525);
  const [entry] = await audit.search({ limit: 1 });
  t.is(entry?.entry.event, 'settings.changed');
  t.is(entry?.entry.detail.changes, 'alerts.mail.port:  → 2525');
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), isOn: undefined })).status, 303);
  t.is(config().alerts.mail, null);
  const off = (await ann.ask('GET', '/mail')).body;
  t.false(/<input type="checkbox" checked id="f-isOn"/.test(off));
  t.regex(off, /value="2525" id="f-alerts-mail-port"/, 'out of the history');
  const to = /name="to" value="([^"]+)"/.exec((await ann.ask('GET', '/settings')).body)?.[1];
  t.is((await ann.ask('POST', '/settings/take-back', { digest: await ann.digest('/mail'), to })).status, 303);
  t.is(config().alerts.mail?.port, 2525);
  t.not(file(), before);
});

test('A-05 what is wrong on the page of mail stands beside its field; what is right elsewhere stays; two at once are told', async t => {
  const { ann, as, file, config, secrets } = await open(t);
  const before = file();
  const typed = {
    ...mailOf(SOMEWHERE),
    'alerts-mail-host': 'Not A Host',
    'alerts-mail-to': 'it@example.com\r\nnobody',
  };
  for (const act of ['save', 'test'] as const) {
    const { status, body } = await ann.post('/mail', act, typed);
    t.is(status, 400);
    for (const name of ['host', 'to']) t.regex(body, new RegExp(`id="f-alerts-mail-${name}"[^>]*aria-invalid="true"`));
    t.true(body.includes('value="appliance@example.com"'), 'what was typed stays');
    t.is(file(), before);
  }
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: 'two\nlines' })).status, 400);
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), other: 'field' })).status, 400);
  const bea = await as('bea@example.com');
  const digest = await bea.digest('/syslog');
  t.is((await ann.post('/mail', 'save', mailOf(SOMEWHERE))).status, 303);
  const syslog = syslogOf({ host: 'logs.example.com', protocol: 'tls', authorities: null });
  const late = await bea.ask('POST', '/syslog', { ...syslog, digest, act: 'save', isOn: 'on' });
  t.is(late.status, 409);
  t.true(late.body.includes('was changed meanwhile') && late.body.includes('logs.example.com'));
  const lateToo = { ...mailOf(SOMEWHERE), password: PASSWORD, digest, act: 'save', isOn: 'on' };
  t.is((await bea.ask('POST', '/mail', lateToo)).status, 409);
  t.deepEqual(secrets(), [], 'nor is a password left in a file');
  t.is((await bea.post('/syslog', 'save', syslog)).status, 303);
  t.deepEqual(config().alerts.syslog, { host: 'logs.example.com', protocol: 'tls', authorities: null });
  t.deepEqual(config().alerts.mail, SOMEWHERE);
});

test('A-05 B-05 a typed password is in a file of 0600 and nowhere else: page, configuration, history, log, diagnostics', async t => {
  const { ann, folder, file, config, secrets, audit } = await open(t);
  const secret = 'Zebra-Anvil-77';
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: secret })).status, 303);
  const first = config().alerts.mail?.passwordFile ?? '';
  t.is(readFileSync(first, 'utf8'), `${secret}\n`);
  t.is(statSync(first).mode & 0o777, 0o600);
  const kept = { ...mailOf(SOMEWHERE), 'alerts-mail-passwordFile': first };
  t.is((await ann.post('/mail', 'save', { ...kept, 'alerts-mail-from': 'b@example.com' })).status, 303);
  t.is(config().alerts.mail?.passwordFile, first, 'an empty field keeps it');
  t.is((await ann.post('/mail', 'save', { ...kept, password: `${secret}-2` })).status, 303);
  const wrong = await ann.post('/mail', 'save', { ...kept, password: `${secret}-3`, 'alerts-mail-port': 'none' });
  t.is(wrong.status, 400);
  t.is(secrets().length, 2, 'the first is still in the history, the third was never saved');
  const pages = ['/mail', '/settings', '/settings/file', '/settings/diagnostics'].map(page => ann.ask('GET', page));
  const history = readdirSync(join(folder, 'config-history')).map(name =>
    readFileSync(join(folder, 'config-history', name), 'utf8'),
  );
  const entries = JSON.stringify(await audit.search({ limit: 50 }));
  for (const text of [...(await Promise.all(pages)).map(({ body }) => body), wrong.body, file(), entries, ...history]) {
    t.false(text.includes(secret));
  }
  t.is(
    (
      await ann.ask('POST', '/mail', {
        ...kept,
        digest: await ann.digest('/mail'),
        act: 'save',
        isOn: 'on',
        held: hiddenIn(wrong.body, 'held'),
      })
    ).status,
    303,
  );
  t.is(readFileSync(config().alerts.mail?.passwordFile ?? '', 'utf8'), `${secret}-3\n`, 'it need not be typed again');
});

test('A-05 a password file goes when no version of the settings names it any more', async t => {
  const { ann, config, secrets, folder, clock } = await open(t);
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: 'the first' })).status, 303);
  const [first = ''] = secrets();
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: 'the second' })).status, 303);
  t.is(secrets().length, 2);
  // As many versions as are kept, each later than the one that names the first.
  for (let version = 1; version < 50; version += 1) {
    writeFileSync(join(folder, 'config-history', `${clock.now() + 1000 + version}.yaml`), 'version: 1\n');
  }
  const second = config().alerts.mail?.passwordFile ?? '';
  const typed = { ...mailOf(SOMEWHERE), 'alerts-mail-from': 'b@example.com', 'alerts-mail-passwordFile': second };
  t.is((await ann.post('/mail', 'save', typed)).status, 303);
  t.false(secrets().includes(first));
  t.true(existsSync(second));
});

test('A-05 of two saves at once neither sweeps away the password that came with the other', async t => {
  const { ann, as, config, secrets, store } = await open(t);
  const bea = await as('bea@example.com');
  const { core } = store;
  const transaction = core.transaction.bind(core);
  let isSecondDue = true;
  // The second is saved when the first is on the disk, and has not swept yet.
  const pausing: typeof core.transaction = async act => {
    const done = await transaction(act);
    if (isSecondDue && config().alerts.mail !== null) {
      isSecondDue = false;
      t.is((await bea.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: 'the second' })).status, 303);
    }
    return done;
  };
  Object.assign(core, { transaction: pausing });
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: 'the first' })).status, 303);
  t.false(isSecondDue);
  t.is(readFileSync(config().alerts.mail?.passwordFile ?? '', 'utf8'), 'the second\n');
  t.is(secrets().length, 2, 'the first is still in the history');
});

test('A-05 A-06 mail is tried before it is saved, step by step, by a real server; then saved without typing the password again', async t => {
  const { ann, file, config, audit } = await open(t);
  await using server = await startMailServer('starttls');
  const before = file();
  const typed = mailOf({ ...server.config, passwordFile: null });
  const wrong = await ann.post('/mail', 'test', { ...typed, password: 'wrong', isOn: undefined });
  t.deepEqual(stepsIn(wrong.body), ['works', 'works', 'works', 'fails', 'not tried']);
  const good = await ann.post('/mail', 'test', { ...typed, password: PASSWORD });
  t.is(good.status, 200);
  t.deepEqual(stepsIn(good.body), ['works', 'works', 'works', 'works', 'works']);
  t.regex(good.body, /TLS is there and the certificate is for localhost: TLSv1\.3 with TLS_AES_256/);
  t.true(good.body.includes('has taken it for it@example.com, ann@example.com'));
  t.false(good.body.includes(PASSWORD));
  const mail = await server.next();
  t.is(mail.user, 'appliance');
  t.regex(mail.content, /This is a test, sent by ann@example\.com/);
  t.is(file(), before);
  const [entry] = await audit.search({ limit: 1 });
  t.is(entry?.entry.event, 'settings.tested');
  t.regex(String(entry?.entry.detail.to), /^localhost:\d+, it@example\.com, ann@example\.com$/);
  t.is((await ann.post('/mail', 'save', { ...typed, held: hiddenIn(good.body, 'held') })).status, 303);
  t.is(readFileSync(config().alerts.mail?.passwordFile ?? '', 'utf8'), `${PASSWORD}\n`);
  const kept = { ...typed, 'alerts-mail-passwordFile': config().alerts.mail?.passwordFile ?? '' };
  t.deepEqual(stepsIn((await ann.post('/mail', 'test', kept)).body).at(-1), 'works', 'with the one that is kept');
});

test('A-05 A-06 syslog is tried before it is saved, over TLS and by UDP', async t => {
  const { ann, file } = await open(t);
  const before = file();
  await using tls = await startTlsSyslog();
  const good = await ann.post('/syslog', 'test', syslogOf(tls.config));
  t.deepEqual(stepsIn(good.body), ['works', 'works', 'works']);
  await tls.until(1);
  t.regex(tls.lines[0] ?? '', /settings\.test - .*This is a test, sent by ann@example\.com/);
  const strange = await ann.post('/syslog', 'test', { ...syslogOf(tls.config), 'alerts-syslog-authorities': '' });
  t.deepEqual(stepsIn(strange.body), ['works', 'fails', 'not tried']);
  using udp = await startUdpSyslog();
  t.deepEqual(stepsIn((await ann.post('/syslog', 'test', syslogOf(udp.config))).body), ['works', 'works']);
  t.regex(await udp.next, /This is a test/);
  t.is(file(), before);
});

test('A-05 attack: a stolen login gets no password out, by a test at another server or by saving one', async t => {
  const { ann, folder, path, config, file } = await open(t);
  await using theirs = await startMailServer('starttls');
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: PASSWORD })).status, 303);
  const kept = config().alerts.mail?.passwordFile ?? '';
  const elsewhere = mailOf({ ...theirs.config, passwordFile: kept });
  for (const act of ['test', 'save'] as const) {
    const refused = await ann.post('/mail', act, elsewhere);
    t.is(refused.status, 403);
    t.true(refused.body.includes('was not saved for localhost'));
    t.regex(refused.body, /id="f-password"[^>]*aria-invalid="true"/);
  }
  const now = file();
  const text = now.replaceAll('host: mail.example.com', 'host: localhost');
  const byFile = await ann.ask('POST', '/settings/file', { act: 'save', text, digest: await ann.digest('/mail') });
  t.is(byFile.status, 403, 'nor by the whole file');
  const storeKey = join(folder, 'keys', 'store.key');
  writeFileSync(storeKey, 'the key of everything', { mode: 0o600 });
  const dayKey = join(folder, 'day-keys', '20260601.key');
  mkdirSync(join(folder, 'day-keys'), { recursive: true });
  writeFileSync(dayKey, 'what opens copies of session keys', { mode: 0o600 });
  for (const stolen of [storeKey, join(folder, 'config-history', '..', 'keys', 'store.key')]) {
    const refused = await ann.post('/mail', 'save', { ...elsewhere, 'alerts-mail-passwordFile': stolen });
    t.is(refused.status, 403);
    t.true(refused.body.includes('is a key of the appliance, no password'));
  }
  mkdirSync(join(folder, 'secrets'));
  symlinkSync(path, join(folder, 'secrets', 'link'));
  for (const stolen of [path, join(folder, 'secrets', 'link'), dayKey, '/proc/self/environ']) {
    for (const act of ['test', 'save'] as const) {
      const refused = await ann.post('/mail', act, { ...elsewhere, 'alerts-mail-passwordFile': stolen });
      t.is(refused.status, 403, `any other file of ours: ${stolen}`);
      t.true(refused.body.includes('is not where a password file may be'));
      t.regex(refused.body, /id="f-alerts-mail-passwordFile"[^>]*aria-invalid="true"/);
    }
  }
  const unsaved = await ann.post('/mail', 'test', {
    ...elsewhere,
    'alerts-mail-passwordFile': join(folder, 'secrets', 'laid'),
  });
  t.is(unsaved.status, 403, 'one that IT laid goes to nobody before it was saved');
  t.is(file(), now);
});

test('A-05 attack: a stolen login has no password sent elsewhere out of a file that IT laid on the machine', async t => {
  const { ann, folder, file } = await open(t);
  mkdirSync(join(folder, 'secrets'));
  const laid = join(folder, 'secrets', 'laid');
  writeFileSync(laid, PASSWORD, { mode: 0o600 });
  t.is((await ann.post('/mail', 'save', mailOf({ ...SOMEWHERE, passwordFile: laid }))).status, 303);
  const now = file();
  symlinkSync(laid, join(folder, 'secrets', 'link'));
  for (const path of [laid, join(folder, 'keys', '..', 'secrets', 'laid'), join(folder, 'secrets', 'link')]) {
    const refused = await ann.post('/mail', 'save', mailOf({ ...SOMEWHERE, host: 'localhost', passwordFile: path }));
    t.is(refused.status, 403, path);
    t.true(refused.body.includes('was not saved for localhost'));
  }
  t.is(file(), now);
  const other = join(folder, 'secrets', 'other');
  writeFileSync(other, PASSWORD, { mode: 0o600 });
  const moved = mailOf({ ...SOMEWHERE, host: 'localhost', passwordFile: other });
  t.is((await ann.post('/mail', 'save', moved)).status, 303, 'one that is new goes with its server');
});

test('A-05 attack: whom a file of IT’s was saved for is not forgotten with the settings’ earlier versions', async t => {
  const { ann, folder, path, config } = await open(t);
  mkdirSync(join(folder, 'secrets'));
  const laid = join(folder, 'secrets', 'laid');
  writeFileSync(laid, PASSWORD, { mode: 0o600 });
  const byHand = JSON.stringify({ ...SOMEWHERE, passwordFile: laid });
  writeFileSync(path, readFileSync(path, 'utf8').replace('mail: null', `mail: ${byHand}`));
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), isOn: undefined })).status, 303);
  // As if he had saved fifty times since.
  rmSync(join(folder, 'config-history'), { recursive: true });
  t.false(readFileSync(path, 'utf8').includes(laid));
  for (const act of ['test', 'save'] as const) {
    const moved = mailOf({ ...SOMEWHERE, host: 'localhost', passwordFile: laid });
    t.is((await ann.post('/mail', act, moved)).status, 403, act);
  }
  t.is((await ann.post('/mail', 'save', mailOf({ ...SOMEWHERE, passwordFile: laid }))).status, 303, 'its own server');
  t.is(config().alerts.mail?.passwordFile, laid);
});

test('A-05 attack: a stolen login has a password sent to no other port of its host', async t => {
  const { ann, config, file } = await open(t);
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: PASSWORD })).status, 303);
  const now = file();
  const kept = { ...mailOf(SOMEWHERE), 'alerts-mail-passwordFile': config().alerts.mail?.passwordFile ?? '' };
  for (const over of [{ 'alerts-mail-port': '2525' }, { 'alerts-mail-security': 'tls' }]) {
    for (const act of ['test', 'save'] as const) {
      const refused = await ann.post('/mail', act, { ...kept, ...over });
      t.is(refused.status, 403);
      t.regex(refused.body, /was not saved for mail\.example\.com:(2525|465)/);
    }
  }
  t.is(file(), now);
  t.is((await ann.post('/mail', 'save', { ...kept, 'alerts-mail-port': '587' })).status, 303, 'the same, said in full');
});

test('A-05 attack: a held password is found by its own account and page only', async t => {
  const { ann, as, config } = await open(t);
  const wrong = await ann.post('/mail', 'save', {
    ...mailOf(SOMEWHERE),
    password: 'of Ann',
    'alerts-mail-port': 'none',
  });
  const bea = await as('bea@example.com');
  const taken = await bea.post('/mail', 'save', { ...mailOf(SOMEWHERE), held: hiddenIn(wrong.body, 'held') });
  t.is(taken.status, 409);
  t.is(config().alerts.mail, null);
});

test('A-05 a typed password that is not held any more is asked for again, and not left out', async t => {
  const { ann, config } = await open(t);
  const tried = await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), password: PASSWORD, 'alerts-mail-port': 'x' });
  const held = hiddenIn(tried.body, 'held');
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), 'alerts-mail-port': 'x', held })).status, 400);
  const late = await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), held });
  t.is(late.status, 409);
  t.regex(late.body, /id="f-password"[^>]*aria-invalid="true"/);
  t.true(late.body.includes('is not kept any more'));
  t.is(config().alerts.mail, null);
  t.is((await ann.post('/mail', 'save', { ...mailOf(SOMEWHERE), held: hiddenIn(late.body, 'held') })).status, 303);
});

test('A-05 attack: a server that talks without end or answers garbage ends its test and nothing else', async t => {
  const { ann } = await open(t);
  const garbage = createServer(socket => {
    socket.on('error', () => undefined);
    socket.write(`\u0000\u0007<script>alert(1)</script>${'x'.repeat(100_000)}\r\n`);
  });
  garbage.listen(0, '127.0.0.1');
  await once(garbage, 'listening');
  t.teardown(() => garbage.close());
  const { port } = garbage.address() as AddressInfo;
  const typed = { ...mailOf({ ...SOMEWHERE, host: 'localhost', port }), password: PASSWORD };
  const { status, body } = await ann.post('/mail', 'test', typed);
  t.is(status, 200);
  t.deepEqual(stepsIn(body), ['works', 'works', 'fails', 'not tried', 'not tried']);
  t.false(body.includes('<script>alert') || body.includes('x'.repeat(1000)));
  const syslog = syslogOf({ host: 'localhost', port, protocol: 'tls', authorities: null });
  t.deepEqual(stepsIn((await ann.post('/syslog', 'test', syslog)).body), ['works', 'fails', 'not tried']);
  t.is((await ann.ask('GET', '/mail')).status, 200);
});

test('A-05 attack: a mail server that says nothing is given up at its step, and no connection to it stays', async t => {
  const silent = createServer(socket => {
    socket.on('error', () => undefined).resume();
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const steps = mailSteps({ ...SOMEWHERE, host: '127.0.0.1', port }, { subject: '', text: '' }, PASSWORD);
  const told = await runSteps('it', steps, 300);
  t.deepEqual(
    told.map(({ state }) => state),
    ['done', 'done', 'failed', 'skipped', 'skipped'],
  );
  t.is(told[2]?.text, 'it did not answer within 0.3 s');
  await new Promise(resolve => silent.close(resolve)); // answered once nobody is connected any more
});

test('A-05 attack: what is read without end is no file with certificates, and no password', async t => {
  const { ann, folder } = await open(t);
  const endless = join(folder, 'endless');
  execFileSync('mkfifo', ['-m', '600', endless]);
  const syslog = syslogOf({ host: '127.0.0.1', port: 9, protocol: 'tls', authorities: '/dev/zero' });
  t.true((await ann.post('/syslog', 'test', syslog)).body.includes('/dev/zero is no file with certificates'));
  for (const [target, said] of [
    [{ ...SOMEWHERE, authorities: '/dev/zero' }, /no file with certificates/],
    [{ ...SOMEWHERE, passwordFile: endless }, /too large for a password, or no file/],
  ] as const) {
    const { TLS } = mailSteps(target, { subject: '', text: '' });
    const [told] = await runSteps('it', { ...(TLS && { TLS }) }, 1000);
    t.regex(told?.text ?? '', said);
  }
});
