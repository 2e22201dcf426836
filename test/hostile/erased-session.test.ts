// Somebody who has the disk, its backups and every key on it looks for a session that was erased.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generateIdentity } from 'age-encryption';
import test, { type ExecutionContext } from 'ava';
import { AuditLog } from '../../appliance/audit/audit.ts';
import { Erasures, type ErasuresParts } from '../../appliance/audit/erasures.ts';
import { exportLog } from '../../appliance/audit/export.ts';
import { Retention } from '../../appliance/audit/retention.ts';
import { SearchIndex } from '../../appliance/audit/search-index.ts';
import { LogVerifier } from '../../appliance/audit/verify.ts';
import type { SessionId } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { EndedSessions } from '../../appliance/sessions/ended-sessions.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { Backups } from '../../appliance/store/backup.ts';
import { LEDGER_FILE } from '../../appliance/store/erasure-ledger.ts';
import { restoreBackup } from '../../appliance/store/restore.ts';
import { findSessionKeyBackup } from '../../appliance/store/session-key-backup.ts';
import { sqlcipherDriver } from '../../appliance/store/sqlite/sqlcipher-driver.ts';
import { Store } from '../../appliance/store/store.ts';
import { master, newId, openSessions, technician } from '../sessions/open-sessions.ts';
import { TestHeadSigner } from '../support/audit.ts';
import { searchDisk } from '../support/disk-search.ts';
import { MIGRATIONS } from '../support/store.ts';

const DAY_MS = 86_400_000;
// Words of their own, for an index keeps no sentences.
const CHAT = 'kqchatmarker';
const NAME = 'vqnamemarker';
const FILM = 'yqfilmmarker';
const { actor } = master;

async function open() {
  const at = await openSessions();
  const dataFolder = dirname(at.folder);
  const identity = await generateIdentity();
  for (const name of ['keys', 'public', 'recordings/finished']) mkdirSync(join(dataFolder, name), { recursive: true });
  writeFileSync(join(dataFolder, 'keys/store.key'), at.keys.store);
  writeFileSync(join(dataFolder, 'keys/key-encryption.key'), at.keys.keyEncryption);
  writeFileSync(join(dataFolder, 'appliance.yaml'), 'version: 1\n');
  const parts = { store: at.store, audit: at.audit, clock: at.clock, log: silentLog };
  const backups = new Backups({ ...parts, keys: at.keys, dataFolder, identity, keep: 3, migrations: MIGRATIONS });
  const films = new KeptRecordings(join(dataFolder, 'recordings'));
  const sessions = new EndedSessions(at.store);
  const erasures = (over: Partial<ErasuresParts> = {}) => new Erasures({ ...parts, sessions, films, ...over });
  const retention = new Retention({ ...parts, sessions, recordings: films });
  const made = makerOf(at, dataFolder);
  const filmsLeft = () =>
    readdirSync(join(dataFolder, 'recordings'), { recursive: true, withFileTypes: true }).filter(one => one.isFile());
  return { ...at, ...readersOf(at), dataFolder, identity, backups, erasures, retention, made, filmsLeft };
}

type Sessions = Awaited<ReturnType<typeof openSessions>>;

function makerOf(at: Sessions, dataFolder: string) {
  const film = (id: SessionId) => {
    const path = join(dataFolder, 'recordings/finished/2026/06/01', `080000-${id}-${newId()}`);
    mkdirSync(dirname(path), { recursive: true });
    for (const ending of ['.rcrec', '.manifest.json', '.avi', '.avi.manifest.json'])
      writeFileSync(`${path}${ending}`, FILM);
  };
  /** With a name, a line of chat and a film; over unless it is said to be live. */
  return async (isLive = false) => {
    const owner = technician();
    const { id } = await at.sessions.create(owner, { groupId: ROOT_GROUP_ID, customerName: NAME });
    const { code } = await at.entries.makeLink(id, owner);
    await at.claim(code);
    await at.sessions.pickUp(id, owner);
    await at.chat.add(id, { lineId: newId(), author: 'technician', text: `it is ${CHAT} again`, actor: owner });
    film(id);
    if (!isLive) await at.sessions.end(id, owner, 'solved');
    return { id, owner };
  };
}

function readersOf(at: Sessions) {
  /** So much that it is worth while. */
  const index = async () => {
    await at.store.core.transaction(async tx => {
      for (let n = 0; n < 600; n++) await at.audit.append(tx, { event: 'filler.written', actor, detail: { n } });
    });
    await at.audit.move();
    const search = new SearchIndex({ store: at.store, sessions: new SessionFacts(at.store), log: silentLog });
    await search.work();
    await search.close();
  };
  const wrappedKeyOf = async (id: SessionId) => {
    const keys = await sqlcipherDriver.open(join(at.folder, 'keys.db'), at.keys.store, 'read');
    const [row] = await keys.all('SELECT wrapped FROM session_key WHERE session_id = ?', [id]);
    await keys.close();
    if (!(row?.wrapped instanceof Uint8Array)) throw new Error('there is no such key');
    return row.wrapped;
  };
  const verdict = async () => {
    await at.audit.signHead();
    const verifier = new LogVerifier(at.signer.publicKey.export({ type: 'spki', format: 'pem' }).toString());
    for await (const line of exportLog(at.store, { bodies: true })) verifier.line(line);
    return verifier.finish();
  };
  return { index, wrappedKeyOf, verdict };
}

const needles = { chat: CHAT, name: NAME, film: FILM };

/** The backup made before, on another machine, with the keys of the day that are still there. */
async function comesBackErased(
  t: ExecutionContext,
  at: Awaited<ReturnType<typeof open>>,
  { id, wrapped, backup }: { id: SessionId; wrapped: Uint8Array; backup: string },
): Promise<void> {
  const elsewhere = join(at.dataFolder, 'elsewhere');
  const dayKeys = join(at.dataFolder, 'day-keys');
  const from = join(at.dataFolder, 'backups', backup);
  const restored = await restoreBackup({
    ...{ backup: from, dataFolder: elsewhere, identity: at.identity, dayKeys, now: at.clock.now() },
  });
  t.is(restored.erased, 2);
  t.deepEqual(await searchDisk(elsewhere, at.keys, { ...needles, key: wrapped }), []);
  const options = { folder: join(elsewhere, 'store'), keys: at.keys, migrations: MIGRATIONS, clock: at.clock };
  const store = await Store.open({ ...options, log: silentLog, metrics: new Metrics() });
  const config = { headEveryEntries: 1000, headEverySeconds: 60 };
  const audit = new AuditLog({
    store,
    sessions: new SessionFacts(store),
    signer: new TestHeadSigner(),
    clock: at.clock,
    log: silentLog,
    config,
  });
  await audit.start();
  const again = at.erasures({ store, audit, sessions: new EndedSessions(store) });
  t.not(await store.core.read.get('SELECT 1 FROM support_session WHERE id = ?', [id]), undefined);
  await again.start();
  t.is(await store.core.read.get('SELECT 1 FROM support_session WHERE id = ?', [id]), undefined, 'before it is served');
  for (const close of [again, audit, store]) await close.close();
}

test('B-05 K-01 attack erased-and-still-there: no marker in any file, write-ahead log, film folder or backup, with every key', async t => {
  const at = await open();
  const { id } = await at.made();
  const other = await at.made();
  await at.index();
  const wrapped = await at.wrappedKeyOf(id);
  const backup = await at.backups.make();
  const before = await searchDisk(at.dataFolder, at.keys, { ...needles, key: wrapped });
  for (const place of [
    ...['chat in audit_entry of log-202606.db, unsealed', 'name in support_session of core.db, unsealed'],
    ...['chat in pages of search-202606.db', 'name in pages of search-202606.db', 'key in pages of keys.db'],
  ])
    t.true(before.includes(place), before.join('\n'));
  t.true(before.some(place => place.startsWith('film in')));

  const erasures = at.erasures();
  await erasures.erase(actor, id, 'The customer asked for it.');
  await erasures.erase(actor, other.id, 'So did this one.');
  t.not((await erasures.find(id))?.doneAt, null);
  t.deepEqual(await searchDisk(at.dataFolder, at.keys, { ...needles, key: wrapped }), []);
  t.deepEqual(at.filmsLeft(), []);
  const verdict = await at.verdict();
  t.true(verdict.ok, verdict.problems.join('\n'));
  const events = await at.events(id);
  t.deepEqual(events.slice(-2), ['session.erasure-asked', 'session.erased']);
  t.like((await at.logged()).find(({ event }) => event === 'session.erased')?.detail, {
    films: 1,
    bytes: 4 * FILM.length,
  });

  await comesBackErased(t, at, { id, wrapped, backup: backup.name });
  at.clock.skip(30 * DAY_MS);
  await at.backups.make();
  const left = await findSessionKeyBackup(join(at.dataFolder, 'backups/session-keys'), join(at.dataFolder, 'day-keys'));
  t.is(left?.day, '20260701', 'no copy of the key opens any more');
  await at.close();
});

test('K-01 attack: a restore without the ledger, or a store whose ledger was taken away, does not begin', async t => {
  const at = await open();
  const { id } = await at.made();
  await at.backups.make();
  await at.erasures().erase(actor, id, 'The customer asked for it.');
  const keys = join(at.folder, 'keys.db');
  const [before, copy] = [readFileSync(keys), join(at.dataFolder, 'copy')];
  const [{ name = '' } = {}] = await at.backups.list();
  cpSync(join(at.dataFolder, 'backups'), join(at.dataFolder, 'taken'), { recursive: true });
  rmSync(join(at.dataFolder, 'taken', LEDGER_FILE));
  const from = join(at.dataFolder, 'taken', name);
  await t.throwsAsync(
    restoreBackup({ backup: from, dataFolder: join(at.dataFolder, 'other'), identity: at.identity, now: 1 }),
    { code: 'erasure-ledger.missing' },
  );
  await at.store.checkpoint();
  cpSync(at.folder, copy, { recursive: true });
  const openCopy = (backups = copy) =>
    Store.open({
      ...{ folder: copy, keys: at.keys, migrations: MIGRATIONS, clock: at.clock, log: silentLog },
      ...{ metrics: new Metrics(), backups },
    });
  rmSync(join(copy, LEDGER_FILE));
  await t.throwsAsync(openCopy(), { code: 'erasure-ledger.missing' });
  // The copy beside the backups is as good; a last line that was not written whole speaks of nothing yet.
  copyFileSync(join(at.dataFolder, 'backups', LEDGER_FILE), join(copy, LEDGER_FILE));
  writeFileSync(join(copy, LEDGER_FILE), '{"sessionId":"AAAA', { flag: 'a' });
  writeFileSync(join(copy, 'keys.db'), before); // with whatever it held
  const store = await openCopy(join(at.dataFolder, 'backups'));
  t.deepEqual([...store.sessionKeys.erased], [id]);
  t.is(
    readFileSync(join(copy, LEDGER_FILE), 'utf8'),
    readFileSync(join(at.dataFolder, 'backups', LEDGER_FILE), 'utf8'),
  );
  await store.close();
  await at.close();
});

test('K-01 G-05 what is under a hold, is not over, has no reason or is erased already is not erased, and nothing of it is lost', async t => {
  const at = await open();
  const erasures = at.erasures();
  const [held, live] = [await at.made(), await at.made(true)];
  await at.retention.hold(actor, held.id, 'Case 17');
  const refused = (id: SessionId, code: string, reason = 'asked') =>
    t.throwsAsync(erasures.erase(actor, id, reason), { code });
  await refused(held.id, 'erasure.held');
  await refused(live.id, 'erasure.not-over');
  await refused(newId() as SessionId, 'erasure.no-session');
  await at.retention.release(actor, held.id);
  await refused(held.id, 'erasure.reason', ' ');
  t.false((await at.events(held.id)).includes('session.erasure-asked'));
  t.true((await searchDisk(at.dataFolder, at.keys, needles)).length > 3, 'all of it is there');
  await erasures.erase(actor, held.id, 'asked');
  await refused(held.id, 'erasure.there');
  await t.throwsAsync(at.retention.hold(actor, held.id, 'Case 18'), { code: 'hold.no-session' });
  t.is((await at.sessions.get(live.id)).state, 'active');
  await at.retention.close();
  await at.close();
});

test('K-01 an erasure that meets a share that is away goes on by the clock, key and row gone at once', async t => {
  const at = await open();
  const { id } = await at.made();
  const share = join(at.dataFolder, 'recordings');
  const away = `${share}-away`;
  cpSync(share, away, { recursive: true });
  rmSync(share, { recursive: true });
  const erasures = at.erasures();
  await erasures.erase(actor, id, 'asked');
  t.is((await erasures.find(id))?.doneAt, null);
  await t.throwsAsync(at.sessions.get(id), { code: 'session.missing' });
  await t.throwsAsync(at.store.sessionKeys.seal(id, 'x', new Uint8Array(1)), { code: 'session-key.destroyed' });
  await t.throwsAsync(at.retention.hold(actor, id, 'too late'), { code: 'hold.no-session' });
  await erasures.start();
  cpSync(away, share, { recursive: true });
  rmSync(away, { recursive: true });
  at.clock.advance(60_000);
  while ((await erasures.find(id))?.doneAt === null) await new Promise(resolve => setImmediate(resolve));
  await erasures.close();
  t.not((await erasures.find(id))?.doneAt, null);
  t.deepEqual(at.filmsLeft(), []);
  t.is((await at.events(id)).filter(event => event === 'session.erased').length, 1);
  t.false(existsSync(join(share, 'finished/2026')), 'nor empty folders');
  await at.close();
});
