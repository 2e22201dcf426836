// The page of the directory, with a real slapd: nothing set, a test, a preview, an apply, and someone of it signing in.
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { CREDENTIALS } from '../../appliance/pki/password-files.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { inBothSchemes } from '../support/look.ts';
import { groupDn, Slapd } from '../support/slapd.ts';
import { look, signIn } from './portal-steps.ts';

/** IT puts a row into the mapping, tries what is typed, and takes it out again. */
async function changeInSettings(
  t: ExecutionContext,
  it: TestBrowser,
  { accounts, settingsUrl }: Appliance,
): Promise<void> {
  const { page } = it;
  await page.goto(settingsUrl);
  await page.getByLabel('Name', { exact: true }).fill(accounts?.settings?.loginId ?? '');
  await page.getByLabel('Password').fill(accounts?.settings?.password ?? '');
  await page.getByLabel('Password').press('Enter');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Directory' }).press('Enter');
  await page.getByRole('button', { name: 'Another row' }).press('Enter');
  t.is(await focused(page), 'Group of row 2', 'one goes on typing');
  await page.getByLabel('Group of row 2', { exact: true }).fill('cn=nobody,dc=example,dc=com');
  await page.getByLabel('Group of row 2', { exact: true }).press('Enter');
  await page.getByText('At least one role.').waitFor();
  await look(t, it, 'settings-directory-wrong');
  await page.getByRole('group', { name: 'Roles of row 2' }).getByLabel('auditor').press('Space');
  await page.getByRole('button', { name: 'Test' }).press('Enter');
  await page.getByText('of the mapping these are not there: cn=nobody').waitFor();
  await page.getByRole('button', { name: 'Take out row 2' }).press('Enter');
  await page.getByRole('button', { name: 'Take out row 2' }).waitFor({ state: 'detached' });
  t.is(await focused(page), 'Another row', 'there one goes on');
}

function focused(page: Page): Promise<string | null | undefined> {
  return page.evaluate(() => {
    const at = document.activeElement;
    return at?.getAttribute('aria-label') ?? at?.textContent;
  });
}

test('C-05 A-05 a master admin tests the directory, sees what a sync changes and applies it; then its people sign in', async t => {
  const people = ['Ann', 'Bob'].map(cn => ({
    cn,
    mail: `${cn.toLowerCase()}@example.com`,
    password: `${cn}-password`,
  }));
  await using slapd = await Slapd.start({ people, groups: { support: ['Ann'] } });
  const directory = slapd.config({
    servers: [`ldap://localhost:${slapd.ldapPort}`, 'ldaps://localhost:1'],
    mapping: [{ group: groupDn('support'), roles: ['technician'], technicianGroup: 'Everyone' }],
  });
  process.env[CREDENTIALS] = slapd.folder.path; // where systemd would have laid the password
  await using appliance = await startAppliance({ accounts: true, config: { directory } });
  await using admin = await openBrowser(appliance);
  const { page } = admin;
  const account = appliance.accounts?.['master-admin'];
  await signIn(page, appliance.url, account?.loginId ?? '', account?.password ?? '');
  await page.getByRole('navigation').getByRole('link', { name: 'Directory' }).click();
  await page.getByRole('button', { name: 'Test' }).click();
  await page.getByText('each group of the mapping is there').waitFor();
  await page.getByText('nobody listens there').waitFor();
  await inBothSchemes(t, admin, 'portal-directory-test');
  await page.getByRole('button', { name: 'Preview a sync' }).click();
  await page.getByRole('cell', { name: 'ann@example.com' }).waitFor();
  await inBothSchemes(t, admin, 'portal-directory-preview');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Yes' }).click();
  await page.getByText('Applied: 1 new').waitFor();
  await page.goto(`${appliance.url}/help/directory`);
  await inBothSchemes(t, admin, 'portal-help-directory');
  await page.goto(`${appliance.url}/admin/members`);
  await page.getByRole('link', { name: 'Ann', exact: true }).click();
  await page.getByText('All of it comes from the directory').waitFor();
  await inBothSchemes(t, admin, 'portal-member-of-directory');
  await changeInSettings(t, admin, appliance);
  t.deepEqual(
    admin.complaints.filter(text => !/status of 400/.test(text)),
    [],
  );
  await page.context().clearCookies();
  await signIn(page, appliance.url, 'ann@example.com', 'Ann-password');
  await page.waitForURL(/\/technician$/);
  await page.goto(`${appliance.url}/account`);
  await page.getByText('It is kept in the organisation’s directory.').waitFor();
});
