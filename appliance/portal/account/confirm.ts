// Proving once more that it is oneself, before one's second steps change or a share password is made (C-03 H-04).
import Router from '@koa/router';
import { z } from 'zod';
import type { IssuedLogin } from '../../identity/login.ts';
import type { Member } from '../../identity/member.ts';
import { sendToProvider } from '../sign-in/send.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { LOGIN_COOKIE, setCookie } from '../web/cookies.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { sessionOf } from '../web/guards.ts';
import { pageOrigin } from '../web/origin.ts';
import { parse, passkeyAnswer, text } from '../web/parse.ts';
import type { AccountParts } from './account.ts';

/** Where one goes on; nothing a link could choose freely. */
const PAGES = {
  passkeys: '/account/passkeys',
  password: '/account/password',
  app: '/account/two-step/enrol',
  codes: '/account/two-step/codes',
  remove: '/account/two-step/remove',
  share: '/account/share',
} as const;
type Next = keyof typeof PAGES;

const next = z.enum(Object.keys(PAGES) as [Next, ...Next[]]).catch('passkeys');
const Where = z.object({ next });
const Typed = z.strictObject({ next, password: text, code: text });
const Answered = z.strictObject({ next, answer: passkeyAnswer });

export function confirmPage(to: Next): string {
  return `/account/confirm?next=${to}`;
}

export function confirmRoutes({ identity, guards, pages }: AccountParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { stepUp } = identity;
  const show = async (ctx: PortalContext, to: Next, form: Form) => {
    const { member, login } = sessionOf(ctx);
    const passkeyHere = await identity.passkeys.answersAt(member.id, pageOrigin(ctx.headers));
    const provider = isAtProvider(member) ? ((await identity.singleSignOn.providerOf(login))?.name ?? '') : null;
    const view = { form, next: to, passkeyHere, byPassword: !member.twoStepEnrolled, provider };
    pages.show(ctx, 'confirm', { title: 'Confirm that it is you', ...view });
  };
  const confirm = async (ctx: PortalContext, to: Next, field: string | null, act: () => Promise<IssuedLogin>) => {
    const fault = await tryForm({}, field === null ? {} : { 'step-up.wrong': field }, async () => {
      const { token } = await act();
      setCookie(ctx, LOGIN_COOKIE, token, { sameSite: 'Lax' });
      ctx.status = 303;
      ctx.redirect(PAGES[to]);
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return ctx.redirect('/sign-in');
    ctx.status = fault.status;
    await show(ctx, to, fault.form);
  };
  router.get('/account/confirm', guards.requireRole('member'), ctx =>
    show(ctx, parse(Where, ctx.query).next, emptyForm),
  );
  router.post('/account/confirm', guards.requireRole('member'), ctx => {
    const { next: to, password, code } = parse(Typed, ctx.request.body);
    const { login, member } = sessionOf(ctx);
    if (member.twoStepEnrolled) return confirm(ctx, to, 'code', () => stepUp.byCode(login, code));
    return confirm(ctx, to, 'password', () => stepUp.byPassword(login, password));
  });
  router.post('/account/confirm/single-sign-on', guards.requireRole('member'), async ctx => {
    const { next: to } = parse(Where, ctx.request.body);
    const { login, member } = sessionOf(ctx);
    const provider = isAtProvider(member) ? await identity.singleSignOn.providerOf(login) : undefined;
    const fault = await tryForm({}, {}, () => {
      const purpose = { loginId: login.id, confirms: PAGES[to] };
      return sendToProvider(ctx, { identity, pages }, provider?.id ?? '', purpose);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, to, fault.form);
  });
  router.post('/account/confirm/passkey/options', guards.requireRole('member'), async ctx => {
    ctx.body = await stepUp.askPasskey(sessionOf(ctx).login, pageOrigin(ctx.headers));
  });
  router.post('/account/confirm/passkey', guards.requireRole('member'), ctx => {
    const { next: to, answer } = parse(Answered, ctx.request.body);
    const { login } = sessionOf(ctx);
    return confirm(ctx, to, null, () => stepUp.byPasskey(login, { answer, origin: pageOrigin(ctx.headers) }));
  });
  return router;
}

/** Who has neither a second step nor a password here signs in once more where he always does. */
function isAtProvider({ twoStepEnrolled, singleSignOn }: Member): boolean {
  return !twoStepEnrolled && singleSignOn === 'only';
}
