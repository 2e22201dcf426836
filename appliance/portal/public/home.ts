// What anyone may fetch: the appliance CA's certificate, the icon.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Router from '@koa/router';
import type { Assets } from '../web/assets.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Guards } from '../web/guards.ts';

export interface HomeParts {
  readonly guards: Pick<Guards, 'requireRole'>;
  readonly assets: Assets;
  readonly publicFolder: string;
}

export function homeRoutes({ guards, assets, publicFolder }: HomeParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/ca.crt', guards.requireRole('anyone'), ctx => {
    ctx.set('Content-Disposition', 'attachment; filename="ca.crt"');
    ctx.body = readFileSync(join(publicFolder, 'ca.crt'));
    ctx.set('Content-Type', 'application/x-x509-ca-cert');
  });
  router.get('/favicon.ico', guards.requireRole('anyone'), ctx => ctx.redirect(assets.path('favicon.svg')));
  return router;
}
