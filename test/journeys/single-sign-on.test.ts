// Single sign-on with a real identity provider, Debian's SimpleSAMLphp: set up on the page, a first login that makes an
// account, confirming at the provider, and logout both ways.
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { inBothSchemes, look } from '../support/look.ts';
import { SimpleSamlPhp } from '../support/simplesamlphp.ts';
import { signIn } from './portal-steps.ts';

const ann = { uid: 'ann-4711', password: 'ann-there', mail: 'ann@example.com', name: 'Ann Example' };

async function signInThere(page: Page): Promise<void> {
  await page.locator('#username').fill(ann.uid);
  await page.locator('#password').fill(ann.password);
  await page.locator('#password').press('Enter');
}

/** From the empty page to a provider that is on. */
async function setUp(t: ExecutionContext, browser: TestBrowser, metadata: string): Promise<void> {
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
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('status').filter({ hasText: 'Saved.' }).waitFor();
  await look(t, browser, 'portal-identity-provider');
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.getByRole('button', { name: 'Switch Example login off' }).waitFor();
}

test('C-04 an admin sets up a provider; a technician signs in by it, confirms by it, and is signed out both ways', async t => {
  t.timeout(180_000);
  await using appliance = await startAppliance({ accounts: true });
  const { url } = appliance;
  await using there = await SimpleSamlPhp.start((await appliance.fetch('/saml/metadata')).text(), [ann]);
  await using browser = await openBrowser({ ...appliance, others: [there] });
  const { page } = browser;
  const account = appliance.accounts?.['master-admin'];
  await signIn(page, url, account?.loginId ?? '', account?.password ?? '');
  await setUp(t, browser, await there.metadata());
  t.deepEqual(browser.complaints, []);

  await page.context().clearCookies();
  await page.goto(`${url}/sign-in`);
  await page.getByRole('button', { name: 'Sign in with Example login' }).waitFor();
  await look(t, browser, 'portal-sign-in-single-sign-on');
  await page.getByRole('button', { name: 'Sign in with Example login' }).click();
  await signInThere(page);
  await page.waitForURL(/\/technician$/);
  await page.goto(`${url}/account`);
  await page.getByText('you sign in by single sign-on').waitFor();
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
  await page.goto(`${there.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${there.url}/logout.php`);
  await page.waitForURL(/\/logout\.php/);
  await page.goto(`${url}/account`);
  await page.waitForURL(`${url}/sign-in`);
  await page.goto(`${url}/help/single-sign-on`);
  await inBothSchemes(t, browser, 'portal-help-single-sign-on');
});
