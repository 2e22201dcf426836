// Backups: what is there, and one more now (J-05).
import Router from '@koa/router';
import type { Actor } from '../../audit/entry.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';

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
  isRunning(): boolean;
  /** What went wrong with the last one, if anything did. */
  lastFault(): string | null;
}

export interface BackupParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly backups: BackupFace;
}

export function backupRoutes({ guards, pages, backups }: BackupParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/admin/backups', guards.requireRole('master-admin'), async ctx => {
    const view = { backups: await backups.list(), isRunning: backups.isRunning(), fault: backups.lastFault() };
    pages.show(ctx, 'backups', { title: 'Backups', ...view });
  });
  router.post('/admin/backups', guards.requireRole('master-admin'), async ctx => {
    await backups.start(sessionOf(ctx).actor);
    ctx.status = 303;
    ctx.redirect('/admin/backups');
  });
  return router;
}
