// What the appliance's other processes ask of the portal, over a socket only they can open.
//   GET  /internal/health              the store answers
//   GET  /internal/metrics             {text}: this process's metrics, in the Prometheus text format
//   GET  /internal/backups, POST       for jobs
//   GET  /internal/gateway-list        the signed list, as an applet gets it (portal/gateway-list.ts)
//   POST /internal/relay/authorise     {digest, role, address} → {pairId}, or 403
//   GET  /internal/retention, POST     for jobs: when it last ran; have it run
//   POST /internal/gateway-report      {id, relayedBytes, relays} → {close: pair ids}: every ten seconds (portal/status.ts)
//   POST /internal/from-anywhere       {loginId} → {emptied, isUnlocked}: for bin/from-anywhere.ts
//   POST /internal/settings-link       → {name, port, code}: turns the settings on, for bin/settings-account.ts
//   POST /internal/recording/…         for the recorder (protocol/recorder-portal.ts)
//   upgrade /internal/applet-leg       an applet's own leg, behind its gateway (portal/applet-legs.ts)
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import type { AuditLog } from '../audit/audit.ts';
import { type Actor, type AuditDetail, applianceActor } from '../audit/entry.ts';
import { ApplianceError, describeError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Leg } from '../sessions/leg-tokens.ts';
import type { Backups } from '../store/backup.ts';
import type { Store } from '../store/store.ts';
import type { SignedGatewayList } from './gateway-list.ts';
import type { Answerer } from './socket-listener.ts';
import { parse } from './web/parse.ts';

const MAX_BODY_BYTES = 4096;
const APPLET_LEG_PATH = '/internal/applet-leg';
export const FROM_ANYWHERE_PATH = '/internal/from-anywhere';
export const SETTINGS_LINK_PATH = '/internal/settings-link';
const Authorise = z.strictObject({
  digest: z.string().max(64),
  role: z.enum(['console', 'applet']),
  address: z.string().max(64).optional(),
});

/** What sessions need beside the routes below; there is none before first setup is done. */
export interface InternalSupport {
  /** What parts of the portal answer that are there only once it is set up, by method and path. */
  readonly acts?: InternalActs;
  readonly legTokens: { use(digest: string, role: Leg): Promise<{ pairId: string; loginId?: string }> };
  /** Whether the login lives and may come from this address (C-06). */
  readonly admits: (loginId: string, address: string) => Promise<boolean>;
  /** The connection is its from here on. */
  readonly upgradeAppletLeg?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface InternalParts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly backups: Pick<Backups, 'list' | 'make'>;
  readonly gatewayList: { current(): Promise<SignedGatewayList> };
  readonly support: () => InternalSupport | null;
  readonly metrics: () => string;
  readonly log: Log;
}

type Act = (body: unknown) => Promise<unknown>;
/** By `METHOD /path`. */
export type InternalActs = Readonly<Record<string, Act>>;

export class Internal implements Answerer {
  readonly #parts: InternalParts;
  readonly #routes: InternalActs;

  constructor(parts: InternalParts) {
    this.#parts = parts;
    const { store, backups, gatewayList, metrics } = parts;
    this.#routes = {
      'GET /internal/health': async () => {
        await store.core.read.get('SELECT 1'); // the store answers, not only the process
        return { ok: true };
      },
      'GET /internal/metrics': async () => ({ text: metrics() }),
      'GET /internal/backups': async () => ({ backups: await backups.list() }),
      'POST /internal/backups': () => makeBackup(parts),
      'GET /internal/gateway-list': () => gatewayList.current(),
      'POST /internal/relay/authorise': async body => {
        const { digest, role, address } = parse(Authorise, body);
        const { legTokens, admits } = this.#support();
        const { pairId, loginId } = await legTokens.use(digest, role);
        const isAsked = role === 'console' && loginId !== undefined;
        if (isAsked && (address === undefined || !(await admits(loginId, address)))) {
          throw new ApplianceError('refused', 'leg-token.refused', 'that token is not valid');
        }
        return { pairId };
      },
    };
  }

  async handle(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const name = `${request.method} ${request.url}`;
    try {
      const body = await readJson(request);
      const act = actOf(this.#routes, name) ?? actOf(this.#parts.support()?.acts ?? {}, name);
      if (act === undefined) throw new ApplianceError('missing', 'internal.missing', 'there is no such call');
      send(answer, 200, await act(body));
    } catch (error) {
      const status = error instanceof ApplianceError ? error.status : 500;
      if (status === 500)
        this.#parts.log.error('portal.defect', { path: request.url ?? '', why: describeError(error) });
      const code = error instanceof ApplianceError ? error.code : 'appliance.defect';
      send(answer, status, { code, message: describeError(error) });
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const isLeg = request.url === APPLET_LEG_PATH;
    const take = isLeg ? this.#parts.support()?.upgradeAppletLeg : undefined;
    if (take !== undefined) {
      take(request, socket, head);
      return;
    }
    const status = isLeg ? '503 Service Unavailable' : '404 Not Found';
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }

  #support(): InternalSupport {
    const support = this.#parts.support();
    if (support !== null) return support;
    throw new ApplianceError('unavailable', 'internal.not-set-up', 'first setup is not done yet');
  }
}

function actOf(acts: InternalActs, name: string): Act | undefined {
  return Object.hasOwn(acts, name) ? acts[name] : undefined;
}

/** Makes a backup and enters it in the log. */
export async function makeBackup(
  { store, audit, backups }: Pick<InternalParts, 'store' | 'audit' | 'backups'>,
  actor = applianceActor,
): Promise<unknown> {
  try {
    const made = await backups.make();
    const detail = { name: made.name, bytes: made.bytes, files: made.files };
    await store.core.transaction(tx => audit.append(tx, { event: 'backup.made', actor, detail }));
    return made;
  } catch (error) {
    const code = error instanceof ApplianceError ? error.code : 'appliance.defect';
    await store.core.transaction(tx => audit.append(tx, { event: 'backup.failed', actor, detail: { code } }));
    throw error;
  }
}

/** Opens a backup again as a restore would, and enters what came of it in the log. */
export async function checkBackup(
  { store, audit, backups }: Pick<InternalParts, 'store' | 'audit'> & { readonly backups: Pick<Backups, 'check'> },
  actor: Actor,
  name: string,
): Promise<void> {
  const tell = (event: string, detail: AuditDetail) =>
    store.core.transaction(tx => audit.append(tx, { event, actor, detail }));
  try {
    const { files } = await backups.check(name);
    await tell('backup-check.passed', { name, files });
  } catch (error) {
    await tell('backup-check.failed', {
      name,
      code: error instanceof ApplianceError ? error.code : 'appliance.defect',
    });
    throw error;
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk); // the rest is read and dropped: it comes from a process of ours
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return undefined;
  try {
    if (bytes > MAX_BODY_BYTES) throw new RangeError('too long');
    return JSON.parse(text);
  } catch (cause) {
    throw new ApplianceError('malformed', 'internal.malformed', 'that body can not be read', { cause });
  }
}

function send(answer: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  answer.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  answer.end(text);
}
