// An auditor's own account on the recording share (H-04): made at his wish, once he has proved that it is he; its password is shown once.
import Router from '@koa/router';
import type { Identity } from '../../identity/identity.ts';
import { newReadableCode } from '../../identity/readable-code.ts';
import type { ShareAccounts } from '../../recording/share-accounts.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { confirmPage } from './confirm.ts';

const SHARE = 'recordings';

export interface ShareParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
  readonly keeping: { readonly share: ShareAccounts };
  readonly gateways: () => readonly { readonly host: string }[];
}

export function shareRoutes({ identity, guards, pages, keeping, gateways }: ShareParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { share } = keeping;
  router.get('/account/share', guards.requireRole('auditor'), async ctx => {
    const { member, login } = sessionOf(ctx);
    const account = (await share.find(member.id)) ?? null;
    const isFresh = await identity.stepUp.isFresh(login.id);
    const view = { isThere: share.isThere, account, isFresh, confirm: confirmPage('share') };
    pages.show(ctx, 'share', { title: 'Recording share', ...view, ...addressesOf(gateways()[0]?.host) });
  });
  router.post('/account/share', guards.requireRole('auditor'), async ctx => {
    const { actor, member, login } = sessionOf(ctx);
    // The password outlives the login, and opens every film: a browser left open is not enough.
    if (!(await identity.stepUp.isFresh(login.id))) {
      ctx.status = 303;
      return ctx.redirect(confirmPage('share'));
    }
    const password = newReadableCode();
    const { name } = await share.provision(actor, member, password);
    pages.show(ctx, 'share-password', { title: 'Share password', name, password, ...addressesOf(gateways()[0]?.host) });
  });
  router.post('/account/share/remove', guards.requireRole('auditor'), async ctx => {
    const { actor, member } = sessionOf(ctx);
    await share.remove(actor, member.id);
    ctx.status = 303;
    ctx.redirect('/account/share');
  });
  return router;
}

/** As Windows writes it, and all others do. */
function addressesOf(host = 'localhost') {
  return { windows: `\\\\${host}\\${SHARE}`, others: `smb://${host}/${SHARE}` };
}
