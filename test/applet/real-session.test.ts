// The walking path with nothing in anybody's place but the console's page: a real appliance, a real download, the real applet
// on a customer's desktop with his browser, and a link over the real relay.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { post } from '../portal/ask-as.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { shownCode } from '../support/shown-code.ts';
import { ApiTechnician } from './api-technician.ts';
import { BuiltApplets } from './built-applet.ts';
import { Desktop } from './desktop.ts';

const SCREENSHOTS = resolve(import.meta.dirname, '../../test-output/screenshots');
let appliance: Appliance;
let built: BuiltApplets;

test.before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  appliance = await startAppliance({ accounts: true, gateways: 2 });
  built = await BuiltApplets.buildFor(appliance);
});
test.after.always(async () => {
  built?.[Symbol.dispose]();
  await appliance?.close();
});

/** What the customer's browser would save. */
async function download(link: string, path: string): Promise<void> {
  const answer = await post(appliance, `${new URL(link).pathname}/download`, { platform: 'linux-x64' });
  if (answer.status !== 200) throw new Error(`the download gave ${answer.status}: ${answer.text().slice(0, 400)}`);
  writeFileSync(path, answer.body, { mode: 0o755 });
}

/** Invited, downloaded, started, and waiting. */
async function waiting(desktop: Desktop) {
  desktop.installBrowser();
  const technician = await ApiTechnician.signIn(appliance);
  const { session, link } = await technician.make();
  const program = join(desktop.home, 'support');
  await download(link, program);
  const applet = desktop.run(program);
  const { browser, page } = await desktop.window();
  await page.getByRole('button', { name: 'Start' }).click();
  await page.getByText('Waiting for a technician').waitFor();
  return { technician, id: session.id, applet, browser, page };
}

/** The customer reads the question, and says yes, as soon as it takes an answer. */
async function sayYes(page: Page, question: string): Promise<void> {
  await page.getByText(question).waitFor();
  await page.getByRole('button', { name: 'Yes, allow' }).click();
}

async function closeWindow(t: ExecutionContext, { applet, browser, page }: Awaited<ReturnType<typeof waiting>>) {
  const ended = once(applet, 'exit');
  await page.close();
  t.deepEqual(await ended, [0, null]);
  await browser.close();
}

function reportOn(desktop: Desktop): { logHead: string; technicians: string[] } {
  const state = join(desktop.home, '.local/state');
  const folder = join(state, readdirSync(state)[0] ?? '');
  const report = readdirSync(folder).find(name => name.endsWith('-report.json')) ?? '';
  return JSON.parse(readFileSync(join(folder, report), 'utf8'));
}

test.serial('F-01 F-03 E-01 B-03 D-02 G-07 from the link to the report, on a real appliance', async t => {
  t.timeout(180_000);
  await using desktop = await Desktop.open();
  const at = await waiting(desktop);
  const { technician, id, page } = at;
  t.is((await technician.session(id)).state, 'waiting');
  await technician.step(id, 'pick-up');
  const console = await technician.connect(id);
  await page.getByText('A technician is here').waitFor();
  t.is(await shownCode(page.locator('#shortString')), console.link.shortString);
  console.say('Good morning, how can I help?');
  await page.getByText('Good morning, how can I help?').waitFor();
  const request = await console.request('launch-desktop-viewing');
  await sayYes(page, 'Show your screen?');
  await page.getByText('Your screen is being watched').waitFor();
  await console.told(request, 'started');
  t.deepEqual(console.about(request), ['asked', 'answer:yes', 'started']);

  // Nobody at the screen: control stops, as the group's policy is when nobody has changed it.
  const control = await console.request('launch-remote-control');
  await sayYes(page, 'Allow control of this computer?');
  await page.getByText('Your computer is being controlled').waitFor();
  execFileSync('xset', ['s', 'activate'], { env: desktop.environment });
  await page.getByText('Your computer is being controlled').waitFor({ state: 'hidden' });
  await console.told(control, 'end:customer:customer-away');
  execFileSync('xset', ['s', 'reset'], { env: desktop.environment });

  // The portal starts anew: what runs goes on, and the applet finds its way back.
  await appliance.processes.portal.restart('SIGKILL');
  await page.getByText('connection to the support servers was lost').waitFor({ state: 'detached' });
  await page.getByText('Your screen is being watched').waitFor();
  console.say('Still here?');
  await page.getByText('Still here?').waitFor();

  await technician.step(id, 'hold');
  await page.getByText('The technician has paused').waitFor();
  await page.getByText('Your screen is being watched').waitFor({ state: 'hidden' });
  await technician.step(id, 'resume');
  await page.getByText('The technician has paused').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'End everything' }).click();
  await page.getByText('Viewing the screen: allowed once').waitFor();
  await page.screenshot({ path: join(SCREENSHOTS, 'real-session-report.png') });
  await closeWindow(t, at);
  t.is((await technician.session(id)).state, 'closed');
  const { logHead, technicians } = reportOn(desktop);
  t.regex(logHead, /"hash":"/);
  t.is(technicians.length, 1);
});

test.serial('D-05 F-01 the same program without a tag, by PIN; the PIN is good once', async t => {
  t.timeout(180_000);
  await using desktop = await Desktop.open();
  desktop.installBrowser();
  const technician = await ApiTechnician.signIn(appliance);
  const { session, pin } = await technician.make();
  const program = join(desktop.home, 'support');
  writeFileSync(program, readFileSync(built.of('linux-x64').path), { mode: 0o755 });
  const applet = desktop.run(program);
  const { browser, page } = await desktop.window();
  await page.getByLabel('Code from the technician').fill('000 000 000');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('That code does not work').waitFor();
  await page.getByLabel('Code from the technician').fill(pin);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Waiting for a technician').waitFor();
  t.is((await technician.session(session.id)).state, 'waiting');
  const ended = once(applet, 'exit');
  applet.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
  await browser.close();
  t.is((await technician.session(session.id)).state, 'closed');
});

test.serial('J-02 a gateway is killed in mid-chat: link and own leg go on by the other, nothing is lost', async t => {
  t.timeout(180_000);
  await using desktop = await Desktop.open();
  const at = await waiting(desktop);
  const { technician, id, page } = at;
  await technician.step(id, 'pick-up');
  const console = await technician.connect(id);
  const first = technician.gateway;
  await console.link.attachPath(await technician.openPath(id, 'attach', [first]));
  t.not(technician.gateway, first);
  console.say('before');
  await page.getByText('before', { exact: true }).waitFor();
  const killed = appliance.gateways[Number(first.slice(-1)) - 1];
  await killed?.kill('SIGKILL');
  console.say('afterwards');
  await page.getByText('afterwards', { exact: true }).waitFor();
  await page.getByLabel('Your message').fill('I am still here');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText('sending…').waitFor({ state: 'detached' });
  t.is(console.link.state.state, 'open');
  const request = await console.request('send-files'); // the own leg has a way to the appliance, too
  await sayYes(page, 'Accept a file?');
  await page.getByText('A file is being put onto your computer').waitFor();
  t.is(console.about(request).at(-1), 'started');
  await killed?.start();
  await page.getByRole('button', { name: 'End everything' }).click();
  await page.getByText('Files to this computer: allowed once').waitFor();
  await closeWindow(t, at);
});
