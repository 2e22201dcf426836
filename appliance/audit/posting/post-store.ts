// Rows of what is posted to a CRM.
import { parseSessionId, type SessionId } from '../../guid.ts';
import type { Reader, Row, Transaction } from '../../store/sql.ts';

export type PostState = 'waiting' | 'sent' | 'given-up';

export interface PostRow {
  readonly id: string;
  readonly sessionId: SessionId;
  readonly state: PostState;
  /** ms UTC, as all of these */
  readonly madeAt: number;
  readonly giveUpAt: number;
  readonly nextAt: number;
  readonly tries: number;
  readonly doneAt: number | null;
  readonly lastError: string | null;
}

export interface FailingPosts {
  readonly waiting: number;
  readonly givenUp: number;
  /** When the oldest of them was made, ms UTC. */
  readonly since: number | null;
  readonly error: string;
}

export async function insertPost(
  tx: Transaction,
  post: Pick<PostRow, 'id' | 'sessionId' | 'madeAt' | 'giveUpAt'>,
): Promise<void> {
  await tx.run(
    `INSERT INTO session_post (id, session_id, state, made_at, give_up_at, next_at) VALUES (?, ?, 'waiting', ?, ?, ?)`,
    [post.id, post.sessionId, post.madeAt, post.giveUpAt, post.madeAt],
  );
}

export async function listDuePosts(from: Reader, now: number, limit: number): Promise<PostRow[]> {
  const sql = `SELECT * FROM session_post WHERE state = 'waiting' AND next_at <= ? ORDER BY next_at LIMIT ?`;
  return (await from.all(sql, [now, limit])).map(toPost);
}

/** Newest first. */
export async function listPosts(from: Reader, limit: number): Promise<PostRow[]> {
  return (await from.all('SELECT * FROM session_post ORDER BY made_at DESC, id LIMIT ?', [limit])).map(toPost);
}

/** What waits and was refused at least once, what was given up since then, and what the newest of them failed with. */
export async function findFailing(from: Reader, since: number): Promise<FailingPosts> {
  const failing = `(state = 'waiting' AND tries > 0) OR (state = 'given-up' AND done_at >= ?)`;
  const counted = await from.get(
    `SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'given-up') AS given_up,
            min(made_at) AS since FROM session_post WHERE ${failing}`,
    [since],
  );
  const newest = await from.get(`SELECT last_error FROM session_post WHERE ${failing} ORDER BY made_at DESC LIMIT 1`, [
    since,
  ]);
  return {
    waiting: Number(counted?.waiting ?? 0),
    givenUp: Number(counted?.given_up ?? 0),
    since: counted?.since == null ? null : Number(counted.since),
    error: String(newest?.last_error ?? ''),
  };
}

export async function findPost(from: Reader, id: string): Promise<PostRow | undefined> {
  const row = await from.get('SELECT * FROM session_post WHERE id = ?', [id]);
  return row && toPost(row);
}

/** @returns whether it is there and was as it was read */
export async function changePost(
  tx: Transaction,
  was: PostRow,
  to: Pick<PostRow, 'state' | 'nextAt' | 'giveUpAt' | 'tries' | 'doneAt' | 'lastError'>,
): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE session_post SET state = ?, next_at = ?, give_up_at = ?, tries = ?, done_at = ?, last_error = ?
     WHERE id = ? AND state = ? AND tries = ?`,
    [to.state, to.nextAt, to.giveUpAt, to.tries, to.doneAt, to.lastError, was.id, was.state, was.tries],
  );
  return changes === 1;
}

export async function deleteOldPosts(tx: Transaction, before: number): Promise<void> {
  await tx.run(`DELETE FROM session_post WHERE state <> 'waiting' AND made_at < ?`, [before]);
}

function toPost(row: Row): PostRow {
  const state = row.state === 'sent' || row.state === 'given-up' ? row.state : 'waiting';
  return {
    id: String(row.id),
    sessionId: parseSessionId(row.session_id),
    state,
    madeAt: Number(row.made_at),
    giveUpAt: Number(row.give_up_at),
    nextAt: Number(row.next_at),
    tries: Number(row.tries),
    doneAt: row.done_at === null ? null : Number(row.done_at),
    lastError: row.last_error === null ? null : String(row.last_error),
  };
}
