// What the recorder asks of the portal, which alone knows sessions and members.
import { request } from 'node:http';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { parseSessionId, type SessionId } from '../guid.ts';
import {
  type FailedAvi,
  type FinishedRecording,
  type MadeAvi,
  RECORDING_ATTESTED_PATH,
  RECORDING_AUTHORISE_PATH,
  RECORDING_AVI_FAILED_PATH,
  RECORDING_AVI_PATH,
  RECORDING_FINISHED_PATH,
  RECORDING_FORMAT_PATH,
  RECORDING_LIVE_PATH,
  type RecordingGrant,
  type RecordingLive,
  type SignedManifest,
} from '../protocol/recorder-portal.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
const PATIENCE_MS = 5000;
const Grant = z.strictObject({
  sid: z.string().transform(parseSessionId),
  sub: z.string().min(1).max(64),
  since: z.int().min(0),
});
const Live = z.strictObject({ isOver: z.boolean() });
const Attested = z.strictObject({ offset: z.int().min(1).nullable() });
const Manifest = z.strictObject({ kid: z.string(), payload: z.string(), signature: z.string() });
const Format = z.strictObject({ format: z.enum(['rcrec', 'avi', 'both']).nullable() });
const [ERASED, OTHER] = ['recording.erased', 'recording.other'] as const;
const Refusal = z.object({ code: z.literal(ERASED) });
const Conflict = z.object({ code: z.literal(OTHER) });
export type KeptFormat = z.infer<typeof Format>['format'];

export class RecordingPortal {
  readonly #socketPath: string;

  /** @param socketPath `run/portal-internal.sock` */
  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * @param digest base64url of the token's SHA-256
   * @param address the console's, as the gateway saw it
   * @returns null for a token that is not good (any more)
   * @throws ApplianceError `recording.portal-away`
   */
  async authorise(digest: string, address: string): Promise<RecordingGrant | null> {
    const { status, body } = await this.#post(RECORDING_AUTHORISE_PATH, { digest, address });
    return status === 403 ? null : shaped(Grant, status, body);
  }

  /** @returns whether the session is over @throws ApplianceError `recording.portal-away` */
  async live(live: RecordingLive): Promise<{ readonly isOver: boolean }> {
    const { status, body } = await this.#post(RECORDING_LIVE_PATH, live);
    return shaped(Live, status, body);
  }

  /**
   * How far the applet has signed what it sent; null: nothing of it.
   * @param nonce base64url
   * @throws ApplianceError `recording.portal-away`
   */
  async attested(sid: SessionId, nonce: string): Promise<number | null> {
    const { status, body } = await this.#post(RECORDING_ATTESTED_PATH, { sid, nonce });
    return shaped(Attested, status, body).offset;
  }

  /**
   * @throws ApplianceError `recording.portal-away`, also where the applet has signed more meanwhile; `recording.erased`: nothing of it
   *   is to be kept; `recording.other`: another film of its stream is finished
   */
  async finished(recording: FinishedRecording): Promise<SignedManifest> {
    const { status, body } = await this.#post(RECORDING_FINISHED_PATH, recording);
    return shaped(Manifest, status, body);
  }

  /** What is to be kept of a session's recordings; null: the session is gone. @throws ApplianceError `recording.portal-away` */
  async format(sid: SessionId): Promise<KeptFormat> {
    const { status, body } = await this.#post(RECORDING_FORMAT_PATH, { sid });
    return shaped(Format, status, body).format;
  }

  /** @throws ApplianceError `recording.portal-away`, `recording.erased`: there is to be none */
  async aviMade(avi: MadeAvi): Promise<SignedManifest> {
    const { status, body } = await this.#post(RECORDING_AVI_PATH, avi);
    return shaped(Manifest, status, body);
  }

  /** @throws ApplianceError `recording.portal-away` */
  async aviFailed(failed: FailedAvi): Promise<void> {
    const { status, body } = await this.#post(RECORDING_AVI_FAILED_PATH, failed);
    shaped(z.object({}), status, body);
  }

  #post(path: string, content: object): Promise<{ status: number; body: unknown }> {
    const text = JSON.stringify(content);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const away = (cause: unknown) => reject(portalAway(`the portal did not answer ${path}`, cause));
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const sent = request({ socketPath: this.#socketPath, method: 'POST', path, headers, signal }, answer => {
        let said = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          said += chunk;
          if (said.length > MAX_ANSWER_BYTES) answer.destroy(new Error('the answer is too long'));
        });
        answer.once('error', away);
        answer.once('end', () => {
          try {
            resolve({ status: answer.statusCode ?? 0, body: JSON.parse(said) });
          } catch (cause) {
            away(cause);
          }
        });
      });
      sent.once('error', away);
      sent.end(text);
    });
  }
}

function shaped<T>(schema: z.ZodType<T>, status: number, body: unknown): T {
  const result = status === 200 ? schema.safeParse(body) : undefined;
  if (result?.success === true) return result.data;
  if (status === 404 && Refusal.safeParse(body).success)
    throw new ApplianceError('missing', ERASED, 'its session was erased'); // the portal's very word: a film is deleted for it
  if (status === 409 && Conflict.safeParse(body).success)
    throw new ApplianceError('conflict', OTHER, 'another film of this stream is finished');
  throw portalAway(`the portal answered ${status}`, result?.error);
}

function portalAway(message: string, cause: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'recording.portal-away', message, {
    hint: 'Recordings go on; a finished one gets its manifest when the portal is back.',
    cause,
  });
}
