// What the portal answers the recorder about AVIs.
import test from 'ava';
import { sessionIdFrom } from '../../appliance/guid.ts';
import { ROOT_GROUP_ID } from '../../appliance/permissions/group-store.ts';
import { recordingAviActs } from '../../appliance/portal/recording-avi.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { SessionRecordings } from '../../appliance/sessions/recordings.ts';
import { master, openSessions } from '../sessions/open-sessions.ts';

async function open() {
  const at = await openSessions();
  const signer = {
    signManifest: async (payload: Readonly<Record<string, string | number>>) => ({
      ...{ kid: 'k', signature: 's', payload: canonicalBytes({ ...payload, kid: 'k' }) },
    }),
  };
  const recordings = new SessionRecordings({ ...at, signer });
  const acts = recordingAviActs({ ...at, signer, recordings });
  const ask = (what: string, body: unknown) => acts[`POST /internal/recording/${what}`]?.(body);
  return { ...at, ask };
}

test('H-01 the recorder is told what the session’s group keeps, and nothing of a session that is gone', async t => {
  const at = await open();
  const { id } = await at.active();
  t.deepEqual(await at.ask('format', { sid: id }), { format: 'both' });
  await at.groups.setPolicy(master, ROOT_GROUP_ID, { recordingFormat: 'avi' });
  t.deepEqual(await at.ask('format', { sid: id }), { format: 'avi' });
  t.deepEqual(await at.ask('format', { sid: sessionIdFrom(new Uint8Array(16)) }), { format: null });
  await at.close();
});

test('H-01 H-05 an AVI is signed for by its digest and the recording’s, and entered in the log', async t => {
  const at = await open();
  const { id } = await at.active();
  const digests = { rcrecSha256: 'r'.repeat(43), sha256: 'a'.repeat(43) };
  const facts = { bytes: 10, codec: 'h264', frames: 5, width: 640, height: 480 };
  const answer = await at.ask('avi', { sid: id, name: '2026/06/01/x', ...digests, ...facts, isOnly: true });
  const { payload } = answer as { payload: string };
  const told = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  t.like(told, { type: 'recording-avi', sid: id, ...digests, ...facts, kid: 'k' });
  await at.ask('avi-failed', { sid: id, name: '2026/06/01/y', code: 'rcrec.damaged' });
  const [made, failed] = (await at.logged()).slice(-2);
  t.like(made, { event: 'recording.avi-made', sessionId: id, actor: { kind: 'appliance' } });
  t.like(made?.detail, { ...digests, isOnly: true });
  t.like(failed, { event: 'recording.avi-failed', detail: { code: 'rcrec.damaged' } });
  await t.throwsAsync(async () => at.ask('avi', { sid: id, name: 'x' }));
  await at.close();
});

test('K-01 of a session that was erased no AVI is signed for, and no film is finished', async t => {
  const at = await open();
  const { id } = await at.active();
  await at.store.sessionKeys.destroy(id);
  const made = { rcrecSha256: 'r'.repeat(43), sha256: 'a'.repeat(43), bytes: 1, codec: 'h264', frames: 5 };
  const avi = { sid: id, name: '2026/06/01/x', ...made, width: 6, height: 4, isOnly: true };
  await t.throwsAsync(async () => at.ask('avi', avi), { code: 'recording.erased' });
  await at.close();
});
