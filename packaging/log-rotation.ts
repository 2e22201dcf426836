// Keeps <data>/log within bounds: a file over the limit becomes NAME.1, what was NAME.1 becomes NAME.2, and so on.
// Copied and cut rather than renamed, because pm2 keeps the files open (for appending): what is written between the
// copy and the cut, less than a millisecond, is lost. Evidence is in the audit log, not here.
import { copyFileSync, existsSync, readdirSync, renameSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

export const MAX_LOG_BYTES = 10 * 1024 * 1024;
export const KEPT_LOGS = 5;

/** Rotates each `*.log` in `folder` that has more than `maxBytes`. @returns their names */
export function rotateLogs(folder: string, maxBytes = MAX_LOG_BYTES, kept = KEPT_LOGS): string[] {
  const grown = readdirSync(folder).filter(
    name => name.endsWith('.log') && statSync(join(folder, name)).size > maxBytes,
  );
  for (const name of grown) {
    const path = join(folder, name);
    for (let age = kept - 1; age >= 1; age--) {
      if (existsSync(`${path}.${age}`)) renameSync(`${path}.${age}`, `${path}.${age + 1}`);
    }
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
  }
  return grown;
}
