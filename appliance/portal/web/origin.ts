// Writes and upgrades come from our own pages only. The browser says where a request was made: `Origin` and
// `Sec-Fetch-Site` can't be set by a script, and `__Host-` cookies can't be planted by a sister domain, so a token in
// each form would add nothing to them (OWASP: Fetch Metadata as defence against CSRF). Both missing is a refusal.
import type { IncomingHttpHeaders } from 'node:http';
import { ApplianceError } from '../../errors.ts';
import type { PortalMiddleware } from './context.ts';

const READING = new Set(['GET', 'HEAD']);
/** Where browsers bring what an identity provider signed, from a page of it: the signature is what counts (C-04). */
export const ACS_PATH = '/saml/acs';
export const LOGOUT_PATH = '/saml/logout';
const FROM_ELSEWHERE: readonly string[] = [ACS_PATH, LOGOUT_PATH];

/** @throws ApplianceError `portal.foreign-origin` */
export function requireOwnOrigin(headers: IncomingHttpHeaders): void {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  const isOriginOwn = origin === undefined || (host !== undefined && origin === `https://${host}`);
  const isSiteOwn = site === undefined || site === 'same-origin';
  if (isOriginOwn && isSiteOwn && (origin !== undefined || site !== undefined)) return;
  throw foreignOrigin();
}

/** Origin of the page that was asked for, or that asks: the name is the one the gateway let through. */
export function pageOrigin({ host = '' }: IncomingHttpHeaders): string {
  return `https://${host.toLowerCase()}`;
}

export function foreignOrigin(): ApplianceError {
  return new ApplianceError(
    'refused',
    'portal.foreign-origin',
    'this request was not made by a page of this appliance',
    {
      hint: 'Open the page again under the name of the appliance and repeat what you did there.',
    },
  );
}

export const ownOriginWrites: PortalMiddleware = (ctx, next) => {
  if (!READING.has(ctx.method) && !FROM_ELSEWHERE.includes(ctx.path)) requireOwnOrigin(ctx.headers);
  return next();
};
