// The form of a provider's mapping (C-04): rows of a group there, the roles it gives here and the technician group.
import { z } from 'zod';
import { type Idp, type IdpSettings, MAX_MAPPED } from '../../identity/saml-idp.ts';
import {
  isRowAct,
  type MappingRow,
  noFaults,
  presentRows,
  type RowFaults,
  rowsOf,
  splitCells,
  typedRows,
} from '../web/mapping-rows.ts';
import { parse, text } from '../web/parse.ts';

const Head = z.strictObject({
  revision: z.coerce.number().int().min(1),
  groupsAttribute: text,
  act: z
    .string()
    .refine(act => act === 'save' || isRowAct(act))
    .default('save'),
});

export interface ShownRows {
  readonly rows: readonly MappingRow[];
  readonly faults: readonly RowFaults[];
  /** What was done with them. */
  readonly act: string;
}

export interface TypedMapping extends ShownRows {
  readonly revision: number;
  readonly groupsAttribute: string;
  readonly isToSave: boolean;
}

/** @throws ApplianceError `request.malformed` */
export function parseMapping(body: unknown): TypedMapping {
  const { cells, rest } = splitCells(body);
  const { revision, groupsAttribute, act } = parse(Head, rest);
  const rows = typedRows(cells, act);
  const faults = act === 'save' ? rows.map(faultsOf) : [];
  const isToSave = act === 'save' && faults.every(one => one === noFaults);
  return { revision, groupsAttribute: groupsAttribute.trim(), act, rows, faults, isToSave };
}

export function storedRows({ mapping }: Idp): ShownRows {
  return { rows: rowsOf(mapping), faults: [], act: '' };
}

export function mappingOf(rows: readonly MappingRow[]): IdpSettings['mapping'] {
  return rows.map(({ group, roles, technicianGroup }) => ({
    group,
    roles: [...roles],
    technicianGroup: technicianGroup === '' ? null : technicianGroup,
  }));
}

/** @param places ids of technician groups by their names */
export function presentMapping({ rows, faults, act }: ShownRows, places: ReadonlyMap<string, string>) {
  return {
    rows: presentRows(rows, { faultsAt: at => faults[at] ?? noFaults, places, act }),
    ...{
      groupLabel: 'Group there',
      rowsFault: '',
      mayAdd: rows.length < MAX_MAPPED,
      isTakenOut: act.startsWith('remove-'),
    },
  };
}

function faultsOf({ group, roles }: MappingRow, at: number): RowFaults {
  if (at >= MAX_MAPPED) return { ...noFaults, group: `There are at most ${MAX_MAPPED} rows.` };
  if (group === '') return { ...noFaults, group: 'Name the group.' };
  if (group.length > 256 || /\p{C}/u.test(group))
    return { ...noFaults, group: 'A group’s name has at most 256 characters, none of them invisible.' };
  return roles.length === 0 ? { ...noFaults, roles: 'Tick at least one role.' } : noFaults;
}
