// What becomes of finished sessions and recordings, on the pages: an auditor fetches a film with the password he was shown, a master
// admin posts sessions to a CRM, and looks at what goes tonight before anything does.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { BrowserCustomer, Technician } from '../console/people.ts';
import { askSocket } from '../portal/ask-socket.ts';
import { TestShare } from '../recording/test-share.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { look, signIn } from './portal-steps.ts';

const OLD = 'finished/2020/01/01/080000-AAAAAAAAAAAAAAAAAAAAAA-BBBBBBBBBBBBBBBBBBBBBB';
type Role = 'master-admin' | 'auditor';

async function as(appliance: Appliance, role: Role): Promise<TestBrowser> {
  const browser = await openBrowser(appliance);
  const account = appliance.accounts?.[role];
  await signIn(browser.page, appliance.url, account?.loginId ?? '', account?.password ?? '');
  await browser.page.getByRole('navigation').getByRole('link', { name: 'Retention' }).waitFor();
  return browser;
}

/** Presses a button that asks first. */
async function pressAndConfirm(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Yes' }).click();
}

async function fetchFilm(t: ExecutionContext, at: Appliance, share: TestShare): Promise<void> {
  await using auditor = await as(at, 'auditor');
  const { page } = auditor;
  await page.goto(`${at.url}/account`);
  await page.locator('main').getByRole('link', { name: 'Recording share' }).click();
  await look(t, auditor, 'share-none');
  await page.getByRole('link', { name: 'Confirm' }).click();
  await page.getByLabel('Present password').fill(at.accounts?.auditor.password ?? '');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('button', { name: 'Make a share password' }).click();
  await page.getByRole('heading', { name: 'Share password' }).waitFor();
  await look(t, auditor, 'share-password');
  const password = (await page.locator('#share-password').textContent()) ?? '';
  await page.getByRole('link', { name: 'Done' }).click();
  await look(t, auditor, 'share');
  const name = (await page.locator('dd code').nth(2).textContent()) ?? '';
  share.names.push(name);
  const fetched = share.path('fetched');
  await share.client(name, `get 2026/film.rcrec ${fetched}`, {}, password);
  t.is(readFileSync(fetched, 'utf8'), 'the film');
  await pressAndConfirm(page, 'Give it up');
  await page.getByRole('button', { name: 'Make a share password' }).waitFor();
  t.regex(await share.client(name, 'ls', {}, password), /^refused/);
  t.deepEqual(auditor.complaints, []);
}

async function setUpPosts(t: ExecutionContext, admin: TestBrowser, url: string): Promise<void> {
  const { page } = admin;
  await page.goto(`${url}/admin/posts`);
  await look(t, admin, 'posts-empty');
  await page.getByLabel('Post ended sessions').check();
  await page.getByLabel('Address', { exact: true }).fill('http://crm.example.com/');
  await page.getByLabel('Secret').fill('shared-with-the-crm');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('It begins with https://').waitFor();
  await look(t, admin, 'posts-wrong');
  await page.getByLabel('Address', { exact: true }).fill('https://127.0.0.1:9/in');
  await page.getByLabel('Secret').fill('shared-with-the-crm');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  await page.getByRole('button', { name: 'Post a test now' }).click();
  await page.getByText('post.private-address').waitFor();
}

/** @returns its number */
async function endedSession(at: Appliance, page: Page): Promise<string> {
  await using technician = await Technician.open(at, at.accounts?.technician);
  await using customer = await BrowserCustomer.enter(at, await technician.makeSession('Grace Hopper'));
  await customer.end();
  const row = page.getByRole('row').filter({ hasText: 'post.private-address' });
  while ((await row.count()) === 0) await page.goto(`${at.url}/admin/posts`);
  return (await row.locator('code').first().textContent()) ?? '';
}

async function retention(t: ExecutionContext, at: Appliance, admin: TestBrowser, film: string, id: string) {
  const { page } = admin;
  await page.goto(`${at.url}/admin/members`);
  await page.getByRole('alert').getByRole('link', { name: 'Retention' }).click();
  await page.getByText('Nothing is deleted yet.').waitFor();
  await page.getByLabel('Session', { exact: true }).fill('not a session');
  await page.getByLabel('Reason').fill('case 4711');
  await page.getByRole('button', { name: 'Set the hold' }).click();
  await page.getByText('22 characters').waitFor();
  await page.getByLabel('Session', { exact: true }).fill(id);
  await page.getByRole('button', { name: 'Set the hold' }).click();
  await page.getByRole('row').filter({ hasText: 'case 4711' }).waitFor();
  await look(t, admin, 'retention');
  const tonight = async () => {
    const { status } = await askSocket(
      join(at.dataFolder, 'run', 'portal-internal.sock'),
      'POST',
      '/internal/retention',
    );
    t.is(status, 200);
  };
  await tonight();
  t.true(existsSync(film), 'not before it was confirmed');
  await pressAndConfirm(page, 'Confirm that old data may be deleted');
  await page.getByText('will be deleted').waitFor();
  await look(t, admin, 'retention-confirmed');
  await tonight();
  t.false(existsSync(film));
  await pressAndConfirm(page, 'Release the hold');
  await page.getByText('No session is under a hold.').waitFor();
}

async function erases(t: ExecutionContext, at: Appliance, admin: TestBrowser, id: string) {
  const { page } = admin;
  await page.goto(`${at.url}/auditor/sessions/${id}`);
  await page.getByLabel('Reason').fill('The customer asked for it.');
  await page.getByLabel('Type the first 6 characters').fill('wrong');
  await look(t, admin, 'session-erase');
  await page.getByRole('button', { name: 'Erase for good' }).press('Enter');
  await page.getByText('Type the first 6 characters of the session’s number, as').waitFor();
  await page.getByLabel('Type the first 6 characters').fill(id.slice(0, 6));
  await page.getByLabel('Type the first 6 characters').press('Enter');
  await page.getByText('This session was erased on').waitFor();
  t.is(await page.getByText('Grace Hopper').count(), 0);
  await look(t, admin, 'session-erased');
}

test.serial(
  'H-04 G-05 G-06 K-01 an auditor fetches a film; sessions are posted; what is old goes when it was confirmed; one is erased',
  async t => {
    t.timeout(240_000);
    await using share = await TestShare.start();
    mkdirSync(share.path(OLD, '..'), { recursive: true });
    const film = share.path(`${OLD}.rcrec`);
    writeFileSync(film, 'an old film');
    const config = { recording: { folder: share.folder.path } };
    await using appliance = await startAppliance({ accounts: true, config, helper: share.path('run', 'helper.sock') });
    await fetchFilm(t, appliance, share);
    await using admin = await as(appliance, 'master-admin');
    await setUpPosts(t, admin, appliance.url);
    const id = await endedSession(appliance, admin.page);
    await look(t, admin, 'posts');
    await retention(t, appliance, admin, film, id);
    await erases(t, appliance, admin, id);
    for (const topic of ['share', 'posts', 'retention', 'erasure']) {
      await admin.page.goto(`${appliance.url}/help/${topic}`);
      await look(t, admin, `help-${topic}`);
    }
    t.deepEqual(
      admin.complaints.filter(text => !text.includes('Failed to load resource')),
      [],
    );
  },
);
