// The mapping of the directory's groups, row by row, as a form without script has it: `g3` the group, `r3` its roles, `t3` the technician
// group, `x3` that it is to go. A row with nothing in it is none.
import type { ConfigValue } from '../../config.ts';
import { ROLES, type Role } from '../../identity/member.ts';

export interface MappingRow {
  readonly group: string;
  readonly roles: readonly Role[];
  /** Empty for none. */
  readonly technicianGroup: string;
}

type Sent = Readonly<Record<string, string | readonly string[]>>;
export const MAX_ROWS = 200;
const ROW_NAME = /^[grtx](0|[1-9]\d{0,2})$/;
const emptyRow: MappingRow = { group: '', roles: [], technicianGroup: '' };

export function isRowName(name: string): boolean {
  return ROW_NAME.test(name);
}

/** @param body a form's fields; others than those of rows are left alone */
export function typedRows(body: Sent): MappingRow[] {
  const numbers = Object.keys(body)
    .filter(isRowName)
    .map(name => Number(name.slice(1)));
  const count = Math.max(-1, ...numbers) + 1; // of too many the configuration says so
  return Array.from({ length: count }, (_, at) => rowAt(body, at)).filter(isFilled);
}

function rowAt(body: Sent, at: number): MappingRow {
  if (body[`x${at}`] !== undefined) return emptyRow;
  const ticked = [body[`r${at}`] ?? []].flat();
  const textAt = (letter: string) => String(body[`${letter}${at}`] ?? '').trim();
  const roles = ROLES.filter(role => ticked.includes(role));
  return { group: textAt('g'), roles, technicianGroup: textAt('t') };
}

/** As the configuration has them. */
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

/** With room for more at the end, as long as there may be more. */
export function withEmptyRows(rows: readonly MappingRow[], more: number): MappingRow[] {
  return [...rows, ...Array.from({ length: Math.max(0, Math.min(more, MAX_ROWS - rows.length)) }, () => emptyRow)];
}

function isFilled({ group, roles, technicianGroup }: MappingRow): boolean {
  return group !== '' || roles.length > 0 || technicianGroup !== '';
}
