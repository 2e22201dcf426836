// Rows of the ways into a session: PINs, entry codes, restart tickets and the one-time tokens of a relay's legs.
import { parseSessionId, type SessionId } from '../guid.ts';
import type { Reader, Transaction } from '../store/sql.ts';

export interface PinRow {
  readonly sessionId: SessionId;
  readonly expiresAt: number;
  readonly usedAt: number | null;
}

export type Way = 'link' | 'pin';

/** @throws ApplianceError `store.unique` when that PIN is given out already */
export async function insertPin(
  tx: Transaction,
  pin: { digest: Uint8Array; digits: number; sessionId: SessionId; expiresAt: number },
): Promise<void> {
  await tx.run('INSERT INTO pin (digest, digits, session_id, expires_at) VALUES (?, ?, ?, ?)', [
    pin.digest,
    pin.digits,
    pin.sessionId,
    pin.expiresAt,
  ]);
}

/** Ends the unused PINs of a session; used ones stay, so that a second use is noticed. */
export async function voidPins(tx: Transaction, sessionId: SessionId): Promise<void> {
  await tx.run('DELETE FROM pin WHERE session_id = ? AND used_at IS NULL', [sessionId]);
}

/** Expired and never used: their digits can be given out again. */
export async function dropExpiredPins(tx: Transaction, now: number): Promise<void> {
  await tx.run('DELETE FROM pin WHERE used_at IS NULL AND expires_at <= ?', [now]);
}

export async function findPin(from: Reader, digest: Uint8Array): Promise<PinRow | undefined> {
  const row = await from.get('SELECT session_id, expires_at, used_at FROM pin WHERE digest = ?', [digest]);
  if (row === undefined) return undefined;
  const usedAt = row.used_at === null ? null : Number(row.used_at);
  return { sessionId: parseSessionId(row.session_id), expiresAt: Number(row.expires_at), usedAt };
}

/** @returns false when it was used already */
export async function usePin(tx: Transaction, digest: Uint8Array, now: number): Promise<boolean> {
  const sql = 'UPDATE pin SET used_at = ? WHERE digest = ? AND used_at IS NULL AND expires_at > ?';
  return (await tx.run(sql, [now, digest, now])).changes === 1;
}

/** Live PINs, of so many random digits when that is given. */
export async function countLivePins(from: Reader, now: number, digits: number | null): Promise<number> {
  const row = await from.get(
    'SELECT count(*) AS live FROM pin WHERE used_at IS NULL AND expires_at > ? AND (? IS NULL OR digits = ?)',
    [now, digits, digits],
  );
  return Number(row?.live);
}

export async function insertEntryCode(
  tx: Transaction,
  code: { digest: Uint8Array; sessionId: SessionId; way: Way; expiresAt: number },
): Promise<void> {
  await tx.run('INSERT INTO entry_code (digest, session_id, way, expires_at) VALUES (?, ?, ?, ?)', [
    code.digest,
    code.sessionId,
    code.way,
    code.expiresAt,
  ]);
}

/** @returns undefined when it is unknown or has expired */
export async function findEntryCode(
  from: Reader,
  digest: Uint8Array,
  now: number,
): Promise<{ sessionId: SessionId; way: Way } | undefined> {
  const row = await from.get('SELECT session_id, way FROM entry_code WHERE digest = ? AND expires_at > ?', [
    digest,
    now,
  ]);
  return row && { sessionId: parseSessionId(row.session_id), way: row.way === 'pin' ? 'pin' : 'link' };
}

export async function insertTicket(
  tx: Transaction,
  ticket: { digest: Uint8Array; sessionId: SessionId; expiresAt: number },
): Promise<void> {
  await tx.run('DELETE FROM restart_ticket WHERE session_id = ?', [ticket.sessionId]);
  await tx.run('INSERT INTO restart_ticket (digest, session_id, expires_at) VALUES (?, ?, ?)', [
    ticket.digest,
    ticket.sessionId,
    ticket.expiresAt,
  ]);
}

/** Uses the ticket up. @returns false when there is no such ticket of that session */
export async function takeTicket(
  tx: Transaction,
  digest: Uint8Array,
  sessionId: SessionId,
  now: number,
): Promise<boolean> {
  const sql = 'DELETE FROM restart_ticket WHERE digest = ? AND session_id = ? AND expires_at > ?';
  return (await tx.run(sql, [digest, sessionId, now])).changes === 1;
}

export interface LegTokenRow {
  readonly digest: Uint8Array;
  readonly pairId: string;
  readonly sessionId: SessionId;
  readonly role: string;
  readonly expiresAt: number;
  /** Login whose console asked for the pair; null when nobody is asked about it. */
  readonly loginId: string | null;
}

export async function insertLegToken(tx: Transaction, token: LegTokenRow): Promise<void> {
  await tx.run(
    'INSERT INTO leg_token (digest, pair_id, session_id, role, expires_at, login_id) VALUES (?, ?, ?, ?, ?, ?)',
    [token.digest, token.pairId, token.sessionId, token.role, token.expiresAt, token.loginId],
  );
}

export async function dropExpiredLegTokens(tx: Transaction, now: number): Promise<void> {
  await tx.run('DELETE FROM leg_token WHERE expires_at <= ?', [now]);
}

export async function countLegTokens(from: Reader, sessionId: SessionId): Promise<number> {
  const row = await from.get('SELECT count(*) AS tokens FROM leg_token WHERE session_id = ?', [sessionId]);
  return Number(row?.tokens);
}

/** Uses the token up, whether it was in time or not. @returns what it was good for, or undefined */
export async function takeLegToken(
  tx: Transaction,
  { digest, role, now }: { digest: Uint8Array; role: string; now: number },
): Promise<{ pairId: string; sessionId: SessionId; loginId?: string } | undefined> {
  const row = await tx.get(
    'SELECT pair_id, session_id, expires_at, login_id FROM leg_token WHERE digest = ? AND role = ?',
    [digest, role],
  );
  if (row === undefined) return undefined;
  await tx.run('DELETE FROM leg_token WHERE digest = ?', [digest]);
  if (Number(row.expires_at) <= now) return undefined;
  const login = row.login_id === null ? {} : { loginId: String(row.login_id) };
  return { pairId: String(row.pair_id), sessionId: parseSessionId(row.session_id), ...login };
}
