// The evidence bundle of a real session, and what its verifier says of every way to change it.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { nodeEvidenceCrypto } from '../../appliance/audit/evidence-crypto.ts';
import { exportLog } from '../../appliance/audit/export.ts';
import { LogVerifier } from '../../appliance/audit/verify.ts';
import { type SessionId, sessionIdFrom, toBase64Url } from '../../appliance/guid.ts';
import { streamBundle } from '../../appliance/portal/evidence/bundle-stream.ts';
import { EvidenceDesk } from '../../appliance/portal/evidence-desk.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import type { EvidenceManifest } from '../../appliance/protocol/evidence.ts';
import { checkEvidence, type EvidenceVerdict, trustedFingerprint } from '../../appliance/protocol/evidence-check.ts';
import {
  ATTESTATION_DOMAIN,
  RECEIPT_DOMAIN,
  receiptObject,
  writeAttestation,
} from '../../appliance/protocol/recording-receipt.ts';
import { dataOf, descriptor, directory, endOf, localHeader, readZip } from '../../appliance/protocol/zip.ts';
import { KeptRecordings } from '../../appliance/recording/kept-recordings.ts';
import { EndedSessions } from '../../appliance/sessions/ended-sessions.ts';
import { sha256 } from '../../appliance/sessions/session-secrets.ts';
import { customerActor } from '../../appliance/sessions/sessions.ts';
import { installer, TestApplet } from '../sessions/open-sessions.ts';
import { bytes, CUSTOMER_ADDRESS, linked, openTestSupport, type TestSupport } from './open-support.ts';

const auditor = { kind: 'member', id: 'auditor', name: 'Ada <b>', address: '192.0.2.99' } as const;
const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const digestOf = (data: Uint8Array) => createHash('sha256').update(data).digest('base64url');

const opened: TestSupport[] = [];
test.after.always(async () => {
  for (const at of opened) await at.close();
});

async function makeDesk() {
  const at = await openTestSupport();
  opened.push(at);
  const receipts = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const [name, key] of [
    ['manifest', at.signerKey],
    ['log-head', at.headKey],
    ['receipts', receipts.publicKey],
  ] as const)
    writeFileSync(join(at.folder, `${name}.pub`), pemOf(key));
  const shared = { store: at.store, audit: at.audit, support: at.parts.support, clock: at.clock };
  const films = new KeptRecordings(join(at.folder, 'recordings'));
  const desk = new EvidenceDesk({
    ...shared,
    films,
    signer: at.signer,
    publicFolder: at.folder,
    organisation: 'Kestrel Works',
  });
  return {
    at,
    desk,
    receiptsKey: receipts.privateKey,
    trusted: trustedFingerprint(nodeEvidenceCrypto, pemOf(at.signerKey)) ?? '',
  };
}

type Desk = Awaited<ReturnType<typeof makeDesk>>;
type Session = Awaited<ReturnType<typeof linked>>;

/** What recorder and applet sign of a stream. */
async function prove({ at, receiptsKey }: Desk, { id, applet, linkId }: Session) {
  const place = { sid: id, linkId, nonce: bytes(16), offset: 700, digest: bytes(32) };
  const receipt = canonicalBytes({ ...receiptObject({ ...place, time: at.clock.now() }), kid: 'test-receipts' });
  const message = Buffer.concat([Buffer.from(`${RECEIPT_DOMAIN}\0`), receipt]);
  const signature = sign('sha256', message, { key: receiptsKey, dsaEncoding: 'ieee-p1363' });
  const payload = writeAttestation({ ...place, at: at.clock.now() });
  const customer = { kind: 'customer', id: null, name: null, address: null } as const;
  const attestation = { payload, signature: applet.sign(ATTESTATION_DOMAIN, payload) };
  await at.parts.support.recordings.attested(id, attestation, customer);
  return {
    nonce: toBase64Url(place.nonce),
    receipt: { payload: toBase64Url(receipt), signature: toBase64Url(signature) },
  };
}

/** A recording as the recorder finishes one: with a receipt, the applet's word, a film and its AVI. @returns its path without ending */
async function record(desk: Desk, session: Session): Promise<string> {
  const { at } = desk;
  const { id, linkId, owner } = session;
  const { nonce, receipt } = await prove(desk, session);
  const [film, avi] = [bytes(9000), bytes(5000)];
  const name = `2026/06/01/080000-${id}-${nonce}`;
  const who = { sub: owner.id, technician: owner.name, forced: true, startedAt: 1000, durationMs: 5000, isWhole: true };
  const attested = { offset: 700, receipt: null };
  const whole = { offset: 700, receipt, attested, isPaused: false, after: null, pausedMs: 0 };
  const facts = { name, bytes: film.length, sha256: digestOf(film), ...whole };
  await at.parts.support.recordings.finished({ sid: id, linkId: toBase64Url(linkId), nonce, ...who, ...facts });
  const made = { v: 1, type: 'recording-avi', sid: id, rcrecSha256: facts.sha256 };
  const signed = await at.signer.signManifest({ ...made, sha256: digestOf(avi), bytes: avi.length });
  const path = join(at.folder, 'recordings/finished', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.rcrec`, film);
  writeFileSync(`${path}.avi`, avi);
  writeFileSync(`${path}.avi.manifest.json`, JSON.stringify({ ...signed, payload: toBase64Url(signed.payload) }));
  return path;
}

async function makeBundle({ isRecorded = true } = {}) {
  const made = await makeDesk();
  const { at, desk, trusted } = made;
  const session = await linked(at);
  const { id, owner, applet } = session;
  const { chat, actions } = at.parts.support;
  await linked(at); // another session, whose entries stand between
  await chat.add(id, { lineId: toBase64Url(bytes(16)), author: 'technician', text: 'Hello <script>', actor: owner });
  await actions.consent(id, session.receipt());
  await actions.report(id, applet.report(id, { stage: 'started', action: 'send-files' }));
  const film = isRecorded ? await record(made, session) : '';
  return { at, desk, trusted, id, film, session, zip: await taken(desk, id) };
}

async function taken(desk: EvidenceDesk, id: SessionId): Promise<Uint8Array<ArrayBuffer>> {
  const { bytes: length, stream } = await desk.bundle(id, auditor);
  const zip = new Uint8Array(Buffer.concat(await gathered(stream())));
  if (zip.length !== length) throw new Error(`${zip.length} bytes, not ${length}`);
  return zip;
}

function sourceOf(zip: Uint8Array<ArrayBuffer>) {
  const read = async (offset: number, length: number) => {
    if (offset < 0 || offset + length > zip.length) throw new RangeError('beyond the end');
    return zip.slice(offset, offset + length);
  };
  return { size: zip.length, read };
}

const check = (zip: Uint8Array<ArrayBuffer>, trusted: string): Promise<EvidenceVerdict> =>
  checkEvidence(sourceOf(zip), { crypto: nodeEvidenceCrypto, trusted });

let whole: ReturnType<typeof makeBundle> | undefined;
const bundle = () => {
  whole ??= makeBundle();
  return whole;
};

test('K-03 G-03 H-05 the bundle of a session holds, tells no other session’s entries, and that it was taken is in it', async t => {
  const { zip, trusted, id, at } = await bundle();
  const { holds, problems, facts, notes, manifest } = await check(zip, trusted);
  t.deepEqual(problems, []);
  t.true(holds);
  t.is(facts.length, 5);
  t.deepEqual(notes, []);
  t.like(manifest, { sid: id, madeBy: 'Ada <b>', isErased: false, session: { customer: 'Carl', state: 'active' } });
  t.true(manifest?.chain.entries.every(({ sessionId }) => sessionId === id));
  t.like(manifest?.chain.entries.at(-1), { event: 'session.evidence-exported', actor: { name: 'Ada <b>' } });
  t.deepEqual(
    manifest?.files.map(({ name }) => name),
    ['log.html', 'verify.html', 'recording-1.rcrec', 'recording-1.avi'],
  );
  t.is((await at.audit.lastHead())?.hash, manifest?.chain.head.hash);
  const text = Buffer.from(zip).toString('latin1');
  t.true(text.includes('Hello &lt;script&gt;') && text.includes('Ada &lt;b&gt;'));
});

test('K-03 attack: whatever byte of a bundle is flipped, the verifier names where, and never says that it holds', async t => {
  const { zip, trusted } = await bundle();
  const { entries } = await readZip(sourceOf(zip));
  const tail = zip.length - directory(entries).length;
  const places = entries.flatMap(entry => {
    const [from, to] = [dataOf(entry), dataOf(entry) + entry.bytes];
    const inside = Array.from({ length: 12 }, (_, n) => from + Math.floor(((n * 7919 + 13) * 104_729) % entry.bytes));
    const around = [...range(entry.offset, from), ...range(to, to + 16)];
    return [...inside.map(at => ({ at, name: entry.name })), ...around.map(at => ({ at, name: entry.name }))];
  });
  const all = [...places, ...range(tail, zip.length).map(at => ({ at, name: 'zip' }))];
  for (const { at, name } of all) {
    const changed = zip.slice();
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    const { holds, problems } = await check(changed, trusted);
    const named = problems.some(({ where }) => where === name || where === 'zip' || name === 'zip');
    if (holds || problems.length === 0 || !named) t.fail(`${at} in ${name}: ${JSON.stringify(problems)}`);
  }
  for (const length of [0, 21, 22, 100, zip.length - 1]) t.false((await check(zip.slice(0, length), trusted)).holds);
  t.pass();
});

/** The manifest changed, and signed anew by whoever has the appliance's key: what others signed must still give it away. */
async function forged(change: (manifest: Mutable) => void): Promise<EvidenceVerdict> {
  const made = await bundle();
  return forgedOf(made.zip, made, change);
}

async function forgedOf(
  zip: Uint8Array<ArrayBuffer>,
  made: Pick<Awaited<ReturnType<typeof makeBundle>>, 'at' | 'trusted'>,
  change: (manifest: Mutable) => void,
): Promise<EvidenceVerdict> {
  const { entries } = await readZip(sourceOf(zip));
  const contents = new Map(entries.map(entry => [entry.name, zip.slice(dataOf(entry), dataOf(entry) + entry.bytes)]));
  const manifest = JSON.parse(Buffer.from(contents.get('manifest.json') ?? []).toString('utf8'));
  change(manifest);
  const text = canonicalBytes(manifest);
  const said = { v: 1, type: 'evidence', sid: manifest.sid, sha256: digestOf(text), bytes: text.length };
  const { kid, payload, signature } = await made.at.signer.signManifest(said);
  contents
    .set('manifest.json', text)
    .set('manifest.sig', canonicalBytes({ kid, payload: toBase64Url(payload), signature }));
  const files = [...contents].map(([name, content]) => ({ name, bytes: content.length, content }));
  return check(new Uint8Array(Buffer.concat(await gathered(streamBundle(files)))), made.trusted);
}

/** A manifest in a forger's hands. */
interface Mutable {
  sid: string;
  readonly chain: { readonly entries: (object | undefined)[]; readonly head: object };
  readonly statements: (
    | { readonly seq: number; readonly kind: string; readonly payload: string; readonly signature: string }
    | undefined
  )[];
  readonly recordings: (object | undefined)[];
  readonly files: ({ readonly name: string; readonly sha256: string } | undefined)[];
}

const forgeries: Record<string, { change: Parameters<typeof forged>[0]; where: string }> = {
  'leaves an entry out': { change: ({ chain }) => void chain.entries.splice(3, 1), where: 'log' },
  'puts an entry in twice': { change: ({ chain }) => void chain.entries.splice(3, 0, chain.entries[3]), where: 'log' },
  'reorders entries': {
    change: ({ chain }) => void chain.entries.splice(2, 2, chain.entries[3], chain.entries[2]),
    where: 'log',
  },
  'changes what an entry says': {
    change: ({ chain }) => Object.assign(chain.entries[1] ?? {}, { at: 5 }),
    where: 'entry',
  },
  'cuts the end of the log': { change: ({ chain }) => void chain.entries.pop(), where: 'log' },
  'names another head': { change: ({ chain }) => Object.assign(chain.head, { seq: 1 }), where: 'log head' },
  'leaves the answer out': { change: manifest => void manifest.statements.shift(), where: 'consent in entry' },
  'leaves a report out': { change: manifest => void manifest.statements.pop(), where: 'report in entry' },
  'shows an answer twice': {
    change: ({ statements }) => void statements.push(statements[0]),
    where: 'consent in entry',
  },
  'leaves a recording out': { change: manifest => void manifest.recordings.pop(), where: 'recordings' },
  'shows another film': {
    change: ({ files }) => Object.assign(files[2] ?? {}, { sha256: files[3]?.sha256 }),
    where: 'recording 1',
  },
};
for (const [name, { change, where }] of Object.entries(forgeries))
  test(`K-03 attack: whoever has the manifest’s key and ${name} is found out`, async t => {
    const { holds, problems } = await forged(change);
    t.false(holds);
    t.true(
      problems.some(problem => problem.where.startsWith(where)),
      JSON.stringify(problems),
    );
  });

test('K-03 attack: however much is wrong, nothing that was not found to be well is said to hold', async t => {
  const { problems, facts } = await forged(({ files, statements, recordings }) => {
    for (let n = 0; n < 120; n++) files.push({ name: `missing-${n}`, sha256: '' });
    statements.shift();
    recordings.pop();
  });
  t.is(problems.length, 100);
  t.deepEqual(
    facts.filter(fact => !/signed by the appliance you trust|entries of this session/.test(fact)),
    [],
  );
});

test('K-03 attack: the consent and the recording of another session are named', async t => {
  const other = await makeBundle();
  const theirs = (await check(other.zip, other.trusted)).manifest as EvidenceManifest;
  const consent = await forged(({ statements }) =>
    Object.assign(statements[0] ?? {}, { ...theirs.statements[0], seq: statements[0]?.seq }),
  );
  t.true(
    consent.problems.some(({ what }) => what.includes('another session')),
    JSON.stringify(consent.problems),
  );
  const film = await forged(({ recordings }) =>
    Object.assign(recordings[0] ?? {}, { manifest: theirs.recordings[0]?.manifest }),
  );
  t.true(film.problems.some(({ where, what }) => where === 'recording 1' && what.includes('another session')));
  const foreign = await check(other.zip, (await bundle()).trusted); // another appliance's
  t.false(foreign.holds);
  t.deepEqual(
    foreign.problems.map(({ where }) => where),
    ['signature'],
  );
  t.false((await check(other.zip, '')).holds, 'nobody is trusted');
});

test('K-03 G-03 bundles taken at the same time hold, each by a head of its own', async t => {
  const { desk, id, trusted, at } = await makeBundle({ isRecorded: false });
  const zips = await Promise.all([1, 2, 3].map(() => taken(desk, id)));
  const verdicts = await Promise.all(zips.map(zip => check(zip, trusted)));
  t.deepEqual(
    verdicts.flatMap(({ problems }) => problems),
    [],
  );
  t.true(verdicts.every(({ holds }) => holds));
  t.is(new Set(verdicts.map(({ manifest }) => manifest?.chain.head.seq)).size, 3);
  await at.audit.signHead();
  const lines = await gathered(exportLog(at.store));
  const verifier = new LogVerifier(pemOf(at.headKey));
  for (const line of lines) verifier.line(line);
  t.deepEqual(verifier.finish().problems, [], 'the whole log has the same heads');
  const hashes = new Map(lines.map(line => JSON.parse(line)).map(({ type, seq, hash }) => [`${type} ${seq}`, hash]));
  for (const { seq, hash } of verdicts[0]?.manifest?.chain.entries ?? []) t.is(hashes.get(`entry ${seq}`), hash);
});

test('K-03 a bundle is for a session there is, and asking for another leaves no entry', async t => {
  const { desk, at } = await bundle();
  const before = (await at.audit.search({ limit: 1000, event: 'session.evidence-exported' })).length;
  await t.throwsAsync(desk.bundle(sessionIdFrom(new Uint8Array(16)), auditor), { code: 'session.missing' });
  t.is((await at.audit.search({ limit: 1000, event: 'session.evidence-exported' })).length, before);
});

test('K-03 H-05 a film that was changed on the share is named, and one that is gone is told', async t => {
  const { at, desk, id, film, trusted } = await makeBundle();
  writeFileSync(`${film}.rcrec`, bytes(9000));
  const changed = await check(await taken(desk, id), trusted);
  t.deepEqual(
    changed.problems.map(({ where }) => where),
    ['recording-1.rcrec'],
  );
  rmSync(`${film}.rcrec`);
  const gone = await check(await taken(desk, id), trusted);
  t.true(gone.holds, JSON.stringify(gone.problems));
  t.deepEqual(gone.notes, ['The film of recording 1 is kept as AVI only.']);
  rmSync(`${film}.avi`);
  const takenAway = await check(await taken(desk, id), trusted);
  t.false(takenAway.holds, 'nobody says who took it');
  t.regex(takenAway.problems[0]?.what ?? '', /film is missing/);
  const name = film.slice(film.indexOf('finished/') + 'finished/'.length);
  const event = { event: 'retention.recording-destroyed', actor: applianceActor, sessionId: id, detail: { name } };
  await at.store.core.transaction(tx => at.audit.append(tx, event));
  const due = await check(await taken(desk, id), trusted);
  t.true(due.holds, JSON.stringify(due.problems));
  t.regex(due.notes[0] ?? '', /destroyed when its time was over, as entry \d+ says/);
});

test('K-03 attack: a share that is away passes for no film that is gone', async t => {
  const { at, desk, id, trusted } = await makeBundle();
  const folder = join(at.folder, 'recordings');
  renameSync(join(folder, 'finished'), join(at.folder, 'away')); // a folder of the network that is not mounted
  await t.throwsAsync(desk.bundle(id, auditor), { code: 'recording.share-gone' });
  renameSync(join(at.folder, 'away'), join(folder, 'finished'));
  t.true((await check(await taken(desk, id), trusted)).holds);
});

test('K-03 E-07 H-05 after a reboot the applet has another key: what the first one signed holds, and each only in its time', async t => {
  const made = await makeBundle();
  const { at, desk, id, session, trusted } = made;
  const { sessions, entries, actions, recordings } = at.parts.support;
  await sessions.reboot(id, session.owner);
  const ticket = await entries.makeTicket(id);
  const fresh = new TestApplet();
  await entries.returnByTicket(sha256(session.token), { ticket, appletKey: fresh.spki }, CUSTOMER_ADDRESS);
  await actions.report(id, fresh.report(id, { stage: 'ended', action: 'reboot' }));
  const zip = await taken(desk, id);
  const { holds, problems, manifest } = await check(zip, trusted);
  t.deepEqual(problems, []);
  t.true(holds);
  t.is(manifest?.appletKey, fresh.spki);
  t.is((await recordings.list(id)).length, 1);
  const late = await actions
    .report(id, session.applet.report(id, { stage: 'started', action: 'reboot' }))
    .catch(String);
  t.regex(String(late), /applet/, 'the first key signs nothing any more');
  // Signed by the first key, and said to be from after the reboot.
  const moved = await forgedOf(zip, made, ({ statements }) => {
    const [first, last] = [statements.find(one => one?.kind === 'report'), statements.at(-1)];
    Object.assign(last ?? {}, { payload: first?.payload, signature: first?.signature });
  });
  t.true(moved.problems.some(({ what }) => what.includes('not signed by the session’s applet')));
});

test('K-03 G-04 the bundle of a session that came by a channel and was never picked up names the channel, and holds', async t => {
  const { at, desk, trusted } = await makeDesk();
  const { channels, sessions } = at.parts.support;
  const rules = { greeting: '', awayText: '', isEnabled: true, maxWaiting: 5, groupIds: [] };
  const channel = await channels.create(installer, { name: 'Printers', ...rules });
  const said = { name: 'Carl', question: 'It eats <b> paper', language: null };
  const { id } = await sessions.createInChannel(customerActor, channel, said);
  const zip = await taken(desk, id);
  const { holds, problems, manifest } = await check(zip, trusted);
  t.true(holds, JSON.stringify(problems));
  t.like(manifest?.session, { channel: 'Printers', question: said.question, customer: 'Carl', technician: '' });
  t.true(Buffer.from(zip).toString('latin1').includes('It eats &lt;b&gt; paper'));
  const found = async (withChat: boolean) =>
    (await at.audit.search({ text: 'eats paper', withChat, limit: 10 })).map(({ entry }) => entry.event);
  t.deepEqual([await found(true), await found(false)], [['session.created'], []], 'by whoever may read chat');
  await at.store.sessionKeys.destroy(id);
  t.deepEqual(await found(true), []);
  t.is((await check(await taken(desk, id), trusted)).manifest?.session.question, undefined, 'sealed as his name is');
});

test('K-03 B-05 the bundle of an erased session says so, and holds by its hashes', async t => {
  const { at, desk, id, trusted } = await makeBundle({ isRecorded: false });
  await at.store.sessionKeys.destroy(id);
  const zip = await taken(desk, id);
  const { holds, problems, notes, manifest } = await check(zip, trusted);
  t.deepEqual(problems, []);
  t.true(holds);
  t.like(manifest, { isErased: true, statements: [] });
  t.true(notes.some(note => note.startsWith('The session was erased')));
  t.false(Buffer.from(zip).toString('latin1').includes('Hello'));
  await at.store.core.transaction(tx => new EndedSessions(at.store).erase(tx, id)); // as retention does
  const bare = await check(await taken(desk, id), trusted);
  t.true(bare.holds, JSON.stringify(bare.problems));
  t.like(bare.manifest, { isErased: true, session: {} });
});

test('K-03 G-05 the bundle of a session whose months are archived is whole; once they are destroyed there is none', async t => {
  const { at, desk, id, trusted } = await makeBundle({ isRecorded: false });
  const before = (await check(await taken(desk, id), trusted)).manifest?.chain.entries ?? [];
  at.clock.advance(35 * 86_400_000);
  await at.store.core.transaction(tx =>
    at.audit.append(tx, { event: 'session.noted', actor: auditor, sessionId: id, detail: {} }),
  );
  await at.audit.move();
  const [first = '', second] = at.store.months();
  t.truthy(second);
  await at.store.archive(first);
  t.is((await at.audit.search({ sessionId: id, limit: 100 })).length, 1, 'searches end before it');
  const { holds, problems, manifest } = await check(await taken(desk, id), trusted);
  t.true(holds, JSON.stringify(problems));
  t.deepEqual(manifest?.chain.entries.slice(0, before.length), before);
  t.deepEqual(
    manifest?.chain.entries.slice(before.length).map(({ event }) => event),
    ['session.noted', 'session.evidence-exported'],
  );
  at.store.destroyArchive(first);
  await t.throwsAsync(desk.bundle(id, auditor), { code: 'evidence.destroyed' });
});

test('K-03 the zip of a session with thousands of films is read to its end', async t => {
  const files = Array.from({ length: 4000 }, (_, n) => ({ name: `recording-${n}.avi`, bytes: 1, content: bytes(1) }));
  const { entries, faults } = await readZip(
    sourceOf(new Uint8Array(Buffer.concat(await gathered(streamBundle(files))))),
  );
  t.deepEqual([entries.length, faults], [4000, []]);
});

test('K-03 a film beyond 4 GiB has its place in the zip, and none is held in memory', async t => {
  const large = 5 * 2 ** 32;
  const entries = [{ name: 'a', bytes: large, crc: 7, offset: 0 }];
  const next = endOf(entries[0] ?? { name: '', bytes: 0, offset: 0 });
  entries.push({ name: 'b', bytes: 3, crc: 9, offset: next });
  const tail = directory(entries);
  const pieces = [
    { at: 0, data: localHeader('a', large) },
    { at: next - 24, data: descriptor(large, 7) },
    { at: next, data: localHeader('b', 3) },
    { at: next + localHeader('b', 3).length + 3, data: descriptor(3, 9) },
    { at: next + localHeader('b', 3).length + 3 + 16, data: tail },
  ];
  const last = pieces.at(-1);
  const read = async (offset: number, length: number) => {
    const piece = pieces.find(({ at, data }) => offset >= at && offset + length <= at + data.length);
    if (piece === undefined) throw new RangeError(`${length} bytes at ${offset}`);
    return piece.data.slice(offset - piece.at, offset - piece.at + length);
  };
  const found = await readZip({ size: (last?.at ?? 0) + tail.length, read });
  t.deepEqual(found, { entries, faults: [] });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n);
}

async function gathered<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const pieces: T[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}
