// Backups (J-05): consistent copies of every file, sealed to the backup key, opened again and compared before an older
// one goes. The session keys are not in them: they have a backup of their own under a key of the day (TRUST, "Erasure").
import { constants, type Dirent, existsSync, mkdtempSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityToRecipient } from 'age-encryption';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type BackupFile, describeBackupFile } from './backup-file.ts';
import { roomForBackup, sweepIntakes, type TakenBackup, takeBackup } from './backup-intake.ts';
import {
  backupName,
  MANIFEST_FILE,
  type Manifest,
  mayBeBackedUp,
  parseSummary,
  SESSION_KEYS_FOLDER,
  SUMMARY_FILE,
  type Summary,
  sealedName,
} from './backup-manifest.ts';
import { readMigrations, requireKnown } from './migrations.ts';
import { openManifest, removeOldAsides } from './restore.ts';
import { hashFile, openFile, sealFile } from './sealed-file.ts';
import { backUpSessionKeys, destroyOldDayKeys } from './session-key-backup.ts';
import { checkFile, type TableCounts } from './sqlite/check-file.ts';
import { sqlcipherDriver } from './sqlite/sqlcipher-driver.ts';
import type { Store, StoreKeys } from './store.ts';

export interface BackupInfo extends Summary {
  readonly name: string;
}

export interface BackupOptions {
  readonly store: Store;
  readonly keys: StoreKeys;
  readonly dataFolder: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly identity: string;
  readonly keep: number;
  /** As the store's: what a backup that is brought may have been made by. */
  readonly migrations: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Left out: the backup key itself, and what is only good once. */
const NEVER_BACKED_UP = new Set(['backup.key', 'setup-code']);
const MAX_SECRET_BYTES = 64 * 1024;
const MAX_LEFT_OUT = 20;
const SECRETS_FOLDER = 'secrets';
const SMALL_FOLDERS = ['keys', 'public', SECRETS_FOLDER];
const SPACE_FACTOR = 3; // the copy, its sealed form and the copy opened again stand side by side for a while

export class Backups {
  readonly #options: BackupOptions;
  readonly #folder: string;
  #running: Promise<BackupInfo> | null = null;
  #checking: Promise<unknown> = Promise.resolve();

  constructor(options: BackupOptions) {
    this.#options = options;
    this.#folder = join(options.dataFolder, 'backups');
  }

  /** Newest first. A folder without its summary was never finished and is not listed. */
  async list(): Promise<BackupInfo[]> {
    const found: BackupInfo[] = [];
    for (const name of (await readdir(this.#folder).catch(() => [])).sort().toReversed()) {
      if (!/^\d{8}T\d{6}Z$/.test(name)) continue;
      const text = await readFile(join(this.#folder, name, SUMMARY_FILE), 'utf8').catch(() => null);
      const summary = text === null ? undefined : parseSummary(text);
      if (summary !== undefined) found.push({ name, ...summary });
    }
    return found;
  }

  /**
   * Makes a backup and verifies it; who asks while one is being made gets that one.
   * @throws ApplianceError `backup.no-space`, `backup.unlike`, `store.damaged`
   */
  make(): Promise<BackupInfo> {
    const checked = Promise.allSettled([this.#checking]);
    this.#running ??= checked
      .then(() => this.#make())
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  /**
   * Opens every file of a backup as a restore would, once more, and compares.
   * @throws ApplianceError `backup.missing`, `backup.unlike`, `store.damaged`; its time of checking is as before then
   */
  check(name: string): Promise<BackupInfo> {
    // One after the other, and not while one is made: that one sweeps away what others left behind.
    const before = Promise.allSettled([this.#checking, this.#running]);
    const checking = before.then(() => this.#check(name));
    this.#checking = checking.catch(() => undefined);
    return checking;
  }

  /** @throws ApplianceError `backup.missing` */
  async get(name: string): Promise<BackupInfo> {
    const found = (await this.list()).find(one => one.name === name);
    if (found === undefined) throw new ApplianceError('missing', 'backup.missing', 'there is no such backup');
    return found;
  }

  /** A backup as one file. @throws ApplianceError `backup.missing` */
  async file(name: string): Promise<BackupFile> {
    await this.get(name);
    return describeBackupFile(join(this.#folder, name), name);
  }

  /** How large a file may be that is brought just now, bytes. */
  room(): Promise<number> {
    return roomForBackup(this.#folder);
  }

  /** Before anything is brought: what a kill left of it goes. */
  sweep(): Promise<void> {
    return sweepIntakes(this.#folder);
  }

  /** Takes one in from a file; throws as `takeBackup`, or `backup.there-already`. It is none of ours before `adopt`. */
  async take(stream: AsyncIterable<Uint8Array>, declared: number | null): Promise<TakenBackup> {
    const { dataFolder, identity } = this.#options;
    const taken = await takeBackup({ folder: this.#folder, dataFolder, identity }, stream, declared);
    const name = backupName(taken.manifest.at);
    if (!existsSync(join(this.#folder, name))) return taken;
    await this.drop(taken);
    throw thereAlready(name);
  }

  drop({ work }: TakenBackup): Promise<void> {
    return rm(work, { recursive: true, force: true });
  }

  /**
   * Opens what was taken as a restore would, and keeps it among the backups.
   * @throws ApplianceError `backup.unlike`, `store.damaged`, `store.newer`, `backup.there-already`; nothing of it is left then
   */
  adopt(taken: TakenBackup): Promise<BackupInfo> {
    const before = Promise.allSettled([this.#checking, this.#running]);
    const adopting = before.then(() => this.#adopt(taken)).finally(() => this.drop(taken));
    this.#checking = adopting.catch(() => undefined);
    return adopting;
  }

  async #adopt({ work, manifest }: TakenBackup): Promise<BackupInfo> {
    const folder = join(work, 'backup');
    await this.#verify(work, folder, manifest);
    const { clock, log } = this.#options;
    const [bytes, files] = [manifest.files.reduce((sum, file) => sum + file.bytes, 0), manifest.files.length];
    const now = clock.now();
    const summary: Summary = { version: 1, at: manifest.at, bytes, files, verifiedAt: now, takenAt: now };
    await writeFile(join(folder, SUMMARY_FILE), JSON.stringify(summary), { mode: 0o600, flush: true });
    const name = backupName(manifest.at);
    if (existsSync(join(this.#folder, name))) throw thereAlready(name);
    await rename(folder, join(this.#folder, name));
    log.info('backup.taken', { name, bytes, files });
    return { name, ...summary };
  }

  async #check(name: string): Promise<BackupInfo> {
    const found = await this.get(name);
    const { clock, identity } = this.#options;
    const [folder, work] = [join(this.#folder, name), mkdtempSync(join(this.#folder, '.check-'))];
    try {
      await this.#verify(work, folder, await openManifest(folder, work, identity));
      const { name: _, ...before } = found;
      const summary: Summary = { ...before, verifiedAt: clock.now() };
      const part = join(folder, `${SUMMARY_FILE}.part`);
      await writeFile(part, JSON.stringify(summary), { mode: 0o600 });
      await rename(part, join(folder, SUMMARY_FILE));
      return { name, ...summary };
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  async #make(): Promise<BackupInfo> {
    const { clock, log, store, dataFolder } = this.#options;
    const at = clock.now();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#removeUnfinished();
    // Their time is over whether this backup goes well or not, and a store kept aside may be what fills the disk.
    await removeOldAsides(dataFolder, at);
    const sessionKeys = { dataFolder, folder: join(this.#folder, SESSION_KEYS_FOLDER), now: at };
    await destroyOldDayKeys(sessionKeys);
    await this.#checkSpace();
    const work = mkdtempSync(join(this.#folder, '.work-'));
    try {
      const target = join(work, 'backup');
      await mkdir(target, { mode: 0o700 });
      const { paths, leftOut } = await this.#smallFiles();
      const manifest = await this.#sealAll(work, target, at, paths);
      await this.#verify(work, target, manifest);
      const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      const files = manifest.files.length;
      const summary: Summary = {
        ...{ version: 1, at, bytes, files, verifiedAt: clock.now() },
        ...(leftOut.length === 0 ? {} : { leftOut: leftOut.slice(0, MAX_LEFT_OUT) }),
      };
      await writeFile(join(target, SUMMARY_FILE), JSON.stringify(summary), { mode: 0o600, flush: true });
      const name = backupName(at);
      await rename(target, join(this.#folder, name));
      await backUpSessionKeys({ ...sessionKeys, store });
      await this.#removeOld();
      log.info('backup.made', { name, bytes, files });
      return { name, ...summary };
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  async #sealAll(work: string, target: string, at: number, small: readonly string[]): Promise<Manifest> {
    const { store, dataFolder, identity } = this.#options;
    const recipient = await identityToRecipient(identity);
    const files: Manifest['files'] = [];
    const seal = async (path: string, source: string, counts: TableCounts | null) => {
      const { bytes, sha256 } = await sealFile(source, join(target, sealedName(path)), recipient);
      files.push({ path, bytes, sha256, counts });
    };
    for (const name of store.files()) {
      const copy = join(work, name);
      const counts = await store.copy(name, copy);
      await seal(`store/${name}`, copy, counts);
      await rm(copy);
    }
    for (const path of small) await seal(path, join(dataFolder, path), null);
    const manifest: Manifest = { version: 1, at, files };
    const plain = join(work, 'manifest.json');
    await writeFile(plain, JSON.stringify(manifest), { mode: 0o600 });
    await sealFile(plain, join(target, MANIFEST_FILE), recipient);
    await rm(plain);
    return manifest;
  }

  /** Somebody may have put files of his own there: by a name no manifest may have, no backup could be opened. */
  async #smallFiles(): Promise<{ paths: string[]; leftOut: string[] }> {
    const { log } = this.#options;
    const [paths, leftOut]: [string[], string[]] = [['appliance.yaml'], []];
    for (const folder of SMALL_FOLDERS) {
      const entries = await this.#entriesOf(folder);
      if (entries === null) leftOut.push(folder);
      for (const entry of entries ?? []) {
        if (NEVER_BACKED_UP.has(entry.name)) continue;
        const path = `${folder}/${entry.name}`;
        const isFile = entry.isFile() && (folder !== SECRETS_FOLDER || (await this.#isSmall(path)));
        (isFile && mayBeBackedUp(path) ? paths : leftOut).push(path);
      }
    }
    for (const path of leftOut) log.warn('backup.left-out', { path });
    return { paths, leftOut };
  }

  /** @returns null where what IT has put there can't be looked into: that keeps no backup from being made */
  async #entriesOf(folder: string): Promise<Dirent[] | null> {
    const path = join(this.#options.dataFolder, folder);
    if (folder !== SECRETS_FOLDER) return readdir(path, { withFileTypes: true });
    return existsSync(path) ? readdir(path, { withFileTypes: true }).catch(() => null) : [];
  }

  /** What isn't is no password, and what can't be read is none of ours. */
  async #isSmall(path: string): Promise<boolean> {
    const full = join(this.#options.dataFolder, path);
    try {
      await access(full, constants.R_OK);
      return (await stat(full)).size <= MAX_SECRET_BYTES;
    } catch {
      return false;
    }
  }

  /** Opens every file as a restore would, and compares. */
  async #verify(work: string, target: string, manifest: Manifest): Promise<void> {
    const { identity, keys } = this.#options;
    for (const file of manifest.files) {
      const sealed = join(target, sealedName(file.path));
      const opened = join(work, 'opened');
      if ((await hashFile(sealed)) !== file.sha256) throw unlike(file.path);
      await openFile(sealed, opened, identity);
      if (file.counts !== null) {
        const counts = await checkFile(sqlcipherDriver, opened, keys.store);
        if (JSON.stringify(counts) !== JSON.stringify(file.counts)) throw unlike(file.path);
        await this.#requireKnown(file.path, opened);
      }
      await rm(opened);
    }
  }

  async #requireKnown(path: string, opened: string): Promise<void> {
    const { keys, migrations } = this.#options;
    const known = readMigrations(join(migrations, path === 'store/core.db' ? 'core' : 'log'));
    const connection = await sqlcipherDriver.open(opened, keys.store, 'read');
    try {
      await requireKnown(connection, known, path);
    } finally {
      await connection.close();
    }
  }

  async #checkSpace(): Promise<void> {
    const { store } = this.#options;
    let needed = 0;
    for (const name of store.files()) needed += (await stat(join(store.folder, name))).size * SPACE_FACTOR;
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize >= needed) return;
    const [need, have] = [needed, bavail * bsize].map(bytes => `${Math.ceil(bytes / 2 ** 20)} MiB`);
    throw new ApplianceError('unavailable', 'backup.no-space', `a backup needs ${need}, ${have} are free`, {
      hint: 'Make room where the backups are kept, or keep fewer of them.',
    });
  }

  async #removeUnfinished(): Promise<void> {
    const names = await readdir(this.#folder);
    for (const name of names.filter(name => /^\.(work|check)-/.test(name))) {
      await rm(join(this.#folder, name), { recursive: true, force: true });
    }
  }

  async #removeOld(): Promise<void> {
    // One that was brought counts from then on, so that an old one is there for as long as it may be needed.
    const newestFirst = (await this.list()).sort((a, b) => (b.takenAt ?? b.at) - (a.takenAt ?? a.at));
    for (const { name } of newestFirst.slice(this.#options.keep)) {
      await rm(join(this.#folder, name), { recursive: true });
    }
  }
}

function thereAlready(name: string): ApplianceError {
  return new ApplianceError('conflict', 'backup.there-already', `the backup ${name} is here already`);
}

function unlike(path: string): ApplianceError {
  return new ApplianceError('defect', 'backup.unlike', `${path} read back is not what was written`, {
    hint: 'The disk the backups are on may be failing. The older backups were kept.',
  });
}
