// Proves on this machine that the encrypted store is one: the add-on loads, a keyed table is written and read back, a
// wrong key is refused, and the file holds no plain text. `doctor` runs it.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplianceError, defect } from '../errors.ts';
import { checkFile } from './sqlite/check-file.ts';
import { sqlcipherDriver } from './sqlite/sqlcipher-driver.ts';

export interface SelfTest {
  /** Version of SQLCipher as it tells itself. */
  readonly cipherVersion: string;
}

/**
 * @param folder an empty one; the caller removes it
 * @throws ApplianceError `store.self-test` naming what did not hold
 */
export async function testStore(folder: string): Promise<SelfTest> {
  const path = join(folder, 'self-test.db');
  const [key, marker] = [randomBytes(32), randomBytes(16).toString('hex')];
  const writer = await sqlcipherDriver.open(path, key, 'write');
  const [version] = await writer.all('PRAGMA cipher_version');
  await writer.script('CREATE TABLE self_test (a TEXT) STRICT');
  await writer.run('INSERT INTO self_test VALUES (?)', [marker]);
  await writer.close();
  const reader = await sqlcipherDriver.open(path, key, 'read');
  const [row] = await reader.all('SELECT a FROM self_test');
  await reader.close();
  if (row?.a !== marker) throw failed('what was written is not read back');
  if (readFileSync(path).includes(marker)) throw failed('the file holds plain text');
  await expectRefusal(path);
  return { cipherVersion: String(version?.cipher_version ?? '') };
}

/**
 * Reads one file of a store from end to end: every page's HMAC, every B-tree.
 * @throws ApplianceError `store.damaged`, `store.wrong-key`
 */
export async function checkStoreFile(path: string, key: Uint8Array): Promise<void> {
  await checkFile(sqlcipherDriver, path, key);
}

async function expectRefusal(path: string): Promise<void> {
  try {
    const connection = await sqlcipherDriver.open(path, randomBytes(32), 'read');
    await connection.close();
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'store.wrong-key') return;
    throw error;
  }
  throw failed('a wrong key opens the file');
}

function failed(what: string): ApplianceError {
  return new ApplianceError('defect', 'store.self-test', what, {
    hint: 'The SQLCipher add-on was built wrongly. Run packaging/prepare again.',
    cause: defect(what),
  });
}
