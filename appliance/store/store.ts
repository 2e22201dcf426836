// The encrypted store (DESIGN: one process writes). `core.db` holds what is, `log-YYYYMM.db` what happened in a month,
// `keys.db` a key per support session, `search-YYYYMM.db` what a month is searched by: a cache, in no backup. Every file is SQLCipher under the store key.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { ApplianceError, defect } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { BeforeMigration } from './before-migration.ts';
import { ErasureLedger, LEDGER_FILE } from './erasure-ledger.ts';
import { type Migration, migrate, readMigrations } from './migrations.ts';
import { SearchFiles } from './search-files.ts';
import { SessionKeys } from './session-keys.ts';
import { Settings } from './settings.ts';
import type { Database, Reader } from './sql.ts';
import { checkFile, type TableCounts } from './sqlite/check-file.ts';
import { DatabaseFile } from './sqlite/database-file.ts';
import type { Connection, Driver } from './sqlite/driver.ts';
import { lockFolder } from './sqlite/folder-lock.ts';
import { ReadPool } from './sqlite/read-pool.ts';
import { sqlcipherDriver } from './sqlite/sqlcipher-driver.ts';

export interface StoreKeys {
  /** 32 bytes: opens every file. */
  readonly store: Uint8Array;
  /** 32 bytes: wraps the session keys. */
  readonly keyEncryption: Uint8Array;
}

export interface StoreOptions {
  readonly folder: string;
  readonly keys: StoreKeys;
  /** Folder with `core/`, `log/`, `keys/` and `search/`. */
  readonly migrations: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Where a second copy of the erasure ledger is kept; beside the backups. */
  readonly backups?: string;
  readonly driver?: Driver;
}

interface Opened {
  readonly lock: Connection;
  readonly core: DatabaseFile;
  readonly keys: DatabaseFile;
  readonly logMigrations: readonly Migration[];
  readonly driver: Driver;
}

const MONTH_FILE = /^log-(\d{6})\.db$/;
const ARCHIVED_FILE = /^archive-(\d{6})\.db$/;

export class Store {
  readonly settings: Settings;
  readonly sessionKeys: SessionKeys;
  /** What months are searched by. */
  readonly searchFiles: SearchFiles;
  readonly folder: string;
  readonly #options: StoreOptions;
  readonly #opened: Opened;
  readonly #months = new Map<string, Promise<DatabaseFile>>();

  private constructor(options: StoreOptions, opened: Opened, ledger: ConstructorParameters<typeof SessionKeys>[3]) {
    this.#options = options;
    this.#opened = opened;
    this.folder = options.folder;
    this.settings = new Settings(opened.core.read, options.clock);
    this.sessionKeys = new SessionKeys(opened.keys, options.keys.keyEncryption, options.clock, ledger);
    const searchMigrations = readMigrations(join(options.migrations, 'search'));
    const open = (name: string, beside: string) =>
      openFile(options, opened.driver, name, searchMigrations, join(this.folder, beside));
    this.searchFiles = new SearchFiles({ folder: this.folder, log: options.log, open, months: () => this.months() });
  }

  /**
   * Opens or makes the store and migrates every file in it.
   * @throws ApplianceError `store.in-use`, `store.wrong-key`, `store.read-only`, `store.newer`, … (`sql-errors.ts`)
   */
  static async open(options: StoreOptions): Promise<Store> {
    const { folder, keys, migrations, driver = sqlcipherDriver } = options;
    makeFolder(folder);
    const closing: (() => Promise<void>)[] = [];
    try {
      const lock = await lockFolder(driver, folder);
      closing.push(() => lock.close());
      const kept = new BeforeMigration(folder, driver, keys.store, options.log);
      kept.putBack(); // left by a start that was killed half way
      const logMigrations = readMigrations(join(migrations, 'log'));
      await kept.keep(filesToMigrate(folder, migrations, logMigrations));
      closing.push(async () => kept.putBack());
      const core = await openFile(options, driver, 'core.db', readMigrations(join(migrations, 'core')));
      closing.push(() => core.close());
      const hadKeys = existsSync(join(folder, 'keys.db'));
      const keyFile = await openFile(options, driver, 'keys.db', readMigrations(join(migrations, 'keys')));
      closing.push(() => keyFile.close());
      if (keys.keyEncryption.length !== 32) throw defect('a key-encryption key has 32 bytes');
      const ledger = new ErasureLedger([folder, ...(options.backups ? [options.backups] : [])].map(inFolder));
      const erased = ledger.prepare(!hadKeys);
      const store = new Store(options, { lock, core, keys: keyFile, logMigrations, driver }, { ledger, erased });
      closing.splice(
        0,
        closing.length,
        async () => kept.putBack(),
        () => store.close(),
      );
      await store.sessionKeys.applyLedger();
      for (const month of store.months()) await store.#monthFile(month);
      kept.forget();
      store.searchFiles.tidy();
      return store;
    } catch (error) {
      for (const close of closing.toReversed()) await close();
      throw error;
    }
  }

  get core(): Database {
    return this.#opened.core;
  }

  /** Months there is a file for, `YYYYMM`, oldest first. */
  months(): readonly string[] {
    return this.#named(MONTH_FILE);
  }

  /** Months that are archived: not searched and not opened at the start, but in every backup. Oldest first. */
  archivedMonths(): readonly string[] {
    return this.#named(ARCHIVED_FILE);
  }

  /** From now on the month is archived; whoever reads in it just now fails and asks again. */
  async archive(month: string): Promise<void> {
    const file = await this.#monthFile(month);
    await this.searchFiles.end(month); // its readers look into the month's file
    await file.checkpoint();
    this.#months.delete(month);
    await file.close(); // folds the write-ahead log into it
    renameSync(join(this.folder, `log-${month}.db`), this.#archivePath(month));
    syncFolder(this.folder);
  }

  /** Reads in an archived month; `close` has to be called. */
  openArchive(month: string): { readonly read: Reader; close(): Promise<void> } {
    const { driver } = this.#opened;
    const read = new ReadPool(() => driver.open(this.#archivePath(month), this.#options.keys.store, 'read'));
    return { read, close: () => read.close() };
  }

  /** For good. Does nothing where there is none. */
  destroyArchive(month: string): void {
    for (const ending of ['', '-wal', '-shm']) rmSync(`${this.#archivePath(month)}${ending}`, { force: true });
    syncFolder(this.folder);
  }

  /** Size of a month's file on the disk. */
  bytesOf(month: string): number {
    const paths = [join(this.folder, `log-${month}.db`), this.#archivePath(month)];
    return paths.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
  }

  /** No deleted row is left in the write-ahead log of `core.db`. @throws ApplianceError `store.busy` */
  async checkpoint(): Promise<void> {
    await this.#opened.core.checkpoint();
  }

  /** The file of a month, made when it isn't there. @param month `YYYYMM` */
  async month(month: string): Promise<Database> {
    return this.#monthFile(month);
  }

  /** Files of the general backup: all but the session keys. Names as in the folder. */
  files(): readonly string[] {
    const archived = this.archivedMonths().map(month => `archive-${month}.db`);
    return ['core.db', ...archived, ...this.months().map(month => `log-${month}.db`)];
  }

  /**
   * Writes a consistent copy of one file, under the same key, while others write.
   * @param name of `files()`, or `keys.db`
   * @param target must not exist
   * @returns rows of each table in the copy
   */
  async copy(name: string, target: string): Promise<TableCounts> {
    const { driver } = this.#opened;
    const source = await driver.open(join(this.folder, name), this.#options.keys.store, 'copy');
    try {
      await source.run('VACUUM INTO ?', [target]); // the backup API makes no progress on encrypted files
    } finally {
      await source.close();
    }
    chmodSync(target, 0o600);
    return checkFile(driver, target, this.#options.keys.store);
  }

  async close(): Promise<void> {
    await this.searchFiles.close();
    for (const month of this.#months.values()) await (await month).close();
    await this.#opened.keys.close();
    await this.#opened.core.close();
    await this.#opened.lock.close();
  }

  #named(pattern: RegExp): string[] {
    const names = readdirSync(this.folder).map(name => pattern.exec(name)?.[1]);
    return names.filter(month => month !== undefined).sort();
  }

  #archivePath(month: string): string {
    return join(this.folder, `archive-${month}.db`);
  }

  #monthFile(month: string): Promise<DatabaseFile> {
    if (!/^\d{4}(0[1-9]|1[0-2])$/.test(month)) throw defect(`${month} is not a month`);
    const known = this.#months.get(month);
    if (known !== undefined) return known;
    if (existsSync(this.#archivePath(month)))
      throw new ApplianceError('missing', 'store.archived', `the month ${month} was archived just now`);
    const { driver, logMigrations } = this.#opened;
    const opening = openFile(this.#options, driver, `log-${month}.db`, logMigrations);
    this.#months.set(month, opening);
    opening.catch(() => this.#months.delete(month)); // the caller is told; the next one tries again
    return opening;
  }
}

function filesToMigrate(folder: string, migrations: string, logMigrations: readonly Migration[]) {
  const months = readdirSync(folder).filter(name => MONTH_FILE.test(name));
  return [
    ...['core', 'keys'].map(name => [`${name}.db`, readMigrations(join(migrations, name))] as const),
    ...months.map(name => [name, logMigrations] as const),
  ];
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function inFolder(folder: string): string {
  return join(folder, LEDGER_FILE);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  } catch (cause) {
    throw new ApplianceError('unavailable', 'store.cannot-open', `${folder} can't be made or is not ours`, {
      hint: 'The data folder must be writable by the user the appliance runs as.',
      cause,
    });
  }
}

async function openFile(
  { folder, keys, clock, log }: StoreOptions,
  driver: Driver,
  name: string,
  migrations: readonly Migration[],
  beside?: string,
): Promise<DatabaseFile> {
  const path = join(folder, name);
  const isNew = !existsSync(path);
  const database = await DatabaseFile.open(driver, path, keys.store, beside);
  try {
    const applied = await migrate(database, migrations, name, () => clock.now());
    if (applied.length > 0) log.info('store.migrated', { file: name, isNew, applied });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
