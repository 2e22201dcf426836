// Allow lists (C-06): where a member may come from. Asked at sign-in, for every request and upgrade that brings a login, and
// again for every live login when a list or a group changes; a login seen elsewhere ends, and its live connections with it.
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, applianceActor } from '../audit/entry.ts';
import { ApplianceError } from '../errors.ts';
import { findGroup, findGroupOf, findPath, ROOT_GROUP_ID } from '../permissions/group-store.ts';
import { requireSeen } from '../store/seen.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { contains, parseAddress, parseRange, presentRange } from './address-range.ts';
import { countGroupRanges, type ListOwner, listRanges, replaceRanges } from './allow-list-store.ts';
import { requireMasterAdmin, requireMayManage } from './authority.ts';
import type { Login } from './login.ts';
import type { LoginBook } from './login-book.ts';
import { findLogin, listEveryLogin } from './login-store.ts';
import { foldLoginId, type Member } from './member.ts';
import { findMember, findMemberByLoginId } from './member-store.ts';

export const MAX_RANGES = 64;
/** Addresses one login was lately seen at: a laptop moves, an attacker can't make it grow. */
const MAX_SEEN = 16;

export interface AllowListsOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly book: LoginBook;
}

export class AllowLists {
  readonly #store: Store;
  readonly #audit: AuditLog;
  readonly #book: LoginBook;
  /** By login, newest last: live connections may have been opened from each of them. */
  readonly #seen = new Map<string, Set<string>>();

  constructor({ store, audit, book }: AllowListsOptions) {
    this.#store = store;
    this.#audit = audit;
    this.#book = book;
    book.onEnded(loginId => this.#seen.delete(loginId));
  }

  /** @returns canonical texts; none: from anywhere */
  get(owner: ListOwner): Promise<string[]> {
    return listRanges(this.#store.core.read, owner);
  }

  /** How many ranges each group has, of those that have any. */
  groupCounts(): Promise<ReadonlyMap<string, number>> {
    return countGroupRanges(this.#store.core.read);
  }

  /**
   * Replaces a list, and ends what is signed in from elsewhere.
   * @param text addresses and ranges, between spaces, commas or lines; empty for from anywhere
   * @param seen `seenOf` the list as the actor saw it
   * @throws ApplianceError `allow-list.malformed`, `allow-list.too-long`, `allow-list.locks-you-out`, `identity.not-allowed`,
   *   `changed-meanwhile`
   */
  async set(actor: Actor, owner: ListOwner, text: string, seen?: string): Promise<void> {
    const ranges = parseList(text);
    await this.#store.core.transaction(async tx => {
      await requireMayChange(tx, actor, owner);
      const before = await listRanges(tx, owner);
      requireSeen(before, seen);
      if (before.join(' ') === ranges.join(' ')) return;
      await replaceRanges(tx, owner, ranges);
      await this.requireActorIn(tx, actor);
      const detail = { of: owner.kind, before: before.join(' '), after: ranges.join(' ') };
      await this.#audit.append(tx, { event: 'allow-list.changed', actor, subject: owner.id, detail });
    });
    await this.recheck();
  }

  /**
   * Empties every list that holds for a member: he is locked out.
   * @returns how many
   * @throws ApplianceError `member.missing`
   */
  async openFor(actor: Actor, loginId: string): Promise<number> {
    const { read } = this.#store.core;
    const known = await findMemberByLoginId(read, foldLoginId(loginId));
    if (known === undefined) throw missing('member.missing', 'member');
    const { id, roles } = known.member;
    const groups = roles.includes('technician') ? await groupsOf(read, id) : [];
    const owners: ListOwner[] = [
      { kind: 'member', id },
      ...groups.map(group => ({ kind: 'group' as const, id: group })),
    ];
    let emptied = 0;
    for (const owner of owners) {
      if ((await this.get(owner)).length === 0) continue;
      await this.set(actor, owner, '');
      emptied += 1;
    }
    return emptied;
  }

  /** Whether every list that holds for the member has the address in it. */
  async admits(member: Member, address: string, from: Reader = this.#store.core.read): Promise<boolean> {
    const lists = [await listRanges(from, { kind: 'member', id: member.id })];
    if (member.roles.includes('technician')) lists.push(...(await groupLists(from, member.id)));
    const narrowing = lists.filter(list => list.length > 0);
    if (narrowing.length === 0) return true;
    const found = parseAddress(address);
    return found !== undefined && narrowing.every(list => list.some(range => contains(parseRange(range), found)));
  }

  /** As `admits`, for who shows no login: false also where there is no such member. */
  async admitsMember(id: string, address: string): Promise<boolean> {
    const known = await findMember(this.#store.core.read, id);
    return known !== undefined && this.admits(known.member, address);
  }

  /** For each request that brings a login. @returns false when its address isn't allowed: the login has ended */
  async admit(login: Login, member: Member, address: string): Promise<boolean> {
    // Noted first: a list that changes while it is asked still finds the address, and what was opened from it ends.
    const seen = this.#seen.get(login.id) ?? new Set([login.address]);
    this.#seen.set(login.id, seen);
    seen.delete(address);
    seen.add(address);
    const [oldest] = seen;
    if (seen.size > MAX_SEEN && oldest !== undefined) seen.delete(oldest);
    if (await this.admits(member, address)) return true;
    await this.#end(login.id, address);
    return false;
  }

  /** For a connection that shows a token of a login's. @returns false also when the login is gone */
  async admitLogin(loginId: string, address: string): Promise<boolean> {
    const { read } = this.#store.core;
    const login = await findLogin(read, loginId);
    const known = login && (await findMember(read, login.memberId));
    return login !== undefined && known !== undefined && this.admit(login, known.member, address);
  }

  /** Looks at every live login again: a list changed, or somebody was put into another group. */
  async recheck(): Promise<void> {
    const { read } = this.#store.core;
    for (const login of await listEveryLogin(read)) {
      const known = await findMember(read, login.memberId);
      for (const address of this.#seen.get(login.id) ?? [login.address]) {
        if (known !== undefined && !(await this.admits(known.member, address))) await this.#end(login.id, address);
      }
    }
  }

  #end(loginId: string, address: string): Promise<void> {
    return this.#book.act(async act => {
      const login = await findLogin(act.tx, loginId);
      if (login !== undefined) await this.#book.end(act, login, 'address-refused', { ...applianceActor, address });
    });
  }

  /**
   * To be asked after a change of lists, groups or roles: it is taken back when whoever made it would be outside.
   * @throws ApplianceError `allow-list.locks-you-out`
   */
  async requireActorIn(tx: Transaction, { kind, id, address }: Actor): Promise<void> {
    const known = kind === 'member' && id !== null ? await findMember(tx, id) : undefined;
    if (known === undefined || address === null || (await this.admits(known.member, address, tx))) return;
    throw new ApplianceError('conflict', 'allow-list.locks-you-out', 'you would lock yourself out', {
      hint: `You are at ${address}: that has to stay in every list that holds for you.`,
    });
  }
}

/** Of the member's group, and of every group above it. */
async function groupLists(from: Reader, memberId: string): Promise<string[][]> {
  if ((await countGroupRanges(from)).size === 0) return [];
  const groups = await groupsOf(from, memberId);
  return Promise.all(groups.map(id => listRanges(from, { kind: 'group', id })));
}

/** The member's group, and every group above it. */
async function groupsOf(from: Reader, memberId: string): Promise<string[]> {
  const path = await findPath(from, (await findGroupOf(from, memberId)) ?? ROOT_GROUP_ID);
  return path.map(({ id }) => id);
}

function parseList(text: string): string[] {
  const parts = text.split(/[\s,;]+/).filter(part => part !== '');
  const ranges = [...new Set(parts.map(part => presentRange(parseRange(part))))].sort();
  if (ranges.length <= MAX_RANGES) return ranges;
  throw new ApplianceError('malformed', 'allow-list.too-long', `a list has at most ${MAX_RANGES} addresses and ranges`);
}

async function requireMayChange(tx: Transaction, actor: Actor, { kind, id }: ListOwner): Promise<void> {
  if (kind === 'group') {
    await requireMasterAdmin(tx, actor);
    if ((await findGroup(tx, id)) === undefined) throw missing('group.missing', 'group');
    return;
  }
  const known = await findMember(tx, id);
  if (known === undefined) throw missing('member.missing', 'member');
  await requireMayManage(tx, actor, known.member);
}

function missing(code: string, what: string): ApplianceError {
  return new ApplianceError('missing', code, `there is no such ${what}`);
}
