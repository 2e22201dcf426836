// Whether the newest part of the log is as it was written: each entry chained to the one before it, and the last signed head on the
// entry it was signed for. The whole log is checked by whoever has an export of it (bin/verify-log.ts).
import type { AuditLog } from '../../audit/audit.ts';
import { hashEntry } from '../../audit/entry.ts';

const ENTRIES = 500;

/** @returns what is wrong; empty when nothing is */
export async function checkLogEnd(audit: Pick<AuditLog, 'search' | 'lastHead'>): Promise<string> {
  const head = await audit.lastHead(); // first: what is signed later is signed behind what is read here
  const newestFirst = (await audit.search({ limit: ENTRIES })).map(({ entry }) => entry);
  for (const [n, { hash, ...entry }] of newestFirst.entries()) {
    const before = newestFirst[n + 1];
    if (before === undefined) break;
    if (before.seq !== entry.seq - 1) return `entries are missing before number ${entry.seq}`;
    if (hashEntry(entry, before.hash) !== hash) return `entry ${entry.seq} was changed, or the one before it`;
  }
  const newest = newestFirst[0]?.seq ?? 0;
  if (head === undefined) return '';
  if (head.seq > newest) return `entries behind number ${newest} are missing: number ${head.seq} was signed`;
  const signed = newestFirst.find(({ seq }) => seq === head.seq);
  return signed !== undefined && signed.hash !== head.hash ? `entry ${head.seq} is not the one that was signed` : '';
}
