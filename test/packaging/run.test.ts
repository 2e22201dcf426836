import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { openDataFolder } from '../../packaging/data-folder.ts';
import { markedProcesses, untilNoneIsLeft } from '../../packaging/marked-processes.ts';
import { ask, freePort } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { look } from '../support/look.ts';
import { type Ready, Run, refusal } from '../support/run.ts';
import { TempFolder } from '../support/temp-folder.ts';

test.serial('A-02, A-03, A-06 it reaches READY, goes on where it was, and leaves no process', async t => {
  using folder = new TempFolder();
  const data = join(folder.path, 'data');
  const port = await freePort();
  const first = new Run('--data', data, '--port', String(port));
  const ready = await first.ready();
  t.is(ready.portal, `https://localhost:${port}`);
  t.is(ready.ca, join(data, 'public', 'ca.crt'));
  t.is(ready.setup, `https://localhost:${port}/setup#${readFileSync(join(data, 'keys', 'setup-code'), 'utf8').trim()}`);
  const ca = readFileSync(ready.ca);
  t.is((await ask({ port, ca }, '/readyz')).status, 200);
  t.true(markedProcesses(data).length >= 5); // the process manager and four of ours
  t.false(existsSync(join(data, 'applet.json'))); // before first setup no program is built that nobody could be sent
  const other = await refusal('--data', data);
  t.regex(other, /process \d+ already serves .*\n.*--data/);

  const stopAt = performance.now();
  t.is(await first.stop('SIGINT'), 0);
  t.true(performance.now() - stopAt < 5000);
  t.deepEqual(markedProcesses(data), []);

  await using second = new Run('--data', data);
  t.deepEqual(await second.ready(), ready); // same port, same CA, same code
  t.deepEqual(readFileSync(ready.ca), ca);
  t.is(await second.stop('SIGTERM'), 0);
  t.deepEqual(markedProcesses(data), []);

  const config = readFileSync(join(data, 'appliance.yaml'), 'utf8');
  const mail = '{ host: a.example, from: a@a.example, to: [a@a.example], passwordFile: /etc/appliance/mail-password }';
  writeFileSync(join(data, 'appliance.yaml'), config.replace('mail: null', `mail: ${mail}`));
  const place = await refusal('--data', data); // of a version that took any file
  t.regex(place, /\/etc\/appliance\/mail-password is not where .*\n.*alerts\.mail\.passwordFile: .*data\/secrets/);
});

/** IT restores a backup on the page: the portal ends, and is started again. */
async function restoreOnPage(t: ExecutionContext, data: string, { ca, settings, accounts }: Ready): Promise<void> {
  const certificate = readFileSync(join(data, 'public', 'server.crt'));
  await using browser = await openBrowser({ ca: readFileSync(ca), certificate });
  const { page } = browser;
  const { loginId = '', password = '' } = accounts?.settings ?? {};
  const signIn = async () => {
    await page.getByLabel('Name', { exact: true }).fill(loginId);
    await page.getByLabel('Password').fill(password);
    await page.getByLabel('Password').press('Enter');
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Backups' }).click();
  };
  await page.goto(`${settings}/sign-in`);
  await signIn();
  const restore = page.getByRole('link', { name: /^Restore/ }).first();
  while ((await restore.count()) === 0) await page.reload(); // the first one is made by the clock
  await restore.click();
  const word = (await page.locator('#f-confirm-hint').textContent())?.trim() ?? '';
  await look(t, browser, 'backup-restore');
  await page.getByLabel('Type the name').fill(word);
  await page.getByLabel('Your password').fill(password);
  await page.getByRole('button', { name: 'Restore' }).click();
  await page.getByRole('heading', { name: 'The appliance restores' }).waitFor();
  await look(t, browser, 'backup-restoring');
  while ((await page.goto(`${settings}/sign-in`))?.status() !== 200);
  await signIn();
  await page.getByText('Restored').waitFor();
  await look(t, browser, 'backups-restored');
  t.true((await page.getByRole('link', { name: 'Go back to before the restore' }).count()) === 1);
}

test.serial(
  'A-06 a process that is killed is started again, J-05 a restore on the page starts the portal again, and a killed run is cleared away by the next',
  async t => {
    using folder = new TempFolder();
    const port = await freePort();
    const data = join(folder.path, 'data');
    const flags = ['--data', data, '--port', String(port), '--demo'];
    const first = new Run(...flags);
    const ready = await first.ready();
    const { ca: path, accounts, setup } = ready;
    t.is(setup, undefined);
    t.true(existsSync(join(data, 'applet.json')));
    t.deepEqual(Object.keys(accounts ?? {}).sort(), ['admin', 'auditor', 'master-admin', 'settings', 'technician']);
    const at = { port, ca: readFileSync(path) };

    const gateway = markedProcesses(data).find(pid =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bin/gateway.ts'),
    );
    process.kill(gateway ?? 0, 'SIGKILL');
    await untilAnswers(at);
    t.false(markedProcesses(data).includes(gateway ?? 0));

    await restoreOnPage(t, data, ready);
    const { socketPath } = JSON.parse(readFileSync(join(data, 'run', 'demo.json'), 'utf8'));
    await first.stop('SIGKILL');
    t.true(markedProcesses(data).length > 0);
    await using second = new Run('--data', data);
    await second.ready();
    t.true(second.lines.includes('Ending what an earlier run left behind'));
    t.true(second.lines.some(line => line.startsWith('Recordings are served on the portal’s pages only')));
    t.false(existsSync(dirname(dirname(socketPath)))); // the demo customer's home
    await second.stop('SIGTERM');
    t.true(await untilNoneIsLeft(data, 0));
  },
);

/** Asks until the gateway answers again; ava's own time limit is the deadline. */
async function untilAnswers(at: { port: number; ca: Buffer }): Promise<void> {
  for (;;) {
    const status = await ask(at, '/readyz').then(
      answer => answer.status,
      error => (error as NodeJS.ErrnoException).code,
    );
    if (status === 200) return;
  }
}

test.serial('A-02 a port in use is refused with the name of who has it', async t => {
  using folder = new TempFolder();
  const holder = createServer().listen(0, '::');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const said = await refusal('--data', join(folder.path, 'data'), '--port', String(port));
  holder.close();
  t.regex(said, new RegExp(`port ${port} is in use by .*process ${process.pid}`));
  t.regex(said, /--port/);
});

test.serial(
  'A-02 wrong flags, a folder of somebody else and one that has lost its keys are refused, and stay as they are',
  async t => {
    using folder = new TempFolder();
    t.regex(await refusal('--port', '70000'), /--port is a number from 1 to 65535/);
    t.regex(await refusal('--prot', '8443'), /usage: packaging\/run/);

    writeFileSync(join(folder.path, 'letter.txt'), 'mine');
    t.regex(await refusal('--data', folder.path), /holds other files \(letter\.txt\)/);
    t.deepEqual(readdirSync(folder.path), ['letter.txt']);
    rmSync(join(folder.path, 'letter.txt'));

    writeFileSync(join(folder.path, 'appliance.yaml'), 'version: 1\nlisten:\n  port: many\n');
    t.regex(await refusal('--data', folder.path), /listen\.port/);

    writeFileSync(join(folder.path, 'appliance.yaml'), 'version: 1\n');
    mkdirSync(join(folder.path, 'store'), { recursive: true });
    writeFileSync(join(folder.path, 'store', 'core.db'), 'as if');
    t.regex(await refusal('--data', folder.path), /not whole: its store is there, but keys\/store\.key/);
    t.false(existsSync(join(folder.path, 'keys', 'store.key')));
  },
);

test.serial('A-02 a data folder that cannot be written is refused', async t => {
  // /proc takes no new folder, from root neither; on a read-only disk the system answers in the same place.
  t.regex(await refusal('--data', '/proc/remote-support'), /can't be written/);
});

test.serial('A-02 a full disk is refused before anything is made', async t => {
  using folder = new TempFolder();
  const run = promisify(execFile);
  const mayMount = await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder.path]).then(
    () => true,
    () => false, // a container without CAP_SYS_ADMIN: its disk is held against a need no disk meets
  );
  if (mayMount) {
    const said = await refusal('--data', folder.path).finally(() => t.deepEqual(readdirSync(folder.path), []));
    await run('umount', [folder.path]);
    t.regex(said, /only [0-4] MiB are free/);
  } else {
    t.log('may not mount a small disk here');
    t.throws(() => openDataFolder(folder.path, Number.MAX_SAFE_INTEGER), { code: 'data-folder.no-space' });
    t.deepEqual(readdirSync(folder.path), []);
  }
});
