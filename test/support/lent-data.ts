// A data folder as `make-keys` and `demo-accounts` leave it, made once a day for what the checkout holds and copied for each
// appliance of a test: its keys and its accounts' passwords take seconds of processor time to make.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { lendRsaKeys } from './rsa-keys.ts';
import { runBin } from './run-bin.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, '.cache');
const PREFIX = 'test-data-';
const ACCOUNTS = 'accounts.json';
const DAY_MS = 86_400_000;

/** Fills a data folder that is not there yet or empty. @returns what `demo-accounts` printed, when accounts were wanted */
export async function lendDataFolder(dataFolder: string, withAccounts: boolean): Promise<string | undefined> {
  const kept = join(CACHE, `${PREFIX}${withAccounts ? 'accounts' : 'setup'}-${nameOfToday()}`);
  if (!existsSync(kept)) await keep(kept, withAccounts);
  cpSync(join(kept, 'data'), dataFolder, { recursive: true });
  return withAccounts ? readFileSync(join(kept, ACCOUNTS), 'utf8') : undefined;
}

/** Of the day, for certificates and log entries age, and of all that may have had a part in it. */
function nameOfToday(): string {
  const hash = createHash('sha256');
  const paths = ['appliance', 'migrations'].flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(name => join(folder, name)),
  );
  for (const path of [...paths, 'package-lock.json'].filter(name => /\.(ts|sql|json)$/.test(name)).sort()) {
    hash.update(`${path}\0`).update(readFileSync(join(ROOT, path)));
  }
  return `${new Date().toISOString().slice(0, 10)}-${hash.digest('hex').slice(0, 16)}`;
}

/** Beside it first, then in its place: several test processes may be at it, and the first one's stays. */
async function keep(kept: string, withAccounts: boolean): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  sweep();
  const made = mkdtempSync(`${kept}.`);
  const dataFolder = join(made, 'data');
  mkdirSync(join(dataFolder, 'run'), { recursive: true, mode: 0o700 });
  writeFileSync(join(dataFolder, 'appliance.yaml'), 'version: 1\n', { mode: 0o600 });
  await lendRsaKeys(dataFolder);
  await runBin('make-keys', dataFolder);
  if (withAccounts) writeFileSync(join(made, ACCOUNTS), await runBin('demo-accounts', dataFolder), { mode: 0o600 });
  try {
    renameSync(made, kept);
  } catch (error) {
    rmSync(made, { recursive: true });
    if (!existsSync(kept)) throw error;
  }
}

function sweep(): void {
  for (const name of readdirSync(CACHE).filter(one => one.startsWith(PREFIX))) {
    const path = join(CACHE, name);
    if (Date.now() - statSync(path).mtimeMs > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
}
