// What an admin sees (D-08): the groups in his parts of the tree, who stands in them, and himself; of the groups above his parts
// the names alone, since his inherit from them. What he doesn't see is answered as if it were not there.
import { ApplianceError } from '../../errors.ts';
import { pathsOf } from '../../permissions/group-paths.ts';
import { type Group, ROOT_GROUP_ID } from '../../permissions/group-store.ts';
import type { Editor, Groups, Reach } from '../../permissions/groups.ts';

export interface Sight {
  /** The groups he sees, by name. */
  readonly groups: readonly Group[];
  /** The way to every group, root first. */
  readonly paths: ReadonlyMap<string, readonly Group[]>;
  readonly reach: (path: readonly Group[]) => Reach;
  readonly isMaster: boolean;
  seesGroup(id: string): boolean;
  /** The group somebody stands in; the root for who was never put anywhere. */
  groupOf(memberId: string): string;
  seesMember(memberId: string): boolean;
}

/** @param among the members who will be asked for; left out, anyone */
export async function sightOf(groups: Groups, editor: Editor, among?: readonly string[]): Promise<Sight> {
  const [all, reach, memberships] = await Promise.all([
    groups.list(),
    groups.reachOf(editor),
    groups.memberships(among),
  ]);
  const paths = pathsOf(all);
  const seesGroup = (id: string) => reach(paths.get(id) ?? []) !== 'nothing';
  const groupOf = (memberId: string) => memberships.get(memberId) ?? ROOT_GROUP_ID;
  return {
    groups: all.filter(({ id }) => seesGroup(id)),
    isMaster: editor.roles.includes('master-admin'),
    seesMember: memberId => memberId === editor.actor.id || seesGroup(groupOf(memberId)),
    ...{ paths, reach, seesGroup, groupOf },
  };
}

/** @throws ApplianceError `group.missing` */
export function requireSeenGroup({ seesGroup }: Sight, id: string): void {
  if (!seesGroup(id)) throw new ApplianceError('missing', 'group.missing', 'there is no such group');
}

/** @throws ApplianceError `member.missing` */
export async function requireSeenMember(groups: Groups, editor: Editor, id: string): Promise<void> {
  if (editor.roles.includes('master-admin') || (await sightOf(groups, editor, [id])).seesMember(id)) return;
  throw new ApplianceError('missing', 'member.missing', 'there is no such member');
}
