// Rows that link members with people of the directory.
import type { Reader, Transaction } from '../store/sql.ts';

export interface DirectoryLink {
  readonly memberId: string;
  readonly directoryId: string;
  /** Whether the account is disabled because the directory gives no role. */
  readonly isWithdrawn: boolean;
}

const COLUMNS = 'member_id, directory_id, is_withdrawn';

export async function findLink(from: Reader, directoryId: string): Promise<DirectoryLink | undefined> {
  const row = await from.get(`SELECT ${COLUMNS} FROM directory_link WHERE directory_id = ?`, [directoryId]);
  return row && toLink(row);
}

export async function listLinks(from: Reader): Promise<DirectoryLink[]> {
  return (await from.all(`SELECT ${COLUMNS} FROM directory_link`)).map(toLink);
}

export async function insertLink(tx: Transaction, memberId: string, directoryId: string): Promise<void> {
  await tx.run('INSERT INTO directory_link (member_id, directory_id) VALUES (?, ?)', [memberId, directoryId]);
}

/** @returns whether it was otherwise */
export async function setWithdrawn(tx: Transaction, memberId: string, isWithdrawn: boolean): Promise<boolean> {
  const values = [isWithdrawn ? 1 : 0, memberId, isWithdrawn ? 1 : 0];
  const sql = 'UPDATE directory_link SET is_withdrawn = ? WHERE member_id = ? AND is_withdrawn <> ?';
  return (await tx.run(sql, values)).changes > 0;
}

function toLink(row: Readonly<Record<string, unknown>>): DirectoryLink {
  return {
    memberId: String(row.member_id),
    directoryId: String(row.directory_id),
    isWithdrawn: row.is_withdrawn === 1,
  };
}
