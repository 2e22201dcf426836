// Forward-only migrations: `0001-name.sql` and on, each with its checksum in the file it changed. A file whose history
// differs from ours is refused, since nobody knows then what its tables mean.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplianceError, defect } from '../errors.ts';
import type { Database, Row } from './sql.ts';
import type { Connection } from './sqlite/driver.ts';

const FILE_NAME = /^(\d{4})-([a-z0-9-]+)\.sql$/;

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text, hex. */
  readonly checksum: string;
}

/** @param folder `migrations/core` and its like */
export function readMigrations(folder: string): Migration[] {
  const names = readdirSync(folder).filter(name => name.endsWith('.sql'));
  const migrations = names.sort().map(file => {
    const [, digits, name] = FILE_NAME.exec(file) ?? [];
    if (digits === undefined || name === undefined) throw defect(`a migration is not named ${file}`);
    const sql = readFileSync(join(folder, file), 'utf8');
    return { number: Number(digits), name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
  for (const [at, migration] of migrations.entries()) {
    if (migrations[at - 1]?.number === migration.number)
      throw defect(`two migrations are numbered ${migration.number}`);
  }
  return migrations;
}

/**
 * Brings a file up to date; each migration is one transaction with its own row in `migration`.
 * @returns the names of those applied now
 * @throws ApplianceError `store.migration-changed`, `store.newer` (made by a later release)
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  file: string,
  now: () => number,
): Promise<string[]> {
  await database.transaction(tx =>
    tx.run(`CREATE TABLE IF NOT EXISTS migration (
      number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
    ) STRICT`),
  );
  const rows = await database.read.all('SELECT number, name, checksum FROM migration ORDER BY number');
  checkHistory(rows, migrations, file);
  const applied = new Set(rows.map(row => row.number));
  const missing = migrations.filter(migration => !applied.has(migration.number));
  for (const { number, name, sql, checksum } of missing) {
    await database.transaction(async tx => {
      for (const statement of splitStatements(sql)) await tx.run(statement);
      await tx.run('INSERT INTO migration VALUES (?, ?, ?, ?)', [number, name, checksum, now()]);
    });
  }
  return missing.map(({ number, name }) => `${String(number).padStart(4, '0')}-${name}`);
}

/** Whether this release knows all that was done to a file. @throws ApplianceError `store.newer`, `store.migration-changed` */
export async function requireKnown(
  connection: Connection,
  migrations: readonly Migration[],
  file: string,
): Promise<void> {
  checkHistory(await connection.all('SELECT number, name, checksum FROM migration'), migrations, file);
}

function checkHistory(rows: readonly Row[], migrations: readonly Migration[], file: string): void {
  const known = new Map(migrations.map(migration => [migration.number, migration]));
  for (const row of rows) {
    const ours = known.get(Number(row.number));
    const label = `${file}: migration ${row.number} (${row.name})`;
    if (ours === undefined) {
      throw new ApplianceError('unavailable', 'store.newer', `${label} is unknown to this release`, {
        hint: 'A later release has worked on this store. Install that release, or restore a backup made before.',
      });
    }
    if (ours.checksum !== row.checksum) {
      throw new ApplianceError('unavailable', 'store.migration-changed', `${label} is not the one this release has`, {
        hint: 'The installation was changed by hand. Install the release again.',
      });
    }
  }
}

/**
 * Statements of a migration. Ours hold a semicolon only at a statement's end or within a comment; a trigger, whose body
 * holds some, ends with `END;` on a line of its own.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = [];
  let lines: string[] = [];
  for (const line of sql.split('\n')) {
    const code = line.replace(/--.*$/, '').trimEnd();
    if (code.trim() === '') continue;
    lines.push(code);
    const inTrigger = /^\s*CREATE\s+(TEMP\s+)?TRIGGER\b/i.test(lines[0] ?? '');
    const ends = inTrigger ? /^END;$/i.test(code.trim()) : code.endsWith(';');
    if (!ends) continue;
    statements.push(lines.join('\n'));
    lines = [];
  }
  if (lines.length > 0) throw defect('a migration ends within a statement');
  return statements;
}
