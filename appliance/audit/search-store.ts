// Rows of what a month is searched by. Its readers see the month's own tables beside it: entries are read there.
import type { Reader, SqlValue, Transaction } from '../store/sql.ts';
import type { Narrowed } from './audit-store.ts';
import type { AuditEntry } from './entry.ts';
import type { SessionFact } from './session-facts.ts';
import { wordsIn } from './words.ts';

/** The last entry of what is indexed. */
export interface IndexedEnd {
  /** 0 before the first. */
  readonly seq: number;
  readonly hash: string;
}

export async function findIndexedEnd(from: Reader): Promise<IndexedEnd> {
  const row = await from.get('SELECT last_seq, last_hash FROM part ORDER BY first_seq DESC LIMIT 1');
  return { seq: Number(row?.last_seq ?? 0), hash: String(row?.last_hash ?? '') };
}

export interface TextRow {
  readonly entry: AuditEntry;
  /** What is sealed in it, opened; null where there is nothing, or nobody can open it any more. */
  readonly said: string | null;
}

/** Takes entries into the index, in the transaction that says they are. @param rows oldest first, at least one */
export async function insertText(tx: Transaction, rows: readonly TextRow[]): Promise<void> {
  const [first, last] = [rows[0]?.entry, rows.at(-1)?.entry];
  if (first === undefined || last === undefined) return;
  await tx.insertMany(
    'INSERT INTO entry_text (rowid, what, who, words)',
    rows.map(row => valuesOf(row.entry, null)),
  );
  const said = rows.filter(({ entry, said }) => said !== null && entry.sessionId !== null);
  const sealed = said.map(({ entry, said }) => ({ values: valuesOf(entry, said), sessionId: entry.sessionId }));
  await tx.insertMany(
    'INSERT INTO sealed_match (rowid, what, who, words)',
    sealed.map(({ values }) => values),
  );
  await tx.insertMany(
    'INSERT INTO sealed_text (seq, what, who, words, session_id)',
    sealed.map(({ values, sessionId }) => [...values, sessionId]),
  );
  const times = rows.map(({ entry }) => entry.at);
  await tx.run('INSERT INTO part (first_seq, last_seq, last_hash, min_at, max_at) VALUES (?, ?, ?, ?, ?)', [
    ...[first.seq, last.seq, last.hash],
    ...[times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))],
  ]);
}

function valuesOf(entry: AuditEntry, said: string | null): SqlValue[] {
  const who = `${entry.actor.id ?? ''} ${entry.sessionId ?? ''}`;
  return [entry.seq, entry.event, who, wordsIn(entry, said)];
}

/** What is known of these sessions now; of those that are not there, only that they were. */
export async function putFacts(
  tx: Transaction,
  ids: readonly string[],
  facts: ReadonlyMap<string, SessionFact>,
): Promise<void> {
  const rows = ids.map(id => [id, facts.get(id)?.groupId ?? null, facts.get(id)?.customer ?? null]);
  await tx.insertMany('INSERT OR REPLACE INTO session_fact (session_id, group_id, customer)', rows);
  const ways = ids.flatMap(id => (facts.get(id)?.channelIds ?? []).map(channelId => [channelId, id]));
  await tx.insertMany('INSERT OR IGNORE INTO session_way (channel_id, session_id)', ways);
}

/** Takes out what was sealed under the session's key. @returns whether there was anything of that session */
export async function forgetSealed(tx: Transaction, sessionId: string): Promise<boolean> {
  if ((await tx.get('SELECT 1 FROM session_fact WHERE session_id = ?', [sessionId])) === undefined) return false;
  await tx.run(
    `INSERT INTO sealed_match (sealed_match, rowid, what, who, words)
     SELECT 'delete', seq, what, who, words FROM sealed_text WHERE session_id = ?`,
    [sessionId],
  );
  await tx.run('DELETE FROM sealed_text WHERE session_id = ?', [sessionId]);
  await tx.run('UPDATE session_fact SET customer = NULL WHERE session_id = ?', [sessionId]);
  return true;
}

/** What sessions are looked for by. */
export interface WantedSessions {
  readonly groupIds?: readonly string[];
  readonly channelId?: string;
  /** Folded. */
  readonly customer?: string;
}

const IN_LIST = 'IN (SELECT value FROM json_each(?))';

function factConditions({ groupIds, channelId, customer }: WantedSessions): Narrowed {
  const found: [string, SqlValue][] = [];
  if (groupIds !== undefined) found.push([`f.group_id ${IN_LIST}`, JSON.stringify(groupIds)]);
  if (customer !== undefined) found.push(['instr(f.customer, ?) > 0', customer]);
  const way = 'EXISTS (SELECT 1 FROM session_way w WHERE w.channel_id = ? AND w.session_id = f.session_id)';
  if (channelId !== undefined) found.push([way, channelId]);
  return { parts: found.map(([part]) => part), params: found.map(([, value]) => value) };
}

/** Ids of those sessions, at most so many: in no order. */
export async function listWanted(from: Reader, wanted: WantedSessions, limit: number): Promise<string[]> {
  const { parts, params } = factConditions(wanted);
  const sql = `SELECT f.session_id AS id FROM session_fact f WHERE ${parts.join(' AND ')} LIMIT ?`;
  return (await from.all(sql, [...params, limit])).map(({ id }) => String(id));
}

/** That an entry is of one of them; asked of each entry, where they are too many to be listed. */
export function ofWanted(wanted: WantedSessions): Narrowed {
  const { parts, params } = factConditions(wanted);
  const each = ['f.session_id = audit_entry.session_id', ...parts].join(' AND ');
  return { parts: [`EXISTS (SELECT 1 FROM session_fact f WHERE ${each})`], params };
}

/** Between which numbers all indexed entries of that time are; undefined when there is none. */
export async function findStretch(from: Reader, since: number, until: number): Promise<[number, number] | undefined> {
  const row = await from.get(
    'SELECT min(first_seq) AS first, max(last_seq) AS last FROM part WHERE max_at >= ? AND min_at < ?',
    [since, until],
  );
  return row?.first === null || row === undefined ? undefined : [Number(row.first), Number(row.last)];
}

/** @param narrowed the other conditions, on columns of audit_entry @returns numbers, newest first */
export async function findMatches(
  from: Reader,
  index: 'entry_text' | 'sealed_match',
  match: string,
  [first, last]: readonly [number, number],
  narrowed: Narrowed,
  limit: number,
): Promise<number[]> {
  // The index first, newest first, and then each entry by its number: never the other way round.
  const rows = await from.all(
    `SELECT seq FROM ${index} CROSS JOIN audit_entry ON seq = ${index}.rowid
     WHERE ${index} MATCH ? AND ${index}.rowid BETWEEN ? AND ? ${narrowed.parts.map(part => `AND ${part}`).join(' ')}
     ORDER BY ${index}.rowid DESC LIMIT ?`,
    [match, first, last, ...narrowed.params, limit],
  );
  return rows.map(row => Number(row.seq));
}
