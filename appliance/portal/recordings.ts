// The recorder's calls (protocol/recorder-portal.ts), read.
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { parseSessionId } from '../guid.ts';
import {
  RECORDING_ATTESTED_PATH,
  RECORDING_AUTHORISE_PATH,
  RECORDING_FINISHED_PATH,
  RECORDING_LIVE_PATH,
} from '../protocol/recorder-portal.ts';
import type { SessionRecordings } from '../sessions/recordings.ts';
import type { InternalActs } from './internal.ts';
import { parse } from './web/parse.ts';

const id = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const sid = z.string().transform(parseSessionId);
const digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const count = z.int().min(0);
const Authorise = z.strictObject({ digest, address: z.string().max(64) });
const Live = z.strictObject({ sid, linkId: id, nonce: id, isLive: z.boolean() });
const OfStream = z.strictObject({ sid, nonce: id });
const signed = z.strictObject({ payload: z.string().max(2048), signature: z.string().max(128) }).nullable();
const Finished = z.strictObject({
  ...{
    sid,
    linkId: id,
    nonce: id,
    sub: z.string().min(1).max(64),
    technician: z.string().max(400),
    forced: z.boolean(),
  },
  ...{ startedAt: count, durationMs: count, name: z.string().min(1).max(200), bytes: count, sha256: digest },
  ...{ offset: count, isWhole: z.boolean(), isPaused: z.boolean(), after: id.nullable(), pausedMs: count },
  receipt: signed,
  attested: z.strictObject({ offset: z.int().min(1), receipt: signed }).nullable(),
});

/** Whether a member may come from an address (C-06). */
type Admits = (memberId: string, address: string) => Promise<boolean>;

export function recordingActs(recordings: SessionRecordings, admits: Admits): InternalActs {
  return {
    [`POST ${RECORDING_AUTHORISE_PATH}`]: async body => {
      const { digest, address } = parse(Authorise, body);
      const grant = await recordings.use(digest);
      if (await admits(grant.sub, address)) return grant;
      throw new ApplianceError('refused', 'recording.token-refused', 'that token is not valid');
    },
    [`POST ${RECORDING_LIVE_PATH}`]: async body => {
      return { isOver: await recordings.live(parse(Live, body)) };
    },
    [`POST ${RECORDING_ATTESTED_PATH}`]: async body => {
      const { sid: sessionId, nonce } = parse(OfStream, body);
      return { offset: await recordings.attestedOffset(sessionId, nonce) };
    },
    [`POST ${RECORDING_FINISHED_PATH}`]: body => recordings.finished(parse(Finished, body)),
  };
}
