// Entries of one file of the log that fit. Where words are looked for: what is not in the index yet is read through, within a
// budget, so that a search of a log whose index is still being made ends soon and says how far back it has looked.
import type { Reader } from '../store/sql.ts';
import {
  type AuditQuery,
  conditions,
  countEntries,
  findByNumber,
  findEntries,
  type StoredEntry,
} from './audit-store.ts';
import { findIndexedEnd, findMatches, findStretch } from './text-store.ts';
import { hasText, parseText, quotedWords, type WantedText, wordsOf } from './words.ts';

const READ_AT_ONCE = 1000;
/**
 * Of a person or a session: so many are read through sooner than words are looked for, for a word that stands in each entry of a
 * month has a list as long as the month, and the index walks it one by one when the newest come first.
 */
const FEW = 2000;

export interface ReadBudget {
  /** Entries that may still be read through. */
  rows: number;
  /** The entry before which nothing was looked at; null while there is none. */
  stoppedAt: number | null;
}

/**
 * @param few entries that are read through sooner than looked for in the index
 * @returns newest first, at most `query.limit`
 */
export async function searchFile(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  query: AuditQuery,
  budget: ReadBudget,
  few = FEW,
): Promise<StoredEntry[]> {
  const { text, ...others } = query;
  if (text === undefined) return findEntries(from, table, query);
  const wanted = parseText(text);
  if (table === 'audit_pending') return readThrough(from, table, others, wanted, budget);
  const end = await findIndexedEnd(from);
  const behind = await readThrough(from, table, { ...others, after: end }, wanted, budget);
  const limit = query.limit - behind.length;
  if (budget.stoppedAt !== null || limit === 0) return behind;
  const before = Math.min(others.before ?? end + 1, end + 1);
  const found = (await areFew(from, { ...others, before }, few))
    ? await readThrough(from, table, { ...others, before, limit }, wanted, {
        rows: few + READ_AT_ONCE,
        stoppedAt: null,
      })
    : await findIndexed(from, { ...others, limit }, wanted, end);
  return [...behind, ...found];
}

async function areFew(from: Reader, query: AuditQuery, few: number): Promise<boolean> {
  if (query.actorId === undefined && query.sessionId === undefined) return false; // there is no index to count by
  return (await countEntries(from, 'audit_entry', query, few + 1)) <= few;
}

async function readThrough(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  query: AuditQuery,
  wanted: WantedText,
  budget: ReadBudget,
): Promise<StoredEntry[]> {
  const found: StoredEntry[] = [];
  for (let { before } = query; ; ) {
    const page = { ...query, ...(before !== undefined && { before }), limit: READ_AT_ONCE };
    const read = await findEntries(from, table, page);
    found.push(...read.filter(({ entry }) => hasText(entry, wanted)));
    if (found.length >= query.limit || read.length < READ_AT_ONCE) return found.slice(0, query.limit);
    before = read.at(-1)?.entry.seq;
    budget.rows -= read.length;
    if (budget.rows > 0) continue;
    budget.stoppedAt = before ?? null;
    return found;
  }
}

/** @param end what comes behind it was read through, whatever has come into the index since */
async function findIndexed(from: Reader, query: AuditQuery, wanted: WantedText, end: number): Promise<StoredEntry[]> {
  const stretch = await findStretch(from, query.from ?? 0, query.until ?? Number.MAX_SAFE_INTEGER);
  if (stretch === undefined) return [];
  const last = Math.min(stretch[1], end, (query.before ?? end + 1) - 1);
  const { parts, params } = conditions(query);
  const numbers = await findMatches(from, matchOf(query, wanted), [stretch[0], last], { parts, params }, query.limit);
  return findByNumber(from, 'audit_entry', numbers);
}

/** Narrows in the index itself what it can; the other conditions are exact, and hold as well. */
function matchOf({ event, actorId, sessionId }: AuditQuery, wanted: WantedText): string {
  const parts = wanted.match.map(phrase => `words : ${phrase}`);
  for (const id of [actorId, sessionId]) if (id !== undefined) parts.push(`who : ${quotedWords(wordsOf(id))}`);
  const beginning = event === undefined ? [] : wordsOf(event);
  if (beginning.length > 0) parts.push(`what : ^ ${quotedWords(beginning)} *`);
  return parts.join(' AND ');
}
