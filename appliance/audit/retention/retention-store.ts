// Rows of legal holds and destroyed months, and what retention has to know of a month's file.
import { parseSessionId, type SessionId, toBase64Url } from '../../guid.ts';
import type { Reader, Row, Transaction } from '../../store/sql.ts';
import { hashToBytes } from '../entry.ts';

export interface LegalHold {
  readonly sessionId: SessionId;
  readonly reason: string;
  readonly setBy: string;
  readonly setByName: string;
  /** ms UTC */
  readonly setAt: number;
}

export interface DestroyedMonth {
  /** `YYYYMM` */
  readonly month: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Of the last entry, base64url. */
  readonly lastHash: string;
}

export async function listHolds(from: Reader): Promise<LegalHold[]> {
  return (await from.all('SELECT * FROM legal_hold ORDER BY set_at DESC, session_id')).map(toHold);
}

export async function insertHold(tx: Transaction, hold: LegalHold): Promise<void> {
  await tx.run('INSERT INTO legal_hold (session_id, reason, set_by, set_by_name, set_at) VALUES (?, ?, ?, ?, ?)', [
    hold.sessionId,
    hold.reason,
    hold.setBy,
    hold.setByName,
    hold.setAt,
  ]);
}

/** @returns whether there was one */
export async function deleteHold(tx: Transaction, sessionId: SessionId): Promise<boolean> {
  return (await tx.run('DELETE FROM legal_hold WHERE session_id = ?', [sessionId])).changes === 1;
}

/** Oldest first. */
export async function listDestroyedMonths(from: Reader): Promise<DestroyedMonth[]> {
  const rows = await from.all('SELECT month, first_seq, last_seq, last_hash FROM destroyed_month ORDER BY month');
  return rows.map(row => ({
    month: String(row.month),
    firstSeq: Number(row.first_seq),
    lastSeq: Number(row.last_seq),
    lastHash: row.last_hash instanceof Uint8Array ? toBase64Url(row.last_hash) : '',
  }));
}

/** Months that follow one another in the chain as one, by the first of them. @param months in the order of the chain */
export function joinMonths(months: readonly DestroyedMonth[]): DestroyedMonth[] {
  const joined: DestroyedMonth[] = [];
  for (const month of months) {
    const before = joined.at(-1);
    if (before === undefined || before.lastSeq + 1 !== month.firstSeq) joined.push(month);
    else joined[joined.length - 1] = { ...before, lastSeq: month.lastSeq, lastHash: month.lastHash };
  }
  return joined;
}

export async function insertDestroyedMonth(tx: Transaction, month: DestroyedMonth, at: number): Promise<void> {
  await tx.run(
    `INSERT OR IGNORE INTO destroyed_month (month, first_seq, last_seq, last_hash, destroyed_at) VALUES (?, ?, ?, ?, ?)`,
    [month.month, month.firstSeq, month.lastSeq, hashToBytes(month.lastHash), at],
  );
}

export interface MonthFacts {
  readonly entries: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly lastHash: string;
}

/** @param from a month's file @returns null when it is empty */
export async function readMonthFacts(from: Reader): Promise<MonthFacts | null> {
  const row = await from.get('SELECT count(*) AS entries, min(seq) AS first, max(seq) AS last FROM audit_entry');
  const last = await from.get('SELECT hash FROM audit_entry ORDER BY seq DESC LIMIT 1');
  if (row === undefined || !(last?.hash instanceof Uint8Array)) return null;
  const lastHash = toBase64Url(last.hash);
  return { entries: Number(row.entries), firstSeq: Number(row.first), lastSeq: Number(row.last), lastHash };
}

/** @param from a month's file */
export async function findAnyOf(from: Reader, sessionIds: readonly SessionId[]): Promise<boolean> {
  const sql = 'SELECT 1 FROM audit_entry WHERE session_id IN (SELECT value FROM json_each(?)) LIMIT 1';
  return (await from.get(sql, [JSON.stringify(sessionIds)])) !== undefined;
}

function toHold(row: Row): LegalHold {
  return {
    sessionId: parseSessionId(row.session_id),
    reason: String(row.reason),
    setBy: String(row.set_by),
    setByName: String(row.set_by_name),
    setAt: Number(row.set_at),
  };
}
