// A data folder as it is after a while, without processes: keys, a store with entries, and its backups.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateIdentity } from 'age-encryption';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Backups } from '../../appliance/store/backup.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from './audit.ts';
import { ManualClock } from './manual-clock.ts';
import { MIGRATIONS } from './store.ts';
import { TempFolder } from './temp-folder.ts';

/** A data folder with keys, a store with settings, entries and a session's key, and its backups. */
export async function openInstallation(keep = 3) {
  const folder = new TempFolder();
  const dataFolder = join(folder.path, 'data');
  for (const name of ['keys', 'public', 'backups']) mkdirSync(join(dataFolder, name), { recursive: true, mode: 0o700 });
  const keys = { store: randomBytes(32), keyEncryption: randomBytes(32) };
  const identity = await generateIdentity();
  writeFileSync(join(dataFolder, 'keys/store.key'), keys.store, { mode: 0o600 });
  writeFileSync(join(dataFolder, 'keys/key-encryption.key'), keys.keyEncryption, { mode: 0o600 });
  writeFileSync(join(dataFolder, 'keys/backup.key'), `# kept elsewhere too\n${identity}\n`, { mode: 0o600 });
  writeFileSync(join(dataFolder, 'appliance.yaml'), 'version: 1\n');
  const clock = new ManualClock();
  const open = () => {
    const options = { folder: join(dataFolder, 'store'), keys, migrations: MIGRATIONS, clock, log: silentLog };
    return Store.open({ ...options, backups: join(dataFolder, 'backups'), metrics: new Metrics() });
  };
  const auditOf = (of: Store) =>
    new AuditLog({
      ...{ sessions: new SessionFacts(of), store: of, signer: new TestHeadSigner(), clock, log: silentLog },
      config: { headEveryEntries: 10, headEverySeconds: 60 },
    });
  const store = await open();
  const audit = auditOf(store);
  await audit.start();
  const backups = new Backups({
    ...{ store, keys, dataFolder, identity, keep, clock, log: silentLog, migrations: MIGRATIONS },
  });
  const act = (name: string) =>
    store.core.transaction(async tx => {
      await store.settings.set(tx, name, { name });
      await audit.append(tx, { event: 'test.act', actor: applianceActor, subject: name });
    });
  const close = async () => {
    await audit.close();
    await store.close();
  };
  return { folder, dataFolder, clock, store, audit, backups, identity, keys, open, auditOf, act, close };
}
