// The page Updates: what runs, what ran before, what waits, and the commands that update.
import Router from '@koa/router';
import type { UpdatesDesk } from '../updates-desk.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Pages } from '../web/pages.ts';
import type { SettingsGuards } from './settings-guards.ts';

export interface UpdatesPageParts {
  readonly updates: UpdatesDesk;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
}

export function updateRoutes({ updates, guards, pages }: UpdatesPageParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/updates', guards.requireAccount(), async ctx => {
    const now = await updates.look();
    const running = now.releases.find(({ version }) => version === now.version)?.startedAt ?? null;
    // What is for security comes first: the list is long on a machine that was left alone.
    const waiting = (now.waiting ?? []).toSorted((a, b) => Number(b.isSecurity) - Number(a.isSecurity));
    const counts = { count: waiting.length, forSecurity: waiting.filter(({ isSecurity }) => isSecurity).length };
    pages.show(ctx, 'updates', {
      title: 'Updates',
      ...now,
      running,
      isKnown: now.waiting !== null,
      ...counts,
      waiting,
    });
  });
  return router;
}
