// The auditor's page of a session and its films: who gets them, in which parts, and what the log says of it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { ApplianceError } from '../../appliance/errors.ts';
import { toBase64Url } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { recordingAviActs } from '../../appliance/portal/recording-avi.ts';
import { partOf } from '../../appliance/portal/web/file-answer.ts';
import type { FailedAvi, MadeAvi, SignedManifest } from '../../appliance/protocol/recorder-portal.ts';
import { AviMaker, type Convert } from '../../appliance/recording/avi-maker.ts';
import { RecorderServer } from '../../appliance/recording/receive.ts';
import { RecordingShare } from '../../appliance/recording/recording-share.ts';
import { EndedSessions } from '../../appliance/sessions/ended-sessions.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { bytes, linked, openTestDesk } from './open-support.ts';

/** Text, so that what is answered can be compared as it is. */
const FILM = Buffer.from(bytes(60_000)).toString('hex');
const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url');

/** A session with consent, chat and one finished recording, and an auditor who is signed in. */
async function openSession(t: ExecutionContext) {
  const backup = { name: '20260601T070000Z', version: 1 as const, at: 0, bytes: 1, files: 1, verifiedAt: 0 };
  const at = await openTestDesk({ storeBackups: { list: async () => [backup] } });
  t.teardown(() => at.close());
  const session = await linked(at);
  const { id, owner, linkId, applet } = session;
  const { chat, actions, recordings } = at.parts.support;
  await chat.add(id, { lineId: toBase64Url(bytes(16)), author: 'technician', text: 'Hello <b>', actor: owner });
  await actions.consent(id, session.receipt());
  await actions.report(id, applet.report(id, { stage: 'started', action: 'send-files' }));
  const nonce = toBase64Url(bytes(16));
  const name = `2026/06/01/080000-${id}-${nonce}`;
  await recordings.finished({
    ...{ sid: id, linkId: toBase64Url(linkId), nonce, name, bytes: FILM.length, sha256: digestOf(FILM), offset: 700 },
    ...{ sub: owner.id, technician: owner.name, forced: true, startedAt: 1000, durationMs: 125_000, isWhole: false },
    ...{ receipt: null, attested: null, isPaused: false, after: null, pausedMs: 0 },
  });
  const path = join(at.folder, 'recordings/finished', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.rcrec`, FILM);
  await at.member('auditor@example.com', ['auditor']);
  const signIn = async () => (await at.signIn('auditor@example.com', PASSWORD)).token;
  const film = `/auditor/recordings/${nonce}/film.rcrec`;
  const ask = (token: string, headers: Record<string, string> = {}, method = 'GET', what = film) =>
    askSocket(at.socketPath, method, what, token, headers);
  const look = (token: string) => ask(token, { accept: 'text/html' }, 'GET', `/auditor/sessions/${id}`);
  return { at, id, owner, nonce, path, film, signIn, ask, look };
}

test('H-04 RFC 9110 §14: one range is answered, whatever else is asked for is ignored, and nothing reaches beyond the file', t => {
  for (const ignored of ['', 'bytes=', 'bytes=-', 'bytes=5-3', 'bytes=0-1,5-6', 'lines=0-1', 'bytes=a-b', 'bytes 0-1'])
    t.is(partOf(ignored, 10), 'whole', ignored);
  for (const beyond of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=999999999999999-'])
    t.is(partOf(beyond, 10), 'unsatisfiable', beyond);
  t.deepEqual(partOf('bytes=0-0', 10), { first: 0, last: 0 });
  t.deepEqual(partOf('BYTES = 3-', 10), { first: 3, last: 9 });
  t.deepEqual(partOf('bytes=-3', 10), { first: 7, last: 9 });
  t.deepEqual(partOf('bytes=-99', 10), { first: 0, last: 9 });
  fc.assert(
    fc.property(fc.nat(50), fc.string(), fc.nat(99), fc.nat(99), (size, junk, from, to) => {
      for (const header of [junk, `bytes=${junk}`, `bytes=${from}-${to}`, `bytes=${from}-`, `bytes=-${to}`]) {
        const part = partOf(header, size);
        if (typeof part === 'string') continue;
        if (part.first < 0 || part.last < part.first || part.last >= size) return false;
      }
      return true;
    }),
  );
});

test('H-04 a film is sent in the part that is asked for, as long as it is the film one began with', async t => {
  const { signIn, ask } = await openSession(t);
  const token = await signIn();
  const scripts = { accept: 'application/octet-stream, application/json', range: 'bytes=0-9' };
  t.is((await ask('nobody', scripts)).status, 401, 'and not a page to sign in, which a player can’t play');
  const head = await ask(token, { range: 'bytes=0-9' }, 'HEAD');
  t.is(head.status, 200);
  t.deepEqual([head.body, head.headers['content-length']], ['', String(FILM.length)], 'HEAD knows no ranges');
  t.is(head.headers['accept-ranges'], 'bytes');
  const etag = String(head.headers.etag);
  t.is(etag, `"${digestOf(FILM)}"`);
  const part = await ask(token, { range: 'bytes=1000-70999', 'if-range': etag });
  t.is(part.status, 206);
  t.is(part.headers['content-range'], `bytes 1000-70999/${FILM.length}`);
  t.is(part.headers['content-length'], '70000');
  t.is(part.body, FILM.slice(1000, 71_000));
  t.is((await ask(token, { range: 'bytes=-5' })).body, FILM.slice(-5));
  const beyond = await ask(token, { range: `bytes=${FILM.length}-` });
  t.deepEqual([beyond.status, beyond.headers['content-range'], beyond.body], [416, `bytes */${FILM.length}`, '']);
  for (const headers of [{}, { range: 'bytes=0-1', 'if-range': '"another"' }, { range: 'bytes=0-1,4-5' }]) {
    const whole = await ask(token, headers);
    t.deepEqual([whole.status, whole.body === FILM], [200, true], JSON.stringify(headers));
    t.regex(String(whole.headers['content-disposition']), /^attachment; filename="2026-06-01-[\w-]+\.rcrec"$/);
    t.is(whole.headers['content-type'], 'application/octet-stream');
  }
});

test('G-02 D-08 each look at a session, a film and each download stands in the log; of a film that plays once an hour', async t => {
  const { at, id, nonce, film, signIn, ask, look } = await openSession(t);
  for (const role of ['technician', 'admin'] as const) {
    await at.member(`${role}@example.com`, [role]);
    const { token } = await at.signIn(`${role}@example.com`, PASSWORD);
    for (const path of [film, `/auditor/sessions/${id}`])
      t.is((await ask(token, {}, 'GET', path)).code, 'portal.not-allowed', `${role} ${path}`);
  }
  const { token: master } = await at.signIn('root', PASSWORD);
  t.is((await ask(master, {}, 'HEAD')).status, 200, 'as he may take the evidence bundle');
  const logged = async () =>
    (await at.events()).filter(event => /^(?:session|recording)\.(?:viewed|downloaded)$/.test(event));
  t.deepEqual(await logged(), []);
  const [one, other] = [await signIn(), await signIn()];
  await Promise.all([1, 2, 3, 4].map(n => ask(one, { range: `bytes=${n}-` })));
  await ask(one, {}, 'HEAD');
  t.deepEqual(await logged(), ['recording.viewed'], 'once, however many parts');
  t.like((await at.entries()).at(-1), { sessionId: id, detail: { stream: nonce, form: 'rcrec' } });
  await ask(other, { range: 'bytes=0-9' });
  for (let minutes = 10; minutes < 60; minutes += 10) {
    at.clock.advance(10 * 60_000); // who looks on stays signed in
    t.is((await ask(one, { range: 'bytes=0-9' })).status, 206);
  }
  t.is((await logged()).length, 2, 'another login, and the same within the hour');
  at.clock.advance(10 * 60_000);
  await ask(one, { range: 'bytes=0-9' });
  await ask(one);
  await ask(one);
  await look(one);
  await look(one);
  const more = ['recording.viewed', 'recording.downloaded', 'recording.downloaded', 'session.viewed', 'session.viewed'];
  t.deepEqual((await logged()).slice(2), more);
  t.is((await ask(one, {}, 'GET', film.replace('rcrec', 'avi'))).code, 'recording.missing');
  t.is((await ask(one, {}, 'GET', `/auditor/sessions/${toBase64Url(bytes(16))}`)).code, 'session.missing');
  t.is((await logged()).length, 7, 'of what is not there nothing was seen');
});

test('H-04 E-02 the page shows who, consents, chat and films; what was erased or is gone is told', async t => {
  const { at, id, film, path, signIn, look, ask } = await openSession(t);
  const token = await signIn();
  const has = async (...texts: string[]) => {
    const { status, body } = await look(token);
    t.is(status, 200);
    for (const text of texts) t.true(body.includes(text), text);
    return body;
  };
  const shown = await has(
    'Carl',
    '>customer allowed<',
    'data-consent="customer allowed: ',
    'Hello &lt;b&gt;',
    '>files<',
    '2:05',
    'cut off',
    'unproved',
    'not attested',
    film,
  );
  t.false(shown.includes('changed since') || shown.includes('film.avi'));
  writeFileSync(`${path}.avi`, FILM);
  t.false((await look(token)).body.includes('film.avi'), 'nobody vouches for it yet');
  writeFileSync(`${path}.avi.manifest.json`, '{}');
  const avi = film.replace('.rcrec', '.avi');
  await has(avi);
  const { status, headers } = await ask(token, { range: 'bytes=0-1' }, 'GET', avi);
  t.deepEqual([status, headers['content-type']], [206, 'video/x-msvideo']);
  t.true(String(headers.etag).length > 40);
  rmSync(`${path}.avi`);
  writeFileSync(`${path}.rcrec`, FILM.slice(1));
  await has('changed since');
  rmSync(`${path}.rcrec`);
  t.false((await has('not kept any more')).includes(film));
  await at.store.sessionKeys.destroy(id);
  const erased = await has('This session was erased', 'text is not kept');
  t.false(erased.includes('Hello') || erased.includes('Carl'));
  await at.store.core.transaction(tx => new EndedSessions(at.store).erase(tx, id)); // as retention does
  t.false((await has('This session was erased', 'session.viewed', 'No film of this session')).includes('Technician<'));
  t.is((await ask(token, {}, 'GET', film)).code, 'recording.missing');
});

/** The recorder's part that makes AVIs, on its socket, with a converter of this test's. */
async function startMaker(t: ExecutionContext, at: Awaited<ReturnType<typeof openTestDesk>>, convert: Convert) {
  const shared = { clock: at.clock, log: silentLog, metrics: new Metrics() };
  const share = new RecordingShare(join(at.folder, 'recordings'));
  await share.prepare();
  const acts = recordingAviActs({ ...at, ...at.parts.support });
  const portal = {
    format: async () => 'rcrec' as const,
    aviMade: async (made: MadeAvi) => (await acts['POST /internal/recording/avi']?.(made)) as SignedManifest,
    aviFailed: async (failed: FailedAvi) => void (await acts['POST /internal/recording/avi-failed']?.(failed)),
  };
  const avis = new AviMaker({ ...shared, share, convert, portal });
  const refused = () => Promise.reject(new Error('not in this test'));
  const server = new RecorderServer({
    ...{ ...shared, avis, recordings: { bring: refused }, authorise: refused },
    socketPath: join(at.folder, 'recorder.sock'),
  });
  await server.listen();
  t.teardown(() => server.close());
  return avis;
}

test('H-01 G-02 an AVI is made at an auditor’s wish, which is logged; how it comes on stands on the page', async t => {
  const { at, id, path, signIn, ask, look } = await openSession(t);
  const token = await signIn();
  const shows = async (text: string) => {
    const [page, part] = [await look(token), await ask(token, {}, 'GET', `${aviPath}?number=1`)];
    for (const { body } of [page, part]) t.true(body.includes(text), `${text}: ${body}`);
  };
  const aviPath = `/auditor/recordings/${path.slice(-22)}/avi`;
  const press = () => ask(token, {}, 'POST', aviPath);
  await shows('The recorder does not say');
  t.is((await press()).status, 503);
  let result: Error | null = new ApplianceError('malformed', 'rcrec.damaged', 'it is no film');
  const avis = await startMaker(t, at, async ({ to, onProgress }) => {
    onProgress(0.4);
    await shows('The AVI is being made, 40 %');
    if (result !== null) throw result;
    writeFileSync(to, 'an AVI');
    return { codec: 'h264', frames: 6, width: 64, height: 48 };
  });
  await shows('Make an AVI');
  const pressed = await press();
  t.deepEqual([pressed.status, pressed.headers.location], [303, `/auditor/sessions/${id}`]);
  await shows('waits to be made');
  await avis.look();
  await shows('No AVI can be made of it (rcrec.damaged)');
  result = new ApplianceError('unavailable', 'recording.share-full', 'no room');
  await press();
  await avis.look();
  await shows('could not be made (recording.share-full)');
  result = null;
  await press();
  await avis.look();
  await shows('film.avi');
  t.is((await ask(token, {}, 'GET', `${aviPath.replace(/avi$/, 'film.avi')}`)).body, 'an AVI');
  t.is((await press()).status, 303, 'another auditor may have been faster');
  const logged = (await at.events()).filter(event => event.startsWith('recording.avi'));
  const wish = 'recording.avi-wanted';
  t.deepEqual(logged, [wish, wish, 'recording.avi-failed', wish, wish, 'recording.avi-made']);
  rmSync(`${path}.avi`);
  rmSync(`${path}.rcrec`);
  t.is((await press()).code, 'recording.missing');
});

test('H-01 H-04 a recording with pauses is shown as what it is: parts of one, and between them when nothing was recorded', async t => {
  const { at, id, signIn, look } = await openSession(t);
  const [first, second, third] = [1, 2, 3].map(() => toBase64Url(bytes(16)));
  const film = (nonce = '', after: string | null, startedAt: number) =>
    at.parts.support.recordings.finished({
      ...{ sid: id, linkId: toBase64Url(bytes(16)), nonce, name: `2026/06/01/080000-${nonce}`, bytes: 1, offset: 1 },
      ...{ sub: 'tina', technician: 'Tina <b>', forced: false, startedAt, durationMs: 10_000, isWhole: true },
      ...{
        sha256: digestOf(nonce),
        receipt: null,
        attested: null,
        isPaused: true,
        after,
        pausedMs: after === null ? 0 : 247_000,
      },
    });
  const began = Date.UTC(2026, 5, 1, 14, 3, 0);
  const manifest = await film(first, null, began);
  at.clock.advance(1000);
  await film(second, first ?? '', began + 257_000);
  at.clock.advance(1000);
  await film(third, second ?? '', began + 300_000);
  const said = (payload: string) => JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  t.like(said(manifest.payload), { isPaused: true });
  t.like(said((await film(second, first ?? '', began + 257_000)).payload), { after: first, pausedMs: 247_000 });
  const { body } = await look(await signIn());
  for (const part of [1, 2, 3]) t.true(body.includes(`part ${part} of 3`), `${part}`);
  t.true(body.includes('Paused 14:03:10–14:07:17 (4:07) by Tina &lt;b&gt;'), body);
  t.true(body.includes('Paused 14:07:27–14:08:00 (0:33) by'));
  t.true(body.includes('Paused at 14:08:10 by Tina &lt;b&gt;, and not gone on with'));
});

test('K-01 D-08 a master admin erases a session on its page, and is told what was out of reach; an auditor and a hold see to it that nothing goes', async t => {
  const { at, id, owner, nonce, film, path, signIn, ask, look } = await openSession(t);
  const auditor = await signIn();
  const { token: master } = await at.signIn('root', PASSWORD);
  const erase = (token: string, number = id.slice(0, 6), reason = 'The customer asked for it.') =>
    askSocket(
      at.socketPath,
      'POST',
      `/auditor/sessions/${id}/erase`,
      token,
      { accept: 'text/html' },
      { number, reason },
    );
  t.true((await look(master)).body.includes('It can be erased when it is over'));
  const { sessions } = at.parts.support;
  await sessions.end(id, owner, 'solved');
  t.regex((await erase(master)).body, /A recording of it is being finished/);
  at.clock.advance(60_000);
  await ask(auditor);
  t.false((await look(auditor)).body.includes('/erase'), 'no form that would be refused');
  t.is((await erase(auditor)).status, 403);
  await at.keeping.retention.hold(owner, id, 'Case 17');
  const held = await look(master);
  t.true(held.body.includes('under a legal hold, set by'));
  t.false(held.body.includes('/erase"'));
  const refused = await erase(master);
  t.is(refused.status, 409);
  t.regex(refused.body, /role="alert"[^>]*>.*That session is under a legal hold, set by/);
  await at.keeping.retention.release(owner, id);
  const wrong = await erase(master, 'wrong!', 'A reason that stays');
  t.is(wrong.status, 400);
  t.regex(wrong.body, /Type the first 6 characters/);
  t.true(wrong.body.includes('value="A reason that stays"'));
  t.is((await erase(master, id.slice(0, 6), '')).status, 400);
  t.true((await look(auditor)).body.includes('Hello &lt;b&gt;'), 'all of it is there');

  t.is((await erase(master)).status, 303);
  for (const token of [master, auditor]) {
    const { status, body } = await look(token);
    t.is(status, 200);
    for (const text of [
      ...['This session was erased on', 'The customer asked for it.', 'took a film (RCREC)'],
      ...['20260601T070000Z', 'session.erased', 'text is not kept'],
    ])
      t.true(body.includes(text), text);
    for (const gone of ['Hello', 'Carl', nonce === '' ? '?' : film]) t.false(body.includes(gone), gone);
  }
  t.is((await ask(auditor)).code, 'recording.missing');
  t.false(existsSync(`${path}.rcrec`));
  t.is((await erase(master)).status, 409);
  const found = await ask(auditor, { accept: 'text/html' }, 'GET', `/admin/audit?session=${id}`);
  t.true(found.body.includes('session.erasure-asked'), 'its log is searched as before');
});
