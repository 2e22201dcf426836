// SQLCipher through `@journeyapps/sqlcipher` (node-sqlite3's API): each call is one round trip to libuv's thread pool.
import { open as openFile } from 'node:fs/promises';
import { basename } from 'node:path';
import sqlcipher from '@journeyapps/sqlcipher';
import { ApplianceError, defect } from '../../errors.ts';
import type { Parameters, Row } from '../sql.ts';
import {
  BUSY_TIMEOUT_MS,
  besideStatement,
  type Connection,
  type Driver,
  insertSteps,
  keyStatement,
  type OpenMode,
  settingsOf,
} from './driver.ts';
import { storeError } from './sql-errors.ts';

const MAX_CACHED_STATEMENTS = 200; // per connection; the least recently used is finalised

interface Prepared {
  readonly statement: sqlcipher.Statement;
  readonly parameters: number;
}

class SqlcipherConnection implements Connection {
  readonly #open: () => Promise<sqlcipher.Database>;
  readonly #file: string;
  readonly #statements = new Map<string, Prepared>();
  #database: sqlcipher.Database;
  // Once it has met a page it can't read, SQLCipher refuses every other page to that connection too, as "out of memory".
  // So the next call gets a new one: what stands on whole pages can still be read, and is still written.
  #spent = false;

  private constructor(open: () => Promise<sqlcipher.Database>, database: sqlcipher.Database, file: string) {
    this.#open = open;
    this.#database = database;
    this.#file = file;
  }

  /** @param open gives a database that has its key and settings; called again when a connection is spent */
  static async open(open: () => Promise<sqlcipher.Database>, file: string): Promise<SqlcipherConnection> {
    return new SqlcipherConnection(open, await open(), file);
  }

  async all(sql: string, params: Parameters = []): Promise<Row[]> {
    const statement = await this.#prepare(sql, params.length);
    return new Promise((resolve, reject) => {
      statement.all(params.map(bindable), (error: Error | null, rows: Row[]) => {
        if (error) reject(this.#refused(sql, error));
        else resolve(rows);
      });
    });
  }

  async run(sql: string, params: Parameters = []): Promise<{ changes: number }> {
    const statement = await this.#prepare(sql, params.length);
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => this.#refused(sql, error);
      statement.run(params.map(bindable), function (this: sqlcipher.RunResult, error: Error | null) {
        if (error) reject(refused(error));
        else resolve({ changes: this.changes });
      });
    });
  }

  async insertMany(into: string, rows: readonly Parameters[]): Promise<{ changes: number }> {
    let changes = 0;
    for (const { sql, params } of insertSteps(into, rows)) changes += (await this.run(sql, params)).changes;
    return { changes };
  }

  async script(sql: string): Promise<void> {
    await this.#renew();
    await execute(this.#database, this.#file, sql);
  }

  async close(): Promise<void> {
    for (const { statement } of this.#statements.values()) await finalised(statement);
    this.#statements.clear();
    await closeDatabase(this.#database, this.#file);
  }

  async #renew(): Promise<void> {
    if (!this.#spent) return;
    const fresh = await this.#open();
    await this.close(); // an open transaction goes with it; its owner was told by the error
    this.#database = fresh;
    this.#spent = false;
  }

  async #prepare(sql: string, parameters: number): Promise<sqlcipher.Statement> {
    await this.#renew();
    const cached = this.#statements.get(sql);
    if (cached === undefined) return this.#prepareNew(sql, parameters);
    // The library keeps the values bound last when fewer come: they could be another person's.
    if (cached.parameters !== parameters) throw defect(`${parameters} values for ${cached.parameters} parameters`);
    this.#statements.delete(sql);
    this.#statements.set(sql, cached); // now the most recently used
    return cached.statement;
  }

  async #prepareNew(sql: string, parameters: number): Promise<sqlcipher.Statement> {
    const statement = await new Promise<sqlcipher.Statement>((resolve, reject) => {
      const made = this.#database.prepare(sql, error => (error ? reject(this.#refused(sql, error)) : resolve(made)));
    });
    this.#statements.set(sql, { statement, parameters });
    const [oldest] = this.#statements;
    if (oldest !== undefined && this.#statements.size > MAX_CACHED_STATEMENTS) {
      this.#statements.delete(oldest[0]);
      await finalised(oldest[1].statement);
    }
    return statement;
  }

  #refused(sql: string, error: Error): ApplianceError {
    // After an error a statement may hold its read transaction open until it is reset or gone.
    const failed = this.#statements.get(sql);
    this.#statements.delete(sql);
    failed?.statement.finalize();
    const meant = storeError(this.#file, error);
    if (meant.code === 'store.damaged') this.#spent = true;
    return meant;
  }
}

function finalised(statement: sqlcipher.Statement): Promise<void> {
  return new Promise(resolve => statement.finalize(() => resolve()));
}

/** What the library can bind as it is: it knows no bigint, and would turn NaN into NULL. */
function bindable(value: Parameters[number]): string | number | null | Buffer {
  if (typeof value === 'bigint') {
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) throw defect('an integer beyond 2^53 − 1');
    return Number(value);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw defect('a number that is not finite');
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value;
}

async function openDatabase(path: string, mode: OpenMode): Promise<sqlcipher.Database> {
  if (mode === 'write') await makePrivate(path);
  const flags = mode === 'write' ? sqlcipher.OPEN_READWRITE : sqlcipher.OPEN_READONLY;
  return new Promise((resolve, reject) => {
    const database = new sqlcipher.Database(path, flags, error => {
      if (error) reject(storeError(basename(path), error));
      else resolve(database);
    });
  });
}

/** Makes the file with mode 0600 before the library would make it with the mask's; WAL and shm take over its mode. */
async function makePrivate(path: string): Promise<void> {
  try {
    await (await openFile(path, 'wx', 0o600)).close();
  } catch (error) {
    // An existing file is never opened here: closing it would drop the locks this process holds on it (fcntl).
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw new ApplianceError('unavailable', 'store.cannot-open', `${basename(path)} can't be made`, {
      hint: 'The data folder must exist and be writable by the user the appliance runs as.',
      cause: error,
    });
  }
}

function execute(database: sqlcipher.Database, file: string, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    database.exec(sql, error => (error ? reject(storeError(file, error)) : resolve()));
  });
}

function closeDatabase(database: sqlcipher.Database, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    database.close(error => (error ? reject(storeError(file, error)) : resolve()));
  });
}

async function openKeyed(
  path: string,
  key: Uint8Array | null,
  mode: OpenMode,
  beside?: string,
): Promise<sqlcipher.Database> {
  const database = await openDatabase(path, mode);
  const file = basename(path);
  database.configure('busyTimeout', BUSY_TIMEOUT_MS);
  try {
    if (key !== null) await execute(database, file, keyStatement(key));
    await execute(database, file, 'SELECT count(*) FROM sqlite_schema'); // opening never fails: the first read does
    if (key !== null && beside !== undefined) await execute(database, basename(beside), besideStatement(beside, key));
    await execute(database, file, settingsOf(mode));
    return database;
  } catch (error) {
    await closeDatabase(database, file);
    throw error;
  }
}

export const sqlcipherDriver: Driver = {
  name: 'sqlcipher',
  open: (path, key, mode, beside) => SqlcipherConnection.open(() => openKeyed(path, key, mode, beside), basename(path)),
};
