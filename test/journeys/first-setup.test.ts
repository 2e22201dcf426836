import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { codeOf, look, signIn } from './portal-steps.ts';

const PASSWORD = 'magpie-orbit-cellar-41';
const CHOSEN = 'walnut-trumpet-sleigh-77';

/** @returns the recovery codes */
async function enrol(t: ExecutionContext, browser: TestBrowser, url: string, password: string): Promise<string[]> {
  const { page } = browser;
  await page.goto(`${url}/account/two-step/enrol`);
  await page.getByLabel('Present password').fill(password);
  await page.getByRole('button', { name: 'Go on' }).click();
  await look(t, browser, 'enrol');
  await page.getByText("I can't scan it").click();
  const secret = (await page.locator('#secret').textContent())?.replaceAll(' ', '') ?? '';
  // The page offers a new secret at each showing; this is the last one.
  await page.getByLabel('Type the six digits').fill(await codeOf(secret));
  await page.getByRole('button', { name: 'Turn on two-step' }).click();
  await page.getByRole('heading', { name: 'Recovery codes' }).waitFor();
  await look(t, browser, 'recovery-codes');
  const codes = await page.locator('#codes code').allTextContents();
  t.is(codes.length, 10);
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await look(t, browser, 'account');
  return codes;
}

/** @returns the temporary password */
async function createTess(t: ExecutionContext, browser: TestBrowser, url: string): Promise<string> {
  const { page } = browser;
  await page.goto(`${url}/admin/members/new`);
  await look(t, browser, 'new-member');
  await page.getByLabel('Login id').fill('tess@example.com');
  await page.getByLabel('Name', { exact: true }).fill('Tess Technician');
  await page.getByRole('button', { name: 'Create member' }).click();
  const temporary = (await page.locator('#temporary').textContent()) ?? '';
  await look(t, browser, 'temporary-password');
  await page.getByRole('link', { name: 'Done' }).click();
  await look(t, browser, 'member');
  return temporary;
}

async function visitAll(t: ExecutionContext, browser: TestBrowser, url: string): Promise<void> {
  const { page } = browser;
  for (const path of ['admin/password-policy', 'admin/settings', 'admin/audit', 'account/password', 'help']) {
    await page.goto(`${url}/${path}`);
    await look(t, browser, path.replace('/', '-'));
  }
  const about = [
    'first-steps',
    'helping',
    'accounts',
    'two-step',
    'certificates',
    'groups',
    'channels',
    'player',
    'programs',
    'backup',
    'log',
    'errors',
  ];
  for (const topic of about) {
    await page.goto(`${url}/help/${topic}`);
    await look(t, browser, `help-${topic}`);
  }
}

/** Tess chooses her password, then somebody guesses at it until even the right one is refused. */
async function lockTessOut(t: ExecutionContext, other: TestBrowser, url: string, temporary: string): Promise<void> {
  await signIn(other.page, url, 'tess@example.com', temporary);
  await other.page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
  await look(t, other, 'forced-change');
  await other.page.getByLabel('Present password').fill(temporary);
  await other.page.getByLabel('New password').fill(CHOSEN);
  await other.page.getByRole('button', { name: 'Change password' }).click();
  await other.page.getByTestId('queue-incoming').waitFor();
  await other.page.getByText('Tess Technician').first().click();
  await other.page.getByRole('button', { name: 'Sign out' }).click();
  for (let tries = 0; tries < 10; tries += 1) {
    await signIn(other.page, url, 'tess@example.com', `wrong ${tries}`);
    await other.page.getByRole('alert').waitFor();
  }
  await look(t, other, 'refused');
  await signIn(other.page, url, 'tess@example.com', CHOSEN);
  await other.page.getByRole('alert').waitFor();
}

test.serial('A-04 first setup in a browser, from the code to the first master admin who signs in', async t => {
  t.timeout(240_000);
  await using appliance = await startAppliance();
  await using browser = await openBrowser(appliance);
  const { page } = browser;
  const { url, setupCode = '' } = appliance;

  await page.goto(`${url}/setup`);
  await look(t, browser, 'setup-door');
  await page.goto('about:blank');
  await page.goto(`${url}/setup#${setupCode}`);
  await page.getByLabel('Your name').waitFor();
  t.false(page.url().includes('#'), 'the code does not stay in the address');
  await look(t, browser, 'setup');
  await page.getByLabel('Name', { exact: true }).fill('Kestrel Works');
  await page.getByLabel('Time zone').selectOption('Europe/London');
  await page.getByLabel('Names of this appliance').fill('localhost');
  await page.getByLabel('Login id').fill('root@example.com');
  await page.getByLabel('Your name').fill('Ada Root');
  await page.getByLabel('Password', { exact: true }).fill('password1234');
  await page.getByText(/Strength: (very )?weak/).waitFor();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByText('This one will do').waitFor();
  await page.getByLabel('Password again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Finish setup' }).click();
  await page.getByRole('heading', { name: 'Ready' }).waitFor();
  await look(t, browser, 'setup-done');
  t.false(existsSync(join(appliance.dataFolder, 'keys', 'setup-code')));
  t.regex(readFileSync(join(appliance.dataFolder, 'appliance.yaml'), 'utf8'), /Kestrel Works/);
  await appliance.processes.gateway.restart(); // so that it shows the new certificate from here on
  await using after = await openBrowser({
    ...appliance,
    certificate: readFileSync(join(appliance.dataFolder, 'public', 'server.crt')),
  });
  await signIn(after.page, url, 'root@example.com', PASSWORD);
  await after.page.getByRole('heading', { name: 'Members' }).waitFor();
  await after.page.getByText('Kestrel Works').waitFor();
  t.is((await appliance.fetch('/setup')).status, 404);
});

test.serial('C-03 C-07 two-step, members, lock-out and unlocking', async t => {
  t.timeout(240_000);
  await using appliance = await startAppliance({ accounts: true });
  await using browser = await openBrowser(appliance);
  const { page } = browser;
  const { url } = appliance;
  const root = appliance.accounts?.['master-admin'] ?? { loginId: '', password: '' };

  await page.goto(url);
  await look(t, browser, 'home');
  await page.goto(`${url}/sign-in`);
  await look(t, browser, 'sign-in');
  await page.keyboard.type(root.loginId); // the first field has the focus
  await page.keyboard.press('Tab');
  await page.keyboard.type(root.password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Members' }).waitFor();
  await look(t, browser, 'members');

  const codes = await enrol(t, browser, url, root.password);
  const temporary = await createTess(t, browser, url);
  const memberUrl = page.url();

  await visitAll(t, browser, url);

  await using other = await openBrowser(appliance);
  await lockTessOut(t, other, url, temporary);

  await page.goto(memberUrl);
  await look(t, browser, 'locked-member');
  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.getByText('enabled', { exact: true }).waitFor();
  await signIn(other.page, url, 'tess@example.com', CHOSEN);
  await other.page.getByTestId('queue-incoming').waitFor();

  await page.getByText('Demo master admin').first().click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, url, root.loginId, root.password);
  await page.getByRole('heading', { name: 'Second step' }).waitFor();
  await look(t, browser, 'two-step');
  await page.getByLabel('Code').fill(codes[0] ?? '');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('heading', { name: 'Members' }).waitFor();
  const own = [...browser.complaints, ...other.complaints].filter(text => !/status of (401|403|404)/.test(text));
  t.deepEqual(own, [], 'no page broke its own policy');
});
