// Rows of the releases that have run here.
import type { Reader, Transaction } from '../../store/sql.ts';

export interface ReleaseRun {
  readonly version: string;
  /** Its first start, ms UTC. */
  readonly startedAt: number;
}

/** @returns whether it is new here */
export async function noteRelease(tx: Transaction, { version, startedAt }: ReleaseRun): Promise<boolean> {
  const sql = 'INSERT INTO release_run (version, started_at) VALUES (?, ?) ON CONFLICT (version) DO NOTHING';
  return (await tx.run(sql, [version, startedAt])).changes === 1;
}

/** Newest first. */
export async function listReleases(from: Reader): Promise<ReleaseRun[]> {
  const rows = await from.all('SELECT version, started_at FROM release_run ORDER BY started_at DESC');
  return rows.map(row => ({ version: String(row.version), startedAt: Number(row.started_at) }));
}

/** The newest change of the tables. */
export async function schemaOf(from: Reader): Promise<string> {
  const row = await from.get('SELECT number, name FROM migration ORDER BY number DESC LIMIT 1');
  return row === undefined ? '' : `${String(row.number).padStart(4, '0')}-${row.name}`;
}
