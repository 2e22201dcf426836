// What a file of members would change (D-08): read line by line, compared with what is there. Nothing is changed here.
import { ApplianceError } from '../errors.ts';
import type { CsvRow } from '../protocol/csv.ts';
import { breathe } from '../store/breathe.ts';
import { type Member, parseLoginId, parseName, parseRoles, type Role } from './member.ts';

export const MAX_IMPORT_LINES = 10_000;
/** Each takes a third of a second, as any password's hash does. With more new ones, none of them has a password yet. */
export const MAX_IMPORT_PASSWORDS = 50;

export const memberColumns = ['loginId', 'name', 'roles', 'state', 'group'] as const;
type Column = (typeof memberColumns)[number];

export type ImportKind = 'create' | 'change' | 'disable' | 'same' | 'fault';

/** What a line asks for; undefined is left as it is. */
export interface ImportWish {
  readonly memberId: string | null;
  readonly name?: string;
  readonly roles?: readonly Role[];
  readonly state?: Member['state'];
  readonly groupId?: string;
}

export interface ImportLine {
  readonly line: number;
  readonly kind: ImportKind;
  readonly loginId: string;
  readonly name: string;
  /** "name: A → B"; of a fault, what is wrong. */
  readonly changes: readonly string[];
  readonly wish: ImportWish;
}

/** What is there. */
export interface ImportGround {
  /** By login id. */
  readonly members: ReadonlyMap<string, Member>;
  /** Ids by the names pages show. */
  readonly groups: ReadonlyMap<string, string>;
  readonly groupOf: (memberId: string | null) => string;
  /** Who imports: he doesn't change himself. */
  readonly actorId: string | null;
}

/** With the names of groups by their ids. */
type NamedGround = ImportGround & { readonly names: ReadonlyMap<string, string> };

/**
 * @returns a line for each of the file's, in its order
 * @throws ApplianceError `members.import-columns`, `members.import-too-long`
 */
export async function planImport([head, ...rows]: readonly CsvRow[], ground: ImportGround): Promise<ImportLine[]> {
  const columns = readHead(head);
  if (rows.length > MAX_IMPORT_LINES) {
    const message = `a file has at most ${MAX_IMPORT_LINES} members`;
    throw new ApplianceError('malformed', 'members.import-too-long', message, {
      hint: 'Split the file, or let a directory make the members.',
    });
  }
  const seen = new Map<string, number>();
  const names = new Map([...ground.groups].map(([name, id]) => [id, name]));
  const named = { ...ground, names };
  const plan: ImportLine[] = [];
  for (const [n, row] of rows.entries()) {
    await breathe(n);
    plan.push(planLine(row, columns, named, seen));
  }
  return plan;
}

function readHead(head: CsvRow | undefined): ReadonlyMap<Column, number> {
  const names = head?.cells.map(cell => cell.trim()) ?? [];
  const columns = new Map(
    memberColumns.flatMap(column => (names.includes(column) ? [[column, names.indexOf(column)]] : [])),
  );
  const isKnown = names.every(name => memberColumns.some(column => column === name));
  if (columns.has('loginId') && isKnown && columns.size === names.length) return columns;
  throw new ApplianceError('malformed', 'members.import-columns', 'the first line does not name the columns', {
    hint: `It has loginId, and what you want to set of ${memberColumns.slice(1).join(', ')}; each once. An export shows how.`,
  });
}

function planLine(
  { line, cells }: CsvRow,
  columns: ReadonlyMap<Column, number>,
  ground: NamedGround,
  seen: Map<string, number>,
): ImportLine {
  const cell = (column: Column) => cells[columns.get(column) ?? Number.MAX_SAFE_INTEGER]?.trim() ?? '';
  const shown = { line, loginId: cell('loginId'), name: cell('name') };
  try {
    if (cells.length > columns.size) throw wrong('there are more cells than columns');
    const loginId = parseLoginId(cell('loginId'));
    const before = seen.get(loginId);
    if (before !== undefined) throw wrong(`line ${before} has this login id too`);
    seen.set(loginId, line);
    const member = ground.members.get(loginId);
    const wish = readWish(cell, member, ground);
    const { kind, changes } = compare(wish, member, ground);
    return { line, kind, loginId, name: wish.name ?? member?.name ?? '', changes, wish };
  } catch (error) {
    if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
    return { ...shown, kind: 'fault', changes: [error.message], wish: { memberId: null } };
  }
}

function readWish(cell: (column: Column) => string, member: Member | undefined, ground: ImportGround): ImportWish {
  const [state, group] = [cell('state'), cell('group')];
  if (state !== '' && state !== 'enabled' && state !== 'disabled') throw wrong('a state is enabled or disabled');
  const groupId = ground.groups.get(group);
  const isMoved = groupId !== undefined && groupId !== ground.groupOf(member?.id ?? null);
  if (group !== '' && groupId === undefined) throw wrong('there is no such group');
  const wish = {
    memberId: member?.id ?? null,
    ...(cell('name') !== '' && { name: parseName(cell('name')) }),
    ...(cell('roles') !== '' && {
      roles: parseRoles(
        cell('roles')
          .split(/[\s,;]+/)
          .filter(Boolean),
      ),
    }),
    ...(state !== '' && { state: state as Member['state'] }),
    ...(isMoved && { groupId }),
  };
  const roles = wish.roles ?? member?.roles;
  if (member === undefined && (wish.name === undefined || roles === undefined))
    throw wrong('a new member needs a name and roles');
  if (groupId !== undefined && !roles?.includes('technician')) throw wrong('only technicians are in groups');
  return wish;
}

function compare(wish: ImportWish, member: Member | undefined, { names, groupOf, actorId }: NamedGround) {
  const current = groupOf(member?.id ?? null);
  const groupChange =
    wish.groupId === undefined ? [] : [`group: ${names.get(current) ?? ''} → ${names.get(wish.groupId) ?? ''}`];
  if (member === undefined) {
    const made = [
      `roles: ${wish.roles?.join(' ')}`,
      ...groupChange,
      ...(wish.state === 'disabled' ? ['disabled'] : []),
    ];
    return { kind: 'create' as const, changes: made };
  }
  const change = (what: string, from: string, to: string | undefined) =>
    to === undefined || to === from ? [] : [`${what}: ${from} → ${to}`];
  const own = [
    ...change('name', member.name, wish.name),
    ...change('roles', member.roles.join(' '), wish.roles?.join(' ')),
  ];
  const state = change('state', member.state, wish.state);
  if (own.length > 0 && member.inDirectory) throw wrong('name and roles of this member come from the directory');
  const changes = [...own, ...state, ...groupChange];
  if (changes.length === 0) return { kind: 'same' as const, changes };
  if (member.id === actorId) throw wrong('that is yourself');
  return { kind: state.length > 0 && wish.state === 'disabled' ? ('disable' as const) : ('change' as const), changes };
}

function wrong(message: string): ApplianceError {
  return new ApplianceError('malformed', 'members.import-line', message);
}
