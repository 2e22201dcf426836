// Backups: what is there, and one more now (J-05).
import Router from '@koa/router';
import { z } from 'zod';
import type { Actor } from '../../audit/entry.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

const ByName = z.strictObject({ name: z.string().regex(/^\d{8}T\d{6}Z$/) });

export interface BackupView {
  readonly name: string;
  /** ms UTC */
  readonly at: number;
  readonly bytes: number;
  readonly files: number;
  readonly verifiedAt: number;
}

export interface BackupFace {
  /** Newest first. */
  list(): Promise<readonly BackupView[]>;
  /** Begins one and returns; who asked stands in the audit log. */
  start(actor: Actor): Promise<void>;
  /** Begins to open one again as a restore would, and returns. */
  check(actor: Actor, name: string): Promise<void>;
  isRunning(): boolean;
  /** What went wrong with the last one, if anything did. */
  lastFault(): string | null;
}

export interface BackupParts {
  readonly guards: SettingsGuards;
  readonly pages: Pages;
  readonly backups: BackupFace;
}

export function backupRoutes({ guards, pages, backups }: BackupParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/backups', guards.requireAccount(), async ctx => {
    const view = { backups: await backups.list(), isRunning: backups.isRunning(), fault: backups.lastFault() };
    pages.show(ctx, 'backups', { title: 'Backups', ...view });
  });
  router.post('/backups', guards.requireAccount(), async ctx => {
    await backups.start(settingsSessionOf(ctx).actor);
    ctx.status = 303;
    ctx.redirect('/backups');
  });
  router.post('/backups/:name/check', guards.requireAccount(), async ctx => {
    await backups.check(settingsSessionOf(ctx).actor, parse(ByName, ctx.params).name);
    ctx.status = 303;
    ctx.redirect('/backups');
  });
  return router;
}
