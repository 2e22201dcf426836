// Members of the directory: created, changed and withdrawn as its groups say, at login and when an admin applies a sync
// (C-05). Only accounts that came from the directory are ever touched: a local one of the same login id stays as it is.
import { createHash, randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, type AuditDetail, applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import type { DirectoryConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';
import type { Groups } from '../permissions/groups.ts';
import type { Store } from '../store/store.ts';
import { requireMasterAdmin } from './authority.ts';
import type { DirectoryPerson } from './directory.ts';
import { type DirectoryPlan, groupWanted, planSync, readPerson, rolesWanted, unknownGroups } from './directory-plan.ts';
import { findLink, insertLink, listLinks, setWithdrawn } from './directory-store.ts';
import type { Act, LoginBook } from './login-book.ts';
import type { Role } from './member.ts';
import {
  findMember,
  findMemberByLoginId,
  insertMember,
  type KnownMember,
  listMembers,
  setColumns,
} from './member-store.ts';
import type { PasswordHasher } from './password-hasher.ts';
import { changeRoles } from './role-change.ts';

/** Without anybody's doing this share of all is disabled at a time, and one at least. */
const [FEW_GONE, MOST_GONE] = [1, 0.2];
const APPLY_AT_ONCE = 50; // in one transaction: everybody waits for it

export interface DirectoryMembersOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly book: LoginBook;
  readonly hasher: PasswordHasher;
  readonly groups: Groups;
  readonly config: DirectoryConfig;
}

export class DirectoryMembers {
  readonly #parts: DirectoryMembersOptions;

  constructor(parts: DirectoryMembersOptions) {
    this.#parts = parts;
  }

  /**
   * Brings the account of a person to what the directory says, and makes one where there is none.
   * @returns undefined when the person gets no account: no role, or the login id is another's
   */
  async settle(act: Act, actor: Actor, person: DirectoryPerson, mayCreate: boolean): Promise<KnownMember | undefined> {
    const roles = rolesWanted(this.#parts.config.mapping, person.groups);
    const link = await findLink(act.tx, person.id);
    if (link === undefined) return mayCreate && roles.length > 0 ? this.#create(act, actor, person, roles) : undefined;
    const { memberId, isWithdrawn } = link;
    await this.#rename(act, actor, memberId, person);
    if (roles.length === 0) await this.withdraw(act, actor, memberId, 'no group of the mapping');
    else {
      if (isWithdrawn) await this.#restore(act, actor, memberId);
      const member = (await findMember(act.tx, memberId))?.member;
      if (member !== undefined)
        await changeRoles(act, this.#parts, actor, { member, roles, event: 'directory.roles-changed' });
    }
    return findMember(act.tx, memberId);
  }

  /** Puts a technician where the mapping says: without a place there into the root, and nowhere where it names no group of ours. */
  async place(actor: Actor, memberId: string, person: DirectoryPerson): Promise<void> {
    const { groups, config } = this.#parts;
    const names = await groups.names();
    const to = groupWanted(config.mapping, person.groups, names);
    if (to === undefined || (await groups.groupOf(memberId)) === to) return;
    await groups.assign({ actor, roles: ['master-admin'] }, memberId, to);
  }

  /** Technician groups the mapping names and nobody finds here. */
  async unknownGroups(): Promise<string[]> {
    return unknownGroups(this.#parts.config.mapping, await this.#parts.groups.names());
  }

  /** Disables who gets no role any more; the account comes back by itself when he gets one again. */
  async withdraw(act: Act, actor: Actor, memberId: string, why: string): Promise<void> {
    const known = await findMember(act.tx, memberId);
    if (known?.member.state !== 'enabled') return;
    await setColumns(act.tx, memberId, { is_enabled: 0 });
    await setWithdrawn(act.tx, memberId, true);
    await this.#tell(act, actor, 'directory.member-withdrawn', memberId, { why, before: known.member.roles.join(' ') });
    await this.#parts.book.endAll(act, memberId, 'disabled', actor);
  }

  /** What a sync would do now. */
  async plan(people: readonly DirectoryPerson[]): Promise<DirectoryPlan> {
    const { store, groups, config } = this.#parts;
    const links = await listLinks(store.core.read);
    const places = new Map<string, string>();
    for (const { memberId } of links) places.set(memberId, await groups.groupOf(memberId));
    const members = await listMembers(store.core.read);
    const plan = planSync({ people, members, links, places, names: await groups.names(), mapping: config.mapping });
    return { ...plan, digest: createHash('sha256').update(JSON.stringify(plan)).digest('base64url') };
  }

  /**
   * Does what was planned, if that is still what would be done.
   * @throws ApplianceError `directory.changed`, `identity.not-allowed`
   */
  async apply(actor: Actor, people: readonly DirectoryPerson[], digest: string): Promise<DirectoryPlan> {
    await this.#parts.store.core.transaction(tx => requireMasterAdmin(tx, actor));
    const plan = await this.plan(people);
    if (plan.digest !== digest) {
      throw new ApplianceError('conflict', 'directory.changed', 'the directory or the members have changed since', {
        hint: 'Look at what would be done now, then apply it.',
      });
    }
    return this.#do(actor, people, plan);
  }

  /**
   * Does what there is to do, unless the directory suddenly knows hardly anybody: then an admin has to look.
   * @throws ApplianceError `directory.too-many-gone`
   */
  async keep(people: readonly DirectoryPerson[]): Promise<DirectoryPlan> {
    const plan = await this.plan(people);
    const { withdraw, conflict } = plan.counts;
    const known = (await listLinks(this.#parts.store.core.read)).length;
    if (withdraw > Math.max(FEW_GONE, known * MOST_GONE)) {
      throw new ApplianceError(
        'refused',
        'directory.too-many-gone',
        `${withdraw} of ${known} accounts would be disabled`,
        {
          hint: 'See what a sync would change on page Directory, and apply it there if it is right.',
        },
      );
    }
    return plan.rows.length === conflict ? plan : this.#do(directoryActor, people, plan);
  }

  async #do(actor: Actor, people: readonly DirectoryPerson[], plan: DirectoryPlan): Promise<DirectoryPlan> {
    const { store, audit, book } = this.#parts;
    const byId = new Map(people.map(person => [person.id, person]));
    for (let at = 0; at < plan.rows.length; at += APPLY_AT_ONCE) {
      const rows = plan.rows.slice(at, at + APPLY_AT_ONCE);
      const placed = await book.act(async act => {
        const settled: [string, DirectoryPerson][] = [];
        for (const row of rows) {
          const person = byId.get(row.directoryId);
          if (person === undefined && row.memberId !== null)
            await this.withdraw(act, actor, row.memberId, 'not there any more');
          const known = person && (await this.settle(act, actor, person, true));
          if (person !== undefined && known?.member.state === 'enabled') settled.push([known.member.id, person]);
        }
        return settled;
      });
      for (const [memberId, person] of placed) await this.place(await this.#inWhoseName(actor), memberId, person);
    }
    await store.core.transaction(tx => audit.append(tx, { event: 'directory.synced', actor, detail: plan.counts }));
    return plan;
  }

  /** Whoever applied it may have lost his role by it: the rest is done all the same. */
  async #inWhoseName(actor: Actor): Promise<Actor> {
    if (actor.kind !== 'member' || actor.id === null) return actor;
    const member = (await findMember(this.#parts.store.core.read, actor.id))?.member;
    return member?.state === 'enabled' && member.roles.includes('master-admin') ? actor : directoryActor;
  }

  async #create(
    act: Act,
    actor: Actor,
    person: DirectoryPerson,
    roles: readonly Role[],
  ): Promise<KnownMember | undefined> {
    const { clock, hasher } = this.#parts;
    const given = readPerson(person);
    const other = given && (await findMemberByLoginId(act.tx, given.loginId));
    if (given === undefined || other !== undefined) {
      await this.#conflict(act, actor, person, other?.member.id);
      return undefined;
    }
    const id = randomBytes(16).toString('base64url');
    // No password has this hash: the one that counts is in the directory.
    const secret = { passwordHash: hasher.decoy, mustChange: false };
    await insertMember(act.tx, { id, ...given, ...secret, roles, createdAt: clock.now() });
    await insertLink(act.tx, id, person.id);
    await this.#tell(act, actor, 'directory.member-created', id, {
      ...given,
      roles: roles.join(' '),
      dn: person.dn.slice(0, 1024),
    });
    return findMember(act.tx, id);
  }

  async #rename(act: Act, actor: Actor, id: string, person: DirectoryPerson): Promise<void> {
    const known = await findMember(act.tx, id);
    const given = readPerson(person);
    if (known === undefined || given === undefined) return this.#conflict(act, actor, person, id);
    const { loginId, name } = known.member;
    if (given.name !== name) {
      await setColumns(act.tx, id, { name: given.name });
      await this.#tell(act, actor, 'directory.member-renamed', id, { what: 'name', before: name, after: given.name });
    }
    if (given.loginId === loginId) return;
    const other = await findMemberByLoginId(act.tx, given.loginId);
    if (other !== undefined) return this.#conflict(act, actor, person, other.member.id);
    await setColumns(act.tx, id, { login_id: given.loginId });
    await this.#tell(act, actor, 'directory.member-renamed', id, {
      what: 'login id',
      before: loginId,
      after: given.loginId,
    });
  }

  async #restore(act: Act, actor: Actor, id: string): Promise<void> {
    await setWithdrawn(act.tx, id, false);
    await setColumns(act.tx, id, { is_enabled: 1 });
    await this.#tell(act, actor, 'directory.member-restored', id, {});
  }

  async #conflict(act: Act, actor: Actor, { loginId, dn }: DirectoryPerson, otherId?: string): Promise<void> {
    const why =
      otherId === undefined ? 'login id or name are none here' : 'the login id belongs to another account here';
    await this.#tell(act, actor, 'directory.conflict', otherId, { why, loginId, dn: dn.slice(0, 1024) });
  }

  async #tell({ tx }: Act, actor: Actor, event: string, id: string | undefined, detail: AuditDetail): Promise<void> {
    await this.#parts.audit.append(tx, { event, actor, ...(id === undefined ? {} : { subject: id }), detail });
  }
}

/** Whoever signs in is not the one who changes his account: the directory is, through the appliance. */
export const directoryActor = applianceActor;
