// One post: to the address that was checked, over TLS as every client of ours speaks it, no redirect followed, bounded in time and
// in what is read of the answer.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { ApplianceError, describeError } from '../../errors.ts';
import { clientTls } from '../../pki/client-tls.ts';
import { type PostSettings, parseTarget, readAuthorities } from '../post-settings.ts';
import { type Address, chooseAddress, type Resolve } from './target.ts';

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface Post {
  /** The same with each try of the same post. */
  readonly id: string;
  readonly type: string;
  readonly body: string;
  /** ms UTC */
  readonly at: number;
}

export interface SendOptions {
  readonly resolve?: Resolve;
  /** In which the whole answer must be there; 10 s. */
  readonly deadlineMs?: number;
}

/** @throws ApplianceError `post.…`: it was not taken */
export async function sendPost(settings: PostSettings, post: Post, options: SendOptions = {}): Promise<void> {
  const url = parseTarget(settings.url);
  const signal = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS); // over all of it, the name's addresses too
  const late = once(signal, 'abort').then(() => {
    throw new ApplianceError('unavailable', 'post.no-address', 'the name was not resolved in time');
  });
  late.catch(() => undefined); // told by whoever waits for it just then
  const target = await Promise.race([chooseAddress(url.hostname, settings.allowed, options.resolve), late]);
  const status = await exchange(url, target, settings, post, signal);
  if (status >= 200 && status < 300) return;
  if (status >= 300 && status < 400)
    throw new ApplianceError(
      'unavailable',
      'post.redirected',
      `the CRM answered ${status}; redirects are not followed`,
    );
  throw new ApplianceError('unavailable', 'post.not-taken', `the CRM answered ${status}`);
}

/** `v1=` and hex HMAC-SHA-256 of timestamp, dot and body. */
export function signPost(secret: string, timestamp: number, body: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

function exchange(url: URL, to: Address, settings: PostSettings, post: Post, signal: AbortSignal): Promise<number> {
  const timestamp = Math.floor(post.at / 1000);
  const authorities = readAuthorities(settings.authorities);
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown) =>
      reject(new ApplianceError('unavailable', 'post.failed', `not posted: ${describeError(cause)}`, { cause }));
    const sent = request({
      ...{
        host: name,
        port: url.port === '' ? 443 : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method: 'POST',
      },
      ...{ agent: false, signal, maxHeaderSize: 16_384 },
      ...clientTls,
      // The name is not asked for again: between two answers it could become another address.
      lookup: (_host, { all }, done) => (all ? done(null, [to]) : done(null, to.address, to.family)),
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(authorities.length > 0 ? { ca: authorities } : {}),
      headers: {
        host: url.host,
        'content-type': post.type,
        'content-length': Buffer.byteLength(post.body),
        'user-agent': 'remote-support-appliance',
        'idempotency-key': post.id,
        'x-support-delivery': post.id,
        'x-support-timestamp': timestamp,
        'x-support-signature': signPost(settings.secret, timestamp, post.body),
      },
    });
    sent.on('response', answer => {
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) sent.destroy(new Error('the answer is too long'));
      });
      answer.on('error', failed);
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', failed);
    sent.end(post.body);
  });
}
