// Settings made on the pages: one JSON value by name, parsed by the domain that owns it.
import type { ZodType } from 'zod';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Reader, Transaction } from './sql.ts';

export class Settings {
  readonly #read: Reader;
  readonly #clock: Clock;

  constructor(read: Reader, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  /**
   * @param from the transaction to read in; what is committed when left out
   * @returns undefined when it was never set
   * @throws ApplianceError `settings.malformed` when what was stored does not fit the schema
   */
  async get<T>(name: string, schema: ZodType<T>, from: Reader = this.#read): Promise<T | undefined> {
    const row = await from.get('SELECT value FROM setting WHERE name = ?', [name]);
    if (row === undefined) return undefined;
    const result = schema.safeParse(JSON.parse(String(row.value)));
    if (result.success) return result.data;
    throw new ApplianceError('defect', 'settings.malformed', `setting ${name}: ${result.error.message}`);
  }

  async set(tx: Transaction, name: string, value: unknown): Promise<void> {
    const text = JSON.stringify(value);
    await tx.run(
      `INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at`,
      [name, text, this.#clock.now()],
    );
  }
}
