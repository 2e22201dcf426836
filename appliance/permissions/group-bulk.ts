// One act on several groups (D-01 D-08). It is done to be looked at and taken back, or done to stay: the preview is what the act
// itself does, ceilings and refusals included.
import { createHash } from 'node:crypto';
import { ApplianceError } from '../errors.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { decidePermission, type Permission, pathName, permissions, type Setting } from './decision.ts';
import { pathsOf } from './group-paths.ts';
import { type Group, listGroups } from './group-store.ts';
import { type PolicyKey, type PolicySettings, policyKeys, resolvePolicy } from './policy.ts';

export const MAX_BULK = 500;

export type BulkAct =
  | { readonly kind: 'move'; readonly parentId: string }
  | { readonly kind: 'permission'; readonly permission: Permission; readonly setting: Setting | null }
  | { readonly kind: 'policy'; readonly key: PolicyKey; readonly value: Value | null }
  | { readonly kind: 'delete' };

type Value = string | number | boolean;

/** What holds in a group, beside what it sets itself. */
export interface BulkEffect {
  readonly what: Permission | PolicyKey;
  readonly from: Value;
  readonly to: Value;
}

export interface BulkRow {
  readonly id: string;
  /** Its whole name, before. */
  readonly path: string;
  /** What it sets, or the group it is in; null: inherited, or it is there no more. */
  readonly before: Value | null;
  readonly after: Value | null;
  /** What holds in it then and didn't; of a group that goes, nothing. */
  readonly effects: readonly BulkEffect[];
  /** Stands for all of it, and for who and what is in the group. */
  readonly seen: string;
}

/** `BulkRow.seen` by group. */
export type BulkSeen = ReadonlyMap<string, string>;

export interface BulkPlan {
  /** Of those that were chosen, by their whole names. */
  readonly rows: readonly BulkRow[];
  /** Of all others in which something else holds then. */
  readonly others: readonly BulkRow[];
  readonly isDone: boolean;
}

/** The acts on one group. @returns the groups in which something may have changed by it */
export interface BulkSteps {
  /** @throws ApplianceError `group.not-yours` */
  requireMine(tx: Transaction, id: string): Promise<unknown>;
  move(tx: Transaction, id: string, parentId: string): Promise<string[]>;
  setPermissions(tx: Transaction, id: string, settings: Group['permissions']): Promise<string[]>;
  setPolicy(tx: Transaction, id: string, settings: PolicySettings): Promise<string[]>;
  delete(tx: Transaction, id: string): Promise<string[]>;
}

type Tree = ReadonlyMap<string, readonly Group[]>;
type Changes = Omit<BulkPlan, 'isDone'>;

/** @param touched gets the groups in which something may have changed */
export async function actOnAll(
  tx: Transaction,
  steps: BulkSteps,
  act: BulkAct,
  ids: readonly string[],
  touched: Set<string>,
): Promise<Changes> {
  const before = await readTree(tx);
  const chosen = inOrder(act, [...new Set(ids)], before);
  for (const id of chosen) await steps.requireMine(tx, id); // before a word is said of any of them
  if (act.kind === 'delete') requireEmpty(chosen, before);
  for (const id of chosen) {
    const path = before.get(id) ?? [];
    try {
      for (const one of await actOn(tx, steps, act, path)) touched.add(one);
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      const { kind, code, hint, message } = error;
      throw new ApplianceError(kind, code, `${pathName(path)}: ${message}`, { hint, cause: error });
    }
  }
  const after = await readTree(tx);
  const rowOf = (id: string) => presentRow(act, before.get(id) ?? [], after.get(id));
  const others = [...before.keys()].filter(id => !chosen.includes(id)).map(rowOf);
  return { rows: chosen.map(rowOf).toSorted(byPath), others: others.filter(hasEffect).toSorted(byPath) };
}

export function isAsSeen({ rows }: Changes, seen: BulkSeen): boolean {
  return rows.length === seen.size && rows.every(row => seen.get(row.id) === row.seen);
}

/** Whether what was done is to stay is known when it is done. */
export async function undoable(
  { core }: Store,
  run: (tx: Transaction) => Promise<{ made: Changes; isToStay: boolean }>,
): Promise<{ plan: Changes; isDone: boolean }> {
  const undone = new Error('looked at, and taken back');
  let made: Changes | undefined;
  try {
    const plan = await core.transaction(async tx => {
      const done = await run(tx);
      made = done.made;
      if (!done.isToStay) throw undone;
      return done.made;
    });
    return { plan, isDone: true };
  } catch (error) {
    if (error !== undone || made === undefined) throw error;
    return { plan: made, isDone: false };
  }
}

async function actOn(tx: Transaction, steps: BulkSteps, act: BulkAct, path: readonly Group[]): Promise<string[]> {
  const group = path.at(-1);
  if (group === undefined) return [];
  const { id, parentId } = group;
  if (act.kind === 'delete') return steps.delete(tx, id);
  if (act.kind === 'move') return parentId === act.parentId ? [] : steps.move(tx, id, act.parentId);
  if (act.kind === 'permission') {
    const { [act.permission]: _before, ...others } = group.permissions;
    return steps.setPermissions(tx, id, act.setting === null ? others : { ...others, [act.permission]: act.setting });
  }
  return steps.setPolicy(tx, id, { ...group.policy, [act.key]: act.value ?? undefined });
}

/** What is below goes first where groups are deleted, last where they are moved. @throws ApplianceError `group.none-chosen`, `group.missing` */
function inOrder({ kind }: BulkAct, ids: readonly string[], tree: Tree): string[] {
  if (ids.length === 0 || ids.length > MAX_BULK) {
    throw new ApplianceError('malformed', 'group.none-chosen', `1 to ${MAX_BULK} groups are to be ticked`);
  }
  if (!ids.every(id => tree.has(id))) throw new ApplianceError('missing', 'group.missing', 'one of the groups is gone');
  const depth = (id: string) => (tree.get(id) ?? []).length;
  const deepestLast = ids.toSorted((a, b) => depth(a) - depth(b));
  return kind === 'delete' ? deepestLast.toReversed() : deepestLast;
}

/** @throws ApplianceError `group.not-empty`, naming all that aren't */
function requireEmpty(chosen: readonly string[], tree: Tree): void {
  const holds = new Set(
    [...tree.values()]
      .flatMap(path => path.at(-1) ?? [])
      .filter(({ id }) => !chosen.includes(id))
      .map(one => one.parentId),
  );
  const full = chosen
    .map(id => tree.get(id) ?? [])
    .filter(path => (path.at(-1)?.memberCount ?? 0) > 0 || holds.has(path.at(-1)?.id ?? ''));
  if (full.length === 0) return;
  const names = full.map(pathName).toSorted().join(', ').slice(0, 1000);
  throw new ApplianceError('conflict', 'group.not-empty', `technicians or groups are still in: ${names}`, {
    hint: 'Move them to another group first, or tick the groups below as well. Nothing was deleted.',
  });
}

async function readTree(from: Reader): Promise<Tree> {
  return pathsOf(await listGroups(from));
}

function presentRow(act: BulkAct, from: readonly Group[], to: readonly Group[] | undefined): BulkRow {
  const [before, after] = [from, to].map(path => (path === undefined ? null : ownOf(act, path)));
  const own = from.at(-1);
  const row = { id: own?.id ?? '', path: pathName(from), before: before ?? null, after: after ?? null };
  const effects = to === undefined ? [] : differences(from, to);
  const what = [row, effects, own?.permissions, own?.policy, own?.memberCount];
  const seen = createHash('sha256').update(JSON.stringify(what)).digest('base64url').slice(0, 22);
  return { ...row, effects, seen };
}

function ownOf(act: BulkAct, path: readonly Group[]): Value | null {
  const group = path.at(-1);
  if (act.kind === 'permission') return group?.permissions[act.permission] ?? null;
  if (act.kind === 'policy') return group?.policy[act.key] ?? null;
  return pathName(act.kind === 'move' ? path.slice(0, -1) : path);
}

function differences(from: readonly Group[], to: readonly Group[]): BulkEffect[] {
  const [before, after] = [resolvePolicy(from).policy, resolvePolicy(to).policy];
  return [
    ...permissions.map(what => {
      return { what, from: decidePermission(from, what).allowed, to: decidePermission(to, what).allowed };
    }),
    ...policyKeys.map(what => ({ what, from: before[what], to: after[what] })),
  ].filter(one => one.from !== one.to);
}

function hasEffect({ effects }: BulkRow): boolean {
  return effects.length > 0;
}

function byPath(a: BulkRow, b: BulkRow): number {
  return a.path < b.path ? -1 : 1;
}
