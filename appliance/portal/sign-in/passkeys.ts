// Signing in with a passkey: as the second step, at forced set-up, and alone where a master admin allows it (C-03).
import { randomBytes } from 'node:crypto';
import Router from '@koa/router';
import { z } from 'zod';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { clearCookie, findCookie, LOGIN_COOKIE, setCookie } from '../web/cookies.ts';
import { tryForm } from '../web/forms.ts';
import { sessionOf, stagePages } from '../web/guards.ts';
import { pageOrigin } from '../web/origin.ts';
import { homeOf } from '../web/pages.ts';
import { parse, passkeyAnswer, text } from '../web/parse.ts';
import { portalRealm, takeWayBack } from '../web/way-back.ts';
import { follow, type SignInParts, showEnrolment, showSignIn, showTwoStep } from './sign-in.ts';

/** Binds a challenge to the browser that asked for it, before anybody is signed in. */
const PASSKEY_COOKIE = '__Host-passkey';
const Answer = z.strictObject({ answer: passkeyAnswer });
const New = z.strictObject({ name: text, answer: passkeyAnswer });

export function passkeySignInRoutes(parts: SignInParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addSecondStep(router, parts);
  addEnrolment(router, parts);
  addAlone(router, parts);
  return router;
}

function addSecondStep(router: PortalRouter, parts: SignInParts): void {
  const { identity, guards } = parts;
  router.post('/sign-in/two-step/passkey/options', guards.requireRole('two-step'), async ctx => {
    ctx.body = await identity.logins.askPasskey(sessionOf(ctx).login, pageOrigin(ctx.headers));
  });
  router.post('/sign-in/two-step/passkey', guards.requireRole('two-step'), async ctx => {
    const { answer } = parse(Answer, ctx.request.body);
    const given = { answer, origin: pageOrigin(ctx.headers), source: ctx.state.address };
    const fault = await tryForm({}, {}, async () => {
      await follow(ctx, await identity.logins.verifyPasskey(sessionOf(ctx).token, given), identity);
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    await showTwoStep(ctx, parts, fault.form);
  });
}

function addEnrolment(router: PortalRouter, parts: SignInParts): void {
  const { identity, guards, pages } = parts;
  router.post('/sign-in/enrol/passkey/options', guards.requireRole('enrol-two-step'), async ctx => {
    ctx.body = await identity.passkeys.begin(sessionOf(ctx).login, pageOrigin(ctx.headers));
  });
  router.post('/sign-in/enrol/passkey', guards.requireRole('enrol-two-step'), async ctx => {
    const { name, answer } = parse(New, ctx.request.body);
    const { login: before, member } = sessionOf(ctx);
    const fault = await tryForm({ name }, { 'passkey.name-malformed': 'name' }, async () => {
      const origin = pageOrigin(ctx.headers);
      const { token, login, recoveryCodes } = await identity.passkeys.add(before, { name, answer, origin });
      setCookie(ctx, LOGIN_COOKIE, token, { sameSite: 'Lax' });
      const next =
        login.stage === 'full'
          ? takeWayBack(ctx, portalRealm, member.roles, homeOf(member.roles))
          : stagePages[login.stage];
      pages.show(ctx, 'recovery-codes', { title: 'Recovery codes', codes: recoveryCodes, next });
    });
    if (fault === undefined) return;
    await showEnrolment(ctx, parts, { passkey: fault.form });
    ctx.status = fault.status;
  });
}

function addAlone(router: PortalRouter, parts: SignInParts): void {
  const { identity, guards } = parts;
  router.post('/sign-in/passkey/options', guards.requireRole('anyone'), async ctx => {
    const browser = randomBytes(32).toString('base64url');
    ctx.body = await identity.logins.askAlone(browser, pageOrigin(ctx.headers), ctx.state.address);
    setCookie(ctx, PASSKEY_COOKIE, browser, { sameSite: 'Strict' });
  });
  router.post('/sign-in/passkey', guards.requireRole('anyone'), async ctx => {
    const { answer } = parse(Answer, ctx.request.body);
    const fault = await tryForm({}, {}, () => signInAlone(ctx, parts, answer));
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showSignIn(ctx, parts, fault.form);
  });
}

async function signInAlone(ctx: PortalContext, { identity }: SignInParts, answer: string): Promise<void> {
  const browser = findCookie(ctx.headers.cookie, PASSKEY_COOKIE) ?? '';
  const before = findCookie(ctx.headers.cookie, LOGIN_COOKIE);
  const from = { source: ctx.state.address, userAgent: ctx.get('User-Agent') };
  const issued = await identity.logins.signInAlone({ answer, browser, origin: pageOrigin(ctx.headers), ...from });
  if (before !== undefined) await identity.logins.signOut(before);
  clearCookie(ctx, PASSKEY_COOKIE);
  await follow(ctx, issued, identity);
}
