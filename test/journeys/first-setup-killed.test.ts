// First setup, sign-in, two-step, members, lock-out and unlocking on the real packaging/run, while each of its processes is
// killed in turn between two steps: nothing that was done is lost, and nobody has to do a step twice.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { freePort } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { Run } from '../support/run.ts';
import { killOne, type Served } from '../support/run-kills.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { codeOf, signIn } from './portal-steps.ts';

const PASSWORD = 'magpie-orbit-cellar-41';
const CHOSEN = 'walnut-trumpet-sleigh-77';
const FAILURES_TO_LOCK = 10;

interface Visit {
  readonly at: Served;
  readonly url: string;
  readonly browser: TestBrowser;
}

async function setUp({ at, url, browser }: Visit, setup: string): Promise<void> {
  const { page } = browser;
  await page.goto(setup);
  await page.getByLabel('Your name').waitFor();
  await page.getByLabel('Name', { exact: true }).fill('Kestrel Works');
  await page.getByLabel('Names of this appliance').fill('localhost');
  await page.getByLabel('Login id').fill('root@example.com');
  await page.getByLabel('Your name').fill('Ada Root');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('Password again').fill(PASSWORD);
  await killOne(at, 'signer'); // which is about to issue the certificate
  await page.getByRole('button', { name: 'Finish setup' }).click();
  await page.getByRole('heading', { name: 'Ready' }).waitFor();
  await killOne(at, 'portal'); // setup is over for whoever starts anew, too
  await page.goto(`${url}/setup`);
  await page.getByRole('heading', { name: 'Ready' }).waitFor({ state: 'detached' });
}

async function enrol({ url, browser }: Visit): Promise<string> {
  const { page } = browser;
  await page.goto(`${url}/account/two-step/enrol`);
  await page.getByLabel('Present password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText("I can't scan it").click();
  const secret = (await page.locator('#secret').textContent())?.replaceAll(' ', '') ?? '';
  await page.getByLabel('Type the six digits').fill(await codeOf(secret));
  await page.getByRole('button', { name: 'Turn on two-step' }).click();
  await page.getByRole('heading', { name: 'Recovery codes' }).waitFor();
  const [code = ''] = await page.locator('#codes code').allTextContents();
  return code;
}

/** @returns her temporary password */
async function createTess({ url, browser }: Visit): Promise<string> {
  const { page } = browser;
  await page.goto(`${url}/admin/members/new`);
  await page.getByLabel('Login id').fill('tess@example.com');
  await page.getByLabel('Name', { exact: true }).fill('Tess Technician');
  await page.getByRole('button', { name: 'Create member' }).click();
  const temporary = (await page.locator('#temporary').textContent()) ?? '';
  await page.getByRole('link', { name: 'Done' }).click();
  return temporary;
}

/** Her password is chosen, then guessed at; the portal dies in the middle and counts on where it was. */
async function lockTessOut({ at, url, browser }: Visit, temporary: string): Promise<void> {
  const { page } = browser;
  await signIn(page, url, 'tess@example.com', temporary);
  await page.getByLabel('Present password').fill(temporary);
  await page.getByLabel('New password').fill(CHOSEN);
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByTestId('queue-incoming').waitFor();
  await page.getByText('Tess Technician').first().click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  for (let tries = 0; tries < FAILURES_TO_LOCK; tries += 1) {
    if (tries === FAILURES_TO_LOCK / 2) await killOne(at, 'portal');
    await signIn(page, url, 'tess@example.com', `wrong ${tries}`);
    await page.getByRole('alert').waitFor();
  }
  await killOne(at, 'portal');
  await signIn(page, url, 'tess@example.com', CHOSEN); // right, and refused
  await page.getByRole('alert').waitFor();
}

test.serial('A-06 C-03 C-07 the whole of first days, with each process killed in turn between the steps', async t => {
  t.timeout(240_000);
  using folder = new TempFolder();
  const data = join(folder.path, 'data');
  const port = await freePort();
  await using run = new Run('--data', data, '--port', String(port));
  const { portal: url, ca: caPath, setup = '' } = await run.ready();
  const at = { data, port, ca: readFileSync(caPath) };
  const certificate = () => readFileSync(join(data, 'public', 'server.crt'));

  await using first = await openBrowser({ ca: at.ca, certificate: certificate() });
  await setUp({ at, url, browser: first }, setup);
  await killOne(at, 'gateway');

  await using browser = await openBrowser({ ca: at.ca, certificate: certificate() });
  const admin = { at, url, browser };
  await signIn(browser.page, url, 'root@example.com', PASSWORD);
  await browser.page.getByRole('heading', { name: 'Members' }).waitFor();
  await killOne(at, 'gateway'); // the login outlives the connection it was made on
  const recovery = await enrol(admin);
  await killOne(at, 'jobs');
  const temporary = await createTess(admin);
  const memberUrl = browser.page.url();

  await using other = await openBrowser({ ca: at.ca, certificate: certificate() });
  await lockTessOut({ at, url, browser: other }, temporary);
  await browser.page.goto(memberUrl);
  await browser.screenshot('killed-locked-member');
  await browser.page.getByRole('button', { name: 'Unlock' }).click();
  await browser.page.getByText('enabled', { exact: true }).waitFor();
  await killOne(at, 'signer');
  await signIn(other.page, url, 'tess@example.com', CHOSEN);
  await other.page.getByTestId('queue-incoming').waitFor();

  await browser.page.getByText('Ada Root').first().click();
  await browser.page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(browser.page, url, 'root@example.com', PASSWORD);
  await browser.page.getByLabel('Code').fill(recovery);
  await browser.page.getByRole('button', { name: 'Go on' }).click();
  await browser.page.getByRole('heading', { name: 'Members' }).waitFor();
  await browser.screenshot('killed-members');
  t.is(await run.stop('SIGINT'), 0);
});
