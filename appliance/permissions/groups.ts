// The tree of technician groups (D-01 D-08): changed by admins, each within his parts of the tree, each change with its
// entry in the log. An admin of a part can't hand out more than the top of his part was given.
import { randomBytes } from 'node:crypto';
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Cancel, Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { toBase64Url } from '../guid.ts';
import { breathe } from '../store/breathe.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { handOutParts } from './admin-parts.ts';
import {
  decidePermission,
  type Permission,
  pathName,
  permissions,
  type Role,
  type Setting,
  type Why,
} from './decision.ts';
import {
  actOnAll,
  type BulkAct,
  type BulkPlan,
  type BulkSeen,
  type BulkSteps,
  isAsSeen,
  undoable,
} from './group-bulk.ts';
import { getPath, pathsOf } from './group-paths.ts';
import {
  deleteGroup,
  findGroup,
  findGroupOf,
  findPath,
  type Group,
  insertGroup,
  listBelow,
  listGroups,
  listMembers,
  listMemberships,
  listParts,
  moveGroup,
  putMember,
  putMembers,
  ROOT_GROUP_ID,
  renameGroup,
  replacePermissions,
  replacePolicy,
} from './group-store.ts';
import { type EffectivePolicy, loosened, PolicySettings, policyKeys, resolvePolicy } from './policy.ts';

export const MAX_GROUP_NAME = 80;
export const MAX_DEPTH = 16;
export const MAX_GROUPS = 2000;

/** The admin who changes something, as the log will name him. */
export interface Editor {
  readonly actor: Actor;
  readonly roles: readonly Role[];
}

/** What one group sets; what is left out is inherited. */
export type PermissionSettings = Readonly<Partial<Record<Permission, Setting>>>;

export interface Effective extends EffectivePolicy {
  readonly path: readonly Group[];
  readonly permissions: Readonly<Record<Permission, { readonly allowed: boolean; readonly why: Why }>>;
}

/** What an editor may do in a place of the tree; each holds what the one before it does. */
export type Reach = 'nothing' | 'members' | 'settings';

/** Tells that what these groups' technicians may do has changed; live rights are looked at again. */
export type GroupListener = (change: {
  readonly groupIds: readonly string[];
  readonly memberIds: readonly string[];
}) => void;

/** Who holds roles. */
interface Holder {
  readonly roles: readonly Role[];
  readonly state: 'enabled' | 'disabled';
}

export interface GroupsOptions {
  readonly store: Store;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  /** A member as he is at this moment; left out, an editor's word is taken. */
  readonly memberOf?: (tx: Transaction, memberId: string) => Promise<Holder | undefined>;
  /** Asked after technicians or groups have moved: throws where whoever moved them may not come in any more. */
  readonly stays?: (tx: Transaction, actor: Actor) => Promise<void>;
  /** Asked before somebody is put into another group: throws where that is not for this actor. */
  readonly mayPut?: (tx: Transaction, actor: Actor, memberId: string) => Promise<void>;
}

export class Groups {
  readonly #store: Store;
  readonly #audit: Pick<AuditLog, 'append'>;
  readonly #clock: Clock;
  readonly #memberOf: NonNullable<GroupsOptions['memberOf']> | null;
  readonly #stays: NonNullable<GroupsOptions['stays']>;
  readonly #mayPut: NonNullable<GroupsOptions['mayPut']>;
  readonly #listeners = new Set<GroupListener>();

  constructor({ store, audit, clock, memberOf, stays = asksNothing, mayPut = asksNothing }: GroupsOptions) {
    this.#memberOf = memberOf ?? null;
    this.#stays = stays;
    this.#mayPut = mayPut;
    this.#store = store;
    this.#audit = audit;
    this.#clock = clock;
  }

  /** Every group, by name; the root is the one without a parent. */
  list(): Promise<Group[]> {
    return listGroups(this.#store.core.read);
  }

  /** Ids by the names pages show: `Support › Berlin`. */
  async names(): Promise<Map<string, string>> {
    return new Map([...pathsOf(await this.list())].map(([id, path]) => [pathName(path), id]));
  }

  /** The group and all below it; none where there is no such group. */
  below(id: string): Promise<string[]> {
    return listBelow(this.#store.core.read, id);
  }

  get(id: string): Promise<Group> {
    return getGroup(this.#store.core.read, id);
  }

  /** What holds in the group, with the group each comes from. */
  async effective(id: string): Promise<Effective> {
    const path = await this.path(id);
    const decided = permissions.map(permission => [permission, decidePermission(path, permission)] as const);
    return {
      path,
      permissions: Object.fromEntries(decided) as Effective['permissions'],
      ...resolvePolicy(path),
    };
  }

  /** Root first. @throws ApplianceError `group.missing` */
  path(id: string, from: Reader = this.#store.core.read): Promise<Group[]> {
    return getPath(from, id);
  }

  /** The group a technician is in; the root for one who was never put anywhere. */
  async groupOf(memberId: string, from: Reader = this.#store.core.read): Promise<string> {
    return (await findGroupOf(from, memberId)) ?? ROOT_GROUP_ID;
  }

  async pathOf(memberId: string, from: Reader = this.#store.core.read): Promise<Group[]> {
    return getPath(from, await this.groupOf(memberId, from));
  }

  /** Technicians put into this very group. */
  membersOf(id: string): Promise<string[]> {
    return listMembers(this.#store.core.read, [id]);
  }

  /** The group of each member who was put into one; all others are in the root. @param among only of these */
  memberships(among?: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return listMemberships(this.#store.core.read, among);
  }

  /** The parts of the tree an admin was given. */
  partsOf(memberId: string, from: Reader = this.#store.core.read): Promise<string[]> {
    return listParts(from, memberId);
  }

  /**
   * What pages leave out for an editor; each act decides for itself in its own transaction. In the top of his part an admin
   * puts technicians and makes groups; settings are his below it.
   */
  async reachOf({ actor, roles }: Editor): Promise<(path: readonly { readonly id: string }[]) => Reach> {
    if (roles.includes('master-admin')) return () => 'settings';
    const parts = roles.includes('admin') && actor.id !== null ? await this.partsOf(actor.id) : [];
    return path => {
      const top = path.findIndex(group => parts.includes(group.id));
      if (top < 0) return 'nothing';
      return top < path.length - 1 ? 'settings' : 'members';
    };
  }

  /**
   * A transaction of an editor, whose roles were read with his request: it is none where they are no more his.
   * @throws ApplianceError `identity.not-allowed`
   */
  change<T>(editor: Editor, run: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#store.core.transaction(async tx => {
      await this.#requireStill(tx, editor);
      return run(tx);
    });
  }

  async #requireStill(tx: Transaction, { actor, roles }: Editor): Promise<void> {
    if (actor.kind !== 'member' || actor.id === null) return;
    if (this.#memberOf === null) return;
    const now = await this.#memberOf(tx, actor.id);
    if (now?.state === 'enabled' && roles.every(role => now.roles.includes(role))) return;
    throw new ApplianceError('refused', 'identity.not-allowed', 'that takes a role you do not have');
  }

  onChange(listener: GroupListener): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async create(editor: Editor, { name, parentId }: { name: string; parentId: string }): Promise<Group> {
    const id = toBase64Url(randomBytes(16));
    const text = checkName(name);
    await this.change(editor, async tx => {
      const path = await this.#administered(tx, editor, parentId, 'in or below');
      if (path.length >= MAX_DEPTH)
        throw new ApplianceError('conflict', 'group.too-deep', `the tree has at most ${MAX_DEPTH} levels`);
      const groups = await listGroups(tx);
      if (groups.length >= MAX_GROUPS)
        throw new ApplianceError('conflict', 'group.too-many', `there are at most ${MAX_GROUPS} groups`);
      await unique(text, () => insertGroup(tx, { id, parentId, name: text, createdAt: this.#clock.now() }));
      await this.#log(tx, editor, 'group.created', id, { name: text, parent: pathName(path) });
    });
    return this.get(id);
  }

  /** @param seen the name it had when the editor looked; `group.changed-meanwhile` when it has another now */
  async rename(editor: Editor, id: string, name: string, seen?: string): Promise<Group> {
    const text = checkName(name);
    await this.change(editor, async tx => {
      const path = await this.#administered(tx, editor, id, 'below');
      if (seen !== undefined && seen !== path.at(-1)?.name) throw changedMeanwhile();
      if (text === path.at(-1)?.name) return;
      await unique(text, () => renameGroup(tx, id, text));
      await this.#log(tx, editor, 'group.renamed', id, { from: path.at(-1)?.name ?? '', to: text });
    });
    return this.get(id);
  }

  /**
   * @param seen the parent it had when the editor looked
   * @throws ApplianceError `group.cycle` when the new parent lies below the group, `group.root`, `group.changed-meanwhile`
   */
  async move(editor: Editor, id: string, parentId: string, seen?: string): Promise<Group> {
    const below = await this.change(editor, tx => this.#move(tx, editor, id, parentId, seen));
    await this.#tell(below);
    return this.get(id);
  }

  /** @returns the group and all that went with it */
  async #move(tx: Transaction, editor: Editor, id: string, parentId: string, seen?: string): Promise<string[]> {
    if (id === ROOT_GROUP_ID) throw new ApplianceError('conflict', 'group.root', 'the root stays where it is');
    const from = await this.#administered(tx, editor, id, 'below');
    if (seen !== undefined && seen !== from.at(-1)?.parentId) throw changedMeanwhile();
    const to = await this.#administered(tx, editor, parentId, 'in or below');
    const moved = await listBelow(tx, id);
    if (moved.includes(parentId))
      throw new ApplianceError('conflict', 'group.cycle', 'a group can’t be put below itself');
    await this.#checkDepth(tx, from.length, to.length, moved);
    const { id: editorId } = editor.actor;
    // Who is in it is put there with it: an admin never himself.
    if (editorId !== null && moved.includes(await this.groupOf(editorId, tx)))
      await this.#mayPut(tx, editor.actor, editorId);
    await unique(from.at(-1)?.name ?? '', () => moveGroup(tx, id, parentId));
    for (const group of moved) await this.#checkCeiling(tx, editor, group); // the new place may have been given less
    await this.#stays(tx, editor.actor);
    await this.#log(tx, editor, 'group.moved', id, { from: pathName(from.slice(0, -1)), to: pathName(to) });
    return moved;
  }

  /**
   * @param technicians where those in it go, and how many the editor was told of; left out, there may be none
   * @throws ApplianceError `group.not-empty` while there are groups below it, or technicians who go nowhere;
   *   `group.changed-meanwhile`
   */
  async delete(
    editor: Editor,
    id: string,
    technicians?: { readonly to: string; readonly seen: number },
  ): Promise<void> {
    this.#tellMembers(await this.change(editor, tx => this.#delete(tx, editor, id, technicians)));
  }

  /** @returns the technicians who went elsewhere */
  async #delete(
    tx: Transaction,
    editor: Editor,
    id: string,
    technicians?: { readonly to: string; readonly seen: number },
  ): Promise<string[]> {
    if (id === ROOT_GROUP_ID) throw new ApplianceError('conflict', 'group.root', 'the root can’t be deleted');
    const path = await this.#administered(tx, editor, id, 'below');
    const inside = await listMembers(tx, [id]);
    if (technicians !== undefined && technicians.seen !== inside.length) throw changedMeanwhile();
    const stay = technicians === undefined || technicians.to === id ? inside.length : 0;
    if (stay > 0 || (await listBelow(tx, id)).length > 1) {
      throw new ApplianceError('conflict', 'group.not-empty', 'technicians or groups are still in it', {
        hint: 'Move them to another group first.',
      });
    }
    if (technicians !== undefined && inside.length > 0) {
      const to = await this.#administered(tx, editor, technicians.to, 'in or below');
      for (const memberId of inside) await this.#put(tx, editor, memberId, to);
      await this.#stays(tx, editor.actor);
    }
    await deleteGroup(tx, id);
    await this.#log(tx, editor, 'group.deleted', id, { name: pathName(path) });
    return inside;
  }

  /**
   * Sets all of the group's own settings; a permission left out is inherited.
   * @param seen what the group had set when the editor looked; `group.changed-meanwhile` when it is something else now
   */
  async setPermissions(
    editor: Editor,
    id: string,
    settings: PermissionSettings,
    seen?: PermissionSettings,
  ): Promise<Effective> {
    await this.#tell(await this.change(editor, tx => this.#setPermissions(tx, editor, id, settings, seen)));
    return this.effective(id);
  }

  /** @returns the group and all below it */
  async #setPermissions(
    tx: Transaction,
    editor: Editor,
    id: string,
    settings: PermissionSettings,
    seen?: PermissionSettings,
  ): Promise<string[]> {
    const path = await this.#administered(tx, editor, id, 'below');
    const before = path.at(-1)?.permissions ?? {};
    if (seen !== undefined && permissions.some(one => seen[one] !== before[one])) throw changedMeanwhile();
    await replacePermissions(tx, id, settings);
    const changed = permissions.filter(permission => before[permission] !== settings[permission]);
    for (const permission of changed) {
      await this.#log(tx, editor, 'group.permission-set', id, {
        permission,
        from: before[permission] ?? 'inherit',
        to: settings[permission] ?? 'inherit',
      });
    }
    await this.#checkCeiling(tx, editor, id);
    return listBelow(tx, id);
  }

  /** Sets all of the group's own policy; what is left out is inherited. @param seen as `setPermissions` has it */
  async setPolicy(editor: Editor, id: string, settings: PolicySettings, seen?: PolicySettings): Promise<Effective> {
    await this.#tell(await this.change(editor, tx => this.#setPolicy(tx, editor, id, settings, seen)));
    return this.effective(id);
  }

  async #setPolicy(
    tx: Transaction,
    editor: Editor,
    id: string,
    settings: PolicySettings,
    seen?: PolicySettings,
  ): Promise<string[]> {
    const policy = PolicySettings.parse(settings);
    const path = await this.#administered(tx, editor, id, 'below');
    const before: PolicySettings = path.at(-1)?.policy ?? {};
    if (seen !== undefined && policyKeys.some(key => seen[key] !== before[key])) throw changedMeanwhile();
    await replacePolicy(tx, id, policy);
    await this.#checkCeiling(tx, editor, id);
    for (const setting of policyKeys.filter(key => before[key] !== policy[key])) {
      const [from, to] = [before, policy].map(one => String(one[setting] ?? 'inherit')) as [string, string];
      await this.#log(tx, editor, 'group.policy-set', id, { setting, from, to });
    }
    return listBelow(tx, id);
  }

  /**
   * One act on several groups: all of it or nothing, each with its entry in the log and by the rules of an act on one.
   * @param seen what `BulkRow.seen` was of each when the editor looked; null to look: nothing is changed then
   * @returns what it changes; where that is not what was seen, nothing was changed
   * @throws ApplianceError as the act on one does, naming the group; `group.none-chosen`, `group.not-empty`
   */
  async bulk(editor: Editor, act: BulkAct, ids: readonly string[], seen: BulkSeen | null): Promise<BulkPlan> {
    const touched = new Set<string>();
    const steps: BulkSteps = {
      requireMine: (tx, id) => this.#administered(tx, editor, id, 'below'),
      move: (tx, id, parentId) => this.#move(tx, editor, id, parentId),
      setPermissions: (tx, id, settings) => this.#setPermissions(tx, editor, id, settings),
      setPolicy: (tx, id, settings) => this.#setPolicy(tx, editor, id, settings),
      delete: async (tx, id) => {
        await this.#delete(tx, editor, id);
        return [];
      },
    };
    const { plan, isDone } = await undoable(this.#store, async tx => {
      await this.#requireStill(tx, editor);
      const made = await actOnAll(tx, steps, act, ids, touched);
      return { made, isToStay: seen !== null && isAsSeen(made, seen) };
    });
    if (isDone && touched.size > 0) await this.#tell([...touched]);
    return { ...plan, isDone };
  }

  /**
   * Puts technicians into a group, all or none; each leaves the one he was in.
   * @param seen the group the editor saw them in. @returns how many moved
   */
  async assign(
    editor: Editor,
    memberIds: string | readonly string[],
    groupId: string,
    seen?: string | ReadonlyMap<string, string>,
  ): Promise<number> {
    const moved = await this.change(editor, async tx => {
      for (const memberId of seen === undefined ? [] : [memberIds].flat()) {
        const from = typeof seen === 'string' ? seen : seen?.get(memberId);
        if ((await this.groupOf(memberId, tx)) !== from) throw changedMeanwhile();
      }
      const to = await this.#administered(tx, editor, groupId, 'in or below');
      const gone: string[] = [];
      for (const memberId of new Set([memberIds].flat())) {
        if (await this.#put(tx, editor, memberId, to)) gone.push(memberId);
      }
      await this.#stays(tx, editor.actor);
      return gone;
    });
    this.#tellMembers(moved);
    return moved.length;
  }

  /**
   * As `assign`, within an act that does more; nothing where there is no such group.
   * @returns to be called once that is on the disk: tells who listens
   */
  async assignWithin(tx: Transaction, editor: Editor, memberId: string, groupId: string): Promise<() => void> {
    const to = await findPath(tx, groupId);
    const isMoved = to.length > 0 && (await this.groupOf(memberId, tx)) !== groupId;
    if (isMoved) await this.#put(tx, editor, memberId, to);
    return () => this.#tellMembers(isMoved ? [memberId] : []);
  }

  /**
   * As `assignWithin`, of many at a time; for master admins only.
   * @param to the group of each
   */
  async assignAllWithin(tx: Transaction, editor: Editor, to: ReadonlyMap<string, string>): Promise<() => void> {
    if (!editor.roles.includes('master-admin')) throw notYours();
    const paths = pathsOf(await listGroups(tx));
    const nameOf = (id: string) => pathName(paths.get(id) ?? []);
    const from = await listMemberships(tx, [...to.keys()]);
    await putMembers(tx, to);
    let n = 0;
    for (const [memberId, groupId] of to) {
      await breathe(n++);
      const detail = { from: nameOf(from.get(memberId) ?? ROOT_GROUP_ID), to: nameOf(groupId) };
      await this.#log(tx, editor, 'group.member-moved', memberId, detail);
    }
    return () => this.#tellMembers([...to.keys()]);
  }

  async #put(tx: Transaction, editor: Editor, memberId: string, to: readonly Group[]): Promise<boolean> {
    const groupId = to.at(-1)?.id ?? '';
    const current = await this.groupOf(memberId, tx);
    if (current === groupId && (await findGroupOf(tx, memberId)) !== undefined) return false;
    // Who may not touch the group a technician is in may not take him out of it.
    const from = await this.#administered(tx, editor, current, 'in or below');
    await this.#mayPut(tx, editor.actor, memberId);
    await putMember(tx, memberId, groupId);
    await this.#log(tx, editor, 'group.member-moved', memberId, { from: pathName(from), to: pathName(to) });
    return true;
  }

  /** Hands parts of the tree to an admin; for master admins only. @param seen those he had when the editor looked */
  async setParts(
    editor: Editor,
    memberId: string,
    groupIds: readonly string[],
    seen?: readonly string[],
  ): Promise<void> {
    await this.change(editor, async tx => {
      if (!editor.roles.includes('master-admin')) throw notYours();
      if ((await this.#memberOf?.(tx, memberId))?.roles.includes('admin') === false) throw noAdmin();
      const before = await listParts(tx, memberId);
      if (seen !== undefined && seen.toSorted().join() !== before.join()) throw changedMeanwhile();
      await handOutParts(tx, this.#audit, editor.actor, memberId, groupIds);
    });
  }

  /** The path of a group the editor may change. @param where whether the top of his part itself counts */
  async #administered(tx: Transaction, editor: Editor, id: string, where: 'below' | 'in or below'): Promise<Group[]> {
    const path = await getPath(tx, id);
    if (editor.roles.includes('master-admin')) return path;
    const top = await this.#topOfPart(tx, editor, path);
    if (top === undefined || (where === 'below' && top.id === id)) throw notYours();
    return path;
  }

  async #topOfPart(tx: Transaction, editor: Editor, path: readonly Group[]): Promise<Group | undefined> {
    if (!editor.roles.includes('admin') || editor.actor.id === null) return undefined;
    const parts = await listParts(tx, editor.actor.id);
    return path.find(group => parts.includes(group.id));
  }

  async #checkCeiling(tx: Transaction, editor: Editor, id: string): Promise<void> {
    if (editor.roles.includes('master-admin')) return;
    const path = await getPath(tx, id);
    const top = await this.#topOfPart(tx, editor, path);
    if (top === undefined) throw notYours();
    const above = path.slice(0, path.indexOf(top) + 1);
    const own = path.at(-1);
    const widened = permissions.filter(
      permission => own?.permissions[permission] === 'grant' && !decidePermission(above, permission).allowed,
    );
    const loose = loosened(own?.policy ?? {}, resolvePolicy(above).policy);
    if (widened.length + loose.length === 0) return;
    const what = [...widened, ...loose].join(', ');
    throw new ApplianceError('conflict', 'group.beyond-your-part', `${top.name} itself doesn't have: ${what}`, {
      hint: 'Ask a master admin.',
    });
  }

  async #checkDepth(tx: Transaction, depth: number, parentDepth: number, moved: readonly string[]): Promise<void> {
    for (const id of moved) {
      const now = (await getPath(tx, id)).length;
      if (now - depth + 1 + parentDepth > MAX_DEPTH) {
        throw new ApplianceError('conflict', 'group.too-deep', `the tree has at most ${MAX_DEPTH} levels`);
      }
    }
  }

  async #log(tx: Transaction, { actor }: Editor, event: string, subject: string, detail: Record<string, string>) {
    await this.#audit.append(tx, { event, actor, subject, detail });
  }

  #tellMembers(memberIds: readonly string[]): void {
    if (memberIds.length > 0) for (const listener of this.#listeners) listener({ groupIds: [], memberIds });
  }

  // The root also stands for the technicians without a row, so its change is told as groups, not as members alone.
  async #tell(groupIds: readonly string[]): Promise<void> {
    const memberIds = await listMembers(this.#store.core.read, groupIds);
    for (const listener of this.#listeners) listener({ groupIds, memberIds });
  }
}

const asksNothing = async () => undefined;

async function getGroup(from: Reader, id: string): Promise<Group> {
  const group = await findGroup(from, id);
  if (group === undefined) throw new ApplianceError('missing', 'group.missing', 'there is no such group');
  return group;
}

function checkName(name: string): string {
  const text = name.normalize('NFC').trim();
  const hasControls = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}›]/u.test(text); // › stands between the names of a path
  if (text.length > 0 && text.length <= MAX_GROUP_NAME && !hasControls) return text;
  throw new ApplianceError(
    'malformed',
    'group.name',
    `a group's name has 1 to ${MAX_GROUP_NAME} characters, without ›`,
  );
}

async function unique(name: string, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (cause) {
    if (!(cause instanceof ApplianceError && cause.code === 'store.unique')) throw cause;
    throw new ApplianceError('conflict', 'group.name-taken', `there is a group ${name} in that place already`, {
      cause,
    });
  }
}

function changedMeanwhile(): ApplianceError {
  return new ApplianceError('conflict', 'group.changed-meanwhile', 'somebody else has changed it since you looked', {
    hint: 'What it is now is shown; nothing was overwritten. Save again if you still want yours.',
  });
}

function noAdmin(): ApplianceError {
  return new ApplianceError('conflict', 'group.no-admin', 'parts of the tree are for admins', {
    hint: 'Give him the role first.',
  });
}

function notYours(): ApplianceError {
  return new ApplianceError('refused', 'group.not-yours', 'that group is not in your part of the tree');
}
