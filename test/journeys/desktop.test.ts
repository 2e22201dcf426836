// A technician sees and controls a customer's desktop, with nothing in anybody's place: the signed program on a real X display
// with two monitors, a real editor, and the console in Chromium.
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { BuiltApplets } from '../applet/built-applet.ts';
import type { Desktop } from '../applet/desktop.ts';
import { Editor } from '../applet/editor.ts';
import { Technician } from '../console/people.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { answer, compareCodes, download, startApplet } from './customer-steps.ts';
import {
  asksToControl,
  asksToSee,
  comesTrue,
  drag,
  isExact,
  openDesktop,
  place,
  press,
  quiet,
  types,
  xdotool,
} from './desktop-steps.ts';
import { look, signIn } from './portal-steps.ts';

const TEXT = 'abc ABC !"$%/() äöüß éñ € ж 中';

/** Drags the window by its title, with the button held all the way. */
async function dragsTheWindow(t: ExecutionContext, page: Page, desktop: Desktop): Promise<void> {
  const where = await place(desktop, [400, 300, 700, 400]);
  // Asked for is not yet done: under load the window still stands where it was.
  await comesTrue(page, async () => {
    const [left = 0, top = 0] = await where();
    return Math.abs(left - 400) < 60 && Math.abs(top - 300) < 60 ? null : `the window stands at ${left}, ${top}`;
  });
  const [x = 0, y = 0] = await where();
  await drag(page, [x + 350, y - 10], [x + 550, y + 140]);
  // On the technician's page a pixel is more than two of the customer's.
  const isThere = ([left = 0, top = 0]: number[]) => Math.abs(left - x - 200) < 12 && Math.abs(top - y - 150) < 12;
  await comesTrue(page, async () => {
    await quiet(desktop, page);
    const now = await where();
    return isThere(now) ? null : `the window went from ${x}, ${y} to ${now.join(', ')}`;
  });
  t.pass();
  await place(desktop, [0, 0, 1920, 1080]);
}

/** The customer's mouse stands over the picture where it stands on his desktop. */
async function showsThePointer(t: ExecutionContext, page: Page, desktop: Desktop): Promise<void> {
  const pointer = page.locator('.customer-pointer');
  const [x, y] = [960, 300];
  // Pushed, not put: a pointer that some program puts somewhere is not the customer's hand.
  await xdotool(desktop, 'mousemove', '100', '100', 'mousemove_relative', String(x - 100), String(y - 100));
  await pointer.waitFor();
  const [tip, canvas] = [await pointer.boundingBox(), await page.locator('.picture canvas').boundingBox()];
  if (tip === null || canvas === null) throw new Error('there is no picture');
  const scale = canvas.width / 1920;
  t.true(Math.abs(tip.x - canvas.x - x * scale) <= 2 && Math.abs(tip.y - canvas.y - y * scale) <= 2);
}

/** However much else the bar holds, what stops it all stands in its first line. */
async function stopsInTheFirstLine(t: ExecutionContext, page: Page): Promise<void> {
  const bar = page.getByRole('toolbar', { name: 'Screen' });
  const parts = [bar.getByRole('button', { name: 'Stop viewing' }), bar.getByTestId('screen-mode')];
  const [stop, first] = await Promise.all(parts.map(part => part.boundingBox()));
  t.true(stop && first && Math.abs(stop.y + stop.height / 2 - first.y - first.height / 2) < 4);
}

/** The customer takes the control back; what is typed from then on reaches nothing. */
async function takesBack(t: ExecutionContext, { page }: Technician, window: Page, desktop: Desktop): Promise<void> {
  const control = window.getByRole('button', { name: 'Stop this: Your computer is being controlled' });
  await control.evaluate((button: HTMLElement) => button.click()); // it lies under the editor
  await types(page, 'NOT ANY MORE');
  await page.getByTestId('screen-mode').getByText('View only').waitFor();
  await types(page, 'NOR NOW');
  await isExact(t, page, desktop);
}

/** By keyboard, with one yes: recorded, paused, and on. Both see it all the time. */
async function recordsWithAPause(
  t: ExecutionContext,
  technician: Technician,
  window: Page,
  desktop: Desktop,
): Promise<void> {
  const { page } = technician;
  const sign = page.getByTestId('recording');
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await answer(window, 'Record this session?', 'Yes, allow');
  await sign.getByText('Recording', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Pause recording' }).press('Enter');
  await sign.getByText('Recording paused since').waitFor();
  await window.getByText('what is shown of your screen now is not recorded').waitFor();
  await page.locator('.screen[data-phase="live"]').waitFor();
  await technician.look(t, 'recording-paused');
  const goOn = page.getByRole('button', { name: 'Go on recording' });
  t.true(await goOn.evaluate(button => button === document.activeElement), 'the focus stays where it is');
  await goOn.press('Enter');
  await sign.getByText('Recording', { exact: true }).waitFor();
  await window.getByText('What is shown of your screen is being recorded.').waitFor();
  await page.locator('.screen[data-phase="live"]').waitFor();
  await place(desktop, [0, 0, 1920, 1080]); // over the window that counts seconds
  await isExact(t, page, desktop);
  await page.getByRole('button', { name: 'Stop recording' }).press('Enter');
  await sign.waitFor({ state: 'detached' });
}

/** Both films are whole, and an auditor sees that they are parts of one, and when nothing was recorded. */
async function isOneOfTwoParts(t: ExecutionContext, appliance: Appliance): Promise<void> {
  const { recorder } = appliance.processes;
  const { stream } = await recorder.told('recording.finished');
  const { sessionId } = await recorder.told('recording.finished', one => one.stream !== stream);
  await using auditor = await openBrowser(appliance);
  const { page } = auditor;
  const { loginId = '', password = '' } = appliance.accounts?.auditor ?? {};
  await signIn(page, appliance.url, loginId, password);
  await page.goto(`${appliance.url}/auditor/sessions/${String(sessionId)}`);
  const table = page.getByRole('region', { name: 'Recordings' });
  t.is(await table.getByText('whole').count(), 2);
  await table.getByText(/Paused \d\d:\d\d:\d\d–\d\d:\d\d:\d\d \(0:\d\d\) by/).waitFor();
  await page.getByRole('button', { name: 'Play recording 2' }).click();
  await page.getByRole('heading', { name: 'Recording 2, part 2 of 2' }).waitFor();
  await look(t, auditor, 'film-parts');
  t.deepEqual(auditor.complaints, []);
}

test.serial(
  'E-04 D-01 D-02 D-04 D-07 H-01 J-02 the customer’s desktop: seen exactly, controlled, taken back, recorded with a pause',
  async t => {
    t.timeout(280_000);
    const rootPolicy = { pauseRecording: true, recordingFormat: 'rcrec' } as const;
    await using appliance = await startAppliance({
      ...{ accounts: true, gateways: 2, recorder: true, rootPolicy },
      rootPermissions: { 'record-sessions': 'grant' },
    });
    using _built = await BuiltApplets.buildFor(appliance);
    await using desktop = await openDesktop();
    await using technician = await Technician.open(appliance, appliance.accounts?.technician);
    const { page } = technician;
    const program = await download(appliance, desktop, await technician.makeSession('Ada Lovelace'));
    const { window } = await startApplet(desktop, program);
    await compareCodes(t, technician, window, await technician.pickUp('Ada Lovelace'));
    await asksToSee(technician, window);
    const editor = await Editor.open(desktop, 'notes.txt');
    await place(desktop, [0, 0, 1920, 1080]); // over the window that counts seconds
    await isExact(t, page, desktop);
    await showsThePointer(t, page, desktop);
    await stopsInTheFirstLine(t, page);
    await technician.look(t, 'desktop-seen');
    await recordsWithAPause(t, technician, window, desktop);
    await isOneOfTwoParts(t, appliance);

    await asksToControl(technician, window);
    await place(desktop, [0, 0, 1920, 1080]);
    await press(page, 900, 500);
    await page.getByTestId('keys-go').getByText('Keys go to').waitFor();
    await types(page, TEXT);
    await page.keyboard.press('Control+s');
    t.is(await editor.saved(), TEXT);
    await isExact(t, page, desktop);
    await dragsTheWindow(t, page, desktop);
    await stopsInTheFirstLine(t, page);
    await technician.look(t, 'desktop-controlled');

    const active = /gateway-(\d)/.exec((await page.locator('.screen-status').textContent()) ?? '')?.[1];
    await appliance.gateways[Number(active) - 1]?.kill('SIGKILL');
    await xdotool(desktop, 'type', 'after the gateway was killed');
    await isExact(t, page, desktop);
    await takesBack(t, technician, window, desktop);
    await xdotool(desktop, 'key', 'ctrl+s');
    await isExact(t, page, desktop);
    t.false((await editor.saved()).includes('NO'));
    await window
      .getByRole('button', { name: 'End everything' })
      .first()
      .evaluate((button: HTMLElement) => button.click());
    await window.getByText('What was done').waitFor();
    t.deepEqual(technician.complaints, []);
  },
);
