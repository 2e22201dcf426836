// Rows of chat lines, of actions as two sources tell them, of grants issued, of replies and of technicians' status.
import { parseSessionId, type SessionId } from '../guid.ts';
import type { Reader, Row, Transaction } from '../store/sql.ts';

export type Author = 'technician' | 'customer' | 'appliance';

export interface ChatRow {
  readonly lineId: string;
  readonly place: number;
  readonly author: Author;
  readonly at: number;
  /** Sealed SHA-256 of the text. */
  readonly mark: Uint8Array;
}

export async function findLine(from: Reader, sessionId: string, lineId: string): Promise<ChatRow | undefined> {
  const row = await from.get('SELECT * FROM chat_line WHERE session_id = ? AND line_id = ?', [sessionId, lineId]);
  return row && toLine(row);
}

export async function listLines(from: Reader, sessionId: string): Promise<ChatRow[]> {
  return (await from.all('SELECT * FROM chat_line WHERE session_id = ? ORDER BY place', [sessionId])).map(toLine);
}

/** @returns the line's place in the session */
export async function insertLine(
  tx: Transaction,
  line: Omit<ChatRow, 'place'> & { sessionId: string },
): Promise<number> {
  const last = await tx.get('SELECT max(place) AS place FROM chat_line WHERE session_id = ?', [line.sessionId]);
  const place = Number(last?.place ?? 0) + 1;
  await tx.run('INSERT INTO chat_line (session_id, line_id, place, author, at, mark) VALUES (?, ?, ?, ?, ?, ?)', [
    line.sessionId,
    line.lineId,
    place,
    line.author,
    line.at,
    line.mark,
  ]);
  return place;
}

export type Source = 'applet' | 'console';

export async function putStage(
  tx: Transaction,
  told: { sessionId: string; consentId: string; action: string; stage: string; source: Source; at: number },
): Promise<void> {
  const column = told.source === 'applet' ? 'applet_stage' : 'console_stage';
  await tx.run(
    `INSERT INTO session_action (session_id, consent_id, action, ${column}, changed_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (session_id, consent_id) DO UPDATE SET ${column} = excluded.${column}, changed_at = excluded.changed_at`,
    [told.sessionId, told.consentId, told.action, told.stage, told.at],
  );
}

/** Active sessions in which an action runs, by what either source says. */
export async function listRunning(from: Reader, action: string): Promise<SessionId[]> {
  const rows = await from.all(
    `SELECT DISTINCT s.id FROM support_session s JOIN session_action a ON a.session_id = s.id
      WHERE s.state = 'active' AND a.action = ? AND (a.applet_stage = 'started' OR a.console_stage = 'started')`,
    [action],
  );
  return rows.map(row => parseSessionId(row.id));
}

export interface ActionRow {
  readonly sessionId: string;
  readonly consentId: string;
  readonly action: string;
  readonly appletStage: string | null;
  readonly consoleStage: string | null;
}

/**
 * Actions on which the two sources have differed since before `until` and nobody was told yet. A console that went away meanwhile,
 * its page closed or loaded anew, has told what was asked or begun and not how it ended: it hides nothing by that.
 */
export async function listMismatches(from: Reader, until: number): Promise<ActionRow[]> {
  const rows = await from.all(
    `SELECT * FROM session_action
     WHERE mismatch_told = 0 AND changed_at <= ? AND applet_stage IS NOT console_stage
       AND NOT (applet_stage IS 'refused' AND console_stage IS 'asked')
       AND NOT (applet_stage IS 'ended' AND console_stage IS 'started') LIMIT 500`,
    [until],
  );
  return rows.map(row => ({
    sessionId: String(row.session_id),
    consentId: String(row.consent_id),
    action: String(row.action),
    appletStage: row.applet_stage === null ? null : String(row.applet_stage),
    consoleStage: row.console_stage === null ? null : String(row.console_stage),
  }));
}

/** @returns false when it was told already */
export async function markMismatch(tx: Transaction, sessionId: string, consentId: string): Promise<boolean> {
  const sql =
    'UPDATE session_action SET mismatch_told = 1 WHERE session_id = ? AND consent_id = ? AND mismatch_told = 0';
  return (await tx.run(sql, [sessionId, consentId])).changes === 1;
}

/** @throws ApplianceError `store.unique` when a grant was issued for that yes */
export async function insertGrant(
  tx: Transaction,
  grant: { sessionId: string; consentId: string; action: string; issuedAt: number },
): Promise<void> {
  await tx.run('INSERT INTO issued_grant (session_id, consent_id, action, issued_at) VALUES (?, ?, ?, ?)', [
    grant.sessionId,
    grant.consentId,
    grant.action,
    grant.issuedAt,
  ]);
}

/** @returns the action a grant was issued for on that yes */
export async function findGranted(from: Reader, sessionId: string, consentId: string): Promise<string | undefined> {
  const sql = 'SELECT action FROM issued_grant WHERE session_id = ? AND consent_id = ?';
  const row = await from.get(sql, [sessionId, consentId]);
  return row && String(row.action);
}

export interface Reply {
  readonly id: string;
  /** Null: shared by all technicians. */
  readonly ownerId: string | null;
  readonly title: string;
  readonly text: string;
}

/** Shared replies and the member's own, by title. */
export async function listReplies(from: Reader, memberId: string): Promise<Reply[]> {
  const rows = await from.all(
    'SELECT * FROM reply WHERE owner_id IS NULL OR owner_id = ? ORDER BY title COLLATE NOCASE, id',
    [memberId],
  );
  return rows.map(toReply);
}

export async function findReply(from: Reader, id: string): Promise<Reply | undefined> {
  const row = await from.get('SELECT * FROM reply WHERE id = ?', [id]);
  return row && toReply(row);
}

export async function countReplies(from: Reader, ownerId: string | null): Promise<number> {
  return Number((await from.get('SELECT count(*) AS n FROM reply WHERE owner_id IS ?', [ownerId]))?.n);
}

export async function putReply(tx: Transaction, reply: Reply): Promise<void> {
  await tx.run(
    `INSERT INTO reply (id, owner_id, title, text) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET title = excluded.title, text = excluded.text`,
    [reply.id, reply.ownerId, reply.title, reply.text],
  );
}

export async function deleteReply(tx: Transaction, id: string): Promise<void> {
  await tx.run('DELETE FROM reply WHERE id = ?', [id]);
}

export const technicianStatuses = ['available', 'busy', 'away'] as const;
export type TechnicianStatus = (typeof technicianStatuses)[number];

export interface StatusRow {
  readonly memberId: string;
  readonly status: TechnicianStatus;
  /** ms UTC */
  readonly since: number;
}

export async function listStatuses(from: Reader): Promise<StatusRow[]> {
  return (await from.all('SELECT * FROM technician_status ORDER BY member_id')).map(toStatus);
}

export async function findStatus(from: Reader, memberId: string): Promise<StatusRow | undefined> {
  const row = await from.get('SELECT * FROM technician_status WHERE member_id = ?', [memberId]);
  return row && toStatus(row);
}

export async function putStatus(tx: Transaction, { memberId, status, since }: StatusRow): Promise<void> {
  await tx.run(
    `INSERT INTO technician_status (member_id, status, since) VALUES (?, ?, ?)
     ON CONFLICT (member_id) DO UPDATE SET status = excluded.status, since = excluded.since`,
    [memberId, status, since],
  );
}

function toLine(row: Row): ChatRow {
  const author = row.author === 'technician' || row.author === 'customer' ? row.author : 'appliance';
  const mark = row.mark instanceof Uint8Array ? row.mark : new Uint8Array(0);
  return { lineId: String(row.line_id), place: Number(row.place), author, at: Number(row.at), mark };
}

function toReply(row: Row): Reply {
  const ownerId = row.owner_id === null ? null : String(row.owner_id);
  return { id: String(row.id), ownerId, title: String(row.title), text: String(row.text) };
}

function toStatus(row: Row): StatusRow {
  const status = technicianStatuses.find(name => name === row.status) ?? 'away';
  return { memberId: String(row.member_id), status, since: Number(row.since) };
}
