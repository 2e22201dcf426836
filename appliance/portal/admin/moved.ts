// Pages that were here and are in the settings' realm now: who looks for them is told where they are (A-05).
import Router from '@koa/router';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Guards } from '../web/guards.ts';
import { pageOrigin } from '../web/origin.ts';
import type { Pages } from '../web/pages.ts';

const MOVED = { settings: '/settings', certificates: '/certificates', backups: '/backups', about: '/about' } as const;

export interface MovedParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly settingsPort: () => number | null;
}

export function movedRoutes({ guards, pages, settingsPort }: MovedParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  for (const [name, path] of Object.entries(MOVED)) {
    router.get(`/admin/${name}`, guards.requireRole('master-admin'), ctx => {
      const port = settingsPort();
      const address = port === null ? null : `https://${new URL(pageOrigin(ctx.headers)).hostname}:${port}${path}`;
      ctx.status = 404;
      pages.show(ctx, 'moved', { title: 'Settings of the appliance', address });
    });
  }
  return router;
}
