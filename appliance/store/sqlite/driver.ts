// What the store needs of an SQLCipher library. Two libraries meet it and read each other's files: the one we run on
// (`sqlcipher-driver.ts`) and a fallback kept tested in `test/store/`; never both on one file in one process.

import { defect } from '../../errors.ts';
import type { Parameters, Row } from '../sql.ts';

/** One connection. Calls must not overlap: the writer and the read pool see to that. */
export interface Connection {
  all(sql: string, params?: Parameters): Promise<Row[]>;
  run(sql: string, params?: Parameters): Promise<{ changes: number }>;
  /** As `Transaction.insertMany`. */
  insertMany(into: string, rows: readonly Parameters[]): Promise<{ changes: number }>;
  /** Several statements without parameters. */
  script(sql: string): Promise<void>;
  close(): Promise<void>;
}

/** `write` makes the file when there is none; `read` refuses every change; `copy` is `read` that may also VACUUM INTO. */
export type OpenMode = 'write' | 'read' | 'copy';

export interface Driver {
  readonly name: string;
  /**
   * @param key 32 bytes, used as they are (no derivation); null opens a plain file
   * @param beside another file under the same key, whose tables a `read` connection sees, too
   * @throws ApplianceError `store.wrong-key` when the first page does not open with this key
   */
  open(path: string, key: Uint8Array | null, mode: OpenMode, beside?: string): Promise<Connection>;
}

/** SQLite takes 32,766 values in one statement; tables of ours have some twenty columns at most. */
const MAX_ROWS_AT_ONCE = 256;

/**
 * The statements that insert these rows: of 256 rows each, then of 128, 64 … 1, so that a few prepared ones do for any number.
 * A statement costs a round trip to another thread, whatever the number of its rows.
 */
export function* insertSteps(
  into: string,
  rows: readonly Parameters[],
): Generator<{ sql: string; params: Parameters }> {
  const width = rows[0]?.length ?? 0;
  if (rows.some(row => row.length !== width)) throw defect('rows of one statement differ in length');
  const places = `(${Array(width).fill('?').join(', ')})`;
  let at = 0;
  for (let count = MAX_ROWS_AT_ONCE; at < rows.length; ) {
    if (count > rows.length - at) {
      count /= 2;
      continue;
    }
    const sql = `${into} VALUES ${Array(count).fill(places).join(', ')}`;
    yield { sql, params: rows.slice(at, at + count).flat() };
    at += count;
  }
}

/** How long SQLite waits for another connection's lock. */
export const BUSY_TIMEOUT_MS = 5000;

/** The statement that gives the key; never logged, never part of a message. */
export function keyStatement(key: Uint8Array): string {
  return `PRAGMA key = "x'${Buffer.from(key).toString('hex')}'"`;
}

/** The statement that lets a connection see the tables of another file; never logged, as it gives the key. */
export function besideStatement(path: string, key: Uint8Array): string {
  const quoted = path.replaceAll("'", "''");
  return `ATTACH DATABASE '${quoted}' AS beside KEY "x'${Buffer.from(key).toString('hex')}'"`;
}

/** What every connection is set to once its key is proven; the order matters for `journal_mode`. */
export function settingsOf(mode: OpenMode): string {
  const all = ['PRAGMA foreign_keys = ON', 'PRAGMA temp_store = MEMORY', 'PRAGMA trusted_schema = OFF'];
  if (mode === 'read') return [...all, 'PRAGMA query_only = ON'].join(';');
  if (mode === 'copy') return all.join(';');
  return [
    ...all,
    'PRAGMA journal_mode = WAL',
    'PRAGMA synchronous = FULL', // fsync at each commit: what was acknowledged survives a power cut
    'PRAGMA secure_delete = ON', // deleted content is overwritten with zeros before the page is sealed again
    'PRAGMA journal_size_limit = 67108864', // a WAL that a long read once made grow is cut back to 64 MiB
  ].join(';');
}
