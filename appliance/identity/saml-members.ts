// Whose account it is when an identity provider says who signed in (C-04): by the SSO id, which stays; made at the first
// login where that is allowed. An account that is here already is never taken over: an admin gives it its SSO id.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type AuditDetail, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Groups } from '../permissions/groups.ts';
import type { Transaction } from '../store/sql.ts';
import { groupWanted, rolesWanted } from './directory-plan.ts';
import type { Act, LoginBook } from './login-book.ts';
import { type Member, parseLoginId, parseName, type Role } from './member.ts';
import {
  countEnabledMasterAdmins,
  findMember,
  findMemberByLoginId,
  insertMember,
  type KnownMember,
  setColumns,
} from './member-store.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { changeRoles } from './role-change.ts';
import { samlFault } from './saml-fault.ts';
import type { Idp } from './saml-idp.ts';
import type { Assertion } from './saml-response.ts';
import type { SsoRules } from './saml-rule.ts';
import { findSubject, putLink, type SamlLink, setLinkWithdrawn } from './saml-store.ts';

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';

const OVERAGE = 'http://schemas.microsoft.com/claims/groups.link';

interface SamlPerson {
  readonly subject: string;
  readonly loginId: string;
  readonly name: string;
}

/** What became of an account before its login is made. */
export interface Settled {
  readonly known: KnownMember;
  /** Whether the provider's groups give it a role; true as well where it has no mapping. */
  readonly hasRole: boolean;
  /** To be called once it is on the disk. */
  readonly tell: () => void;
}

export interface SamlMembersOptions {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
  readonly groups: Groups;
  readonly book: LoginBook;
  readonly ssoRules: SsoRules;
}

export class SamlMembers {
  readonly #parts: SamlMembersOptions;

  constructor(parts: SamlMembersOptions) {
    this.#parts = parts;
  }

  /**
   * Brings an account to what the provider says, with what its groups give and take away, and makes one where there is none.
   * @throws ApplianceError `saml.no-account`, `saml.no-role`, `saml.switched-off`, `saml.conflict`, `saml.subject`, `saml.too-many-groups`,
   *   `member.…-malformed`
   */
  async settle(act: Act, idp: Idp, assertion: Assertion): Promise<Settled> {
    const { tx } = act;
    const subject = subjectOf(idp, assertion);
    const link = await findSubject(tx, idp.id, subject);
    const groups = groupsOf(idp, assertion);
    const roles = groups && rolesWanted(idp.mapping, groups);
    if (link === undefined) {
      const known = await this.#create(tx, idp, readPerson(idp, assertion, subject), roles ?? idp.roles);
      return { known, hasRole: true, tell: await this.#place(tx, idp, groups, known.member.id, true) };
    }
    if (!link.isOn)
      throw new ApplianceError('refused', 'saml.switched-off', 'the SSO id of this member is switched off');
    if (link.isOnly) await this.#rename(tx, link, readPerson(idp, assertion, subject));
    const isOurs = roles !== null && (await this.#follow(act, link, roles));
    const known = await getMember(tx, link.memberId);
    const hasRole = !isOurs || roles.length > 0;
    const tell = await this.#place(tx, idp, isOurs ? groups : null, link.memberId, false);
    return { known, hasRole, tell };
  }

  /** Whose login it is that is to be confirmed. */
  async whoIs(tx: Transaction, idp: Idp, assertion: Assertion): Promise<string | undefined> {
    const link = await findSubject(tx, idp.id, subjectOf(idp, assertion));
    return link?.isOn === true ? link.memberId : undefined;
  }

  /**
   * Gives and takes what the provider's groups say.
   * @returns false for an account they don't touch: the emergency one, the last master admin, one whose roles the directory gives
   */
  async #follow(act: Act, { memberId, isWithdrawn }: SamlLink, roles: readonly Role[]): Promise<boolean> {
    const { tx } = act;
    const { member } = await getMember(tx, memberId);
    const [before, after] = [member.roles.join(' '), roles.join(' ')];
    const kept = await this.#whyKept(tx, member, roles);
    if (kept !== null) {
      if (before !== after) await this.#tell(tx, 'saml.roles-kept', memberId, { why: kept, before, wanted: after });
      return false;
    }
    if (roles.length === 0) {
      if (member.state !== 'enabled') return true;
      await setColumns(tx, memberId, { is_enabled: 0 });
      await setLinkWithdrawn(tx, memberId, true);
      await this.#tell(tx, 'saml.member-withdrawn', memberId, { why: 'no group of the mapping', before, after });
      await this.#parts.book.endAll(act, memberId, 'disabled', applianceActor);
      return true;
    }
    if (isWithdrawn) {
      await setLinkWithdrawn(tx, memberId, false);
      await setColumns(tx, memberId, { is_enabled: 1 });
      await this.#tell(tx, 'saml.member-restored', memberId, {});
    }
    await changeRoles(act, this.#parts, applianceActor, { member, roles, event: 'saml.roles-changed' });
    return true;
  }

  async #whyKept(tx: Transaction, member: Member, wanted: readonly Role[]): Promise<string | null> {
    if (member.inDirectory) return 'its roles come from the directory';
    if ((await this.#parts.ssoRules.get(tx)).breakGlassId === member.id) return 'it is the emergency account';
    const counts =
      member.state === 'enabled' && member.singleSignOn !== 'only' && member.roles.includes('master-admin');
    if (!counts || wanted.includes('master-admin') || (await countEnabledMasterAdmins(tx)) > 1) return null;
    return 'it is the last master admin with a password here';
  }

  /** @param groups null where no mapping says anything: who is new goes where the settings say */
  async #place(tx: Transaction, idp: Idp, groups: readonly string[] | null, memberId: string, isNew: boolean) {
    // By their ids, which renaming leaves as they are.
    const ids = new Map(idp.mapping.map(({ technicianGroup }) => [technicianGroup ?? '', technicianGroup ?? '']));
    const mapped = groups === null ? undefined : groupWanted(idp.mapping, groups, ids);
    const editor = { actor: applianceActor, roles: ['master-admin'] } as const;
    return this.#parts.groups.assignWithin(tx, editor, memberId, mapped ?? (isNew ? idp.groupId : ''));
  }

  async #create(
    tx: Transaction,
    idp: Idp,
    { subject, ...given }: SamlPerson,
    roles: readonly Role[],
  ): Promise<KnownMember> {
    const { hasher, clock } = this.#parts;
    if (!idp.createMembers) {
      throw new ApplianceError('refused', 'saml.no-account', `nobody here has the SSO id ${subject.slice(0, 128)}`);
    }
    if (roles.length === 0) throw noRole();
    const domain = given.loginId.split('@').at(-1) ?? '';
    if (idp.domains.length > 0 && !(given.loginId.includes('@') && idp.domains.includes(domain))) {
      throw new ApplianceError(
        'refused',
        'saml.conflict',
        `${given.loginId} is of none of the provider’s mail domains`,
      );
    }
    if ((await findMemberByLoginId(tx, given.loginId)) !== undefined) {
      throw new ApplianceError('refused', 'saml.conflict', `${given.loginId} is the login id of another account here`);
    }
    const id = randomBytes(16).toString('base64url');
    // No password has this hash: whoever has this account signs in at the provider.
    const secret = { passwordHash: hasher.decoy, mustChange: false };
    await insertMember(tx, { id, ...given, ...secret, roles, createdAt: clock.now() });
    await putLink(tx, { memberId: id, idpId: idp.id, subject, isOn: true, isOnly: true, isWithdrawn: false });
    await this.#tell(tx, 'saml.member-created', id, {
      ...given,
      provider: idp.name,
      ssoId: subject,
      roles: roles.join(' '),
    });
    return getMember(tx, id);
  }

  async #rename(tx: Transaction, { memberId }: SamlLink, { name }: SamlPerson): Promise<void> {
    const { member } = await getMember(tx, memberId);
    if (member.name === name) return;
    await setColumns(tx, memberId, { name });
    await this.#tell(tx, 'saml.member-renamed', memberId, { before: member.name, after: name });
  }

  async #tell(tx: Transaction, event: string, subject: string, detail: AuditDetail): Promise<void> {
    await this.#parts.audit.append(tx, { event, actor: applianceActor, subject, detail });
  }
}

export function noRole(): ApplianceError {
  return samlFault('saml.no-role', 'the person is in no group there that gives a role here');
}

async function getMember(tx: Transaction, id: string): Promise<KnownMember> {
  const known = await findMember(tx, id);
  if (known === undefined) throw new ApplianceError('refused', 'saml.no-account', 'that member is gone');
  return known;
}

function subjectOf({ idAttribute }: Idp, assertion: Assertion): string {
  if (idAttribute !== '') return oneValue(assertion, idAttribute);
  if (assertion.nameIdFormat !== TRANSIENT) return assertion.nameId;
  throw samlFault('saml.subject', 'its name id is transient, another at each login: name an attribute as SSO id');
}

function readPerson({ loginIdAttribute, nameAttribute }: Idp, assertion: Assertion, subject: string): SamlPerson {
  const loginId = parseLoginId(loginIdAttribute === '' ? assertion.nameId : oneValue(assertion, loginIdAttribute));
  const name = nameAttribute === '' ? loginId : oneValue(assertion, nameAttribute);
  return { subject, loginId, name: parseName(name) };
}

/** @returns null where the provider has no mapping. An attribute may be there several times: each of them counts */
function groupsOf({ groupsAttribute, mapping }: Idp, { attributes }: Assertion): readonly string[] | null {
  if (mapping.length === 0) return null;
  const given = attributes.get(groupsAttribute) ?? [];
  // Entra ID names an address instead of the groups when there are many: that is not the same as none.
  if (given.length > 0 || !attributes.has(OVERAGE)) return given;
  throw samlFault(
    'saml.too-many-groups',
    'it names no groups, as there are too many: let it send only those that are assigned',
  );
}

/** @throws ApplianceError `saml.subject` unless there is exactly one value */
function oneValue({ attributes }: Assertion, attribute: string): string {
  const [value = '', ...others] = (attributes.get(attribute) ?? []).map(one => one.trim());
  if (value !== '' && value.length <= 512 && others.length === 0) return value;
  const there = [...attributes.keys()].join(', ').slice(0, 500);
  throw samlFault('saml.subject', `it must hold one value of ${attribute.slice(0, 100)}; it holds: ${there}`);
}
