// Rows of the hash-chained log: entries that wait in `core.db`, entries in their month's file, signed heads.

import { toBase64Url } from '../guid.ts';
import type { Reader, Row, SqlValue, Transaction } from '../store/sql.ts';
import type { ActorKind, AuditDetail, AuditEntry } from './entry.ts';
import { hashToBytes } from './entry.ts';

/** The last entry of a chain; `seq` 0 before the first. */
export interface ChainEnd {
  readonly log: string;
  readonly seq: number;
  readonly hash: string;
}

export interface SignedHead extends ChainEnd {
  /** ms UTC */
  readonly at: number;
  readonly kid: string;
  readonly signature: string;
}

export interface StoredEntry {
  readonly entry: AuditEntry;
  /** The sealed body; null where there is none or it was erased. */
  readonly body: Uint8Array | null;
}

export interface AuditQuery {
  /** ms UTC, from inclusive, until exclusive */
  readonly from?: number;
  readonly until?: number;
  /** An event, or the beginning of some: `login.` */
  readonly event?: string;
  readonly actorId?: string;
  readonly sessionId?: string;
  /** Of sessions of any of these groups. */
  readonly groupIds?: readonly string[];
  /** Of sessions that have been in this channel. */
  readonly channelId?: string;
  /** Of sessions where a customer's name has these letters. */
  readonly customer?: string;
  readonly subject?: string;
  /** Words that stand in an entry, as `words.ts` reads them. */
  readonly text?: string;
  /** Words may stand in chat, too: for whoever may read the chat of every session. */
  readonly withChat?: boolean;
  /** Only entries newer than this sequence number. */
  readonly after?: number;
  /** Only entries older than this sequence number: the cursor of the next page. */
  readonly before?: number;
  readonly limit: number;
}

/** Conditions on columns of an entry; all of them hold. */
export interface Narrowed {
  readonly parts: readonly string[];
  readonly params: readonly SqlValue[];
}
const NOT_NARROWED: Narrowed = { parts: [], params: [] };

const COLUMNS =
  'seq, log, at, event, actor_kind, actor_id, actor_name, address, session_id, subject, detail, body, body_hash, hash';

/** What one read connection reads of a month while others read the rest. */
const ROWS_AT_ONCE = 128;
/** Any number of values as one parameter: a JSON array. */
const ANY = 'IN (SELECT value FROM json_each(?))';
const AMONG = `seq ${ANY}`;

export async function insertPending(tx: Transaction, entries: readonly StoredEntry[]): Promise<void> {
  await tx.insertMany(`INSERT INTO audit_pending (${COLUMNS})`, entries.map(toValues));
}

function toValues({ entry, body }: StoredEntry): SqlValue[] {
  return [
    entry.seq,
    entry.log,
    entry.at,
    entry.event,
    entry.actor.kind,
    entry.actor.id,
    entry.actor.name,
    entry.actor.address,
    entry.sessionId,
    entry.subject,
    Object.keys(entry.detail).length === 0 ? null : JSON.stringify(entry.detail),
    body,
    entry.bodyHash === null ? null : hashToBytes(entry.bodyHash),
    hashToBytes(entry.hash),
  ];
}

/** The end of the chain as this transaction sees it; undefined before the log was begun. */
export async function findChainEnd(from: Reader): Promise<ChainEnd | undefined> {
  const state = await findMovedEnd(from);
  if (state === undefined) return undefined;
  const last = await from.get('SELECT seq, hash FROM audit_pending ORDER BY seq DESC LIMIT 1');
  return last === undefined ? state : { log: state.log, seq: Number(last.seq), hash: bytesText(last.hash) };
}

/** The last entry that is in a month's file. */
export async function findMovedEnd(from: Reader): Promise<ChainEnd | undefined> {
  const row = await from.get('SELECT log, seq, hash FROM audit_state WHERE one = 1');
  return row && { log: String(row.log), seq: Number(row.seq), hash: bytesText(row.hash) };
}

export async function beginLog(tx: Transaction, end: ChainEnd): Promise<void> {
  await tx.run(
    `INSERT INTO audit_state (one, log, seq, hash) VALUES (1, ?, ?, ?)
     ON CONFLICT (one) DO UPDATE SET log = excluded.log, seq = excluded.seq, hash = excluded.hash`,
    [end.log, end.seq, hashToBytes(end.hash)],
  );
}

/** Entries that wait to be moved, as raw rows, oldest first. */
export function listPending(from: Reader, limit: number): Promise<Row[]> {
  return from.all(`SELECT ${COLUMNS} FROM audit_pending ORDER BY seq LIMIT ?`, [limit]);
}

/** Idempotent by sequence number: a move that was cut off is simply done again. */
export async function insertMoved(tx: Transaction, rows: readonly Row[]): Promise<void> {
  const names = COLUMNS.split(', ');
  const values = rows.map(row => names.map(name => row[name] ?? null));
  await tx.insertMany(`INSERT OR IGNORE INTO audit_entry (${COLUMNS})`, values);
}

export async function forgetPending(tx: Transaction, last: Row): Promise<void> {
  await tx.run('UPDATE audit_state SET seq = ?, hash = ? WHERE one = 1', [last.seq ?? null, last.hash ?? null]);
  await tx.run('DELETE FROM audit_pending WHERE seq <= ?', [last.seq ?? null]);
}

export async function insertHead(tx: Transaction, head: SignedHead): Promise<void> {
  await tx.run('INSERT OR IGNORE INTO audit_head (log, seq, hash, at, kid, signature) VALUES (?, ?, ?, ?, ?, ?)', [
    head.log,
    head.seq,
    hashToBytes(head.hash),
    head.at,
    head.kid,
    head.signature,
  ]);
}

export async function listHeads(from: Reader, fromSeq: number, toSeq: number): Promise<SignedHead[]> {
  const rows = await from.all(
    'SELECT log, seq, hash, at, kid, signature FROM audit_head WHERE seq BETWEEN ? AND ? ORDER BY seq',
    [fromSeq, toSeq],
  );
  return rows.map(row => ({
    log: String(row.log),
    seq: Number(row.seq),
    hash: bytesText(row.hash),
    at: Number(row.at),
    kid: String(row.kid),
    signature: String(row.signature),
  }));
}

export async function findLastHead(from: Reader): Promise<SignedHead | undefined> {
  const row = await from.get('SELECT max(seq) AS seq FROM audit_head');
  const seq = Number(row?.seq ?? 0);
  return (await listHeads(from, seq, seq))[0];
}

/** @param table where to look @param also holds as well @param way to the rows, where SQLite would choose another @returns newest first */
export async function findEntries(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  query: AuditQuery,
  also = NOT_NARROWED,
  way: '' | 'NOT INDEXED' | 'INDEXED BY audit_entry_by_session' = '',
): Promise<StoredEntry[]> {
  const { where, params } = whereOf(query, also);
  // By number first, which an index alone tells; then what they hold, in parts, for each row is a page of its own to open.
  const sql = `SELECT seq FROM ${table} ${way} ${where} ORDER BY seq DESC LIMIT ?`;
  const found = await from.all(sql, [...params, query.limit]);
  return findByNumber(
    from,
    table,
    found.map(({ seq }) => Number(seq)),
  );
}

/** Of a month's file, by its index. */
export async function hasBefore(from: Reader, until: number): Promise<boolean> {
  return (await from.get('SELECT 1 FROM audit_entry WHERE at < ? LIMIT 1', [until])) !== undefined;
}

function whereOf(query: AuditQuery, also: Narrowed): { where: string; params: SqlValue[] } {
  const own = conditions(query);
  const parts = [...own.parts, ...also.parts];
  return { where: parts.length === 0 ? '' : `WHERE ${parts.join(' AND ')}`, params: [...own.params, ...also.params] };
}

/** How many fit, counted to `most` only. */
export async function countEntries(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  query: AuditQuery,
  most: number,
  also = NOT_NARROWED,
): Promise<number> {
  const { where, params } = whereOf(query, also);
  const row = await from.get(`SELECT count(*) AS n FROM (SELECT 1 FROM ${table} ${where} LIMIT ?)`, [...params, most]);
  return Number(row?.n ?? 0);
}

/** @returns newest first, of those that are there */
export async function findByNumber(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  numbers: readonly number[],
): Promise<StoredEntry[]> {
  // What is pending may be asked for inside a transaction, which has one connection.
  const size = table === 'audit_entry' ? ROWS_AT_ONCE : Math.max(1, numbers.length);
  const parts = Array.from({ length: Math.ceil(numbers.length / size) }, (_, n) =>
    numbers.slice(n * size, (n + 1) * size),
  );
  const select = `SELECT ${COLUMNS} FROM ${table} WHERE ${AMONG} ORDER BY seq DESC`;
  const rows = (await Promise.all(parts.map(part => from.all(select, [JSON.stringify(part)])))).flat();
  return rows.map(toStoredEntry);
}

/** @returns number → hash, of those that are there */
export async function findHashes(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  seqs: readonly number[],
): Promise<[number, string][]> {
  const rows = await from.all(`SELECT seq, hash FROM ${table} WHERE ${AMONG}`, [JSON.stringify(seqs)]);
  return rows.map(row => [Number(row.seq), bytesText(row.hash)]);
}

/** Entries of one file in the order of the chain, for export. */
export async function listChain(
  from: Reader,
  table: 'audit_pending' | 'audit_entry',
  afterSeq: number,
  limit: number,
): Promise<StoredEntry[]> {
  const rows = await from.all(`SELECT ${COLUMNS} FROM ${table} WHERE seq > ? ORDER BY seq LIMIT ?`, [afterSeq, limit]);
  return rows.map(toStoredEntry);
}

/** That it is of one of these sessions. */
export function ofSessions(ids: readonly string[]): Narrowed {
  return { parts: [`session_id ${ANY}`], params: [JSON.stringify(ids)] };
}

/** What of a query columns tell. */
export function conditions(query: AuditQuery): Narrowed {
  const found: [string, SqlValue][] = [];
  if (query.from !== undefined) found.push(['at >= ?', query.from]);
  if (query.until !== undefined) found.push(['at < ?', query.until]);
  if (query.actorId !== undefined) found.push(['actor_id = ?', query.actorId]);
  if (query.sessionId !== undefined) found.push(['session_id = ?', query.sessionId]);
  if (query.subject !== undefined) found.push(['subject = ?', query.subject]);
  if (query.after !== undefined) found.push(['seq > ?', query.after]);
  if (query.before !== undefined) found.push(['seq < ?', query.before]);
  const params: SqlValue[] = found.map(([, value]) => value);
  const parts = found.map(([condition]) => condition);
  if (query.event !== undefined) {
    parts.push('event >= ? AND event < ?');
    params.push(query.event, `${query.event}\u{10ffff}`); // a prefix as a range, so that no wildcard needs escaping
  }
  return { parts, params };
}

function toStoredEntry(row: Row): StoredEntry {
  const text = (name: string) => (row[name] === null || row[name] === undefined ? null : String(row[name]));
  const body = row.body instanceof Uint8Array ? row.body : null;
  const entry: AuditEntry = {
    log: String(row.log),
    seq: Number(row.seq),
    at: Number(row.at),
    event: String(row.event),
    actor: {
      kind: String(row.actor_kind) as ActorKind,
      id: text('actor_id'),
      name: text('actor_name'),
      address: text('address'),
    },
    sessionId: text('session_id'),
    subject: text('subject'),
    detail: row.detail === null ? {} : (JSON.parse(String(row.detail)) as AuditDetail),
    bodyHash: row.body_hash instanceof Uint8Array ? toBase64Url(row.body_hash) : null,
    hash: bytesText(row.hash),
  };
  return { entry, body };
}

function bytesText(value: SqlValue | undefined): string {
  return value instanceof Uint8Array ? toBase64Url(value) : '';
}
