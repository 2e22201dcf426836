// The SSO id of a member (C-04): which person at which identity provider, switched off at a flick.
import Router from '@koa/router';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import { seenInLink } from '../../identity/saml-idps.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { afterFault, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, text } from '../web/parse.ts';

const PATH = '/admin/members/:id/single-sign-on';
const Link = z.strictObject({ idpId: text, subject: text, seen: text });
const EMPTY = z.strictObject({});
const FIELD_OF = {
  ...{ 'saml.link': 'subject', 'saml.link-twice': 'subject', 'saml.only-way': 'subject' },
  'saml.missing': 'idpId',
};

export interface SsoIdParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function ssoIdRoutes({ identity, guards, pages }: SsoIdParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { idps, members } = identity;
  const requireMaster = guards.requireRole('master-admin');
  const show = async (ctx: PortalContext, id: string, refused: Form | null) => {
    const { name, singleSignOn } = await members.get(id);
    const link = (await idps.linkOf(id)) ?? null;
    const stored = formWith({ idpId: link?.idpId ?? '', subject: link?.subject ?? '' });
    const form = refused === null ? stored : afterFault(refused, stored);
    const providers = (await idps.list()).map(idp => ({
      id: idp.id,
      name: idp.name,
      isIt: idp.id === form.values.idpId,
    }));
    const of = { id, name, isOnly: singleSignOn === 'only' };
    pages.show(ctx, 'sso-id', {
      title: 'Single sign-on',
      of,
      link,
      providers,
      ...{ form, seen: seenOf(seenInLink(link ?? undefined)) },
      isSaved: ctx.query.saved === 'yes',
    });
  };
  router.get(PATH, requireMaster, async ctx => {
    const { id } = parse(ById, ctx.params);
    await show(ctx, id, null);
  });
  router.post(PATH, requireMaster, async ctx => {
    const { id } = parse(ById, ctx.params);
    const { seen, ...typed } = parse(Link, ctx.request.body);
    const fault = await tryForm(typed, FIELD_OF, async () => {
      await idps.setLink(sessionOf(ctx).actor, id, typed.subject.trim() === '' ? null : typed, seen);
      await back(ctx, guards, id);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, id, fault.form);
  });
  for (const state of ['on', 'off'] as const) {
    router.post(`${PATH}/${state}`, requireMaster, async ctx => {
      parse(EMPTY, ctx.request.body);
      const { id } = parse(ById, ctx.params);
      await idps.switchLink(sessionOf(ctx).actor, id, state === 'on');
      await back(ctx, guards, id);
    });
  }
  return router;
}

/** An admin who has just switched off his own way in is out. */
async function back(ctx: PortalContext, guards: Guards, id: string): Promise<void> {
  const isIn = (await guards.find(ctx, false)) !== undefined;
  ctx.status = 303;
  ctx.redirect(isIn ? `/admin/members/${id}/single-sign-on?saved=yes` : '/sign-in');
}
