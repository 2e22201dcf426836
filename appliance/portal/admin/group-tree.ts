// The tree of technician groups as the page draws it: each group with what it sets and what is below it.
import { pathName } from '../../permissions/decision.ts';
import type { Group } from '../../permissions/group-store.ts';
import type { Sight } from './sight.ts';

/** Made once: it costs more than comparing hundreds of names. */
const byName = new Intl.Collator('en').compare;

export interface Branch {
  readonly id: string;
  readonly name: string;
  /** Of the top of an admin's part, where it stands. */
  readonly above: string;
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

/** The root, or the tops of an admin's parts. */
export function growTrees({ groups, paths, reach }: Sight, ticked: ReadonlySet<string>): Branch[] {
  const childrenOf = Map.groupBy(groups, group => group.parentId);
  const seen = new Set(groups.map(({ id }) => id));
  const grow = (group: Group): Branch => {
    const path = paths.get(group.id) ?? [group];
    const children = (childrenOf.get(group.id) ?? []).map(grow);
    const settings = Object.values(group.permissions);
    const may = reach(path);
    return {
      id: group.id,
      name: group.name,
      above: seen.has(group.parentId ?? '') || path.length < 3 ? '' : pathName(path.slice(0, -1)),
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
  return groups.filter(({ parentId }) => !seen.has(parentId ?? '')).map(grow);
}

/** Groups whose name has all of the words, by their whole names. */
export function findGroups({ groups, paths, reach }: Sight, words: string, ticked: ReadonlySet<string>): Found[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
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
  { groups, paths }: Sight,
  fits: (path: readonly Group[]) => boolean = () => true,
): { id: string; name: string }[] {
  return groups
    .map(group => paths.get(group.id) ?? [])
    .filter(fits)
    .map(path => ({ id: path.at(-1)?.id ?? '', name: pathName(path) }))
    .toSorted((a, b) => byName(a.name, b.name));
}
