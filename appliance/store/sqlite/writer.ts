// The one write connection of a file. Transactions wait in line and are committed in groups: one fsync for up to
// MAX_GROUP of them or GROUP_MS, whichever comes first. Each is a savepoint, so that one that throws takes only its own
// changes with it; when the commit itself fails, all of the group have failed and none was told otherwise.
import { AsyncLocalStorage } from 'node:async_hooks';
import { ApplianceError, defect } from '../../errors.ts';
import type { Parameters, Row, Transaction } from '../sql.ts';
import type { Connection } from './driver.ts';
import { undoesOnlyItsStatement } from './sql-errors.ts';

export const MAX_GROUP = 256;
export const GROUP_MS = 4;

interface Job {
  readonly act: (tx: Transaction) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Alone {
  readonly act: (connection: Connection) => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Done extends Job {
  readonly value: unknown;
  readonly undos: readonly (() => void)[];
}

/** Handed to one `act`; dead once it has returned, so that a forgotten `await` can't write into another's transaction. */
class OpenTransaction implements Transaction {
  readonly undos: (() => void)[] = [];
  /** The error that ended the whole group's transaction, if one did. */
  fatal: ApplianceError | null = null;
  readonly #connection: Connection;
  readonly #lasts: (() => Promise<void>)[] = [];
  #open = true;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  all(sql: string, params?: Parameters): Promise<Row[]> {
    return this.#watched(() => this.#connection.all(sql, params));
  }

  async get(sql: string, params?: Parameters): Promise<Row | undefined> {
    return (await this.all(sql, params))[0];
  }

  run(sql: string, params?: Parameters): Promise<{ changes: number }> {
    return this.#watched(() => this.#connection.run(sql, params));
  }

  insertMany(into: string, rows: readonly Parameters[]): Promise<{ changes: number }> {
    return this.#watched(() => this.#connection.insertMany(into, rows));
  }

  beforeEnd(last: () => Promise<void>): void {
    if (!this.#open) throw defect('a step after its transaction had ended');
    this.#lasts.push(last);
  }

  /** What was left for the end, in the order it was left. */
  async finish(): Promise<void> {
    for (let last = this.#lasts.shift(); last !== undefined; last = this.#lasts.shift()) await last();
  }

  afterRollback(undo: () => void): void {
    this.undos.push(undo);
  }

  end(): void {
    this.#open = false;
  }

  async #watched<T>(step: () => Promise<T>): Promise<T> {
    if (!this.#open) throw defect('a statement after its transaction had ended');
    if (this.fatal !== null) throw this.fatal;
    try {
      return await step();
    } catch (error) {
      if (error instanceof ApplianceError && !undoesOnlyItsStatement(error)) this.fatal = error;
      throw error;
    }
  }
}

export class Writer {
  readonly #connection: Connection;
  readonly #waiting: Job[] = [];
  readonly #alone: Alone[] = [];
  readonly #inside = new AsyncLocalStorage<Writer>();
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  transaction<T>(act: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.#closed) {
      return Promise.reject(new ApplianceError('unavailable', 'store.closed', 'the store is closed'));
    }
    if (this.#inside.getStore() === this) return Promise.reject(defect('a transaction within a transaction'));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ act, resolve: value => resolve(value as T), reject });
      this.#running ??= this.#work();
    });
  }

  /** Runs `act` between two groups, outside of any transaction. */
  alone(act: (connection: Connection) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#alone.push({ act, resolve, reject });
      this.#running ??= this.#work();
    });
  }

  /** Waits for what is in line, then closes the connection. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running !== null) await this.#running;
    await this.#connection.close();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length + this.#alone.length > 0) {
      const alone = this.#alone.shift();
      if (alone === undefined) await this.#group();
      else await alone.act(this.#connection).then(alone.resolve, alone.reject);
    }
    this.#running = null;
  }

  async #group(): Promise<void> {
    const done: Done[] = [];
    let failure: unknown = null;
    try {
      await this.#connection.run('BEGIN IMMEDIATE');
    } catch (error) {
      this.#waiting.shift()?.reject(error); // the others try for themselves
      return;
    }
    const startedAt = performance.now();
    try {
      do {
        const job = this.#waiting.shift();
        if (job === undefined) break;
        await this.#one(job, done);
      } while (done.length < MAX_GROUP && performance.now() - startedAt < GROUP_MS);
      await this.#connection.run('COMMIT');
    } catch (error) {
      failure = error;
    }
    if (failure === null) for (const job of done) job.resolve(job.value);
    else await this.#takeBack(done, failure);
  }

  /** @throws when the error ended the group's transaction and not only this one's savepoint */
  async #one(job: Job, done: Done[]): Promise<void> {
    const tx = new OpenTransaction(this.#connection);
    try {
      await this.#connection.run('SAVEPOINT one');
      const value = await this.#inside.run(this, async () => {
        const result = await job.act(tx);
        await tx.finish();
        return result;
      });
      tx.end();
      if (tx.fatal !== null) throw tx.fatal;
      await this.#connection.run('RELEASE one');
      done.push({ ...job, value, undos: tx.undos });
    } catch (error) {
      tx.end();
      undo(tx.undos);
      job.reject(error);
      if (tx.fatal !== null) throw tx.fatal;
      await this.#connection.run('ROLLBACK TO one');
      await this.#connection.run('RELEASE one');
    }
  }

  async #takeBack(done: readonly Done[], failure: unknown): Promise<void> {
    try {
      await this.#connection.run('ROLLBACK');
    } catch (error) {
      // SQLite rolls back by itself on some errors (a full disk); then there is no transaction left to end.
      if (!(error instanceof ApplianceError && error.message.includes('no transaction is active'))) failure = error;
    }
    for (const job of done.toReversed()) {
      undo(job.undos);
      job.reject(failure);
    }
  }
}

function undo(undos: readonly (() => void)[]): void {
  for (const step of undos.toReversed()) step();
}
