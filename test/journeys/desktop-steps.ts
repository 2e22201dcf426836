// What is done with a customer's desktop, for the journeys: his display, the editor on it, and the technician's picture of it.
import { execFile, execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { Desktop } from '../applet/desktop.ts';
import type { Technician } from '../console/people.ts';
import { savedPicture } from '../console/saved-picture.ts';
import { differing, type Picture, pictureOf } from '../console/xwd.ts';
import { answer } from './customer-steps.ts';

const QUIET_MS = 250;
/** A busy machine has its time; then the test says what it waits for. */
const PATIENCE_MS = 60_000;

/** A desktop of two monitors, a window manager, and no caret that blinks: else it is never quiet. */
export async function openDesktop(): Promise<Desktop> {
  const desktop = await Desktop.open({ screen: '1920x1080x24', flags: () => ['-nocursor'] });
  const settings = join(desktop.home, '.config/gtk-3.0');
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, 'settings.ini'), '[Settings]\ngtk-cursor-blink=0\n');
  execFileSync('chown', ['-R', String(desktop.uid), join(desktop.home, '.config')]);
  chownSync(desktop.home, desktop.uid, desktop.uid);
  const env = { ...desktop.environment };
  execFileSync('xrandr', ['--setmonitor', 'left', '960/254x1080/286+0+0', 'screen'], { env });
  execFileSync('xrandr', ['--setmonitor', 'right', '960/254x1080/286+960+0', 'none'], { env });
  await desktop.manage();
  desktop.installBrowser();
  return desktop;
}

/** Resolves when the display has been quiet for so long. */
export async function quiet(desktop: Desktop, page: Page): Promise<Picture> {
  const display = desktop.environment.DISPLAY ?? '';
  for (let before = pictureOf(display); ; ) {
    await page.evaluate(ms => new Promise(resolve => setTimeout(resolve, ms)), QUIET_MS);
    const now = pictureOf(display);
    if (differing(before, now) === 0) return now;
    before = now;
  }
}

export async function xdotool(desktop: Desktop, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('xdotool', args, { env: { ...desktop.environment } });
  return stdout.trim();
}

/**
 * Resolves when the technician's picture is the customer's display, in every pixel. How soon that is after the last change is
 * for the picture server's own tests, by a clock of theirs: here a busy machine would be measured.
 */
export async function isExact(t: ExecutionContext, page: Page, desktop: Desktop): Promise<void> {
  await comesTrue(page, async () => {
    const wrong = differing(await savedPicture(page), await quiet(desktop, page));
    return wrong === 0 ? null : `${wrong} pixels differ`;
  });
  t.pass();
}

/**
 * Looks again until it is so; where it does not come true, what was wrong and what the technician's page says of it.
 * @param fault what is wrong now, or null
 */
export async function comesTrue(page: Page, fault: () => Promise<string | null>): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (let wrong = await fault(); wrong !== null; wrong = await fault()) {
    if (performance.now() < until) continue;
    const status = await page.locator('.screen-bar, .screen-status').allTextContents();
    throw new Error(`${wrong}; the page says: ${status.join(' ').replace(/\s+/g, ' ')}`);
  }
}

export async function asksToSee(technician: Technician, window: Page): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'See the screen', exact: true }).click();
  await answer(window, 'Show your screen?', 'Yes, allow');
  await page.locator('.screen[data-phase="live"]').waitFor();
  await window.getByText('Your screen is being watched').waitFor();
}

export async function asksToControl(technician: Technician, window: Page): Promise<void> {
  const { page } = technician;
  await page.getByRole('button', { name: 'Ask for control' }).click();
  await answer(window, 'Allow control of this computer?', 'Yes, allow');
  await page.getByTestId('screen-mode').getByText('You control').waitFor();
  await page.getByTestId('keys-go').getByText('Click the picture').waitFor();
}

/** Where the customer's screen has this place, on the technician's page. */
export async function onPage(page: Page, x: number, y: number): Promise<{ x: number; y: number }> {
  const canvas = page.locator('.screen canvas');
  const box = await canvas.boundingBox();
  if (box === null) throw new Error('there is no picture');
  const scale = box.width / (await canvas.evaluate((at: HTMLCanvasElement) => at.width));
  return { x: box.x + x * scale, y: box.y + y * scale };
}

export async function press(page: Page, x: number, y: number): Promise<void> {
  const at = await onPage(page, x, y);
  await page.mouse.click(at.x, at.y);
}

export async function drag(page: Page, from: readonly [number, number], to: readonly [number, number]): Promise<void> {
  const [start, end] = [await onPage(page, ...from), await onPage(page, ...to)];
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(end.x, end.y, { steps: 8 });
  await page.mouse.up();
}

/** Places the editor's window. @returns how to ask where its inside is */
export async function place(desktop: Desktop, box: readonly [number, number, number, number]) {
  const [x, y, width, height] = box.map(String) as [string, string, string, string];
  const window = (await xdotool(desktop, 'search', '--onlyvisible', '--name', 'notes.txt')).split('\n')[0] ?? '';
  await xdotool(desktop, 'windowactivate', '--sync', window);
  await xdotool(desktop, 'windowsize', window, width, height, 'windowmove', window, x, y);
  return async () => {
    const told = await xdotool(desktop, 'getwindowgeometry', '--shell', window);
    return [/X=(-?\d+)/, /Y=(-?\d+)/].map(field => Number(field.exec(told)?.[1]));
  };
}

/** As a keyboard that has these signs on its keys. */
export async function types(page: Page, text: string): Promise<void> {
  const browser = await page.context().newCDPSession(page);
  for (const key of text) {
    await browser.send('Input.dispatchKeyEvent', { type: 'keyDown', key, text: key });
    await browser.send('Input.dispatchKeyEvent', { type: 'keyUp', key });
  }
  await browser.detach();
}
