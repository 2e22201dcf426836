// Sending a browser on to an identity provider (C-04).
import { randomBytes } from 'node:crypto';
import type { Identity } from '../../identity/identity.ts';
import type { SamlPurpose } from '../../identity/saml-requests.ts';
import type { Sending } from '../../identity/saml-service.ts';
import type { PortalContext } from '../web/context.ts';
import { findCookie, setCookie } from '../web/cookies.ts';
import { contentSecurityPolicy } from '../web/headers.ts';
import type { Pages } from '../web/pages.ts';

/** Binds a request to the browser that made it. It comes back in a POST of another's page, so `None`. */
export const SSO_COOKIE = '__Host-single-sign-on';

/** Asks an identity provider, in this browser. */
export async function sendToProvider(
  ctx: PortalContext,
  { identity, pages }: { readonly identity: Identity; readonly pages: Pages },
  to: string,
  purpose: SamlPurpose,
): Promise<void> {
  const browser = findCookie(ctx.headers.cookie, SSO_COOKIE) ?? randomBytes(32).toString('base64url');
  const sending = await identity.singleSignOn.begin(to, browser, ctx.state.address, purpose);
  setCookie(ctx, SSO_COOKIE, browser, { sameSite: 'None' });
  showSending(ctx, pages, sending, 'Going to your sign-in');
}

/** Only this page may send a form elsewhere, and only there. */
export function showSending(ctx: PortalContext, pages: Pages, sending: Sending, title: string): void {
  const { origin, host } = new URL(sending.url);
  const isPost = sending.kind === 'post';
  if (isPost) ctx.set('Content-Security-Policy', contentSecurityPolicy({ forms: [origin] }));
  else ctx.set('Refresh', `0; url=${sending.url}`);
  const fields = Object.entries(isPost ? sending.fields : {}).map(([name, value]) => ({ name, value }));
  pages.show(ctx, 'sending', { title, url: sending.url, host, isPost, fields });
}
