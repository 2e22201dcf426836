// A TLS server as both listeners have it: suites, deadlines and budgets, and what becomes of who does not speak HTTP.
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { bareAnswer } from './answers.ts';
import type { Certificates } from './certificates.ts';
import type { Connections } from './connections.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { EdgeLimits } from './limits.ts';

const TCP_KEEP_ALIVE_MS = 30_000; // finds peers that went without a word on upgraded connections
const MOST_HEADERS = 128;

export interface TlsServerParts {
  readonly certificates: Certificates;
  readonly limits: EdgeLimits;
  readonly metrics: EdgeMetrics;
  readonly connections: Connections;
  /** False drops a connection before anything is read of it. */
  readonly admits?: (socket: Socket) => boolean;
}

/** Without `request` and `upgrade`: what becomes of those is its owner's affair. */
export function createTlsServer({ certificates, limits, metrics, connections, admits }: TlsServerParts): Server {
  const server = createServer({
    ...certificates.own.options,
    SNICallback: (name, done) => done(null, certificates.choose(name).context),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.handshakeMs,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: 0, // a long upload is fine as long as it moves: `bodySilenceMs`
    connectionsCheckingInterval: Math.min(1000, limits.headersMs),
    keepAliveTimeout: limits.keepAliveMs,
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    noDelay: true,
    insecureHTTPParser: false,
    // Anything but WebSocket (h2c, say) is not switched to: RFC 9110 §7.8 lets us answer as if it were not there.
    shouldUpgradeCallback: request => request.headers.upgrade?.toLowerCase() === 'websocket',
  });
  server.maxHeadersCount = MOST_HEADERS;
  server.maxConnections = limits.connections;
  // In the turn of the accept: no byte of a handshake has been read yet.
  server.on('connection', (socket: Socket) => {
    if (admits?.(socket) === false) return void socket.resetAndDestroy();
    connections.admit(socket);
  });
  server.on('drop', () => metrics.refused('connections'));
  server.on('secureConnection', (socket: TLSSocket) => connections.handshakeDone(socket));
  server.on('tlsClientError', (_error, socket: TLSSocket) => {
    metrics.refused('handshake');
    socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const [status, reason] = malformedAs[error.code ?? ''] ?? ([400, 'malformed'] as const);
    metrics.refused(reason);
    // An answer under way would be mixed up with this one.
    if (!socket.writable || connections.hasRequests(socket)) return void socket.destroy();
    socket.end(bareAnswer(status, reason), () => socket.destroy());
  });
  return server;
}

const malformedAs: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers-too-long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'headers-late'],
  ECONNRESET: [400, 'reset'],
};
