// Asks the helper, which runs as root and does these things only.
import { request } from 'node:http';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { ShareLogPart, type SharePosition } from './share-log.ts';

const DEADLINE_MS = 60_000; // the machine's list of users may be locked for a while
const MAX_ANSWER_BYTES = 1024 * 1024;
const Refusal = z.object({ code: z.string(), message: z.string(), hint: z.string() });

export class ShareHelperClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** @throws ApplianceError `share.helper-away`, or what the helper said: `share.…` */
  async provision(name: string, password: string): Promise<void> {
    await this.#ask('provision', { name, password });
  }

  /** @throws as `provision` */
  async remove(name: string): Promise<void> {
    await this.#ask('remove', { name });
  }

  /** @throws as `provision` */
  async list(): Promise<string[]> {
    return z.object({ names: z.array(z.string()) }).parse(await this.#ask('list', {})).names;
  }

  /** What auditors have done on the share since. @throws as `provision` */
  async readLog(position: SharePosition): Promise<ShareLogPart> {
    return ShareLogPart.parse(await this.#ask('read-log', { position }));
  }

  #ask(verb: string, body: object): Promise<unknown> {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const path = `/v1/${verb}`;
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(DEADLINE_MS);
      const sent = request({ socketPath: this.#socketPath, method: 'POST', path, headers, signal }, answer => {
        let said = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          said += chunk;
          if (said.length > MAX_ANSWER_BYTES) answer.destroy(new Error('the answer is too long'));
        });
        answer.once('error', cause => reject(away(cause)));
        answer.once('end', () => {
          try {
            if (answer.statusCode === 200) resolve(JSON.parse(said));
            else reject(refusal(said));
          } catch (cause) {
            reject(away(cause));
          }
        });
      });
      sent.once('error', cause => reject(away(cause)));
      sent.end(text);
    });
  }
}

function refusal(said: string): ApplianceError {
  const { code, message, hint } = Refusal.parse(JSON.parse(said));
  return new ApplianceError('unavailable', code, message, { hint });
}

function away(cause: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'share.helper-away', 'the helper that keeps share accounts did not answer', {
    hint: 'Is remote-support-helper.service running?',
    cause,
  });
}
