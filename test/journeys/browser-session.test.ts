// The whole way without a download, on a real appliance: PIN, claim, pick-up, codes, chat, a question, the end.
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { TestFirefox } from '../support/firefox.ts';
import { look } from '../support/look.ts';
import { shownCode } from '../support/shown-code.ts';

const WIDE = { width: 1280, height: 720 };

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

/** A technician in his console, with a session he has just made. @returns the PIN as it is shown to him */
async function makeSession(page: Page): Promise<string> {
  const { url, accounts } = appliance;
  await page.goto(`${url}/sign-in`);
  await page.getByLabel('Login id').fill(accounts?.technician.loginId ?? '');
  await page.getByLabel('Password').fill(accounts?.technician.password ?? '');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/technician|account/);
  await page.goto(`${url}/technician`);
  await page.getByRole('button', { name: 'New session' }).first().click();
  await page.getByLabel('Customer’s name').fill('Carl');
  await page.getByRole('button', { name: 'Make PIN' }).click();
  const pin = await page.getByTestId('pin').first().textContent();
  await page.getByRole('button', { name: 'Done' }).click();
  return pin ?? '';
}

async function enter(page: Page, pin: string): Promise<void> {
  await page.goto(appliance.url);
  await page.getByLabel('PIN').fill(pin);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('button', { name: 'Stay in the browser' }).click();
}

/** The technician picks up; both see the same code. */
async function pickUp(t: ExecutionContext, technician: Page, codeOf: () => Promise<string>): Promise<void> {
  await technician.getByRole('button', { name: 'Pick up' }).first().click();
  const shown = await shownCode(technician.getByTestId('short-string'));
  t.is(shown.length, 6, shown);
  t.is(await codeOf(), shown);
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: /message/i }).fill(text);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
}

async function chatBothWays(technician: Page, customer: Page): Promise<void> {
  await say(technician, 'Good morning, what is wrong?');
  await customer.getByText('Good morning, what is wrong?').waitFor();
  await say(customer, 'The printer <b>is</b> gone');
  await technician.getByText('The printer <b>is</b> gone').waitFor(); // as it was typed: nobody makes markup of it
}

/** The technician asks to send a file; the customer says no. */
async function askAndRefuse(t: ExecutionContext, technician: Page, customer: TestBrowser): Promise<void> {
  await technician.getByRole('button', { name: 'Ask: Send files' }).click();
  const question = customer.page.getByRole('dialog', { name: 'Accept a file?' });
  await question.waitFor();
  await look(t, customer, 'browser-entry-question');
  await customer.page.getByRole('button', { name: 'No', exact: true }).click();
  await question.waitFor({ state: 'hidden' });
}

/** The report says what was asked and answered, and no word of the chat. */
async function endAndKeepReport(t: ExecutionContext, customer: TestBrowser): Promise<void> {
  const { page } = customer;
  await page.getByRole('button', { name: 'End everything' }).first().click();
  await page.getByRole('heading', { name: 'What was done' }).waitFor();
  await look(t, customer, 'browser-entry-report');
  const [report] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save this report' }).click(),
  ]);
  const kept = JSON.parse(readFileSync(await report.path(), 'utf8'));
  t.is(kept.technicians.length, 1);
  t.deepEqual(kept.rights, [{ action: 'send-files', allowed: 0, refused: 1, seconds: 0 }]);
  t.regex(report.suggestedFilename(), /^support-session-.*\.json$/);
  t.false(JSON.stringify(kept).includes('printer'));
}

test.serial('E-01 B-04 E-03 D-02 K-04 without a download: from the PIN over the link to the report', async t => {
  t.timeout(240_000);
  await using helping: TestBrowser = await openBrowser({ ...appliance, ...WIDE });
  await using customer: TestBrowser = await openBrowser({ ...appliance, ...WIDE });
  const { page } = customer;
  await enter(page, await makeSession(helping.page));
  await page.getByRole('heading', { name: 'Waiting for a technician' }).waitFor();
  await look(t, customer, 'browser-entry-waiting');
  await pickUp(t, helping.page, () => shownCode(page.locator('#shortString')));
  await look(t, customer, 'browser-entry-active');
  await chatBothWays(helping.page, page);
  await page.getByRole('button', { name: 'It is the same' }).click();
  await look(t, customer, 'browser-entry-chat');
  await askAndRefuse(t, helping.page, customer);
  await endAndKeepReport(t, customer);
  await helping.page.getByRole('textbox', { name: /message/i }).waitFor({ state: 'hidden' }); // nobody is there any more
  t.deepEqual([...customer.complaints, ...helping.complaints], []);
});

test.serial('E-01 E-11 the same in Firefox: codes are equal, and chat goes both ways', async t => {
  t.timeout(240_000);
  await using helping: TestBrowser = await openBrowser({ ...appliance, ...WIDE });
  await using firefox = await TestFirefox.open({ ca: appliance.ca, ...WIDE });
  const pin = await makeSession(helping.page);
  await firefox.goto(appliance.url);
  await firefox.evaluate(`document.querySelector('input[name=pin]').value = '${pin}'`);
  await firefox.press('Go on');
  await firefox.press('Stay in the browser');
  await firefox.shows('End everything');
  await pickUp(t, helping.page, async () => {
    await firefox.until(`/\\d/.test(document.getElementById('shortString')?.textContent)`);
    return String(await firefox.evaluate(`document.getElementById('shortString').textContent.replace(/\\D/g, '')`));
  });
  await say(helping.page, 'Good morning');
  await firefox.shows('Good morning');
  await firefox.evaluate(`(() => {
    const field = document.getElementById('chatText');
    field.value = 'Hello from Firefox';
    field.form.requestSubmit();
  })()`);
  await helping.page.getByText('Hello from Firefox').waitFor();
  await firefox.screenshot('firefox-chat');
  await firefox.press('End everything');
  await firefox.shows('What was done');
  t.pass();
});
