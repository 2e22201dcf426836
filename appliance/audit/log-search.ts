// Entries of one file of the log that fit. Where words or sessions are looked for: what is not in the index yet is read through,
// within a budget, so that a search of a log whose index is still being made ends soon and says how far back it has looked.
import type { Reader } from '../store/sql.ts';
import {
  type AuditQuery,
  conditions,
  countEntries,
  findByNumber,
  findEntries,
  type Narrowed,
  ofSessions,
  type StoredEntry,
} from './audit-store.ts';
import { findIndexedEnd, findMatches, findStretch, listWanted, ofWanted, type WantedSessions } from './search-store.ts';
import { foldName, type SessionFact, type SessionFacts } from './session-facts.ts';
import { hasText, parseText, quotedWords, type WantedText, wordsOf } from './words.ts';

const READ_AT_ONCE = 1000;
/**
 * Of a person or a session: so many are read through sooner than words are looked for, for a word that stands in each entry of a
 * month has a list as long as the month, and the index walks it one by one when the newest come first.
 */
const FEW = 2000;
/** So few sessions are looked for by what each of them did; more of them are met soon by going through all entries. */
const FEW_SESSIONS = 250;

export interface ReadBudget {
  /** Entries that may still be read through. */
  rows: number;
  /** The entry before which nothing was looked at; null while there is none. */
  stoppedAt: number | null;
}

export interface LogSearchParts {
  readonly sessions: SessionFacts;
  /** Opens what is sealed in an entry; null where there is nothing. */
  readonly said: (stored: StoredEntry) => Promise<string | null>;
}

/** What is looked for, taken apart. */
interface Wanted {
  /** What columns tell. */
  readonly query: AuditQuery;
  readonly text: WantedText | null;
  readonly withChat: boolean;
  readonly sessions: WantedSessions | null;
}

export class LogSearch {
  readonly #parts: LogSearchParts;

  constructor(parts: LogSearchParts) {
    this.#parts = parts;
  }

  /** What waits for its month's file. @returns newest first, at most `query.limit` */
  async pending(core: Reader, query: AuditQuery, budget: ReadBudget): Promise<StoredEntry[]> {
    const wanted = takeApart(query);
    if (isPlain(wanted)) return findEntries(core, 'audit_pending', wanted.query);
    return this.#readThrough(core, 'audit_pending', wanted, budget);
  }

  /**
   * A month: what its index doesn't have yet is read through.
   * @param ask what the month is searched by; undefined where it has nothing now
   * @param few entries that are read through sooner than looked for in the index
   * @returns newest first, at most `query.limit`
   */
  async month(
    log: Reader,
    ask: <T>(act: (search: Reader) => Promise<T>) => Promise<T | undefined>,
    query: AuditQuery,
    budget: ReadBudget,
    few = FEW,
  ): Promise<StoredEntry[]> {
    const wanted = takeApart(query);
    if (isPlain(wanted)) return findEntries(log, 'audit_entry', wanted.query);
    const end = (await ask(findIndexedEnd))?.seq ?? 0;
    const behind = await this.#readThrough(log, 'audit_entry', within(wanted, { after: end }), budget);
    const limit = query.limit - behind.length;
    if (end === 0 || budget.stoppedAt !== null || limit === 0) return behind;
    const rest = within(wanted, { before: Math.min(query.before ?? end + 1, end + 1), limit });
    const found = await ask(search => this.#indexed(search, rest, few));
    // Gone just now: read from its end on, as if it had never been there.
    return [...behind, ...(found ?? (await this.#readThrough(log, 'audit_entry', rest, budget)))];
  }

  async #indexed(search: Reader, wanted: Wanted, few: number): Promise<StoredEntry[]> {
    const { query, text, sessions } = wanted;
    const listed = sessions === null ? null : await listWanted(search, sessions, FEW_SESSIONS + 1);
    if (listed?.length === 0) return [];
    const areListed = listed !== null && listed.length <= FEW_SESSIONS;
    const also = sessions === null ? NONE : areListed ? ofSessions(listed) : ofWanted(sessions);
    if (text === null) {
      const way = areListed ? BY_SESSION : query.actorId === undefined ? 'NOT INDEXED' : '';
      return this.#inTime(search, query, span => findEntries(search, 'audit_entry', span, also, way));
    }
    const mayCount = query.actorId !== undefined || query.sessionId !== undefined || areListed; // else there is nothing to count by
    if (mayCount && (await countEntries(search, 'audit_entry', query, few + 1, also)) <= few) {
      const all = { rows: few + READ_AT_ONCE, stoppedAt: null };
      return this.#readThrough(search, 'audit_entry', { ...wanted, sessions: null }, all, also);
    }
    return this.#inTime(search, query, span => matching(search, wanted, text, span, also));
  }

  /** Within the numbers of its time. */
  async #inTime(
    search: Reader,
    query: AuditQuery,
    act: (query: AuditQuery) => Promise<StoredEntry[]>,
  ): Promise<StoredEntry[]> {
    const stretch = await findStretch(search, query.from ?? 0, query.until ?? Number.MAX_SAFE_INTEGER);
    if (stretch === undefined) return [];
    const [after, before] = [stretch[0] - 1, stretch[1] + 1];
    return act({
      ...query,
      after: Math.max(query.after ?? 0, after),
      before: Math.min(query.before ?? before, before),
    });
  }

  async #readThrough(
    from: Reader,
    table: 'audit_pending' | 'audit_entry',
    wanted: Wanted,
    budget: ReadBudget,
    also = NONE,
  ): Promise<StoredEntry[]> {
    const { query } = wanted;
    const found: StoredEntry[] = [];
    const facts = new Map<string, SessionFact | undefined>();
    for (let { before } = query; ; ) {
      const page = { ...query, ...(before !== undefined && { before }), limit: READ_AT_ONCE };
      const read = await findEntries(from, table, page, also);
      found.push(...(await this.#fitting(read, wanted, facts)));
      if (found.length >= query.limit || read.length < READ_AT_ONCE) return found.slice(0, query.limit);
      before = read.at(-1)?.entry.seq;
      budget.rows -= read.length;
      if (budget.rows > 0) continue;
      budget.stoppedAt = before ?? null;
      return found;
    }
  }

  /** @param facts of sessions that were met before */
  async #fitting(
    read: readonly StoredEntry[],
    { text, withChat, sessions }: Wanted,
    facts: Map<string, SessionFact | undefined>,
  ): Promise<StoredEntry[]> {
    const ofThem = sessions === null ? read : await this.#ofSessions(read, sessions, facts);
    if (text === null) return [...ofThem];
    const found: StoredEntry[] = [];
    for (const stored of ofThem) {
      const said = withChat ? await this.#parts.said(stored) : null;
      if (hasText(stored.entry, text, said)) found.push(stored);
    }
    return found;
  }

  async #ofSessions(
    read: readonly StoredEntry[],
    wanted: WantedSessions,
    facts: Map<string, SessionFact | undefined>,
  ): Promise<StoredEntry[]> {
    const met = new Set(read.flatMap(({ entry }) => entry.sessionId ?? []));
    const ids = [...met].filter(id => !facts.has(id));
    const known = ids.length === 0 ? new Map<string, SessionFact>() : await this.#parts.sessions.of(ids);
    for (const id of ids) facts.set(id, known.get(id));
    return read.filter(({ entry }) => entry.sessionId !== null && isWanted(facts.get(entry.sessionId), wanted));
  }
}

const NONE: Narrowed = { parts: [], params: [] };
const BY_SESSION = 'INDEXED BY audit_entry_by_session';

function takeApart({ text, withChat = false, groupIds, channelId, customer, ...query }: AuditQuery): Wanted {
  const sessions = {
    ...(groupIds !== undefined && { groupIds }),
    ...(channelId !== undefined && { channelId }),
    ...(customer !== undefined && { customer: foldName(customer) }),
  };
  const areWanted = Object.keys(sessions).length > 0;
  return { query, text: text === undefined ? null : parseText(text), withChat, sessions: areWanted ? sessions : null };
}

function isPlain({ text, sessions }: Wanted): boolean {
  return text === null && sessions === null;
}

function within(wanted: Wanted, over: Partial<AuditQuery>): Wanted {
  const after = Math.max(over.after ?? 0, wanted.query.after ?? 0);
  return { ...wanted, query: { ...wanted.query, ...over, ...(after > 0 && { after }) } };
}

function isWanted(fact: SessionFact | undefined, { groupIds, channelId, customer }: WantedSessions): boolean {
  if (fact === undefined) return false;
  if (groupIds !== undefined && !groupIds.includes(fact.groupId)) return false;
  if (channelId !== undefined && !fact.channelIds.includes(channelId)) return false;
  return customer === undefined || fact.customer?.includes(customer) === true;
}

/** By the index; an entry with something sealed in it is in one of its own, too, with the words of that. */
async function matching(
  search: Reader,
  { withChat }: Wanted,
  text: WantedText,
  query: AuditQuery,
  also: Narrowed,
): Promise<StoredEntry[]> {
  const own = conditions(query);
  const narrowed = { parts: [...own.parts, ...also.parts], params: [...own.params, ...also.params] };
  const span = [(query.after ?? 0) + 1, (query.before ?? Number.MAX_SAFE_INTEGER) - 1] as const;
  const indexes = withChat ? (['entry_text', 'sealed_match'] as const) : (['entry_text'] as const);
  const match = matchOf(query, text);
  const numbers = await Promise.all(
    indexes.map(index => findMatches(search, index, match, span, narrowed, query.limit)),
  );
  const newest = [...new Set(numbers.flat())].sort((a, b) => b - a).slice(0, query.limit);
  return findByNumber(search, 'audit_entry', newest);
}

/** Narrows in the index itself what it can; the other conditions are exact, and hold as well. */
function matchOf({ event, actorId, sessionId }: AuditQuery, wanted: WantedText): string {
  const parts = wanted.match.map(phrase => `words : ${phrase}`);
  for (const id of [actorId, sessionId]) if (id !== undefined) parts.push(`who : ${quotedWords(wordsOf(id))}`);
  const beginning = event === undefined ? [] : wordsOf(event);
  if (beginning.length > 0) parts.push(`what : ^ ${quotedWords(beginning)} *`);
  return parts.join(' AND ');
}
