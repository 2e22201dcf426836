// My account: password, second step, where I am signed in (C-02 C-03 C-08).
import Router from '@koa/router';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { Identity } from '../../identity/identity.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { clearCookie, LOGIN_COOKIE, setCookie } from '../web/cookies.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, text } from '../web/parse.ts';
import { confirmPage } from './confirm.ts';
import { CHANGE_FAULTS } from './password-form.ts';
import { drawQr, groupSecret } from './qr.ts';

const ASSESSMENTS = 60; // per login and ten seconds: someone typing needs four a second
const ASSESSMENT_SECONDS = 10;
const Change = z.strictObject({ current: text, next: text, code: text });
const Assess = z.object({ password: z.string().max(512) });
const Code = z.strictObject({ code: text });

export interface AccountParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function accountRoutes(parts: AccountParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addOverview(router, parts);
  addPassword(router, parts);
  addTwoStep(router, parts);
  return router;
}

function addOverview(router: PortalRouter, { identity, guards, pages }: AccountParts): void {
  router.get('/account', guards.requireRole('member'), async ctx => {
    const { member, login } = sessionOf(ctx);
    const logins = (await identity.logins.list(member.id)).map(one => ({ ...one, isThis: one.id === login.id }));
    const codesLeft = await identity.twoStep.recoveryCodesLeft(member.id);
    const more = { others: logins.length > 1, isAuditor: member.roles.includes('auditor') };
    const mayTurnOff = !member.twoStepRequired || member.passkeys > 0;
    pages.show(ctx, 'account', { title: 'My account', account: member, logins, codesLeft, mayTurnOff, ...more });
  });
  router.post('/account/logins/:id/end', guards.requireRole('member'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const { actor, member, login } = sessionOf(ctx);
    const isOwn = (await identity.logins.list(member.id)).some(one => one.id === id);
    // Another member's login is as missing here as one that never was; admins end those on the member's page.
    if (!isOwn) throw new ApplianceError('missing', 'login.missing', 'there is no such login');
    await identity.logins.end(actor, id);
    if (id === login.id) clearCookie(ctx, LOGIN_COOKIE);
    back(ctx, id === login.id ? '/sign-in' : '/account');
  });
  router.post('/account/logins/end-others', guards.requireRole('member'), async ctx => {
    const { actor, member, login } = sessionOf(ctx);
    await identity.logins.endAllOf(actor, member.id, login.id);
    back(ctx, '/account');
  });
}

function addPassword(router: PortalRouter, { identity, guards, pages }: AccountParts): void {
  const limiter = new RateLimiterMemory({ points: ASSESSMENTS, duration: ASSESSMENT_SECONDS });
  const show = async (ctx: PortalContext, form: Form) => {
    const policy = await identity.passwords.policy();
    if (await mustConfirm(ctx, identity)) return back(ctx, confirmPage('password'));
    const { login, member } = sessionOf(ctx);
    const needsCode = member.twoStepEnrolled && !(await identity.stepUp.isFresh(login.id));
    pages.show(ctx, 'password', { title: 'Change password', form, policy, needsCode });
  };
  router.get('/account/password', guards.requireRole('member'), ctx => show(ctx, emptyForm));
  router.post('/account/password', guards.requireRole('member'), async ctx => {
    const { current, next, code } = parse(Change, ctx.request.body);
    const { login } = sessionOf(ctx);
    if (code === '' && (await mustConfirm(ctx, identity))) return back(ctx, confirmPage('password'));
    const fault = await tryForm({}, CHANGE_FAULTS, async () => {
      const request = { current, next, code, source: ctx.state.address };
      const { token } = await identity.passwords.change(login, request);
      setCookie(ctx, LOGIN_COOKIE, token, { sameSite: 'Lax' });
      back(ctx, '/account');
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    await show(ctx, fault.form);
  });
  router.post('/account/password/assess', guards.requireRole('member', 'change-password'), async ctx => {
    const { password } = parse(Assess, ctx.request.body);
    const { member } = sessionOf(ctx);
    await limiter.consume(member.id).catch(() => {
      throw new ApplianceError('limited', 'request.limited', 'too many at once');
    });
    ctx.body = await identity.passwords.assess(password, [member.loginId, member.name]);
  });
}

function addTwoStep(router: PortalRouter, { identity, guards, pages }: AccountParts): void {
  const showEnrol = async (ctx: PortalContext, form: Form) => {
    const { secret, uri } = await identity.twoStep.begin(sessionOf(ctx).member.id);
    const view = { form, secret: groupSecret(secret), qr: await drawQr(uri), action: '/account/two-step/enrol' };
    pages.show(ctx, 'enrol', { title: 'Set up two-step', ...view, cancel: '/account', passkey: null });
  };
  const isConfirmed = (ctx: PortalContext) => identity.stepUp.isFresh(sessionOf(ctx).login.id);
  router.get('/account/two-step/enrol', guards.requireRole('member'), async ctx => {
    if (!(await isConfirmed(ctx))) return back(ctx, confirmPage('app'));
    await showEnrol(ctx, emptyForm);
  });
  router.post('/account/two-step/enrol', guards.requireRole('member'), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    if (!(await isConfirmed(ctx))) return back(ctx, confirmPage('app'));
    const fault = await tryForm({}, { 'two-step.code-wrong': 'code' }, async () => {
      const { token, recoveryCodes } = await identity.twoStep.confirm(sessionOf(ctx).login, code);
      setCookie(ctx, LOGIN_COOKIE, token, { sameSite: 'Lax' });
      pages.show(ctx, 'recovery-codes', { title: 'Recovery codes', codes: recoveryCodes, next: '/account' });
    });
    if (fault === undefined) return;
    await showEnrol(ctx, fault.form);
    ctx.status = fault.status;
  });
  const acts = { codes: 'Make new recovery codes', remove: 'Turn off two-step' } as const;
  for (const act of ['codes', 'remove'] as const) {
    const title = acts[act];
    const path = `/account/two-step/${act}`;
    const show = async (ctx: PortalContext, form: Form) => {
      if (await mustConfirm(ctx, identity)) return back(ctx, confirmPage(act));
      const { passkeys } = sessionOf(ctx).member;
      const view = { isRemoval: act === 'remove', passkeys, needsCode: passkeys === 0 };
      pages.show(ctx, 'two-step-change', { title, form, action: path, ...view });
    };
    router.get(path, guards.requireRole('member'), ctx => show(ctx, emptyForm));
    router.post(path, guards.requireRole('member'), async ctx => {
      const { code } = parse(Code, ctx.request.body);
      const { login } = sessionOf(ctx);
      if (code === '' && (await mustConfirm(ctx, identity))) return back(ctx, confirmPage(act));
      const fault = await tryForm({}, { 'two-step.code-wrong': 'code' }, async () => {
        if (act === 'remove') {
          await identity.twoStep.remove(login, code);
          return back(ctx, '/account');
        }
        const codes = await identity.twoStep.newRecoveryCodes(login, code);
        pages.show(ctx, 'recovery-codes', { title: 'Recovery codes', codes, next: '/account' });
      });
      if (fault === undefined) return;
      if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
      ctx.status = fault.status;
      await show(ctx, fault.form);
    });
  }
}

/** A passkey can't be typed into a form: whoever has one confirms first, on a page of its own. */
async function mustConfirm(ctx: PortalContext, { stepUp }: Identity): Promise<boolean> {
  const { login, member } = sessionOf(ctx);
  return member.passkeys > 0 && !(await stepUp.isFresh(login.id));
}

function back(ctx: PortalContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
