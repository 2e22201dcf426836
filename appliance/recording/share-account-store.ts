// Rows of auditors' accounts on the recording share.
import type { Reader, Row, Transaction } from '../store/sql.ts';

export interface ShareAccount {
  readonly memberId: string;
  readonly name: string;
  /** ms UTC, of the password that works now */
  readonly madeAt: number;
}

export async function listShareAccounts(from: Reader): Promise<ShareAccount[]> {
  return (await from.all('SELECT * FROM share_account ORDER BY name')).map(toAccount);
}

export async function findShareAccount(from: Reader, memberId: string): Promise<ShareAccount | undefined> {
  const row = await from.get('SELECT * FROM share_account WHERE member_id = ?', [memberId]);
  return row && toAccount(row);
}

export async function findAccountNamed(from: Reader, name: string): Promise<ShareAccount | undefined> {
  const row = await from.get('SELECT * FROM share_account WHERE name = ?', [name]);
  return row && toAccount(row);
}

export async function putShareAccount(tx: Transaction, { memberId, name, madeAt }: ShareAccount): Promise<void> {
  await tx.run(
    `INSERT INTO share_account (member_id, name, made_at) VALUES (?, ?, ?)
     ON CONFLICT (member_id) DO UPDATE SET name = excluded.name, made_at = excluded.made_at`,
    [memberId, name, madeAt],
  );
}

export async function deleteShareAccount(tx: Transaction, memberId: string): Promise<void> {
  await tx.run('DELETE FROM share_account WHERE member_id = ?', [memberId]);
}

function toAccount(row: Row): ShareAccount {
  return { memberId: String(row.member_id), name: String(row.name), madeAt: Number(row.made_at) };
}
