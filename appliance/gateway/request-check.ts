// What a request must be before it goes anywhere. Node's parser (strict, never `insecureHTTPParser`) has already refused
// bad tokens, folded headers, two lengths, and Content-Length beside Transfer-Encoding; here is what it lets pass.
import type { IncomingMessage } from 'node:http';
import type { Hosts } from './hosts.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export type CheckedRequest =
  | { readonly ok: true; readonly host: string }
  | { readonly ok: false; readonly status: 400 | 405 | 421 | 505; readonly reason: string };

/** Judges by request line, Host and framing only; trusts nothing it has not looked at. */
export function checkRequest(request: IncomingMessage, hosts: Hosts): CheckedRequest {
  if (request.httpVersion !== '1.1') return refused(505, 'http-version');
  if (!METHODS.has(request.method ?? '')) return refused(405, 'method');
  // Origin form only (RFC 9112 §3.2.1): an absolute target would name a second host.
  if (!request.url?.startsWith('/')) return refused(400, 'target');
  if (hasFramingDoubt(request)) return refused(400, 'framing');
  // `headers.host` keeps the first of several and would hide the rest.
  const hostHeaders = request.headersDistinct.host ?? [];
  if (hostHeaders.length !== 1) return refused(400, 'host-count');
  const host = hosts.find(hostHeaders[0] ?? '', request.socket.localAddress);
  return host === undefined ? refused(421, 'host') : { ok: true, host };
}

/** Whether anyone could read the end of the body elsewhere than we do (RFC 9112 §6.3). */
function hasFramingDoubt(request: IncomingMessage): boolean {
  const lengths = request.headersDistinct['content-length'] ?? [];
  const encodings = request.headersDistinct['transfer-encoding'] ?? [];
  if (lengths.length > 1 || encodings.length > 1) return true;
  if (lengths.length > 0 && encodings.length > 0) return true;
  if (lengths[0] !== undefined && !/^[0-9]{1,15}$/.test(lengths[0])) return true;
  return encodings[0] !== undefined && encodings[0].toLowerCase() !== 'chunked';
}

function refused(status: 400 | 405 | 421 | 505, reason: string): CheckedRequest {
  return { ok: false, status, reason };
}
