// Rows of members, their roles, passwords and recovery codes.
import type { Reader, Row, SqlValue, Transaction } from '../store/sql.ts';
import { type Member, ROLES, type Role } from './member.ts';

/** What stays in this folder: nothing of it is shown or logged. */
export interface Secrets {
  readonly passwordHash: string;
  /** Wrong passwords and codes in a row. */
  readonly failures: number;
  /** Locks in a row. */
  readonly locks: number;
  /** base32 */
  readonly twoStepSecret: string | null;
  readonly twoStepPending: string | null;
  /** Last time step a code was accepted for; 0 before the first. */
  readonly twoStepLast: number;
}

export interface KnownMember {
  readonly member: Member;
  readonly secrets: Secrets;
}

const SELECT = `SELECT member.*, (SELECT group_concat(role, ' ') FROM member_role WHERE member_id = member.id) AS roles,
    (SELECT count(*) FROM passkey WHERE member_id = member.id) AS passkeys,
    EXISTS (SELECT 1 FROM directory_link WHERE member_id = member.id) AS in_directory,
    (SELECT is_only FROM saml_link WHERE member_id = member.id) AS sso_only
  FROM member`;

export async function findMember(from: Reader, id: string): Promise<KnownMember | undefined> {
  return toKnown(await from.get(`${SELECT} WHERE id = ?`, [id]));
}

/** @param loginId folded */
export async function findMemberByLoginId(from: Reader, loginId: string): Promise<KnownMember | undefined> {
  return toKnown(await from.get(`${SELECT} WHERE login_id = ?`, [loginId]));
}

export async function listMembers(from: Reader): Promise<Member[]> {
  const rows = await from.all(`${SELECT} ORDER BY login_id`);
  return rows.map(toMember);
}

/** What a search goes through: all members, by login id. */
export interface MemberLine {
  readonly id: string;
  readonly loginId: string;
  readonly name: string;
}

/** What a list of members is sorted by; `-` turns it round. Of a state, what asks for somebody comes first. */
const ORDERS = {
  login: 'login_id',
  '-login': 'login_id DESC',
  name: 'lower(name), login_id',
  '-name': 'lower(name) DESC, login_id DESC',
  state: 'coalesce(locked_until > ?3, 0) DESC, is_enabled, login_id',
  '-state': 'coalesce(locked_until > ?3, 0), is_enabled DESC, login_id DESC',
  last: 'last_login_at, login_id',
  '-last': 'last_login_at DESC, login_id DESC',
} as const;
export type MemberOrder = keyof typeof ORDERS;
export const MEMBER_ORDERS = Object.keys(ORDERS) as MemberOrder[];

export interface MemberFilter {
  readonly role: Role | 'all';
  readonly state: 'all' | 'enabled' | 'disabled' | 'locked';
  /** ms UTC: who is locked until later is locked. */
  readonly now: number;
  /** In small letters of ASCII, or empty: only those whose login id or name has it. */
  readonly part: string;
  readonly order: MemberOrder;
}

export async function listMemberLines(
  from: Reader,
  { role, state, now, part, order }: MemberFilter,
): Promise<MemberLine[]> {
  const rows = await from.all(
    `SELECT id, login_id, name FROM member
     WHERE (?1 = 'all' OR EXISTS (SELECT 1 FROM member_role WHERE member_id = id AND role = ?1))
       AND (?2 = 'all' OR (?2 = 'locked' AND locked_until > ?3) OR (?2 <> 'locked' AND is_enabled = (?2 = 'enabled')))
       AND (?4 = '' OR instr(login_id, ?4) > 0 OR instr(lower(name), ?4) > 0)
     ORDER BY ${ORDERS[order]}`,
    [role, state, now, part],
  );
  return rows.map(row => ({ id: String(row.id), loginId: String(row.login_id), name: String(row.name) }));
}

/** @returns those that are there, by login id */
export async function listMembersById(from: Reader, ids: readonly string[]): Promise<Member[]> {
  const rows = await from.all(`${SELECT} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY login_id`, [
    JSON.stringify(ids),
  ]);
  return rows.map(toMember);
}

export async function countMembers(from: Reader): Promise<number> {
  return Number((await from.get('SELECT count(*) AS n FROM member'))?.n);
}

/** Those of the directory or of single sign-on alone don't count: it may be down, or take the role away. */
export async function countEnabledMasterAdmins(from: Reader): Promise<number> {
  const row = await from.get(
    `SELECT count(*) AS n FROM member JOIN member_role ON member_id = id WHERE role = 'master-admin' AND is_enabled = 1
       AND NOT EXISTS (SELECT 1 FROM directory_link WHERE directory_link.member_id = id)
       AND NOT EXISTS (SELECT 1 FROM saml_link WHERE saml_link.member_id = id AND is_only = 1)`,
  );
  return Number(row?.n);
}

export interface NewMember {
  readonly id: string;
  readonly loginId: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly passwordHash: string;
  readonly mustChange: boolean;
  readonly createdAt: number;
}

/** @throws ApplianceError `store.unique` when a login id is taken */
export async function insertMembers(tx: Transaction, members: readonly NewMember[]): Promise<void> {
  await tx.insertMany(
    'INSERT INTO member (id, login_id, name, password_hash, must_change, password_changed_at, password_given_at, created_at)',
    members.map(one => [
      one.id,
      one.loginId,
      one.name,
      one.passwordHash,
      one.mustChange ? 1 : 0,
      ...passwordTimes(one.mustChange, one.createdAt),
      one.createdAt,
    ]),
  );
  const rows = members.flatMap(({ id, roles }) => roles.map(role => [id, role]));
  await tx.insertMany('INSERT INTO member_role (member_id, role)', rows);
}

/** @throws ApplianceError `store.unique` when the login id is taken */
export function insertMember(tx: Transaction, one: NewMember): Promise<void> {
  return insertMembers(tx, [one]);
}

export async function setRoles(tx: Transaction, id: string, roles: readonly Role[]): Promise<void> {
  await tx.run('DELETE FROM member_role WHERE member_id = ?', [id]);
  const rows = roles.map(role => [id, role]);
  await tx.insertMany('INSERT INTO member_role (member_id, role)', rows);
}

/** Columns that are set on their own, with the type each has. */
export interface MemberColumns {
  readonly login_id: string;
  readonly name: string;
  readonly is_enabled: 0 | 1;
  readonly must_change: 0 | 1;
  readonly failures: number;
  readonly locks: number;
  readonly locked_until: number | null;
  readonly two_step_required: 0 | 1;
  readonly two_step_secret: string | null;
  readonly two_step_pending: string | null;
  readonly two_step_last: number;
  readonly last_login_at: number;
}

export async function setColumns(tx: Transaction, id: string, columns: Partial<MemberColumns>): Promise<void> {
  const entries = Object.entries(columns) as [keyof MemberColumns, SqlValue][];
  const sets = entries.map(([name]) => `${name} = ?`).join(', ');
  await tx.run(`UPDATE member SET ${sets} WHERE id = ?`, [...entries.map(([, value]) => value), id]);
}

export interface NewPassword {
  readonly id: string;
  /** The hash that is replaced: it goes into the history. */
  readonly before: string;
  readonly after: string;
  readonly mustChange: boolean;
  readonly at: number;
  /** How many former passwords are kept. */
  readonly keep: number;
}

/** Since when it is the member's own, and since when it is one that was given to him. */
function passwordTimes(isGiven: boolean, at: number): [changedAt: number | null, givenAt: number | null] {
  return isGiven ? [null, at] : [at, null];
}

/** @returns false when the password is no longer `before`: somebody else changed it meanwhile */
export async function replacePassword(tx: Transaction, one: NewPassword): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE member SET password_hash = ?, must_change = ?, password_changed_at = ?, password_given_at = ?
     WHERE id = ? AND password_hash = ?`,
    [one.after, one.mustChange ? 1 : 0, ...passwordTimes(one.mustChange, one.at), one.id, one.before],
  );
  if (changes === 0) return false;
  await tx.run('INSERT INTO password_history (member_id, password_hash, replaced_at) VALUES (?, ?, ?)', [
    one.id,
    one.before,
    one.at,
  ]);
  await tx.run(
    `DELETE FROM password_history WHERE member_id = ? AND id NOT IN
       (SELECT id FROM password_history WHERE member_id = ? ORDER BY id DESC LIMIT ?)`,
    [one.id, one.id, one.keep],
  );
  return true;
}

/** @returns hashes, newest first */
export async function listFormerPasswords(from: Reader, id: string, limit: number): Promise<string[]> {
  const rows = await from.all(
    'SELECT password_hash FROM password_history WHERE member_id = ? ORDER BY id DESC LIMIT ?',
    [id, limit],
  );
  return rows.map(row => String(row.password_hash));
}

export async function replaceRecoveryCodes(tx: Transaction, id: string, digests: readonly Uint8Array[]): Promise<void> {
  await tx.run('DELETE FROM recovery_code WHERE member_id = ?', [id]);
  const rows = digests.map(digest => [id, digest]);
  await tx.insertMany('INSERT INTO recovery_code (member_id, digest)', rows);
}

/** @returns whether it was there and unused; only the first to ask is told so */
export async function useRecoveryCode(tx: Transaction, id: string, digest: Uint8Array, at: number): Promise<boolean> {
  const { changes } = await tx.run(
    'UPDATE recovery_code SET used_at = ? WHERE member_id = ? AND digest = ? AND used_at IS NULL',
    [at, id, digest],
  );
  return changes === 1;
}

export async function countRecoveryCodes(from: Reader, id: string): Promise<number> {
  const row = await from.get('SELECT count(*) AS n FROM recovery_code WHERE member_id = ? AND used_at IS NULL', [id]);
  return Number(row?.n);
}

export function toMember(row: Row): Member {
  const instant = (name: string) => (row[name] === null ? null : Number(row[name]));
  const roles = String(row.roles).split(' ');
  return {
    id: String(row.id),
    loginId: String(row.login_id),
    name: String(row.name),
    roles: ROLES.filter(role => roles.includes(role)),
    state: row.is_enabled === 1 ? 'enabled' : 'disabled',
    lockedUntil: instant('locked_until'),
    mustChangePassword: row.must_change === 1,
    passwordChangedAt: instant('password_changed_at'),
    passwordGivenAt: instant('password_given_at'),
    inDirectory: row.in_directory === 1,
    singleSignOn: row.sso_only === null ? 'none' : row.sso_only === 1 ? 'only' : 'also',
    twoStepRequired: row.two_step_required === 1,
    twoStepEnrolled: row.two_step_secret !== null || Number(row.passkeys) > 0,
    hasAuthenticatorApp: row.two_step_secret !== null,
    passkeys: Number(row.passkeys),
    lastLoginAt: instant('last_login_at'),
    createdAt: Number(row.created_at),
  };
}

function toKnown(row: Row | undefined): KnownMember | undefined {
  if (row === undefined) return undefined;
  const text = (name: string) => (row[name] === null ? null : String(row[name]));
  const secrets = {
    passwordHash: String(row.password_hash),
    failures: Number(row.failures),
    locks: Number(row.locks),
    twoStepSecret: text('two_step_secret'),
    twoStepPending: text('two_step_pending'),
    twoStepLast: Number(row.two_step_last),
  };
  return { member: toMember(row), secrets };
}

/** Of every authenticator app: no code up to this time step is taken any more. */
export async function useUpMemberCodes(tx: Transaction, step: number): Promise<void> {
  await tx.run('UPDATE member SET two_step_last = ? WHERE two_step_last < ?', [step, step]);
}
