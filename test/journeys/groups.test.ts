// A master admin who sees the tree of groups for the first time: makes a group, denies it the file manager, puts a technician
// into it; the technician's console, which is in a session, follows. Then a channel, and a customer who comes by its button.
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { BrowserCustomer, Technician } from '../console/people.ts';
import { startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { runChannel } from './channel-steps.ts';
import { look, signIn } from './portal-steps.ts';

/** A change reaches live sessions and consoles. */
const CHANGES_WITHIN_MS = 5000;
const NAME = 'Ada Lovelace';

/** By keyboard alone, from any page. */
async function createGroup(page: Page, name: string, before?: () => Promise<void>): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Groups' }).press('Enter');
  await page.getByRole('link', { name: 'New group' }).press('Enter');
  await before?.();
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Name').press('Enter');
  await page.getByText('The group is there.').waitFor();
}

async function setFileManager(page: Page, setting: 'grant' | 'deny'): Promise<void> {
  await page.getByRole('group', { name: 'File manager' }).getByLabel(setting).check();
  await page.getByRole('button', { name: 'Save permissions' }).click();
  await page.getByText('Saved. It holds at once').waitFor();
}

async function dragInto(page: Page, name: string, into: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Groups' }).click();
  const branch = (of: string) => page.locator(`.branch[data-name="${of}"]`);
  await branch(name).locator('.grip').dragTo(branch(into));
  await page.getByRole('dialog').getByRole('button', { name: 'Yes' }).click();
  await page.getByText('Moved. What it inherits').waitFor();
  await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: into }).waitFor();
}

/** Ticked in the list of members, and moved into the group below. */
async function moveInList(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  await page.getByRole('link', { name: 'Members' }).click();
  const ticked = page.locator('tbody input:checked');
  await page.getByRole('checkbox', { name: 'All on this page' }).check();
  t.true((await ticked.count()) > 1);
  await page.getByRole('checkbox', { name: 'All on this page' }).uncheck();
  t.is(await ticked.count(), 0);
  await page.getByRole('checkbox', { name: /^Demo technician/ }).check();
  await page.getByLabel('or into').selectOption('Helpdesk › Night shift');
  await look(t, admin, 'members');
  await page.getByRole('button', { name: 'Move' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Yes' }).click();
  await page.getByText('Moved: 1.').waitFor();
  await page.getByRole('link', { name: 'Demo technician' }).click();
  await page.getByRole('heading', { name: 'Technician group' }).waitFor();
  await look(t, admin, 'member-in-group');
}

/** A file with a mistake is refused by its line; the mended one is looked at, then applied. */
async function importMembers(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  const read = async (...lines: readonly string[]) => {
    const buffer = Buffer.from(['loginId,name,roles,group', ...lines].join('\n'));
    await page.getByLabel('CSV file').setInputFiles({ name: 'members.csv', mimeType: 'text/csv', buffer });
    await page.getByRole('button', { name: 'Look at what would change' }).click();
  };
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Members' }).click();
  await page.getByRole('link', { name: 'Import and export' }).click();
  await read('zoe@example.com,Zoë,technician,Nowhere');
  await page
    .getByRole('row', { name: /^2 zoe@example.com/ })
    .filter({ hasText: 'there is no such group' })
    .waitFor();
  await read('zoe@example.com,Zoë,technician,Helpdesk');
  await page
    .getByRole('row', { name: /^2 zoe@example.com/ })
    .filter({ hasText: 'Everyone → Helpdesk' })
    .waitFor();
  await look(t, admin, 'member-import');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Yes' }).click();
  await page.getByText('Applied: 1 new').waitFor();
  await page.getByRole('row', { name: /^zoe@example.com/ }).waitFor();
  await isAskedWho(t, admin);
}

/** Before several are changed at once, who and how many are named. */
async function isAskedWho(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Members' }).click();
  const boxes = page.locator('input[data-ticked]:not(:disabled)');
  const names = await boxes.evaluateAll(all => all.map(one => one.getAttribute('data-ticked')));
  const asked = async () => {
    await page.getByRole('button', { name: 'Disable' }).click();
    const dialog = page.getByRole('dialog');
    const question = await dialog.locator('p').textContent();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    return question;
  };
  const zoe = page.getByRole('row', { name: /zoe@example.com/ }).getByRole('checkbox');
  await zoe.check();
  t.is(await asked(), 'Disable Zoë? All their logins end at once.');
  await page.locator('input[data-tick-all]').check();
  t.true(names.length > 3, 'enough for “more”');
  const told = `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
  t.is(await asked(), `Disable ${names.length} members: ${told}? All their logins end at once.`);
}

/** Two groups are ticked, one permission is set for both: looked at first, then done. */
async function changeSeveral(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Groups' }).click();
  for (const name of ['Helpdesk', 'Night shift'])
    await page.getByRole('checkbox', { name, exact: true }).press('Space');
  await page.getByLabel('Permission', { exact: true }).selectOption('Restart the computer');
  await page.getByLabel('Permission is set to').selectOption('deny');
  await look(t, admin, 'groups');
  await page.getByRole('button', { name: 'Set permission' }).press('Enter');
  await page.getByText('Nothing is changed yet.').waitFor();
  await look(t, admin, 'groups-bulk');
  await page.getByRole('button', { name: 'Do it to 2 groups' }).press('Enter');
  await page.getByText('Done: 2 groups changed.').waitFor();
}

/** Until his customer is asked: the console hears of what is granted a moment before the customer's page does, and may hear a no. */
async function asksForFiles(technician: Technician, customer: Page): Promise<void> {
  const question = customer.getByRole('dialog', { name: 'Show your files?' });
  const ask = technician.page.getByRole('button', { name: 'Ask: Look at files' });
  while (!(await question.isVisible())) await ask.click({ timeout: 300 }).catch(() => undefined); // there is none while one is asked
}

test('D-01 D-08 E-01 E-02 G-04 a first-time admin makes a group, denies it the file manager and puts a technician in; his live console follows; a customer comes by a channel and is found in the log by it', async t => {
  t.timeout(300_000);
  await using appliance = await startAppliance({ accounts: true });
  const { technician: account, 'master-admin': master } = appliance.accounts ?? {};
  await using technician = await Technician.open(appliance, account);
  await using customer = await BrowserCustomer.enter(appliance, await technician.makeSession(NAME));
  t.is(await technician.pickUp(NAME), await customer.code());
  const row = technician.page.locator('[data-action="launch-file-manager"]');

  await using admin = await openBrowser(appliance);
  const { page } = admin;
  await signIn(page, appliance.url, master?.loginId ?? '', master?.password ?? '');
  await page.getByRole('link', { name: 'Groups' }).click();
  await page.getByRole('link', { name: 'Everyone' }).click();
  await setFileManager(page, 'grant');
  const grantedAt = performance.now();
  await asksForFiles(technician, customer.page);
  t.true(performance.now() - grantedAt < CHANGES_WITHIN_MS, 'what is granted may be asked for on the link there is');
  await customer.answer('No');

  await createGroup(page, 'Helpdesk', () => look(t, admin, 'new-group'));
  await setFileManager(page, 'deny');
  await page
    .getByRole('row', { name: /^File manager/ })
    .filter({ hasText: 'denied by Helpdesk' })
    .waitFor();
  await look(t, admin, 'group');
  await page.getByRole('link', { name: 'Technicians', exact: true }).click();
  await page.getByRole('link', { name: 'Find technicians to put here' }).click();
  await page.getByRole('checkbox', { name: 'Demo technician' }).check();
  await look(t, admin, 'group-technicians');
  const startedAt = performance.now();
  await page.getByRole('button', { name: 'Put the ticked into Helpdesk' }).click();
  await row.locator('.why').filter({ hasText: 'denied by Helpdesk' }).waitFor();
  const tookMs = Math.round(performance.now() - startedAt);
  t.true(tookMs < CHANGES_WITHIN_MS, `the console followed after ${tookMs} ms`);
  await technician.linked();
  await page.getByRole('checkbox', { name: 'Demo technician' }).waitFor(); // there he stands now
  await page.getByRole('link', { name: 'Put technicians in' }).waitFor();

  await createGroup(page, 'Night shift');
  await dragInto(page, 'Night shift', 'Helpdesk');
  await changeSeveral(t, admin);

  await moveInList(t, admin);
  await importMembers(t, admin);
  await createGroup(page, 'Paris');
  await runChannel(t, { appliance, admin, technician }, 'Paris');
  t.deepEqual([admin.complaints, technician.complaints], [[], []]);
});
