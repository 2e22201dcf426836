// The mapping of the directory's groups, row by row, as a form without script has it: `g3` the group, `r3` its roles, `t3` the technician
// group. A row with nothing in it is none.
import type { ConfigValue } from '../../config.ts';
import { ROLES, type Role } from '../../identity/member.ts';

export interface MappingRow {
  readonly group: string;
  readonly roles: readonly Role[];
  /** Empty for none. */
  readonly technicianGroup: string;
}

export const MAX_ROWS = 200;
const ROW_NAME = /^[grt](0|[1-9]\d{0,2})$/;
const emptyRow: MappingRow = { group: '', roles: [], technicianGroup: '' };

export function isRowName(name: string): boolean {
  return ROW_NAME.test(name);
}

/** @param body a form's fields; others than those of rows are left alone */
export function typedRows(body: Readonly<Record<string, string | readonly string[]>>): MappingRow[] {
  const numbers = Object.keys(body)
    .filter(isRowName)
    .map(name => Number(name.slice(1)));
  const last = Math.min(Math.max(-1, ...numbers), MAX_ROWS - 1);
  return Array.from({ length: last + 1 }, (_, at) => {
    const ticked = [body[`r${at}`] ?? []].flat();
    const [group, technicianGroup] = [body[`g${at}`], body[`t${at}`]].map(text => String(text ?? '').trim());
    return {
      group: group ?? '',
      roles: ROLES.filter(role => ticked.includes(role)),
      technicianGroup: technicianGroup ?? '',
    };
  });
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

/** With room for one more at the end. */
export function withEmptyRow(rows: readonly MappingRow[]): MappingRow[] {
  const last = rows.at(-1);
  return rows.length >= MAX_ROWS || (last !== undefined && !isFilled(last)) ? [...rows] : [...rows, emptyRow];
}

export function isFilled({ group, roles, technicianGroup }: MappingRow): boolean {
  return group !== '' || roles.length > 0 || technicianGroup !== '';
}
