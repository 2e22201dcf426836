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

test('E-02 sessions of before there were channels keep their technician, and what refers to them stays', async t => {
  using folder = new TempFolder();
  const older = join(folder.path, 'migrations');
  for (const part of ['core', 'keys', 'log', 'search']) {
    mkdirSync(join(older, part), { recursive: true });
    for (const name of readdirSync(join(MIGRATIONS, part)).filter(one => part !== 'core' || one < '0076'))
      copyFileSync(join(MIGRATIONS, part, name), join(older, part, name));
  }
  const keys = { store: randomBytes(32), keyEncryption: randomBytes(32) };
  const open = (migrations: string) => {
    const parts = { clock: new ManualClock(), log: silentLog, metrics: new Metrics() };
    return Store.open({ folder: join(folder.path, 'store'), keys, migrations, ...parts });
  };
  const [id, owner] = ['S'.repeat(22), 'O'.repeat(22)];
  const before = await open(older);
  await before.core.transaction(async tx => {
    await tx.run(
      `INSERT INTO support_session (id, state, owner_id, owner_name, group_id, created_at, state_at)
       VALUES (?, 'connecting', ?, 'Tina', ?, 1, 1)`,
      [id, owner, 'A'.repeat(22)],
    );
    await tx.run('INSERT INTO pin (digest, digits, session_id, expires_at) VALUES (?, 9, ?, 9)', [randomBytes(32), id]);
  });
  await before.close();
  const after = await open(MIGRATIONS);
  const row = await after.core.read.get('SELECT owner_id, owner_name, channel_id FROM support_session');
  t.deepEqual(row, { owner_id: owner, owner_name: 'Tina', channel_id: null });
  t.is((await after.core.read.get('SELECT count(*) AS n FROM pin'))?.n, 1);
  await t.throwsAsync(after.core.transaction(tx => tx.run(`UPDATE support_session SET owner_id = 'short'`)));
  await after.core.transaction(tx => tx.run('DELETE FROM support_session'));
  t.is((await after.core.read.get('SELECT count(*) AS n FROM pin'))?.n, 0, 'it still goes with its session');
  await after.close();
});
