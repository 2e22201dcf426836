// Files that months of the log are searched by, `search-YYYYMM.db` beside each month's: caches (TRUST, "Erasure"). They are in no
// backup, and one that can't be used goes and is made anew. What is in them, `audit/` knows; their readers see the month's tables.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ApplianceError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { DatabaseFile } from './sqlite/database-file.ts';

const SEARCH_FILE = /^search-(\d{6})\.db(?:-wal|-shm)?$/;
/** What a new file puts right. */
const UNUSABLE = ['store.damaged', 'store.wrong-key', 'store.newer', 'store.migration-changed'];

export interface SearchFilesParts {
  readonly folder: string;
  readonly log: Log;
  /** @param name of the file, made when it isn't there @param beside whose tables its readers see, too */
  readonly open: (name: string, beside: string) => Promise<DatabaseFile>;
  /** Months that are searched. */
  readonly months: () => readonly string[];
}

export class SearchFiles {
  readonly #parts: SearchFilesParts;
  readonly #files = new Map<string, Promise<DatabaseFile>>();
  readonly #ended = new Set<string>();
  /** Files being taken away. */
  readonly #going = new Map<string, Promise<void>>();

  constructor(parts: SearchFilesParts) {
    this.#parts = parts;
  }

  /** Of searched months there is a file for, opened or not. */
  there(): string[] {
    const searched = this.#parts.months();
    return this.#named().filter(month => searched.includes(month));
  }

  /** The file of a month, made when it isn't there or can't be used. @throws ApplianceError `store.archived`, or `store.…` */
  async open(month: string): Promise<DatabaseFile> {
    if (this.#ended.has(month) || !this.#parts.months().includes(month))
      throw new ApplianceError('missing', 'store.archived', `the month ${month} is not searched any more`);
    const known = this.#files.get(month);
    if (known !== undefined) return known;
    const opening = this.#openOrMake(month);
    this.#files.set(month, opening);
    opening.catch(() => this.#files.delete(month)); // the caller is told; the next one tries again
    return opening;
  }

  /** Takes it away: the next one who opens it finds an empty one. Who reads in it just now is waited for. */
  async drop(month: string): Promise<void> {
    const file = this.#files.get(month);
    this.#files.delete(month);
    const before = this.#going.get(month);
    const going = Promise.all([before, file?.then(opened => opened.close())])
      .catch(() => undefined) // what can't be closed can be taken away all the same
      .then(() => this.#remove(month));
    this.#going.set(month, going);
    await going;
  }

  /** Takes it away, and none comes any more. */
  async end(month: string): Promise<void> {
    this.#ended.add(month);
    await this.drop(month);
  }

  /** Takes away those of months that are not searched any more: left by a kill. */
  tidy(): void {
    const searched = this.#parts.months();
    for (const month of this.#named()) if (!searched.includes(month)) this.#remove(month);
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.then(opened => opened.close());
    this.#files.clear();
  }

  async #openOrMake(month: string): Promise<DatabaseFile> {
    await this.#going.get(month);
    const [name, beside] = [`search-${month}.db`, `log-${month}.db`];
    try {
      return await this.#parts.open(name, beside);
    } catch (error) {
      if (!(error instanceof ApplianceError && UNUSABLE.includes(error.code))) throw error;
      this.#parts.log.warn('search.made-anew', { month, why: error.code });
      this.#remove(month);
      return this.#parts.open(name, beside);
    }
  }

  #named(): string[] {
    const names = readdirSync(this.#parts.folder).map(name => SEARCH_FILE.exec(name)?.[1]);
    return [...new Set(names.filter(month => month !== undefined))].sort();
  }

  #remove(month: string): void {
    for (const ending of ['', '-wal', '-shm'])
      rmSync(join(this.#parts.folder, `search-${month}.db${ending}`), { force: true });
  }
}
