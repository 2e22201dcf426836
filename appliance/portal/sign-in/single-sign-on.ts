// Signing in by an identity provider (C-04): asking it, what a browser brings back, and logout. Two of these routes take
// POSTs from another's page, which no other route does: what counts there is the signature of what is brought.
import Router from '@koa/router';
import { z } from 'zod';
import type { Brought } from '../../identity/saml-door.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { findCookie, LOGIN_COOKIE, setCookie } from '../web/cookies.ts';
import { type Form, tryForm } from '../web/forms.ts';
import { ACS_PATH, LOGOUT_PATH } from '../web/origin.ts';
import { parse, text } from '../web/parse.ts';
import { SSO_COOKIE, sendToProvider, showSending } from './send.ts';
import { follow, type SignInParts, showSignIn } from './sign-in.ts';

const MAX_FIELD_CHARACTERS = 400_000;
const To = z.strictObject({ to: text });
const message = z.string().max(MAX_FIELD_CHARACTERS).default('');
const relayState = z.string().max(1024).default('');
const Answer = z.object({ SAMLResponse: message, RelayState: relayState });
const Logout = z.object({ SAMLRequest: message, RelayState: relayState });

/** What the person is told; the log tells the rest under the reference. */
const TOLD: Readonly<Record<string, string>> = {
  'saml.no-account': 'You are signed in there, but have no account here.',
  'saml.conflict': 'You are signed in there, but have no account here.',
  'saml.no-role': 'You are signed in there, but none of your groups there gives you access here.',
  'saml.too-many-groups': 'You are in more groups there than it tells us of.',
  'saml.switched-off': 'Single sign-on is switched off here.',
  'saml.refused-there': 'Your organisation’s sign-in said no.',
  'saml.not-asked': 'That took too long, or was done twice.',
  'saml.replay': 'That was done twice.',
  'saml.other-browser': 'It began in another browser.',
  'login.limited': 'Too many tries.',
};

export function singleSignOnRoutes(parts: SignInParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { identity, guards, pages } = parts;
  router.post('/sign-in/single-sign-on', guards.requireRole('anyone'), async ctx => {
    const { to } = parse(To, ctx.request.body);
    const fault = await tryForm({ to }, { 'sso.no-provider': 'to' }, async () => {
      const former = await guards.find(ctx, false);
      await sendToProvider(ctx, parts, to, { loginId: former?.login.id ?? null, confirms: null });
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showSignIn(ctx, parts, fault.form);
  });
  router.get('/saml/metadata', guards.requireRole('anyone'), async ctx => {
    ctx.body = await identity.singleSignOn.service.metadata();
    ctx.type = 'application/samlmetadata+xml';
    ctx.set('Content-Disposition', 'attachment; filename="remote-support-metadata.xml"');
  });
  router.post(ACS_PATH, guards.requireRole('anyone'), ctx => takeAnswer(ctx, parts));
  router.post(LOGOUT_PATH, guards.requireRole('anyone'), async ctx => {
    const { SAMLRequest, RelayState } = parse(Logout, ctx.request.body);
    // The answer to a logout of ours changes nothing: it had ended here before it was told there.
    const brought = broughtBy(ctx, SAMLRequest, RelayState);
    const sending = SAMLRequest === '' ? null : await identity.singleSignOn.takeLogout(brought);
    if (sending !== null) return showSending(ctx, pages, sending, 'Signed out');
    ctx.status = 303;
    ctx.redirect('/sign-in');
  });
  return router;
}

async function takeAnswer(ctx: PortalContext, parts: SignInParts): Promise<void> {
  const { SAMLResponse, RelayState } = parse(Answer, ctx.request.body);
  const { identity } = parts;
  const fault = await tryForm({}, {}, async () => {
    const brought = broughtBy(ctx, SAMLResponse, RelayState);
    const { issued, confirms } = await identity.singleSignOn.accept(brought);
    if (confirms === null) return follow(ctx, issued, identity);
    setCookie(ctx, LOGIN_COOKIE, issued.token, { sameSite: 'Lax' });
    ctx.status = 303;
    ctx.redirect(confirms);
  });
  if (fault === undefined) return;
  ctx.status = fault.status;
  await showSignIn(ctx, parts, calmly(fault.form, ctx.state.requestId));
}

function broughtBy(ctx: PortalContext, field: string, state: string): Brought {
  const browser = findCookie(ctx.headers.cookie, SSO_COOKIE) ?? '';
  const from = { source: ctx.state.address, userAgent: ctx.get('User-Agent') };
  return { message: field, relayState: state, browser, reference: ctx.state.requestId, ...from };
}

function calmly(form: Form, reference: string): Form {
  const { fault } = form;
  if (fault === null) return form;
  const told = TOLD[fault.code] ?? 'Signing in did not work this time.';
  const hint = `Try again. If it happens again, give your admin this reference: ${reference}`;
  return { ...form, fault: { ...fault, message: told, hint } };
}
