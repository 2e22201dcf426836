// The signer's socket: `POST /v1/<verb>`, JSON in and out. Before a caller is known: nothing but the kernel's word on it.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import { peerCredentials } from './peer-credentials.ts';
import type { Signer } from './signer.ts';
import { CALLERS, isVerb, type Verb } from './signer-verbs.ts';

export const MAX_REQUEST_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;

export interface SignerServerOptions {
  readonly signer: Signer;
  readonly socketPath: string;
  /** User ids by process. Where all run as one user they are the same, and `doctor` says so. */
  readonly users: Readonly<Record<'portal' | 'recorder', number>>;
  readonly log: Log;
  /** In which a whole request must have come; 5 s. */
  readonly requestTimeoutMs?: number;
}

export class SignerServer {
  readonly #options: SignerServerOptions;
  readonly #server: Server;

  constructor(options: SignerServerOptions) {
    this.#options = options;
    const { requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
    const limits = {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, requestTimeoutMs / 2), // else a slow one stays for half a minute
      keepAliveTimeout: 60_000,
      maxHeaderSize: 8192,
    };
    this.#server = createServer(limits, (request, answer) => void this.#answer(request, answer));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  async listen(): Promise<void> {
    const { socketPath } = this.#options;
    rmSync(socketPath, { force: true }); // left by a process that was killed
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, resolve);
    });
    const { portal, recorder } = this.#options.users;
    chmodSync(socketPath, portal === recorder && portal === process.getuid?.() ? 0o600 : 0o660);
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    try {
      const verb = this.#admit(request); // from here on the caller is one of our own processes
      const result = await this.#options.signer.do(verb, JSON.parse(await readBody(request)));
      send(answer, 200, result);
    } catch (error) {
      const refusal = error instanceof ApplianceError ? error : malformedBody(error);
      if (refusal.kind === 'defect') this.#options.log.error('signer.defect', { error: describeError(error) });
      send(answer, refusal.status, {
        kind: refusal.kind,
        code: refusal.code,
        message: refusal.message,
        hint: refusal.hint,
      });
    }
  }

  #admit(request: IncomingMessage): Verb {
    const verb = /^\/v1\/([a-z-]{1,40})$/.exec(request.url ?? '')?.[1] ?? '';
    const { uid } = peerCredentials(request.socket);
    const { users, log } = this.#options;
    const allowed = isVerb(verb) ? CALLERS[verb].map(caller => users[caller]) : Object.values(users);
    if (!allowed.includes(uid)) {
      log.warn('signer.stranger', { uid, verb });
      throw new ApplianceError('refused', 'signer.not-for-you', 'that is not for this user');
    }
    if (request.method !== 'POST' || !isVerb(verb)) {
      throw new ApplianceError('missing', 'signer.unknown-verb', 'the signer has no such verb');
    }
    return verb;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) throw new ApplianceError('malformed', 'signer.too-long', 'the request is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function malformedBody(error: unknown): ApplianceError {
  if (error instanceof SyntaxError)
    return new ApplianceError('malformed', 'signer.malformed', 'the request is not JSON');
  if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET')
    return new ApplianceError('malformed', 'signer.malformed', 'the caller left before its request was whole');
  return new ApplianceError('defect', 'appliance.defect', describeError(error), { cause: error });
}

function send(answer: ServerResponse, status: number, body: unknown): void {
  if (answer.destroyed) return;
  const text = JSON.stringify(body);
  const close = status >= 400 ? { connection: 'close' } : {}; // what is left of a refused body is not read
  answer.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...close });
  answer.end(text);
}
