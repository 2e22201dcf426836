// Headers between client and portal. Hop-by-hop ones end here (RFC 9110 §7.6.1), and nobody but the gateway says where a
// request comes from.
import type { IncomingMessage } from 'node:http';
import { plainAddress } from './source.ts';

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const SPOOFABLE = /^(x-appliance-|x-forwarded-|x-real-ip$|forwarded$)/;
/** Node has answered `Expect: 100-continue` itself; the other two are written anew. */
const WRITTEN_HERE: ReadonlySet<string> = new Set(['expect', 'host', 'content-length']);

/** Name and value in turns, as `http.request` and `writeHead` take them. */
export type FlatHeaders = string[];

/** What the portal gets of a client's request, with the client's address and TCP port. */
export function headersForPortal(request: IncomingMessage): FlatHeaders {
  const kept = keep(request, name => !SPOOFABLE.test(name) && !WRITTEN_HERE.has(name));
  const { 'transfer-encoding': encoding, 'content-length': length } = request.headers;
  if (encoding !== undefined) kept.push('Transfer-Encoding', 'chunked');
  else if (length !== undefined) kept.push('Content-Length', length);
  return [
    'Host',
    request.headers.host ?? '',
    ...kept,
    'X-Appliance-Peer',
    plainAddress(request.socket.remoteAddress ?? ''),
    'X-Appliance-Port',
    String(request.socket.remotePort ?? 0),
  ];
}

/** What the client gets of the portal's answer. */
export function headersForClient(answer: IncomingMessage): FlatHeaders {
  return keep(answer, () => true);
}

export function withoutCookies(headers: FlatHeaders): FlatHeaders {
  return headers.filter((_, at) => headers[at - (at % 2)]?.toLowerCase() !== 'cookie');
}

export function hasBody(request: IncomingMessage): boolean {
  const { 'transfer-encoding': encoding, 'content-length': length } = request.headers;
  return encoding !== undefined || (length !== undefined && Number(length) > 0);
}

function keep(message: IncomingMessage, wanted: (name: string) => boolean): FlatHeaders {
  const named = new Set((message.headers.connection ?? '').split(',').map(name => name.trim().toLowerCase()));
  const kept: FlatHeaders = [];
  for (let at = 0; at + 1 < message.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = message.rawHeaders.slice(at, at + 2);
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !named.has(lower) && wanted(lower)) kept.push(name, value);
  }
  return kept;
}
