// What the portal does before it opens its store: a restore that was asked for, or nothing at all.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { insertMember } from '../../appliance/identity/member-store.ts';
import { insertAccount } from '../../appliance/identity/settings-account-store.ts';
import { silentLog } from '../../appliance/log.ts';
import {
  carryOutRestore,
  isRestorePending,
  newRestoreId,
  type RestoreRequest,
  readRestoreResult,
  tellFailedRestore,
  writeRestoreRequest,
} from '../../appliance/portal/restoring.ts';
import { removeOldAsides, swapOf } from '../../appliance/store/restore.ts';
import { openInstallation } from '../support/installation.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';

const Named = z.object({ name: z.string() });
const DAY_MS = 86_400_000;

async function open(t: ExecutionContext) {
  const at = await openInstallation();
  t.teardown(() => at.folder[Symbol.dispose]());
  const { name } = await at.backups.make();
  const parts = { dataFolder: at.dataFolder, migrations: MIGRATIONS, clock: at.clock, log: silentLog };
  const request = (over: Partial<RestoreRequest> = {}): RestoreRequest => ({
    ...{ version: 1, id: newRestoreId(), kind: 'restore', backup: name, askedAt: at.clock.now(), tries: 0 },
    ...{ actor: { kind: 'settings-account', id: 'x', name: 'ann', address: '192.0.2.7' }, isPrepared: false },
    ...{ head: { log: 'l', seq: 3, hash: 'h' }, lost: { entries: 1, sessions: 0, members: 0 } },
    swap: swapOf(at.clock.now()),
    ...over,
  });
  const left = () => readdirSync(at.dataFolder).filter(one => /^store|^\.?restore/.test(one));
  return { ...at, parts, name, request, left };
}

test('J-05 a backup in which nobody has an account is not restored: the store stays, and its log says so', async t => {
  const at = await open(t);
  await at.act('present');
  await at.close();
  writeRestoreRequest(at.dataFolder, at.request());
  await carryOutRestore(at.parts);
  t.is(readRestoreResult(at.dataFolder)?.fault?.code, 'restore.nobody');
  t.deepEqual(at.left(), ['restore-result.json', 'store']);
  const store = await at.open();
  t.deepEqual(await store.settings.get('present', Named), { name: 'present' });
  await store.close();
});

test('J-05 attack: a restore is not begun under a portal that runs, and waits for the next start', async t => {
  const at = await open(t);
  writeRestoreRequest(at.dataFolder, at.request());
  await t.throwsAsync(carryOutRestore(at.parts), { code: 'store.in-use' });
  t.true(isRestorePending(at.dataFolder));
  await at.close();
  await carryOutRestore(at.parts);
  t.false(isRestorePending(at.dataFolder));
});

test('J-05 attack: a request that names another folder is none', async t => {
  const at = await open(t);
  await at.close();
  const outside = join(at.folder.path, 'store.incoming-20260101T000000Z');
  mkdirSync(outside);
  const swap = { incoming: '../store.incoming-20260101T000000Z', aside: 'store.before-restore-20260101T000000Z' };
  writeFileSync(join(at.dataFolder, 'restore-request.json'), JSON.stringify(at.request({ swap, isPrepared: true })));
  await carryOutRestore(at.parts);
  t.true(existsSync(outside));
  t.deepEqual([at.left(), readRestoreResult(at.dataFolder)], [['store'], null]);
});

test('J-05 a restore command that was killed between its two renames is finished, one before them is forgotten', async t => {
  const at = await open(t);
  await at.act('restored');
  await at.close();
  const path = (name: string) => join(at.dataFolder, name);
  const { incoming, aside } = swapOf(at.clock.now());
  cpSync(path('store'), path(incoming), { recursive: true });
  mkdirSync(path('.restore-abcdef'));
  await carryOutRestore(at.parts);
  t.deepEqual(at.left(), ['store']);
  cpSync(path('store'), path(incoming), { recursive: true });
  renameSync(path('store'), path(aside));
  await carryOutRestore(at.parts);
  t.deepEqual(at.left(), ['store', aside]);
  const store = await at.open();
  t.deepEqual(await store.settings.get('restored', Named), { name: 'restored' });
  await store.close();
});

test('J-05 B-05 of stores that were kept aside the newest stays, and that for 30 days', async t => {
  using folder = new TempFolder();
  const now = Date.UTC(2026, 5, 30, 8);
  const [old, newer] = [now - 29 * DAY_MS, now - DAY_MS].map(at => swapOf(at).aside);
  for (const name of [old ?? '', newer ?? '', 'store']) mkdirSync(join(folder.path, name));
  await removeOldAsides(folder.path, now);
  t.deepEqual(readdirSync(folder.path), ['store', newer]);
  await removeOldAsides(folder.path, now + 28 * DAY_MS);
  t.deepEqual(readdirSync(folder.path), ['store', newer]);
  await removeOldAsides(folder.path, now + 30 * DAY_MS);
  t.deepEqual(readdirSync(folder.path), ['store']);
});

test('J-05 a failure is told once, and a restore that is done is not done again', async t => {
  const at = await open(t);
  await at.close();
  const asked = at.request({ tries: 3 });
  writeRestoreRequest(at.dataFolder, asked);
  await carryOutRestore(at.parts);
  const text = readFileSync(join(at.dataFolder, 'restore-result.json'), 'utf8');
  t.like(readRestoreResult(at.dataFolder), { id: asked.id, isTold: false, aside: null });
  writeRestoreRequest(at.dataFolder, asked); // killed between its last two steps
  await carryOutRestore(at.parts);
  t.is(readFileSync(join(at.dataFolder, 'restore-result.json'), 'utf8'), text);
  const store = await at.open();
  t.teardown(() => store.close());
  const audit = at.auditOf(store);
  for (let starts = 0; starts < 2; starts++) await tellFailedRestore(at.dataFolder, store, audit);
  const [told, other] = (await audit.search({ limit: 2 })).map(({ entry }) => entry);
  t.like(told, { event: 'restore.failed', detail: { code: 'restore.given-up', backup: at.name, request: asked.id } });
  t.not(other?.event, 'restore.failed');
});

test('J-05 attack: a key and a certificate that were taken away are not brought back by a restore on the page', async t => {
  const at = await open(t);
  const taken = ['keys/web-main.key', 'public/web-main.crt'].map(one => join(at.dataFolder, one));
  for (const path of taken) writeFileSync(path, 'stolen since', { mode: 0o600 });
  await at.store.core.transaction(async tx => {
    const [id, name, hash, mustChange] = [newRestoreId(), 'ann', '$scrypt$x', false];
    const member = { id, loginId: 'ann@example.com', name, passwordHash: hash, mustChange, createdAt: 1 };
    await insertMember(tx, { ...member, roles: ['master-admin'] });
    await insertAccount(tx, { id, name, hash, mustChange, at: 1 });
  });
  at.clock.skip(DAY_MS);
  const { name: backup } = await at.backups.make();
  await at.close();
  for (const path of taken) rmSync(path);
  writeRestoreRequest(at.dataFolder, at.request({ backup }));
  await carryOutRestore(at.parts);
  t.is(readRestoreResult(at.dataFolder)?.fault, null);
  t.deepEqual(
    taken.filter(path => existsSync(path)),
    [],
  );
});

test('J-05 B-05 attack: backups that fail keep neither a store that was put aside nor day keys beyond their time', async t => {
  const at = await open(t);
  const aside = join(at.dataFolder, swapOf(at.clock.now()).aside);
  mkdirSync(aside);
  t.is(readdirSync(join(at.dataFolder, 'day-keys')).length, 1);
  rmSync(join(at.dataFolder, 'public'), { recursive: true });
  at.clock.skip(31 * DAY_MS);
  await t.throwsAsync(at.backups.make());
  t.false(existsSync(aside));
  t.deepEqual(readdirSync(join(at.dataFolder, 'day-keys')), []);
  await at.close();
});

test('J-05 attack: a restore that was killed between its renames, and whose request can’t be read, is no empty appliance', async t => {
  const at = await open(t);
  await at.close();
  const { aside } = swapOf(at.clock.now());
  renameSync(join(at.dataFolder, 'store'), join(at.dataFolder, aside));
  writeFileSync(join(at.dataFolder, 'restore-request.json'), '{"version":2}');
  const error = await t.throwsAsync(carryOutRestore(at.parts), { code: 'restore.no-store' });
  t.true(error?.message.includes(aside));
  t.deepEqual(at.left(), [aside]);
});
