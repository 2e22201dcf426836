// Where consoles bring their streams: a WebSocket, behind the gateway, on a Unix socket of the recorder's own
// (protocol/recorder-socket.ts). Before the portal has known a token nothing of it is read.
import { createHash } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Clock } from '../clock.ts';
import { ApplianceError, describeError } from '../errors.ts';
import { fromBase64Url } from '../guid.ts';
import type { Log } from '../log.ts';
import type { Counter, Metrics } from '../metrics.ts';
import type { RecordingGrant } from '../protocol/recorder-portal.ts';
import { MAX_PIECE_BYTES, RECORDER_PATH, RECORDER_PROTOCOL } from '../protocol/recorder-socket.ts';
import { Connection } from './receive/connection.ts';
import { answerWish, type WishedAvis } from './receive/wishes.ts';
import type { Recordings } from './recordings.ts';

const MAX_CONNECTIONS = 512;
const TOKEN = /^token\.([A-Za-z0-9_-]{43})$/;

export interface RecorderServerParts {
  readonly socketPath: string;
  readonly recordings: Pick<Recordings, 'bring'>;
  /** Uses the token up. @returns null where it is not good. @throws ApplianceError where the portal is away */
  /** @param address the console's, as the gateway saw it */
  readonly authorise: (digest: string, address: string) => Promise<RecordingGrant | null>;
  readonly avis: WishedAvis;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export class RecorderServer {
  readonly #parts: RecorderServerParts;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false },
    maxPayload: MAX_PIECE_BYTES + 1,
    handleProtocols: () => RECORDER_PROTOCOL,
  });
  readonly #connections = new Set<Connection>();
  readonly #refused: Counter;
  #isClosing = false;

  constructor(parts: RecorderServerParts) {
    this.#parts = parts;
    this.#refused = parts.metrics.counter('recorder_refusals_total', 'Connections that were refused, by reason.');
    this.#server = createServer((request, answer) => {
      if (answerWish(request, answer, parts.avis, parts.log)) return;
      const isHealth = request.method === 'GET' && request.url === '/healthz';
      const isMetrics = request.method === 'GET' && request.url === '/metrics';
      const text = isMetrics ? parts.metrics.text() : isHealth ? 'ok\n' : '';
      answer.writeHead(isHealth || isMetrics ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head));
  }

  async listen(): Promise<void> {
    const { socketPath } = this.#parts;
    rmSync(socketPath, { force: true }); // left by a process that was killed
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, resolve);
    });
    chmodSync(socketPath, 0o660);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    for (const connection of this.#connections) connection.comeBack();
    const closed = new Promise(resolve => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const token = this.#token(request);
      const digest = createHash('sha256').update(fromBase64Url(token)).digest('base64url');
      const grant = await this.#parts.authorise(digest, peerOf(request));
      if (grant === null) throw refused('token');
      if (this.#isClosing) throw new ApplianceError('unavailable', 'recorder.closing', 'the recorder is ending');
      this.#accept(request, socket, head, grant); // from here on it is a technician's console
    } catch (error) {
      const known = error instanceof ApplianceError ? error : null;
      if (known === null) this.#parts.log.error('recorder.defect', { why: describeError(error) });
      this.#refused.add({ reason: known?.code ?? 'defect' });
      const status = known?.kind === 'refused' ? '403 Forbidden' : '503 Service Unavailable';
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    }
  }

  /** @throws ApplianceError for a request no console of ours makes */
  #token(request: IncomingMessage): string {
    const { origin, host } = request.headers;
    if (request.url !== RECORDER_PATH) throw refused('path');
    if (host === undefined || origin !== `https://${host}`) throw refused('origin');
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim());
    const token = offered.map(name => TOKEN.exec(name)?.[1]).find(found => found !== undefined);
    if (!offered.includes(RECORDER_PROTOCOL) || token === undefined) throw refused('protocol');
    return token;
  }

  #accept(request: IncomingMessage, socket: Duplex, head: Buffer, grant: RecordingGrant): void {
    const { recordings, clock, log } = this.#parts;
    this.#sockets.handleUpgrade(request, socket, head, opened => {
      const connection: Connection = new Connection({
        ...{ socket: opened, grant, recordings, clock, log },
        left: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
    });
  }
}

function refused(reason: string): ApplianceError {
  return new ApplianceError('refused', `recorder.${reason}`, 'that is no console of ours');
}

/** The gateway alone reaches the socket, and strips what a client says of itself. @throws ApplianceError where it said nothing */
function peerOf({ headers }: IncomingMessage): string {
  const peer = headers['x-appliance-peer'];
  if (typeof peer !== 'string') throw refused('peer');
  return peer;
}
