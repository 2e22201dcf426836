// What a driver must do; each driver's test file runs all of it in a process of its own.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Connection, Driver } from '../../appliance/store/sqlite/driver.ts';
import { TempFolder } from '../support/temp-folder.ts';

interface Place {
  readonly driver: Driver;
  readonly path: string;
  readonly key: Buffer;
  readonly writer: Connection;
}

type Rule = (t: ExecutionContext, at: Place) => Promise<void>;

const rules: Record<string, Rule> = {
  'values come back as they went in': async (t, { writer }) => {
    await writer.script('CREATE TABLE v (id INTEGER PRIMARY KEY, a) ');
    const values = ['', 'ü € 𝄞 \u0001', 0, -1, 2 ** 53 - 1, 1.5, null];
    await writer.insertMany(
      'INSERT INTO v (a)',
      values.map(value => [value]),
    );
    await writer.run('INSERT INTO v (a) VALUES (?)', [Buffer.from([0, 255, 7])]);
    const rows = await writer.all('SELECT a FROM v ORDER BY id');
    t.deepEqual(
      rows.slice(0, -1).map(row => row.a),
      values,
    );
    t.deepEqual(Buffer.from(rows.at(-1)?.a as Uint8Array), Buffer.from([0, 255, 7]));
  },
  'changes are counted': async (t, { writer }) => {
    await writer.script('CREATE TABLE v (a INTEGER PRIMARY KEY)');
    t.deepEqual(await writer.insertMany('INSERT INTO v', [[1], [2], [3]]), { changes: 3 });
    t.deepEqual(await writer.insertMany('INSERT OR IGNORE INTO v', [[3], [4]]), { changes: 1 });
    await writer.run('DELETE FROM v WHERE a > 3');
    t.deepEqual(await writer.run('DELETE FROM v WHERE a > ?', [1]), { changes: 2 });
    t.deepEqual(await writer.run('DELETE FROM v WHERE a > ?', [1]), { changes: 0 });
  },
  'rows go in together, in their order, however many there are': async (t, { writer }) => {
    await writer.script('CREATE TABLE v (id INTEGER PRIMARY KEY, a TEXT, b BLOB)');
    const rows = Array.from({ length: 1003 }, (_, n) => [n, `text ${n}`, Buffer.of(n % 256)]);
    t.deepEqual(await writer.insertMany('INSERT INTO v (id, a, b)', rows), { changes: 1003 });
    const found = await writer.all('SELECT id, a, b FROM v ORDER BY rowid');
    t.deepEqual(
      found.map(({ id, a, b }) => [id, a, Buffer.from(b as Uint8Array)]),
      rows,
    );
    t.deepEqual(await writer.insertMany('INSERT INTO v (id, a, b)', []), { changes: 0 });
    const ragged = [
      [2000, 'x', null],
      [2001, 'y'],
    ];
    await t.throwsAsync(writer.insertMany('INSERT INTO v (id, a, b)', ragged), { code: 'appliance.defect' });
  },
  'constraints have codes, and undo their statement only': async (t, { writer }) => {
    await writer.script('CREATE TABLE p (a INTEGER PRIMARY KEY CHECK (a < 9)); CREATE TABLE c (a REFERENCES p (a))');
    await writer.run('BEGIN IMMEDIATE');
    await writer.run('INSERT INTO p VALUES (1)');
    await t.throwsAsync(writer.run('INSERT INTO p VALUES (1)'), { code: 'store.unique' });
    await t.throwsAsync(writer.run('INSERT INTO p VALUES (?)', [10]), { code: 'store.constraint' });
    await t.throwsAsync(writer.run('INSERT INTO c VALUES (?)', [2]), { code: 'store.foreign-key' });
    await writer.run('COMMIT');
    t.deepEqual(await writer.all('SELECT a FROM p'), [{ a: 1 }]);
  },
  'a wrong key and no key are refused': async (t, { driver, path }) => {
    for (const key of [randomBytes(32), null]) {
      await t.throwsAsync(driver.open(path, key, 'read'), { code: 'store.wrong-key' });
    }
  },
  'a reader sees what is committed and can change nothing': async (t, { driver, path, key, writer }) => {
    await writer.script('CREATE TABLE v (a INTEGER)');
    const reader = await driver.open(path, key, 'read');
    await writer.run('BEGIN IMMEDIATE');
    await writer.run('INSERT INTO v VALUES (1)');
    t.deepEqual(await reader.all('SELECT a FROM v'), []);
    await writer.run('COMMIT');
    t.deepEqual(await reader.all('SELECT a FROM v'), [{ a: 1 }]);
    await t.throwsAsync(reader.run('INSERT INTO v VALUES (2)'), { code: 'store.read-only' });
    await reader.close();
  },
  'durable, private in memory, and thorough in deleting': async (t, { writer }) => {
    const setting = async (name: string) => Object.values((await writer.all(`PRAGMA ${name}`))[0] ?? {})[0];
    t.is(await setting('journal_mode'), 'wal');
    t.is(await setting('synchronous'), 2);
    t.is(await setting('secure_delete'), 1);
    t.is(await setting('temp_store'), 2);
    t.is(await setting('foreign_keys'), 1);
  },
  'a consistent copy is made while another writes, under the same key': async (t, { driver, path, key, writer }) => {
    await writer.script('CREATE TABLE v (a INTEGER); INSERT INTO v VALUES (1)');
    await writer.run('BEGIN IMMEDIATE');
    await writer.run('INSERT INTO v VALUES (2)');
    const copier = await driver.open(path, key, 'copy');
    await copier.run('VACUUM INTO ?', [`${path}.copy`]);
    await copier.close();
    await writer.run('COMMIT');
    const copy = await driver.open(`${path}.copy`, key, 'read');
    t.deepEqual(await copy.all('SELECT a FROM v'), [{ a: 1 }]);
    await copy.close();
    t.false(readFileSync(`${path}.copy`).toString('latin1').includes('CREATE TABLE'));
  },
  'the other library opens the same file': async (t, { path, key, writer, driver }) => {
    await writer.script("CREATE TABLE v (a TEXT); INSERT INTO v VALUES ('read by both')");
    const other = driver.name === 'sqlcipher' ? 'multiple-ciphers' : 'sqlcipher';
    const script = join(import.meta.dirname, 'read-with.ts');
    const printed = execFileSync(process.execPath, [script, other, path, key.toString('hex')], { encoding: 'utf8' });
    t.deepEqual(JSON.parse(printed), [{ a: 'read by both' }]);
  },
};

/** Titles and bodies of the contract, for `test()`. */
export function contractOf(driver: Driver): [title: string, body: (t: ExecutionContext) => Promise<void>][] {
  return Object.entries(rules).map(([rule, check]) => [
    `B-05 ${driver.name}: ${rule}`,
    async t => {
      using folder = new TempFolder();
      const path = join(folder.path, 'contract.db');
      const key = randomBytes(32);
      const writer = await driver.open(path, key, 'write');
      await writer.script('CREATE TABLE first (a INTEGER)');
      try {
        await check(t, { driver, path, key, writer });
      } finally {
        await writer.close();
      }
    },
  ]);
}
