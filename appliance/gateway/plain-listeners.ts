// The two listeners without TLS: the redirect for people who type a bare name, and metrics for this machine only.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defect } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { answer } from './answers.ts';
import type { Hosts } from './hosts.ts';
import type { EdgeLimits } from './limits.ts';
import { checkRequest } from './request-check.ts';

const HTTPS_PORT = 443;
/** Nothing on these listeners needs more, from all clients together. */
const MOST_CONNECTIONS = 512;
const LOCAL_HOST = /^(127\.0\.0\.1|localhost)(:[0-9]+)?$/;

/** 308 to HTTPS for the appliance's own names, and nothing else: it reads no body and passes nothing on. */
export function createRedirect(hosts: Hosts, httpsPort: number, limits: EdgeLimits): Server {
  return plainServer(limits, (request, response) => {
    const checked = checkRequest(request, hosts);
    if (!checked.ok) return answer(request, response, checked.status, { last: true });
    const port = httpsPort === HTTPS_PORT ? '' : `:${httpsPort}`;
    response.writeHead(308, {
      Location: `https://${checked.host}${port}${request.url ?? '/'}`,
      'Content-Length': 0,
      Connection: 'close',
    });
    response.end();
  });
}

/** `GET /metrics` in the Prometheus text format. Bound to 127.0.0.1 by its caller; a rebound name gets 421. */
export function createMetricsListener(metrics: Metrics, limits: EdgeLimits): Server {
  return plainServer(limits, (request, response) => {
    if (!LOCAL_HOST.test(request.headers.host ?? '')) return answer(request, response, 421, { last: true });
    if (request.url !== '/metrics') return answer(request, response, 404, { last: true });
    if (request.method !== 'GET') return answer(request, response, 405, { last: true });
    const body = metrics.text();
    response.writeHead(200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
    });
    response.end(body);
  });
}

function plainServer(limits: EdgeLimits, handle: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.headersMs,
      connectionsCheckingInterval: Math.min(1000, limits.headersMs),
      keepAliveTimeout: 5000,
      shouldUpgradeCallback: () => false,
    },
    handle,
  );
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

/** @returns the port in use, also where 0 asked for any */
export function listenOn(server: Server, port: number, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: address }, () => {
      server.off('error', reject);
      resolve(portOf(server));
    });
  });
}

export function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw defect('the listener has no port');
  return address.port;
}
