import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { readOwnTag } from '../../appliance/applet/own-tag.ts';
import type { Platform } from '../../appliance/applet/tag-place.ts';
import { sessionGuidFrom } from '../../appliance/guid.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { gatewayToken, sha256 } from '../../appliance/sessions/session-secrets.ts';
import { BuiltApplets } from '../applet/built-applet.ts';
import { type CustomerPages, type OpenPagesOptions, openCustomerPages, TINA } from '../customer/open-pages.ts';
import { installer, TestApplet } from '../sessions/open-sessions.ts';
import { type BrowserOptions, openBrowser, type TestBrowser } from '../support/chromium.ts';
import { look } from '../support/look.ts';
import { startEdge } from '../support/test-edge.ts';

/** The pages behind the real edge, and a browser before it. */
async function open(t: ExecutionContext, options: OpenPagesOptions = {}, browsing: Partial<BrowserOptions> = {}) {
  const at = await openCustomerPages(options);
  const edge = await startEdge({ portal: at.portal.handle });
  const certificate = readFileSync(join(edge.folder, 'public/server.crt'));
  const ca = Buffer.from(edge.authority.certificate);
  const browser = await openBrowser({ width: 1280, height: 720, ca, certificate, ...browsing });
  t.teardown(async () => {
    await browser.close();
    await edge.close();
    await at.close();
  });
  return { at, browser, page: browser.page, url: `https://localhost:${edge.ports.edge}` };
}

const PRINTERS = {
  name: 'Printers',
  greeting: 'Toner, jams.',
  awayText: 'Monday to Friday\nfrom 8 to 17',
  isEnabled: true,
};

/** With nobody there, full, refused, and of a link that leads nowhere. */
async function lookAtChannel(t: ExecutionContext, at: CustomerPages, { page, ...browser }: TestBrowser, url: string) {
  const { channels, sessions, statuses } = at.support;
  const rules = { maxWaiting: 1, groupIds: [ROOT_GROUP_ID] };
  const channel = await channels.create(installer, { ...PRINTERS, ...rules });
  const see = (name: string) => look(t, { ...browser, page }, `customer-channel-${name}`);
  await page.goto(`${url}/c/${channel.link}`);
  await page.getByRole('heading', { name: 'Nobody is here just now' }).waitFor();
  await see('nobody');
  await statuses.set(TINA, 'available');
  await page.getByRole('link', { name: 'Look again' }).click();
  await page.getByLabel('Your name').fill('Carl');
  await statuses.set(TINA, 'away');
  await page.getByRole('button', { name: 'Wait for a technician' }).click();
  await page.getByText('What you typed is still below').waitFor();
  t.is(await page.getByLabel('Your name').inputValue(), 'Carl');
  await see('nobody-any-more');
  await statuses.set(TINA, 'available');
  await sessions.createInChannel(TINA, channel, { name: 'Ada', question: '', language: null });
  await page.goto(`${url}/c/${channel.link}`);
  await page.getByRole('heading', { name: 'All places in the line are taken' }).waitFor();
  await see('full');
  await page.goto(`${url}/c/AAAAAAAAAAAAAAAAAAAAAA`);
  await see('lost');
}

async function typePin(page: Page, pin: string): Promise<void> {
  await page.getByLabel('PIN').fill('');
  await page.getByLabel('PIN').pressSequentially(pin);
  await page.getByRole('button', { name: 'Go on' }).click();
}

test.serial('E-01 D-05 a customer types his PIN, mistypes it first, and reaches his invitation', async t => {
  t.timeout(120_000);
  const { at, browser, page, url } = await open(t);
  await at.prepareProgram();
  const { pin } = await at.invite();
  await page.goto(url);
  await look(t, browser, 'customer-home');
  await page.keyboard.type(pin); // the field has the focus
  t.is(await page.getByLabel('PIN').inputValue(), pin.replace(/\d{3}(?=\d)/g, '$& ')); // in groups of three
  const wrong = `${pin.slice(0, -1)}${(Number(pin.at(-1)) + 1) % 10}`;
  await typePin(page, wrong);
  await page.getByText('This PIN is not valid').waitFor();
  t.is((await page.getByLabel('PIN').inputValue()).replaceAll(' ', ''), wrong);
  await look(t, browser, 'customer-wrong-pin');
  await typePin(page, pin);
  await page.getByRole('heading', { name: 'Tina Technician of Kestrel Works invites you' }).waitFor();
  await look(t, browser, 'customer-invitation');
  await page.goto(`${url}/help/genuine`);
  await look(t, browser, 'help-genuine');
  await page.goto(`${url}/s/AAAAAAAAAAAAAAAAAAAAAA`);
  await look(t, browser, 'customer-lost');
  await lookAtChannel(t, at, browser, url);
  t.deepEqual(
    browser.complaints.filter(text => !/status of (403|404|409)/.test(text)),
    [],
  );
});

test.serial('E-01 a PIN can be pasted with its blanks, and changed in its middle', async t => {
  t.timeout(120_000);
  const { at, page, url } = await open(t);
  const { pin } = await at.invite();
  await page.goto(url);
  const field = page.getByLabel('PIN');
  await field.evaluate(
    (input: HTMLInputElement, text) => {
      input.focus();
      document.execCommand('insertText', false, text); // as a paste does
    },
    ` ${pin.slice(0, 4)}-${pin.slice(4)}`,
  );
  const grouped = pin.replace(/\d{3}(?=\d)/g, '$& ');
  t.is(await field.inputValue(), grouped);
  await field.evaluate((input: HTMLInputElement) => input.setSelectionRange(5, 5));
  await page.keyboard.press('Backspace');
  await page.keyboard.type(pin[3] ?? '');
  t.is(await field.inputValue(), grouped);
  t.is(await field.evaluate((input: HTMLInputElement) => input.selectionStart), 5);
  t.is(await field.getAttribute('inputmode'), 'numeric');
});

test.serial('E-01 without any script a PIN and a channel’s button lead in too', async t => {
  t.timeout(120_000);
  const { at, browser, page, url } = await open(t, {}, { runsScripts: false });
  const { pin } = await at.invite();
  const channel = await at.support.channels.create(installer, {
    ...PRINTERS,
    maxWaiting: 5,
    groupIds: [ROOT_GROUP_ID],
  });
  await at.support.statuses.set(TINA, 'available');
  await page.goto(`${url}/c/${channel.link}`);
  await page.getByLabel('Your name').fill('Carl');
  await page.getByRole('button', { name: 'Wait for a technician' }).click();
  await page.getByRole('heading', { name: 'a place in the line is yours' }).waitFor();
  await page.goto(url);
  await typePin(page, pin);
  await page.getByText('The program is being prepared').waitFor();
  await browser.screenshot('customer-preparing');
  await at.prepareProgram();
  await page.getByRole('button', { name: 'Download for Linux' }).waitFor(); // the page looked again by itself
  t.is(await page.getByText('being prepared').count(), 0);
});

test.serial('D-05 a customer beside a guesser reads that he is to wait, and nothing he typed is lost', async t => {
  t.timeout(120_000);
  const { at, browser, page, url } = await open(t);
  await at.invite();
  const timer = setInterval(() => at.clock.advance(100), 5); // answers wait by the handed-in clock
  t.teardown(() => clearInterval(timer));
  await page.goto(url);
  for (let n = 0; n < 20 && !(await page.getByText('Nothing is lost').isVisible()); n++) {
    await typePin(page, `00000000${n % 10}`);
    await page.locator('.error').waitFor();
  }
  await page.getByText('try again in').waitFor();
  t.regex(await page.getByLabel('PIN').inputValue(), /^000 000 00\d$/);
  await look(t, browser, 'customer-limited');
});

test.serial('F-01 both programs are downloaded by a browser, each with a tag that its applet reads', async t => {
  t.timeout(280_000);
  using built = await BuiltApplets.build(['linux-x64', 'win-x64']);
  const tagKey = createPrivateKey(readFileSync(join(built.dataFolder, 'keys/tag.key')));
  const { at, browser, page, url } = await open(t, { tagKey, appletFolder: join(built.dataFolder, 'applet') });
  const { id, code } = await at.invite();
  await page.goto(`${url}/s/${code}`);
  await look(t, browser, 'customer-programs');
  const keys = [createPublicKey(tagKey).export({ type: 'spki', format: 'der' }).toString('base64url')];
  const guids: Uint8Array[] = [];
  const systems: [Platform, string, string][] = [
    ['win-x64', 'Windows', 'remote-support.exe'],
    ['linux-x64', 'Linux', 'remote-support'],
  ];
  for (const [platform, system, file] of systems) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: `Download for ${system}` }).click(),
    ]);
    t.is(download.suggestedFilename(), file);
    const { tag } = readOwnTag(await download.path(), { platform, keys, now: at.clock.now() });
    if (tag === null) return t.fail(`${file} has no tag`);
    guids.push(tag.guid);
  }
  const applet = new TestApplet();
  const claim = (guid: Uint8Array = new Uint8Array(16)) =>
    at.entries.claim(sha256(gatewayToken(sessionGuidFrom(guid))), applet.spki, '127.0.0.1');
  await t.throwsAsync(claim(guids[0]), { code: 'entry.refused' }); // the second download voided the first
  t.is((await claim(guids[1])).id, id);
  await page.reload();
  await page.getByRole('heading', { name: 'This way in is not valid' }).waitFor();
});
