// Rows of single sign-on.
import type { Reader, Row, Transaction } from '../store/sql.ts';
import type { Login } from './login.ts';
import { loginColumns, toLogin } from './login-store.ts';
import { type Idp, IdpSettings } from './saml-idp.ts';

const IDP = 'id, entity_id, is_on, settings, revision';
const LINK = 'member_id, idp_id, subject, is_on, is_only, is_withdrawn';

/** Which person there an account is of. */
export interface SamlLink {
  readonly memberId: string;
  readonly idpId: string;
  /** The SSO id. */
  readonly subject: string;
  readonly isOn: boolean;
  /** Whether there is no password here. */
  readonly isOnly: boolean;
  /** Whether the account is disabled because no group there gives a role. */
  readonly isWithdrawn: boolean;
}

/** What a logout there is told by. */
export interface SamlLogin {
  readonly idpId: string;
  readonly nameId: string;
  readonly nameIdFormat: string;
  readonly sessionIndex: string | null;
}

export async function listIdps(from: Reader): Promise<Idp[]> {
  return (await from.all(`SELECT ${IDP} FROM saml_idp ORDER BY id`)).map(toIdp);
}

export async function findIdp(from: Reader, id: string): Promise<Idp | undefined> {
  const row = await from.get(`SELECT ${IDP} FROM saml_idp WHERE id = ?`, [id]);
  return row && toIdp(row);
}

/** @throws ApplianceError `store.unique` when the entity id is there already */
export async function insertIdp(tx: Transaction, { id, entityId, isOn, revision, ...settings }: Idp): Promise<void> {
  const row = [id, entityId, isOn ? 1 : 0, JSON.stringify(settings), revision];
  await tx.run(`INSERT INTO saml_idp (${IDP}) VALUES (?, ?, ?, ?, ?)`, row);
}

/** @returns false when it was changed since that revision, or is gone */
export async function updateIdp(tx: Transaction, { id, entityId, isOn, revision, ...settings }: Idp): Promise<boolean> {
  const { changes } = await tx.run(
    `UPDATE saml_idp SET entity_id = ?, is_on = ?, settings = ?, revision = revision + 1 WHERE id = ? AND revision = ?`,
    [entityId, isOn ? 1 : 0, JSON.stringify(settings), id, revision],
  );
  return changes === 1;
}

export async function deleteIdp(tx: Transaction, id: string): Promise<void> {
  await tx.run('DELETE FROM saml_idp WHERE id = ?', [id]);
}

export async function findLinkOf(from: Reader, memberId: string): Promise<SamlLink | undefined> {
  const row = await from.get(`SELECT ${LINK} FROM saml_link WHERE member_id = ?`, [memberId]);
  return row && toLink(row);
}

export async function findSubject(from: Reader, idpId: string, subject: string): Promise<SamlLink | undefined> {
  const row = await from.get(`SELECT ${LINK} FROM saml_link WHERE idp_id = ? AND subject = ?`, [idpId, subject]);
  return row && toLink(row);
}

export async function countLinks(from: Reader, idpId: string): Promise<number> {
  return Number((await from.get('SELECT count(*) AS n FROM saml_link WHERE idp_id = ?', [idpId]))?.n);
}

/** Instead of the one the member had. @throws ApplianceError `store.unique` when the SSO id is another's */
export async function putLink(tx: Transaction, link: SamlLink): Promise<void> {
  const { memberId, idpId, subject, isOn, isOnly, isWithdrawn } = link;
  await deleteLink(tx, memberId);
  const row = [memberId, idpId, subject, isOn ? 1 : 0, isOnly ? 1 : 0, isWithdrawn ? 1 : 0];
  await tx.run(`INSERT INTO saml_link (${LINK}) VALUES (?, ?, ?, ?, ?, ?)`, row);
}

export async function deleteLink(tx: Transaction, memberId: string): Promise<void> {
  await tx.run('DELETE FROM saml_link WHERE member_id = ?', [memberId]);
}

/** @returns whether it was otherwise */
export async function setLinkWithdrawn(tx: Transaction, memberId: string, isWithdrawn: boolean): Promise<boolean> {
  const values = [isWithdrawn ? 1 : 0, memberId, isWithdrawn ? 1 : 0];
  const sql = 'UPDATE saml_link SET is_withdrawn = ? WHERE member_id = ? AND is_withdrawn <> ?';
  return (await tx.run(sql, values)).changes > 0;
}

/** @returns false when it was taken before */
export async function takeOnce(tx: Transaction, digest: Uint8Array, goodUntil: number, now: number): Promise<boolean> {
  await tx.run('DELETE FROM saml_taken WHERE good_until <= ?', [now]);
  const row = [digest, goodUntil];
  const { changes } = await tx.run('INSERT OR IGNORE INTO saml_taken (digest, good_until) VALUES (?, ?)', row);
  return changes === 1;
}

export async function insertSamlLogin(tx: Transaction, loginId: string, login: SamlLogin): Promise<void> {
  const { idpId, nameId, nameIdFormat, sessionIndex } = login;
  await tx.run(
    'INSERT INTO saml_login (login_id, idp_id, name_id, name_id_format, session_index) VALUES (?, ?, ?, ?, ?)',
    [loginId, idpId, nameId, nameIdFormat, sessionIndex],
  );
}

export async function findSamlLogin(from: Reader, loginId: string): Promise<SamlLogin | undefined> {
  const row = await from.get('SELECT * FROM saml_login WHERE login_id = ?', [loginId]);
  return row && toSamlLogin(row);
}

/** Logins by this identity provider, of one member or of all. */
export async function listLoginsBy(
  from: Reader,
  idpId: string,
  memberId: string | null,
): Promise<(readonly [Login, SamlLogin])[]> {
  const rows = await from.all(
    `SELECT ${loginColumns}, saml_login.* FROM login JOIN saml_login ON login_id = id
     WHERE idp_id = ? AND (? IS NULL OR member_id = ?)`,
    [idpId, memberId, memberId],
  );
  return rows.map(row => [toLogin(row), toSamlLogin(row)] as const);
}

/** Logins that came by no identity provider, of all but these members. */
export async function listOtherLogins(from: Reader, except: readonly string[]): Promise<Login[]> {
  const rows = await from.all(
    `SELECT ${loginColumns} FROM login
     WHERE id NOT IN (SELECT login_id FROM saml_login) AND member_id NOT IN (${except.map(() => '?').join(', ')})`,
    except,
  );
  return rows.map(toLogin);
}

function toIdp(row: Row): Idp {
  return {
    ...IdpSettings.parse(JSON.parse(String(row.settings))),
    id: String(row.id),
    entityId: String(row.entity_id),
    isOn: row.is_on === 1,
    revision: Number(row.revision),
  };
}

function toLink(row: Row): SamlLink {
  return {
    memberId: String(row.member_id),
    idpId: String(row.idp_id),
    subject: String(row.subject),
    isOn: row.is_on === 1,
    isOnly: row.is_only === 1,
    isWithdrawn: row.is_withdrawn === 1,
  };
}

function toSamlLogin(row: Row): SamlLogin {
  return {
    idpId: String(row.idp_id),
    nameId: String(row.name_id),
    nameIdFormat: String(row.name_id_format),
    sessionIndex: row.session_index === null ? null : String(row.session_index),
  };
}
