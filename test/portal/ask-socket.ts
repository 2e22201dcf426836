// Asks the portal on its socket as the gateway would.
import { request } from 'node:http';

export interface SocketAnswer {
  readonly status: number;
  /** Of the refusal, if it was one. */
  readonly code: string;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

export function askSocket(
  socketPath: string,
  method: string,
  path: string,
  token?: string,
  headers: Readonly<Record<string, string>> = {},
  /** A form, a body as it is, or what is sent as JSON. */
  given?: unknown,
): Promise<SocketAnswer> {
  const isForm = given instanceof URLSearchParams;
  const isText = isForm || typeof given === 'string';
  const text = given === undefined ? undefined : isText ? String(given) : JSON.stringify(given);
  return new Promise((resolve, reject) => {
    const asked = request({
      socketPath,
      method,
      path,
      agent: false,
      headers: {
        host: 'localhost',
        accept: 'application/json',
        origin: 'https://localhost',
        'x-appliance-peer': '192.0.2.7',
        ...(token !== undefined && { cookie: `__Host-login=${token}` }),
        ...(text !== undefined && {
          'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        }),
        ...headers,
      },
    });
    asked.on('response', async answer => {
      const body = Buffer.concat(await answer.toArray()).toString('utf8');
      const code = /"code":"([a-z0-9.-]+)"/.exec(body)?.[1] ?? '';
      resolve({ status: answer.statusCode ?? 0, code, body, headers: answer.headers });
    });
    asked.on('error', reject);
    asked.end(text);
  });
}
