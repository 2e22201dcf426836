// Restore (J-05): one backup into a data folder. Everything is opened and checked beside the folder first; what was there
// is kept under another name. Erased session keys are erased again before anything can be served.
import { existsSync, mkdtempSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { backupName, MANIFEST_FILE, Manifest, SESSION_KEYS_FOLDER, sealedName } from './backup-manifest.ts';
import { LEDGER_FILE, readLedger } from './erasure-ledger.ts';
import { hashFile, openFile } from './sealed-file.ts';
import { DAY_KEYS_FOLDER, findSessionKeyBackup } from './session-key-backup.ts';
import { checkFile, type TableCounts } from './sqlite/check-file.ts';
import { lockFolder } from './sqlite/folder-lock.ts';
import { sqlcipherDriver } from './sqlite/sqlcipher-driver.ts';

export interface RestoreOptions {
  /** Folder of one backup, `backups/20261124T080000Z`; the erasure ledger and the session keys' backups stand beside it. */
  readonly backup: string;
  readonly dataFolder: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly identity: string;
  /** Where the day keys are, when not in the data folder. */
  readonly dayKeys?: string;
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

/**
 * @throws ApplianceError `store.in-use`, `restore.other-keys`, `backup.damaged`, `erasure-ledger.missing`, `store.damaged`;
 * the data folder is as before then
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { backup, dataFolder, identity, now } = options;
  const ledger = readLedger(join(dirname(backup), LEDGER_FILE));
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const store = join(dataFolder, 'store');
  const lock = existsSync(store) ? await lockFolder(sqlcipherDriver, store) : null; // the portal must not be running
  const work = mkdtempSync(join(dataFolder, '.restore-'));
  try {
    const manifest = await openManifest(backup, work, identity);
    for (const folder of ['store', 'keys', 'public']) await mkdir(join(work, folder), { mode: 0o700 });
    for (const file of manifest.files) await openOne(backup, work, file, identity);
    await checkKeysMatch(work, dataFolder, manifest);
    const key = await readFile(join(work, 'keys', 'store.key'));
    const counts = await checkAll(work, manifest, key);
    const sessionKeysOf = await restoreSessionKeys(options, work);
    const erased = await erase(
      join(work, 'store', 'keys.db'),
      key,
      ledger.map(erasure => erasure.sessionId),
    );
    await writeFile(join(work, 'store', LEDGER_FILE), await readFile(join(dirname(backup), LEDGER_FILE)), {
      mode: 0o600,
    });
    const previous = await putInPlace(work, dataFolder, manifest, now);
    return { at: manifest.at, counts, sessionKeysOf, erased, previous };
  } finally {
    await lock?.close();
    await rm(work, { recursive: true, force: true });
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

async function putInPlace(work: string, dataFolder: string, manifest: Manifest, now: number): Promise<string | null> {
  const store = join(dataFolder, 'store');
  const previous = existsSync(store) ? join(dataFolder, `store.before-restore-${backupName(now)}`) : null;
  for (const { path } of manifest.files.filter(file => !file.path.startsWith('store/'))) {
    const target = join(dataFolder, path);
    await mkdir(dirname(target), { recursive: true, mode: dirname(path) === 'public' ? 0o755 : 0o700 });
    if (!existsSync(target)) await rename(join(work, path), target);
  }
  if (previous !== null) await rename(store, previous);
  await rename(join(work, 'store'), store);
  return previous;
}
