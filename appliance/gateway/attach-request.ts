// A leg's request: which role, and the one-time token. Browsers can't set headers on a WebSocket, and an address ends up
// in logs, so the token is offered as a subprotocol beside the real one:
//   GET /gateway/relay/console
//   Sec-WebSocket-Protocol: appliance.link.v1, token.<43 characters of base64url>
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type OwnOrigins, onlyHeader } from './own-origins.ts';
import type { LegClient } from './relay-leg.ts';
import { isWebSocketRequest, webSocketKey } from './websocket-request.ts';

export const LINK_PROTOCOL = 'appliance.link.v1';
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; // RFC 6455 §1.3
const TOKEN = /^token\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/; // 32 bytes

const clients: Readonly<Record<string, LegClient>> = {
  '/gateway/relay/console': 'console',
  '/gateway/relay/applet': 'applet',
  '/gateway/relay/browser': 'browser', // takes an applet's part, and its token
};

export interface AttachRequest {
  readonly client: LegClient;
  readonly token: string;
  readonly key: string;
}

/** @returns undefined for anything but a well-formed request from this appliance's own pages (or an applet naming it) */
export function parseAttachRequest(request: IncomingMessage, origins: OwnOrigins): AttachRequest | undefined {
  const client = clients[request.url ?? ''];
  const key = webSocketKey(request);
  // Each request names its origin, so that no page of another site, and no page without one, can attach.
  if (!client || !key || !isWebSocketRequest(request) || !origins.isOwn(request)) return undefined;
  const offered = (onlyHeader(request, 'sec-websocket-protocol') ?? '').split(',').map(one => one.trim());
  const tokens = offered.flatMap(one => TOKEN.exec(one)?.[1] ?? []);
  const [token] = tokens;
  if (offered.length !== 2 || !offered.includes(LINK_PROTOCOL) || token === undefined) return undefined;
  return { client, token, key };
}

/** The server's half of the handshake: no extension, so no compression beneath the link. */
export function acceptance(key: string): string {
  const accept = createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${LINK_PROTOCOL}`,
    '',
    '',
  ].join('\r\n');
}
