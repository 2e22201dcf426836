// The order in which every request is looked at, before and after first setup alike.
import { bodyParser } from '@koa/bodyparser';
import Koa, { type Middleware } from 'koa';
import type { Log } from '../../log.ts';
import type { Counter } from '../../metrics.ts';
import type { Assets } from './assets.ts';
import { compressPages } from './compression.ts';
import type { PortalRouter, PortalState } from './context.ts';
import { type DeclaredRoute, declaredRoutes } from './declared-routes.ts';
import { answerErrors } from './errors.ts';
import { peerAddress, securityHeaders } from './headers.ts';
import { ownOriginWrites } from './origin.ts';
import type { Pages } from './pages.ts';
import { exactPaths } from './paths.ts';
import type { Realm } from './way-back.ts';

const MAX_BODY = '64kb';
/** Of what identity providers write: 256 KiB in base64, and the form's own escapes. */
const MAX_SAML_BODY = '400kb';
/** A mapping of 200 rows, with the form's own escapes; 2,000 groups that are ticked, each with what it was. */
const MAX_LONG_BODY = '400kb';
const LONG_FORM = /^\/(?:directory|admin\/groups\/bulk(?:\/apply)?)$/;
const SAML_FORM = /^\/(?:saml|admin\/single-sign-on)(?:\/|$)/;

export interface AppParts {
  readonly log: Log;
  readonly refusals: Counter;
  readonly pages: Pages;
  readonly assets: Assets;
  readonly realm: Realm;
  readonly routers: readonly PortalRouter[];
}

export interface App {
  readonly handle: ReturnType<Koa<PortalState>['callback']>;
  readonly routes: readonly DeclaredRoute[];
}

/**
 * A form's fields to the letter: a name that comes twice is a list, and nothing in a name means anything. The library's own reading makes
 * something else than a list of more than twenty.
 */
const plainForms: Middleware<PortalState> = (ctx, next) => {
  const { rawBody } = ctx.request;
  if (ctx.is('application/x-www-form-urlencoded') && rawBody !== undefined) {
    const given = new Map<string, string[]>(); // a look at all of them for each would take half a minute for the longest
    for (const [field, value] of new URLSearchParams(rawBody)) {
      const before = given.get(field);
      if (before === undefined) given.set(field, [value]);
      else before.push(value);
    }
    ctx.request.body = Object.fromEntries([...given].map(([field, all]) => [field, all.length > 1 ? all : all[0]]));
  }
  return next();
};

/** @throws ApplianceError `appliance.defect` when a route does not say who may use it */
export function makeApp({ log, refusals, pages, assets, realm, routers }: AppParts): App {
  const routes = declaredRoutes(routers);
  const app = new Koa<PortalState>(); // never `proxy: true`: the peer's address comes from the gateway alone
  app.on('error', error => log.error('portal.answer-failed', { why: String(error) }));
  app.use(securityHeaders);
  app.use(compressPages);
  app.use(answerErrors({ log, refusals, pages, realm, routes }));
  app.use(peerAddress);
  app.use(exactPaths);
  app.use(ownOriginWrites);
  const serve = assets.serve();
  app.use((ctx, next) => (ctx.method === 'GET' && ctx.path.startsWith('/assets/') ? serve(ctx, next) : next()));
  const taking = (formLimit: string) =>
    bodyParser({ enableTypes: ['json', 'form'], jsonLimit: MAX_BODY, formLimit, encoding: 'utf-8' });
  const [takeBody, takeLong] = [taking(MAX_BODY), taking(MAX_LONG_BODY)];
  const takeSaml = bodyParser({ enableTypes: ['form'], formLimit: MAX_SAML_BODY, encoding: 'utf-8' });
  app.use((ctx, next) => {
    if (SAML_FORM.test(ctx.path)) return takeSaml(ctx, next);
    return LONG_FORM.test(ctx.path) ? takeLong(ctx, next) : takeBody(ctx, next);
  });
  app.use(plainForms);
  // Here a stranger's bytes become routes' business; each route parses what it takes.
  for (const router of routers) app.use(router.routes());
  return { handle: app.callback(), routes };
}
