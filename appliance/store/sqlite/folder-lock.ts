// One process only has a store open. The lock is an open write transaction on a file of its own: the operating system
// takes it back when the process dies, however it dies.
import { join } from 'node:path';
import { ApplianceError } from '../../errors.ts';
import type { Connection, Driver } from './driver.ts';

const WAIT_MS = 250; // a process that is just ending lets go within this

/** @returns closing it gives the lock back; throws ApplianceError `store.in-use` */
export async function lockFolder(driver: Driver, folder: string): Promise<Connection> {
  const connection = await driver.open(join(folder, 'writer.lock'), null, 'write');
  try {
    await connection.script(`PRAGMA busy_timeout = ${WAIT_MS}`);
    await connection.script('BEGIN IMMEDIATE');
    return connection;
  } catch (error) {
    await connection.close();
    if (!(error instanceof ApplianceError && error.code === 'store.busy')) throw error;
    throw new ApplianceError('unavailable', 'store.in-use', `another process has ${folder} open`, {
      hint: 'Stop the other portal first; only one process may write.',
      cause: error,
    });
  }
}
