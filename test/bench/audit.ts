// Durable entries a second (each act its own fsync group) and how fast a technician's week is found in millions.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog, monthOf } from '../../appliance/audit/audit.ts';
import { type Actor, hashToBytes, NO_HASH } from '../../appliance/audit/entry.ts';
import { systemClock } from '../../appliance/clock.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from '../support/audit.ts';
import type { Benches, BenchLine } from '../support/bench-line.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';

const ENTRIES = 20_000;
const QUERY_ENTRIES = 5_000_000;
const TECHNICIANS = 200;

async function openAudit(folder: string) {
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
  const audit = new AuditLog({ store, signer: new TestHeadSigner(), config, ...shared });
  await audit.start();
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
  const { store, audit } = await openAudit(folder.path);
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
  await audit.close(); // or its mover goes on by the clock, and the process never ends
  await store.close();
  const value = Number((durations.sort((a, b) => a - b)[Math.floor(durations.length * 0.99)] ?? 0).toFixed(2));
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

/** Straight into the month files: the chain's hashes play no part in a query. */
async function fill(store: Store, first: number, from: number, stepMs: number): Promise<void> {
  const byMonth = new Map<string, (string | number | null | Uint8Array)[][]>();
  for (let n = first; n < first + 20_000; n++) {
    const at = from + n * stepMs;
    const { kind, id, name, address } = technician(n % TECHNICIANS);
    const row = [
      n + 1,
      'log',
      at,
      'action.granted',
      kind,
      id,
      name,
      address,
      null,
      null,
      null,
      null,
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
};
