// What a technician sees of a customer's screen, by the picture his console saves.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import type { Picture } from './xwd.ts';

const run = promisify(execFile);

/** What the technician's picture shows, by the PNG it is saved as. */
export async function savedPicture(page: Page): Promise<Picture> {
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Screenshot' }).click();
  const path = await (await saved).path();
  // The size in a PNG's IHDR (ISO/IEC 15948); ImageMagick gives its pixels as they are.
  const head = readFileSync(path).subarray(16, 24);
  const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
  const { stdout: rgb } = await run('convert', [`png:${path}`, '-depth', '8', 'rgb:-'], {
    ...{ encoding: 'buffer', maxBuffer: 2 * width * height * 3 },
  });
  if (rgb.length !== width * height * 3) throw new Error(`${rgb.length} bytes of ${width} × ${height} pixels`);
  return { width, height, rgb };
}
