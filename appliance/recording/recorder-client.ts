// What the portal asks of the recorder, on the socket consoles reach through the gateway (protocol/recorder-portal.ts).
import { request } from 'node:http';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import {
  AVI_STATES,
  type AviState,
  type AviWish,
  RECORDER_AVI_PATH,
  RECORDER_WISH_PATH,
} from '../protocol/recorder-portal.ts';

const PATIENCE_MS = 5000;
const MAX_ANSWER_BYTES = 4096;
const State = z.strictObject({
  state: z.enum(AVI_STATES),
  percent: z.int().min(0).max(100),
  code: z.string().max(80).nullable(),
});

export class RecorderClient {
  readonly #socketPath: string;

  /** @param socketPath `run/recorder.sock` */
  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** How the AVI of a finished recording is coming on. @throws ApplianceError `recording.recorder-away` */
  aviState(wish: AviWish): Promise<AviState> {
    return this.#ask(RECORDER_AVI_PATH, wish);
  }

  /**
   * An AVI is to be made of it, whatever its group keeps. It is noted for good when this resolves.
   * @throws ApplianceError `recording.recorder-away`, `recording.missing` where it is not kept as RCREC
   */
  wantAvi(wish: AviWish): Promise<AviState> {
    return this.#ask(RECORDER_WISH_PATH, wish);
  }

  #ask(path: string, wish: AviWish): Promise<AviState> {
    const text = JSON.stringify(wish);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const sent = request({ socketPath: this.#socketPath, method: 'POST', path, headers, signal }, async answer => {
        try {
          resolve(read(answer.statusCode, await gathered(answer)));
        } catch (error) {
          reject(error instanceof ApplianceError ? error : away(error));
        }
      });
      sent.once('error', cause => reject(away(cause)));
      sent.end(text);
    });
  }
}

async function gathered(answer: AsyncIterable<Buffer>): Promise<string> {
  let said = '';
  for await (const chunk of answer) {
    said += chunk.toString('utf8');
    if (said.length > MAX_ANSWER_BYTES) throw new RangeError('the answer is too long');
  }
  return said;
}

function read(status: number | undefined, said: string): AviState {
  if (status === 404)
    throw new ApplianceError('missing', 'recording.missing', 'there is no such film to make an AVI of');
  if (status !== 200) throw away(new Error(`the recorder answered ${status}`));
  return State.parse(JSON.parse(said));
}

function away(cause: unknown): ApplianceError {
  return new ApplianceError(
    'unavailable',
    'recording.recorder-away',
    'the recorder, which makes AVIs, did not answer',
    {
      hint: 'See on the status page whether it runs, and whether the recording share is there; then try again.',
      cause,
    },
  );
}
