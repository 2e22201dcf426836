// IT at the settings: a wrong value is told beside its field, a right one is in the file and taken back; a certificate is asked
// for, brought along, and shown by the gateway to whoever connects.

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import forge from 'node-forge';
import { writeCaCertificate, writeServerCertificate } from '../../appliance/pki/certificates.ts';
import { startMailServer } from '../portal/test-mail-server.ts';
import { type Account, type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { faultsOf } from '../support/look.ts';
import { runBin } from '../support/run-bin.ts';
import { look, signIn } from './portal-steps.ts';

async function changeSettings(t: ExecutionContext, admin: TestBrowser, { dataFolder }: Appliance): Promise<void> {
  const { page } = admin;
  const file = () => readFileSync(join(dataFolder, 'appliance.yaml'), 'utf8');
  const before = file();
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Settings' }).press('Enter');
  const minutes = page.getByLabel('Minutes without a click');
  await minutes.fill('ten');
  await minutes.press('Enter');
  await page.getByText('That is not right. Then a login ends; 1 to 720.').waitFor();
  await look(t, admin, 'settings-wrong');
  await minutes.fill('30');
  await minutes.press('Enter');
  await page.getByText('Saved in the file.').waitFor();
  await look(t, admin, 'settings');
  t.regex(file(), /idleMinutes: 30$/m);
  await page.getByRole('button', { name: 'Take it back' }).press('Enter');
  await page.getByRole('cell', { name: 'login.idleMinutes: 30 → 15' }).waitFor();
  t.is(file(), before);
}

async function checkFile(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  await page.getByRole('link', { name: 'The whole file' }).press('Enter');
  const text = page.getByLabel('Text, in YAML');
  await text.fill(`${await text.inputValue()}session:\n  pinDigits: 12\n`);
  await page.getByRole('button', { name: 'Check only' }).press('Enter');
  await page.getByText('It is right. It would change:').waitFor();
  await look(t, admin, 'settings-file');
}

/** A backup is made, fetched as one file, and brought again after it was lost; what is no backup is refused. */
async function bringBackup(t: ExecutionContext, admin: TestBrowser, { dataFolder }: Appliance): Promise<void> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Backups' }).press('Enter');
  const row = page.getByRole('link', { name: /^Download/ }).first(); // one more is made by the clock
  const goOn = (button: string) =>
    Promise.all([page.waitForEvent('framenavigated'), page.getByRole('button', { name: button }).press('Enter')]);
  await goOn('Back up now');
  const again = page.getByRole('link', { name: 'Look again' });
  while ((await again.count()) > 0) await again.press('Enter');
  const [download] = await Promise.all([page.waitForEvent('download'), row.press('Enter')]);
  const buffer = readFileSync(await download.path());
  const file = page.getByLabel('Its file');
  await file.setInputFiles({ name: 'a.tar', mimeType: 'application/x-tar', buffer: buffer.subarray(0, -3000) });
  await goOn('Bring it and check it');
  await page.getByText('The file ends too early.').waitFor();
  await look(t, admin, 'backups-refused');
  const name = download.suggestedFilename().slice('backup-'.length, -'.tar'.length);
  rmSync(join(dataFolder, 'backups', name), { recursive: true });
  await file.setInputFiles({ name: 'a.tar', mimeType: 'application/x-tar', buffer });
  await goOn('Bring it and check it');
  while ((await again.count()) > 0) await again.press('Enter');
  await page.getByText('was opened and compared').waitFor();
  await look(t, admin, 'backups');
}

/** Mail is tried at a real server and saved; a test that fails says at which step. */
async function setMail(t: ExecutionContext, admin: TestBrowser, { dataFolder }: Appliance): Promise<void> {
  const { page } = admin;
  await using server = await startMailServer('starttls');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Mail' }).press('Enter');
  await page.getByLabel('Send alerts by mail').press('Space');
  await page.getByLabel('Mail server').fill('localhost');
  await page.getByLabel('Port').fill(String(server.config.port));
  await page.getByLabel('Who signs its certificate').fill(server.config.authorities ?? '');
  await page.getByLabel('User').fill('appliance');
  await page.getByLabel('Password', { exact: true }).fill('pass-word');
  await page.getByLabel('From').fill('appliance@example.com');
  await page.getByLabel('To', { exact: true }).fill('it@example.com');
  await page.getByRole('button', { name: 'Test' }).press('Enter');
  await page.getByText('has taken it for it@example.com').waitFor();
  await look(t, admin, 'settings-mail-test');
  await page.getByLabel('Mail server').press('Enter');
  await page.getByText('Saved in the file.').waitFor();
  const file = readFileSync(join(dataFolder, 'appliance.yaml'), 'utf8');
  t.regex(file, /passwordFile: .*mail-password-[0-9a-f]{16}$/m);
  t.false(file.includes('pass-word'));
}

async function lookAtSyslog(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Syslog' }).press('Enter');
  await page.getByLabel('Send alerts to a syslog server').press('Space');
  await page.getByLabel('Syslog server', { exact: true }).fill('no host');
  await page.getByLabel('Syslog server', { exact: true }).press('Enter');
  await page.getByText('That is not right.').waitFor();
  await look(t, admin, 'settings-syslog-wrong');
}

/** What an authority makes of a request. */
function issue(request: string) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const certificate = writeCaCertificate('Good CA', 'Example', privateKey, Date.now());
  const { publicKey } = forge.pki.certificationRequestFromPem(request);
  if (!publicKey) throw new Error('the request has no key');
  const key = createPublicKey(forge.pki.publicKeyToPem(publicKey));
  return {
    ca: certificate,
    chain: writeServerCertificate(['localhost'], key, { certificate, privateKey }, Date.now()),
  };
}

async function bringCertificate(t: ExecutionContext, admin: TestBrowser): Promise<string> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Certificates' }).press('Enter');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Make a request' }).press('Enter'),
  ]);
  const { ca, chain } = issue(readFileSync(await download.path(), 'utf8'));
  await page
    .getByLabel('Its file')
    .setInputFiles({ name: 'a.pem', mimeType: 'text/plain', buffer: Buffer.from(chain) });
  await page.waitForFunction(() => document.querySelector('textarea')?.value.includes('BEGIN CERTIFICATE'));
  await page.getByRole('button', { name: 'Check and use it' }).press('Enter');
  await page.getByText('Done. The gateway takes it up').waitFor();
  await look(t, admin, 'certificates');
  return ca;
}

/** The gateway has taken it up by itself, and shows it to whoever trusts its authority alone. */
/** A colleague gets an account, and the page where he is looked after. */
async function addColleague(t: ExecutionContext, admin: TestBrowser, password: string): Promise<void> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Accounts' }).press('Enter');
  await page.getByLabel('Name', { exact: true }).fill('bea');
  await page.getByLabel('Your password').fill(password);
  await page.getByLabel('Name', { exact: true }).press('Enter');
  await page.getByRole('heading', { name: 'Temporary password' }).waitFor();
  await page.getByRole('link', { name: 'Done' }).press('Enter');
  await page.getByRole('button', { name: 'Require two-step' }).press('Enter');
  await page.getByRole('button', { name: 'Two-step not required' }).waitFor();
  await look(t, admin, 'settings-account');
  await page.getByRole('link', { name: 'Accounts' }).last().press('Enter');
  await page.getByRole('cell', { name: 'at the next login' }).waitFor();
  await look(t, admin, 'settings-accounts');
}

/** By the link that the machine makes, from the command to the sign-in. */
async function enterByLink(t: ExecutionContext, other: TestBrowser, { dataFolder }: Appliance): Promise<void> {
  const { page, context } = other;
  await context.clearCookies();
  const link = (await runBin('settings-account', dataFolder)).trim();
  await page.goto(link);
  await page.getByLabel('Password again').waitFor();
  t.false(page.url().includes('#'), 'the code does not stay in the address');
  await look(t, other, 'settings-link');
  await page.getByLabel('Name', { exact: true }).fill('cleo');
  await page.getByLabel('Password', { exact: true }).fill('walnut-trumpet-sleigh-77');
  await page.getByLabel('Password again').fill('walnut-trumpet-sleigh-77');
  await page.getByLabel('Password again').press('Enter');
  await page.getByRole('heading', { name: 'Sign in to the settings' }).waitFor();
  await look(t, other, 'settings-sign-in');
  await page.getByLabel('Name', { exact: true }).fill('cleo');
  await page.getByLabel('Password').fill('walnut-trumpet-sleigh-77');
  await page.getByLabel('Password').press('Enter');
  await page.getByRole('heading', { name: 'Settings', exact: true }).waitFor();
  for (const path of ['backups', 'updates', 'about', 'account', 'account/two-step']) {
    await page.goto(new URL(path, link).href);
    await look(t, other, `settings-${path.replace('/', '-')}`);
  }
}

async function isShown(t: ExecutionContext, { gateways, url }: Appliance, ca: string): Promise<void> {
  await gateways[0]?.told('gateway.certificates-loaded', ({ labels }) => Array.isArray(labels) && labels.length === 2);
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), servername: 'localhost', ca });
  await once(socket, 'secureConnect');
  t.true(socket.authorized);
  socket.destroy();
}

test('A-05 A-07 IT changes a setting and takes it back, asks for a certificate and brings it along; the gateway shows it', async t => {
  t.timeout(120_000);
  await using appliance = await startAppliance({ accounts: true });
  await using admin = await openBrowser(appliance);
  const { page } = admin;
  const { loginId = '', password = '' } = appliance.accounts?.settings ?? {};
  await signIn(page, appliance.url, ...pairOf(appliance.accounts?.['master-admin']));
  await page.goto(`${appliance.url}/admin/settings`);
  await look(t, admin, 'settings-moved');
  await page.getByRole('link', { name: appliance.settingsUrl }).press('Enter');
  await page.getByLabel('Name', { exact: true }).fill(loginId);
  await page.getByLabel('Password').fill(password);
  await page.getByLabel('Password').press('Enter');
  await changeSettings(t, admin, appliance);
  await checkFile(t, admin);
  await bringBackup(t, admin, appliance);
  await setMail(t, admin, appliance);
  await lookAtSyslog(t, admin);
  await page.goto(`${appliance.settingsUrl}/help/settings`);
  t.deepEqual(await faultsOf(page), []);
  await addColleague(t, admin, password);
  const ca = await bringCertificate(t, admin);
  await isShown(t, appliance, ca);
  await enterByLink(t, admin, appliance);
  t.deepEqual(
    admin.complaints.filter(text => !/status of 40[04]/.test(text)),
    [],
  );
});

function pairOf({ loginId, password }: Account = { loginId: '', password: '' }): [string, string] {
  return [loginId, password];
}
