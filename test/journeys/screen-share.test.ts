// A customer who stays in the browser shows something of his screen. The picture comes as any other does, and where it must be
// recorded his page holds it back as the program would.
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { BrowserCustomer, Technician } from '../console/people.ts';
import { savedPicture } from '../console/saved-picture.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';

const TITLE = 'what is shown';
/** A video has fewer shades than the screen. */
const NEAR = 24;

async function paint(page: Page, colour: string): Promise<void> {
  await page.evaluate(background => {
    document.documentElement.style.background = background;
  }, colour);
}

/** Resolves when the middle of the technician's picture has about this colour. */
async function shows(page: Page, red: number, green: number, blue: number): Promise<void> {
  for (;;) {
    const { rgb, width, height } = await savedPicture(page);
    const at = (Math.floor(height / 2) * width + Math.floor(width / 2)) * 3;
    if ([red, green, blue].every((wanted, index) => Math.abs((rgb[at + index] ?? 0) - wanted) < NEAR)) return;
  }
}

/** The recorder is killed: his page shows nothing more, and both are told why. When it is back, so is the picture. */
async function isHeldWithoutRecorder(
  t: ExecutionContext,
  { recorder }: Appliance['processes'],
  technician: Technician,
  [customer, shown]: readonly [customer: Page, shown: Page],
): Promise<void> {
  await customer.getByText('What is shown of your screen is being recorded.').waitFor();
  await recorder.kill('SIGKILL');
  await customer.getByText('Your screen is not shown at the moment: it must be recorded').waitFor();
  await technician.page.getByText('The recorder is not reached. It is tried again by itself.').first().waitFor();
  await technician.look(t, 'shared-tab-held');
  await paint(shown, 'rgb(240, 200, 20)');
  await technician.write('Can you hear me?');
  await customer.getByText('Can you hear me?').waitFor();
  await recorder.start();
  await customer.getByText('What is shown of your screen is being recorded.').waitFor();
  await shows(technician.page, 240, 200, 20);
}

test.serial('E-01 E-04 D-02 H-03 a customer without a download shows a tab, recorded, and takes it back', async t => {
  t.timeout(180_000);
  const rootPolicy = { forcedRecording: true, recordingFormat: 'rcrec' } as const;
  await using appliance = await startAppliance({ accounts: true, recorder: true, rootPolicy });
  await using technician = await Technician.open(appliance, appliance.accounts?.technician);
  const { page } = technician;
  const pin = await technician.makeSession('Grace Hopper');
  await using customer = await BrowserCustomer.enter(appliance, pin, {
    isWhole: true,
    flags: [`--auto-select-tab-capture-source-by-title=${TITLE}`],
  });
  const shown = await customer.browser.context.newPage();
  await shown.goto('about:blank');
  await shown.evaluate(title => {
    document.title = title;
  }, TITLE);
  await paint(shown, 'rgb(200, 30, 40)');
  await customer.page.bringToFront();
  await technician.pickUp('Grace Hopper');

  await page.getByRole('button', { name: 'See the screen', exact: true }).click();
  await customer.showsScreen(() => page.locator('.screen[data-phase="live"]').waitFor());
  await shows(page, 200, 30, 40);
  await technician.look(t, 'shared-tab');
  await shown.bringToFront();
  await paint(shown, 'rgb(20, 90, 210)');
  await shows(page, 20, 90, 210);
  await isHeldWithoutRecorder(t, appliance.processes, technician, [customer.page, shown]);

  await customer.page.bringToFront();
  await customer.page.getByRole('button', { name: 'Stop this: Your screen is being watched' }).click();
  await page.locator('.stage').getByText('Stopped by the customer').waitFor();
  const { bytes } = await appliance.processes.recorder.told('recording.finished');
  t.true(Number(bytes) > 1000);
  t.deepEqual(technician.complaints, []);
  // Chromium asks for the camera's policy on its own behalf when a tab is chosen; the page asks for none.
  const own = customer.browser.complaints.filter(complaint => !complaint.includes('camera is not allowed'));
  t.deepEqual(own, []);
});
