// One question to the portal over `run/portal-internal.sock`, which only the appliance's own processes can open.
import { request as openRequest } from 'node:http';
import { ApplianceError } from '../errors.ts';

export interface PortalCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly mostAnswerBytes: number;
  readonly patienceMs: number;
}

export interface PortalReply {
  readonly status: number;
  readonly text: string;
}

/** @throws ApplianceError `gateway.portal-unreachable` when there is no whole answer in time */
export function callPortal(socketPath: string, call: PortalCall): Promise<PortalReply> {
  const { method, path, body = '', mostAnswerBytes, patienceMs } = call;
  return new Promise((resolve, reject) => {
    const headers =
      body === '' ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const asking = openRequest({ socketPath, method, path, headers, timeout: patienceMs }, reply => {
      let text = '';
      reply.setEncoding('utf8');
      reply.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > mostAnswerBytes) reply.destroy(new Error('the answer is too long'));
      });
      reply.once('error', error => reject(portalUnreachable('the portal’s answer broke off', error)));
      reply.once('end', () => resolve({ status: reply.statusCode ?? 0, text }));
    });
    asking.once('timeout', () => asking.destroy(new Error('no answer in time')));
    asking.once('error', error => reject(portalUnreachable('the portal did not answer', error)));
    asking.end(body);
  });
}

/** @throws ApplianceError `gateway.portal-unreachable` */
export function parseReply(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw portalUnreachable('the portal did not answer in JSON', cause);
  }
}

export function portalUnreachable(message: string, cause?: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'gateway.portal-unreachable', message, {
    hint: 'See whether the portal runs; sessions that are connected go on meanwhile.',
    cause,
  });
}
