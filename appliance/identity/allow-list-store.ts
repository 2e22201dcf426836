// Rows of allow lists.
import type { Reader, Transaction } from '../store/sql.ts';

/** Whose list: a member's, or a technician group's. */
export interface ListOwner {
  readonly kind: 'member' | 'group';
  readonly id: string;
}

const TABLES = {
  member: { table: 'member_allowed_range', owner: 'member_id' },
  group: { table: 'group_allowed_range', owner: 'group_id' },
} as const;

/** @returns canonical texts */
export async function listRanges(from: Reader, { kind, id }: ListOwner): Promise<string[]> {
  const { table, owner } = TABLES[kind];
  const rows = await from.all(`SELECT range FROM ${table} WHERE ${owner} = ? ORDER BY range`, [id]);
  return rows.map(row => String(row.range));
}

export async function replaceRanges(
  tx: Transaction,
  { kind, id }: ListOwner,
  ranges: readonly string[],
): Promise<void> {
  const { table, owner } = TABLES[kind];
  await tx.run(`DELETE FROM ${table} WHERE ${owner} = ?`, [id]);
  const rows = ranges.map(range => [id, range]);
  await tx.insertMany(`INSERT INTO ${table} (${owner}, range)`, rows);
}

/** How many ranges each group has, of those that have any. */
export async function countGroupRanges(from: Reader): Promise<ReadonlyMap<string, number>> {
  const rows = await from.all('SELECT group_id, count(*) AS n FROM group_allowed_range GROUP BY group_id');
  return new Map(rows.map(row => [String(row.group_id), Number(row.n)]));
}
