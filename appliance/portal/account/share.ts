// An auditor's own account on the recording share (H-04): made at his wish, its password shown once.
import Router from '@koa/router';
import { newReadableCode } from '../../identity/readable-code.ts';
import type { ShareAccounts } from '../../recording/share-accounts.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';

const SHARE = 'recordings';

export interface ShareParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly keeping: { readonly share: ShareAccounts };
  readonly gateways: () => readonly { readonly host: string }[];
}

export function shareRoutes({ guards, pages, keeping, gateways }: ShareParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { share } = keeping;
  router.get('/account/share', guards.requireRole('auditor'), async ctx => {
    const account = await share.find(sessionOf(ctx).member.id);
    const view = { isThere: share.isThere, account: account ?? null, ...addressesOf(gateways()[0]?.host) };
    pages.show(ctx, 'share', { title: 'Recording share', ...view });
  });
  router.post('/account/share', guards.requireRole('auditor'), async ctx => {
    const { actor, member } = sessionOf(ctx);
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
