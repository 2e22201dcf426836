// Rows of support sessions.
import type { SessionId } from '../guid.ts';
import { parseSessionId } from '../guid.ts';
import { type SessionState, sessionStates } from '../permissions/decision.ts';
import type { Reader, Row, SqlValue, Transaction } from '../store/sql.ts';

export interface SessionRow {
  readonly id: SessionId;
  readonly state: SessionState;
  /** Null while it waits in a channel for whoever picks it up. */
  readonly ownerId: string | null;
  /** Empty while there is none. */
  readonly ownerName: string;
  readonly offeredTo: string | null;
  /** Of the owner; the root while there has been none. */
  readonly groupId: string;
  /** The last channel it was in. */
  readonly channelId: string | null;
  readonly language: string | null;
  /** As its applet said: `win-x64`; null before it was claimed. */
  readonly platform: string | null;
  /** Sealed under the session's key. */
  readonly customer: Uint8Array | null;
  /** Sealed under the session's key. */
  readonly psk: Uint8Array | null;
  /** SPKI of the applet's signing key, base64url. */
  readonly appletKey: string | null;
  readonly claimedAt: number | null;
  readonly isClaimedTwice: boolean;
  readonly areCodesCompared: boolean;
  /** The applet is connected. */
  readonly isPresent: boolean;
  readonly linkId: string | null;
  readonly handshakeHash: string | null;
  /** Login the console's last credential was given to: the link ends with it. */
  readonly linkLogin: string | null;
  readonly reportCount: number;
  readonly reportHash: string | null;
  readonly createdAt: number;
  readonly stateAt: number;
  /** ms UTC; what happens then is in `session-state.ts`. */
  readonly deadline: number | null;
  readonly pickedUpAt: number | null;
  readonly endedAt: number | null;
  readonly endReason: string | null;
}

const columns = {
  state: 'state',
  ownerId: 'owner_id',
  ownerName: 'owner_name',
  offeredTo: 'offered_to',
  groupId: 'group_id',
  channelId: 'channel_id',
  language: 'language',
  platform: 'platform',
  customer: 'customer',
  psk: 'psk',
  appletKey: 'applet_key',
  tokenHash: 'token_hash',
  claimedAt: 'claimed_at',
  isClaimedTwice: 'claimed_twice',
  areCodesCompared: 'codes_compared',
  isPresent: 'present',
  linkId: 'link_id',
  handshakeHash: 'handshake_hash',
  linkLogin: 'link_login',
  reportCount: 'report_count',
  reportHash: 'report_hash',
  stateAt: 'state_at',
  deadline: 'deadline',
  pickedUpAt: 'picked_up_at',
  endedAt: 'ended_at',
  endReason: 'end_reason',
} as const;
/** What may be changed in a session's row, under the names of `SessionRow`. */
export type SessionChanges = Partial<Record<keyof typeof columns, SqlValue | boolean>>;

export interface SessionFilter {
  readonly states: readonly SessionState[];
  /** Sessions this technician owns or was offered. */
  readonly memberId?: string;
  /** And those without an owner that wait in these channels. */
  readonly channelIds?: readonly string[];
  readonly groupIds?: readonly string[];
  readonly limit: number;
}

export async function insertSession(
  tx: Transaction,
  row: Pick<
    SessionRow,
    | 'id'
    | 'state'
    | 'ownerId'
    | 'ownerName'
    | 'groupId'
    | 'channelId'
    | 'language'
    | 'customer'
    | 'createdAt'
    | 'deadline'
  >,
): Promise<void> {
  await tx.run(
    `INSERT INTO support_session (id, state, owner_id, owner_name, group_id, channel_id, language, customer, created_at, state_at, deadline)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      row.id,
      row.state,
      row.ownerId,
      row.ownerName,
      row.groupId,
      row.channelId,
      row.language,
      row.customer,
      row.createdAt,
      row.createdAt,
      row.deadline,
    ],
  );
}

export async function findSession(from: Reader, id: string): Promise<SessionRow | undefined> {
  const row = await from.get('SELECT * FROM support_session WHERE id = ?', [id]);
  return row && toSession(row);
}

export async function findByToken(from: Reader, tokenHash: Uint8Array): Promise<SessionRow | undefined> {
  const row = await from.get('SELECT * FROM support_session WHERE token_hash = ?', [tokenHash]);
  return row && toSession(row);
}

/** @returns newest first */
export async function listSessions(from: Reader, filter: SessionFilter): Promise<SessionRow[]> {
  const member = filter.memberId ?? null;
  const groups = filter.groupIds === undefined ? null : JSON.stringify(filter.groupIds);
  const { channelIds } = filter;
  const orQueued = `OR (owner_id IS NULL AND ended_at IS NULL AND channel_id IN (SELECT value FROM json_each(?)))`;
  const rows = await from.all(
    `SELECT * FROM support_session WHERE state IN (SELECT value FROM json_each(?))
       AND (? IS NULL OR owner_id = ? OR offered_to = ? ${channelIds === undefined ? '' : orQueued})
       AND (? IS NULL OR group_id IN (SELECT value FROM json_each(?)))
     ORDER BY created_at DESC, id LIMIT ?`,
    [
      ...[JSON.stringify(filter.states), member, member, member],
      ...(channelIds === undefined ? [] : [JSON.stringify(channelIds)]),
      ...[groups, groups, filter.limit],
    ],
  );
  return rows.map(toSession);
}

export interface FactRow extends Pick<SessionRow, 'id' | 'groupId' | 'customer'> {
  /** Every one it has been in. */
  readonly channelIds: readonly string[];
}

/** Of those that are there, in no order. */
export async function listFacts(from: Reader, ids: readonly string[]): Promise<FactRow[]> {
  const rows = await from.all(
    `SELECT id, group_id, customer,
       (SELECT json_group_array(channel_id) FROM session_channel WHERE session_id = s.id) AS channels
     FROM support_session s WHERE id IN (SELECT value FROM json_each(?))`,
    [JSON.stringify(ids)],
  );
  return rows.map(row => {
    const channelIds = (JSON.parse(String(row.channels)) as unknown[]).map(String);
    return { id: parseSessionId(row.id), groupId: String(row.group_id), customer: bytes(row.customer), channelIds };
  });
}

/** Sessions that wait in a channel. */
export async function listQueued(from: Reader): Promise<SessionRow[]> {
  const sql = `SELECT * FROM support_session WHERE owner_id IS NULL AND ended_at IS NULL AND channel_id IS NOT NULL`;
  return (await from.all(sql)).map(toSession);
}

export async function listPresent(from: Reader): Promise<SessionRow[]> {
  return (await from.all('SELECT * FROM support_session WHERE present = 1')).map(toSession);
}

/** Sessions whose deadline has passed, oldest deadline first. */
export async function listDue(from: Reader, now: number, limit: number): Promise<SessionRow[]> {
  const rows = await from.all('SELECT * FROM support_session WHERE deadline <= ? ORDER BY deadline LIMIT ?', [
    now,
    limit,
  ]);
  return rows.map(toSession);
}

/**
 * Changes the row if the session is still in `state`.
 * @returns false when someone else was first
 */
export async function changeIn(
  tx: Transaction,
  id: SessionId,
  state: SessionState,
  changes: SessionChanges,
): Promise<boolean> {
  const names = (Object.keys(changes) as (keyof typeof columns)[]).filter(name => name in columns);
  const values = names.map(name => toSql(changes[name]));
  const set = names.map(name => `${columns[name]} = ?`).join(', ');
  const sql = `UPDATE support_session SET ${set} WHERE id = ? AND state = ?`;
  return (await tx.run(sql, [...values, id, state])).changes === 1;
}

/** Takes the next number of the session's grants or leases; numbers are never used twice. */
export async function nextNumber(tx: Transaction, id: SessionId, of: 'grants_made' | 'leases_made'): Promise<number> {
  await tx.run(`UPDATE support_session SET ${of} = ${of} + 1 WHERE id = ?`, [id]);
  const row = await tx.get(`SELECT ${of} AS number FROM support_session WHERE id = ?`, [id]);
  return Number(row?.number);
}

/** Everything that would let someone into the session or read its link. */
export async function forgetSecrets(tx: Transaction, id: SessionId): Promise<void> {
  for (const table of ['pin', 'entry_code', 'leg_token', 'restart_ticket']) {
    await tx.run(`DELETE FROM ${table} WHERE session_id = ?`, [id]);
  }
  await tx.run(
    `UPDATE support_session SET token_hash = NULL, psk = NULL, link_id = NULL, handshake_hash = NULL, link_login = NULL
     WHERE id = ?`,
    [id],
  );
}

/** How many sessions are in each state that is not over. */
export async function countByState(from: Reader, states: readonly SessionState[]): Promise<Map<string, number>> {
  const rows = await from.all(
    'SELECT state, count(*) AS sessions FROM support_session WHERE state IN (SELECT value FROM json_each(?)) GROUP BY state',
    [JSON.stringify(states)],
  );
  return new Map(rows.map(row => [String(row.state), Number(row.sessions)]));
}

function toSession(row: Row): SessionRow {
  const state = sessionStates.find(name => name === row.state) ?? 'closed';
  return {
    id: parseSessionId(row.id),
    state,
    ownerId: text(row.owner_id),
    ownerName: String(row.owner_name),
    offeredTo: text(row.offered_to),
    groupId: String(row.group_id),
    channelId: text(row.channel_id),
    language: text(row.language),
    platform: text(row.platform),
    customer: bytes(row.customer),
    psk: bytes(row.psk),
    appletKey: text(row.applet_key),
    claimedAt: number(row.claimed_at),
    isClaimedTwice: row.claimed_twice === 1,
    areCodesCompared: row.codes_compared === 1,
    isPresent: row.present === 1,
    linkId: text(row.link_id),
    handshakeHash: text(row.handshake_hash),
    linkLogin: text(row.link_login),
    reportCount: Number(row.report_count),
    reportHash: text(row.report_hash),
    createdAt: Number(row.created_at),
    stateAt: Number(row.state_at),
    deadline: number(row.deadline),
    pickedUpAt: number(row.picked_up_at),
    endedAt: number(row.ended_at),
    endReason: text(row.end_reason),
  };
}

function text(value: SqlValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: SqlValue | undefined): number | null {
  return typeof value === 'number' ? value : null;
}

function bytes(value: SqlValue | undefined): Uint8Array | null {
  return value instanceof Uint8Array ? value : null;
}

function toSql(value: SqlValue | boolean | undefined): SqlValue {
  if (value === undefined) return null;
  return typeof value === 'boolean' ? Number(value) : value;
}

/** Oldest first. @param before ms UTC */
export async function listEndedBefore(from: Reader, before: number, limit: number): Promise<SessionId[]> {
  const sql = 'SELECT id FROM support_session WHERE ended_at < ? ORDER BY ended_at LIMIT ?';
  return (await from.all(sql, [before, limit])).map(row => parseSessionId(row.id));
}

/** Those of them there are. */
export async function listAmong(from: Reader, ids: readonly SessionId[]): Promise<SessionId[]> {
  const sql = 'SELECT id FROM support_session WHERE id IN (SELECT value FROM json_each(?))';
  return (await from.all(sql, [JSON.stringify(ids)])).map(({ id }) => parseSessionId(id));
}

/** With lines, actions, grants and posts that name it. */
export async function deleteSession(tx: Transaction, id: SessionId): Promise<void> {
  await tx.run('DELETE FROM support_session WHERE id = ?', [id]);
}
