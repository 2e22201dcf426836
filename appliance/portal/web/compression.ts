// Pages are compressed as they go out. None of them repeats what a stranger sent beside a secret (BREACH): the login's
// secret is in a cookie only.
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { PortalMiddleware } from './context.ts';

const LEAST_BYTES = 1024;
const PAGE_QUALITY = 4; // a page takes well under a millisecond
const toBrotli = promisify(brotliCompress);
const toGzip = promisify(gzip);

export const compressPages: PortalMiddleware = async (ctx, next) => {
  await next();
  const body =
    ctx.body !== null && typeof ctx.body === 'object' && ctx.type === 'application/json'
      ? JSON.stringify(ctx.body)
      : ctx.body;
  if (typeof body !== 'string' || ctx.res.hasHeader('Content-Encoding')) return;
  ctx.vary('Accept-Encoding');
  const encoding = ctx.acceptsEncodings('br', 'gzip', 'identity');
  if (body.length < LEAST_BYTES || (encoding !== 'br' && encoding !== 'gzip')) return;
  const { type } = ctx;
  const params = { [constants.BROTLI_PARAM_QUALITY]: PAGE_QUALITY };
  ctx.body = encoding === 'br' ? await toBrotli(body, { params }) : await toGzip(body);
  ctx.set('Content-Type', `${type}; charset=utf-8`);
  ctx.set('Content-Encoding', encoding);
};
