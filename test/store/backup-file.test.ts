// A backup's way out and in as one file. What is brought is a stranger's until all of it is right; of anything else nothing is left.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import test, { type ExecutionContext } from 'ava';
import { TAR_BLOCK, tarHeader, tarPadding } from '../../appliance/protocol/tar.ts';
import { backupTime } from '../../appliance/store/backup-manifest.ts';
import { restoreBackup } from '../../appliance/store/restore.ts';
import { sealFile } from '../../appliance/store/sealed-file.ts';
import { openInstallation } from '../support/installation.ts';

async function open(t: ExecutionContext) {
  const at = await openInstallation();
  t.teardown(async () => {
    await at.close();
    at.folder[Symbol.dispose]();
  });
  await at.act('kept');
  const { name } = await at.backups.make();
  const file = await at.backups.file(name);
  const tar = Buffer.concat(await Readable.from(file.stream()).toArray());
  t.is(tar.length, file.bytes);
  const kept = join(at.dataFolder, 'backups');
  const forget = () => rmSync(join(kept, name), { recursive: true });
  const names = () => readdirSync(kept).sort();
  /** In pieces that fit nothing. */
  const bring = async (content: Buffer, declared: number | null = content.length) =>
    at.backups.adopt(await at.backups.take(piecesOf(content), declared));
  return { ...at, name, tar, kept, forget, names, bring };
}

async function* piecesOf(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += 777) yield content.subarray(at, at + 777);
}

type Parts = readonly (readonly [name: string, content: Uint8Array])[];

function entriesOf(tar: Buffer): [name: string, content: Buffer][] {
  const found: [string, Buffer][] = [];
  for (let at = 0; tar[at] !== 0; ) {
    const name = tar.toString('latin1', at, tar.indexOf(0, at));
    const bytes = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    found.push([name, tar.subarray(at + TAR_BLOCK, at + TAR_BLOCK + bytes)]);
    at += TAR_BLOCK + bytes + tarPadding(bytes);
  }
  return found;
}

function tarOf(parts: Parts): Buffer {
  const blocks = parts.flatMap(([name, content]) => [
    tarHeader(name, content.length, 0),
    content,
    new Uint8Array(tarPadding(content.length)),
  ]);
  return Buffer.concat([...blocks, new Uint8Array(2 * TAR_BLOCK)]);
}

test('J-05 a downloaded backup is a plain tar: unpacked it restores to a bare machine; the backup key is not in it', async t => {
  const { tar, name, folder, identity, dataFolder } = await open(t);
  const out = join(folder.path, 'out');
  mkdirSync(out);
  execFileSync('tar', ['xf', '-', '-C', out], { input: tar });
  t.deepEqual(readdirSync(out).sort(), [name, 'erasure-ledger.jsonl', 'session-keys']);
  t.false(tar.includes(readFileSync(join(dataFolder, 'keys/store.key'))) || tar.includes('AGE-SECRET-KEY'));
  const bare = join(folder.path, 'bare');
  const options = { backup: join(out, name), dataFolder: bare, identity, now: 1 };
  const restored = await restoreBackup({ ...options, dayKeys: join(dataFolder, 'day-keys') });
  t.is(restored.sessionKeysOf, '20260601');
});

test('J-05 one that is brought is opened and compared, and is then a backup like the others, as GNU tar packs it, too', async t => {
  const { tar, name, folder, forget, names, bring, backups, kept, clock } = await open(t);
  await t.throwsAsync(bring(tar), { code: 'backup.there-already' });
  const before = names();
  forget();
  clock.skip(86_400_000);
  t.like(await bring(tar), { name, at: (await backups.get(name)).at, takenAt: clock.now(), verifiedAt: clock.now() });
  t.is((await backups.check(name)).name, name);
  const out = join(folder.path, 'again.tar');
  execFileSync('tar', ['cf', out, '-C', kept, `./${name}`]);
  forget();
  t.is((await bring(readFileSync(out), null)).name, name);
  t.deepEqual(names(), before);
});

test('J-05 attack: a file that ends anywhere before its end is refused, and nothing of it is left', async t => {
  const { tar, names, bring, forget } = await open(t);
  forget();
  const before = names();
  const end = tar.length - 2 * TAR_BLOCK;
  for (const length of [0, 1, 511, 512, 700, 5000, tar.length >> 1, end - 1, end, end + 512]) {
    await t.throwsAsync(bring(tar.subarray(0, length)), { code: 'backup-file.cut' }, String(length));
    t.deepEqual(names(), before);
  }
});

test('J-05 attack: names that leave the folder, links, doubles and strangers are refused, and write nothing', async t => {
  const { tar, name, folder, names, bring, forget } = await open(t);
  forget();
  const [before, outside] = [names(), () => readdirSync(folder.path)];
  const parts = entriesOf(tar);
  const core = parts.find(([one]) => one.endsWith('core.db.age'))?.[1] ?? Buffer.alloc(0);
  const wrong = [
    '../evil.age',
    '/etc/evil.age',
    `${name}/../../evil.age`,
    `${name}/keys/evil.age`,
    'EVIL.AGE',
    `${name}/.age`,
  ];
  for (const one of [...wrong, `${name}/store.key`, `${name}/a\0b.age`, 'x'.repeat(99), `${name}/store--core.db.age`]) {
    await t.throwsAsync(bring(tarOf([...parts, [one, core]])), { code: 'backup-file.malformed' }, one);
    t.deepEqual([names(), outside()], [before, ['data']]);
  }
  for (const type of ['1', '2', '3', '6', 'L', 'x', 'g']) {
    const header = Buffer.from(tarHeader(`${name}/store--core.db.age`, 0, 0));
    header[156] = type.charCodeAt(0);
    header.write('/etc/passwd', 157);
    header.write('        ', 148);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    await t.throwsAsync(bring(Buffer.concat([header, tar])), { code: 'backup-file.malformed' }, type);
  }
  await t.throwsAsync(bring(Buffer.concat([tar, Buffer.from('more')])), { code: 'backup-file.malformed' });
  await t.throwsAsync(bring(Buffer.from('<html>'.repeat(500))), { code: 'backup-file.malformed' });
  t.deepEqual(names(), before);
});

test('J-05 attack: sizes that lie, and more than there is room for, are refused before they fill the disk', async t => {
  const { tar, name, names, bring, forget, backups } = await open(t);
  forget();
  const before = names();
  await t.throwsAsync(bring(tar, Number.MAX_SAFE_INTEGER), { code: 'backup-file.too-large' });
  const huge = [
    Buffer.from(tarHeader(`${name}/store--core.db.age`, 2 ** 52, 0)),
    Buffer.from(tarHeader(`${name}/store--core.db.age`, 8 ** 11 - 1, 0)),
  ];
  for (const header of huge) await t.throwsAsync(bring(Buffer.concat([header, tar])), { code: 'backup-file.cut' });
  const manifest = Buffer.from(tarHeader(`${name}/manifest.json.age`, 2 ** 40, 0));
  await t.throwsAsync(bring(Buffer.concat([manifest, tar])), { code: 'backup-file.malformed' });
  const many = Array.from({ length: 2001 }, (_, at) => [`${name}/p${at}.age`, Buffer.alloc(0)] as const);
  await t.throwsAsync(bring(tarOf(many)), { code: 'backup-file.malformed' });
  t.deepEqual(names(), before);
  t.true((await backups.room()) > 0);
});

test('J-05 attack: a changed part, a missing one and one too many are refused', async t => {
  const { tar, names, bring, forget, name } = await open(t);
  forget();
  const before = names();
  const parts = entriesOf(tar);
  for (const [at, [one, content]] of parts.entries()) {
    if (!one.endsWith('.age')) continue;
    const changed = Buffer.from(content);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
    await t.throwsAsync(bring(tarOf(parts.with(at, [one, changed]))), { code: 'backup.damaged' }, one);
    const code = one.endsWith('manifest.json.age') ? 'backup-file.malformed' : 'backup.damaged';
    await t.throwsAsync(bring(tarOf(parts.toSpliced(at, 1))), { code }, one);
  }
  const stray: Parts = [...parts, [`${name}/keys--more.key.age`, Buffer.from('x')]];
  await t.throwsAsync(bring(tarOf(stray)), { code: 'backup-file.malformed' });
  t.deepEqual(names(), before);
});

test('J-05 a backup of another appliance, under another key, or of a later release is refused with why', async t => {
  const [at, other] = [await open(t), await open(t)];
  at.forget();
  const before = at.names();
  await t.throwsAsync(at.bring(other.tar), { code: 'backup.damaged', message: /does not open with this backup key/ });
  // As one whose backup key was copied to a second appliance.
  const store = join(at.dataFolder, 'keys/store.key');
  const own = readFileSync(store);
  writeFileSync(store, Buffer.alloc(32, 7));
  await t.throwsAsync(at.bring(at.tar), { code: 'restore.other-keys' });
  writeFileSync(store, own);
  const plain = join(at.folder.path, 'manifest');
  writeFileSync(plain, JSON.stringify({ version: 2, at: 1, volumes: [] }));
  await sealFile(plain, `${plain}.age`, await identityToRecipient(at.identity));
  const later = tarOf([['manifest.json.age', readFileSync(`${plain}.age`)]]);
  await t.throwsAsync(at.bring(later), { code: 'backup.newer' });
  t.deepEqual(at.names(), before);
  t.not(at.identity, await generateIdentity());
});

test('J-05 a store that a later release has worked on is refused before it is one of the backups', async t => {
  const at = await open(t);
  await at.store.core.transaction(tx =>
    tx.run(`INSERT INTO migration VALUES (9999, 'of-tomorrow', 'x', 0)`).then(() => undefined),
  );
  at.forget();
  await t.throwsAsync(at.backups.make(), { code: 'store.newer' }, 'nobody could restore it here');
  t.deepEqual(
    at.names().filter(name => name.startsWith('.')),
    [],
  );
});

test('J-05 what a kill left of a file that was being brought is gone after the next start', async t => {
  const { kept, backups, names, name, tar } = await open(t);
  const work = join(kept, '.upload-a1b2c3', 'backup');
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'store--core.db.age'), tar);
  await backups.sweep();
  t.false(existsSync(join(kept, '.upload-a1b2c3')));
  t.true(names().includes(name));
  t.is(backupTime(name), Date.UTC(2026, 5, 1, 8));
});

test('J-05 one that was brought stays as long as one that was made then', async t => {
  const { backups, clock, bring, forget, tar, name } = await open(t);
  for (let n = 0; n < 3; n++) {
    clock.skip(86_400_000);
    await backups.make();
  }
  t.false(
    (await backups.list()).some(one => one.name === name),
    'three are kept',
  );
  await t.throwsAsync(async () => forget(), { code: 'ENOENT' });
  await bring(tar);
  clock.skip(86_400_000);
  await backups.make();
  t.true((await backups.list()).some(one => one.name === name));
});
