// The parts of the tree an admin was given (D-08): they are of his role, and go with it.
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import type { Reader, Transaction } from '../store/sql.ts';
import { pathName } from './decision.ts';
import { getPath } from './group-paths.ts';
import { listParts, replaceParts } from './group-store.ts';

/** Of the names of an admin's parts, as the log has them. */
const MAX_LOGGED_NAMES = 2000;

/** Hands these and no others to an admin; the log has those before and after. Nothing where he has them. */
export async function handOutParts(
  tx: Transaction,
  audit: Pick<AuditLog, 'append'>,
  actor: Actor,
  memberId: string,
  groupIds: readonly string[],
): Promise<void> {
  const [before, wanted] = [await listParts(tx, memberId), [...new Set(groupIds)].toSorted()];
  if (wanted.join() === before.join()) return;
  const detail = { from: await partNames(tx, before), to: await partNames(tx, wanted) };
  await replaceParts(tx, memberId, wanted);
  await audit.append(tx, { event: 'group.parts-set', actor, subject: memberId, detail });
}

async function partNames(from: Reader, ids: readonly string[]): Promise<string> {
  const names: string[] = [];
  for (const id of ids) names.push(pathName(await getPath(from, id)));
  return names.toSorted().join('; ').slice(0, MAX_LOGGED_NAMES);
}
