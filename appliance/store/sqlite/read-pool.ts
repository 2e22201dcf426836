// Read-only connections of one file, opened when first needed. Each serves one statement at a time.
import { ApplianceError } from '../../errors.ts';
import type { Parameters, Reader, Row } from '../sql.ts';
import type { Connection } from './driver.ts';

export const MAX_READERS = 3;

export class ReadPool implements Reader {
  readonly #open: () => Promise<Connection>;
  readonly #idle: Connection[] = [];
  readonly #waiting: ((connection: Connection) => void)[] = [];
  readonly #all = new Set<Connection>();
  #opening = 0;
  #closed = false;

  constructor(open: () => Promise<Connection>) {
    this.#open = open;
  }

  async all(sql: string, params?: Parameters): Promise<Row[]> {
    const connection = await this.#take();
    try {
      return await connection.all(sql, params);
    } finally {
      this.#giveBack(connection);
    }
  }

  async get(sql: string, params?: Parameters): Promise<Row | undefined> {
    return (await this.all(sql, params))[0];
  }

  async close(): Promise<void> {
    this.#closed = true;
    const busy = this.#all.size - this.#idle.length;
    const idle = this.#idle.splice(0);
    for (let waited = 0; waited < busy; waited++) {
      idle.push(await new Promise<Connection>(resolve => this.#waiting.push(resolve)));
    }
    for (const connection of idle) await connection.close();
  }

  async #take(): Promise<Connection> {
    if (this.#closed) throw new ApplianceError('unavailable', 'store.closed', 'the store is closed');
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.size + this.#opening >= MAX_READERS) return new Promise(resolve => this.#waiting.push(resolve));
    this.#opening++;
    try {
      const connection = await this.#open();
      this.#all.add(connection);
      return connection;
    } finally {
      this.#opening--;
    }
  }

  #giveBack(connection: Connection): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(connection);
    else next(connection);
  }
}
