// My passkeys: adding, naming and removing them (C-03).
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import { MAX_PASSKEYS } from '../../identity/passkey.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { LOGIN_COOKIE, setCookie } from '../web/cookies.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { sessionOf } from '../web/guards.ts';
import { pageOrigin } from '../web/origin.ts';
import { ById, parse, passkeyAnswer, text } from '../web/parse.ts';
import type { AccountParts } from './account.ts';
import { confirmPage } from './confirm.ts';

const New = z.strictObject({ name: text, answer: passkeyAnswer });
const Name = z.strictObject({ name: text });
const EMPTY = z.strictObject({});

interface Faults {
  /** Of the form for a new one. */
  readonly form?: Form;
  /** Of what was done to one in the list. */
  readonly fault?: Form;
}

export function passkeyRoutes({ identity, guards, pages }: AccountParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = async (ctx: PortalContext, { form = emptyForm, fault = emptyForm }: Faults) => {
    const { member, login } = sessionOf(ctx);
    const passkeys = await identity.passkeys.list(member.id);
    const view = {
      passkeys,
      severalNames: new Set(passkeys.map(({ rpId }) => rpId)).size > 1,
      isFresh: await identity.stepUp.isFresh(login.id),
      isHere: identity.passkeys.areAt(pageOrigin(ctx.headers)),
      hasRoom: passkeys.length < MAX_PASSKEYS,
      confirm: confirmPage('passkeys'),
    };
    pages.show(ctx, 'passkeys', { title: 'Passkeys', form, fault, ...view });
  };
  const inList = async (ctx: PortalContext, act: () => Promise<void>) => {
    const fault = await tryForm({}, {}, async () => {
      await act().catch(goConfirm(ctx));
      if (ctx.status !== 303) seePasskeys(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, { fault: fault.form });
  };
  router.get('/account/passkeys', guards.requireRole('member'), ctx => show(ctx, {}));
  router.post('/account/passkeys/options', guards.requireRole('member'), async ctx => {
    ctx.body = await identity.passkeys.begin(sessionOf(ctx).login, pageOrigin(ctx.headers));
  });
  router.post('/account/passkeys', guards.requireRole('member'), async ctx => {
    const { name, answer } = parse(New, ctx.request.body);
    const fault = await tryForm({ name }, { 'passkey.name-malformed': 'name' }, async () => {
      const origin = pageOrigin(ctx.headers);
      const made = await identity.passkeys.add(sessionOf(ctx).login, { name, answer, origin });
      setCookie(ctx, LOGIN_COOKIE, made.token, { sameSite: 'Lax' });
      if (made.recoveryCodes.length === 0) return seePasskeys(ctx);
      pages.show(ctx, 'recovery-codes', {
        title: 'Recovery codes',
        codes: made.recoveryCodes,
        next: '/account/passkeys',
      });
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, { form: fault.form });
  });
  router.post('/account/passkeys/:id/rename', guards.requireRole('member'), ctx => {
    const { id } = parse(ById, ctx.params);
    const { name } = parse(Name, ctx.request.body);
    return inList(ctx, () => identity.passkeys.rename(sessionOf(ctx).login, id, name));
  });
  router.post('/account/passkeys/:id/remove', guards.requireRole('member'), ctx => {
    const { id } = parse(ById, ctx.params);
    parse(EMPTY, ctx.request.body);
    return inList(ctx, () => identity.passkeys.remove(sessionOf(ctx).login, id));
  });
  return router;
}

/** The five minutes ran out while the page was open. */
function goConfirm(ctx: PortalContext) {
  return (error: unknown) => {
    if (!(error instanceof ApplianceError && error.code === 'step-up.needed')) throw error;
    ctx.status = 303;
    ctx.redirect(confirmPage('passkeys'));
  };
}

function seePasskeys(ctx: PortalContext): void {
  ctx.status = 303;
  ctx.redirect('/account/passkeys');
}
