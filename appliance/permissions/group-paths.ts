// The way to a group of the tree, and to each, of a list that holds all of them.
import { ApplianceError } from '../errors.ts';
import type { Reader } from '../store/sql.ts';
import { findPath, type Group } from './group-store.ts';

/** Root first. @throws ApplianceError `group.missing` */
export async function getPath(from: Reader, id: string): Promise<Group[]> {
  const path = await findPath(from, id);
  if (path.length === 0) throw new ApplianceError('missing', 'group.missing', 'there is no such group');
  return path;
}

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
