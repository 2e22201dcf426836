// Rows of logins.
import type { Reader, Row, Transaction } from '../store/sql.ts';
import type { Login, LoginStage } from './login.ts';
import type { Role } from './member.ts';

export const loginColumns = 'id, member_id, stage, created_at, last_seen_at, address, user_agent';

export async function insertLogin(tx: Transaction, login: Login, digest: Uint8Array): Promise<void> {
  await tx.run(`INSERT INTO login (${loginColumns}, token_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, [
    login.id,
    login.memberId,
    login.stage,
    login.createdAt,
    login.lastSeenAt,
    login.address,
    login.userAgent,
    digest,
  ]);
}

export async function findLoginByDigest(from: Reader, digest: Uint8Array): Promise<Login | undefined> {
  const row = await from.get(`SELECT ${loginColumns} FROM login WHERE token_digest = ?`, [digest]);
  return row && toLogin(row);
}

export async function findLogin(from: Reader, id: string): Promise<Login | undefined> {
  const row = await from.get(`SELECT ${loginColumns} FROM login WHERE id = ?`, [id]);
  return row && toLogin(row);
}

/** @returns newest first */
export async function listLogins(from: Reader, memberId: string): Promise<Login[]> {
  const rows = await from.all(`SELECT ${loginColumns} FROM login WHERE member_id = ? ORDER BY created_at DESC`, [
    memberId,
  ]);
  return rows.map(toLogin);
}

export async function listEveryLogin(from: Reader): Promise<Login[]> {
  return (await from.all(`SELECT ${loginColumns} FROM login`)).map(toLogin);
}

/** Who has a role and is signed in. */
export async function listSignedIn(from: Reader, role: Role): Promise<string[]> {
  const rows = await from.all(
    `SELECT DISTINCT member_role.member_id FROM member_role JOIN login ON login.member_id = member_role.member_id
     WHERE member_role.role = ? AND login.stage = 'full'`,
    [role],
  );
  return rows.map(row => String(row.member_id));
}

export interface Deadlines {
  /** A login last seen at or before this has been idle too long; ms UTC, as the others. */
  readonly idle: number;
  /** One made at or before this is too old. */
  readonly tooOld: number;
  /** One made at or before this that is not `full` was not finished in time. */
  readonly unfinished: number;
}

export async function listExpired(from: Reader, { idle, tooOld, unfinished }: Deadlines): Promise<Login[]> {
  const rows = await from.all(
    `SELECT ${loginColumns} FROM login
     WHERE last_seen_at <= ? OR created_at <= ? OR (stage <> 'full' AND created_at <= ?) LIMIT 1000`,
    [idle, tooOld, unfinished],
  );
  return rows.map(toLogin);
}

export interface Step {
  readonly id: string;
  readonly from: LoginStage;
  readonly to: LoginStage;
  readonly digest: Uint8Array;
  readonly at: number;
}

/** @returns false when the login is gone or no longer in `from` */
export async function stepLogin(tx: Transaction, { id, from, to, digest, at }: Step): Promise<boolean> {
  const { changes } = await tx.run(
    'UPDATE login SET stage = ?, token_digest = ?, last_seen_at = ? WHERE id = ? AND stage = ?',
    [to, digest, at, id, from],
  );
  return changes === 1;
}

export async function touchLogin(tx: Transaction, id: string, at: number): Promise<void> {
  await tx.run('UPDATE login SET last_seen_at = max(last_seen_at, ?) WHERE id = ?', [at, id]);
}

/** @returns whether it was still there */
export async function deleteLogin(tx: Transaction, id: string): Promise<boolean> {
  return (await tx.run('DELETE FROM login WHERE id = ?', [id])).changes === 1;
}

/** Notes that whoever holds the login proved himself once more. */
export async function confirmLogin(tx: Transaction, id: string, at: number): Promise<void> {
  await tx.run('UPDATE login SET confirmed_at = ? WHERE id = ?', [at, id]);
}

/** @returns ms UTC; null when he never did, or the login is gone */
export async function confirmedAt(from: Reader, id: string): Promise<number | null> {
  const at = (await from.get('SELECT confirmed_at FROM login WHERE id = ?', [id]))?.confirmed_at ?? null;
  return at === null ? null : Number(at);
}

export function toLogin(row: Row): Login {
  return {
    id: String(row.id),
    memberId: String(row.member_id),
    stage: String(row.stage) as LoginStage, // the column's CHECK holds it to these
    createdAt: Number(row.created_at),
    lastSeenAt: Number(row.last_seen_at),
    address: String(row.address),
    userAgent: String(row.user_agent),
  };
}

/** Whoever holds one, at whatever step he stands. */
export async function countLogins(from: Reader): Promise<number> {
  return Number((await from.get('SELECT count(*) AS n FROM login'))?.n);
}

/** @returns how many there were */
export async function deleteAllLogins(tx: Transaction): Promise<number> {
  return (await tx.run('DELETE FROM login')).changes;
}
