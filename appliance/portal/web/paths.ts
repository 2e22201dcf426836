// One spelling for each path. Whatever is not written as a route writes it (`//`, `/./`, `%2f`, `;`, a trailing slash) is
// not found before any route is asked: a page that is gone must not come back under another spelling (CVE-2024-1709).
import { ApplianceError } from '../../errors.ts';
import type { PortalMiddleware } from './context.ts';

const EXACT_PATH = /^\/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)?$/;
const MAX_URL_CHARACTERS = 2048;

export function isExactPath(url: string): boolean {
  const path = url.split('?', 1)[0] ?? '';
  return url.length <= MAX_URL_CHARACTERS && EXACT_PATH.test(path);
}

export const exactPaths: PortalMiddleware = (ctx, next) => {
  if (!isExactPath(ctx.req.url ?? '')) throw notFound();
  return next();
};

export function notFound(): ApplianceError {
  return new ApplianceError('missing', 'portal.not-found', 'there is no such page');
}
