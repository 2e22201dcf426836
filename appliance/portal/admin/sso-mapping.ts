// The form of a provider's mapping (C-04): rows of a group there, the roles it gives here and the technician group. Rows are added
// and taken out by sending the form, so that it needs no script.
import { z } from 'zod';
import { ROLES } from '../../identity/member.ts';
import { type Idp, type IdpSettings, MAX_MAPPED } from '../../identity/saml-idp.ts';
import { text } from '../web/parse.ts';

const many = (one: z.ZodString) => z.union([one.transform(only => [only]), z.array(one).max(500)]).default([]);
export const MappingForm = z.strictObject({
  revision: z.coerce.number().int().min(1),
  groupsAttribute: text,
  /** The nth of each are the nth row. */
  group: many(z.string().max(1024)),
  place: many(z.string().max(64)),
  /** `3 auditor`: of row 3. */
  roles: many(z.string().max(32)),
  act: z
    .string()
    .regex(/^(?:save|add|remove-\d{1,3})$/)
    .default('save'),
});
export type MappingForm = z.infer<typeof MappingForm>;

export interface MappingRow {
  readonly group: string;
  readonly roles: readonly string[];
  /** '' for none. */
  readonly place: string;
  /** What is wrong with it. */
  readonly error: string;
  readonly isNew: boolean;
}

/** @returns the rows as typed, after what was asked to be done with them; a row without anything is none */
export function readMapping({ group, place, roles, act }: MappingForm): {
  readonly rows: readonly MappingRow[];
  readonly isToSave: boolean;
} {
  const typed = group.map((value, at) => {
    const given = ROLES.filter(role => roles.includes(`${at} ${role}`));
    return { group: value.trim(), roles: given, place: place[at] ?? '', error: '', isNew: false };
  });
  if (act === 'add') return { rows: [...typed, { ...emptyRow, isNew: true }], isToSave: false };
  if (act !== 'save') return { rows: typed.toSpliced(Number(act.slice('remove-'.length)), 1), isToSave: false };
  const rows = typed
    .filter(row => row.group !== '' || row.roles.length > 0 || row.place !== '')
    .map((row, at) => ({ ...row, error: at < MAX_MAPPED ? faultOf(row) : `There are at most ${MAX_MAPPED} rows.` }));
  return { rows, isToSave: rows.every(({ error }) => error === '') };
}

export const emptyRow: MappingRow = { group: '', roles: [], place: '', error: '', isNew: false };

export function storedRows({ mapping }: Idp): readonly MappingRow[] {
  return mapping.map(({ group, roles, technicianGroup }) => ({
    ...emptyRow,
    group,
    roles,
    place: technicianGroup ?? '',
  }));
}

export function mappingOf(rows: readonly MappingRow[]): IdpSettings['mapping'] {
  return rows.map(({ group, roles, place }) => ({
    group,
    roles: ROLES.filter(role => roles.includes(role)),
    technicianGroup: place === '' ? null : place,
  }));
}

/** @param places ids of technician groups by their names */
export function presentRows(rows: readonly MappingRow[], places: ReadonlyMap<string, string>) {
  const ids = new Set(places.values());
  return rows.map((row, at) => ({
    ...row,
    at,
    number: at + 1,
    roles: ROLES.map(role => ({ role, isTicked: row.roles.includes(role) })),
    places: [...places].map(([name, id]) => ({ id, name, isIt: id === row.place })),
    isGone: row.place !== '' && !ids.has(row.place),
  }));
}

function faultOf({ group, roles }: MappingRow): string {
  if (group === '') return 'Name the group.';
  if (group.length > 256 || /\p{C}/u.test(group))
    return 'A group’s name has at most 256 characters, none of them invisible.';
  return roles.length === 0 ? 'Tick at least one role.' : '';
}
