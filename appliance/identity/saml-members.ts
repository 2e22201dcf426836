// Whose account it is when an identity provider says who signed in (C-04): by the SSO id, which stays; made at the first
// login where that is allowed. An account that is here already is never taken over: an admin gives it its SSO id.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type AuditDetail, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import type { Groups } from '../permissions/groups.ts';
import type { Transaction } from '../store/sql.ts';
import { parseLoginId, parseName } from './member.ts';
import { findMember, findMemberByLoginId, insertMember, type KnownMember, setColumns } from './member-store.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { samlFault } from './saml-fault.ts';
import type { Idp } from './saml-idp.ts';
import type { Assertion } from './saml-response.ts';
import { findSubject, putLink, type SamlLink } from './saml-store.ts';

const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';

interface SamlPerson {
  readonly subject: string;
  readonly loginId: string;
  readonly name: string;
}

export interface SamlMembersOptions {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
  readonly groups: Groups;
}

export class SamlMembers {
  readonly #parts: SamlMembersOptions;

  constructor(parts: SamlMembersOptions) {
    this.#parts = parts;
  }

  /** @throws ApplianceError `saml.no-account`, `saml.switched-off`, `saml.conflict`, `saml.subject`, `member.…-malformed` */
  async settle(tx: Transaction, idp: Idp, assertion: Assertion): Promise<{ known: KnownMember; isNew: boolean }> {
    const subject = subjectOf(idp, assertion);
    const link = await findSubject(tx, idp.id, subject);
    if (link === undefined)
      return { known: await this.#create(tx, idp, readPerson(idp, assertion, subject)), isNew: true };
    if (!link.isOn)
      throw new ApplianceError('refused', 'saml.switched-off', 'the SSO id of this member is switched off');
    if (link.isOnly) await this.#rename(tx, link, readPerson(idp, assertion, subject));
    return { known: await getMember(tx, link.memberId), isNew: false };
  }

  /** Whose login it is that is to be confirmed. */
  async whoIs(tx: Transaction, idp: Idp, assertion: Assertion): Promise<string | undefined> {
    const link = await findSubject(tx, idp.id, subjectOf(idp, assertion));
    return link?.isOn === true ? link.memberId : undefined;
  }

  /** Puts an account that has just been made where the settings say; does nothing when the group is gone. */
  async place({ groupId }: Idp, memberId: string): Promise<void> {
    const { groups } = this.#parts;
    const isThere = (await groups.list()).some(({ id }) => id === groupId);
    if (isThere) await groups.assign({ actor: applianceActor, roles: ['master-admin'] }, memberId, groupId);
  }

  async #create(tx: Transaction, idp: Idp, { subject, ...given }: SamlPerson): Promise<KnownMember> {
    const { hasher, clock } = this.#parts;
    if (!idp.createMembers) {
      throw new ApplianceError('refused', 'saml.no-account', `nobody here has the SSO id ${subject.slice(0, 128)}`);
    }
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
    await insertMember(tx, { id, ...given, ...secret, roles: idp.roles, createdAt: clock.now() });
    await putLink(tx, { memberId: id, idpId: idp.id, subject, isOn: true, isOnly: true });
    await this.#tell(tx, 'saml.member-created', id, {
      ...given,
      provider: idp.name,
      ssoId: subject,
      roles: idp.roles.join(' '),
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

/** @throws ApplianceError `saml.subject` unless there is exactly one value */
function oneValue({ attributes }: Assertion, attribute: string): string {
  const [value = '', ...others] = attributes.get(attribute) ?? [];
  if (value !== '' && value.length <= 512 && others.length === 0) return value;
  const there = [...attributes.keys()].join(', ').slice(0, 500);
  throw samlFault('saml.subject', `it must hold one value of ${attribute.slice(0, 100)}; it holds: ${there}`);
}
