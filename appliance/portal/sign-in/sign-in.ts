// Signing in, one page for each stage of a login: password, second step, enrolling one, a new password (C-01 C-03).
import Router from '@koa/router';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import type { IssuedLogin } from '../../identity/login.ts';
import { CHANGE_FAULTS } from '../account/password-form.ts';
import { drawQr, groupSecret } from '../account/qr.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { clearCookie, findCookie, LOGIN_COOKIE, setCookie } from '../web/cookies.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf, stagePages } from '../web/guards.ts';
import { pageOrigin } from '../web/origin.ts';
import { homeOf, type Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import { forgetWayBack, portalRealm, takeWayBack } from '../web/way-back.ts';
import { showSending } from './send.ts';

const SignIn = z.strictObject({ loginId: text, password: text });
const Code = z.strictObject({ code: text });
const NewPassword = z.strictObject({ current: text, next: text });

export interface SignInParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function signInRoutes(parts: SignInParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addPassword(router, parts);
  addTwoStep(router, parts);
  addEnrolment(router, parts);
  addChange(router, parts);
  return router;
}

/** The new token goes into the cookie, and the browser to the next stage, or where it wanted to go, or home. */
export async function follow(ctx: PortalContext, { token, login }: IssuedLogin, identity: Identity): Promise<void> {
  setCookie(ctx, LOGIN_COOKIE, token, { sameSite: 'Lax' });
  const { roles } = await identity.members.get(login.memberId);
  ctx.status = 303;
  ctx.redirect(login.stage === 'full' ? takeWayBack(ctx, portalRealm, roles, homeOf(roles)) : stagePages[login.stage]);
}

export async function showSignIn(ctx: PortalContext, { identity, pages }: SignInParts, form: Form): Promise<void> {
  const here = pageOrigin(ctx.headers);
  const passkeyAlone = await identity.passkeys.mayStandAloneAt(here);
  const { service } = identity.singleSignOn;
  const choices = await identity.singleSignOn.choices();
  const isHere = here === service.origin; // answers come there alone, and so must the cookie be of there
  const { isForced } = await identity.ssoRules.get();
  const sso = {
    providers: isHere ? choices.map(({ id, name }) => ({ id, name: `Sign in with ${name}` })) : [],
    byAddress: choices.length > 1 && choices.every(({ domains }) => domains.length > 0),
    elsewhere: isHere || choices.length === 0 ? null : service.origin,
    isForced: isForced && isHere && choices.length > 0,
    isPasswordOpen: form.values.loginId !== undefined,
  };
  pages.show(ctx, 'sign-in', { title: 'Sign in', form, passkeyAlone, sso });
}

export async function showTwoStep(ctx: PortalContext, { identity, pages }: SignInParts, form: Form): Promise<void> {
  const { id, hasAuthenticatorApp, passkeys } = sessionOf(ctx).member;
  const passkeyHere = await identity.passkeys.answersAt(id, pageOrigin(ctx.headers));
  const passkeyElsewhere = passkeys > 0 && !passkeyHere;
  pages.show(ctx, 'two-step', { title: 'Second step', form, hasAuthenticatorApp, passkeyHere, passkeyElsewhere });
}

/** @param form of the code @param passkey of the passkey's name */
export async function showEnrolment(
  ctx: PortalContext,
  { identity, pages }: SignInParts,
  { form = emptyForm, passkey = emptyForm }: { form?: Form; passkey?: Form },
): Promise<void> {
  const { secret, uri } = await identity.twoStep.begin(sessionOf(ctx).member.id);
  const view = { form, secret: groupSecret(secret), qr: await drawQr(uri), action: '/sign-in/enrol', cancel: null };
  pages.show(ctx, 'enrol', { title: 'Set up two-step', ...view, passkey });
}

function addPassword(router: PortalRouter, parts: SignInParts): void {
  const { identity, guards } = parts;
  const show = (ctx: PortalContext, form: Form) => showSignIn(ctx, parts, form);
  router.get('/sign-in', guards.requireRole('anyone'), async ctx => {
    const session = await guards.find(ctx, true);
    if (session?.login.stage === 'full') return ctx.redirect(homeOf(session.member.roles));
    await show(ctx, emptyForm);
  });
  router.post('/sign-in', guards.requireRole('anyone'), async ctx => {
    const { loginId, password } = parse(SignIn, ctx.request.body);
    const from = { source: ctx.state.address, userAgent: ctx.get('User-Agent') };
    const fault = await tryForm({ loginId }, {}, async () => {
      const before = findCookie(ctx.headers.cookie, LOGIN_COOKIE);
      const issued = await identity.logins.signIn({ loginId, password, ...from });
      // Whoever signs in again, even as someone else, leaves no login behind in this browser.
      if (before !== undefined) await identity.logins.signOut(before);
      await follow(ctx, issued, identity);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form);
  });
  router.post('/sign-out', guards.requireRole('anyone'), async ctx => {
    const token = findCookie(ctx.headers.cookie, LOGIN_COOKIE);
    const found = token === undefined ? undefined : await identity.logins.find(token, { touch: false });
    const sending = found === undefined ? null : await identity.singleSignOn.logoutOf(found.login);
    if (token !== undefined) await identity.logins.signOut(token);
    clearCookie(ctx, LOGIN_COOKIE);
    forgetWayBack(ctx, portalRealm);
    ctx.set('Clear-Site-Data', '"cache"');
    if (sending !== null) return showSending(ctx, parts.pages, sending, 'Signing out');
    ctx.status = 303;
    ctx.redirect('/sign-in');
  });
}

function addTwoStep(router: PortalRouter, parts: SignInParts): void {
  const { identity, guards } = parts;
  const show = (ctx: PortalContext, form: Form) => showTwoStep(ctx, parts, form);
  router.get('/sign-in/two-step', guards.requireRole('two-step'), ctx => show(ctx, emptyForm));
  router.post('/sign-in/two-step', guards.requireRole('two-step'), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    const { token } = sessionOf(ctx);
    const fault = await tryForm({}, { 'login.refused': 'code' }, async () => {
      await follow(ctx, await identity.logins.verifyTwoStep(token, { code, source: ctx.state.address }), identity);
    });
    if (fault === undefined) return;
    // After too many wrong codes the login itself is gone: back to the beginning.
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    await show(ctx, fault.form);
  });
}

function addEnrolment(router: PortalRouter, parts: SignInParts): void {
  const { identity, guards, pages } = parts;
  router.get('/sign-in/enrol', guards.requireRole('enrol-two-step'), ctx => showEnrolment(ctx, parts, {}));
  router.post('/sign-in/enrol', guards.requireRole('enrol-two-step'), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    const { login } = sessionOf(ctx);
    const fault = await tryForm({}, { 'two-step.code-wrong': 'code' }, async () => {
      const issued = await identity.twoStep.confirm(login, code);
      setCookie(ctx, LOGIN_COOKIE, issued.token, { sameSite: 'Lax' });
      const { roles } = await identity.members.get(issued.login.memberId);
      const { stage } = issued.login;
      const next = stage === 'full' ? takeWayBack(ctx, portalRealm, roles, homeOf(roles)) : stagePages[stage];
      pages.show(ctx, 'recovery-codes', { title: 'Recovery codes', codes: issued.recoveryCodes, next });
    });
    if (fault === undefined) return;
    await showEnrolment(ctx, parts, { form: fault.form });
    ctx.status = fault.status;
  });
}

function addChange(router: PortalRouter, { identity, guards, pages }: SignInParts): void {
  const show = async (ctx: PortalContext, form: Form) => {
    const policy = await identity.passwords.policy();
    pages.show(ctx, 'forced-change', { title: 'Choose a new password', form, policy });
  };
  router.get('/sign-in/password', guards.requireRole('change-password'), ctx => show(ctx, formWith({})));
  router.post('/sign-in/password', guards.requireRole('change-password'), async ctx => {
    const { current, next } = parse(NewPassword, ctx.request.body);
    const { login } = sessionOf(ctx);
    const fault = await tryForm({}, CHANGE_FAULTS, async () => {
      await follow(ctx, await identity.passwords.change(login, { current, next, source: ctx.state.address }), identity);
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    await show(ctx, fault.form);
  });
}
