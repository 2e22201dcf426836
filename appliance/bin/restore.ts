// restore --from BACKUP --data DIR [--backup-key FILE] [--day-keys DIR]: puts a backup into a data folder. The appliance
// must be stopped. The store that was there is kept beside the new one.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { applianceActor } from '../audit/entry.ts';
import { systemClock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { createLog } from '../log.ts';
import { markStore } from '../portal/restoring.ts';
import { restoreBackup } from '../store/restore.ts';

const USAGE = 'usage: restore --from BACKUP-FOLDER --data DIR [--backup-key FILE] [--day-keys DIR]';
const log = createLog('restore', { least: 'warn', write: line => process.stderr.write(line) });
const migrations = join(import.meta.dirname, '../../migrations');

async function run(): Promise<number> {
  const option = { type: 'string' } as const;
  const { values } = parseArgs({ options: { from: option, data: option, 'backup-key': option, 'day-keys': option } });
  if (values.from === undefined || values.data === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const dataFolder = resolve(values.data);
  const restored = await restoreBackup({
    backup: resolve(values.from),
    dataFolder,
    identity: readIdentity(values['backup-key'] ?? join(dataFolder, 'keys', 'backup.key')),
    ...(values['day-keys'] ? { dayKeys: resolve(values['day-keys']) } : {}),
    now: Date.now(),
    // What happened after the backup is missing from its log: a new one goes on from there and says why.
    prepare: (store, { at, sessionKeysOf, erased }) => {
      const detail = { backupAt: at, sessionKeysOf, erased };
      const event = { event: 'store.restored', actor: applianceActor, detail };
      return markStore({ dataFolder, migrations, clock: systemClock, log }, store, event, null);
    },
  });
  process.stdout.write(`${JSON.stringify({ restored: true, ...restored })}\n`);
  if (restored.sessionKeysOf === null) {
    process.stderr.write('No backup of session keys could be opened: chat texts of earlier sessions stay sealed.\n');
  }
  return 0;
}

/** The age identity stands on a line of its own among comments. */
function readIdentity(path: string): string {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find(text => text.startsWith('AGE-SECRET-KEY-1'));
  if (line !== undefined) return line.trim();
  throw new ApplianceError('malformed', 'restore.no-key', `${path} holds no backup key`, {
    hint: 'Give --backup-key the file keys/backup.key of the appliance that made the backup.',
  });
}

try {
  process.exitCode = await run();
} catch (error) {
  const hint = error instanceof ApplianceError && error.hint !== '' ? `\n${error.hint}` : '';
  process.stderr.write(`${describeError(error)}${hint}\n`);
  process.exitCode = 1;
}
