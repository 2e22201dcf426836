// The tree of technician groups as the page draws it: each group with what it sets and what is below it.
import { pathName } from '../../permissions/decision.ts';
import { pathsOf } from '../../permissions/group-paths.ts';
import type { Group } from '../../permissions/group-store.ts';
import type { Reach } from '../../permissions/groups.ts';

/** Made once: it costs more than comparing hundreds of names. */
const byName = new Intl.Collator('en').compare;

export interface Branch {
  readonly id: string;
  readonly name: string;
  readonly technicians: number;
  readonly grants: number;
  readonly denies: number;
  readonly policies: number;
  readonly isRoot: boolean;
  /** Whether the editor may move it, and change what it sets. */
  readonly isOpen: boolean;
  /** Whether he may put technicians and groups into it. */
  readonly takes: boolean;
  readonly isTicked: boolean;
  readonly children: readonly Branch[];
  /** Groups below, at any depth. */
  readonly below: number;
}

export interface Found {
  readonly id: string;
  readonly path: string;
  readonly technicians: number;
  readonly isOpen: boolean;
  readonly isTicked: boolean;
}

/** @param groups by name, the root among them */
export function growTree(
  groups: readonly Group[],
  reach: (path: readonly Group[]) => Reach,
  ticked: ReadonlySet<string>,
): Branch | undefined {
  const childrenOf = Map.groupBy(groups, group => group.parentId);
  const grow = (group: Group, above: readonly Group[]): Branch => {
    const path = [...above, group];
    const children = (childrenOf.get(group.id) ?? []).map(child => grow(child, path));
    const settings = Object.values(group.permissions);
    const may = reach(path);
    return {
      id: group.id,
      name: group.name,
      technicians: group.memberCount,
      grants: settings.filter(one => one === 'grant').length,
      denies: settings.filter(one => one === 'deny').length,
      policies: Object.values(group.policy).filter(one => one !== undefined).length,
      isRoot: group.parentId === null,
      isOpen: may === 'settings',
      takes: may !== 'nothing',
      isTicked: ticked.has(group.id),
      children,
      below: children.reduce((sum, child) => sum + 1 + child.below, 0),
    };
  };
  const root = groups.find(group => group.parentId === null);
  return root && grow(root, []);
}

/** Groups whose name has all of the words, by their whole names. */
export function findGroups(
  groups: readonly Group[],
  words: string,
  reach: (path: readonly Group[]) => Reach,
  ticked: ReadonlySet<string>,
): Found[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const paths = pathsOf(groups);
  return groups
    .filter(group => wanted.every(word => group.name.toLowerCase().includes(word)))
    .map(group => {
      const path = paths.get(group.id) ?? [group];
      const { id, memberCount: technicians } = group;
      return { id, path: pathName(path), technicians, isOpen: reach(path) === 'settings', isTicked: ticked.has(id) };
    })
    .toSorted((a, b) => byName(a.path, b.path));
}

/** Where something can be put: the groups a form offers, by their whole names. */
export function placesFor(
  groups: readonly Group[],
  reach: (path: readonly Group[]) => Reach,
  fits: (path: readonly Group[]) => boolean = () => true,
): { id: string; name: string }[] {
  return [...pathsOf(groups).values()]
    .filter(path => reach(path) !== 'nothing' && fits(path))
    .map(path => ({ id: path.at(-1)?.id ?? '', name: pathName(path) }))
    .toSorted((a, b) => byName(a.name, b.name));
}
