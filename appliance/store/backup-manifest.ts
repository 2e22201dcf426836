// What stands in a backup's folder: sealed files, `manifest.json.age` with all about them, and `backup.json`, plain, with
// only what a list shows.
import { z } from 'zod';

export const MANIFEST_FILE = 'manifest.json.age';
export const SUMMARY_FILE = 'backup.json';
/** In the data folder: a restore that was asked for on the page, until it is done. */
export const RESTORE_REQUEST = 'restore-request.json';
export const SESSION_KEYS_FOLDER = 'session-keys';

/** Of what a backup holds: where it belongs in the data folder, `store/core.db`. */
const PATH = /^(store|keys|public|secrets)\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$|^appliance\.yaml$/;

export function mayBeBackedUp(path: string): boolean {
  return PATH.test(path);
}

export const Manifest = z.strictObject({
  version: z.literal(1),
  at: z.int(),
  files: z.array(
    z.strictObject({
      path: z.string().regex(PATH),
      sha256: z.string().length(64),
      bytes: z.int(),
      /** Rows of each table, for files of the store. */
      counts: z.record(z.string(), z.int()).nullable(),
    }),
  ),
});
export type Manifest = z.infer<typeof Manifest>;

export const Summary = z.strictObject({
  version: z.literal(1),
  /** ms UTC */
  at: z.int(),
  bytes: z.int(),
  files: z.int(),
  /** When it was opened again and checked. */
  verifiedAt: z.int(),
  /** When somebody brought it; left out for one that was made here. */
  takenAt: z.int().optional(),
  /** In the data folder: what was there and is not in it, for want of a name or size a backup may have. */
  leftOut: z.array(z.string()).optional(),
});
export type Summary = z.infer<typeof Summary>;

/** @returns undefined for what is none, as a machine leaves it that loses its power */
export function parseSummary(text: string): Summary | undefined {
  try {
    return Summary.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Name of a sealed file in the backup's folder. */
export function sealedName(path: string): string {
  return `${path.replace('/', '--')}.age`;
}

/** `20261124T080000Z` */
export function backupName(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
}

/** When a backup of that name was made, ms UTC, to the second. */
export function backupTime(name: string): number {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(name) ?? [];
  const [year = 1970, month = 1, ...rest] = parts.map(Number);
  return Date.UTC(year, month - 1, ...rest);
}
