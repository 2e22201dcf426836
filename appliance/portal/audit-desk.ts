// The log as it is shown and handed to an auditor: that it was is in it, too (G-02 G-03 G-04).
import { createHash } from 'node:crypto';
import type { AuditLog, FoundPage } from '../audit/audit.ts';
import type { AuditQuery } from '../audit/audit-store.ts';
import type { Actor, AuditDetail } from '../audit/entry.ts';
import { exportLog } from '../audit/export.ts';
import { type FoundEntry, type FoundFormat, writeFound } from '../audit/found-export.ts';
import type { Clock } from '../clock.ts';
import type { Store } from '../store/store.ts';
import type { Support } from './support.ts';

const EXPORT_PAGE = 500;

interface LogParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly support: Pick<Support, 'groups'>;
  readonly clock: Clock;
}

/** What an auditor asks for; each narrows what is found. */
export interface LogCriteria extends Omit<AuditQuery, 'limit' | 'groupIds' | 'withChat'> {
  /** Sessions of this group and of those below it. */
  readonly groupId?: string;
}

/** What pages get of the log; `searchAudit` is for those that show a session to its own technician. */
export interface AuditDesk {
  searchAudit: AuditLog['search'];
  /** A page of entries, newest first; that they were looked at is logged. */
  viewAudit(actor: Actor, criteria: LogCriteria, limit: number): Promise<FoundPage>;
  /** Lines of the whole log, up to a head signed just now. */
  exportAudit(actor: Actor): Promise<AsyncIterable<string>>;
  /** All that is found, as a file, newest first; that it was taken, and how much of it, is logged. */
  exportFound(actor: Actor, criteria: LogCriteria, format: FoundFormat): Promise<AsyncIterable<string>>;
}

export function auditDesk(parts: LogParts): AuditDesk {
  return {
    searchAudit: query => parts.audit.search(query),
    viewAudit: (actor, criteria, limit) => viewLog(parts, actor, criteria, limit),
    exportAudit: actor => exportWholeLog(parts, actor),
    exportFound: (actor, criteria, format) => exportFoundEntries(parts, actor, criteria, format),
  };
}

/** What is asked for; logged before it is shown, each page of it, for nobody has to begin with the first. */
async function viewLog(parts: LogParts, actor: Actor, criteria: LogCriteria, limit: number): Promise<FoundPage> {
  const query = await queryOf(parts, criteria);
  const { store, audit } = parts;
  await store.core.transaction(tx => audit.append(tx, { event: 'audit.viewed', actor, detail: asLogged(criteria) }));
  return audit.find({ ...query, limit });
}

/** Lines up to a head signed just now; that it was taken is the last entry before that head. */
async function exportWholeLog({ store, audit }: LogParts, actor: Actor): Promise<AsyncIterable<string>> {
  await store.core.transaction(tx => audit.append(tx, { event: 'audit.exported', actor }));
  await audit.signHead();
  return exportLog(store);
}

/** Entries up to the one that says it is taken; once the last piece has gone, or the taker, another says what he got. */
async function exportFoundEntries(
  parts: LogParts,
  actor: Actor,
  criteria: LogCriteria,
  format: FoundFormat,
): Promise<AsyncIterable<string>> {
  const query = await queryOf(parts, criteria);
  const { store, audit, clock } = parts;
  const asked = { format, ...asLogged(criteria) };
  const { seq } = await store.core.transaction(tx =>
    audit.append(tx, { event: 'audit.exported', actor, detail: asked }),
  );
  const taken = { count: 0 };
  const entries = foundEntries(audit, { ...query, before: Math.min(query.before ?? seq, seq) }, taken);
  const file = { format, query: asLogged(criteria), madeAt: clock.now() };
  return hashed(writeFound(file, entries), (sha256, isWhole) =>
    store.core.transaction(async tx => {
      const detail = { export: seq, count: taken.count, isWhole, sha256 };
      await audit.append(tx, { event: 'audit.export-ended', actor, detail });
    }),
  );
}

/** Page by page, each read when the one before it was taken: nobody can ask for more than is held at a time. */
async function* foundEntries(
  audit: AuditLog,
  query: Omit<AuditQuery, 'limit'>,
  taken: { count: number },
): AsyncGenerator<FoundEntry> {
  for (let before = query.before; ; ) {
    const { entries, next } = await audit.find({
      ...query,
      ...(before !== undefined && { before }),
      limit: EXPORT_PAGE,
    });
    const hashes = await audit.hashesOf(entries.map(({ entry }) => entry.seq - 1));
    for (const { entry } of entries) {
      taken.count += 1;
      yield { ...entry, previous: hashes.get(entry.seq - 1) ?? null };
    }
    if (next === null) return;
    before = next;
  }
}

/** @param ended told the SHA-256 of what went out, base64url, and whether it was all */
async function* hashed(
  pieces: AsyncIterable<string>,
  ended: (sha256: string, isWhole: boolean) => Promise<void>,
): AsyncGenerator<string> {
  const hash = createHash('sha256');
  let isWhole = false;
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      yield piece;
    }
    isWhole = true;
  } finally {
    await ended(hash.digest('base64url'), isWhole);
  }
}

/**
 * With the groups below it; and with chat: who may read the log may read the chat of every session, on its own page
 * (`auditor/session.ts` asks for the same roles).
 */
async function queryOf(
  { support: { groups } }: LogParts,
  { groupId, ...query }: LogCriteria,
): Promise<Omit<AuditQuery, 'limit'>> {
  return { ...query, withChat: true, ...(groupId !== undefined && { groupIds: await groups.below(groupId) }) };
}

/** Of the customer only that he was looked for by name: names are sealed, and the log is for ever (B-05). */
function asLogged({ customer, ...criteria }: LogCriteria): AuditDetail {
  return { ...criteria, ...(customer !== undefined && { byCustomer: true }) };
}
