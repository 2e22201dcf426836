// The session keys' own backup: a copy of `keys.db` sealed under a key of the day. Day keys are kept outside of all
// backups and destroyed after DAYS_KEPT days, and with them every copy of a key that was erased in the meantime (B-05).
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApplianceError } from '../errors.ts';
import type { Store } from './store.ts';

export const DAYS_KEPT = 30;
export const DAY_KEYS_FOLDER = 'day-keys';
const DAY_MS = 86_400_000;
const MAGIC = Buffer.from('session-keys/v1\0');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SessionKeyBackupOptions {
  readonly store: Store;
  readonly dataFolder: string;
  /** Where the sealed copies are kept, one a day. */
  readonly folder: string;
  /** ms UTC */
  readonly now: number;
}

export async function backUpSessionKeys({ store, dataFolder, folder, now }: SessionKeyBackupOptions): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const day = dayOf(now);
  const copy = join(folder, `.copy-${day}`);
  await rm(copy, { force: true });
  await store.copy('keys.db', copy);
  const sealed = seal(await dayKey(join(dataFolder, DAY_KEYS_FOLDER), day), day, await readFile(copy));
  await rm(copy);
  const part = join(folder, `.part-${day}`);
  await writeFile(part, sealed, { mode: 0o600, flush: true });
  await rename(part, join(folder, `${day}.sealed`));
}

/** @throws ApplianceError `session-key-backup.damaged` */
export function openSessionKeyBackup(sealed: Uint8Array, day: string, key: Uint8Array): Uint8Array {
  const body = Buffer.from(sealed);
  try {
    if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw new RangeError('no backup of session keys');
    const nonce = body.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(day));
    decipher.setAuthTag(body.subarray(-TAG_BYTES));
    const text = body.subarray(MAGIC.length + NONCE_BYTES, -TAG_BYTES);
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch (cause) {
    const what = `the backup of session keys of ${day} does not open with that day's key`;
    throw new ApplianceError('malformed', 'session-key-backup.damaged', what, { cause });
  }
}

/** The newest copy whose day key is still there. @returns undefined when there is none */
export async function findSessionKeyBackup(
  folder: string,
  dayKeys: string,
): Promise<{ day: string; plain: Uint8Array } | undefined> {
  const names = (await readdir(folder).catch(() => [])).filter(name => /^\d{8}\.sealed$/.test(name));
  for (const name of names.sort().toReversed()) {
    const day = name.slice(0, 8);
    const key = await readFile(join(dayKeys, `${day}.key`)).catch(() => undefined);
    if (key === undefined) continue; // destroyed after 30 days, or never on this machine
    return { day, plain: openSessionKeyBackup(await readFile(join(folder, name)), day, key) };
  }
  return undefined;
}

async function dayKey(folder: string, day: string): Promise<Uint8Array> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const path = join(folder, `${day}.key`);
  try {
    await writeFile(path, randomBytes(32), { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return readFile(path);
}

/** Whether a new copy can be made or not. @param folder of the copies */
export async function destroyOldDayKeys({
  dataFolder,
  folder,
  now,
}: Omit<SessionKeyBackupOptions, 'store'>): Promise<void> {
  const dayKeys = join(dataFolder, DAY_KEYS_FOLDER);
  const oldest = dayOf(now - DAYS_KEPT * DAY_MS);
  for (const name of await readdir(dayKeys).catch(() => [])) {
    if (!/^\d{8}\.key$/.test(name) || name.slice(0, 8) > oldest) continue;
    await overwrite(join(dayKeys, name));
    await rm(join(dayKeys, name));
  }
  for (const name of await readdir(folder).catch(() => [])) {
    if (/^\d{8}\.sealed$/.test(name) && name.slice(0, 8) <= oldest) await rm(join(folder, name));
  }
}

// Overwriting reaches the file's blocks on most disks; flash and snapshots may keep older ones: see the README.
async function overwrite(path: string): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(size));
  await file.sync();
  await file.close();
}

function seal(key: Uint8Array, day: string, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(day));
  return Buffer.concat([MAGIC, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** `20261124`, UTC */
function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10).replaceAll('-', '');
}
