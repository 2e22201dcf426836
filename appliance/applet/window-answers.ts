// Answers of the window's server: every one carries the same headers.
import type { IncomingMessage, ServerResponse } from 'node:http';

const MAX_BODY_BYTES = 256;

export interface WindowFile {
  readonly type: 'text/html; charset=utf-8' | 'text/css; charset=utf-8' | 'text/javascript; charset=utf-8';
  readonly body: string;
}

/** @param host with its port: the only place the page may connect to */
export function windowHeaders(response: ServerResponse, host: string): void {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self' ws://${host}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  const headers = {
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=(), clipboard-read=()',
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

export function sendFile(response: ServerResponse, { type, body }: WindowFile): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** @returns undefined for a body longer than anything the page sends */
export async function readSmallBody(request: IncomingMessage): Promise<string | undefined> {
  let body = '';
  try {
    for await (const chunk of request.setEncoding('latin1')) {
      body += String(chunk);
      if (body.length > MAX_BODY_BYTES) return undefined;
    }
  } catch {
    return undefined; // given up on its way: as good as no code
  }
  return body;
}
