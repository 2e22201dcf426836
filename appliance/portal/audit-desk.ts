// The whole log as it is handed to an auditor (G-02 G-03).
import type { AuditLog } from '../audit/audit.ts';
import type { Actor } from '../audit/entry.ts';
import { exportLog } from '../audit/export.ts';
import type { Store } from '../store/store.ts';

/** Lines up to a head signed just now; that it was taken is the last entry before that head. */
export async function exportWholeLog(
  { store, audit }: { readonly store: Store; readonly audit: AuditLog },
  actor: Actor,
): Promise<AsyncIterable<string>> {
  await store.core.transaction(tx => audit.append(tx, { event: 'audit.exported', actor }));
  await audit.signHead();
  return exportLog(store);
}
