// The file-compatible fallback behind the same interface: `better-sqlite3-multiple-ciphers`, held to the same contract.
// Never in one process with the other library.
import Database from 'better-sqlite3-multiple-ciphers';
import type { Parameters, Row } from '../../appliance/store/sql.ts';
import {
  besideStatement,
  type Connection,
  type Driver,
  insertSteps,
  keyStatement,
  type OpenMode,
  settingsOf,
} from '../../appliance/store/sqlite/driver.ts';
import { storeError } from '../../appliance/store/sqlite/sql-errors.ts';

type Handle = InstanceType<typeof Database>;

class MultipleCiphersConnection implements Connection {
  readonly #database: Handle;

  constructor(database: Handle) {
    this.#database = database;
  }

  async all(sql: string, params: Parameters = []): Promise<Row[]> {
    return this.#told(() => {
      const statement = this.#database.prepare(sql);
      if (statement.reader) return statement.all(...params) as Row[];
      statement.run(...params);
      return [];
    });
  }

  async run(sql: string, params: Parameters = []): Promise<{ changes: number }> {
    return this.#told(() => {
      const statement = this.#database.prepare(sql);
      if (!statement.reader) return { changes: statement.run(...params).changes };
      statement.all(...params);
      return { changes: 0 };
    });
  }

  async insertMany(into: string, rows: readonly Parameters[]): Promise<{ changes: number }> {
    let changes = 0;
    for (const { sql, params } of insertSteps(into, rows)) changes += (await this.run(sql, params)).changes;
    return { changes };
  }

  async script(sql: string): Promise<void> {
    this.#told(() => this.#database.exec(sql));
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #told<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw storeError(this.#database.name, error);
    }
  }
}

export const multipleCiphersDriver: Driver = {
  name: 'multiple-ciphers',
  async open(path: string, key: Uint8Array | null, mode: OpenMode, beside?: string): Promise<Connection> {
    const database = new Database(path, { readonly: mode !== 'write', fileMustExist: mode !== 'write' });
    try {
      if (key !== null) {
        database.pragma("cipher = 'sqlcipher'");
        database.pragma('legacy = 4');
        database.exec(keyStatement(key));
      }
      database.exec('SELECT count(*) FROM sqlite_schema');
      if (key !== null && beside !== undefined) database.exec(besideStatement(beside, key));
      database.exec(settingsOf(mode));
      return new MultipleCiphersConnection(database);
    } catch (error) {
      database.close();
      throw storeError(path, error);
    }
  },
};
