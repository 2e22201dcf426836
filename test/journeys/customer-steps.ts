// What a customer does with the program, from the first page to its window, for the journeys.
import { once } from 'node:events';
import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { Desktop } from '../applet/desktop.ts';
import type { Technician } from '../console/people.ts';
import type { Appliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { shownCode } from '../support/shown-code.ts';

/** Types the PIN on the first page and downloads the program. @returns where it lies, as a file of the customer's */
export async function download(appliance: Appliance, desktop: Desktop, pin: string): Promise<string> {
  await using browser = await openBrowser({ ...appliance, width: 1280, height: 900 });
  const { page } = browser;
  await page.goto(appliance.url);
  await page.getByLabel('PIN').pressSequentially(pin.replaceAll(' ', ''));
  await browser.screenshot('main-job-pin');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('heading', { name: /invites you/ }).waitFor();
  await browser.screenshot('main-job-invitation');
  const coming = page.waitForEvent('download');
  await page.getByRole('button', { name: /Download for Linux/ }).click();
  const program = join(desktop.home, 'remote-support');
  await (await coming).saveAs(program);
  chmodSync(program, 0o755);
  chownSync(program, desktop.uid, desktop.uid);
  return program;
}

/** The customer reads the question, and answers as soon as it takes an answer. */
export async function answer(page: Page, question: string, button: 'Yes, allow' | 'No'): Promise<void> {
  await page.getByText(question).waitFor();
  await page.getByRole('button', { name: button, exact: true }).click();
}

export async function compareCodes(
  t: ExecutionContext,
  technician: Technician,
  window: Page,
  code: string,
): Promise<void> {
  t.is(await shownCode(window.locator('#shortString')), code);
  await technician.page.getByRole('button', { name: 'Codes match' }).click();
  await window.getByRole('button', { name: 'It is the same' }).click();
  await technician.page.getByText('Compared by both').waitFor();
}

/** The applet as its customer starts it: its window waits for a technician. */
export async function startApplet(desktop: Desktop, program: string) {
  const applet = desktop.run(program);
  const { browser, page: window } = await desktop.window();
  await window.getByRole('button', { name: 'Start' }).click();
  await window.getByText('Waiting for a technician').waitFor();
  const close = async () => {
    const ended = once(applet, 'exit');
    await window.close();
    const how = await ended;
    await browser.close();
    return how;
  };
  return { window, close };
}
