// The rows of a mapping, of a directory's groups or of an identity provider's, as a form without script has them: `g3` the group, `r3`
// its roles, `t3` the technician group; `remove-3` takes the row out and `add` brings another one. A row with nothing in it is none.
import { z } from 'zod';
import type { ConfigValue } from '../../config.ts';
import { ROLES, type Role } from '../../identity/member.ts';
import { parse } from './parse.ts';

export interface MappingRow {
  readonly group: string;
  readonly roles: readonly Role[];
  /** Its name where a file has it, else its id; empty for none. */
  readonly technicianGroup: string;
}

/** What is wrong in each cell of a row; empty for nothing. */
export interface RowFaults {
  readonly group: string;
  readonly roles: string;
  readonly place: string;
}

export const MAX_ROWS = 200;
export const noFaults: RowFaults = { group: '', roles: '', place: '' };
export const emptyRow: MappingRow = { group: '', roles: [], technicianGroup: '' };
/** What is done with rows by sending the form; nothing is saved by it. */
const ROW_ACT = /^(?:add|remove-(?:0|[1-9]\d{0,2}))$/;
const ROW_NAME = /^[grt](0|[1-9]\d{0,2})$/;
const Cells = z.record(z.string(), z.union([z.string().max(4096), z.array(z.string().max(32)).max(8)]));
type Sent = z.infer<typeof Cells>;

export function isRowAct(act: string): boolean {
  return ROW_ACT.test(act);
}

/** @returns the cells of rows, and what else a form has sent @throws ApplianceError `request.malformed` */
export function splitCells(body: unknown): { readonly cells: Sent; readonly rest: Readonly<Record<string, unknown>> } {
  const sent = Object.entries(parse(z.record(z.string(), z.unknown()), body));
  const isCell = ([name]: [string, unknown]) => ROW_NAME.test(name);
  const cells = parse(Cells, Object.fromEntries(sent.filter(isCell)));
  return { cells, rest: Object.fromEntries(sent.filter(one => !isCell(one))) };
}

/** @returns the rows as typed, after what was asked to be done with them */
export function typedRows(cells: Sent, act: string): MappingRow[] {
  const count = Math.max(-1, ...Object.keys(cells).map(name => Number(name.slice(1)))) + 1; // of too many it is said where they are kept
  const all = Array.from({ length: count }, (_, at) => rowAt(cells, at));
  const left = act.startsWith('remove-') ? all.toSpliced(Number(act.slice('remove-'.length)), 1) : all;
  const rows = left.filter(isFilled);
  return act === 'add' ? [...rows, emptyRow] : rows;
}

function rowAt(cells: Sent, at: number): MappingRow {
  const ticked = [cells[`r${at}`] ?? []].flat();
  const textAt = (letter: string) => String(cells[`${letter}${at}`] ?? '').trim();
  const roles = ROLES.filter(role => ticked.includes(role));
  return { group: textAt('g'), roles, technicianGroup: textAt('t') };
}

/** As the configuration and a provider's settings have them. */
export function rowsOf(mapping: unknown): MappingRow[] {
  if (!Array.isArray(mapping)) return [];
  return mapping.map((one: { group: string; roles: readonly Role[]; technicianGroup: string | null }) => ({
    group: one.group,
    roles: ROLES.filter(role => one.roles.includes(role)),
    technicianGroup: one.technicianGroup ?? '',
  }));
}

/** As the file has them. */
export function rowsValue(rows: readonly MappingRow[]): ConfigValue {
  return rows.filter(isFilled).map(({ group, roles, technicianGroup }) => ({
    group,
    roles: [...roles],
    technicianGroup: technicianGroup === '' ? null : technicianGroup,
  }));
}

/**
 * @param faultsAt what is wrong in a row
 * @param places ids of technician groups by their names, where one is chosen of them; null where its name is typed
 * @param act what brought the page
 */
export function presentRows(
  rows: readonly MappingRow[],
  {
    faultsAt,
    places,
    act,
  }: { faultsAt(at: number): RowFaults; places: ReadonlyMap<string, string> | null; act: string },
) {
  const ids = new Set(places?.values());
  return rows.map((row, at) => ({
    ...row,
    ...{ at, number: at + 1, faults: faultsAt(at), isNew: act === 'add' && at === rows.length - 1 },
    ticks: ROLES.map(role => ({ role, isTicked: row.roles.includes(role) })),
    places: places && [...places].map(([name, id]) => ({ id, name, isIt: id === row.technicianGroup })),
    isGone: row.technicianGroup !== '' && !ids.has(row.technicianGroup),
  }));
}

function isFilled({ group, roles, technicianGroup }: MappingRow): boolean {
  return group !== '' || roles.length > 0 || technicianGroup !== '';
}
