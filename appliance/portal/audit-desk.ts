// The log as it is shown and handed to an auditor: that it was is in it, too (G-02 G-03).
import type { AuditLog } from '../audit/audit.ts';
import type { AuditQuery, StoredEntry } from '../audit/audit-store.ts';
import type { Actor } from '../audit/entry.ts';
import { exportLog } from '../audit/export.ts';
import type { Store } from '../store/store.ts';

interface LogParts {
  readonly store: Store;
  readonly audit: AuditLog;
}

/** What pages get of the log; `searchAudit` is for those that show a session to its own technician. */
export function auditDesk(parts: LogParts) {
  return {
    searchAudit: (query: AuditQuery) => parts.audit.search(query),
    viewAudit: (actor: Actor, query: AuditQuery) => viewLog(parts, actor, query),
    exportAudit: (actor: Actor) => exportWholeLog(parts, actor),
  };
}

/** What is asked for; logged before it is shown, each page of it, for nobody has to begin with the first. */
async function viewLog({ store, audit }: LogParts, actor: Actor, query: AuditQuery): Promise<StoredEntry[]> {
  const { limit: _, ...detail } = query;
  await store.core.transaction(tx => audit.append(tx, { event: 'audit.viewed', actor, detail }));
  return audit.search(query);
}

/** Lines up to a head signed just now; that it was taken is the last entry before that head. */
async function exportWholeLog({ store, audit }: LogParts, actor: Actor): Promise<AsyncIterable<string>> {
  await store.core.transaction(tx => audit.append(tx, { event: 'audit.exported', actor }));
  await audit.signHead();
  return exportLog(store);
}
