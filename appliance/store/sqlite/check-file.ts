// Reads a file from end to end: every page's HMAC, the B-trees, and how many rows each table has.
import { basename } from 'node:path';
import { ApplianceError } from '../../errors.ts';
import type { Connection, Driver } from './driver.ts';

export type TableCounts = Readonly<Record<string, number>>;

/** @throws ApplianceError `store.damaged`, `store.wrong-key` */
export async function checkFile(driver: Driver, path: string, key: Uint8Array): Promise<TableCounts> {
  const connection = await driver.open(path, key, 'read');
  try {
    // In this order: a page whose HMAC is wrong can't be read, and the second would end there without naming it.
    for (const check of ['PRAGMA cipher_integrity_check', 'PRAGMA quick_check']) {
      const rows = await connection.all(check);
      const faults = rows.map(row => String(Object.values(row)[0])).filter(text => text !== 'ok');
      if (faults.length > 0) throw damaged(path, faults);
    }
    return await countRows(connection);
  } finally {
    await connection.close();
  }
}

/** Of tables that have rows of their own: a virtual one's stand in others, and some can't be read through. */
async function countRows(connection: Connection): Promise<TableCounts> {
  const tables = await connection.all(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const quoted = `"${String(name).replaceAll('"', '""')}"`;
    const [row] = await connection.all(`SELECT count(*) AS n FROM ${quoted}`);
    counts[String(name)] = Number(row?.n);
  }
  return counts;
}

function damaged(path: string, faults: readonly string[]): ApplianceError {
  const text = `${basename(path)}: ${faults.slice(0, 3).join('; ')}`;
  return new ApplianceError('unavailable', 'store.damaged', text, {
    hint: 'A page of the file was changed or is unreadable. Restore the last backup.',
  });
}
