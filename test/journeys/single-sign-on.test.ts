// Single sign-on with a real identity provider, Debian's SimpleSAMLphp: set up on the page, a first login that makes an
// account, confirming at the provider, logout both ways, and a console that ends at a flick.
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { post, signInAs } from '../portal/ask-as.ts';
import { type Account, type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { inBothSchemes, look } from '../support/look.ts';
import { SimpleSamlPhp } from '../support/simplesamlphp.ts';
import { signIn } from './portal-steps.ts';

const ann = {
  uid: 'ann-4711',
  password: 'ann-there',
  mail: 'ann@example.com',
  name: 'Ann Example',
  groups: ['staff', 'helpdesk'],
};

async function signInThere(page: Page): Promise<void> {
  await page.locator('#username').fill(ann.uid);
  await page.locator('#password').fill(ann.password);
  await page.locator('#password').press('Enter');
}

/** From the empty page to a provider that is on. @returns its page */
async function setUp(t: ExecutionContext, browser: TestBrowser, metadata: string): Promise<{ provider: string }> {
  const { page } = browser;
  await page.getByRole('navigation').getByRole('link', { name: 'Single sign-on' }).click();
  await page.getByText('No identity provider is set.').waitFor();
  await page.getByLabel('Name on the button').fill('Example login');
  const file = { name: 'there.xml', mimeType: 'text/xml', buffer: Buffer.from(metadata) };
  await page.getByLabel('Its metadata file').setInputFiles(file);
  await page.locator('#f-metadata[data-from="there.xml"]').waitFor();
  await look(t, browser, 'portal-single-sign-on');
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('heading', { name: 'Example login' }).waitFor();
  await page.getByLabel('Mail domains').fill('example.com');
  await page.getByLabel('Login id').fill('mail');
  await page.getByLabel('Name', { exact: true }).fill('displayName');
  await page.getByLabel('Make an account at the first login').check();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Saved.' }).waitFor();
  await page.getByRole('button', { name: 'Another row' }).click();
  await page.getByLabel('Attribute with the groups').fill('groups');
  await page.getByLabel('Group of row 1', { exact: true }).fill('helpdesk');
  for (const role of ['technician', 'auditor'])
    await page.locator('#mapping').getByRole('checkbox', { name: role }).check();
  await page.getByRole('button', { name: 'Another row' }).click();
  await page.getByLabel('Group of row 2', { exact: true }).fill('leads');
  await page.getByRole('button', { name: 'Save the rows' }).click();
  await page.getByText('Tick at least one role.').waitFor();
  await look(t, browser, 'portal-identity-provider');
  await page.getByRole('button', { name: 'Take out row 2' }).click();
  await page.getByRole('button', { name: 'Save the rows' }).click();
  await page.getByRole('status').filter({ hasText: 'Saved.' }).waitFor();
  const provider = new URL(page.url()).pathname;
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.getByRole('button', { name: 'Switch Example login off' }).waitFor();
  return { provider };
}

/** Gives the admin's own account an SSO id. @returns the account's id */
async function giveSsoId(t: ExecutionContext, browser: TestBrowser): Promise<string> {
  const { page } = browser;
  await page.getByRole('navigation').getByRole('link', { name: 'Members' }).click();
  await page.getByRole('link', { name: 'Demo master admin' }).click();
  await page.locator('main').getByRole('link', { name: 'SSO id' }).click();
  await page.getByLabel('SSO id').fill('boss-1');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'The SSO id is on' }).waitFor();
  await inBothSchemes(t, browser, 'portal-sso-id');
  return /members\/([\w-]{22})\//.exec(page.url())?.[1] ?? '';
}

/** An open console ends when the provider is switched off; then single sign-on is made the only way in. */
async function flick(t: ExecutionContext, browser: TestBrowser, appliance: Appliance, of: Flicked): Promise<void> {
  const { page } = browser;
  const { url } = appliance;
  await page.getByTestId('queue-incoming').waitFor();
  const master = { cookie: await signInAs(appliance, of.account), origin: url, 'sec-fetch-site': 'same-origin' };
  const startedAt = performance.now();
  t.is((await post(appliance, `${of.provider}/off`, {}, master)).status, 303);
  await page.getByText('You are signed out').waitFor();
  t.log(`an open console ended after ${Math.round(performance.now() - startedAt)} ms`);
  t.is((await post(appliance, `${of.provider}/on`, {}, master)).status, 303);
  const seen = JSON.stringify({ isForced: false, breakGlassId: null });
  const rule = { isForced: 'on', breakGlassId: of.memberId, seen };
  t.is((await post(appliance, '/admin/single-sign-on/rule', rule, master)).status, 303);
  await page.goto(`${url}/sign-in`);
  await page.getByText('Emergency access with a password').click();
  await page.getByLabel('Login id').waitFor();
  await inBothSchemes(t, browser, 'portal-sign-in-only-way');
}

interface Flicked {
  readonly provider: string;
  readonly memberId: string;
  readonly account: Account | undefined;
}

test('C-04 an admin sets up a provider; a technician signs in by it, confirms by it, is put out by a flick, and is signed out both ways', async t => {
  t.timeout(180_000);
  await using appliance = await startAppliance({ accounts: true });
  const { url } = appliance;
  await using there = await SimpleSamlPhp.start((await appliance.fetch('/saml/metadata')).text(), [ann]);
  await using browser = await openBrowser({ ...appliance, others: [there] });
  const { page } = browser;
  const account = appliance.accounts?.['master-admin'];
  await signIn(page, url, account?.loginId ?? '', account?.password ?? '');
  const { provider } = await setUp(t, browser, await there.metadata());
  const memberId = await giveSsoId(t, browser);
  t.deepEqual(
    browser.complaints.filter(one => !one.includes('status of 400')), // the row without a role
    [],
  );

  await page.context().clearCookies();
  await page.goto(`${url}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with Example login' }).waitFor();
  await look(t, browser, 'portal-sign-in-single-sign-on');
  await page.getByRole('button', { name: 'Sign in with Example login' }).click();
  await signInThere(page);
  await page.waitForURL(/\/technician$/);
  await page.goto(`${url}/account`);
  await page.getByText('you sign in by single sign-on').waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Audit' }).waitFor(); // as its group says

  await page.goto(`${url}/account/confirm?next=passkeys`);
  await page.getByRole('button', { name: 'Go on to Example login' }).waitFor();
  await inBothSchemes(t, browser, 'portal-confirm-single-sign-on');
  await page.getByRole('button', { name: 'Go on to Example login' }).click();
  await signInThere(page); // signed in there as well, and asked once more all the same
  await page.waitForURL(/\/account\/passkeys$/);

  await page.locator('details.menu summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${url}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with Example login' }).click();
  await signInThere(page); // signed out there, too
  await page.waitForURL(/\/technician$/);
  await flick(t, browser, appliance, { provider, memberId, account });
  await page.getByRole('button', { name: 'Sign in with Example login' }).click();
  await page.waitForURL(/\/technician$/); // still signed in there
  await page.goto(`${there.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${there.url}/logout.php`);
  await page.waitForURL(/\/logout\.php/);
  await page.goto(`${url}/account`);
  await page.waitForURL(`${url}/sign-in`);
  await page.goto(`${url}/help/single-sign-on`);
  await inBothSchemes(t, browser, 'portal-help-single-sign-on');
});
