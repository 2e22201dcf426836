import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Store, type StoreKeys } from '../../appliance/store/store.ts';
import { ManualClock } from './manual-clock.ts';
import { TempFolder } from './temp-folder.ts';

export const MIGRATIONS = join(import.meta.dirname, '../../migrations');

export interface TestStore {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly keys: StoreKeys;
  readonly folder: string;
  close(): Promise<void>;
}

/** A real store with every migration, in a folder that `close` removes; what stands beside backups is in `backups/` beside it. */
export async function openTestStore(): Promise<TestStore> {
  const folder = new TempFolder();
  const clock = new ManualClock();
  const keys = { store: randomBytes(32), keyEncryption: randomBytes(32) };
  const options = { folder: join(folder.path, 'store'), keys, migrations: MIGRATIONS, clock, log: silentLog };
  const backups = join(folder.path, 'backups');
  const store = await Store.open({ ...options, backups, metrics: new Metrics() });
  return {
    store,
    clock,
    keys,
    folder: options.folder,
    close: async () => {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}
