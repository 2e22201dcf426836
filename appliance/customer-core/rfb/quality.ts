// What the three qualities mean. Whatever was sent with losses is sent again exactly, once it has been quiet.
import type { Quality } from '../../protocol/screen.ts';
import type { Viewer } from './viewer.ts';

/** How long a lossy tile must not have changed before it is refreshed. With the time that takes, exact after half a second. */
export const QUIET_MS = 200;

/** JPEG quality for the levels 0 to 9 a viewer may ask for. */
const QUALITY_OF_LEVEL = [15, 25, 35, 45, 55, 65, 75, 82, 90, 95] as const;
const LIGHT_QUALITY = 35;

/** @returns 1 to 100; null: nothing may be lost */
export function jpegQualityOf(quality: Quality, { jpegLevel }: Viewer): number | null {
  if (quality === 'sharp' || jpegLevel === null) return null;
  const asked = QUALITY_OF_LEVEL[jpegLevel] ?? null;
  return quality === 'light' && asked !== null ? Math.min(asked, LIGHT_QUALITY) : asked;
}
