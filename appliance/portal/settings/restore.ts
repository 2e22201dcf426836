// The page of a restore: what it takes away, and the form that asks for it. The answer is the last one of this portal.
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { SettingsAccounts } from '../../identity/settings-accounts.ts';
import { MOST_COUNTED, type RestoreDesk, type RestoreLook } from '../restore-desk.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { clearCookie, SETTINGS_COOKIE } from '../web/cookies.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import type { BackupFace } from './backups.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

const ByName = z.strictObject({ name: z.string().regex(/^\d{8}T\d{6}Z$/) });
const RestoreForm = z.strictObject({ confirm: text, code: text, password: text, seen: text });
const FAULTS = { 'two-step.code-wrong': 'code', 'step-up.wrong': 'password', 'restore.not-confirmed': 'confirm' };
/** Typed to go back: there is no name of a backup to type. */
const UNDO_WORD = 'undo';

export type RestoreFace = Pick<RestoreDesk, 'last' | 'canGoBack' | 'look' | 'ask' | 'restart'>;

export interface RestoreParts {
  readonly accounts: SettingsAccounts;
  readonly restores: RestoreFace;
  readonly backups: Pick<BackupFace, 'isRunning'>;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
}

export function restoreRoutes(parts: RestoreParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const account = parts.guards.requireAccount();
  const nameOf = (ctx: PortalContext) => parse(ByName, ctx.params).name;
  router.get('/backups/undo-restore', account, ctx => show(parts, ctx, null, emptyForm));
  router.post('/backups/undo-restore', account, ctx => restore(parts, ctx, null));
  router.get('/backups/:name/restore', account, ctx => show(parts, ctx, nameOf(ctx), emptyForm));
  router.post('/backups/:name/restore', account, ctx => restore(parts, ctx, nameOf(ctx)));
  return router;
}

async function show({ restores, pages }: RestoreParts, ctx: PortalContext, name: string | null, form: Form) {
  const look = await restores.look(name);
  const { account } = settingsSessionOf(ctx);
  pages.show(ctx, 'backup-restore', {
    ...{ title: titleOf(look), form, look, word: name ?? UNDO_WORD, isAgain: look.last?.kind === 'undo' },
    ...{
      hasCode: account.twoStepEnrolled,
      action: name === null ? '/backups/undo-restore' : `/backups/${name}/restore`,
    },
    isMore: look.lost.entries >= MOST_COUNTED,
  });
}

function titleOf({ name, last }: RestoreLook): string {
  if (name !== null) return 'Restore a backup';
  return last?.kind === 'undo' ? 'Go back to what was restored' : 'Go back to before the restore';
}

async function restore(parts: RestoreParts, ctx: PortalContext, name: string | null): Promise<void> {
  const { accounts, restores, backups, guards, pages } = parts;
  const { confirm, seen, ...typed } = parse(RestoreForm, ctx.request.body);
  const { login, actor } = settingsSessionOf(ctx);
  const fault = await tryForm({ confirm }, FAULTS, async () => {
    if (confirm.trim() !== (name ?? UNDO_WORD)) throw notConfirmed();
    if (backups.isRunning()) throw busy();
    await accounts.proveAgain(login, { ...typed, source: ctx.state.address });
    await restores.ask(actor, name, seen);
    if (ctx.res.closed)
      restores.restart(); // he has not waited for it; it is asked for all the same
    else ctx.res.once('close', () => restores.restart());
    clearCookie(ctx, SETTINGS_COOKIE);
    delete ctx.state.settings;
    pages.show(ctx, 'backup-restoring', { title: 'The appliance restores', name });
  });
  if (fault === undefined) return;
  if ((await guards.find(ctx, false)) === undefined) {
    clearCookie(ctx, SETTINGS_COOKIE); // too many wrong ones
    return ctx.redirect('/sign-in');
  }
  await show(parts, ctx, name, fault.form);
  ctx.status = fault.status;
}

function notConfirmed(): ApplianceError {
  return new ApplianceError('malformed', 'restore.not-confirmed', 'that is not what has to be typed');
}

function busy(): ApplianceError {
  return new ApplianceError('conflict', 'backup.busy', 'a backup is being made, checked or brought just now', {
    hint: 'Try again when the page Backups says that it is done.',
  });
}
