// Sets what the root group demands, on a data folder whose appliance does not run: before a test begins.
import { join, resolve } from 'node:path';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { systemClock } from '../../appliance/clock.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Groups, type PermissionSettings } from '../../appliance/permissions/groups.ts';
import type { PolicySettings } from '../../appliance/permissions/policy.ts';
import { readStoreKeys } from '../../appliance/pki/store-keys.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Store } from '../../appliance/store/store.ts';

const MIGRATIONS = resolve(import.meta.dirname, '../../migrations');
const LOG_RULES = { headEveryEntries: 1_000_000, headEverySeconds: 3600 };

export async function setRootPolicy(
  dataFolder: string,
  policy: PolicySettings,
  more: PermissionSettings = {},
): Promise<void> {
  const shared = { clock: systemClock, log: silentLog, metrics: new Metrics() };
  const folder = join(dataFolder, 'store');
  const store = await Store.open({ folder, keys: readStoreKeys(dataFolder), migrations: MIGRATIONS, ...shared });
  const signLogHead = () => Promise.reject(new Error('there is no signer yet'));
  const audit = new AuditLog({
    sessions: new SessionFacts(store),
    store,
    signer: { signLogHead },
    config: LOG_RULES,
    ...shared,
  });
  await audit.start();
  try {
    const groups = new Groups({ store, audit, ...shared });
    const [root] = await groups.pathOf('');
    const master = { actor: applianceActor, roles: ['master-admin'] } as const;
    await groups.setPolicy(master, root?.id ?? '', policy);
    await groups.setPermissions(master, root?.id ?? '', { ...root?.permissions, ...more });
  } finally {
    await audit.close();
    await store.close();
  }
}
