// What the directory says, made into what would become of the accounts: the mapping of groups to roles and technician
// group, and the preview of a sync. Nothing here changes anything.
import type { DirectoryConfig } from '../config.ts';
import { ROOT_GROUP_ID } from '../permissions/group-store.ts';
import type { DirectoryPerson } from './directory.ts';
import type { DirectoryLink } from './directory-store.ts';
import { type Member, parseLoginId, parseName, ROLES, type Role } from './member.ts';

type Mapping = DirectoryConfig['mapping'];

/** Technician groups by the names pages show: `Support › Berlin`. */
export type GroupNames = ReadonlyMap<string, string>;

export type PlannedKind = 'create' | 'change' | 'withdraw' | 'restore' | 'conflict';

export interface PlannedRow {
  readonly kind: PlannedKind;
  readonly directoryId: string;
  /** null for who has no account yet. */
  readonly memberId: string | null;
  readonly loginId: string;
  readonly name: string;
  /** In words, one for each thing that changes. */
  readonly changes: readonly string[];
}

export interface DirectoryPlan {
  readonly rows: readonly PlannedRow[];
  readonly counts: Readonly<Record<PlannedKind | 'unchanged' | 'noRole', number>>;
  /** Stands for all of it: only what was seen is applied. */
  readonly digest: string;
}

export interface PlanState {
  readonly people: readonly DirectoryPerson[];
  readonly members: readonly Member[];
  readonly links: readonly DirectoryLink[];
  /** Technician group by member. */
  readonly places: ReadonlyMap<string, string>;
  readonly names: GroupNames;
  readonly mapping: Mapping;
}

export function rolesWanted(mapping: Mapping, groups: readonly string[]): readonly Role[] {
  const given = new Set(mapping.filter(({ group }) => groups.includes(group)).flatMap(({ roles }) => roles));
  return ROLES.filter(role => given.has(role));
}

/**
 * @returns undefined when the mapping says nothing of technician groups, or names one that is not here (any more): people stay where
 *   admins have put them
 */
export function groupWanted(mapping: Mapping, groups: readonly string[], names: GroupNames): string | undefined {
  if (mapping.every(({ technicianGroup }) => technicianGroup === null)) return undefined;
  const [first] = mapping.filter(one => groups.includes(one.group) && one.technicianGroup !== null);
  return first === undefined ? ROOT_GROUP_ID : names.get(first.technicianGroup ?? '');
}

/** Technician groups the mapping names and nobody finds here: one that was renamed, say. */
export function unknownGroups(mapping: Mapping, names: GroupNames): string[] {
  const named = mapping.flatMap(({ technicianGroup }) => technicianGroup ?? []);
  return [...new Set(named)].filter(name => !names.has(name));
}

/** @returns undefined when the directory's texts are no login id or name here */
export function readPerson(person: DirectoryPerson): { loginId: string; name: string } | undefined {
  try {
    return { loginId: parseLoginId(person.loginId), name: parseName(person.name.replace(/\p{C}/gu, '').slice(0, 120)) };
  } catch {
    return undefined; // an ApplianceError: told as a conflict
  }
}

export function planSync(state: PlanState): Omit<DirectoryPlan, 'digest'> {
  const counts = { create: 0, change: 0, withdraw: 0, restore: 0, conflict: 0, unchanged: 0, noRole: 0 };
  const links = new Map(state.links.map(link => [link.directoryId, link]));
  const byId = new Map(state.members.map(member => [member.id, member]));
  const taken = new Map(state.members.map(member => [member.loginId, member.id]));
  const rows: PlannedRow[] = [];
  const add = (row: PlannedRow | 'unchanged' | 'noRole') => {
    if (typeof row === 'string') counts[row] += 1;
    else {
      counts[row.kind] += 1;
      rows.push(row);
    }
  };
  for (const person of state.people) {
    const link = links.get(person.id);
    links.delete(person.id);
    const member = link && byId.get(link.memberId);
    if (link === undefined || member === undefined) add(planNew(state, person, taken));
    else add(planKnown(state, person, member, link, taken));
  }
  for (const { directoryId, memberId } of links.values()) {
    const member = byId.get(memberId);
    if (member?.state !== 'enabled') continue;
    const { loginId, name, roles } = member;
    add({
      kind: 'withdraw',
      directoryId,
      memberId,
      loginId,
      name,
      changes: ['not in the directory any more', lost(roles)],
    });
  }
  return { rows, counts };
}

function planNew(state: PlanState, person: DirectoryPerson, taken: Map<string, string>): PlannedRow | 'noRole' {
  const roles = rolesWanted(state.mapping, person.groups);
  if (roles.length === 0) return 'noRole';
  const given = readPerson(person);
  const row = { directoryId: person.id, memberId: null, loginId: person.loginId, name: person.name };
  if (given === undefined) return { ...row, kind: 'conflict', changes: ['login id or name can’t be used here'] };
  if (taken.has(given.loginId)) {
    return {
      ...row,
      ...given,
      kind: 'conflict',
      changes: ['there is an account with that login id already; it stays as it is'],
    };
  }
  taken.set(given.loginId, '');
  const group = groupWanted(state.mapping, person.groups, state.names);
  const place = group === undefined ? [] : [`into ${nameOf(state.names, group)}`];
  return { ...row, ...given, kind: 'create', changes: [`roles: ${roles.join(', ')}`, ...place] };
}

function planKnown(
  state: PlanState,
  person: DirectoryPerson,
  member: Member,
  link: DirectoryLink,
  taken: ReadonlyMap<string, string>,
): PlannedRow | 'unchanged' {
  const row = { directoryId: person.id, memberId: member.id, loginId: member.loginId, name: member.name };
  const roles = rolesWanted(state.mapping, person.groups);
  const given = readPerson(person);
  const holder = given && taken.get(given.loginId);
  if (given === undefined || (holder !== undefined && holder !== member.id)) {
    return {
      ...row,
      kind: 'conflict',
      changes: [`the login id ${person.loginId} can’t be used here, or is another account’s`],
    };
  }
  if (roles.length === 0) {
    if (member.state !== 'enabled') return 'unchanged';
    return { ...row, kind: 'withdraw', changes: ['in no group of the mapping', lost(member.roles)] };
  }
  const changes: string[] = [];
  if (given.loginId !== member.loginId) changes.push(`login id: ${member.loginId} → ${given.loginId}`);
  if (given.name !== member.name) changes.push(`name: ${member.name} → ${given.name}`);
  const [before, after] = [member.roles.join(', '), roles.join(', ')];
  if (before !== after) changes.push(`roles: ${before} → ${after}`);
  const group = groupWanted(state.mapping, person.groups, state.names);
  const place = state.places.get(member.id) ?? ROOT_GROUP_ID;
  if (group !== undefined && group !== place)
    changes.push(`group: ${nameOf(state.names, place)} → ${nameOf(state.names, group)}`);
  if (link.isWithdrawn) return { ...row, kind: 'restore', changes: ['enabled again', ...changes] };
  return changes.length === 0 ? 'unchanged' : { ...row, kind: 'change', changes };
}

function lost(roles: readonly Role[]): string {
  return `loses: ${roles.join(', ')}`;
}

function nameOf(names: GroupNames, id: string): string {
  for (const [name, one] of names) if (one === id) return name;
  return id;
}
