// What the recorder asks of the portal for the AVI of a finished recording (H-01): which form the group keeps, and the
// signature that joins the AVI to the recording.
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import { applianceActor } from '../audit/entry.ts';
import type { Clock } from '../clock.ts';
import { ApplianceError } from '../errors.ts';
import { parseSessionId, type SessionId, toBase64Url } from '../guid.ts';
import type { Groups } from '../permissions/groups.ts';
import { type RecordingFormat, resolvePolicy } from '../permissions/policy.ts';
import type { SignedBytes } from '../pki/signer-client.ts';
import {
  RECORDING_AVI_FAILED_PATH,
  RECORDING_AVI_PATH,
  RECORDING_FORMAT_PATH,
  type SignedManifest,
} from '../protocol/recorder-portal.ts';
import type { SessionRecordings } from '../sessions/recordings.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Store } from '../store/store.ts';
import type { InternalActs } from './internal.ts';
import { parse } from './web/parse.ts';

const sid = z.string().transform(parseSessionId);
const name = z.string().max(120);
const digest = z.string().length(43);
const count = z.int().min(0);
const OfSession = z.strictObject({ sid });
const Made = z.strictObject({
  ...{ sid, name, rcrecSha256: digest, sha256: digest, bytes: count, codec: z.string().max(16) },
  ...{ frames: count, width: count, height: count, isOnly: z.boolean() },
});
const Failed = z.strictObject({ sid, name, code: z.string().max(80) });

export interface RecordingAviParts {
  readonly store: Pick<Store, 'core'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly sessions: Pick<Sessions, 'get'>;
  readonly recordings: Pick<SessionRecordings, 'checkNotErased'>;
  readonly groups: Pick<Groups, 'path'>;
  readonly signer: { signManifest(payload: Readonly<Record<string, string | number>>): Promise<SignedBytes> };
  readonly clock: Clock;
}

export function recordingAviActs(parts: RecordingAviParts): InternalActs {
  const { store, audit } = parts;
  return {
    [`POST ${RECORDING_FORMAT_PATH}`]: async body => ({ format: await formatOf(parts, parse(OfSession, body).sid) }),
    [`POST ${RECORDING_AVI_PATH}`]: body => signAvi(parts, parse(Made, body)),
    [`POST ${RECORDING_AVI_FAILED_PATH}`]: async body => {
      const { sid: sessionId, ...detail } = parse(Failed, body);
      const event = { event: 'recording.avi-failed', actor: applianceActor, sessionId, detail };
      await store.core.transaction(tx => audit.append(tx, event));
      return {};
    },
  };
}

/** Null for a session that was deleted: nothing more is made of it. */
async function formatOf({ sessions, groups }: RecordingAviParts, id: SessionId): Promise<RecordingFormat | null> {
  try {
    const { groupId } = await sessions.get(id);
    return resolvePolicy(await groups.path(groupId)).policy.recordingFormat;
  } catch (error) {
    if (error instanceof ApplianceError && error.code === 'session.missing') return null;
    throw error;
  }
}

async function signAvi(parts: RecordingAviParts, made: z.infer<typeof Made>): Promise<SignedManifest> {
  const { sid: sessionId, name, rcrecSha256, sha256, bytes, codec, frames, width, height, isOnly } = made;
  parts.recordings.checkNotErased(sessionId);
  const facts = { name, rcrecSha256, sha256, bytes, codec };
  const { kid, signature, payload } = await parts.signer.signManifest({
    ...{ v: 1, type: 'recording-avi', sid: sessionId, ...facts, frames, width, height, madeAt: parts.clock.now() },
  });
  const event = { event: 'recording.avi-made', actor: applianceActor, sessionId, detail: { ...facts, isOnly } };
  await parts.store.core.transaction(tx => parts.audit.append(tx, event));
  return { kid, signature, payload: toBase64Url(payload) };
}
