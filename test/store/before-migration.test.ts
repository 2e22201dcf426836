// A start of a new release that fails in the middle of its migrations: the release before goes on with the store as it was.
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Store } from '../../appliance/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';

const ADDED = 'CREATE TABLE added (id INTEGER NOT NULL PRIMARY KEY) STRICT;\n';

async function open(t: ExecutionContext) {
  const folder = new TempFolder();
  t.teardown(() => folder[Symbol.dispose]());
  const keys = { store: randomBytes(32), keyEncryption: randomBytes(32) };
  const parts = { clock: new ManualClock(), log: silentLog, metrics: new Metrics() };
  const store = join(folder.path, 'store');
  const start = (migrations: string) =>
    Store.open({ folder: store, keys, migrations, ...parts, metrics: new Metrics() });
  /** A release with more migrations than ours. */
  const release = (name: string, more: Readonly<Record<string, string>>) => {
    const made = join(folder.path, name);
    cpSync(MIGRATIONS, made, { recursive: true });
    for (const [path, sql] of Object.entries(more)) writeFileSync(join(made, path), sql);
    return made;
  };
  const first = await start(MIGRATIONS);
  await first.core.transaction(tx => tx.run(`INSERT INTO setting VALUES ('kept', '"yes"', 1)`));
  await first.month('202601');
  await first.close();
  const isAsBefore = async () => {
    const again = await start(MIGRATIONS);
    const row = await again.core.read.get(`SELECT value FROM setting WHERE name = 'kept'`);
    const added = await again.core.read.get(`SELECT name FROM sqlite_master WHERE name = 'added'`);
    await again.close();
    return row?.value === '"yes"' && added === undefined && !existsSync(join(store, 'before-migration'));
  };
  return { store, start, release, isAsBefore };
}

const broken = 'CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n';
for (const file of ['core', 'keys', 'log'] as const) {
  test(`A-06 J-05 a migration of ${file} that fails after others went well leaves the store to the release before`, async t => {
    const { start, release, isAsBefore, store } = await open(t);
    const next = release('next', { 'core/8000-added.sql': ADDED, [`${file}/9000-broken.sql`]: broken });
    await t.throwsAsync(start(next));
    t.true(await isAsBefore());
    const good = release('good', { 'core/8000-added.sql': ADDED });
    const migrated = await start(good);
    t.truthy(await migrated.core.read.get(`SELECT name FROM sqlite_master WHERE name = 'added'`));
    await migrated.close();
    t.false(existsSync(join(store, 'before-migration')), 'no copy lives on');
    await t.throwsAsync(start(MIGRATIONS), { code: 'store.newer' });
  });
}

test('A-06 J-05 a start that was killed between two migrations is undone by the next one', async t => {
  const { start, release, isAsBefore, store } = await open(t);
  // As a kill leaves it: the copies whole, the file already changed.
  const copies = join(store, 'before-migration');
  cpSync(join(store, 'core.db'), join(store, 'saved'));
  await (await start(release('next', { 'core/8000-added.sql': ADDED }))).close();
  mkdirSync(copies);
  renameSync(join(store, 'saved'), join(copies, 'core.db'));
  t.true(await isAsBefore());
});
