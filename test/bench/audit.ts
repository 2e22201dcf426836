// Durable entries a second (each act its own fsync group) and how fast a technician's week is found in millions.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog, monthOf } from '../../appliance/audit/audit.ts';
import { type Actor, bodyLabel, hashToBytes, NO_HASH } from '../../appliance/audit/entry.ts';
import { SearchIndex } from '../../appliance/audit/search-index.ts';
import { systemClock } from '../../appliance/clock.ts';
import { type SessionId, sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { sealCustomer } from '../../appliance/sessions/customer-said.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from '../support/audit.ts';
import type { Benches, BenchLine } from '../support/bench-line.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';

const ENTRIES = 20_000;
const QUERY_ENTRIES = 5_000_000;
const TECHNICIANS = 200;
const WEEK_MS = 7 * 86_400_000;

/** @param works false: entries are put into the months' files by hand, and nothing is moved or indexed meanwhile */
async function openAudit(folder: string, works = true) {
  const keys = { store: randomBytes(32), keyEncryption: randomBytes(32) };
  const shared = { clock: systemClock, log: silentLog };
  const store = await Store.open({
    folder: join(folder, 'store'),
    keys,
    migrations: MIGRATIONS,
    metrics: new Metrics(),
    ...shared,
  });
  const config = { headEveryEntries: 1000, headEverySeconds: 60 };
  const audit = new AuditLog({
    sessions: new SessionFacts(store),
    store,
    signer: new TestHeadSigner(),
    config,
    ...shared,
  });
  if (works) await audit.start();
  return { store, audit };
}

function technician(n: number): Actor {
  const id = toBase64Url(Buffer.alloc(16, n + 1));
  return { kind: 'member', id, name: `Technician ${n}`, address: '192.0.2.10' };
}

/** @param perAct entries one transaction writes @param clients transactions under way at a time */
async function append(perAct: number, clients: number, goal: number | null): Promise<BenchLine[]> {
  using folder = new TempFolder();
  const { store, audit } = await openAudit(folder.path);
  const detail = { permission: 'launch-remote-control', outcome: 'granted' };
  let left = ENTRIES / perAct;
  const client = async () => {
    while (left-- > 0) {
      await store.core.transaction(async tx => {
        for (let n = 0; n < perAct; n++)
          await audit.append(tx, { event: 'action.granted', actor: technician(n), detail });
      });
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  const value = Math.round(ENTRIES / ((performance.now() - startedAt) / 1000));
  await audit.close();
  await store.close();
  const bench = `audit-append-${perAct}`;
  return [
    {
      bench,
      value,
      unit: 'entries/s',
      against: null,
      other: null,
      ratio: null,
      goal,
      ok: goal === null || value >= goal,
    },
  ];
}

async function logQuery(): Promise<BenchLine[]> {
  using folder = new TempFolder();
  const { store, audit } = await openAudit(folder.path, false);
  const from = Date.UTC(2026, 0, 1);
  const stepMs = Math.floor((365 * 86_400_000) / QUERY_ENTRIES);
  for (let n = 0; n < QUERY_ENTRIES; n += 20_000) await fill(store, n, from, stepMs);
  const durations: number[] = [];
  for (let n = 0; n < 300; n++) {
    const week = from + Math.floor((n / 300) * 50) * 7 * 86_400_000;
    const startedAt = performance.now();
    const id = technician(n % TECHNICIANS).id ?? '';
    const found = await audit.search({ actorId: id, from: week, until: week + 7 * 86_400_000, limit: 1000 });
    durations.push(performance.now() - startedAt);
    if (found.length === 0) throw new RangeError('a week without entries');
  }
  const sizes = store.months().map(month => statSync(join(store.folder, `log-${month}.db`)).size);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  await audit.close();
  await store.close();
  const value = p99(durations);
  const common = { against: null, other: null, ratio: null };
  return [
    { bench: 'log-query', value, unit: 'ms p99', ...common, goal: 20, ok: value <= 20 },
    {
      bench: 'log-entry-size',
      value: Math.round(bytes / QUERY_ENTRIES),
      unit: 'B/entry',
      ...common,
      goal: null,
      ok: true,
    },
  ];
}

/** Words that stand in each entry, in every tenth, in one of a thousand. */
function wordsOf(n: number): string {
  const detail = {
    permission: 'launch-remote-control',
    outcome: n % 10 === 0 ? 'refused' : 'granted',
    computer: `PC-${n % 1009}`,
  };
  return JSON.stringify(detail);
}

/** Entries of a session, one of which is a line of its chat. */
const SESSION_ENTRIES = 30;
const GROUPS = 40;
const CUSTOMERS = 20_000;
const groupId = (n: number) => toBase64Url(Buffer.alloc(16, 100 + (n % GROUPS)));

/** A technician's week by words, and by words of the chat; a group's week; a customer's year. */
async function logSearch(): Promise<BenchLine[]> {
  using folder = new TempFolder();
  const { store, audit } = await openAudit(folder.path, false);
  const from = Date.UTC(2026, 0, 1);
  const stepMs = Math.floor((365 * 86_400_000) / QUERY_ENTRIES);
  const sessions = await makeSessions(store, from, stepMs);
  for (let n = 0; n < QUERY_ENTRIES; n += 20_000) await fill(store, n, from, stepMs, wordsOf, sessions);
  const index = new SearchIndex({ store, sessions: new SessionFacts(store), log: silentLog });
  const startedAt = performance.now();
  await index.work();
  const indexedIn = performance.now() - startedAt;
  const took = { words: [] as number[], without: [] as number[], chat: [] as number[] };
  const [ofGroup, ofCustomer]: [number[], number[]] = [[], []];
  for (let n = 0; n < 300; n++) {
    const since = from + Math.floor((n / 300) * 50) * WEEK_MS;
    const time = { from: since, until: since + WEEK_MS, limit: 100 };
    const week = { ...time, actorId: technician(n % TECHNICIANS).id ?? '', withChat: true };
    const text = ['control', 'refused', `PC-${n}`, 'refused PC-1*', 'technician granted'][n % 5] ?? '';
    const chat = ['printer', `case-${n}`, 'printer case-1*', '"the printer"', 'technician printer'][n % 5] ?? '';
    took.without.push(await timed(() => audit.find(week)));
    took.words.push(await timed(() => audit.find({ ...week, text })));
    took.chat.push(await timed(() => audit.find({ ...week, text: chat })));
    ofGroup.push(await timed(() => audit.find({ ...time, groupIds: [groupId(n)] })));
    ofCustomer.push(await timed(() => audit.find({ customer: `customer ${(n * 67) % CUSTOMERS} of`, limit: 100 })));
  }
  await index.close();
  await audit.close();
  await store.close();
  const other = p99(took.without);
  const line = (bench: string, durations: readonly number[], goal: number): BenchLine => {
    const value = p99(durations);
    const against = 'a technician’s week without words';
    const ratio = Number((value / other).toFixed(2));
    return { bench, value, unit: 'ms p99', against, other, ratio, goal, ok: value <= goal };
  };
  const speed = Math.round(QUERY_ENTRIES / (indexedIn / 1000));
  const common = { against: null, other: null, ratio: null, goal: null, ok: true };
  return [
    ...[line('log-search', took.words, 50), line('log-search-chat', took.chat, 50)],
    ...[line('log-search-group', ofGroup, 100), line('log-search-customer', ofCustomer, 250)],
    { ...common, bench: 'log-index', value: speed, unit: 'entries/s' },
  ];
}

interface FilledSessions {
  readonly ids: readonly SessionId[];
  /** Sealed, as the entry of the session's line has it. */
  readonly lines: readonly Uint8Array[];
}

/** With keys, names and what was said, sealed as ever. */
async function makeSessions(store: Store, from: number, stepMs: number): Promise<FilledSessions> {
  const count = Math.ceil(QUERY_ENTRIES / SESSION_ENTRIES);
  const ids = Array.from({ length: count }, () => sessionIdFrom(randomBytes(16)));
  const lines: Uint8Array[] = [];
  for (let first = 0; first < count; first += 1000) {
    const some = ids.slice(first, first + 1000);
    await Promise.all(some.map(id => store.sessionKeys.create(id)));
    const rows = some.map(async (id, k) => {
      const n = first + k;
      const customer = await sealCustomer(store.sessionKeys, id, { name: `Customer ${n % CUSTOMERS} of ${n % 17}` });
      const said = `The printer of case-${n % 1009} is out of paper`;
      lines[n] = await store.sessionKeys.seal(id, bodyLabel('log', n * SESSION_ENTRIES + 1), Buffer.from(said));
      const at = from + n * SESSION_ENTRIES * stepMs;
      return [id, 'closed', technician(n % TECHNICIANS).id, 'T', groupId(n), customer, at, at];
    });
    const columns = 'id, state, owner_id, owner_name, group_id, customer, created_at, state_at';
    const values = await Promise.all(rows);
    await store.core.transaction(tx => tx.insertMany(`INSERT INTO support_session (${columns})`, values));
  }
  return { ids, lines };
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return performance.now() - startedAt;
}

function p99(durations: readonly number[]): number {
  const sorted = durations.toSorted((a, b) => a - b);
  return Number((sorted[Math.floor(durations.length * 0.99)] ?? 0).toFixed(2));
}

/** Straight into the month files: the chain's hashes play no part in a query. */
async function fill(
  store: Store,
  first: number,
  from: number,
  stepMs: number,
  detailOf: (n: number) => string | null = () => null,
  sessions?: FilledSessions,
): Promise<void> {
  const byMonth = new Map<string, (string | number | null | Uint8Array)[][]>();
  for (let n = first; n < first + 20_000; n++) {
    const at = from + n * stepMs;
    const session = Math.floor(n / SESSION_ENTRIES);
    const { kind, id, name, address } = technician((sessions === undefined ? n : session) % TECHNICIANS);
    const line = n % SESSION_ENTRIES === 0 ? (sessions?.lines[session] ?? null) : null;
    const row = [
      n + 1,
      'log',
      at,
      line === null ? 'action.granted' : 'chat.line',
      kind,
      id,
      name,
      address,
      sessions?.ids[session] ?? null,
      null,
      detailOf(n),
      line,
      null,
      hashToBytes(NO_HASH),
    ];
    const rows = byMonth.get(monthOf(at)) ?? [];
    rows.push(row);
    byMonth.set(monthOf(at), rows);
  }
  for (const [month, rows] of byMonth) {
    const database = await store.month(month);
    await database.transaction(tx => tx.insertMany('INSERT INTO audit_entry', rows));
  }
}

export const benches: Benches = {
  'audit-append-1': () => append(1, 64, null),
  'audit-append-20': () => append(20, 64, 10_000),
  'audit-append-200': () => append(200, 8, null),
  'log-query': logQuery,
  'log-search': logSearch,
};
