// The main job, as its people do it, with nothing in anybody's place: a technician in his browser, a customer who types the PIN,
// downloads the program and runs it on his own desktop, and an auditor who checks the log on another machine afterwards.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import type { Page } from 'playwright-core';
import { BuiltApplets } from '../applet/built-applet.ts';
import { Desktop } from '../applet/desktop.ts';
import { BrowserCustomer, Technician } from '../console/people.ts';
import { own, post, signInAs } from '../portal/ask-as.ts';
import { type Appliance, ROOT, startAppliance } from '../support/appliance.ts';
import { GatewayCapture } from '../support/gateway-capture.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { answer, compareCodes, download, startApplet } from './customer-steps.ts';

let appliance: Appliance;
test.before(async () => {
  appliance = await startAppliance({ accounts: true });
});
test.after.always(() => appliance?.close());

async function askTwice(technician: Technician, window: Page): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Ask: Send files' }).click();
  await answer(window, 'Accept a file?', 'No');
  await page.locator('[data-action="send-files"]').getByText('The customer said no').waitFor();
  await page.getByRole('button', { name: 'Ask: See the screen' }).click();
  await answer(window, 'Show your screen?', 'Yes, allow');
  await technician.request('launch-desktop-viewing', 'running');
  await window.getByText('Your screen is being watched').waitFor();
}

/** As an auditor: the export, and a verifier that has nothing of the appliance but the public key. */
async function verifyLog(): Promise<{ ok: boolean; lines: string[] }> {
  using folder = new TempFolder();
  const headers = { ...own(appliance), cookie: await signInAs(appliance, appliance.accounts?.auditor) };
  const exported = await post(appliance, '/admin/audit/export', {}, headers);
  const key = await appliance.fetch('/admin/audit/log-head.pub', { headers });
  const [log, pub] = [join(folder.path, 'log.jsonl'), join(folder.path, 'log-head.pub')];
  writeFileSync(log, exported.body);
  writeFileSync(pub, key.body);
  const verifier = join(ROOT, 'appliance/bin/verify-log.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [verifier, '--log', log, '--key', pub], {
    cwd: folder.path,
  });
  return { ok: JSON.parse(stdout).ok, lines: exported.text().trim().split('\n') };
}

/** Events of the one session in the log, in order. */
function eventsOf(lines: readonly string[]): string[] {
  const entries = lines
    .map(line => JSON.parse(line))
    .filter(entry => entry.type === 'entry' && entry.sessionId !== null);
  return entries.map(({ event }) => event);
}

function filesOf(desktop: Desktop): { log: string; report: string } {
  const state = join(desktop.home, '.local/state');
  const folder = join(state, readdirSync(state)[0] ?? '');
  const read = (isIt: (name: string) => boolean) =>
    readFileSync(join(folder, readdirSync(folder).find(isIt) ?? ''), 'utf8');
  return {
    log: read(name => name.endsWith('.log') || name.endsWith('.jsonl')),
    report: read(name => name.endsWith('-report.json')),
  };
}

/** Of what must stand in the log in this order, what doesn't. */
function missing(events: readonly string[], wanted: readonly string[]): readonly string[] {
  let at = 0;
  for (const event of events) if (event === wanted[at]) at++;
  return wanted.slice(at);
}

/** Chat with a word of each that nobody in between may see. @returns hers and his */
async function chat(technician: Technician, window: Page): Promise<string[]> {
  const [hers, his] = [0, 1].map(() => `marker-${randomBytes(9).toString('hex')}`);
  await technician.write(`Good morning ${his}`);
  await technician.delivered(1);
  await window.getByText(`Good morning ${his}`).waitFor();
  await window.locator('#chatText').fill(`My printer ${hers}`);
  await window.getByRole('button', { name: 'Send' }).click();
  await technician.page.locator('.line.customer').getByText(`My printer ${hers}`).waitFor();
  return [String(hers), String(his)];
}

/** @returns which of these words the gateway has read or written; what is no secret of a session must be among its calls */
async function seenBy(capture: GatewayCapture, words: readonly string[]): Promise<string[]> {
  const control = `marker-${randomBytes(9).toString('hex')}`;
  await appliance.fetch(`/help/${control}`);
  const calls = await capture.stop();
  if (!calls.includes(control)) throw new Error('the capture is blind');
  return words.filter(word => calls.includes(word));
}

async function holdAndEnd({ page }: Technician, window: Page): Promise<void> {
  await page.keyboard.press('Alt+O');
  await window.getByText('The technician has paused').waitFor();
  await window.getByText('Your screen is being watched').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByTestId('session-state').getByText('Active').waitFor();
  await page.keyboard.press('Alt+X');
  await page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click();
  await window.getByText('What was done').waitFor();
}

const STORY = [
  ...['session.created', 'session.pin-used', 'session.download', 'session.claimed', 'session.picked-up'],
  ...['session.link-started', 'session.codes-compared', 'chat.line', 'action.refused', 'action.granted'],
  ...['action.started', 'session.held', 'session.resumed', 'session.ended'],
];

test.serial(
  'E-01 F-01 F-02 F-03 B-02 B-04 D-02 D-07 E-02 E-03 G-01 G-03 G-07 the main job, from PIN to proof',
  async t => {
    t.timeout(240_000);
    using _built = await BuiltApplets.buildFor(appliance);
    await using desktop = await Desktop.open();
    desktop.installBrowser();
    await using technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
    const program = await download(appliance, desktop, await technician.makeSession('Ada Lovelace'));
    const { window, close } = await startApplet(desktop, program);

    const capture = await GatewayCapture.start(appliance.processes.gateway.pid ?? 0);
    await compareCodes(t, technician, window, await technician.pickUp('Ada Lovelace'));
    const words = await chat(technician, window);
    await askTwice(technician, window);
    await window.screenshot({ path: 'test-output/screenshots/main-job-window.png' });
    await technician.browser.screenshot('main-job-console');
    t.deepEqual(await seenBy(capture, words), []);

    await holdAndEnd(technician, window);
    t.deepEqual(await close(), [0, null]);
    const { ok, lines } = await verifyLog();
    t.true(ok);
    t.deepEqual(missing(eventsOf(lines), STORY), [], eventsOf(lines).join(' '));
    const { log, report } = filesOf(desktop);
    t.regex(log, /"event":"technician-connected"/);
    t.false(
      words.some(word => log.includes(word)),
      'no chat text stays on the computer',
    );
    t.regex(JSON.parse(report).logHead, /"hash":"/);
    t.deepEqual(technician.complaints, []);
  },
);

test.serial('E-01 B-03 G-01 without a download the gateway sees no word of the chat either', async t => {
  t.timeout(180_000);
  await using technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
  await using customer = await BrowserCustomer.enter(appliance, await technician.makeSession('Grace Hopper'), {
    isWhole: true,
  });
  const capture = await GatewayCapture.start(appliance.processes.gateway.pid ?? 0);
  t.is(await technician.pickUp('Grace Hopper'), await customer.code());
  const words = await chat(technician, customer.page);
  t.deepEqual(await seenBy(capture, words), []);
  t.true((await verifyLog()).ok);
});
