import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import type { ApplianceError } from '../../appliance/errors.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { checkStoreFile } from '../../appliance/store/self-test.ts';
import { DatabaseFile } from '../../appliance/store/sqlite/database-file.ts';
import { sqlcipherDriver } from '../../appliance/store/sqlite/sqlcipher-driver.ts';
import { Store } from '../../appliance/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MIGRATIONS, openTestStore } from '../support/store.ts';
import { killWriters } from '../support/store-kills.ts';
import { TempFolder } from '../support/temp-folder.ts';

const PAGE_BYTES = 4096;
const FLIPS = Number(process.env.FLIPS ?? 25);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const byteOfPage = fc.integer({ min: 0, max: PAGE_BYTES - 1 });

/** Writes the file anew with one bit of one page (from 1) turned over. */
function flip(path: string, whole: Buffer, page: number, offset: number): void {
  const content = Buffer.from(whole);
  const at = (page - 1) * PAGE_BYTES + offset;
  content[at] = (content[at] ?? 0) ^ 1;
  writeFileSync(path, content);
}

/** Code of the error it ends with, or null. */
function codeOf(act: Promise<unknown>): Promise<string | null> {
  return act.then(
    () => null,
    error => (error as ApplianceError).code,
  );
}

const ROUNDS = Number(process.env.ROUNDS ?? 5);

test(`G-03 a writer killed ${ROUNDS} times loses nothing that was acknowledged, and its log stays whole`, async t => {
  using folder = new TempFolder();
  const kills = await killWriters(join(folder.path, 'store'), ROUNDS);
  t.true(kills.acknowledged >= ROUNDS);
  t.like(kills, { lost: 0, torn: 0, chainHolds: true, integrity: 'ok' });
});

test(`B-05 a flipped byte in a page is found and named, and nothing is read from that page (seed ${SEED})`, async t => {
  const at = await openTestStore();
  await at.store.core.transaction(async tx => {
    for (let n = 0; n < 2000; n++) await at.store.settings.set(tx, `s${n}`, 'x'.repeat(200));
  });
  await at.store.close();
  const path = join(at.folder, 'core.db');
  const whole = readFileSync(path);
  const pages = whole.length / PAGE_BYTES;
  for (const [page, offset] of fc.sample(fc.tuple(fc.integer({ min: 2, max: pages }), byteOfPage), {
    seed: SEED,
    numRuns: FLIPS,
  })) {
    flip(path, whole, page, offset);
    const found = await t.throwsAsync(checkStoreFile(path, at.keys.store), { code: 'store.damaged' });
    // Where the list of tables itself stands on the page, the file doesn't open: then the file alone is named.
    const opens = await codeOf(sqlcipherDriver.open(path, at.keys.store, 'read').then(file => file.close()));
    const named = opens === null ? `: HMAC verification failed for page ${page}$` : ': SQLITE_CORRUPT: ';
    t.regex(String(found?.message), new RegExp(`^core\\.db${named}`, 'm'), `page ${page}, offset ${offset}`);
  }
});

test('B-05 a flipped byte: what stands on that page is refused as damaged; other pages are read and written', async t => {
  const at = await openTestStore();
  const name = (n: number) => `s${String(n).padStart(5, '0')}`;
  await at.store.core.transaction(async tx => {
    for (let n = 0; n < 2000; n++) await at.store.settings.set(tx, name(n), 'x'.repeat(200));
  });
  await at.store.close();
  const path = join(at.folder, 'core.db');
  const whole = readFileSync(path);
  flip(path, whole, whole.length / PAGE_BYTES - 10, 100);
  const file = await DatabaseFile.open(sqlcipherDriver, path, at.keys.store);
  const change = (n: number) =>
    file.transaction(tx => tx.run('UPDATE setting SET changed_at = 7 WHERE name = ?', [name(n)]));
  let damaged = 0;
  for (let n = 0; n < 2000; n++) {
    const read = await codeOf(file.read.get('SELECT value FROM setting WHERE name = ?', [name(n)]));
    t.is(await codeOf(change(n)), read);
    if (read === null) continue;
    t.is(read, 'store.damaged');
    damaged += 1;
  }
  t.true(damaged > 0 && damaged < 200, `${damaged} of 2000`);
  await file.close();
});

test('B-05 a flipped byte in the first page looks like a wrong key, and the hint says both', async t => {
  const at = await openTestStore();
  await at.store.close();
  const path = join(at.folder, 'core.db');
  flip(path, readFileSync(path), 1, 100);
  const refused = await t.throwsAsync(checkStoreFile(path, at.keys.store), { code: 'store.wrong-key' });
  t.regex((refused as ApplianceError).hint, /first page is damaged/);
});

test('B-05 a full disk refuses what does not fit, keeps what was committed, and goes on once there is room', async t => {
  using folder = new TempFolder();
  const disk = join(folder.path, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
  try {
    const keys = { store: Buffer.alloc(32, 1), keyEncryption: Buffer.alloc(32, 2) };
    const clock = new ManualClock();
    const options = { folder: join(disk, 'store'), keys, migrations: MIGRATIONS, clock, log: silentLog };
    const store = await Store.open({ ...options, metrics: new Metrics() });
    const write = (n: number) =>
      store.core.transaction(tx => store.settings.set(tx, `s${n}`, `${n} ${'x'.repeat(60_000)}`));
    let written = 0;
    const refusal = await t.throwsAsync(async () => {
      for (; written < 500; written++) await write(written);
    });
    t.regex(String((refusal as Error & { code?: string }).code), /^store\.(full|io)$/);
    t.true(written > 0);
    const rows = await store.core.read.all("SELECT name FROM setting WHERE name LIKE 's%'");
    t.is(rows.length, written);
    execFileSync('mount', ['-o', 'remount,size=40m', disk]);
    await write(9999);
    await store.close();
  } finally {
    execFileSync('umount', [disk]);
  }
});

test('B-05 a folder that is read-only or not ours is refused with a clear word', async t => {
  using folder = new TempFolder();
  const disk = join(folder.path, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', disk]);
  const keys = { store: Buffer.alloc(32, 1), keyEncryption: Buffer.alloc(32, 2) };
  const options = { keys, migrations: MIGRATIONS, clock: new ManualClock(), log: silentLog, metrics: new Metrics() };
  try {
    await t.throwsAsync(Store.open({ ...options, folder: join(disk, 'store') }), { code: 'store.cannot-open' });
  } finally {
    execFileSync('umount', [disk]);
  }
});

test('A-03 as another user of the machine no file of the store can be read', async t => {
  const at = await openTestStore();
  const folder = join(at.folder, '..');
  chmodSync(folder, 0o755); // the parent alone must not be what protects them
  chownSync(folder, 0, 0);
  t.is(statSync(at.folder).mode & 0o777, 0o700);
  const stranger = ['--reuid=65533', '--regid=65533', '--clear-groups', 'cat', join(at.folder, 'core.db')];
  const error = t.throws(() => execFileSync('setpriv', stranger, { stdio: 'pipe' }));
  t.regex(String(error), /Permission denied/);
  await at.close();
});
