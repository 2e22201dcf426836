// The helper's socket (DESIGN 12.10): `POST /v1/<verb>` for the portal, which may ask for these things and no others, of the one
// process that runs as root. Before a caller is known: nothing but the kernel's word on it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import { peerCredentials } from '../pki/peer-credentials.ts';
import { type ShareLog, SharePosition } from './share-log.ts';
import type { SmbAccounts } from './smb-accounts.ts';

const MAX_REQUEST_BYTES = 1024;
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 8;
const CALLS_PER_MINUTE = 120;
const MINUTE_MS = 60_000;
const Name = z.strictObject({ name: z.string().max(64) });
const Provision = z.strictObject({ name: z.string().max(64), password: z.string().max(64) });
const None = z.strictObject({});
const ReadLog = z.strictObject({ position: SharePosition });

export interface ShareHelperParts {
  readonly accounts: Pick<SmbAccounts, 'provision' | 'remove' | 'list'>;
  readonly opens: Pick<ShareLog, 'read'>;
  readonly socketPath: string;
  /** User id of the portal. */
  readonly portal: number;
  readonly log: Log;
  /** ms, of a clock that only goes on. */
  readonly monotonic: () => number;
}

export class ShareHelper {
  readonly #parts: ShareHelperParts;
  readonly #server: Server;
  /** One after the other: two at once would fight for the machine's list of users. */
  #working: Promise<unknown> = Promise.resolve();
  /** By verb: whoever fills the share's log keeps no account from being taken away. */
  readonly #calls = new Map<string, { since: number; count: number }>();

  constructor(parts: ShareHelperParts) {
    this.#parts = parts;
    const limits = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 4096 };
    this.#server = createServer(limits, (request, answer) => void this.#answer(request, answer));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#parts.socketPath, resolve);
    });
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    await this.#working.catch(() => undefined); // whoever asked was told
  }

  readonly #verbs: Readonly<Record<string, (body: unknown) => Promise<object>>> = {
    '/v1/provision': async body => {
      const { name, password } = Provision.parse(body);
      await this.#parts.accounts.provision(name, password);
      this.#parts.log.info('helper.used', { verb: 'provision', name });
      return {};
    },
    '/v1/remove': async body => {
      const { name } = Name.parse(body);
      await this.#parts.accounts.remove(name);
      this.#parts.log.info('helper.used', { verb: 'remove', name });
      return {};
    },
    '/v1/list': async body => {
      None.parse(body);
      return { names: await this.#parts.accounts.list() };
    },
    '/v1/read-log': async body => this.#parts.opens.read(ReadLog.parse(body).position),
  };

  async #answer(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { log } = this.#parts;
    try {
      const act = this.#admit(request); // from here on the caller is the portal
      const body: unknown = JSON.parse(await readBody(request));
      const done = this.#working.catch(() => undefined).then(() => act(body));
      this.#working = done;
      send(answer, 200, await done);
    } catch (error) {
      const isMalformed = error instanceof z.ZodError || error instanceof SyntaxError;
      const known = error instanceof ApplianceError ? error : null;
      const code = known?.code ?? (isMalformed ? 'helper.malformed' : 'appliance.defect');
      log.warn('helper.refused', { verb: request.url ?? '', code, why: isMalformed ? '' : describeError(error) });
      const message = known?.message ?? 'that can not be done';
      send(answer, known?.status ?? (isMalformed ? 400 : 500), { code, message, hint: known?.hint ?? '' });
    }
  }

  #admit(request: IncomingMessage): (body: unknown) => Promise<object> {
    const { uid } = peerCredentials(request.socket);
    const { portal, log, monotonic } = this.#parts;
    if (uid !== portal) {
      log.warn('helper.stranger', { uid });
      throw new ApplianceError('refused', 'helper.not-for-you', 'that is not for this user');
    }
    const verb = request.method === 'POST' ? (request.url ?? '') : '';
    const act = Object.hasOwn(this.#verbs, verb) ? this.#verbs[verb] : undefined;
    if (act === undefined) throw new ApplianceError('missing', 'helper.unknown-verb', 'the helper has no such verb');
    const before = this.#calls.get(verb) ?? { since: Number.NEGATIVE_INFINITY, count: 0 };
    const calls = monotonic() - before.since > MINUTE_MS ? { since: monotonic(), count: 0 } : before;
    this.#calls.set(verb, calls);
    if (++calls.count > CALLS_PER_MINUTE) throw new ApplianceError('limited', 'helper.limited', 'too often');
    return act;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) throw new ApplianceError('malformed', 'helper.too-long', 'the request is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(answer: ServerResponse, status: number, body: object): void {
  if (answer.destroyed) return;
  const close = status >= 400 ? { connection: 'close' } : {};
  answer.writeHead(status, { 'content-type': 'application/json', ...close }).end(JSON.stringify(body));
}
