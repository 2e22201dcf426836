// Rows of a month's index of words. Filled and asked by SQL alone: no entry passes through the process to be indexed.
import type { Reader, SqlValue, Transaction } from '../store/sql.ts';

/** Entries behind the index, that is the number after which they come: 0 before the first. */
export async function findIndexedEnd(from: Reader): Promise<number> {
  const row = await from.get('SELECT max(last_seq) AS seq FROM audit_text_part');
  return Number(row?.seq ?? 0);
}

/** How many of the next entries there are, at most `limit`, and the number of the last of them. */
export async function findUnindexed(
  from: Reader,
  after: number,
  limit: number,
): Promise<{ count: number; last: number }> {
  const row = await from.get(
    'SELECT count(*) AS n, max(seq) AS last FROM (SELECT seq FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT ?)',
    [after, limit],
  );
  return { count: Number(row?.n ?? 0), last: Number(row?.last ?? 0) };
}

// Escapes of JSON that would become a letter of the word after them.
const DETAIL = String.raw`replace(replace(replace(coalesce(detail, ''), '\n', ' '), '\r', ' '), '\t', ' ')`;

/** Takes entries into the index, in the transaction that says they are. */
export async function insertText(tx: Transaction, after: number, last: number): Promise<void> {
  await tx.run(
    `INSERT INTO audit_text (rowid, what, who, words)
     SELECT seq, event, coalesce(actor_id, '') || ' ' || coalesce(session_id, ''),
       event || ' ' || coalesce(actor_name, '') || ' ' || coalesce(address, '') || ' ' || coalesce(subject, '') || ' ' || ${DETAIL}
     FROM audit_entry WHERE seq > ? AND seq <= ? ORDER BY seq`,
    [after, last],
  );
  await tx.run(
    `INSERT INTO audit_text_part (first_seq, last_seq, min_at, max_at)
     SELECT min(seq), max(seq), min(at), max(at) FROM audit_entry WHERE seq > ? AND seq <= ?`,
    [after, last],
  );
}

/** Between which numbers all indexed entries of that time are; undefined when there is none. */
export async function findStretch(from: Reader, since: number, until: number): Promise<[number, number] | undefined> {
  const row = await from.get(
    'SELECT min(first_seq) AS first, max(last_seq) AS last FROM audit_text_part WHERE max_at >= ? AND min_at < ?',
    [since, until],
  );
  return row?.first === null || row === undefined ? undefined : [Number(row.first), Number(row.last)];
}

/** @param narrowed the other conditions, on columns of audit_entry @returns numbers, newest first */
export async function findMatches(
  from: Reader,
  match: string,
  [first, last]: readonly [number, number],
  narrowed: { readonly parts: readonly string[]; readonly params: readonly SqlValue[] },
  limit: number,
): Promise<number[]> {
  // The index first, newest first, and then each entry by its number: never the other way round.
  const rows = await from.all(
    `SELECT seq FROM audit_text CROSS JOIN audit_entry ON seq = audit_text.rowid
     WHERE audit_text MATCH ? AND audit_text.rowid BETWEEN ? AND ? ${narrowed.parts.map(part => `AND ${part}`).join(' ')}
     ORDER BY audit_text.rowid DESC LIMIT ?`,
    [match, first, last, ...narrowed.params, limit],
  );
  return rows.map(row => Number(row.seq));
}
