// The client's half of a WebSocket handshake (RFC 6455 §4.1), as every upgrade that ends here must have it.
import type { IncomingMessage } from 'node:http';
import { onlyHeader } from './own-origins.ts';

const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/; // 16 bytes
const VERSION = '13';

export function isWebSocketRequest(request: IncomingMessage): boolean {
  return webSocketKey(request) !== undefined && onlyHeader(request, 'sec-websocket-version') === VERSION;
}

export function webSocketKey(request: IncomingMessage): string | undefined {
  const key = onlyHeader(request, 'sec-websocket-key');
  return key !== undefined && KEY.test(key) ? key : undefined;
}
