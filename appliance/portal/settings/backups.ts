// Backups: what is there, one more now, and their way out and in as one file (J-05).
import { Readable } from 'node:stream';
import Router from '@koa/router';
import { z } from 'zod';
import type { Actor } from '../../audit/entry.ts';
import type { BackupFile } from '../../store/backup-file.ts';
import { allowLong } from '../socket-listener.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { fileInForm } from '../web/multipart-file.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import type { RestoreFace } from './restore.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

const ByName = z.strictObject({ name: z.string().regex(/^\d{8}T\d{6}Z$/) });
const FILE_FAULTS = Object.fromEntries(
  [
    ...['backup-file.too-large', 'backup-file.cut', 'backup-file.malformed', 'backup.damaged', 'backup.newer'],
    ...['restore.other-keys', 'backup.there-already', 'request.malformed'],
  ].map(code => [code, 'file']),
);

export interface BackupView {
  readonly name: string;
  /** ms UTC */
  readonly at: number;
  readonly bytes: number;
  readonly files: number;
  readonly verifiedAt: number;
  readonly takenAt?: number | undefined;
  /** What was in the data folder's keys and secrets and can't be in a backup. */
  readonly leftOut?: readonly string[] | undefined;
}

export interface BackupFace {
  /** Newest first. */
  list(): Promise<readonly BackupView[]>;
  /** Begins one and returns; who asked stands in the audit log. */
  start(actor: Actor): Promise<void>;
  /** Begins to open one again as a restore would, and returns. */
  check(actor: Actor, name: string): Promise<void>;
  fetch(actor: Actor, name: string): Promise<BackupFile>;
  /** Takes one in, begins to open it, and returns. */
  take(actor: Actor, stream: AsyncIterable<Uint8Array>, declared: number | null): Promise<void>;
  /** How large a file may be, bytes. */
  room(): Promise<number>;
  isRunning(): boolean;
  /** What went wrong with the last one, if anything did. */
  lastFault(): string | null;
}

export interface BackupParts {
  readonly guards: SettingsGuards;
  readonly pages: Pages;
  readonly backups: BackupFace;
  readonly restores: Pick<RestoreFace, 'last' | 'canGoBack'>;
}

export function backupRoutes({ guards, pages, backups, restores }: BackupParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const account = guards.requireAccount();
  const show = async (ctx: PortalContext, form: Form) => {
    const state = { isRunning: backups.isRunning(), fault: backups.lastFault(), room: await backups.room() };
    const isDone = parse(z.object({ brought: text }), { brought: ctx.query.brought }).brought === 'yes';
    const restored = { last: restores.last(), canGoBack: restores.canGoBack() };
    const list = await backups.list();
    const leftOut = list.find(({ takenAt }) => takenAt === undefined)?.leftOut;
    const shown = { title: 'Backups', form, backups: list, leftOut, isBrought: isDone };
    pages.show(ctx, 'backups', { ...shown, ...state, ...restored });
  };
  const actorOf = (ctx: PortalContext) => settingsSessionOf(ctx).actor;
  router.get('/backups', account, ctx => show(ctx, emptyForm));
  router.post('/backups', account, async ctx => {
    await backups.start(actorOf(ctx));
    back(ctx);
  });
  router.post('/backups/:name/check', account, async ctx => {
    await backups.check(actorOf(ctx), parse(ByName, ctx.params).name);
    back(ctx);
  });
  router.get('/backups/:name/file', account, async ctx => {
    const { name } = parse(ByName, ctx.params);
    const { bytes, stream } = await backups.fetch(actorOf(ctx), name);
    ctx.set('Content-Disposition', `attachment; filename="backup-${name}.tar"`);
    ctx.body = Readable.from(stream(), { objectMode: false });
    ctx.set('Content-Type', 'application/x-tar');
    ctx.length = bytes;
  });
  router.post('/backups/file', account, async ctx => {
    allowLong(ctx.req);
    const file = fileInForm(ctx.req, 'file');
    const fault = await tryForm({}, FILE_FAULTS, async () => {
      await backups.take(actorOf(ctx), file, lengthOf(ctx));
      ctx.status = 303;
      ctx.redirect('/backups?brought=yes');
    });
    if (fault === undefined) return;
    await readOn(file); // a browser shows no answer before it has sent all
    await show(ctx, fault.form);
    ctx.status = fault.status;
  });
  return router;
}

/** Of the form, which is little more than its file. */
function lengthOf(ctx: PortalContext): number | null {
  const length = ctx.get('Content-Length');
  return /^\d{1,15}$/.test(length) ? Number(length) : null;
}

/** To its end, or to where it breaks off; the listener's deadline holds. */
async function readOn(file: AsyncGenerator<Uint8Array>): Promise<void> {
  try {
    while ((await file.next()).done !== true);
  } catch {
    // There is nobody left to read the answer, or nothing left to read.
  }
}

function back(ctx: PortalContext): void {
  ctx.status = 303;
  ctx.redirect('/backups');
}
