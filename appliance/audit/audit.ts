// The hash-chained log (G-01 G-02 G-03). An entry is written in the very transaction of the act it tells of; a mover takes
// it on to its month's file; the signer signs the end of the chain now and then. Format and limits: README.md.
import { randomBytes } from 'node:crypto';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError, defect, describeError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import { canonicalJson } from '../protocol/canonical-json.ts';
import type { Reader, Row, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import {
  type AuditQuery,
  beginLog,
  type ChainEnd,
  findChainEnd,
  findHashes,
  findLastHead,
  findMovedEnd,
  forgetPending,
  hasBefore,
  insertHead,
  insertMoved,
  insertPending,
  listPending,
  type SignedHead,
  type StoredEntry,
} from './audit-store.ts';
import { type AuditEntry, type AuditEvent, bodyLabel, hashBody, hashEntry, NO_HASH } from './entry.ts';
import { LogSearch, type ReadBudget } from './log-search.ts';
import { listDestroyedMonths } from './retention/retention-store.ts';
import { SearchIndex } from './search-index.ts';
import type { SessionFacts } from './session-facts.ts';

/** Signs the end of a chain; refuses one that does not continue what it signed before. */
export interface LogHeadSigner {
  signLogHead(end: ChainEnd): Promise<{ kid: string; signature: string }>;
}

export interface AuditOptions {
  readonly store: Store;
  readonly signer: LogHeadSigner;
  /** What entries of a session are looked for by. */
  readonly sessions: SessionFacts;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: { readonly headEveryEntries: number; readonly headEverySeconds: number };
}

export interface FoundPage {
  /** Newest first. */
  readonly entries: readonly StoredEntry[];
  /** `before` of the next page; null when there is none. */
  readonly next: number | null;
  /** That the next page was not even looked for: words are being taken into the index still. */
  readonly isPartial: boolean;
}

const MAX_DETAIL_CHARACTERS = 16_384;
const MOVE_EVERY_MS = 250;
const MAX_SIGNED_TRIES = 8;
const MAX_MOVED_AT_ONCE = 5000;
/** What a search for words reads through at most of what is not in an index yet. */
const MAX_READ_THROUGH = 20_000;
/** In a round that moved more, the machine has enough to do: the index waits. */
const BUSY_ROUND = 1000;

export class AuditLog {
  readonly #store: Store;
  readonly #signer: LogHeadSigner;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: AuditOptions['config'];
  // Where the chain ends inside the writer's open transaction; null when it has to be read again.
  #end: ChainEnd | null = null;
  readonly #index: SearchIndex;
  readonly #searching: LogSearch;
  readonly #gathered = new WeakMap<Transaction, StoredEntry[]>();
  #signedSeq = 0;
  #signedAt = 0;
  #working: Promise<void> | null = null;
  #signing: Promise<unknown> = Promise.resolve();
  #cancel: Cancel | null = null;
  #fault = '';

  constructor(options: AuditOptions) {
    this.#store = options.store;
    this.#signer = options.signer;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#config = options.config;
    this.#index = new SearchIndex(options);
    this.#searching = new LogSearch({ sessions: options.sessions, said: stored => this.#index.said(stored) });
    // Whoever destroys a key, and whatever for, takes what was sealed under it out of the search as well.
    options.store.sessionKeys.keepCopies(sessionId => this.#index.forget(sessionId));
  }

  /** Why it could not be moved and signed the last time; empty when it was. */
  get fault(): string {
    return this.#fault;
  }

  /** Begins the log when it is new, then moves and signs by the clock. */
  async start(): Promise<void> {
    await this.#store.core.transaction(async tx => {
      if ((await findMovedEnd(tx)) !== undefined) return;
      await beginLog(tx, { log: toBase64Url(randomBytes(16)), seq: 0, hash: NO_HASH });
    });
    const head = await findLastHead(this.#store.core.read);
    this.#signedSeq = head?.seq ?? 0;
    this.#signedAt = this.#clock.now();
    this.#cancel = this.#clock.every(MOVE_EVERY_MS, () => this.#workSoon());
  }

  /** Moves and signs what is there, then stops. */
  async close(): Promise<void> {
    this.#cancel?.();
    await this.#index.close();
    while (this.#working !== null) await this.#working;
    await this.move();
    await this.#signHead().catch(error => this.#log.warn('audit.head-unsigned', { why: describeError(error) }));
  }

  /**
   * Writes an entry; it is there when the transaction is, and not when it isn't.
   * @throws ApplianceError `session-key.destroyed` for a body of a session whose key is gone
   */
  async append(tx: Transaction, event: AuditEvent): Promise<{ seq: number }> {
    const end = this.#end ?? (await findChainEnd(tx));
    if (end === undefined) throw defect('the log was not begun');
    const stored = await this.#chain(end, event);
    const { seq, hash } = stored.entry;
    this.#writeAtEnd(tx, stored);
    this.#end = { log: end.log, seq, hash };
    tx.afterRollback(() => {
      this.#end = null;
    });
    return { seq };
  }

  /** After a restore: a new log that goes on from where the restored one ends, and says so in its first entry. */
  async beginIncarnation(event: AuditEvent): Promise<void> {
    await this.move();
    await this.#store.core.transaction(async tx => {
      const end = await findChainEnd(tx);
      if (end === undefined) throw defect('the log was not begun');
      await beginLog(tx, { ...end, log: toBase64Url(randomBytes(16)) });
      this.#end = null;
      await this.append(tx, event);
    });
  }

  /**
   * @param core a transaction sees what others have written just before it, and nobody else yet
   * @returns newest first, at most `limit`, from pending entries and the months in turn
   */
  async search(query: AuditQuery, core: Reader = this.#store.core.read): Promise<StoredEntry[]> {
    return (await this.#collect(query, core)).entries;
  }

  /** A page of what `search` finds. With `text` it may end before it is full, and there is a next one all the same. */
  async find(query: AuditQuery): Promise<FoundPage> {
    const { entries, stoppedAt } = await this.#collect(query, this.#store.core.read);
    const isFull = entries.length >= query.limit;
    return {
      entries,
      next: isFull ? (entries.at(-1)?.entry.seq ?? null) : stoppedAt,
      isPartial: !isFull && stoppedAt !== null,
    };
  }

  async #collect(query: AuditQuery, core: Reader): Promise<{ entries: StoredEntry[]; stoppedAt: number | null }> {
    const budget: ReadBudget = { rows: MAX_READ_THROUGH, stoppedAt: null };
    const found = new Map<number, StoredEntry>();
    const take = (entries: readonly StoredEntry[]) => {
      for (const stored of entries) found.set(stored.entry.seq, stored);
    };
    take(await this.#searching.pending(core, query, budget));
    for (const month of this.#store.months().toReversed()) {
      if (found.size >= query.limit || budget.stoppedAt !== null) break;
      const database = await this.#store.month(month).catch(ignoreArchived);
      const asked = database === null ? null : await askedOf(database.read, month, query);
      if (database !== null && asked !== null)
        take(await this.#searching.month(database.read, this.#ask(month), asked, budget));
      if (query.from !== undefined && monthStart(month) < query.from) break;
    }
    const newestFirst = [...found.values()].sort((a, b) => b.entry.seq - a.entry.seq);
    return { entries: newestFirst.slice(0, query.limit), stoppedAt: budget.stoppedAt };
  }

  /**
   * A session's entries wherever they are, so that nothing is missing of it before its months are destroyed.
   * @param first the event all logs of sessions begin with: nothing is looked for before it
   * @returns newest first
   */
  async ofSession(
    query: Pick<AuditQuery, 'before' | 'limit'> & { readonly sessionId: string; readonly first: string },
    core: Reader = this.#store.core.read,
  ): Promise<StoredEntry[]> {
    const { first, ...asked } = query;
    const found = new Map<number, StoredEntry>();
    for (const stored of await this.search(asked, core)) found.set(stored.entry.seq, stored);
    const isWhole = () => found.size >= query.limit || [...found.values()].some(({ entry }) => entry.event === first);
    const budget: ReadBudget = { rows: MAX_READ_THROUGH, stoppedAt: null };
    for (const month of this.#store.archivedMonths().toReversed()) {
      if (isWhole()) break;
      const search = (read: Reader) => this.#searching.month(read, async () => undefined, asked, budget);
      for (const stored of await this.#inArchive(month, search)) found.set(stored.entry.seq, stored);
    }
    return [...found.values()].sort((a, b) => b.entry.seq - a.entry.seq).slice(0, query.limit);
  }

  async #inArchive<T>(month: string, act: (read: Reader) => Promise<T>): Promise<T> {
    const archive = this.#store.openArchive(month);
    try {
      return await act(archive.read);
    } finally {
      await archive.close();
    }
  }

  #ask(month: string): <T>(act: (search: Reader) => Promise<T>) => Promise<T | undefined> {
    return act => this.#index.ask(month, act);
  }

  /** Moves every committed entry to its month's file. @returns how many there were */
  async move(): Promise<number> {
    for (let moved = 0; ; ) {
      const rows = await listPending(this.#store.core.read, MAX_MOVED_AT_ONCE);
      const last = rows.at(-1);
      if (last === undefined) return moved;
      moved += rows.length;
      for (const [month, ofMonth] of this.#byMonth(rows)) {
        const database = await this.#store.month(month);
        await database.transaction(tx => insertMoved(tx, ofMonth));
      }
      await this.#store.core.transaction(tx => forgetPending(tx, last));
    }
  }

  /** Has the end of the moved log signed now. */
  async signHead(): Promise<void> {
    await this.move();
    await this.#signHead();
  }

  /**
   * Writes an entry and has the chain signed exactly there: the head is that entry's own hash, so that it proves it alone.
   * @param make what it says may rest on all entries before it: none comes between
   * @throws ApplianceError `audit.busy`
   */
  async appendSigned(make: (tx: Transaction) => Promise<AuditEvent>): Promise<SignedHead> {
    for (let tries = 0; tries < MAX_SIGNED_TRIES; tries++) {
      const end = await this.#store.core.transaction(async tx => {
        await this.append(tx, await make(tx));
        return this.#end;
      });
      const head = end === null ? undefined : await this.#signAt(end);
      if (head !== undefined) return head;
    }
    throw new ApplianceError('unavailable', 'audit.busy', 'the log was signed beyond that entry each time; try again');
  }

  /**
   * Hashes of entries by number: of pending ones, of months, of the last before a destroyed month's end.
   * @param isDeep in archived months too, which are opened for it
   */
  async hashesOf(seqs: readonly number[], isDeep = false): Promise<ReadonlyMap<number, string>> {
    const { core } = this.#store;
    const found = new Map<number, string>([[0, NO_HASH]]);
    for (const { lastSeq, lastHash } of await listDestroyedMonths(core.read)) found.set(lastSeq, lastHash);
    const take = async (from: Reader, table: 'audit_pending' | 'audit_entry') => {
      const missing = seqs.filter(seq => !found.has(seq));
      for (const [seq, hash] of await findHashes(from, table, missing)) found.set(seq, hash);
    };
    await take(core.read, 'audit_pending');
    for (const month of this.#store.months().toReversed()) {
      if (seqs.every(seq => found.has(seq))) break;
      const database = await this.#store.month(month).catch(ignoreArchived);
      if (database !== null) await take(database.read, 'audit_entry');
    }
    for (const month of isDeep ? this.#store.archivedMonths().toReversed() : []) {
      if (seqs.every(seq => found.has(seq))) break;
      await this.#inArchive(month, read => take(read, 'audit_entry'));
    }
    return found;
  }

  /** The last end of the chain that was signed; undefined before the first. */
  lastHead(): Promise<SignedHead | undefined> {
    return findLastHead(this.#store.core.read);
  }

  /** All entries of an act are written together, as the last thing it does: one statement, not one for each. */
  #writeAtEnd(tx: Transaction, stored: StoredEntry): void {
    const others = this.#gathered.get(tx);
    if (others !== undefined) return void others.push(stored);
    const entries = [stored];
    this.#gathered.set(tx, entries);
    tx.beforeEnd(() => insertPending(tx, entries));
  }

  async #chain(end: ChainEnd, event: AuditEvent): Promise<StoredEntry> {
    const seq = end.seq + 1;
    const detail = { ...event.detail };
    for (const [name, value] of Object.entries(detail)) if (value === null) delete detail[name];
    if (canonicalJson(detail as Record<string, string>).length > MAX_DETAIL_CHARACTERS) {
      throw new ApplianceError('malformed', 'audit.detail-too-long', `the detail of ${event.event} is too long`);
    }
    const body = await this.#seal(event, end.log, seq);
    const entry: Omit<AuditEntry, 'hash'> = {
      log: end.log,
      seq,
      at: this.#clock.now(),
      event: event.event,
      actor: event.actor,
      sessionId: event.sessionId ?? null,
      subject: event.subject ?? null,
      detail,
      bodyHash: body === null ? null : hashBody(body),
    };
    return { entry: { ...entry, hash: hashEntry(entry, end.hash) }, body };
  }

  #seal(event: AuditEvent, log: string, seq: number): Promise<Uint8Array> | null {
    if (event.body === undefined) return null;
    if (event.sessionId === undefined) throw defect('a body belongs to a session');
    return this.#store.sessionKeys.seal(event.sessionId, bodyLabel(log, seq), event.body);
  }

  // An entry never goes to a file older than the last: a clock set back must not put later entries before earlier ones.
  #byMonth(rows: readonly Row[]): Map<string, Row[]> {
    let month = this.#store.months().at(-1) ?? '';
    const byMonth = new Map<string, Row[]>();
    for (const row of rows) {
      const own = monthOf(Number(row.at));
      if (own > month) month = own;
      const list = byMonth.get(month) ?? [];
      list.push(row);
      byMonth.set(month, list);
    }
    return byMonth;
  }

  #workSoon(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
  }

  async #work(): Promise<void> {
    try {
      const moved = await this.move();
      if (moved <= BUSY_ROUND) this.#index.workSoon(moved);
      const end = await findMovedEnd(this.#store.core.read);
      const entries = (end?.seq ?? 0) - this.#signedSeq;
      const isDue = this.#clock.now() - this.#signedAt >= this.#config.headEverySeconds * 1000;
      if (entries >= this.#config.headEveryEntries || (entries > 0 && isDue)) await this.#signHead();
      this.#fault = '';
    } catch (error) {
      // The entries stay where they are, committed; the next round tries again.
      this.#fault = describeError(error);
      this.#log.error('audit.work-failed', { why: this.#fault });
    }
  }

  async #signHead(): Promise<void> {
    const end = await findMovedEnd(this.#store.core.read);
    if (end !== undefined) await this.#signAt(end);
  }

  /** One after the other: the signer signs only what continues what it signed last. @returns undefined where it is signed beyond */
  #signAt(end: ChainEnd): Promise<SignedHead | undefined> {
    const mine = this.#signing.then(() => this.#signNow(end));
    this.#signing = mine.catch(() => undefined); // told to whoever asked
    return mine;
  }

  async #signNow(end: ChainEnd): Promise<SignedHead | undefined> {
    if (end.seq <= this.#signedSeq) return undefined;
    const { kid, signature } = await this.#signer.signLogHead(end);
    const at = this.#clock.now();
    const head = { ...end, at, kid, signature };
    await this.#store.core.transaction(tx => insertHead(tx, head));
    this.#signedSeq = end.seq;
    this.#signedAt = at;
    this.#log.info('audit.head', { log: end.log, seq: end.seq, hash: end.hash }); // syslog is a place elsewhere to keep it
    return head;
  }
}

/** `YYYYMM` in UTC. */
export function monthOf(at: number): string {
  return new Date(at).toISOString().slice(0, 7).replace('-', '');
}

/** Between the list of months and the month it was archived, and is not searched any more. */
function ignoreArchived(error: unknown): null {
  if (error instanceof ApplianceError && error.code === 'store.archived') return null;
  throw error;
}

/**
 * In the file of a later month stand entries of before where the clock was set back: few, which are found by their time.
 * @returns what is to be looked for in that month; null where nothing can be
 */
async function askedOf(month: Reader, name: string, query: AuditQuery): Promise<AuditQuery | null> {
  if (query.until === undefined || monthStart(name) < query.until) return query;
  return (await hasBefore(month, query.until)) ? { from: 0, ...query } : null;
}

function monthStart(month: string): number {
  return Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)) - 1);
}
