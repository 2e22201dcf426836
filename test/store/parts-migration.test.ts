import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { Store } from '../../appliance/store/store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';

test('D-08 parts of the tree that an admin left behind with the role are gone, those of an admin are his', async t => {
  using folder = new TempFolder();
  const older = join(folder.path, 'migrations');
  for (const part of ['core', 'keys', 'log', 'search']) {
    mkdirSync(join(older, part), { recursive: true });
    for (const name of readdirSync(join(MIGRATIONS, part)).filter(one => part !== 'core' || one < '0092'))
      copyFileSync(join(MIGRATIONS, part, name), join(older, part, name));
  }
  const keys = { store: randomBytes(32), keyEncryption: randomBytes(32) };
  const open = (migrations: string) => {
    const parts = { clock: new ManualClock(), log: silentLog, metrics: new Metrics() };
    return Store.open({ folder: join(folder.path, 'store'), keys, migrations, ...parts });
  };
  const before = await open(older);
  await before.core.transaction(async tx => {
    for (const [id, role] of [
      ['A', 'admin'],
      ['T', 'technician'],
    ] as const) {
      await tx.run(
        'INSERT INTO member (id, login_id, name, password_hash, must_change, created_at) VALUES (?, ?, ?, ?, 0, 1)',
        [id.repeat(22), id, id, '$scrypt$older'],
      );
      await tx.run('INSERT INTO member_role (member_id, role) VALUES (?, ?)', [id.repeat(22), role]);
      await tx.run('INSERT INTO admin_part (member_id, group_id) VALUES (?, ?)', [id.repeat(22), 'A'.repeat(22)]);
    }
  });
  await before.close();
  const after = await open(MIGRATIONS);
  t.deepEqual(await after.core.read.all('SELECT member_id FROM admin_part'), [{ member_id: 'A'.repeat(22) }]);
  await after.close();
});
