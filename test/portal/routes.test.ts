import { join } from 'node:path';
import Router from '@koa/router';
import test from 'ava';
import { AppletDownloads } from '../../appliance/applet/downloads.ts';
import { parseConfig } from '../../appliance/config.ts';
import { silentLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import { ASSET_CACHE, makeAssets, type Portal } from '../../appliance/portal/portal.ts';
import { Setup } from '../../appliance/portal/setup.ts';
import { makeApp } from '../../appliance/portal/web/app.ts';
import { Assets } from '../../appliance/portal/web/assets.ts';
import type { PortalMiddleware, PortalRouter, PortalState } from '../../appliance/portal/web/context.ts';
import { markGuard } from '../../appliance/portal/web/guards.ts';
import { memberFrame } from '../../appliance/portal/web/member-frame.ts';
import { Pages } from '../../appliance/portal/web/pages.ts';
import { portalRealm } from '../../appliance/portal/web/way-back.ts';
import { openTestIdentity, type TestIdentity } from '../identity/open-identity.ts';
import { newSigner } from '../sessions/open-sessions.ts';
import { ROOT } from '../support/appliance.ts';
import { openParts, openTestPortal } from './open-support.ts';
import { plainName, routeTable } from './route-table.ts';

type Guarded = Record<string, readonly string[]>;

async function openPortal(at: TestIdentity): Promise<Portal> {
  const programs = new AppletDownloads({ folder: at.folder, signTag: async () => new Uint8Array(64) });
  return openTestPortal(at, await openParts(at, newSigner(at.clock).signer), { programs });
}

/** `GET /account` → its guards, for every route. */
function rulesOf(routes: Portal['routes']): Guarded {
  return Object.fromEntries(routes.map(({ method, path, rule }) => [`${method} ${path}`, rule]));
}

test('D-08 every route has the rule that was written down for it, and no route has none', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const ruleNamed = (rule: string) => rule.split(' or ').sort();
  const expected = Object.entries(routeTable).flatMap(([rule, routes]) => routes.map(one => [one, ruleNamed(rule)]));
  const routes = Object.entries(rulesOf((await openPortal(at)).routes));
  t.deepEqual(
    Object.fromEntries(routes.map(([route, rule]) => [plainName(route), [...rule].sort()])),
    Object.fromEntries(expected),
  );
  t.is(routes.length, expected.length);
});

test('A-04 the routes of setup are no routes of the portal, and each is guarded', async t => {
  const at = await openTestIdentity();
  t.teardown(() => at.close());
  const setup = new Setup({
    identity: at.identity,
    assets: await makeAssets({ cache: join(ROOT, ASSET_CACHE) }),
    config: parseConfig('version: 1'),
    publicFolder: '',
    readCode: () => null,
    applyChoice: async () => undefined,
    onDone: async () => undefined,
    log: silentLog,
    metrics: new Metrics(),
  });
  const routes = rulesOf(setup.routes);
  t.deepEqual(routes['POST /setup'], ['setup']);
  t.deepEqual(routes['POST /setup/assess'], ['setup']);
  const portal = rulesOf((await openPortal(at)).routes);
  t.deepEqual(
    Object.keys(portal).filter(route => route.includes('setup')),
    [],
  );
});

// A portal, or first setup, makes its list of routes before it answers anyone: what throws here ends the start.
const anyone = markGuard((_ctx, next) => next(), ['anyone']);
const answer: PortalMiddleware = ctx => {
  ctx.body = 'open';
};
const careless: Record<string, { add: (router: PortalRouter) => void; message: RegExp }> = {
  'a route without a rule': { add: router => router.get('/open', answer), message: /GET \/open does not say first/ },
  'a rule that comes second': { add: router => router.post('/open', answer, anyone), message: /POST \/open does not/ },
  'a route that answers before routes are looked at': { add: router => router.use(answer), message: /is no route/ },
  'a route under a part of the path': { add: router => router.use('/admin', answer), message: /is no route/ },
  'one route twice': {
    add: router => router.get('/once', anyone, answer).get('/once', anyone, answer),
    message: /GET \/once stands there twice/,
  },
};
for (const [name, { add, message }] of Object.entries(careless)) {
  test(`D-08 nothing is served with ${name}`, async t => {
    const assets = await Assets.make({});
    const pages = new Pages(assets, { name: '', timeZone: 'Etc/UTC' }, [], memberFrame());
    const router: PortalRouter = new Router<PortalState>();
    router.get('/fine', anyone, answer);
    const refusals = new Metrics().counter('refusals', '');
    const parts = { log: silentLog, refusals, pages, assets, realm: portalRealm, routers: [router] };
    t.deepEqual(makeApp(parts).routes, [{ method: 'GET', path: '/fine', rule: ['anyone'] }]);
    add(router);
    t.throws(() => makeApp(parts), { code: 'appliance.defect', message });
  });
}
