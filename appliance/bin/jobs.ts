// Process `jobs`: what runs by the clock. It asks the portal to act and holds no key.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { BackupJob } from '../jobs/backup-job.ts';
import { PortalClient } from '../jobs/portal-client.ts';
import { RetentionJob } from '../jobs/retention-job.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';

const { values } = parseArgs({ options: { data: { type: 'string', default: '.data' } } });
const dataFolder = resolve(values.data);
const config = readConfig(dataFolder);
const shared = {
  portal: new PortalClient(join(dataFolder, 'run', 'portal-internal.sock')),
  clock: systemClock,
  log: createLog('jobs'),
  metrics: new Metrics(),
};
const backup = new BackupJob({ ...shared, everyHours: config.backup.everyHours });
const retention = new RetentionJob(shared);

backup.start();
retention.start();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    backup.close();
    retention.close();
    process.exit(0); // what is under way goes on in the portal
  });
}
process.send?.('ready');
