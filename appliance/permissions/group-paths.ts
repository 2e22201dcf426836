// The way to each group of the tree, of a list that holds all of them.
import type { Group } from './group-store.ts';

/** By id; root first. */
export function pathsOf(groups: readonly Group[]): ReadonlyMap<string, readonly Group[]> {
  const byId = new Map(groups.map(group => [group.id, group]));
  const paths = new Map<string, readonly Group[]>();
  const pathTo = (group: Group): readonly Group[] => {
    const known = paths.get(group.id);
    if (known !== undefined) return known;
    const parent = byId.get(group.parentId ?? '');
    const path = parent === undefined ? [group] : [...pathTo(parent), group];
    paths.set(group.id, path);
    return path;
  };
  for (const group of groups) pathTo(group);
  return paths;
}
