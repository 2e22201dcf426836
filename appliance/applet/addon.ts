// Native add-ons travel as assets of the signed program. A loader only takes a file, so they are put into a fresh folder that
// is ours alone, read again before they are run, and gone as soon as they are loaded.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplianceError, describeError } from '../errors.ts';
import type { Platform } from './tag-place.ts';

/** Of libjpeg-turbo: the add-on, and what it looks for beside itself. */
export const JPEG_FILES: Record<Platform, readonly [addon: string, ...beside: string[]]> = {
  'linux-x64': ['jpeg-turbo.node', 'libturbojpeg.so.0'],
  'win-x64': ['jpeg-turbo.node'],
};

const FOLDER = 'support-addon-';
/** Windows doesn't let go of a file while it is loaded: what a program of an hour ago left is swept by the next one. */
const LEFT_BEHIND_MS = 3_600_000;

export interface AddonPlace {
  /** For temporary files. */
  readonly folder: string;
  readonly now: number;
}

/**
 * @param files by name, the add-on first
 * @returns what the add-on exports
 * @throws ApplianceError `addon.unavailable` where this system does not run it
 */
export function loadAddon(files: ReadonlyMap<string, Uint8Array>, { folder, now }: AddonPlace): unknown {
  const [addon] = files.keys();
  let own: string | undefined;
  try {
    sweep(folder, now);
    own = mkdtempSync(join(folder, FOLDER)); // 0700
    for (const [name, bytes] of files) writeFileSync(join(own, name), bytes, { mode: 0o500, flag: 'wx' });
    for (const [name, bytes] of files) {
      if (Buffer.compare(readFileSync(join(own, name)), bytes) !== 0) throw new Error(`${name} was altered on its way`);
    }
    const loaded = { exports: {} };
    process.dlopen(loaded, join(own, addon ?? ''));
    return loaded.exports;
  } catch (cause) {
    throw new ApplianceError('unavailable', 'addon.unavailable', `${addon} can't be loaded: ${describeError(cause)}`, {
      hint: `Programs may need leave to run from ${folder} (mount option noexec), or this system is not one it is for.`,
      cause,
    });
  } finally {
    if (own !== undefined) remove(own);
  }
}

function sweep(folder: string, now: number): void {
  for (const name of readdirSync(folder).filter(one => one.startsWith(FOLDER))) {
    const path = join(folder, name);
    const madeAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now;
    if (now - madeAt > LEFT_BEHIND_MS) remove(path);
  }
}

/** As far as it goes: another user's stays, and on Windows what is loaded. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EBUSY', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
