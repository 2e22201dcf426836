// Rows of sessions that were erased on demand.
import { parseSessionId, type SessionId } from '../../guid.ts';
import type { Reader, Row, Transaction } from '../../store/sql.ts';

export interface Erasure {
  readonly sessionId: SessionId;
  readonly reason: string;
  readonly askedBy: string;
  readonly askedByName: string;
  /** ms UTC */
  readonly askedAt: number;
  /** Of the session, ms UTC: its films are looked for from its first day to its last. */
  readonly from: number;
  readonly until: number;
  /** Null while something of it is still there. */
  readonly doneAt: number | null;
}

export async function insertErasure(tx: Transaction, erasure: Omit<Erasure, 'doneAt'>): Promise<void> {
  const { sessionId, reason, askedBy, askedByName, askedAt, from, until } = erasure;
  await tx.run(
    `INSERT INTO erasure (session_id, reason, asked_by, asked_by_name, asked_at, from_at, until_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    [sessionId, reason, askedBy, askedByName, askedAt, from, until],
  );
}

export async function findErasure(from: Reader, sessionId: SessionId): Promise<Erasure | undefined> {
  const row = await from.get('SELECT * FROM erasure WHERE session_id = ?', [sessionId]);
  return row && erasureOf(row);
}

export async function listUnfinishedErasures(from: Reader): Promise<Erasure[]> {
  return (await from.all('SELECT * FROM erasure WHERE done_at IS NULL ORDER BY asked_at')).map(erasureOf);
}

export async function finishErasure(tx: Transaction, sessionId: SessionId, doneAt: number): Promise<void> {
  await tx.run('UPDATE erasure SET done_at = ? WHERE session_id = ?', [doneAt, sessionId]);
}

function erasureOf(row: Row): Erasure {
  return {
    ...{ sessionId: parseSessionId(row.session_id), reason: String(row.reason) },
    ...{ askedBy: String(row.asked_by), askedByName: String(row.asked_by_name), askedAt: Number(row.asked_at) },
    ...{ from: Number(row.from_at), until: Number(row.until_at) },
    doneAt: row.done_at === null ? null : Number(row.done_at),
  };
}
