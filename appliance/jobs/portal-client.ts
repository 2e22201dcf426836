// Asks the portal over its internal Unix socket; the portal alone writes the store.
import { request } from 'node:http';
import { ApplianceError } from '../errors.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;

export class PortalClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * @param timeoutMs how long the portal may take
   * @throws ApplianceError `portal.unreachable`, `portal.refused` with what the portal said
   */
  ask(method: 'GET' | 'POST', path: string, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const unreachable = (cause: unknown) =>
        reject(new ApplianceError('unavailable', 'portal.unreachable', `the portal did not answer ${path}`, { cause }));
      const sent = request({ socketPath: this.#socketPath, method, path, timeout: timeoutMs }, answer => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER_BYTES) answer.destroy();
        });
        answer.on('error', unreachable);
        answer.on('close', () => {
          if (!answer.complete) return unreachable(null);
          if (answer.statusCode === 200) return settle(resolve, reject, text);
          reject(
            new ApplianceError('unavailable', 'portal.refused', `${path}: ${answer.statusCode} ${text.slice(0, 500)}`),
          );
        });
      });
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      sent.on('error', unreachable);
      sent.end();
    });
  }
}

function settle(resolve: (value: unknown) => void, reject: (error: unknown) => void, text: string): void {
  try {
    resolve(JSON.parse(text));
  } catch (cause) {
    reject(new ApplianceError('malformed', 'portal.refused', 'the portal did not answer in JSON', { cause }));
  }
}
