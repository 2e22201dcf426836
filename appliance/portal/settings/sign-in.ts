// Signing in to the settings: password, second step, enrolling one, a new password; and the link that was made on the machine.
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { IssuedSettingsLogin } from '../../identity/settings-account.ts';
import type { SettingsAccounts } from '../../identity/settings-accounts.ts';
import { CHANGE_FAULTS } from '../account/password-form.ts';
import { drawQr, groupSecret } from '../account/qr.ts';
import type { Assets } from '../web/assets.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { clearCookie, findCookie, SETTINGS_COOKIE, setCookie } from '../web/cookies.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import { stagePages } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import { forgetWayBack, settingsRealm, takeWayBack } from '../web/way-back.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

export const HOME = '/settings';
const SignIn = z.strictObject({ name: text, password: text });
const Code = z.strictObject({ code: text });
const NewPassword = z.strictObject({ current: text, next: text });
const LinkForm = z.strictObject({ code: text, name: text, next: text, again: text });
const LINK_FAULTS = {
  'member.login-id-malformed': 'name',
  'password.unacceptable': 'next',
  'setup.again': 'again',
};

export interface SettingsSignInParts {
  readonly accounts: SettingsAccounts;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
  readonly assets: Assets;
}

export function settingsSignInRoutes(parts: SettingsSignInParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/', parts.guards.requireRole('anyone'), ctx => ctx.redirect(HOME));
  addPassword(router, parts);
  addTwoStep(router, parts);
  addEnrolment(router, parts);
  addChange(router, parts);
  addLink(router, parts);
  return router;
}

/** The new token goes into the cookie, and the browser to the next stage, or where it wanted to go, or home. */
function follow(ctx: PortalContext, { token, login }: IssuedSettingsLogin): void {
  setCookie(ctx, SETTINGS_COOKIE, token, { sameSite: 'Strict' });
  ctx.status = 303;
  ctx.redirect(login.stage === 'full' ? takeWayBack(ctx, settingsRealm, [], HOME) : stagePages[login.stage]);
}

function addPassword(router: PortalRouter, { accounts, guards, pages }: SettingsSignInParts): void {
  const show = (ctx: PortalContext, form: Form) => pages.show(ctx, 'settings-sign-in', { title: 'Sign in', form });
  router.get('/sign-in', guards.requireRole('anyone'), async ctx => {
    if ((await guards.find(ctx, true))?.login.stage === 'full') return ctx.redirect(HOME);
    show(ctx, emptyForm);
  });
  router.post('/sign-in', guards.requireRole('anyone'), async ctx => {
    const { name, password } = parse(SignIn, ctx.request.body);
    const fault = await tryForm({ name }, {}, async () => {
      const before = findCookie(ctx.headers.cookie, SETTINGS_COOKIE);
      const issued = await accounts.logins.signIn({ name, password, source: ctx.state.address });
      if (before !== undefined) await accounts.logins.signOut(before);
      follow(ctx, issued);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    show(ctx, fault.form);
  });
  router.post('/sign-out', guards.requireRole('anyone'), async ctx => {
    const token = findCookie(ctx.headers.cookie, SETTINGS_COOKIE);
    if (token !== undefined) await accounts.logins.signOut(token);
    clearCookie(ctx, SETTINGS_COOKIE);
    forgetWayBack(ctx, settingsRealm);
    ctx.set('Clear-Site-Data', '"cache"');
    ctx.status = 303;
    ctx.redirect('/sign-in');
  });
}

function addTwoStep(router: PortalRouter, { accounts, guards, pages }: SettingsSignInParts): void {
  const show = (ctx: PortalContext, form: Form) => pages.show(ctx, 'settings-two-step', { title: 'Second step', form });
  router.get('/sign-in/two-step', guards.requireStage('two-step'), ctx => show(ctx, emptyForm));
  router.post('/sign-in/two-step', guards.requireStage('two-step'), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    const { token } = settingsSessionOf(ctx);
    const fault = await tryForm({}, { 'login.refused': 'code' }, async () =>
      follow(ctx, await accounts.logins.verifyTwoStep(token, code, ctx.state.address)),
    );
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    show(ctx, fault.form);
  });
}

function addEnrolment(router: PortalRouter, { accounts, guards, pages }: SettingsSignInParts): void {
  const show = async (ctx: PortalContext, form: Form) => {
    const { secret, uri } = await accounts.beginTwoStep(settingsSessionOf(ctx).account.id);
    const view = { form, secret: groupSecret(secret), qr: await drawQr(uri), action: '/sign-in/enrol', cancel: null };
    pages.show(ctx, 'settings-enrol', { title: 'Set up two-step', ...view });
  };
  router.get('/sign-in/enrol', guards.requireStage('enrol-two-step'), ctx => show(ctx, emptyForm));
  router.post('/sign-in/enrol', guards.requireStage('enrol-two-step'), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    const fault = await tryForm({}, { 'two-step.code-wrong': 'code' }, async () =>
      follow(ctx, await accounts.confirmTwoStep(settingsSessionOf(ctx).login, code, ctx.state.address)),
    );
    if (fault === undefined) return;
    await show(ctx, fault.form);
    ctx.status = fault.status;
  });
}

function addChange(router: PortalRouter, { accounts, guards, pages }: SettingsSignInParts): void {
  const show = (ctx: PortalContext, form: Form) =>
    pages.show(ctx, 'settings-password', {
      ...{ title: 'Choose a new password', form, action: '/sign-in/password' },
      hasCode: false,
    });
  router.get('/sign-in/password', guards.requireStage('change-password'), ctx => show(ctx, emptyForm));
  router.post('/sign-in/password', guards.requireStage('change-password'), async ctx => {
    const given = { ...parse(NewPassword, ctx.request.body), code: '', source: ctx.state.address };
    const fault = await tryForm({}, CHANGE_FAULTS, async () =>
      follow(ctx, await accounts.changePassword(settingsSessionOf(ctx).login, given)),
    );
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    show(ctx, fault.form);
  });
}

/** The code stands in the fragment of the link, and is posted once by a script: it is in no address the log could keep. */
function addLink(router: PortalRouter, { accounts, guards, pages, assets }: SettingsSignInParts): void {
  const door = (ctx: PortalContext, form: Form) =>
    pages.show(ctx, 'settings-link', { title: 'Way in', form, script: assets.path('setup.js') });
  const show = (ctx: PortalContext, form: Form) => pages.show(ctx, 'settings-link-account', { title: 'Way in', form });
  router.get('/link', guards.requireRole('anyone'), ctx => door(ctx, emptyForm));
  router.post('/link', guards.requireRole('anyone'), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    if (await accounts.isLinkOpen(code)) return show(ctx, formWith({ code }));
    ctx.status = 403;
    door(ctx, { ...emptyForm, errors: { code: 'That link is not valid any more. Make another one on the machine.' } });
  });
  router.post('/link/account', guards.requireRole('anyone'), async ctx => {
    const { code, name, next, again } = parse(LinkForm, ctx.request.body);
    const fault = await tryForm({ code, name }, LINK_FAULTS, async () => {
      if (next !== again) throw notTheSame();
      await accounts.openLink(code, { name, password: next, source: ctx.state.address });
      ctx.status = 303;
      ctx.redirect('/sign-in');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    show(ctx, fault.form);
  });
}

function notTheSame(): ApplianceError {
  return new ApplianceError('malformed', 'setup.again', 'the two passwords are not the same');
}
