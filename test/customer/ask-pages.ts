// The customer's pages on a socket of their own, asked as the gateway asks them.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { TempFolder } from '../support/temp-folder.ts';
import { type CustomerPages, openCustomerPages } from './open-pages.ts';

export const CUSTOMER = '198.51.100.7';

export interface Got {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
  readonly text: string;
}

export interface Question {
  readonly fields?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Ask = (method: string, path: string, question?: Question) => Promise<Got>;

/** @returns the parts, and a folder for files; all of it ends with the test */
export async function servePages(
  t: ExecutionContext,
  { isPrepared = true } = {},
): Promise<{ at: CustomerPages; ask: Ask; folder: string }> {
  const at = await openCustomerPages();
  if (isPrepared) await at.prepareProgram();
  const folder = new TempFolder();
  const socketPath = join(folder.path, 'portal.sock');
  const server = createServer((incoming, outgoing) => void at.portal.handle(incoming, outgoing)).listen(socketPath);
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await at.close();
    folder[Symbol.dispose]();
  });
  return { at, ask: (method, path, question = {}) => ask(socketPath, method, path, question), folder: folder.path };
}

function ask(socketPath: string, method: string, path: string, { fields, headers = {} }: Question): Promise<Got> {
  const own = { host: 'localhost', origin: 'https://localhost', 'x-appliance-peer': CUSTOMER };
  const type = fields && { 'content-type': 'application/x-www-form-urlencoded' };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false, headers: { ...own, ...type, ...headers } });
    asked.on('error', reject).on('response', async answer => {
      const body = Buffer.concat(await answer.toArray());
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body, text: body.toString('utf8') });
    });
    asked.end(fields && new URLSearchParams(fields).toString());
  });
}
