// The page of the backups: a backup goes out as one file and comes in as one, and what was refused is told beside its field.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateIdentity } from 'age-encryption';
import test, { type ExecutionContext } from 'ava';
import type { AuditLog } from '../../appliance/audit/audit.ts';
import { silentLog } from '../../appliance/log.ts';
import { adoptBackup, fetchBackupFile, takeBackupFile } from '../../appliance/portal/backup-acts.ts';
import { BackupDesk } from '../../appliance/portal/backup-desk.ts';
import { fileInForm } from '../../appliance/portal/web/multipart-file.ts';
import { Backups } from '../../appliance/store/backup.ts';
import { openTestAudit } from '../support/audit.ts';
import { MIGRATIONS } from '../support/store.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { askSocket } from './ask-socket.ts';
import { openTestDesk } from './open-support.ts';

const BOUNDARY = 'xx-cut-xx';

/** As a browser sends it. */
function formOf(content: Uint8Array, name = 'file', tail = '--\r\n'): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="a.tar"\r\nContent-Type: application/x-tar\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${BOUNDARY}${tail}`)]);
}

async function open(t: ExecutionContext) {
  const folder = new TempFolder();
  const dataFolder = folder.path;
  for (const name of ['keys', 'public', 'backups']) mkdirSync(join(dataFolder, name));
  writeFileSync(join(dataFolder, 'appliance.yaml'), 'version: 1\n');
  const own = await openTestAudit();
  writeFileSync(join(dataFolder, 'keys/store.key'), own.keys.store, { mode: 0o600 });
  writeFileSync(join(dataFolder, 'backups/erasure-ledger.jsonl'), '');
  const backups = new Backups({
    ...{ store: own.store, keys: own.keys, dataFolder, keep: 3, clock: own.clock, log: silentLog },
    ...{ identity: await generateIdentity(), migrations: MIGRATIONS },
  });
  const parts = { store: own.store, audit: own.audit, backups };
  const desk = new BackupDesk(backups, {
    make: () => backups.make(),
    check: (_, name) => backups.check(name),
    fetch: (actor, name) => fetchBackupFile(parts, actor, name),
    take: (actor, stream, declared) => takeBackupFile(parts, actor, stream, declared),
    adopt: (actor, taken) => adoptBackup(parts, actor, taken),
  });
  const at = await openTestDesk({ settingsBackups: desk });
  t.teardown(async () => {
    await at.close();
    await own.close();
    folder[Symbol.dispose]();
  });
  const { socketPath } = at.realm;
  const cookie = await at.realm.enter('ann@example.com');
  const ask = (method: string, path: string) =>
    askSocket(socketPath, method, path, undefined, { accept: 'text/html', cookie });
  const bring = (content: Uint8Array, headers: Record<string, string> = {}) =>
    send(socketPath, formOf(content), { cookie, ...headers });
  const list = () => readdirSync(join(dataFolder, 'backups')).sort();
  return { audit: own.audit, backups, desk, ask, bring, list, dataFolder, socketPath };
}

function send(
  socketPath: string,
  body: Buffer,
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({
      ...{ socketPath, method: 'POST', path: '/backups/file', agent: false },
      headers: {
        ...{ host: 'localhost', accept: 'text/html', origin: 'https://localhost', 'x-appliance-peer': '192.0.2.7' },
        'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
        'content-length': String(body.length),
        ...headers,
      },
    });
    sent.on('response', async answer => {
      resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(await answer.toArray()).toString() });
    });
    sent.on('error', reject);
    Readable.from(piecesOf(body, 60_000)).pipe(sent);
  });
}

function* piecesOf(content: Buffer, bytes: number): Generator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield content.subarray(at, at + bytes);
}

async function told(audit: AuditLog) {
  const entries = await audit.search({ limit: 20, event: 'backup-file.' });
  return entries.map(({ entry }) => [entry.event, entry.actor.name, entry.detail.code ?? entry.detail.name]);
}

test('J-05 a backup goes out as one file and comes in again; both are in the log', async t => {
  const { backups, desk, ask, bring, audit, dataFolder } = await open(t);
  writeFileSync(join(dataFolder, 'keys/<my own>'), 'x');
  const { name } = await backups.make();
  const page = (await ask('GET', '/backups')).body;
  t.true(page.includes(`href="/backups/${name}/file"`) && page.includes('not in the file'));
  t.true(page.includes('Not in the newest backup:</strong> <code>keys/&lt;my own&gt;</code>.'));
  const { bytes, stream } = await desk.fetch({ kind: 'appliance', id: null, name: 'x', address: null }, name);
  const tar = Buffer.concat(await Readable.from(stream()).toArray());
  const got = await ask('GET', `/backups/${name}/file`);
  t.is(got.headers['content-length'], String(bytes));
  t.is(got.headers['content-disposition'], `attachment; filename="backup-${name}.tar"`);
  t.is((await ask('GET', '/backups/20200101T000000Z/file')).status, 404);

  const there = await bring(tar);
  t.is(there.status, 409);
  t.regex(there.body, new RegExp(`id="f-file-error">The backup ${name} is here already`));
  rmSync(join(dataFolder, 'backups', name), { recursive: true });
  t.is((await bring(tar)).status, 303);
  while (desk.isRunning()) await new Promise(setImmediate);
  t.is(desk.lastFault(), null);
  t.regex((await ask('GET', '/backups?brought=yes')).body, /The backup was opened and compared, and is in the list/);
  t.deepEqual(await told(audit), [
    ['backup-file.taken', 'ann@example.com', name],
    ['backup-file.refused', 'ann@example.com', 'backup.there-already'],
    ['backup-file.fetched', 'ann@example.com', name],
    ['backup-file.fetched', 'x', name],
  ]);
});

test('J-05 attack: what is no backup is refused beside its field, from elsewhere not even read, and nothing is left', async t => {
  const { bring, audit, list, socketPath } = await open(t);
  const before = list();
  const stranger = await bring(Buffer.alloc(200_000, 'not a backup '));
  t.is(stranger.status, 400);
  t.regex(stranger.body, /id="f-file-error">That file is no backup: it is not one file of a backup/);
  t.regex((await bring(Buffer.alloc(0))).body, /id="f-file-error">The file ends too early/);
  const foreign = await bring(Buffer.alloc(100), { origin: 'https://evil.example.com' });
  t.is(foreign.status, 403);
  const nobody = await send(socketPath, formOf(Buffer.alloc(100)), {});
  t.true([302, 303, 401].includes(nobody.status));
  t.deepEqual(list(), before);
  t.deepEqual(
    (await told(audit)).map(([, , code]) => code),
    ['backup-file.cut', 'backup-file.malformed'],
  );
});

test('J-05 two at once: the second is told to wait', async t => {
  const { desk, bring, backups } = await open(t);
  const { name } = await backups.make();
  await desk.check({ kind: 'appliance', id: null, name: null, address: null }, name);
  const late = await bring(Buffer.alloc(1000));
  t.is(late.status, 409);
  t.true(late.body.includes('A backup is being made, checked or brought just now'));
  while (desk.isRunning()) await new Promise(setImmediate);
});

/** What comes of a form that comes in so. */
async function read(
  body: Buffer,
  pieceBytes: number,
  type = `multipart/form-data; boundary=${BOUNDARY}`,
): Promise<Buffer> {
  const incoming = Object.assign(Readable.from(piecesOf(body, pieceBytes)), { headers: { 'content-type': type } });
  return Buffer.concat(await Readable.from(fileInForm(incoming as unknown as IncomingMessage, 'file')).toArray());
}

test('J-05 attack: a form is read the same however it is cut, and one that ends early or holds more is refused', async t => {
  const content = Buffer.from(`a\r\n--${BOUNDARY.slice(0, -1)}\r\n\r\n--\r\n--xx-cut-x${'z'.repeat(300)}\r\n`);
  const form = formOf(content);
  for (const bytes of [1, 2, 3, 7, 64, 1000]) t.deepEqual(await read(form, bytes), content);
  for (let length = 0; length < form.length - 2; length += 5) {
    await t.throwsAsync(read(form.subarray(0, length), 50), { code: 'request.malformed' }, String(length));
  }
  const wrong = [
    formOf(content, 'other'),
    formOf(content, 'file', '\r\nContent-Disposition: form-data; name="more"\r\n\r\nx'),
    Buffer.concat([Buffer.alloc(5000, 'x'), form]),
    Buffer.concat([Buffer.from('\r\n'), form]),
  ];
  for (const one of wrong) await t.throwsAsync(read(one, 512), { code: 'request.malformed' });
  for (const type of ['application/json', 'multipart/form-data', `multipart/form-data; boundary=${'y'.repeat(71)}`]) {
    await t.throwsAsync(read(form, 512, type), { code: 'request.malformed' });
  }
});
