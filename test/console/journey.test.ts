// A technician helps a customer: the whole way, in two browsers, on a whole appliance.
import test, { type ExecutionContext } from 'ava';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { BrowserCustomer, Technician } from './people.ts';

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

/** Lines, typing and a link, from one to the other and back. */
async function chatBothWays(t: ExecutionContext, technician: Technician, customer: BrowserCustomer): Promise<void> {
  const { page } = technician;
  await technician.write('Good morning. What can I do for you?');
  await technician.delivered(1);
  t.regex((await customer.lines(1)).join(), /What can I do for you\?/);
  await customer.page.locator('#chatText').pressSequentially('My printer');
  await page.getByText('Ada Lovelace is typing').waitFor();
  await customer.write('My printer prints question marks: https://example.com/printer <b>help</b>');
  await page.locator('.line.customer').waitFor();
  const link = page.locator('.line.customer a');
  t.is(await link.getAttribute('href'), 'https://example.com/printer');
  t.is(await link.getAttribute('rel'), 'noopener noreferrer');
}

/** A no, and a yes that the technician stops himself. */
async function askTwice(t: ExecutionContext, technician: Technician, customer: BrowserCustomer): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Ask: Send files' }).click();
  await technician.request('send-files', 'asked');
  await customer.answer('No');
  await page.locator('[data-action="send-files"]').getByText('The customer said no').waitFor();
  await page.getByRole('button', { name: 'Ask: See the screen' }).click();
  await technician.request('launch-desktop-viewing', 'asked');
  await customer.answer('Yes, allow');
  await technician.request('launch-desktop-viewing', 'running');
  await technician.look(t, 'session');
  await page.getByRole('button', { name: 'Stop: See the screen' }).click();
  await page.locator('[data-action="launch-desktop-viewing"]').getByText('Stopped by you').waitFor();
}

test.serial('E-02 E-03 D-02 B-04 from the PIN to the end: codes, chat both ways, a no, a yes, hold, end', async t => {
  t.timeout(300_000);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
  const { page } = technician;
  await technician.look(t, 'empty');
  const pin = await technician.makeSession('Ada Lovelace');
  t.regex(pin, /^\d{3} \d{3} \d{3}$/);
  await technician.look(t, 'waiting-for-the-customer');
  await using customer = await BrowserCustomer.enter(appliance, pin, { isWhole: true });

  const code = await technician.pickUp('Ada Lovelace');
  t.regex(code, /^\d{6}$/);
  t.is(code, await customer.code());
  await page.getByRole('button', { name: 'Codes match' }).click();
  await customer.page.getByRole('button', { name: 'It is the same' }).click();
  await page.getByText('Compared by both').waitFor();

  await chatBothWays(t, technician, customer);
  await askTwice(t, technician, customer);

  await page.keyboard.press('Alt+O');
  await page.getByTestId('session-state').getByText('On hold').waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByTestId('session-state').getByText('Active').waitFor();

  await page.setViewportSize({ width: 3840, height: 2160 });
  await technician.look(t, 'session-4k');
  await page.setViewportSize({ width: 1280, height: 720 });

  await page.keyboard.press('Alt+X');
  await technician.look(t, 'end');
  await page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click();
  await page.getByTestId('session-state').getByText('Closed').waitFor();
  await customer.page.getByText('What was done').waitFor();
  await technician.look(t, 'closed');
  t.deepEqual(technician.dialogs, []);
  t.deepEqual(technician.complaints, [], 'the page did not break its own policy');
});

test.serial(
  'J-02 E-03 a reload, a dead portal and a dead gateway: the session goes on, no line is lost or doubled',
  async t => {
    t.timeout(300_000);
    await using technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
    const { page } = technician;
    await using customer = await BrowserCustomer.enter(appliance, await technician.makeSession('Grace Hopper'), {
      isWhole: true,
    });
    await technician.pickUp('Grace Hopper');
    await technician.write('one');
    await technician.delivered(1);
    await customer.write('two');
    await page.locator('.line.customer').waitFor();

    await page.getByLabel('Message').fill('a draft that stays');
    await page.reload();
    await technician.linked();
    t.is(await page.getByLabel('Message').inputValue(), 'a draft that stays');
    await page.locator('.line .line-text').nth(1).waitFor(); // the log is asked for, the link does not wait for it
    t.deepEqual(await technician.lines(), ['one', 'two']);

    const { portal, gateway } = appliance.processes;
    await portal.kill('SIGKILL');
    await page.getByTestId('banner').getByText('can’t be reached').waitFor();
    await technician.look(t, 'portal-away');
    await technician.write('three');
    await customer.write('four');
    await portal.start();
    await page.locator('.banner.none').waitFor({ state: 'attached' });
    await technician.delivered(2);
    await page.locator('.line.customer').nth(1).waitFor();

    await gateway.restart('SIGKILL');
    await technician.write('five');
    await technician.delivered(3);
    const atCustomer = (await customer.lines(5)).map(line => /\b(one|two|three|four|five)\b/.exec(line)?.[1]);
    t.deepEqual(atCustomer.toSorted(), ['five', 'four', 'one', 'three', 'two']);
    t.deepEqual((await technician.lines()).toSorted(), ['five', 'four', 'one', 'three', 'two']);
    await customer.end();
    t.deepEqual(technician.complaints, []);
  },
);

test.serial('E-02 one tab of a browser has the console; another takes it over, whole', async t => {
  t.timeout(120_000);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
  const { page } = technician;
  await using customer = await BrowserCustomer.enter(appliance, await technician.makeSession('Alan Turing'), {
    isWhole: true,
  });
  await technician.pickUp('Alan Turing');
  const second = await technician.browser.context.newPage();
  await second.goto(`${appliance.url}/technician`);
  await second.getByText('open in another tab').waitFor();
  t.is(await page.locator('[data-testid="link-phase"]').getAttribute('data-phase'), 'open');
  await second.getByRole('button', { name: 'Use it here' }).click();
  await page.getByText('open in another tab').waitFor();
  await second.locator('[data-testid="link-phase"][data-phase="open"]').waitFor();
  await second.getByLabel('Message').fill('from the second tab');
  await second.getByLabel('Message').press('Enter');
  t.regex((await customer.lines(1)).join(), /from the second tab/);
  t.deepEqual(technician.complaints, []);
});
