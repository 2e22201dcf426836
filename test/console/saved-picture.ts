// What a technician sees of a customer's screen, by the picture his console saves.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import type { Picture } from './xwd.ts';

/** What the technician's picture shows, by the PNG it is saved as. */
export async function savedPicture(page: Page): Promise<Picture> {
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Screenshot' }).click();
  const png = readFileSync(await (await saved).path());
  const [width, height, rgb] = await page.evaluate(async base64 => {
    const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: 'none' });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d');
    context?.drawImage(bitmap, 0, 0);
    const rgba = context?.getImageData(0, 0, bitmap.width, bitmap.height).data ?? new Uint8ClampedArray();
    const three = new Uint8Array((rgba.length / 4) * 3).map((_, at) => rgba[Math.floor(at / 3) * 4 + (at % 3)] ?? 0);
    let text = '';
    for (let at = 0; at < three.length; at += 8192) text += String.fromCharCode(...three.subarray(at, at + 8192));
    return [bitmap.width, bitmap.height, btoa(text)] as const;
  }, png.toString('base64'));
  return { width, height, rgb: Buffer.from(rgb, 'base64') };
}
