// Accounts: who has one, in which roles, enabled or not (C-01, D-08). Whatever takes rights away ends the logins too.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor, AuditDetail } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { pathName } from '../permissions/decision.ts';
import { findPath, putMember, ROOT_GROUP_ID } from '../permissions/group-store.ts';
import { requireSeen } from '../store/seen.ts';
import type { Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import type { AllowLists } from './allow-lists.ts';
import {
  requireAMasterAdmin,
  requireAnother,
  requireMasterAdmin,
  requireMayCreate,
  requireMayManage,
} from './authority.ts';
import { setWithdrawn } from './directory-store.ts';
import { isLocked, type LockOut } from './lock-out.ts';
import type { Act, LoginBook } from './login-book.ts';
import {
  foldLoginId,
  type Member,
  parseLoginId,
  parseName,
  parseRoles,
  type Role,
  requireOwnPassword,
} from './member.ts';
import {
  countMembers,
  findMember,
  findMemberByLoginId,
  insertMember,
  type KnownMember,
  listMemberLines,
  listMembers,
  listMembersById,
  type MemberFilter,
  type MemberOrder,
  replacePassword,
  replaceRecoveryCodes,
  setColumns,
} from './member-store.ts';
import { deletePasskeysOf } from './passkey-store.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { Passwords } from './passwords.ts';
import { newReadableCode } from './readable-code.ts';
import { changeRoles } from './role-change.ts';
import type { SsoRules } from './saml-rule.ts';
import { setLinkWithdrawn } from './saml-store.ts';

export interface NewMemberRequest {
  readonly loginId: string;
  readonly name: string;
  readonly roles: readonly Role[];
  /** Chosen by the member himself at first setup; left out, a temporary one is made. */
  readonly password?: string;
  /** Of a technician, the group he is put into; left out, he is in the root. An admin has to name one of his parts. */
  readonly groupId?: string;
}

export interface MemberQuery extends Pick<MemberFilter, 'role' | 'state'> {
  /** By login id, unless it says otherwise. */
  readonly order?: MemberOrder;
  /** Part of the name or of the login id, in whatever case. */
  readonly words: string;
  /** Only those this is true of. */
  readonly isMeant?: (memberId: string) => boolean;
  readonly offset: number;
  readonly limit: number;
}

export interface MembersOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly lockOut: LockOut;
  readonly hasher: PasswordHasher;
  readonly passwords: Passwords;
  readonly ssoRules: SsoRules;
  readonly allowLists: AllowLists;
}

export class Members {
  readonly #parts: MembersOptions;

  constructor(parts: MembersOptions) {
    this.#parts = parts;
  }

  /** @returns all, by login id */
  list(): Promise<Member[]> {
    return listMembers(this.#parts.store.core.read);
  }

  /** @returns a page of those who fit, in order, and how many fit */
  async search({
    words,
    isMeant,
    offset,
    limit,
    role,
    state,
    order = 'login',
  }: MemberQuery): Promise<{ members: Member[]; found: number }> {
    const { read } = this.#parts.store.core;
    const wanted = foldName(words);
    const part = /^[ -~]*$/.test(wanted) ? wanted : ''; // the store knows no case beyond ASCII
    const lines = await listMemberLines(read, { role, state, part, now: this.#parts.clock.now(), order });
    const fitting = lines.filter(
      ({ id, loginId, name }) =>
        (wanted === '' || loginId.includes(wanted) || foldName(name).includes(wanted)) && isMeant?.(id) !== false,
    );
    const ids = fitting.slice(offset, offset + limit).map(({ id }) => id);
    const there = new Map((await listMembersById(read, ids)).map(member => [member.id, member]));
    return { members: ids.flatMap(id => there.get(id) ?? []), found: fitting.length };
  }

  /** @throws ApplianceError `member.missing` */
  async get(id: string): Promise<Member> {
    const member = await this.find(id);
    if (member === undefined) throw missing();
    return member;
  }

  async find(id: string): Promise<Member | undefined> {
    return (await findMember(this.#parts.store.core.read, id))?.member;
  }

  async findByLoginId(loginId: string): Promise<Member | undefined> {
    return (await findMemberByLoginId(this.#parts.store.core.read, foldLoginId(loginId)))?.member;
  }

  count(): Promise<number> {
    return countMembers(this.#parts.store.core.read);
  }

  /**
   * @param actor of kind `anyone` only for the very first member (setup)
   * @returns the temporary password, to be shown once; null when one was given
   * @throws ApplianceError `member.login-id-taken`, `password.unacceptable`, `identity.not-allowed`, `member.…-malformed`
   */
  async create(actor: Actor, request: NewMemberRequest): Promise<{ member: Member; temporaryPassword: string | null }> {
    const { store, audit, clock, hasher, passwords } = this.#parts;
    const given = { loginId: parseLoginId(request.loginId), name: parseName(request.name) };
    const roles = parseRoles(request.roles);
    const { password, groupId } = request;
    if (password !== undefined) await passwords.requireAcceptable(password, [given.loginId, given.name]);
    const temporaryPassword = password === undefined ? newReadableCode() : null;
    const passwordHash = await hasher.hash(password ?? temporaryPassword ?? '');
    // A password somebody else knows is changed at the first login.
    const mustChange = password === undefined || actor.kind === 'member';
    const id = randomBytes(16).toString('base64url');
    const member = await store.core.transaction(async tx => {
      await requireMayCreate(tx, actor, roles, groupId ?? ROOT_GROUP_ID);
      if (actor.kind === 'anyone' && !roles.includes('master-admin')) throw firstIsMasterAdmin();
      await insertUnique(tx, { id, ...given, roles, passwordHash, mustChange, createdAt: clock.now() });
      const detail = { loginId: given.loginId, name: given.name, roles: roles.join(' ') };
      await audit.append(tx, { event: 'member.created', actor, subject: id, detail });
      if (groupId !== undefined && roles.includes('technician')) await this.#place(tx, actor, id, groupId);
      return (await getKnown(tx, id)).member;
    });
    return { member, temporaryPassword };
  }

  /**
   * A change of roles ends the member's logins.
   * @param seen `seenOf` his name and roles, as the actor saw them
   * @throws ApplianceError `identity.last-master-admin`, `identity.not-allowed`, `changed-meanwhile`
   */
  update(actor: Actor, id: string, change: { name: string; roles: readonly Role[] }, seen?: string): Promise<Member> {
    const name = parseName(change.name);
    const roles = parseRoles(change.roles);
    return this.#change(actor, id, async (act, { member }) => {
      await requireMayManage(act.tx, actor, { id, roles });
      requireSeen({ name: member.name, roles: member.roles }, seen);
      if (name !== member.name) {
        await setColumns(act.tx, id, { name });
        await this.#tell(act, actor, 'member.renamed', id, { before: member.name, after: name });
      }
      if (member.roles.join() === roles.join()) return;
      if (member.inDirectory) throw rolesInDirectory();
      await changeRoles(act, this.#parts, actor, { member, roles, event: 'member.roles-changed' });
      await this.#parts.allowLists.requireActorIn(act.tx, actor); // the groups' lists hold for technicians
    });
  }

  /** @throws ApplianceError `identity.last-master-admin`, `identity.not-allowed` */
  disable(actor: Actor, id: string): Promise<Member> {
    return this.#change(actor, id, async (act, { member }) => {
      // Of one the directory or a provider had disabled it is an admin's word now, which no group there takes back.
      const wasTheirs = [await setWithdrawn(act.tx, id, false), await setLinkWithdrawn(act.tx, id, false)].includes(
        true,
      );
      if (member.state === 'disabled' && !wasTheirs) return;
      await setColumns(act.tx, id, { is_enabled: 0 });
      await this.#tell(act, actor, 'member.disabled', id);
      await this.#parts.book.endAll(act, id, 'disabled', actor);
    });
  }

  enable(actor: Actor, id: string): Promise<Member> {
    return this.#change(actor, id, async (act, { member }) => {
      if (member.state === 'enabled') return;
      await setColumns(act.tx, id, { is_enabled: 1 });
      // From now on it is an admin's word, which no group there takes back when he disables the member again.
      await setWithdrawn(act.tx, id, false);
      await setLinkWithdrawn(act.tx, id, false);
      await this.#tell(act, actor, 'member.enabled', id);
    });
  }

  /** Lifts a lock and forgets the failures that led to it. */
  unlock(actor: Actor, id: string): Promise<Member> {
    return this.#change(actor, id, async (act, known) => {
      await this.#parts.lockOut.clear(act.tx, known);
      await this.#tell(act, actor, 'member.unlocked', id);
    });
  }

  /**
   * From the machine itself, for who is kept out: by an allow list, or by strangers who type wrong passwords for him.
   * @returns how many lists were emptied, and whether he was locked; throws ApplianceError `member.missing`
   */
  async letIn(actor: Actor, loginId: string): Promise<{ emptied: number; isUnlocked: boolean }> {
    const { allowLists, clock } = this.#parts;
    const emptied = await allowLists.openFor(actor, loginId);
    const member = await this.findByLoginId(loginId);
    const isUnlocked = member !== undefined && isLocked(member, clock.now());
    if (isUnlocked) await this.unlock(actor, member.id);
    return { emptied, isUnlocked };
  }

  /** The member has to choose a new password at the next login. */
  forceChange(actor: Actor, id: string): Promise<Member> {
    return this.#change(actor, id, async (act, { member }) => {
      requireOwnPassword(member);
      await setColumns(act.tx, id, { must_change: 1 });
      await this.#tell(act, actor, 'member.password-change-forced', id);
    });
  }

  /** Also unlocks, and ends the member's logins. @returns the temporary password, to be shown once */
  async resetPassword(actor: Actor, id: string): Promise<{ member: Member; temporaryPassword: string }> {
    const { hasher, clock, passwords, lockOut, book } = this.#parts;
    const temporaryPassword = newReadableCode();
    const after = await hasher.hash(temporaryPassword);
    const { history } = await passwords.policy();
    const member = await this.#change(actor, id, async (act, known) => {
      requireAnother(actor, id);
      requireOwnPassword(known.member);
      const before = known.secrets.passwordHash;
      await replacePassword(act.tx, { id, before, after, mustChange: true, at: clock.now(), keep: history });
      await lockOut.clear(act.tx, known);
      await this.#tell(act, actor, 'member.password-reset', id);
      await book.endAll(act, id, 'password-reset', actor);
    });
    return { member, temporaryPassword };
  }

  /** Only a master admin may. A member who has no second step yet has to enrol at the next login, which is now. */
  requireTwoStep(actor: Actor, id: string, isRequired: boolean): Promise<Member> {
    return this.#change(actor, id, async (act, { member }) => {
      await requireMasterAdmin(act.tx, actor);
      if (member.twoStepRequired === isRequired) return;
      await setColumns(act.tx, id, { two_step_required: isRequired ? 1 : 0 });
      await this.#tell(act, actor, isRequired ? 'two-step.required' : 'two-step.not-required', id);
      if (isRequired && !member.twoStepEnrolled) await this.#parts.book.endAll(act, id, 'two-step-changed', actor);
    });
  }

  /** For a member who lost his devices and recovery codes: app and passkeys go; ends the logins. */
  resetTwoStep(actor: Actor, id: string): Promise<Member> {
    return this.#change(actor, id, async act => {
      requireAnother(actor, id);
      await setColumns(act.tx, id, { two_step_secret: null, two_step_pending: null, two_step_last: 0 });
      await replaceRecoveryCodes(act.tx, id, []);
      const passkeys = await deletePasskeysOf(act.tx, id);
      await this.#tell(act, actor, 'two-step.reset', id, { passkeys });
      await this.#parts.book.endAll(act, id, 'two-step-changed', actor);
    });
  }

  #change(actor: Actor, id: string, run: (act: Act, known: KnownMember) => Promise<void>): Promise<Member> {
    return this.#parts.book.act(async act => {
      const known = await getKnown(act.tx, id);
      await requireMayManage(act.tx, actor, known.member);
      await run(act, known);
      if (known.member.roles.includes('master-admin')) await requireAMasterAdmin(act.tx);
      await this.#parts.ssoRules.requireWayIn(act.tx);
      return (await getKnown(act.tx, id)).member;
    });
  }

  async #place(tx: Transaction, actor: Actor, id: string, groupId: string): Promise<void> {
    const [root, path] = [await findPath(tx, ROOT_GROUP_ID), await findPath(tx, groupId)];
    if (path.length === 0) throw new ApplianceError('missing', 'group.missing', 'there is no such group');
    if (groupId === ROOT_GROUP_ID) return;
    await putMember(tx, id, groupId);
    const detail = { from: pathName(root), to: pathName(path) };
    await this.#parts.audit.append(tx, { event: 'group.member-moved', actor, subject: id, detail });
  }

  async #tell({ tx }: Act, actor: Actor, event: string, subject: string, detail: AuditDetail = {}): Promise<void> {
    await this.#parts.audit.append(tx, { event, actor, subject, detail });
  }
}

/** As a search compares names: their case and surrounding space are nothing. */
function foldName(text: string): string {
  return text.trim().toLowerCase();
}

async function getKnown(tx: Transaction, id: string): Promise<KnownMember> {
  const known = await findMember(tx, id);
  if (known === undefined) throw missing();
  return known;
}

async function insertUnique(tx: Transaction, member: Parameters<typeof insertMember>[1]): Promise<void> {
  try {
    await insertMember(tx, member);
  } catch (cause) {
    if (!(cause instanceof ApplianceError && cause.code === 'store.unique')) throw cause;
    throw new ApplianceError('conflict', 'member.login-id-taken', 'a member with that login id is there already', {
      cause,
    });
  }
}

function rolesInDirectory(): ApplianceError {
  return new ApplianceError('conflict', 'member.in-directory', 'this member’s roles come from the directory', {
    hint: 'Change the groups there, or the mapping in appliance.yaml.',
  });
}

function missing(): ApplianceError {
  return new ApplianceError('missing', 'member.missing', 'there is no such member');
}

function firstIsMasterAdmin(): ApplianceError {
  return new ApplianceError('refused', 'identity.not-allowed', 'the first member is a master admin');
}
