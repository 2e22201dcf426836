// Where the details of ended sessions are posted, and how (G-06).
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { ApplianceError, describeError } from '../errors.ts';
import { parseAllowed } from './posting/target.ts';

export const POST_FORMATS = ['json', 'xml', 'form'] as const;
export type PostFormat = (typeof POST_FORMATS)[number];
export const LEAST_SECRET = 16;
const MAX_ALLOWED = 32;
const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

export const PostSettings = z.strictObject({
  isOn: z.boolean(),
  url: z.string().max(1024),
  format: z.enum(POST_FORMATS),
  /** Of HMAC-SHA-256; shared with the CRM. */
  secret: z.string().max(256),
  /** Whether chat text goes with it. Where a group keeps none, there is none to go. */
  withChat: z.boolean(),
  /** Addresses and ranges that may be posted to although they are not public. */
  allowed: z.array(z.string().max(64)).max(MAX_ALLOWED),
  /** PEM of the authorities that may have issued the CRM's certificate; empty: those the runtime knows. */
  authorities: z.string().max(65_536),
});
export type PostSettings = z.infer<typeof PostSettings>;

export const noPosts: PostSettings = {
  ...{ isOn: false, url: '', format: 'json', secret: '', withChat: false, allowed: [], authorities: '' },
};

/** @throws ApplianceError `post.url`, `post.secret`, `post.allowed`, `post.authorities` */
export function checkPostSettings(settings: PostSettings): void {
  parseAllowed(settings.allowed);
  readAuthorities(settings.authorities);
  if (!settings.isOn) return;
  parseTarget(settings.url);
  if (settings.secret.length < LEAST_SECRET)
    throw new ApplianceError('malformed', 'post.secret', `the secret has at least ${LEAST_SECRET} characters`);
}

/** @throws ApplianceError `post.url` */
export function parseTarget(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === '') return url;
  throw new ApplianceError('malformed', 'post.url', 'that is no address to post to', {
    hint: 'It begins with https:// and holds no user name, password or #.',
  });
}

/** @throws ApplianceError `post.authorities` */
export function readAuthorities(text: string): string[] {
  const found = text.match(PEM) ?? [];
  try {
    if (found.length === 0 && text.trim() !== '') throw new RangeError('no certificate in PEM');
    for (const pem of found) new X509Certificate(pem);
    return found;
  } catch (cause) {
    throw new ApplianceError('malformed', 'post.authorities', `that can't be read: ${describeError(cause)}`, { cause });
  }
}
