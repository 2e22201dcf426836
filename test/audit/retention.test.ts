// Years of retention on a real store, log and recordings' folder; the clock is moved by hand.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exportLog } from '../../appliance/audit/export.ts';
import { Retention } from '../../appliance/audit/retention.ts';
import { LogVerifier } from '../../appliance/audit/verify.ts';
import type { SessionId } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { EndedSessions } from '../../appliance/sessions/ended-sessions.ts';
import { master, newId, openSessions } from '../sessions/open-sessions.ts';
import { TempFolder } from '../support/temp-folder.ts';

const MONTH_MS = 31 * 86_400_000;
const { actor } = master;

async function open() {
  const at = await openSessions();
  const folder = new TempFolder();
  const parts = { ...at, log: silentLog, sessions: new EndedSessions(at.store) };
  const retention = new Retention({ ...parts, recordings: new KeptRecordings(folder.path) });
  /** Months later; each month leaves an entry. */
  const later = async (months: number) => {
    for (let month = 0; month < months; month++) {
      at.clock.skip(MONTH_MS);
      await at.store.core.transaction(tx => at.audit.append(tx, { event: 'test.month', actor }));
      await at.audit.move();
    }
  };
  const film = (id: SessionId) => {
    const day = new Date(at.clock.now()).toISOString().slice(0, 10).replaceAll('-', '/');
    const path = join(folder.path, 'finished', day, `080000-${id}-${newId()}`);
    mkdirSync(dirname(path), { recursive: true });
    for (const ending of ['.rcrec', '.manifest.json', '.avi', '.avi.manifest.json'])
      writeFileSync(`${path}${ending}`, 'x');
  };
  /** A session with a line of chat and a recording, that is over. */
  const ended = async () => {
    const { id, owner } = await at.active();
    await at.chat.add(id, { lineId: newId(), author: 'technician', text: 'marker', actor: owner });
    film(id);
    await at.sessions.end(id, owner, 'solved');
    return id;
  };
  const films = () =>
    readdirSync(join(folder.path, 'finished'), { recursive: true, withFileTypes: true }).filter(one => one.isFile())
      .length;
  const verify = async () => {
    await at.audit.signHead();
    const lines: string[] = [];
    for await (const line of exportLog(at.store, { bodies: true })) lines.push(line);
    return { lines, ...verdictOf(lines) };
  };
  const verdictOf = (lines: readonly string[]) => {
    const verifier = new LogVerifier(at.signer.publicKey.export({ type: 'spki', format: 'pem' }).toString());
    for (const line of lines) verifier.line(line);
    return verifier.finish();
  };
  const close = async () => {
    await retention.close();
    await at.close();
    folder[Symbol.dispose]();
  };
  const files = () => readdirSync(at.store.folder).filter(name => /^(log|archive)-.*db$/.test(name));
  return { ...at, folder, retention, later, film, ended, films, verify, verdictOf, files, close };
}

type Opened = Awaited<ReturnType<typeof open>>;

async function isThere(t: ExecutionContext, at: Opened, id: SessionId, there: boolean): Promise<void> {
  if (there) {
    t.is((await at.sessions.get(id)).id, id);
    return void (await t.notThrowsAsync(at.store.sessionKeys.seal(id, 'x', new Uint8Array(1))));
  }
  await t.throwsAsync(at.sessions.get(id), { code: 'session.missing' });
  await t.throwsAsync(at.store.sessionKeys.seal(id, 'x', new Uint8Array(1)), { code: 'session-key.destroyed' });
}

test('G-05 after two years a month leaves the search and stays in exports and backups, whole', async t => {
  const at = await open();
  const id = await at.ended();
  await at.later(24);
  await at.retention.run();
  t.true(at.files().includes('log-202606.db'), 'not a month too early');
  await at.later(1);
  t.like(await at.retention.preview(), { deletes: false, sessions: 0 });
  t.is((await at.retention.preview()).archive[0]?.month, '202606');
  await at.retention.run();
  t.true(at.files().includes('archive-202606.db'));
  t.false(at.files().includes('log-202606.db'));
  t.true(at.store.files().includes('archive-202606.db'));
  t.deepEqual(await at.audit.search({ sessionId: id, limit: 10 }), []);
  const { ok, start, problems, lines } = await at.verify();
  t.deepEqual([ok, start, problems], [true, 'first', []]);
  t.true(lines.some(line => line.includes(id)));
  await isThere(t, at, id, true);
  t.is(at.films(), 4);
  await at.close();
});

test('G-05 nothing is deleted before a master admin has confirmed, nor after a change until it is confirmed again', async t => {
  const at = await open();
  const id = await at.ended();
  await at.later(50);
  t.like(await at.retention.preview(), {
    deletes: true,
    isConfirmed: false,
    sessions: 1,
    recordings: { count: 1, bytes: 4 },
  });
  await at.retention.run();
  await isThere(t, at, id, true);
  t.is(at.films(), 4);
  t.true(at.retention.warns);
  await at.retention.confirm(actor);
  t.false(at.retention.warns);
  await at.retention.setSettings(actor, { onlineMonths: 24, archiveMonths: 12, recordingMonths: 36 });
  t.true(at.retention.warns);
  await at.retention.run();
  await isThere(t, at, id, true);
  await at.retention.confirm(actor);
  t.deepEqual(await at.retention.run(), { failures: 0 });
  await isThere(t, at, id, false);
  t.is(at.films(), 0);
  t.deepEqual(readdirSync(join(at.folder.path, 'finished')), [], 'no empty folders are left');
  await at.close();
});

test('G-05 what was destroyed is gone, told in the log, and the verifier accepts the log that begins behind it', async t => {
  const at = await open();
  const id = await at.ended();
  await at.later(50);
  await at.retention.confirm(actor);
  const kept = (await at.verify()).lines.filter(line => line.includes('"head"')).map(line => JSON.parse(line))[0];
  await at.retention.run();
  t.false(at.files().some(name => name.includes('202606')));
  const { ok, start, firstSeq, problems, lines } = await at.verify();
  t.deepEqual([ok, start, problems], [true, 'retention', []]);
  t.true((firstSeq ?? 0) > 1);
  t.true(kept.seq > 0);
  const events = (await at.logged()).map(({ event }) => event);
  for (const event of [
    'retention.archived',
    'retention.recording-destroyed',
    'retention.session-destroyed',
    'retention.log-destroyed',
  ])
    t.true(events.includes(event), event);
  const destroyed = lines.find(line => line.includes('retention.session-destroyed'));
  t.true(destroyed?.includes(id));
  // Cut by hand, further than the log says: no entry names that place.
  const place = lines.findIndex(line => line.startsWith('{"type":"entry"'));
  const { seq, hash } = JSON.parse(lines[place] ?? '');
  const forged = [JSON.stringify({ type: 'start', version: 1, seq, hash }), ...lines.slice(place + 1)];
  t.is(at.verdictOf(forged).start, 'part');
  await at.close();
});

test('G-05 nothing under a legal hold is ever deleted, and the chain goes on around what is kept', async t => {
  const at = await open();
  const [held, other] = [await at.ended(), await at.ended()];
  await at.retention.hold(actor, held, 'case 4711');
  await at.later(1);
  const next = await at.ended();
  await at.later(52);
  await at.retention.confirm(actor);
  t.like(await at.retention.preview(), { sessions: 2, heldSessions: 1, heldRecordings: 1, heldMonths: ['202606'] });
  for (let night = 0; night < 3; night++) await at.retention.run();
  await isThere(t, at, held, true);
  await isThere(t, at, other, false);
  await isThere(t, at, next, false);
  t.is(at.films(), 4);
  t.true(at.files().includes('archive-202606.db'));
  t.false(at.files().some(name => name.includes('202607')));
  const around = await at.verify();
  t.deepEqual([around.ok, around.start, around.problems], [true, 'first', []]);
  t.true(around.lines.some(line => line.startsWith('{"type":"cut"')));
  const lines = around.lines.filter(line => line.includes(held) && line.includes('chat.line'));
  const { log, seq, body } = JSON.parse(lines[0] ?? '');
  const text = await at.store.sessionKeys.open(held, `audit/${log}/${seq}`, Buffer.from(body, 'base64url'));
  t.is(Buffer.from(text).toString(), 'marker', 'its chat can still be read');

  await at.retention.release(actor, held);
  await at.retention.run();
  await isThere(t, at, held, false);
  t.false(at.files().some(name => name.includes('202606')));
  t.is(at.films(), 0);
  t.is((await at.verify()).start, 'retention');
  t.true(around.lines.some(line => line.includes('"hold.set"')));
  t.true((await at.logged()).some(({ event, sessionId }) => event === 'hold.released' && sessionId === held));
  await at.close();
});

test('G-03 G-05 attack: a cut that the log does not tell of, or another than it tells of, is found', async t => {
  const at = await open();
  const held = await at.ended();
  await at.retention.hold(actor, held, 'case');
  await at.later(53);
  await at.retention.confirm(actor);
  await at.retention.run();
  const { lines } = await at.verify();
  const cut = lines.findIndex(line => line.startsWith('{"type":"cut"'));
  t.true(cut > 0);
  const swap = (change: object) =>
    lines.map((line, at) => (at === cut ? JSON.stringify({ ...JSON.parse(line), ...change }) : line));
  const codes = (changed: readonly string[]) => at.verdictOf(changed).problems.map(({ code }) => code);
  t.deepEqual(codes(lines), []);
  t.true(codes(swap({ hash: 'x'.repeat(43) })).includes('cut'));
  const { fromSeq, seq } = JSON.parse(lines[cut] ?? '');
  t.true(codes(swap({ fromSeq: fromSeq + 1 })).includes('hole'));
  t.true(codes(swap({ seq: seq + 1 })).length > 0);
  t.true(codes(lines.filter((_, at) => at !== cut)).includes('hole'));
  // A whole month taken out, with a cut put in its place.
  const entries = lines.map(line => JSON.parse(line)).filter(({ type }) => type === 'entry');
  const [a, b] = [entries.at(-4), entries.at(-3)];
  const forged = lines.filter(
    line => ![a, b].some(one => line.startsWith('{"type":"entry"') && JSON.parse(line).seq === one.seq),
  );
  const place = forged.findIndex(line => line.startsWith('{"type":"entry"') && JSON.parse(line).seq === b.seq + 1);
  forged.splice(place, 0, JSON.stringify({ type: 'cut', fromSeq: a.seq, seq: b.seq, hash: b.hash }));
  t.true(codes(forged).includes('cut'));
  await at.close();
});

test('G-03 G-05 attack: what a hold has kept is taken out, and said to be destroyed with what was', async t => {
  const at = await open();
  await at.retention.hold(actor, await at.ended(), 'case');
  await at.later(53);
  await at.retention.confirm(actor);
  await at.retention.run();
  const { lines, ok, start } = await at.verify();
  t.deepEqual([ok, start], [true, 'first']);
  const cut = lines.findIndex(line => line.startsWith('{"type":"cut"'));
  const { fromSeq, seq, hash } = JSON.parse(lines[cut] ?? '');
  // The last entry that was kept, under a cut that begins earlier.
  const wider = [...lines.slice(0, cut - 1), JSON.stringify({ type: 'cut', fromSeq: fromSeq - 1, seq, hash })];
  t.deepEqual(
    at.verdictOf([...wider, ...lines.slice(cut + 1)]).problems.map(({ code }) => code),
    ['cut'],
  );
  const head = lines.findIndex(line => line.startsWith('{"type":"head"'));
  const odd = lines.map((line, at) => (at === head ? line.replace(/"kid":"/, '"kid":"\\ud800') : line));
  t.is(at.verdictOf(odd).problems[0]?.code, 'head-signature', 'what no text can hold is no signature');
  // All of it: the log seems to begin behind what was destroyed.
  const shorter = [JSON.stringify({ type: 'start', version: 1, seq, hash }), ...lines.slice(cut + 1)];
  t.is(at.verdictOf(shorter).start, 'part');
  await at.close();
});

test('G-03 G-05 the log verifies after years, when what told of the first destruction is destroyed, too', async t => {
  const at = await open();
  await at.retention.setSettings(actor, { onlineMonths: 1, archiveMonths: 0, recordingMonths: 1 });
  await at.retention.confirm(actor);
  const held = await at.ended();
  for (let month = 0; month < 9; month++) {
    if (month === 3) await at.retention.hold(actor, await at.ended(), 'case');
    await at.later(1);
    await at.retention.run();
    const { problems, start } = await at.verify();
    t.deepEqual([problems, start], [[], month < 1 ? 'first' : 'retention'], `month ${month}`);
  }
  const { lines } = await at.verify();
  t.is(lines.filter(line => line.startsWith('{"type":"cut"')).length, 1, 'one between what is kept');
  await isThere(t, at, held, false);
  await at.close();
});

test('G-05 a share that is away deletes no recording and stops nothing else; what failed goes the next night', async t => {
  const at = await open();
  const id = await at.ended();
  await at.later(50);
  await at.retention.confirm(actor);
  const away = new Retention({
    ...{ ...at, log: silentLog, sessions: new EndedSessions(at.store) },
    recordings: new KeptRecordings(join(at.folder.path, 'not-mounted')),
  });
  t.regex((await away.preview()).recordingsFault ?? '', /ENOENT/);
  t.deepEqual(await away.run(), { failures: 1 });
  await isThere(t, at, id, false);
  t.is(at.films(), 4);
  await at.retention.run();
  t.is(at.films(), 0);
  await at.close();
});

test('G-05 K-01 a folder of the network that is not mounted is a share that is away, and not one without films', async t => {
  const at = await open();
  const id = await at.ended();
  const [from, finished] = [at.clock.now(), join(at.folder.path, 'finished')];
  const films = new KeptRecordings(at.folder.path);
  renameSync(finished, join(at.folder.path, 'elsewhere'));
  const away = { code: 'recording.share-gone' };
  await t.throwsAsync(films.before(from), away);
  await t.throwsAsync(films.removeOf(id, from, from), away, 'an erasure is not done');
  renameSync(join(at.folder.path, 'elsewhere'), finished);
  t.is(at.films(), 4);
  await at.close();
});

test('G-05 recordings have a time of their own, not longer than their log’s', async t => {
  const at = await open();
  await t.throwsAsync(at.retention.setSettings(actor, { onlineMonths: 2, archiveMonths: 2, recordingMonths: 5 }), {
    code: 'retention.recordings',
  });
  const id = await at.ended();
  await at.retention.setSettings(actor, { onlineMonths: 24, archiveMonths: 24, recordingMonths: 3 });
  await at.retention.confirm(actor);
  await at.later(3);
  await at.retention.run();
  t.is(at.films(), 4);
  await at.later(1);
  await at.retention.run();
  t.is(at.films(), 0);
  await isThere(t, at, id, true);
  await at.close();
});

test('G-05 a hold has a reason and a session, and is set once', async t => {
  const at = await open();
  const id = await at.ended();
  await t.throwsAsync(at.retention.hold(actor, id, '  '), { code: 'hold.reason' });
  await t.throwsAsync(at.retention.hold(actor, newId() as SessionId, 'x'), { code: 'hold.no-session' });
  await at.retention.hold(actor, id, 'case');
  await t.throwsAsync(at.retention.hold(actor, id, 'again'), { code: 'hold.there' });
  t.like((await at.retention.holds())[0], { sessionId: id, reason: 'case', setByName: actor.name });
  await at.retention.release(actor, id);
  await t.throwsAsync(at.retention.release(actor, id), { code: 'hold.missing' });
  await at.close();
});

test('G-05 killed between the word and the deed, the next night ends what was begun', async t => {
  const at = await open();
  const id = await at.ended();
  await at.later(50);
  await at.retention.confirm(actor);
  // As a kill would have left it: the archive told of and not made, one made; the key gone and not the row; half a recording.
  const told = { event: 'retention.archived', actor, detail: { month: '202606' } };
  await at.store.core.transaction(tx => at.audit.append(tx, told));
  await at.store.archive('202607');
  await at.store.sessionKeys.destroy(id);
  const [half] = readdirSync(join(at.folder.path, 'finished'), { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.rcrec'),
  );
  rmSync(join(at.folder.path, 'finished', half ?? ''));
  t.deepEqual(await at.retention.run(), { failures: 0 });
  await isThere(t, at, id, false);
  t.is(at.films(), 0);
  t.deepEqual((await at.verify()).problems, []);
  // The file as a kill after the row would have left it.
  writeFileSync(join(at.store.folder, 'archive-202606.db'), 'left');
  t.true((await at.verify()).ok, 'and it is in no export');
  await at.retention.run();
  t.false(existsSync(join(at.store.folder, 'archive-202606.db')));
  await at.close();
});
