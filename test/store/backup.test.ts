import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateIdentity } from 'age-encryption';
import test from 'ava';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { restoreBackup } from '../../appliance/store/restore.ts';
import { Store } from '../../appliance/store/store.ts';
import { TestHeadSigner } from '../support/audit.ts';
import { openInstallation } from '../support/installation.ts';
import { MIGRATIONS } from '../support/store.ts';

const DAY_MS = 86_400_000;

async function tables(store: Store) {
  await store.core.transaction(async () => undefined);
  const all: Record<string, unknown> = {};
  const files = [store.core, ...(await Promise.all(store.months().map(month => store.month(month))))];
  for (const [at, file] of files.entries()) {
    for (const { name } of await file.read.all(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name",
    )) {
      all[`${at}/${name}`] = await file.read.all(`SELECT * FROM "${name}" ORDER BY 1`);
    }
  }
  return all;
}

test('J-05 a backup is verified, and restored every table is as it was', async t => {
  const at = await openInstallation();
  for (let n = 0; n < 50; n++) await at.act(`setting-${n}`);
  await at.audit.move();
  const before = await tables(at.store);
  const info = await at.backups.make();
  t.true(info.verifiedAt >= info.at && info.files > 3);
  t.deepEqual(
    (await at.backups.list()).map(backup => backup.name),
    [info.name],
  );
  await at.act('after the backup');
  await at.close();
  const from = join(at.dataFolder, 'backups', info.name);
  const restored = await restoreBackup({
    backup: from,
    dataFolder: at.dataFolder,
    identity: at.identity,
    now: at.clock.now(),
  });
  t.true(existsSync(restored.previous ?? ''));
  const store = await at.open();
  t.deepEqual(await tables(store), before);
  await store.close();
  at.folder[Symbol.dispose]();
});

test('J-05 G-05 an archived month is in the backup, and archived after the restore', async t => {
  const at = await openInstallation();
  await at.act('of June');
  await at.audit.move();
  at.clock.skip(31 * DAY_MS);
  await at.act('of July');
  await at.audit.move();
  await at.store.archive('202606');
  const info = await at.backups.make();
  await at.close();
  const from = join(at.dataFolder, 'backups', info.name);
  await restoreBackup({ backup: from, dataFolder: at.dataFolder, identity: at.identity, now: at.clock.now() });
  const store = await at.open();
  t.deepEqual([store.archivedMonths(), store.months()], [['202606'], ['202607']]);
  await t.throwsAsync(store.month('202606'), { code: 'store.archived' }, 'no empty month in its place');
  const archive = store.openArchive('202606');
  t.is((await archive.read.get('SELECT subject FROM audit_entry'))?.subject, 'of June');
  await archive.close();
  await store.close();
  at.folder[Symbol.dispose]();
});

test('J-05 a restore to a bare machine needs the backup key, the day keys and nothing else', async t => {
  const at = await openInstallation();
  const id = sessionIdFrom(randomBytes(16));
  await at.store.sessionKeys.create(id);
  const sealed = await at.store.sessionKeys.seal(id, 'x', Buffer.from('text'));
  const info = await at.backups.make();
  await at.close();
  const other = join(at.folder.path, 'bare');
  const backup = join(at.dataFolder, 'backups', info.name);
  const options = { backup, dataFolder: other, now: 1, dayKeys: join(at.dataFolder, 'day-keys') };
  await t.throwsAsync(restoreBackup({ ...options, identity: await generateIdentity() }), { code: 'backup.damaged' });
  t.false(existsSync(join(other, 'store')));
  const restored = await restoreBackup({ ...options, identity: at.identity });
  t.is(restored.sessionKeysOf, '20260601');
  const store = await Store.open({
    folder: join(other, 'store'),
    keys: { store: readFileSync(join(other, 'keys/store.key')), keyEncryption: at.keys.keyEncryption },
    migrations: MIGRATIONS,
    clock: at.clock,
    log: silentLog,
    metrics: new Metrics(),
  });
  t.is(Buffer.from(await store.sessionKeys.open(id, 'x', sealed)).toString(), 'text');
  await store.close();
  at.folder[Symbol.dispose]();
});

test('B-05 a key erased after the backup is erased again by the restore', async t => {
  const at = await openInstallation();
  const id = sessionIdFrom(randomBytes(16));
  await at.store.sessionKeys.create(id);
  const info = await at.backups.make();
  await at.store.sessionKeys.destroy(id);
  await at.close();
  const backup = join(at.dataFolder, 'backups', info.name);
  const restored = await restoreBackup({ backup, dataFolder: at.dataFolder, identity: at.identity, now: 1 });
  t.is(restored.erased, 1);
  const store = await at.open();
  await t.throwsAsync(store.sessionKeys.seal(id, 'x', Buffer.from('y')), { code: 'session-key.destroyed' });
  await store.close();
  rmSync(join(at.dataFolder, 'backups/erasure-ledger.jsonl'));
  const again = restoreBackup({ backup, dataFolder: at.dataFolder, identity: at.identity, now: 2 });
  await t.throwsAsync(again, { code: 'erasure-ledger.missing' });
  at.folder[Symbol.dispose]();
});

test('B-05 day keys and what they seal are destroyed after 30 days; the general backup holds no session key', async t => {
  const at = await openInstallation();
  const first = await at.backups.make();
  const sealedNames = readdirSync(join(at.dataFolder, 'backups', first.name));
  t.false(
    sealedNames.some(name => name.includes('keys.db') || name.includes('backup.key') || name.includes('setup-code')),
  );
  at.clock.advance(29 * DAY_MS);
  await at.backups.make();
  t.true(existsSync(join(at.dataFolder, 'day-keys/20260601.key')));
  at.clock.advance(2 * DAY_MS);
  await at.backups.make();
  t.false(existsSync(join(at.dataFolder, 'day-keys/20260601.key')));
  t.false(existsSync(join(at.dataFolder, 'backups/session-keys/20260601.sealed')));
  await at.close();
  at.folder[Symbol.dispose]();
});

test('J-05 the oldest backups go once a newer one is verified', async t => {
  const at = await openInstallation(2);
  const names: string[] = [];
  for (let n = 0; n < 4; n++) {
    names.unshift((await at.backups.make()).name);
    at.clock.advance(DAY_MS);
  }
  t.deepEqual(
    (await at.backups.list()).map(backup => backup.name),
    names.slice(0, 2),
  );
  await at.close();
  at.folder[Symbol.dispose]();
});

for (const damage of ['flipped byte', 'cut short', 'file missing'] as const) {
  test(`J-05 a backup with a ${damage} is refused, and the data folder stays as it is`, async t => {
    const at = await openInstallation();
    await at.act('a');
    const info = await at.backups.make();
    await at.act('b');
    await at.audit.signHead(); // so that closing it changes nothing
    const before = await tables(at.store);
    await at.close();
    const backup = join(at.dataFolder, 'backups', info.name);
    const file = join(backup, 'store--core.db.age');
    if (damage === 'flipped byte') {
      const content = readFileSync(file);
      content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
      writeFileSync(file, content);
    } else if (damage === 'cut short') truncateSync(file, 1000);
    else rmSync(file);
    const restoring = restoreBackup({ backup, dataFolder: at.dataFolder, identity: at.identity, now: 1 });
    await t.throwsAsync(restoring, { code: 'backup.damaged' });
    t.deepEqual(
      readdirSync(at.dataFolder).filter(name => name.includes('restore')),
      [],
    );
    const store = await at.open();
    t.deepEqual(await tables(store), before);
    await store.close();
    at.folder[Symbol.dispose]();
  });
}

test('J-05 a restore over a running appliance, or over the keys of another, is refused', async t => {
  const [at, other] = [await openInstallation(), await openInstallation()];
  const info = await at.backups.make();
  const backup = join(at.dataFolder, 'backups', info.name);
  const options = { backup, identity: at.identity, now: 1 };
  await t.throwsAsync(restoreBackup({ ...options, dataFolder: at.dataFolder }), { code: 'store.in-use' });
  await other.close();
  await t.throwsAsync(restoreBackup({ ...options, dataFolder: other.dataFolder }), { code: 'restore.other-keys' });
  await at.close();
  at.folder[Symbol.dispose]();
  other.folder[Symbol.dispose]();
});

test('J-05 the restore command restores, says so in the log, and goes on with a new one', async t => {
  const at = await openInstallation();
  await at.act('kept');
  const info = await at.backups.make();
  await at.act('lost');
  await at.close();
  const copy = join(at.folder.path, 'elsewhere');
  cpSync(join(at.dataFolder, 'backups'), copy, { recursive: true });
  const command = ['appliance/bin/restore.ts', '--from', join(copy, info.name), '--data', at.dataFolder];
  const printed = execFileSync(process.execPath, command, { encoding: 'utf8' });
  t.like(JSON.parse(printed), { restored: true, at: info.at });
  const store = await at.open();
  const audit = new AuditLog({
    sessions: new SessionFacts(store),
    store,
    signer: new TestHeadSigner(),
    clock: at.clock,
    log: silentLog,
    config: { headEveryEntries: 10, headEverySeconds: 60 },
  });
  await audit.start();
  const entries = (await audit.search({ limit: 10 })).map(({ entry }) => entry);
  t.deepEqual(
    entries.map(entry => entry.event),
    ['store.restored', 'test.act'],
  );
  t.not(entries[0]?.log, entries[1]?.log);
  await audit.close();
  await store.close();
  at.folder[Symbol.dispose]();
});

test('J-05 a backup that is there is opened again when asked: its time moves, and damage is found', async t => {
  const { folder, backups, clock, dataFolder, act, close } = await openInstallation();
  t.teardown(async () => {
    await close();
    folder[Symbol.dispose]();
  });
  await act('one');
  const { name, verifiedAt } = await backups.make();
  clock.skip(DAY_MS);
  const [again, another] = await Promise.all([backups.check(name), backups.make()]); // neither in the other's way
  t.is(again.verifiedAt, verifiedAt + DAY_MS);
  t.is((await backups.list()).find(one => one.name === name)?.verifiedAt, again.verifiedAt);
  truncateSync(join(dataFolder, 'backups', name, 'store--core.db.age'), 1000);
  await t.throwsAsync(backups.check(name), { code: 'backup.unlike' });
  t.is((await backups.check(another.name)).name, another.name);
  await t.throwsAsync(backups.check('20200101T000000Z'), { code: 'backup.missing' });
  t.false(readdirSync(join(dataFolder, 'backups')).some(one => one.startsWith('.')));
});

test('J-05 a backup whose summary a loss of power has emptied is not listed, and the others are', async t => {
  const at = await openInstallation();
  const { name } = await at.backups.make();
  const broken = join(at.dataFolder, 'backups', '20200101T000000Z');
  mkdirSync(broken);
  for (const text of ['', '{', '[]']) {
    writeFileSync(join(broken, 'backup.json'), text);
    t.deepEqual(
      (await at.backups.list()).map(one => one.name),
      [name],
    );
  }
  await at.close();
  at.folder[Symbol.dispose]();
});

test('J-05 what can’t be looked into where IT lays passwords is named, and the backup is made', async t => {
  const at = await openInstallation();
  writeFileSync(join(at.dataFolder, 'secrets'), 'as root left it');
  t.deepEqual((await at.backups.make()).leftOut, ['secrets']);
  await at.close();
  at.folder[Symbol.dispose]();
});

test('J-05 attack: a file that somebody has put beside the keys, whatever its name, does not make a backup that nobody can open', async t => {
  const at = await openInstallation();
  for (const name of ['LDAP_password', 'web-main.key~ old']) writeFileSync(join(at.dataFolder, 'keys', name), name);
  const secrets = join(at.dataFolder, 'secrets');
  mkdirSync(join(secrets, 'older'), { recursive: true });
  writeFileSync(join(secrets, 'mail-password'), 'xyz\n', { mode: 0o600 });
  writeFileSync(join(secrets, 'film'), new Uint8Array(64 * 1024 + 1));
  const { name, leftOut } = await at.backups.make();
  t.deepEqual(leftOut?.toSorted(), ['keys/web-main.key~ old', 'secrets/film', 'secrets/older']);
  t.deepEqual((await at.backups.list())[0]?.leftOut, leftOut);
  await at.backups.check(name);
  const tar = await Readable.from((await at.backups.file(name)).stream()).toArray();
  rmSync(join(at.dataFolder, 'backups', name), { recursive: true });
  await at.backups.adopt(await at.backups.take(Readable.from(tar), null));
  await at.close();
  const bare = join(at.folder.path, 'bare');
  await restoreBackup({
    backup: join(at.dataFolder, 'backups', name),
    dataFolder: bare,
    identity: at.identity,
    now: 1,
  });
  t.deepEqual(readdirSync(join(bare, 'keys')).sort(), ['LDAP_password', 'key-encryption.key', 'store.key']);
  t.deepEqual(readdirSync(join(bare, 'secrets')), ['mail-password']);
  t.is(readFileSync(join(bare, 'secrets', 'mail-password'), 'utf8'), 'xyz\n');
  t.is(statSync(join(bare, 'secrets', 'mail-password')).mode & 0o777, 0o600);
  t.is(statSync(join(bare, 'secrets')).mode & 0o777, 0o700);
  at.folder[Symbol.dispose]();
});
