// The customer's desktop as a technician sees it in his browser: how long a key takes to become pixels there, and how long it
// takes until there is a picture at all, from the PIN and from a share that was picked.
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { openLinuxDesktop } from '../../appliance/applet/desktop-linux.ts';
import { systemClock } from '../../appliance/clock.ts';
import type { Desktop } from '../../appliance/customer-core/desktop.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { BrowserCustomer, Technician } from '../console/people.ts';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { type Benches, type BenchLine, figure, median } from '../support/bench-line.ts';
import { Customer } from '../support/customer.ts';
import { WorkDesktop } from '../support/desktop-work.ts';
import { codecs } from '../support/rfb-session.ts';

const KEYS = 60;
/** In step with nothing. */
const KEY_PAUSE_MS = 170;
const ROUNDS = 5;
/** First lines of the terminal of the work `key`, where what is typed appears. */
const LINES = { x: 100, y: 110, width: 800, height: 60 };
const SHARED = 'what is shown';

/** The applet's own desktop on that display. */
async function desktopOn(environment: NodeJS.ProcessEnv): Promise<Desktop> {
  const { screen, input } = await openLinuxDesktop({ clock: systemClock, environment });
  return {
    codecs,
    openScreen: () => screen,
    openInput: () => {
      if (input !== null) return input;
      throw new ApplianceError('unavailable', 'input.unavailable', 'this display takes no input');
    },
    openClipboard: null,
    watchPresence: null,
  };
}

/** A technician with a console in Chromium, and a customer whose yes comes at once. */
async function showing(appliance: Appliance, desktop: Desktop) {
  const technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
  const pin = await technician.makeSession('Ada Lovelace');
  const from = performance.now();
  const customer = await Customer.enter(appliance, pin, desktop);
  customer.session.windowVisible(true);
  await technician.pickUp('Ada Lovelace');
  await ask(technician.page, customer, 'See the screen');
  await technician.page.locator('.screen[data-phase="live"]').waitFor();
  return { technician, customer, milliseconds: performance.now() - from };
}

async function ask(page: Page, customer: Customer, button: string): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).click();
  const { consentId } = await customer.untilThat(() => customer.state.question ?? undefined);
  customer.session.answer(consentId, 'yes');
}

/** From the key in the browser to the frame of the browser that shows what it did. */
async function key(): Promise<BenchLine[]> {
  await using appliance = await startAppliance({ accounts: true });
  await using work = await WorkDesktop.open();
  await work.begin('key');
  const { technician, customer } = await showing(appliance, await desktopOn(work.environment));
  const { page } = technician;
  await ask(page, customer, 'Ask for control');
  await page.getByTestId('screen-mode').getByText('You control').waitFor();
  const picture = await page.locator('.picture canvas').boundingBox();
  if (picture === null) throw new Error('there is no picture');
  const scale = picture.width / 1920;
  await page.mouse.click(picture.x + 400 * scale, picture.y + 300 * scale);
  await page.getByTestId('keys-go').getByText('Keys go to').waitFor();
  await delay(1000); // what the click did is drawn
  const times: number[] = [];
  for (let press = 0; press < KEYS; press++) {
    const watch = await page.evaluateHandle(watchLines, LINES); // it looks before the key is pressed
    await page.keyboard.press('a');
    times.push(await watch.evaluate(({ seen }) => seen));
    await delay(KEY_PAUSE_MS);
  }
  await technician[Symbol.asyncDispose]();
  await customer[Symbol.asyncDispose]();
  times.sort((a, b) => a - b);
  process.stderr.write(`key-to-pixel-browser p95 ${times[Math.floor(KEYS * 0.95)]?.toFixed(1)} ms\n`);
  return [figure('key-to-pixel-browser', median(times), `ms, median of ${KEYS}`, 40)];
}

/** Runs in the page. @returns what resolves with the time from the next key to a change of these pixels */
function watchLines({ x, y, width, height }: typeof LINES): { readonly seen: Promise<number> } {
  const canvas = document.querySelector<HTMLCanvasElement>('.picture canvas');
  const context = canvas?.getContext('2d');
  if (context == null) throw new Error('there is no picture');
  const pixels = () => context.getImageData(x, y, width, height).data;
  const before = pixels();
  const seen = new Promise<number>(resolve => {
    let pressedAt = 0;
    const pressed = (event: Event) => {
      pressedAt = event.timeStamp;
    };
    window.addEventListener('keydown', pressed, { capture: true, once: true });
    const look = () => {
      const isSeen = pressedAt > 0 && pixels().some((value, at) => value !== before[at]);
      if (isSeen) resolve(performance.now() - pressedAt);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  return { seen };
}

/** The applet runs and has asked for the PIN; everybody clicks as soon as there is something to click. */
async function pinToPicture(): Promise<BenchLine[]> {
  await using appliance = await startAppliance({ accounts: true });
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using work = await WorkDesktop.open();
    const { technician, customer, milliseconds } = await showing(appliance, await desktopOn(work.environment));
    times.push(milliseconds);
    await customer[Symbol.asyncDispose]();
    await technician[Symbol.asyncDispose]();
  }
  return [figure('pin-to-picture', median(times), `ms, median of ${ROUNDS}`, 4000)];
}

/** From the tab the customer has picked to its first whole picture in the technician's browser. */
async function shareToPicture(): Promise<BenchLine[]> {
  await using appliance = await startAppliance({ accounts: true });
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await using technician = await Technician.open(appliance, appliance.accounts?.technician, { isWhole: true });
    const pin = await technician.makeSession('Grace Hopper');
    await using customer = await BrowserCustomer.enter(appliance, pin, {
      isWhole: true,
      flags: [`--auto-select-tab-capture-source-by-title=${SHARED}`],
    });
    const shown = await customer.browser.context.newPage();
    await shown.goto('about:blank');
    await shown.evaluate(title => {
      document.title = title;
      document.body.textContent = title;
    }, SHARED);
    await customer.page.bringToFront();
    await technician.pickUp('Grace Hopper');
    const picked = customer.page.evaluate(untilPicked);
    const live = technician.page.evaluate(untilLive);
    await technician.page.getByRole('button', { name: 'See the screen', exact: true }).click();
    await customer.answer('Yes, allow');
    times.push((await live) - (await picked));
  }
  return [figure('share-to-picture', median(times), `ms, median of ${ROUNDS}`, 1500)];
}

/** Runs in the customer's page. @returns ms UTC when the browser hands out what was picked */
function untilPicked(): Promise<number> {
  const { mediaDevices } = navigator;
  const ask = mediaDevices.getDisplayMedia.bind(mediaDevices);
  return new Promise(resolve => {
    mediaDevices.getDisplayMedia = async options => {
      const stream = await ask(options);
      resolve(Date.now());
      return stream;
    };
  });
}

/** Runs in the technician's page. @returns ms UTC when there is a picture */
function untilLive(): Promise<number> {
  return new Promise(resolve => {
    const look = () => {
      if (document.querySelector('.screen[data-phase="live"]') === null) requestAnimationFrame(look);
      else resolve(Date.now());
    };
    look();
  });
}

export const benches: Benches = {
  'key-to-pixel-browser': key,
  'pin-to-picture': pinToPicture,
  'share-to-picture': shareToPicture,
};
