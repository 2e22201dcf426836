// What this appliance is: versions, licences, and a bill of materials for whoever keeps track of what runs in the house.
import { randomUUID } from 'node:crypto';
import { release } from 'node:os';
import { join } from 'node:path';
import Router from '@koa/router';
import type { Clock } from '../../clock.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Pages } from '../web/pages.ts';
import { billOfMaterials, type Inventory, takeInventory, toolsOf } from './inventory.ts';
import type { SettingsGuards } from './settings-guards.ts';

const ROOT = join(import.meta.dirname, '../../..');

export interface AboutParts {
  readonly guards: SettingsGuards;
  readonly pages: Pages;
  readonly clock: Clock;
}

export function aboutRoutes({ guards, pages, clock }: AboutParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  // What is installed doesn't change while the portal runs.
  let inventory: Promise<Inventory> | undefined;
  const take = () => {
    inventory ??= takeInventory(ROOT);
    return inventory;
  };
  router.get('/about', guards.requireAccount(), async ctx => {
    const all = await take();
    const since = Math.round(clock.now() - process.uptime() * 1000);
    const facts = {
      version: all.product.version,
      licence: all.product.licence,
      node: process.version,
      system: release(),
    };
    const view = { ...facts, since, packages: all.packages, tools: toolsOf(all), systemCount: all.system.length };
    pages.show(ctx, 'about', { title: 'About this appliance', ...view });
  });
  router.get('/about/sbom.json', guards.requireAccount(), async ctx => {
    ctx.set('Content-Disposition', 'attachment; filename="sbom.cdx.json"');
    ctx.body = billOfMaterials(await take(), clock.now(), randomUUID());
    ctx.set('Content-Type', 'application/vnd.cyclonedx+json; version=1.6');
  });
  return router;
}
