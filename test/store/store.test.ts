import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { ApplianceError } from '../../appliance/errors.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { readLedger } from '../../appliance/store/erasure-ledger.ts';
import { migrate, readMigrations, splitStatements } from '../../appliance/store/migrations.ts';
import { Store } from '../../appliance/store/store.ts';
import { MIGRATIONS, openTestStore, type TestStore } from '../support/store.ts';

const insert = 'INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?)';
const count = async (at: TestStore) => (await at.store.core.read.get('SELECT count(*) AS n FROM setting'))?.n;

test('B-05 what is committed is read back by the pool, and what throws leaves nothing', async t => {
  const at = await openTestStore();
  await at.store.core.transaction(tx => tx.run(insert, ['a', '1', 1]));
  const undone: string[] = [];
  const thrown = await t.throwsAsync(
    at.store.core.transaction(async tx => {
      await tx.run(insert, ['b', '1', 1]);
      tx.afterRollback(() => undone.push('first'));
      tx.afterRollback(() => undone.push('second'));
      throw new ApplianceError('refused', 'test.stop', 'stop');
    }),
  );
  t.is(thrown.message, 'stop');
  t.deepEqual(undone, ['second', 'first']);
  t.is(await count(at), 1);
  await at.close();
});

test('B-05 transactions of one group fail on their own', async t => {
  const at = await openTestStore();
  const results = await Promise.allSettled(
    Array.from({ length: 600 }, (_, n) =>
      at.store.core.transaction(async tx => {
        await tx.run(insert, [`s${n % 500}`, '1', 1]); // the last hundred break the primary key
        return n;
      }),
    ),
  );
  t.is(results.filter(result => result.status === 'fulfilled').length, 500);
  const refused = results.find(result => result.status === 'rejected');
  t.is(refused?.status === 'rejected' && refused.reason.code, 'store.unique');
  t.is(await count(at), 500);
  await at.close();
});

test('B-05 a transaction within a transaction is a defect, not a deadlock', async t => {
  const at = await openTestStore();
  const error = await t.throwsAsync(
    at.store.core.transaction(() => at.store.core.transaction(tx => tx.run(insert, ['a', '1', 1]))),
    { instanceOf: ApplianceError },
  );
  t.is(error.kind, 'defect');
  await at.close();
});

test('B-05 a statement after its transaction has ended is refused', async t => {
  const at = await openTestStore();
  let late: (() => Promise<unknown>) | undefined;
  await at.store.core.transaction(async tx => {
    late = () => tx.run(insert, ['late', '1', 1]);
  });
  await t.throwsAsync(async () => late?.(), { message: /after its transaction/ });
  t.is(await count(at), 0);
  await at.close();
});

test('B-05 what an act leaves for its end is written with it, or takes it back and no other', async t => {
  const at = await openTestStore();
  const write = (name: string, last: () => Promise<void> = async () => undefined) =>
    at.store.core.transaction(async tx => {
      tx.beforeEnd(async () => {
        await tx.run(insert, [`${name}-last`, '1', 1]);
        await last();
      });
      await tx.run(insert, [name, '1', 1]);
    });
  const failed = write('b', async () => {
    throw new Error('the last step failed');
  });
  const others = [write('a'), write('c')];
  await t.throwsAsync(failed, { message: 'the last step failed' });
  await Promise.all(others);
  const rows = await at.store.core.read.all('SELECT name FROM setting ORDER BY name');
  t.deepEqual(
    rows.map(({ name }) => name),
    ['a', 'a-last', 'c', 'c-last'],
  );
  await at.close();
});

test('B-05 reads see a snapshot while a transaction is open', async t => {
  const at = await openTestStore();
  await at.store.core.transaction(async tx => {
    await tx.run(insert, ['a', '1', 1]);
    t.is(await count(at), 0);
  });
  t.is(await count(at), 1);
  await at.close();
});

test('B-05 files are private, and neither strings nor a plain sqlite3 finds text of ours in them', async t => {
  const at = await openTestStore();
  const marker = 'marker-of-a-customer-9f31';
  await at.store.core.transaction(tx => tx.run(insert, ['a', JSON.stringify(marker), 1]));
  await at.store.month('202606');
  const files = readdirSync(at.folder).filter(name => name !== 'writer.lock' && !name.endsWith('.jsonl'));
  t.true(files.includes('core.db') && files.includes('log-202606.db') && files.includes('keys.db'));
  for (const name of files) {
    const path = join(at.folder, name);
    t.is(statSync(path).mode & 0o077, 0, `${name} is readable by others`);
    const content = readFileSync(path).toString('latin1');
    for (const text of [marker, 'CREATE TABLE', 'SQLite format 3', 'setting']) {
      t.false(content.includes(text), `${name} holds ${text}`);
    }
  }
  const plain = spawnSync('sqlite3', [join(at.folder, 'core.db'), 'SELECT * FROM setting'], { encoding: 'utf8' });
  t.not(plain.status, 0);
  t.regex(plain.stderr, /not a database/);
  await at.close();
});

test('B-05 a wrong key is refused at the start and changes nothing', async t => {
  const at = await openTestStore();
  await at.store.close();
  const before = readFileSync(join(at.folder, 'core.db'));
  const keys = { ...at.keys, store: randomBytes(32) };
  const options = { folder: at.folder, keys, migrations: MIGRATIONS, clock: at.clock, log: silentLog };
  const open = Store.open({ ...options, metrics: new Metrics() });
  await t.throwsAsync(open, { code: 'store.wrong-key' });
  t.deepEqual(readFileSync(join(at.folder, 'core.db')), before);
});

test('B-05 a second process is refused, not queued', async t => {
  const at = await openTestStore();
  const options = { folder: at.folder, keys: at.keys, migrations: MIGRATIONS, clock: at.clock, log: silentLog };
  await t.throwsAsync(Store.open({ ...options, metrics: new Metrics() }), { code: 'store.in-use' });
  await at.close();
});

test('B-05 settings are read through a schema', async t => {
  const at = await openTestStore();
  const schema = z.strictObject({ days: z.int() });
  t.is(await at.store.settings.get('retention', schema), undefined);
  await at.store.core.transaction(tx => at.store.settings.set(tx, 'retention', { days: 730 }));
  await at.store.core.transaction(tx => at.store.settings.set(tx, 'retention', { days: 731 }));
  t.deepEqual(await at.store.settings.get('retention', schema), { days: 731 });
  await t.throwsAsync(at.store.settings.get('retention', z.string()), { code: 'settings.malformed' });
  await at.close();
});

test('B-05 what is sealed under a session opens with that session and what it belongs to only', async t => {
  const at = await openTestStore();
  const [one, other] = [sessionIdFrom(randomBytes(16)), sessionIdFrom(randomBytes(16))];
  await at.store.sessionKeys.create(one);
  await at.store.sessionKeys.create(other);
  const sealed = await at.store.sessionKeys.seal(one, 'chat 1', Buffer.from('hello'));
  t.is(Buffer.from(await at.store.sessionKeys.open(one, 'chat 1', sealed)).toString(), 'hello');
  await t.throwsAsync(at.store.sessionKeys.open(one, 'chat 2', sealed), { code: 'session-key.tampered' });
  await t.throwsAsync(at.store.sessionKeys.open(other, 'chat 1', sealed), { code: 'session-key.tampered' });
  await t.throwsAsync(at.store.sessionKeys.open(one, 'chat 1', sealed.subarray(0, 10)), {
    code: 'session-key.tampered',
  });
  await at.close();
});

test('B-05 destroying a key leaves it in no file, cache or write-ahead log, and in the ledger', async t => {
  const at = await openTestStore();
  const id = sessionIdFrom(randomBytes(16));
  await at.store.sessionKeys.create(id);
  const sealed = await at.store.sessionKeys.seal(id, 'chat 1', Buffer.from('hello'));
  await at.store.sessionKeys.destroy(id);
  await t.throwsAsync(at.store.sessionKeys.open(id, 'chat 1', sealed), { code: 'session-key.destroyed' });
  t.is(statSync(join(at.folder, 'keys.db-wal')).size, 0);
  t.deepEqual(readLedger(join(at.folder, 'erasure-ledger.jsonl')), [{ sessionId: id, at: at.clock.now() }]);
  await at.close();
});

test('A-06 a history that differs and one that is newer are refused', async t => {
  const at = await openTestStore();
  const migrations = readMigrations(join(MIGRATIONS, 'core'));
  t.deepEqual(await migrate(at.store.core, migrations, 'core.db', () => 1), []);
  const [first, ...rest] = migrations;
  if (first === undefined) return t.fail('no migrations');
  const changed = [{ ...first, checksum: 'other' }, ...rest];
  await t.throwsAsync(
    migrate(at.store.core, changed, 'core.db', () => 1),
    { code: 'store.migration-changed' },
  );
  await t.throwsAsync(
    migrate(at.store.core, rest, 'core.db', () => 1),
    { code: 'store.newer' },
  );
  await at.close();
});

test('A-06 a migration that fails half way leaves nothing of itself', async t => {
  const at = await openTestStore();
  const migrations = readMigrations(join(MIGRATIONS, 'core'));
  const sql = 'CREATE TABLE half (a INTEGER) STRICT;\nCREATE TABLE setting (a INTEGER) STRICT;';
  const broken = [...migrations, { number: 9000, name: 'broken', sql, checksum: 'x' }];
  await t.throwsAsync(migrate(at.store.core, broken, 'core.db', () => 1));
  const left = await at.store.core.read.all("SELECT name FROM sqlite_schema WHERE name = 'half'");
  t.deepEqual(left, []);
  await at.close();
});

test('A-06 a migration is split at the ends of its statements', t => {
  const sql =
    '-- one; two\nCREATE TABLE a (\n  b TEXT -- c;\n);\nCREATE TRIGGER x AFTER INSERT ON a BEGIN\n  SELECT 1;\nEND;\n';
  t.deepEqual(splitStatements(sql), [
    'CREATE TABLE a (\n  b TEXT\n);',
    'CREATE TRIGGER x AFTER INSERT ON a BEGIN\n  SELECT 1;\nEND;',
  ]);
  t.throws(() => splitStatements('CREATE TABLE a (b TEXT)'), { message: /within a statement/ });
});
