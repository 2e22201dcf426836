// An auditor plays the film of a real session in the portal: at moments whose picture is known, each pixel is the desktop's.
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import type { Picture } from '../console/xwd.ts';
import type { Appliance } from '../support/appliance.ts';
import { openBrowser } from '../support/chromium.ts';
import { look, signIn } from './portal-steps.ts';

export interface KnownMoment {
  /** ms UTC */
  readonly at: number;
  readonly picture: Picture;
}

/** Left, top, right, bottom of where the pointer stands: the player paints it, a display's picture has none. */
export type Box = readonly [number, number, number, number];

/** @param startedAt of the film, ms UTC */
export async function playsMoments(
  t: ExecutionContext,
  appliance: Appliance,
  { id, startedAt, moments, pointer }: { id: string; startedAt: number; moments: readonly KnownMoment[]; pointer: Box },
): Promise<void> {
  await using auditor = await openBrowser(appliance);
  const { page } = auditor;
  const { loginId = '', password = '' } = appliance.accounts?.auditor ?? {};
  await signIn(page, appliance.url, loginId, password);
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
  await page.goto(`${appliance.url}/auditor/sessions/${id}`);
  await page.getByRole('button', { name: 'Play recording 1' }).click();
  await page.locator('[data-player][data-playing="true"]').waitFor();
  await page.keyboard.press(' ');
  await page.locator('[data-player][data-playing="false"]').waitFor();
  for (const { at, picture } of moments.toReversed()) {
    await page.getByLabel('Moment').fill(String(at - startedAt));
    await shows(page, digestWithout(picture, pointer), pointer);
    t.pass();
  }
  await look(t, auditor, 'film');
  t.deepEqual(auditor.complaints, []);
}

/** Of red, green, blue and an alpha of 255, with black where the pointer stands. */
function digestWithout({ width, height, rgb }: Picture, [left, top, right, bottom]: Box): string {
  const rgba = Buffer.alloc(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    const isPointer = x >= left && x < right && y >= top && y < bottom;
    if (!isPointer) rgb.copy(rgba, pixel * 4, pixel * 3, pixel * 3 + 3);
    rgba[pixel * 4 + 3] = 255;
  }
  return createHash('sha256').update(rgba).digest('hex');
}

async function shows(page: Page, expected: string, pointer: Box): Promise<void> {
  await page.waitForFunction(
    async ([wanted, [left, top, right, bottom]]) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-part="screen"] canvas');
      if (canvas === null) return false;
      const { width, height } = canvas;
      const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      if (copy === null) return false;
      copy.drawImage(canvas, 0, 0);
      copy.fillStyle = '#000';
      copy.fillRect(left, top, right - left, bottom - top);
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', copy.getImageData(0, 0, width, height).data));
      return [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('') === wanted;
    },
    [expected, pointer] as const,
    { timeout: 60_000, polling: 250 },
  );
}
