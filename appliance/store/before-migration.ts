// The store as it was before migrations: copies of the files that are about to change, under the same key. A start that fails half
// way puts them back, so that the release before can go on with them; one that was killed puts them back at the next start and begins
// again. They are gone before the store is used: nothing that is destroyed afterwards, a session's key say, lives on in them.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import type { Migration } from './migrations.ts';
import type { Driver } from './sqlite/driver.ts';

const FOLDER = 'before-migration';

export class BeforeMigration {
  readonly #folder: string;
  readonly #driver: Driver;
  readonly #key: Uint8Array;
  readonly #log: Log;

  /** @param folder of the store, whose lock is held */
  constructor(folder: string, driver: Driver, key: Uint8Array, log: Log) {
    this.#folder = folder;
    this.#driver = driver;
    this.#key = key;
    this.#log = log;
  }

  /** Copies each of these that lacks a migration. @param files with the migrations each is to have */
  async keep(files: readonly (readonly [name: string, migrations: readonly Migration[]])[]): Promise<void> {
    const old: string[] = [];
    for (const [name, migrations] of files) if (await this.#isOld(name, migrations)) old.push(name);
    if (old.length === 0) return;
    const part = this.#path(`${FOLDER}.part`);
    rmSync(part, { recursive: true, force: true });
    mkdirSync(part, { mode: 0o700 });
    for (const name of old) {
      const source = await this.#driver.open(this.#path(name), this.#key, 'copy');
      try {
        await source.run('VACUUM INTO ?', [join(part, name)]);
      } finally {
        await source.close();
      }
      chmodSync(join(part, name), 0o600);
    }
    renameSync(part, this.#path(FOLDER)); // from here on they are whole
    this.#log.info('store.kept-before-migration', { files: old });
  }

  /** Whatever the migrations did is undone; nothing where nothing was kept. No file of the store is open. */
  putBack(): void {
    const kept = this.#path(FOLDER);
    if (!existsSync(kept)) return;
    const names = readdirSync(kept);
    for (const name of names) {
      // The logs first: one of the newer file must not be read into the older.
      for (const ending of ['-wal', '-shm']) rmSync(this.#path(`${name}${ending}`), { force: true });
      renameSync(join(kept, name), this.#path(name));
    }
    rmSync(kept, { recursive: true });
    this.#log.warn('store.put-back', { files: names });
  }

  /** Every file is as this release has it. */
  forget(): void {
    rmSync(this.#path(FOLDER), { recursive: true, force: true });
  }

  /** Whether it was used before, and lacks one. */
  async #isOld(name: string, migrations: readonly Migration[]): Promise<boolean> {
    if (!existsSync(this.#path(name))) return false;
    const file = await this.#driver.open(this.#path(name), this.#key, 'copy');
    try {
      const [table] = await file.all(`SELECT 1 AS n FROM sqlite_master WHERE name = 'migration'`);
      if (table === undefined) return false;
      const applied = new Set((await file.all('SELECT number FROM migration')).map(row => Number(row.number)));
      return applied.size > 0 && migrations.some(({ number }) => !applied.has(number));
    } finally {
      await file.close();
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
