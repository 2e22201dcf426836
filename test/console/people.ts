// What a technician and a customer do in their browsers.
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { Account, Appliance } from '../support/appliance.ts';
import { type BrowserOptions, openBrowser, type TestBrowser } from '../support/chromium.ts';
import { inBothSchemes } from '../support/look.ts';
import { shownCode } from '../support/shown-code.ts';

export class Technician implements AsyncDisposable {
  readonly browser: TestBrowser;
  readonly page: Page;
  readonly #dialogs: string[] = [];

  private constructor(browser: TestBrowser) {
    this.browser = browser;
    this.page = browser.page;
    this.page.on('dialog', dialog => {
      this.#dialogs.push(dialog.message());
      void dialog.dismiss();
    });
  }

  /** Signed in, with the console loaded. */
  static async open(
    appliance: Appliance,
    account: Account | undefined,
    browser: Partial<BrowserOptions> = {},
  ): Promise<Technician> {
    if (account === undefined) throw new Error('the appliance was started without accounts');
    const technician = new Technician(await openBrowser({ ...appliance, width: 1280, height: 720, ...browser }));
    const { page } = technician;
    await page.goto(`${appliance.url}/sign-in`);
    await page.getByLabel('Login id').fill(account.loginId);
    await page.getByLabel('Password').fill(account.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByTestId('queue-incoming').waitFor();
    await page.locator('.banner.none').waitFor({ state: 'attached' });
    return technician;
  }

  /** What pages must never show: alerts, prompts. */
  get dialogs(): readonly string[] {
    return this.#dialogs;
  }

  /** What the console has complained of, but what a portal that is away makes it say. */
  get complaints(): readonly string[] {
    return this.browser.complaints.filter(text => !/Failed to load resource|WebSocket connection to/.test(text));
  }

  /** @returns the PIN, as it is read out */
  async makeSession(name: string): Promise<string> {
    await this.page.keyboard.press('Alt+N');
    await this.page.getByLabel('Customer’s name').fill(name);
    await this.page.getByRole('button', { name: 'Make PIN' }).click();
    const pin = await this.page.getByRole('dialog').getByTestId('pin').textContent();
    await this.page.getByRole('button', { name: 'Done' }).click();
    return pin ?? '';
  }

  /** @returns the code to compare, six digits */
  async pickUp(name: string): Promise<string> {
    await this.page.getByRole('button', { name: `Pick up ${name}` }).click();
    await this.linked();
    return shownCode(this.page.getByTestId('short-string'));
  }

  async linked(): Promise<void> {
    await this.page.locator('[data-testid="link-phase"][data-phase="open"]').waitFor();
  }

  async write(text: string): Promise<void> {
    await this.page.getByLabel('Message').fill(text);
    await this.page.getByLabel('Message').press('Enter');
  }

  /** Resolves when that many own lines have arrived at the customer's. */
  async delivered(count: number): Promise<void> {
    await this.page
      .locator('.line.technician .delivery.delivered')
      .nth(count - 1)
      .waitFor();
  }

  /** Texts of the chat, in order. */
  lines(): Promise<string[]> {
    return this.page.locator('.line .line-text').allInnerTexts();
  }

  /** Waits for what became of a request. */
  async request(action: string, state: string): Promise<void> {
    await this.page.locator(`[data-request="${action}"][data-state="${state}"]`).waitFor();
  }

  /** No fault by axe-core in either scheme; a picture of each. */
  async look(t: ExecutionContext, name: string): Promise<void> {
    await inBothSchemes(t, this.browser, `console-${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}

/** A customer who stays in the browser. */
export class BrowserCustomer implements AsyncDisposable {
  readonly browser: TestBrowser;
  readonly page: Page;

  private constructor(browser: TestBrowser, page = browser.page) {
    this.browser = browser;
    this.page = page;
  }

  static async enter(
    appliance: Appliance,
    pin: string,
    browser: Partial<BrowserOptions> = {},
  ): Promise<BrowserCustomer> {
    const customer = new BrowserCustomer(await openBrowser({ ...appliance, width: 900, height: 800, ...browser }));
    const { page } = customer;
    await page.goto(`${appliance.url}/pin`);
    await page.getByLabel('PIN').fill(pin);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('button', { name: 'Stay in the browser' }).click();
    await page.getByText('Waiting for a technician').waitFor();
    return customer;
  }

  /**
   * By a channel's button on a page of an intranet.
   * @param seen looks at the channel's page, and at that of his place in the line
   */
  static async press(
    appliance: Appliance,
    html: string,
    said: { readonly name: string; readonly question: string },
    seen: (browser: TestBrowser, page: Page, name: string) => Promise<void>,
  ): Promise<BrowserCustomer> {
    const browser = await openBrowser({ ...appliance, width: 900, height: 800 });
    await browser.page.setContent(`<h1>Intranet</h1>${html}`);
    const [page] = await Promise.all([browser.page.waitForEvent('popup'), browser.page.getByRole('link').click()]);
    const customer = new BrowserCustomer(browser, page);
    await page.getByLabel('Your name').fill(said.name);
    await page.getByLabel('What is it about?').fill(said.question);
    await seen(browser, page, 'channel');
    await page.getByRole('button', { name: 'Wait for a technician' }).click();
    await page.getByRole('heading', { name: 'a place in the line is yours' }).waitFor();
    await seen(browser, page, 'channel-place');
    await page.getByRole('button', { name: 'Stay in the browser' }).click();
    await page.getByText('Waiting for a technician').waitFor();
    return customer;
  }

  async write(text: string): Promise<void> {
    await this.page.locator('#chatText').fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  /** Texts of the chat, in order; resolves when there are that many. */
  async lines(count: number): Promise<string[]> {
    const lines = this.page.locator('#chatLines > li');
    await lines.nth(count - 1).waitFor();
    return lines.allInnerTexts();
  }

  /** The code to compare, six digits. */
  code(): Promise<string> {
    return shownCode(this.page.locator('#shortString'));
  }

  /** Waits, as a click does, until the question takes an answer: not in its first moment. */
  async answer(answer: 'Yes, allow' | 'No'): Promise<void> {
    await this.page.getByRole('button', { name: answer, exact: true }).click();
  }

  /** Says yes to showing his screen; where that is too long ago for the browser to ask, he presses the button to be asked. */
  async showsScreen(shown: () => Promise<void>): Promise<void> {
    await this.answer('Yes, allow');
    const choose = this.page.getByRole('button', { name: 'Choose what to show' });
    const isAskedAgain = await Promise.race([shown().then(() => false), choose.waitFor().then(() => true)]);
    if (!isAskedAgain) return;
    await choose.click();
    await shown();
  }

  async end(): Promise<void> {
    await this.page.getByRole('button', { name: 'End everything' }).click();
    await this.page.getByRole('heading', { name: 'What was done' }).waitFor();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}
