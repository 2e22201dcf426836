// Kills a writing process at random moments and counts what it had been told was durable and is not there.
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { exportLog } from '../../appliance/audit/export.ts';
import { LogVerifier } from '../../appliance/audit/verify.ts';
import { describeError } from '../../appliance/errors.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { checkStoreFile } from '../../appliance/store/self-test.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from './audit.ts';
import { ManualClock } from './manual-clock.ts';
import { MIGRATIONS } from './store.ts';

/** They go in by several statements: 4 rows, then 2, then 1. */
export const ENTRIES_PER_ACT = 7;

export interface Kills {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** Settings without all of their entries, or the other way round. */
  readonly torn: number;
  readonly chainHolds: boolean;
  /** Every page of every file has its HMAC, every B-tree is whole. */
  /** `ok`, or what is wrong. */
  readonly integrity: string;
}

export async function killWriters(folder: string, rounds: number): Promise<Kills> {
  const key = randomBytes(32);
  const acknowledged = new Set<number>();
  for (let round = 0; round < rounds; round++)
    await killOne(folder, key, acknowledged, 1 + Math.max(0, ...acknowledged));
  const clock = new ManualClock();
  const options = { folder, migrations: MIGRATIONS, clock, log: silentLog, metrics: new Metrics() };
  const integrity = await checkFiles(folder, key); // as the last kill has left them, before anything mends them
  const store = await Store.open({ ...options, keys: { store: key, keyEncryption: key } });
  try {
    const rows = await store.core.read.all("SELECT value FROM setting WHERE name LIKE 'n%'");
    const written = new Set(rows.map(row => Number(row.value)));
    const config = { headEveryEntries: 1, headEverySeconds: 1 };
    const signer = new TestHeadSigner();
    const audit = new AuditLog({ sessions: new SessionFacts(store), store, signer, clock, log: silentLog, config });
    await audit.start();
    await audit.move();
    const entries = await audit.search({ limit: 1_000_000 });
    // What was committed and not yet told of is done again by the next writer, whole.
    const bySubject = Object.groupBy(entries, ({ entry }) => String(entry.subject));
    const whole = Object.entries(bySubject).filter(([, its]) => (its?.length ?? 0) % ENTRIES_PER_ACT === 0);
    const logged = new Set(whole.map(([subject]) => Number(subject)));
    return {
      rounds,
      acknowledged: acknowledged.size,
      lost: [...acknowledged].filter(n => !written.has(n)).length,
      torn: [...written.symmetricDifference(logged)].length,
      chainHolds: await chainHolds(store, signer),
      integrity,
    };
  } finally {
    await store.close();
  }
}

async function checkFiles(folder: string, key: Buffer): Promise<string> {
  try {
    for (const name of readdirSync(folder).filter(file => file.endsWith('.db'))) {
      await checkStoreFile(join(folder, name), key);
    }
    return 'ok';
  } catch (error) {
    return describeError(error);
  }
}

async function killOne(folder: string, key: Buffer, acknowledged: Set<number>, first: number): Promise<void> {
  const script = join(import.meta.dirname, '../faults/store-writer.ts');
  const child = spawn(process.execPath, [script, folder, key.toString('hex'), String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const untilKill = randomInt(1, 400); // acknowledged rows to wait for: no sleeping, and every moment gets its turn
  let seen = 0;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter(text => text !== 'open')) acknowledged.add(Number(line));
    seen += lines.length;
    if (seen >= untilKill) child.kill('SIGKILL');
  });
  await once(child, 'close');
}

async function chainHolds(store: Store, signer: TestHeadSigner): Promise<boolean> {
  const key = signer.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const verifier = new LogVerifier(key);
  for await (const line of exportLog(store)) if (!line.startsWith('{"type":"head"')) verifier.line(line);
  return verifier.finish().problems.every(problem => problem.code === 'no-head');
}
