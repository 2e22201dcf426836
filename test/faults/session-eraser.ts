// Run as a process of its own and killed at any moment: erases the sessions it is told, one after the other, and says each that is
// done. argv: data folder, store key and key-encryption key (hex), ids with commas between them.
import { join } from 'node:path';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { Erasures } from '../../appliance/audit/erasures.ts';
import { systemClock } from '../../appliance/clock.ts';
import { parseSessionId } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { EndedSessions } from '../../appliance/sessions/ended-sessions.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from '../support/audit.ts';
import { MIGRATIONS } from '../support/store.ts';

const [dataFolder = '', store32 = '', encryption = '', ids = ''] = process.argv.slice(2);
const keys = { store: Buffer.from(store32, 'hex'), keyEncryption: Buffer.from(encryption, 'hex') };
const shared = { clock: systemClock, log: silentLog };
const folders = { folder: join(dataFolder, 'store'), backups: join(dataFolder, 'backups') };
const store = await Store.open({ ...folders, keys, migrations: MIGRATIONS, metrics: new Metrics(), ...shared });
const config = { headEveryEntries: 1000, headEverySeconds: 60 };
const audit = new AuditLog({
  store,
  sessions: new SessionFacts(store),
  signer: new TestHeadSigner(),
  config,
  ...shared,
});
await audit.start();
const films = new KeptRecordings(join(dataFolder, 'recordings'));
const parts = { store, audit, films, sessions: new EndedSessions(store), ...shared };
const erasures = new Erasures(parts);
await erasures.start();
process.stdout.write('open\n');
for (const id of ids.split(',').map(parseSessionId)) {
  if ((await erasures.find(id)) !== undefined) continue;
  await erasures.erase(applianceActor, id, 'asked');
  process.stdout.write(`${id}\n`);
}
