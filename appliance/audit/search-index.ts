// What each month is searched by, in a file beside the month's, made behind the writer: an append never waits for it. What is not
// in it yet is searched by reading it. So an older store starts at once, too, and is indexed while it serves (README.md).
import { ApplianceError, describeError } from '../errors.ts';
import { parseSessionId, type SessionId } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Database, Reader } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { findHashes, listChain, type StoredEntry } from './audit-store.ts';
import { bodyLabel } from './entry.ts';
import { findIndexedEnd, forgetSealed, insertText, putFacts, type TextRow } from './search-store.ts';
import type { SessionFacts } from './session-facts.ts';

/** One transaction on a thread beside. */
const BATCH = 2048;
/** Fewer wait: a part of the index for each handful would make it slow. Reading them takes no time. */
const MIN_BATCH = 512;

export interface SearchIndexParts {
  readonly store: Store;
  readonly sessions: SessionFacts;
  readonly log: Log;
}

export class SearchIndex {
  readonly #store: Store;
  readonly #sessions: SessionFacts;
  readonly #log: Log;
  readonly #whole = new Set<string>();
  /** Months whose file was held against the log. */
  readonly #checked = new Set<string>();
  #working: Promise<void> | null = null;
  #isCaughtUp = false;
  #isClosed = false;

  constructor({ store, sessions, log }: SearchIndexParts) {
    this.#store = store;
    this.#sessions = sessions;
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
      const isDone = await this.#indexMonth(month).catch(error => this.#whenUnusable(month, error));
      if (isDone && month !== newest) this.#whole.add(month); // a month that isn't the newest gets no more entries
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#working;
  }

  /**
   * Asks what a month is searched by; what can't be used is made anew, and until then the month has nothing.
   * @returns undefined where there is none now
   */
  async ask<T>(month: string, act: (search: Reader) => Promise<T>): Promise<T | undefined> {
    try {
      return await act((await this.#open(month)).read);
    } catch (error) {
      await this.#whenUnusable(month, error);
      return undefined;
    }
  }

  /** Opens what is sealed in an entry. @returns null where nothing is, or its key is destroyed */
  async said({ entry, body }: StoredEntry): Promise<string | null> {
    if (body === null || entry.sessionId === null) return null;
    try {
      const sessionId = parseSessionId(entry.sessionId);
      const opened = await this.#store.sessionKeys.open(sessionId, bodyLabel(entry.log, entry.seq), body);
      return Buffer.from(opened).toString('utf8');
    } catch (error) {
      if (error instanceof ApplianceError && error.code === 'session-key.destroyed') return null;
      throw error;
    }
  }

  /** Takes out of every file what was sealed under the session's key, down to freed pages and write-ahead logs. */
  async forget(sessionId: SessionId): Promise<void> {
    for (const month of this.#store.searchFiles.there()) {
      try {
        const file = await this.#store.searchFiles.open(month);
        if (await file.transaction(tx => forgetSealed(tx, sessionId))) await file.checkpoint();
      } catch (error) {
        if (isArchived(error)) continue;
        this.#log.warn('audit.search-dropped', { month, why: describeError(error) });
        await this.#drop(month); // none of it is left either way
      }
    }
  }

  async #open(month: string): ReturnType<Store['searchFiles']['open']> {
    const file = await this.#store.searchFiles.open(month);
    if (this.#checked.has(month)) return file;
    const end = await findIndexedEnd(file.read);
    const log = (await this.#store.month(month)).read;
    const [there] = end.seq === 0 ? [[0, end.hash]] : await findHashes(log, 'audit_entry', [end.seq]);
    this.#checked.add(month);
    if (there?.[1] === end.hash) return file;
    this.#log.warn('audit.search-of-another-log', { month });
    await this.#drop(month);
    return this.#store.searchFiles.open(month);
  }

  async #indexMonth(month: string): Promise<boolean> {
    const file = await this.#open(month);
    const log = (await this.#store.month(month)).read;
    while (!this.#isClosed) if (!(await this.#indexMore(file, log))) return true;
    return false;
  }

  /** @returns false when too few are left */
  #indexMore(file: Database, log: Reader): Promise<boolean> {
    // Looked for and opened in the transaction that takes them: nobody else has taken them meanwhile, and what a destroyed key
    // opened just before is taken out behind it.
    return file.transaction(async tx => {
      const entries = await listChain(log, 'audit_entry', (await findIndexedEnd(tx)).seq, BATCH);
      if (entries.length < MIN_BATCH) return false;
      const ids = [...new Set(entries.flatMap(({ entry }) => entry.sessionId ?? []))];
      await putFacts(tx, ids, await this.#sessions.of(ids));
      const rows: TextRow[] = [];
      for (const stored of entries) rows.push({ entry: stored.entry, said: await this.said(stored) });
      await insertText(tx, rows);
      return true;
    });
  }

  /** An archived month needs none; a file that is damaged goes, and is made anew. @throws anything else */
  async #whenUnusable(month: string, error: unknown): Promise<false> {
    if (isArchived(error)) return false;
    if (!(error instanceof ApplianceError && ['store.damaged', 'store.wrong-key'].includes(error.code))) throw error;
    this.#log.warn('audit.search-damaged', { month, why: describeError(error) });
    await this.#drop(month);
    return false;
  }

  async #drop(month: string): Promise<void> {
    this.#whole.delete(month);
    this.#isCaughtUp = false;
    await this.#store.searchFiles.drop(month);
  }
}

function isArchived(error: unknown): boolean {
  return error instanceof ApplianceError && error.code === 'store.archived';
}
