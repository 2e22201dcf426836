// The log as JSON lines: a start, entries in the order of the chain, cuts where retention destroyed some, the signed heads. What
// `bin/verify-log.ts` reads, and what an auditor keeps.
import { toBase64Url } from '../guid.ts';
import type { Reader } from '../store/sql.ts';
import type { Store } from '../store/store.ts';
import { listChain, listHeads, type StoredEntry } from './audit-store.ts';
import { NO_HASH } from './entry.ts';
import { type DestroyedMonth, joinMonths, listDestroyedMonths } from './retention/retention-store.ts';

const PAGE = 2000;

export interface ExportOptions {
  /** First entry to take; 1 for all. */
  readonly fromSeq?: number;
  /** Take the sealed bodies along. */
  readonly bodies?: boolean;
}

/** @returns lines without their newline; entries not yet moved are left out (see `AuditLog.signHead`) */
export async function* exportLog(
  store: Store,
  { fromSeq = 1, bodies = false }: ExportOptions = {},
): AsyncGenerator<string> {
  let seq = fromSeq - 1;
  let started = false;
  for (const part of await listParts(store)) {
    if ('lastSeq' in part) {
      if (part.lastSeq < fromSeq) continue;
      yield started || fromSeq < part.firstSeq ? cutLine(part) : startLine(part.lastSeq, part.lastHash);
      [started, seq] = [true, part.lastSeq];
      continue;
    }
    for await (const stored of part.entries(started ? seq : Math.max(0, seq - 1))) {
      const isBefore = !started && seq > 0;
      if (!started) yield startLine(isBefore ? stored.entry.seq : 0, isBefore ? stored.entry.hash : NO_HASH);
      started = true;
      seq = stored.entry.seq;
      if (!isBefore) yield entryLine(stored, bodies); // the entry before the first one asked for gives the hash to start from
    }
  }
  if (!started) return;
  for (const head of await listHeads(store.core.read, fromSeq, seq)) yield JSON.stringify({ type: 'head', ...head });
}

interface Kept {
  entries(afterSeq: number): AsyncGenerator<StoredEntry>;
}

/** All months there ever were, oldest first: what is left of them, or where the chain goes on behind them. */
async function listParts(store: Store): Promise<(Kept | DestroyedMonth)[]> {
  const destroyed = await listDestroyedMonths(store.core.read);
  const gone = new Set(destroyed.map(({ month }) => month));
  const archived = store.archivedMonths().filter(month => !gone.has(month)); // one may be just about to go
  const parts = new Map<string, Kept | DestroyedMonth>();
  for (const one of joinMonths(destroyed)) parts.set(one.month, one);
  for (const month of archived) parts.set(month, { entries: afterSeq => archivedEntries(store, month, afterSeq) });
  for (const month of store.months())
    parts.set(month, {
      entries: async function* (afterSeq) {
        yield* chain((await store.month(month)).read, afterSeq);
      },
    });
  return [...parts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, part]) => part);
}

async function* archivedEntries(store: Store, month: string, afterSeq: number): AsyncGenerator<StoredEntry> {
  const archive = store.openArchive(month);
  try {
    yield* chain(archive.read, afterSeq);
  } finally {
    await archive.close();
  }
}

async function* chain(read: Reader, afterSeq: number): AsyncGenerator<StoredEntry> {
  for (let seq = afterSeq; ; ) {
    const page = await listChain(read, 'audit_entry', seq, PAGE);
    yield* page;
    if (page.length < PAGE) return;
    seq = page.at(-1)?.entry.seq ?? seq;
  }
}

/** Entries that were destroyed when their time was over; one that was written then says so in the log. */
function cutLine({ firstSeq, lastSeq, lastHash }: DestroyedMonth): string {
  return JSON.stringify({ type: 'cut', fromSeq: firstSeq, seq: lastSeq, hash: lastHash });
}

function startLine(seq: number, hash: string): string {
  return JSON.stringify({ type: 'start', version: 1, seq, hash });
}

function entryLine({ entry, body }: StoredEntry, bodies: boolean): string {
  const sealed = bodies && body !== null ? { body: toBase64Url(body) } : {};
  return JSON.stringify({ type: 'entry', ...entry, ...sealed });
}
