// Words of the log in full-text indexes, one in each month's file, made behind the writer: an append never waits for it. What is
// not in one yet is searched by reading it. So an older store starts at once, too, and is indexed while it serves (README.md).
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Database } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { findIndexedEnd, findUnindexed, insertText } from './text-store.ts';

/** One transaction: some ten milliseconds on a thread beside, and the mover waits as long. */
const BATCH = 2048;
/** Fewer wait: a part of the index for each handful would make it slow. Reading them takes no time. */
const MIN_BATCH = 512;

export class TextIndex {
  readonly #store: Store;
  readonly #log: Log;
  readonly #whole = new Set<string>();
  #working: Promise<void> | null = null;
  #isCaughtUp = false;
  #isClosed = false;

  constructor({ store, log }: { store: Store; log: Log }) {
    this.#store = store;
    this.#log = log;
  }

  /** Goes on where it is, newest month first; at most one at a time. @param moved entries that came since it was called last */
  workSoon(moved: number): void {
    if (moved > 0) this.#isCaughtUp = false;
    if (this.#isClosed || this.#isCaughtUp) return;
    this.#working ??= this.work()
      .catch(error => {
        this.#isCaughtUp = false; // entries stay found by reading them
        this.#log.error('audit.index-failed', { why: describeError(error) });
      })
      .finally(() => {
        this.#working = null;
      });
  }

  /** Until there is nothing left to do, or it is closed. */
  async work(): Promise<void> {
    this.#isCaughtUp = true; // unless something comes meanwhile
    const [newest, ...older] = this.#store.months().toReversed();
    for (const month of [newest, ...older]) {
      if (month === undefined || this.#whole.has(month)) continue;
      const isDone = await this.#indexMonth(month).catch(ignoreArchived);
      if (isDone && month !== newest) this.#whole.add(month); // a month that isn't the newest gets no more entries
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#working;
  }

  async #indexMonth(month: string): Promise<boolean> {
    const database = await this.#store.month(month);
    while (!this.#isClosed) if (!(await indexMore(database))) return true;
    return false;
  }
}

/** @returns false when too few are left */
async function indexMore(database: Database): Promise<boolean> {
  // Looked for in the transaction that takes them: nobody else has taken them meanwhile.
  return database.transaction(async tx => {
    const after = await findIndexedEnd(tx);
    const { count, last } = await findUnindexed(tx, after, BATCH);
    if (count < MIN_BATCH) return false;
    await insertText(tx, after, last);
    return true;
  });
}

function ignoreArchived(error: unknown): false {
  if (error instanceof ApplianceError && error.code === 'store.archived') return false;
  throw error;
}
