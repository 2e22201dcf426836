// Restore (J-05): one backup into a data folder. Everything is opened and checked beside the folder first; what was there
// is kept under another name. Erased session keys are erased again before anything can be served.
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, renameSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { backupName, backupTime, MANIFEST_FILE, Manifest, SESSION_KEYS_FOLDER, sealedName } from './backup-manifest.ts';
import { LEDGER_FILE, readLedger } from './erasure-ledger.ts';
import { hashFile, openFile } from './sealed-file.ts';
import { DAY_KEYS_FOLDER, findSessionKeyBackup } from './session-key-backup.ts';
import { checkFile, type TableCounts } from './sqlite/check-file.ts';
import { lockFolder } from './sqlite/folder-lock.ts';
import { sqlcipherDriver } from './sqlite/sqlcipher-driver.ts';

/** Begins the name of what is made beside the store, and is nothing yet. */
export const RESTORE_WORK = '.restore-';

export interface RestoreOptions {
  /** Folder of one backup, `backups/20261124T080000Z`; the erasure ledger and the session keys' backups stand beside it. */
  readonly backup: string;
  readonly dataFolder: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly identity: string;
  /** Where the day keys are, when not in the data folder. */
  readonly dayKeys?: string;
  /** Keys, certificates and settings are left as they are, where one was taken away, too. */
  readonly storeOnly?: boolean;
  /** Done with the restored store's folder before it takes the other's place; what it throws ends the restore. */
  readonly prepare?: (store: string, prepared: Prepared) => Promise<void>;
  readonly now: number;
}

export interface Restored {
  /** When the backup was made, ms UTC. */
  readonly at: number;
  readonly counts: Readonly<Record<string, TableCounts>>;
  /** Day of the session keys that were restored; null when none could be: chat texts stay sealed for good. */
  readonly sessionKeysOf: string | null;
  readonly erased: number;
  /** Where the store that was there went; null when there was none. */
  readonly previous: string | null;
}

/** A whole store beside the one that is used. */
export type Prepared = Omit<Restored, 'previous'>;

/** Names in the data folder. */
export interface StoreSwap {
  /** What becomes the store. */
  readonly incoming: string;
  /** What the store that is there is called from then on. */
  readonly aside: string;
}

const ASIDE = 'store.before-restore-';
/** Like copies of session keys: longer than that, nothing that was erased stays anywhere (B-05). */
const ASIDE_KEPT_MS = 30 * 86_400_000;

/** @param now when the restore was asked for */
export function swapOf(now: number): StoreSwap {
  return { incoming: `store.incoming-${backupName(now)}`, aside: `${ASIDE}${backupName(now)}` };
}

/**
 * @throws ApplianceError `store.in-use`, `restore.other-keys`, `backup.damaged`, `erasure-ledger.missing`, `store.damaged`;
 * the data folder is as before then
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const swap = swapOf(options.now);
  const hadStore = existsSync(join(options.dataFolder, 'store'));
  const lock = await lockStore(options.dataFolder);
  try {
    const prepared = await prepareRestore(options, swap.incoming);
    swapStores(options.dataFolder, swap);
    return { ...prepared, previous: hadStore ? join(options.dataFolder, swap.aside) : null };
  } finally {
    await lock.close();
  }
}

/** The portal must not be running. @throws ApplianceError `store.in-use` */
export async function lockStore(dataFolder: string): Promise<{ close(): Promise<void> }> {
  const store = join(dataFolder, 'store');
  if (!existsSync(store)) return { close: async () => undefined };
  return lockFolder(sqlcipherDriver, store);
}

/**
 * Makes a whole store of a backup, beside the one that is used, and brings keys and settings that are missing.
 * @param incoming its name in the data folder; it is there only when all of it is on the disk
 */
export async function prepareRestore(options: RestoreOptions, incoming: string): Promise<Prepared> {
  const { backup, dataFolder, identity, prepare = async () => undefined } = options;
  const ledger = readLedger(join(dirname(backup), LEDGER_FILE));
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const work = mkdtempSync(join(dataFolder, RESTORE_WORK));
  try {
    const manifest = await openManifest(backup, work, identity);
    for (const folder of ['store', 'keys', 'public', 'secrets']) await mkdir(join(work, folder), { mode: 0o700 });
    for (const file of manifest.files) await openOne(backup, work, file, identity);
    await checkKeysMatch(work, dataFolder, manifest);
    const key = await readFile(join(work, 'keys', 'store.key'));
    const counts = await checkAll(work, manifest, key);
    const sessionKeysOf = await restoreSessionKeys(options, work);
    const store = join(work, 'store');
    const erased = await erase(
      join(store, 'keys.db'),
      key,
      ledger.map(erasure => erasure.sessionId),
    );
    await writeFile(join(store, LEDGER_FILE), await readFile(join(dirname(backup), LEDGER_FILE)), { mode: 0o600 });
    if (options.storeOnly !== true) await placeSmallFiles(work, dataFolder, manifest);
    const prepared = { at: manifest.at, counts, sessionKeysOf, erased };
    await prepare(store, prepared);
    for (const name of await readdir(store)) syncPath(join(store, name));
    syncPath(store);
    await rename(store, join(dataFolder, incoming));
    syncPath(dataFolder);
    return prepared;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Goes on where it was killed, too: two renames, and after each it can be seen which is next. */
export function swapStores(dataFolder: string, { incoming, aside }: StoreSwap): void {
  const [store, next, before] = ['store', incoming, aside].map(name => join(dataFolder, name)) as [
    string,
    string,
    string,
  ];
  if (!existsSync(next)) return;
  if (existsSync(store)) renameSync(store, before);
  syncPath(dataFolder);
  try {
    renameSync(next, store);
  } catch (error) {
    if (!existsSync(store) && existsSync(before)) renameSync(before, store); // never without one
    throw error;
  }
  syncPath(dataFolder);
}

/** What a restore left unfinished beside the store, before anything is prepared anew. */
export async function sweepRestores(dataFolder: string): Promise<void> {
  for (const name of await readdir(dataFolder)) {
    if (name.startsWith(RESTORE_WORK)) await rm(join(dataFolder, name), { recursive: true, force: true });
  }
}

/** Stores that were kept aside: all but the newest go, and that one when its time is over. */
export async function removeOldAsides(dataFolder: string, now: number): Promise<void> {
  const names = (await readdir(dataFolder)).filter(name => name.startsWith(ASIDE)).sort();
  for (const name of names) {
    const isOld = now - backupTime(name.slice(ASIDE.length)) > ASIDE_KEPT_MS;
    if (isOld || name !== names.at(-1)) await rm(join(dataFolder, name), { recursive: true, force: true });
  }
}

/** @throws ApplianceError `backup.missing`, `backup.newer`, and as `openFile` */
export async function openManifest(backup: string, work: string, identity: string): Promise<Manifest> {
  const sealed = join(backup, MANIFEST_FILE);
  if (!existsSync(sealed)) {
    throw new ApplianceError('missing', 'backup.missing', `${backup} holds no finished backup`, {
      hint: 'Give the folder of one backup, such as backups/20261124T080000Z.',
    });
  }
  const plain = join(work, 'manifest.json');
  await openFile(sealed, plain, identity);
  const found: unknown = JSON.parse(await readFile(plain, 'utf8'));
  const parsed = Manifest.safeParse(found);
  if (parsed.success) return parsed.data;
  if (z.object({ version: z.int().min(2) }).safeParse(found).success) {
    throw new ApplianceError('conflict', 'backup.newer', 'a later release made this backup', {
      hint: 'Install that release first.',
    });
  }
  throw new ApplianceError('malformed', 'backup.damaged', `the manifest of ${backup}: ${parsed.error.message}`);
}

async function openOne(backup: string, work: string, file: Manifest['files'][number], identity: string): Promise<void> {
  const sealed = join(backup, sealedName(file.path));
  if (!existsSync(sealed) || (await hashFile(sealed)) !== file.sha256) {
    throw new ApplianceError('malformed', 'backup.damaged', `${file.path} in the backup is missing or was changed`, {
      hint: 'Take another backup.',
    });
  }
  await openFile(sealed, join(work, file.path), identity);
}

/** A backup of one appliance must not be mixed with the keys of another. */
export async function checkKeysMatch(work: string, dataFolder: string, manifest: Manifest): Promise<void> {
  for (const { path } of manifest.files.filter(file => /^keys\/.*\.key$/.test(file.path))) {
    const present = await readFile(join(dataFolder, path)).catch(() => null);
    if (present === null || present.equals(await readFile(join(work, path)))) continue;
    throw new ApplianceError('conflict', 'restore.other-keys', `${path} in the data folder is not the backup's`, {
      hint: 'This backup is of another appliance. Restore into an empty data folder.',
    });
  }
}

async function checkAll(work: string, manifest: Manifest, key: Uint8Array): Promise<Record<string, TableCounts>> {
  const all: Record<string, TableCounts> = {};
  for (const { path, counts } of manifest.files.filter(file => file.counts !== null)) {
    const found = await checkFile(sqlcipherDriver, join(work, path), key);
    if (JSON.stringify(found) !== JSON.stringify(counts)) {
      throw new ApplianceError('malformed', 'backup.damaged', `${path} has other rows than when it was backed up`);
    }
    all[path] = found;
  }
  return all;
}

async function restoreSessionKeys(options: RestoreOptions, work: string): Promise<string | null> {
  const { backup, dataFolder, dayKeys = join(dataFolder, DAY_KEYS_FOLDER) } = options;
  const target = join(work, 'store', 'keys.db');
  const found = await findSessionKeyBackup(join(dirname(backup), SESSION_KEYS_FOLDER), dayKeys);
  if (found === undefined) return null;
  await writeFile(target, found.plain, { mode: 0o600 });
  return found.day;
}

async function erase(path: string, key: Uint8Array, sessionIds: readonly string[]): Promise<number> {
  if (!existsSync(path)) return 0;
  const connection = await sqlcipherDriver.open(path, key, 'write');
  try {
    let changes = 0;
    for (const id of sessionIds) {
      changes += (await connection.run('DELETE FROM session_key WHERE session_id = ?', [id])).changes;
    }
    await connection.all('PRAGMA wal_checkpoint(TRUNCATE)');
    return changes;
  } finally {
    await connection.close();
  }
}

/** Those that are there stay. */
async function placeSmallFiles(work: string, dataFolder: string, manifest: Manifest): Promise<void> {
  for (const { path } of manifest.files.filter(file => !file.path.startsWith('store/'))) {
    const target = join(dataFolder, path);
    await mkdir(dirname(target), { recursive: true, mode: dirname(path) === 'public' ? 0o755 : 0o700 });
    if (!existsSync(target)) await rename(join(work, path), target);
  }
}

function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
