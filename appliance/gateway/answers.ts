// Answers the gateway gives itself: short, honest, the same for everyone, and never cached.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';

const texts: Readonly<Record<number, string>> = {
  400: 'This request can’t be read.',
  403: 'This is not allowed.',
  404: 'There is nothing here.',
  405: 'This is not done here.',
  408: 'The request took too long.',
  421: 'This appliance does not answer to that name.',
  431: 'The request’s headers are too long.',
  502: 'The portal gave an answer that can’t be read.',
  503: 'The portal is not answering just now. Sessions that are running go on. This page tries again in a few seconds.',
  504: 'The portal took too long to answer.',
  505: 'This appliance speaks HTTP/1.1.',
};

/** Seconds until a client may try again when the portal is down; it restarts in about one. */
const RETRY_AFTER_SECONDS = 3;

export function statusText(status: number): string {
  return texts[status] ?? 'That did not work.';
}

/** Answers, and says that the connection ends when `last`. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  options: { last?: boolean; text?: string } = {},
): void {
  const wantsPage = request.headers.accept?.includes('text/html') ?? false;
  const text = options.text ?? statusText(status);
  const body = wantsPage ? page(status, text) : `${text}\n`;
  // The reason phrase is said outright: one that could not be written may be left from a try before.
  response.writeHead(status, STATUS_CODES[status] ?? '', {
    'Content-Type': wantsPage ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    ...(status === 503 && { 'Retry-After': RETRY_AFTER_SECONDS }),
    ...(wantsPage && status === 503 && { Refresh: RETRY_AFTER_SECONDS }),
    ...(status === 405 && { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }),
    ...(options.last && { Connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** A whole answer for a socket whose request could not be parsed. */
export function bareAnswer(status: number, reason: string): string {
  const body = `${statusText(status)}\n`;
  return [
    `HTTP/1.1 ${status} ${reason}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

function page(status: number, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${status}</title><p>${text}</p></html>\n`;
}
