// What the domains see of SQL: values, rows, and where they may be read and written.

/** Integers only within ±(2^53 − 1): the library reads all of them as doubles. */
export type SqlValue = string | number | bigint | null | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;
export type Parameters = readonly SqlValue[];

export interface Reader {
  all(sql: string, params?: Parameters): Promise<Row[]>;
  /** The first row, or undefined. */
  get(sql: string, params?: Parameters): Promise<Row | undefined>;
}

export interface Transaction extends Reader {
  run(sql: string, params?: Parameters): Promise<{ changes: number }>;
  /**
   * Writes rows of equal length, many with each statement.
   * @param into `INSERT INTO table (columns)`, with OR IGNORE where that is meant
   */
  insertMany(into: string, rows: readonly Parameters[]): Promise<{ changes: number }>;
  /** Called when the act has returned, while the transaction is open: for what many of its steps are to write together. */
  beforeEnd(last: () => Promise<void>): void;
  /** Called, last handed in first, when what this transaction did is taken back. */
  afterRollback(undo: () => void): void;
}

export interface Database {
  /** Sees what is committed, from a pool of read-only connections. */
  readonly read: Reader;
  /**
   * Runs `act` alone on the write connection; resolves with its result once that is on the disk (fsync). Whatever `act`
   * throws takes back its changes and no one else's. Nothing slow belongs in it: everybody waits.
   */
  transaction<T>(act: (tx: Transaction) => Promise<T>): Promise<T>;
}
