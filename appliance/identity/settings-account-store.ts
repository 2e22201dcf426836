// Rows of the accounts of the settings, their logins and the one link.
import type { Reader, Row, Transaction } from '../store/sql.ts';
import type { LoginStage } from './login.ts';
import type { SettingsAccount, SettingsLogin } from './settings-account.ts';

export interface KnownSettingsAccount {
  readonly account: SettingsAccount;
  readonly secrets: {
    readonly passwordHash: string;
    readonly twoStepSecret: string | null;
    readonly twoStepPending: string | null;
    readonly twoStepLast: number;
    readonly failures: number;
    readonly locks: number;
  };
}

export async function insertAccount(
  tx: Transaction,
  { id, name, hash, mustChange, at }: { id: string; name: string; hash: string; mustChange: boolean; at: number },
): Promise<void> {
  await tx.run(
    'INSERT INTO settings_account (id, name, password_hash, must_change, created_at) VALUES (?, ?, ?, ?, ?)',
    [id, name, hash, mustChange ? 1 : 0, at],
  );
}

export async function findAccount(from: Reader, id: string): Promise<KnownSettingsAccount | undefined> {
  const row = await from.get('SELECT * FROM settings_account WHERE id = ?', [id]);
  return row && toAccount(row);
}

export async function findAccountByName(from: Reader, name: string): Promise<KnownSettingsAccount | undefined> {
  const row = await from.get('SELECT * FROM settings_account WHERE name = ?', [name]);
  return row && toAccount(row);
}

export async function listAccounts(from: Reader): Promise<SettingsAccount[]> {
  return (await from.all('SELECT * FROM settings_account ORDER BY name')).map(row => toAccount(row).account);
}

/** Those that can sign in. */
export async function countEnabled(from: Reader): Promise<number> {
  return Number((await from.get('SELECT count(*) AS n FROM settings_account WHERE is_disabled = 0'))?.n ?? 0);
}

type Column =
  | 'name'
  | 'is_disabled'
  | 'password_hash'
  | 'must_change'
  | 'two_step_required'
  | 'two_step_secret'
  | 'two_step_pending'
  | 'two_step_last'
  | 'failures'
  | 'locks'
  | 'locked_until'
  | 'last_login_at';

export async function setAccount(
  tx: Transaction,
  id: string,
  columns: Partial<Record<Column, string | number | null>>,
): Promise<void> {
  const names = Object.keys(columns);
  const set = names.map(name => `${name} = ?`).join(', ');
  await tx.run(`UPDATE settings_account SET ${set} WHERE id = ?`, [...Object.values(columns), id]);
}

export async function deleteAccount(tx: Transaction, id: string): Promise<void> {
  await tx.run('DELETE FROM settings_account WHERE id = ?', [id]);
}

export async function insertSettingsLogin(tx: Transaction, login: SettingsLogin, digest: Uint8Array): Promise<void> {
  await tx.run(
    `INSERT INTO settings_login (id, account_id, stage, created_at, last_seen_at, address, token_digest)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    [login.id, login.accountId, login.stage, login.createdAt, login.lastSeenAt, login.address, digest],
  );
}

export async function findSettingsLogin(from: Reader, digest: Uint8Array): Promise<SettingsLogin | undefined> {
  const row = await from.get('SELECT * FROM settings_login WHERE token_digest = ?', [digest]);
  return row && toLogin(row);
}

/** @returns false when the login is gone or no longer in `from` */
export async function stepSettingsLogin(
  tx: Transaction,
  { id, from, to, digest, at }: { id: string; from: LoginStage; to: LoginStage; digest: Uint8Array; at: number },
): Promise<boolean> {
  const { changes } = await tx.run(
    'UPDATE settings_login SET stage = ?, token_digest = ?, last_seen_at = ? WHERE id = ? AND stage = ?',
    [to, digest, at, id, from],
  );
  return changes === 1;
}

export async function touchSettingsLogin(tx: Transaction, id: string, at: number): Promise<void> {
  await tx.run('UPDATE settings_login SET last_seen_at = max(last_seen_at, ?) WHERE id = ?', [at, id]);
}

export async function deleteSettingsLogin(tx: Transaction, id: string): Promise<void> {
  await tx.run('DELETE FROM settings_login WHERE id = ?', [id]);
}

/** @param but the one that stays; null for none @returns how many ended */
export async function deleteLoginsOf(tx: Transaction, accountId: string, but: string | null): Promise<number> {
  const sql = 'DELETE FROM settings_login WHERE account_id = ? AND id IS NOT ?';
  return (await tx.run(sql, [accountId, but])).changes;
}

/** The former one is void. */
export async function replaceLink(tx: Transaction, digest: Uint8Array, expiresAt: number): Promise<void> {
  await tx.run('DELETE FROM settings_link');
  await tx.run('INSERT INTO settings_link (digest, expires_at) VALUES (?, ?)', [digest, expiresAt]);
}

export async function isLinkOpen(from: Reader, digest: Uint8Array, now: number): Promise<boolean> {
  const row = await from.get('SELECT 1 AS found FROM settings_link WHERE digest = ? AND expires_at > ?', [digest, now]);
  return row !== undefined;
}

/** @returns whether it was there, and in time */
export async function useLink(tx: Transaction, digest: Uint8Array, now: number): Promise<boolean> {
  const used = await tx.run('DELETE FROM settings_link WHERE digest = ? AND expires_at > ?', [digest, now]);
  return used.changes === 1;
}

function toAccount(row: Row): KnownSettingsAccount {
  const text = (value: unknown) => (value === null ? null : String(value));
  const number = (value: unknown) => (value === null ? null : Number(value));
  return {
    account: {
      id: String(row.id),
      name: String(row.name),
      isDisabled: row.is_disabled === 1,
      mustChangePassword: row.must_change === 1,
      twoStepRequired: row.two_step_required === 1,
      twoStepEnrolled: row.two_step_secret !== null,
      lockedUntil: number(row.locked_until),
      createdAt: Number(row.created_at),
      lastLoginAt: number(row.last_login_at),
    },
    secrets: {
      passwordHash: String(row.password_hash),
      twoStepSecret: text(row.two_step_secret),
      twoStepPending: text(row.two_step_pending),
      twoStepLast: Number(row.two_step_last),
      failures: Number(row.failures),
      locks: Number(row.locks),
    },
  };
}

function toLogin(row: Row): SettingsLogin {
  return {
    id: String(row.id),
    accountId: String(row.account_id),
    stage: String(row.stage) as LoginStage, // the column's CHECK holds it to these
    createdAt: Number(row.created_at),
    lastSeenAt: Number(row.last_seen_at),
    address: String(row.address),
  };
}

export async function countSettingsLogins(from: Reader): Promise<number> {
  return Number((await from.get('SELECT count(*) AS n FROM settings_login'))?.n);
}

/** Every login and the link: nobody is in, and nobody gets in without a password. @returns how many logins there were */
export async function deleteAllSettingsLogins(tx: Transaction): Promise<number> {
  await tx.run('DELETE FROM settings_link');
  return (await tx.run('DELETE FROM settings_login')).changes;
}

/** As `useUpMemberCodes`. */
export async function useUpAccountCodes(tx: Transaction, step: number): Promise<void> {
  await tx.run('UPDATE settings_account SET two_step_last = ? WHERE two_step_last < ?', [step, step]);
}
