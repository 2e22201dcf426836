// One SQLCipher file: a writer and its readers.
import { ApplianceError } from '../../errors.ts';
import type { Database, Reader, Transaction } from '../sql.ts';
import type { Driver } from './driver.ts';
import { ReadPool } from './read-pool.ts';
import { Writer } from './writer.ts';

export class DatabaseFile implements Database {
  readonly path: string;
  readonly #writer: Writer;
  readonly #readers: ReadPool;

  private constructor(path: string, writer: Writer, readers: ReadPool) {
    this.path = path;
    this.#writer = writer;
    this.#readers = readers;
  }

  /**
   * @param path made with mode 0600 when it isn't there
   * @param beside another file under the same key, whose tables its readers see, too
   * @throws ApplianceError `store.wrong-key` and the others of `sql-errors.ts`
   */
  static async open(driver: Driver, path: string, key: Uint8Array, beside?: string): Promise<DatabaseFile> {
    const writer = new Writer(await driver.open(path, key, 'write'));
    return new DatabaseFile(path, writer, new ReadPool(() => driver.open(path, key, 'read', beside)));
  }

  get read(): Reader {
    return this.#readers;
  }

  transaction<T>(act: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#writer.transaction(act);
  }

  /**
   * Moves the whole write-ahead log into the file and cuts it to nothing, so that no deleted page is left in it.
   * @throws ApplianceError `store.busy` when a reader held it for BUSY_TIMEOUT_MS
   */
  checkpoint(): Promise<void> {
    return this.#writer.alone(async connection => {
      const [row] = await connection.all('PRAGMA wal_checkpoint(TRUNCATE)');
      if (row?.busy !== 0) throw new ApplianceError('unavailable', 'store.busy', `${this.path} is being read`);
    });
  }

  /** The last connection to close folds the write-ahead log into the file. */
  async close(): Promise<void> {
    await this.#readers.close();
    await this.#writer.close();
  }
}
