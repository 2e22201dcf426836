// Recordings as the portal knows them: tokens for the recorder, what is live, what the applet has signed, manifests.
import { verify } from 'node:crypto';
import test from 'ava';
import { applianceActor } from '../../appliance/audit/entry.ts';
import { type SessionId, toBase64Url } from '../../appliance/guid.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { recordingActs } from '../../appliance/portal/recordings.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import type { FinishedRecording } from '../../appliance/protocol/recorder-portal.ts';
import { ATTESTATION_DOMAIN, receiptObject, writeAttestation } from '../../appliance/protocol/recording-receipt.ts';
import { LIVE_FOR_MS, RECORDING_TOKEN_MS } from '../../appliance/sessions/recordings.ts';
import { sha256 } from '../../appliance/sessions/session-secrets.ts';
import { UNRECORDED_AFTER_MS, UnrecordedControl } from '../../appliance/sessions/unrecorded-control.ts';
import { PASSWORD } from '../identity/open-identity.ts';
import { askSocket } from './ask-socket.ts';
import { bytes, linked, openTestDesk, openTestSupport, type TestSupport } from './open-support.ts';

const EDITOR = { actor: applianceActor, roles: ['master-admin'] } as const;
const digestOf = (token: string) => toBase64Url(sha256(Buffer.from(token, 'base64url')));

function recordingOf(sid: SessionId, over: Partial<FinishedRecording> = {}): FinishedRecording {
  return {
    ...{ sid, linkId: toBase64Url(bytes(16)), nonce: toBase64Url(bytes(16)), sub: 'tina', technician: 'Tina' },
    ...{ forced: true, startedAt: 1000, durationMs: 5000, name: '2026/06/01/080000-a', bytes: 900, isWhole: true },
    ...{ sha256: toBase64Url(bytes(32)), offset: 700, receipt: { payload: 'AAAA', signature: 'BBBB' } },
    ...{ isPaused: false, after: null, pausedMs: 0, attested: null },
    ...over,
  };
}

const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, 'base64url'));

/** The recorder's word on a place; that it is signed is not looked at here. */
function receiptFor({ sid, linkId, nonce }: FinishedRecording, offset: number, digest: Uint8Array<ArrayBuffer>) {
  const place = { sid, linkId: bytesOf(linkId), nonce: bytesOf(nonce), offset, digest };
  const payload = canonicalBytes({ ...receiptObject({ ...place, time: 1 }), kid: 'receipts' });
  return { payload: toBase64Url(payload), signature: 'BBBB' };
}

async function events(at: TestSupport, sessionId: SessionId): Promise<string[]> {
  const found = await at.audit.search({ sessionId, limit: 100 });
  return found
    .map(({ entry }) => entry.event)
    .filter(event => event.startsWith('recording.'))
    .reverse();
}

test('H-03 a token brings one stream of the session it was given for, by its technician, within a minute', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { recordings } = at.parts.support;
  const { id, owner } = await linked(at);
  const token = recordings.issue(id, owner.id);
  const { createdAt: since } = await at.parts.support.sessions.get(id);
  t.deepEqual(await recordings.use(digestOf(token)), { sid: id, sub: owner.id, since });
  await t.throwsAsync(recordings.use(digestOf(token)), { code: 'recording.token-refused' }, 'a second time');
  const late = recordings.issue(id, owner.id);
  at.clock.advance(RECORDING_TOKEN_MS);
  await t.throwsAsync(recordings.use(digestOf(late)), { code: 'recording.token-refused' }, 'too late');
  const others = recordings.issue(id, (await at.technician()).id);
  await t.throwsAsync(recordings.use(digestOf(others)), { code: 'recording.token-refused' }, 'not his session');
  await t.throwsAsync(recordings.use(''), { code: 'recording.token-refused' });
  for (let n = 0; n < 32; n++) recordings.issue(id, owner.id);
  t.throws(() => recordings.issue(id, owner.id), { code: 'recording.too-many-tokens' });
});

test('C-06 attack: a recording’s token shown from an address its technician may not come from', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { recordings } = at.parts.support;
  const { id, owner } = await linked(at);
  const { allowLists } = at.identity;
  await allowLists.set(at.asRoot, { kind: 'member', id: owner.id }, `${owner.login.address} 192.0.2.0/24`);
  const acts = recordingActs(recordings, (member, address) => allowLists.admitsMember(member, address));
  const ask = async (address: string) =>
    acts['POST /internal/recording/authorise']?.({ digest: digestOf(recordings.issue(id, owner.id)), address });
  t.like(await ask('::ffff:192.0.2.1'), { sid: id, sub: owner.id });
  for (const address of ['203.0.113.9', 'fe80::1%192.0.2.1', 'nonsense']) {
    await t.throwsAsync(ask(address), { code: 'recording.token-refused' }, address);
  }
});

test('D-01 H-03 a console gets one where recording is forced or its group may record, and else not', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const tina = await at.technician();
  const console = at.consoleOf(tina);
  const { session } = await console.post<{ session: { id: string } }>('/sessions', {
    customerName: 'Carl',
    language: null,
  });
  const path = `/sessions/${session.id}/recording-token`;
  t.is(await console.refused(path), 'permission.denied');
  const root = (await at.parts.support.groups.pathOf(tina.id))[0]?.id ?? '';
  await at.parts.support.groups.setPolicy(EDITOR, root, { forcedRecording: true });
  t.regex((await console.post<{ token: string }>(path)).token, /^[A-Za-z0-9_-]{43}$/);
  const other = at.consoleOf(await at.technician());
  t.is(await other.refused(path), 'session.missing');
});

test('H-05 a finished recording gets one manifest, signed, with the receipt and the word of the applet, and its log entry', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const acts = recordingActs(at.parts.support.recordings, async () => true);
  const { id, applet, leg } = await linked(at);
  const made = recordingOf(id);
  const { nonce, linkId } = made;
  const digest = bytes(32);
  const [receipt, earlier] = [receiptFor(made, 700, bytes(32)), receiptFor(made, 600, digest)];
  const recording = { ...made, receipt, attested: { offset: 600, receipt: earlier } };
  const ask = async (path: string, body: unknown) => acts[`POST /internal/recording/${path}`]?.(body);
  for (let said = 0; said < 2; said++)
    t.deepEqual(await ask('live', { sid: id, linkId, nonce, isLive: true }), { isOver: false });
  t.true(await at.parts.support.recordings.isLive(id));
  const said = { sid: id, linkId: Buffer.from(linkId, 'base64url'), nonce: Buffer.from(nonce, 'base64url') };
  for (const offset of [300, 600, 500]) {
    const attestation = { ...said, digest, offset, at: at.clock.now() };
    const payload = writeAttestation(attestation as Parameters<typeof writeAttestation>[0]);
    leg.say({ type: 'attestation', payload, signature: applet.sign(ATTESTATION_DOMAIN, payload) });
  }
  await leg.settled();
  t.deepEqual(await ask('attested', { sid: id, nonce }), { offset: 600 }, 'the furthest');
  for (const attested of [null, { offset: 500, receipt: null }])
    await t.throwsAsync(ask('finished', { ...recording, attested }), { code: 'recording.attested-since' });
  const manifest = (await ask('finished', recording)) as { payload: string; signature: string };
  t.deepEqual(await ask('finished', recording), manifest, 'asked again, the same');
  await t.throwsAsync(ask('finished', { ...recording, sha256: toBase64Url(bytes(32)) }), {
    code: 'recording.other',
  });
  const text = Buffer.from(manifest.payload, 'base64url').toString('utf8');
  t.like(JSON.parse(text), {
    ...{
      v: 2,
      type: 'recording',
      sid: id,
      nonce,
      sha256: recording.sha256,
      offset: 700,
      unattested: 100,
      isWhole: true,
    },
    ...{ receipt, attestedReceipt: earlier, appletKey: applet.spki },
  });
  const signed = Buffer.concat([Buffer.from('appliance/manifest/v1\0'), Buffer.from(manifest.payload, 'base64url')]);
  const key = { key: at.signerKey, dsaEncoding: 'ieee-p1363' } as const;
  t.true(verify('sha256', signed, key, Buffer.from(manifest.signature, 'base64url')));
  t.deepEqual(await events(at, id), [
    ...['recording.started', 'recording.attested', 'recording.attested', 'recording.finished'],
  ]);
  const [row] = await at.parts.support.recordings.list(id);
  t.like(row?.finished, { name: recording.name, durationMs: 5000, manifest });
  t.false(await at.parts.support.recordings.isLive(id));
});

test('H-03 the recorder is told that a session is over, once it is', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { recordings, sessions } = at.parts.support;
  const { id } = await linked(at);
  const still = { sid: id, linkId: toBase64Url(bytes(16)), nonce: toBase64Url(bytes(16)), isLive: false };
  t.false(await recordings.live(still));
  await sessions.end(id, applianceActor, 'asked');
  t.true(await recordings.live(still));
  t.deepEqual(await events(at, id), [], 'what was never proved did not begin');
});

test('H-05 attack: an applet that attests another stream than was received has attested nothing, and the log says so', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { recordings } = at.parts.support;
  const { id, applet } = await linked(at);
  const made = recordingOf(id);
  const said = { sid: id, linkId: bytesOf(made.linkId), nonce: bytesOf(made.nonce), offset: 600, digest: bytes(32) };
  const payload = writeAttestation({ ...said, at: 5 });
  const actor = { kind: 'customer', id: null, name: null, address: null } as const;
  await recordings.attested(id, { payload, signature: applet.sign(ATTESTATION_DOMAIN, payload) }, actor);
  const [receipt, earlier] = [700, 600].map(offset => receiptFor(made, offset, bytes(32)));
  await recordings.finished({ ...made, receipt: receipt ?? null, attested: { offset: 600, receipt: earlier ?? null } });
  const found = await at.audit.search({ sessionId: id, event: 'recording.finished', limit: 10 });
  t.like(found[0]?.entry, { detail: { attests: 'other', unattested: 700 } });
});

test('H-05 attack: an attestation of another session, or signed by another key, is nobody’s word', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const { recordings } = at.parts.support;
  const [one, other] = [await linked(at), await linked(at)];
  const said = { linkId: bytes(16), nonce: bytes(16), digest: bytes(32), offset: 10, at: 5 };
  const payload = writeAttestation({ ...said, sid: one.id });
  const actor = { kind: 'customer', id: null, name: null, address: null } as const;
  const by = (applet: typeof one.applet) => ({ payload, signature: applet.sign(ATTESTATION_DOMAIN, payload) });
  await t.throwsAsync(recordings.attested(other.id, by(other.applet), actor), { code: 'recording.attestation' });
  await t.throwsAsync(recordings.attested(one.id, by(other.applet), actor), { code: 'applet-signature.wrong' });
  t.is(await recordings.attestationOf(toBase64Url(said.nonce)), undefined);
  await recordings.attested(one.id, by(one.applet), actor);
  t.is((await recordings.attestationOf(toBase64Url(said.nonce)))?.bytes, 10);
});

test('H-03 attack: control where recording is forced and nothing is recorded: in the log, and above the pages of who can act', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { unrecorded, recordings, actions, groups } = at.parts.support;
  const { id, owner, applet } = await linked(at);
  await at.member('auditor@example.com', ['auditor']);
  const { token } = await at.signIn('auditor@example.com', PASSWORD);
  const isTold = async (who: string) => {
    const { body } = await askSocket(at.socketPath, 'GET', '/account', who, { accept: 'text/html' });
    return body.includes('Control without a recording, in 1 session that must be recorded');
  };
  const after = async (ms: number) => {
    at.clock.advance(ms);
    for (let looks = 0; looks < 2; looks++) await unrecorded.look(); // one of the clock's may be under way
    return unrecorded.count;
  };
  await actions.report(id, applet.report(id, { action: 'launch-remote-control', stage: 'started' }));
  t.is(await after(2 * UNRECORDED_AFTER_MS), 0, 'it need not be recorded');
  const root = (await groups.pathOf(owner.id))[0]?.id ?? '';
  await groups.setPolicy(EDITOR, root, { forcedRecording: true });
  t.is(await after(0), 0, 'a moment is allowed');
  t.is(await after(UNRECORDED_AFTER_MS), 1);
  t.deepEqual([await isTold(token), await isTold(owner.token)], [true, false]);
  const live = { sid: id, linkId: toBase64Url(bytes(16)), nonce: toBase64Url(bytes(16)), isLive: true };
  await recordings.live(live);
  t.is(await after(0), 0);
  t.false(await isTold(token));
  t.is(await after(LIVE_FOR_MS), 0, 'the recorder says nothing any more');
  t.is(await after(UNRECORDED_AFTER_MS), 1);
  await recordings.live(live);
  t.is(await after(0), 0);
  t.false(await recordings.live({ ...live, isLive: false }));
  t.is(await after(0), 0);
  t.is(await after(UNRECORDED_AFTER_MS), 1, 'it says that it can’t');
  const turn = ['recording.control-unrecorded', 'recording.control-recorded'];
  t.deepEqual(
    (await events(at, id)).filter(event => event.startsWith('recording.control')),
    [...turn, ...turn, 'recording.control-unrecorded'],
  );
});

test('H-03 control-without-stream: where the recorder is there and was brought nothing, link and relay are closed; else nothing is', async t => {
  const at = await openTestDesk();
  t.teardown(() => at.close());
  const { support } = at.parts;
  const { actions, groups, sessions, legTokens, recordings, rights, relayPairs: relays } = support;
  const { id, owner, applet, leg } = await linked(at);
  let isThere = false;
  const unrecorded = new UnrecordedControl({
    ...{ store: at.store, audit: at.audit, clock: at.clock, log: silentLog, metrics: new Metrics() },
    ...{ sessions, rights, recordings, relays, isRecorderThere: async () => isThere },
  });
  const root = (await groups.pathOf(owner.id))[0]?.id ?? '';
  await groups.setPolicy(EDITOR, root, { forcedRecording: true });
  const pair = await legTokens.issue(id, owner.login.id);
  for (const role of ['console', 'applet'] as const) await legTokens.use(digestOf(pair[role]), role);
  await actions.report(id, applet.report(id, { action: 'launch-remote-control', stage: 'started' }));
  const later = async () => {
    at.clock.advance(UNRECORDED_AFTER_MS);
    await unrecorded.look();
    return (await sessions.get(id)).linkId !== null;
  };
  await unrecorded.look();
  t.true(await later(), 'the recorder is away: the picture stops, the chat goes on');
  t.is(unrecorded.count, 1);
  isThere = true;
  const token = recordings.issue(id, owner.id);
  await recordings.use(digestOf(token));
  t.true(await later(), 'it was brought the stream, and can’t prove it');
  t.deepEqual(relays.toClose(), []);
  const other = new UnrecordedControl({
    ...{ store: at.store, audit: at.audit, clock: at.clock, log: silentLog, metrics: new Metrics() },
    ...{ sessions, rights, relays, isRecorderThere: async () => isThere },
    recordings: { isLive: async () => false, isBrought: async () => false },
  });
  await other.look();
  at.clock.advance(UNRECORDED_AFTER_MS);
  await other.look();
  t.is((await sessions.get(id)).linkId, null);
  t.is((await leg.until('revoked')).reason, 'unrecorded');
  t.deepEqual(relays.toClose(), [pair.pairId]);
  at.clock.advance(61_000);
  t.deepEqual(relays.toClose(), []);
});

test('H-03 what the recorder says is read strictly', async t => {
  const at = await openTestSupport();
  t.teardown(() => at.close());
  const acts = recordingActs(at.parts.support.recordings, async () => true);
  const { id } = await linked(at);
  const recording = recordingOf(id);
  for (const [path, body] of [
    ['authorise', { digest: 'x', address: '192.0.2.7' }],
    ['authorise', { digest: digestOf(at.parts.support.recordings.issue(id, recording.sub)) }],
    ['live', { sid: id, linkId: 'x', nonce: recording.nonce, isLive: true }],
    ['finished', { ...recording, offset: -1 }],
    ['finished', { ...recording, more: 1 }],
  ] as const)
    await t.throwsAsync(async () => acts[`POST /internal/recording/${path}`]?.(body), { instanceOf: Error }, path);
});
