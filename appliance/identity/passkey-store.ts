// Rows of passkeys.
import type { Reader, Row, Transaction } from '../store/sql.ts';
import type { Passkey } from './passkey.ts';

export interface StoredPasskey extends Passkey {
  readonly memberId: string;
  readonly credentialId: Uint8Array;
  /** COSE_Key */
  readonly publicKey: Uint8Array;
  readonly counter: number;
  readonly transports: readonly string[];
}

export async function insertPasskey(tx: Transaction, one: StoredPasskey): Promise<void> {
  await tx.run(
    `INSERT INTO passkey (id, credential_id, member_id, rp_id, name, public_key, counter, transports, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      one.id,
      one.credentialId,
      one.memberId,
      one.rpId,
      one.name,
      one.publicKey,
      one.counter,
      one.transports.join(' '),
      one.createdAt,
    ],
  );
}

/** @returns oldest first */
export async function listPasskeys(from: Reader, memberId: string): Promise<StoredPasskey[]> {
  const rows = await from.all('SELECT * FROM passkey WHERE member_id = ? ORDER BY created_at, id', [memberId]);
  return rows.map(toPasskey);
}

export async function findPasskeyByCredential(from: Reader, id: Uint8Array): Promise<StoredPasskey | undefined> {
  const row = await from.get('SELECT * FROM passkey WHERE credential_id = ?', [id]);
  return row && toPasskey(row);
}

export async function usePasskey(tx: Transaction, id: string, counter: number, at: number): Promise<void> {
  await tx.run('UPDATE passkey SET counter = ?, last_used_at = ? WHERE id = ?', [counter, at, id]);
}

export async function renamePasskey(tx: Transaction, id: string, name: string): Promise<void> {
  await tx.run('UPDATE passkey SET name = ? WHERE id = ?', [name, id]);
}

export async function deletePasskey(tx: Transaction, id: string): Promise<void> {
  await tx.run('DELETE FROM passkey WHERE id = ?', [id]);
}

/** @returns how many there were */
export async function deletePasskeysOf(tx: Transaction, memberId: string): Promise<number> {
  return (await tx.run('DELETE FROM passkey WHERE member_id = ?', [memberId])).changes;
}

function toPasskey(row: Row): StoredPasskey {
  return {
    id: String(row.id),
    memberId: String(row.member_id),
    rpId: String(row.rp_id),
    name: String(row.name),
    credentialId: bytes(row.credential_id),
    publicKey: bytes(row.public_key),
    counter: Number(row.counter),
    transports: String(row.transports).split(' ').filter(Boolean),
    createdAt: Number(row.created_at),
    lastUsedAt: row.last_used_at === null ? null : Number(row.last_used_at),
  };
}

function bytes(value: Row[string] | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}
