// A channel from its making to its entries in the log: an admin makes it, a customer comes by its button, the technicians who
// serve it see him and nobody else does, a session is handed to it.
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { BrowserCustomer, type Technician } from '../console/people.ts';
import type { Appliance } from '../support/appliance.ts';
import type { TestBrowser } from '../support/chromium.ts';
import { look as lookAt } from '../support/look.ts';
import { look } from './portal-steps.ts';

const NAME = 'Grace Hopper';
const QUESTION = 'The printer\neats my paper.';

interface People {
  readonly appliance: Appliance;
  readonly admin: TestBrowser;
  /** In the group Helpdesk, or below it. */
  readonly technician: Technician;
}

/** @param otherGroup one the technician is not in */
export async function runChannel(t: ExecutionContext, people: People, otherGroup: string): Promise<void> {
  const { appliance, admin, technician } = people;
  const html = await makeChannel(t, admin);
  await look(t, admin, 'channel-settings');
  const said = { name: NAME, question: QUESTION };
  await using customer = await BrowserCustomer.press(appliance, html, said, (browser, page, name) =>
    lookAt(t, browser, `customer-${name}`, page),
  );
  await technician.page.getByRole('button', { name: /^Grace Hopper.*Printers.*The printer/s }).click();
  await technician.look(t, 'channel-line');
  await seenByOthersAlone(admin.page, technician.page, otherGroup);
  t.is(await technician.pickUp(NAME), await customer.code());
  await handToChannel(t, technician);
  await customer.page.getByText('Waiting for a technician').waitFor();
  t.is(await technician.pickUp(NAME), await customer.code(), 'a new link, a new code');
  await findInLog(t, admin);
}

/** @returns the HTML of its button */
async function makeChannel(t: ExecutionContext, admin: TestBrowser): Promise<string> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Channels' }).click();
  await page.getByText('There is no channel yet').waitFor();
  await page.getByRole('link', { name: 'New channel' }).click();
  await page.getByLabel('Name').fill('Printers');
  await page.getByLabel('Greeting').fill('Paper, toner, jams.');
  await page.getByRole('checkbox', { name: 'Helpdesk', exact: true }).check();
  await look(t, admin, 'new-channel');
  await page.getByRole('button', { name: 'Create channel' }).click();
  await page.getByText('The channel is there.').waitFor();
  return page.getByLabel('HTML to paste').inputValue();
}

/** Served by another group the line is gone from his console; by his own again, it is back. */
async function seenByOthersAlone(admin: Page, technician: Page, otherGroup: string): Promise<void> {
  const row = technician.getByRole('button', { name: `Pick up ${NAME}` });
  const serve = async (group: string, instead: string) => {
    await admin.getByRole('checkbox', { name: instead, exact: true }).uncheck();
    await admin.getByRole('checkbox', { name: group, exact: true }).check();
    await admin.getByRole('button', { name: 'Save', exact: true }).click();
    await admin.getByText('Saved. It holds at once.').waitFor();
  };
  await serve(otherGroup, 'Helpdesk');
  await row.first().waitFor({ state: 'detached' });
  await serve('Helpdesk', otherGroup);
  await row.first().waitFor();
}

async function handToChannel(t: ExecutionContext, technician: Technician): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Hand over' }).click();
  const channel = page.getByRole('dialog').getByRole('button', { name: /^Printers/ });
  await channel.waitFor();
  await technician.look(t, 'hand-over');
  await channel.click();
  await page.getByText('It waits in Printers now.').waitFor();
}

async function findInLog(t: ExecutionContext, admin: TestBrowser): Promise<void> {
  const { page } = admin;
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Audit log' }).click();
  await page.getByLabel('Sessions of channel').selectOption('Printers');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('cell', { name: 'session.queued' }).waitFor();
  t.is(
    await page.getByRole('cell', { name: 'session.created' }).count(),
    1,
    'of the session of the PIN there is nothing',
  );
  await look(t, admin, 'audit-by-channel');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Channels' }).click();
  await look(t, admin, 'channels');
}
