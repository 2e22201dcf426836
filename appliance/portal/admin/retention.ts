// How long things are kept (G-05): what goes tonight, the first yes to it, legal holds. An auditor sees it and changes
// nothing (D-08); that it was looked at is logged (G-02).
import Router from '@koa/router';
import { z } from 'zod';
import { type Retention, RetentionSettings } from '../../audit/retention.ts';
import { ApplianceError } from '../../errors.ts';
import { parseSessionId } from '../../guid.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { afterFault, emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, text } from '../web/parse.ts';

const SettingsForm = z.strictObject({ onlineMonths: text, archiveMonths: text, recordingMonths: text, seen: text });
const Confirmation = z.strictObject({ seen: text });
const HoldForm = z.strictObject({ sessionId: text, reason: text });
const FAULTS: Record<keyof RetentionSettings, string> = {
  onlineMonths: 'Months in the search: a number from 1 to 240.',
  archiveMonths: 'Months in the archive: a number from 0 to 240.',
  recordingMonths: 'Months of recordings: a number from 1 to 240.',
};
const SETTINGS_FIELDS = {
  ...Object.fromEntries(Object.keys(FAULTS).map(name => [`retention.${name}`, name])),
  'retention.recordings': 'recordingMonths',
};
const HOLD_FIELDS = {
  'hold.no-session': 'sessionId',
  'hold.there': 'sessionId',
  'hold.erased': 'sessionId',
  'hold.reason': 'reason',
};

export interface RetentionParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly keeping: { readonly retention: Retention };
}

export function retentionRoutes({ guards, pages, keeping: { retention } }: RetentionParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = async (ctx: PortalContext, forms: { settings?: Form; hold?: Form; confirm?: Form }) => {
    const { actor, member } = sessionOf(ctx);
    const isMaster = member.roles.includes('master-admin');
    await retention.viewed(actor); // before it is shown
    const asked = typeof ctx.query.session === 'string' ? ctx.query.session.slice(0, 64) : '';
    const now = await retention.settings();
    const stored = formWith(textsOf(now));
    const settings = forms.settings === undefined ? stored : afterFault(forms.settings, stored);
    const view = {
      ...{
        settings,
        seen: seenOf(now),
        hold: forms.hold ?? formWith({ sessionId: asked }),
        confirm: forms.confirm ?? emptyForm,
        isMaster,
        isSaved: ctx.query.saved === 'yes',
      },
      ...{ holds: await retention.holds(), tonight: await retention.preview() },
    };
    pages.show(ctx, 'retention', { title: 'Retention', ...view });
  };
  router.get('/admin/retention', guards.requireRole('master-admin', 'auditor'), ctx => show(ctx, {}));
  router.post('/admin/retention', guards.requireRole('master-admin'), async ctx => {
    const typed = parse(SettingsForm, ctx.request.body);
    const fault = await tryForm(typed, SETTINGS_FIELDS, async () => {
      await retention.setSettings(sessionOf(ctx).actor, parseSettings(typed), typed.seen);
      back(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, { settings: fault.form });
  });
  router.post('/admin/retention/confirm', guards.requireRole('master-admin'), async ctx => {
    const { seen } = parse(Confirmation, ctx.request.body);
    const fault = await tryForm({}, {}, async () => {
      await retention.confirm(sessionOf(ctx).actor, seen);
      back(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, { confirm: fault.form });
  });
  router.post('/admin/retention/holds', guards.requireRole('master-admin'), async ctx => {
    const typed = parse(HoldForm, ctx.request.body);
    const fault = await tryForm(typed, HOLD_FIELDS, async () => {
      await retention.hold(sessionOf(ctx).actor, parseId(typed.sessionId), typed.reason);
      back(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, { hold: fault.form });
  });
  router.post('/admin/retention/holds/:id/release', guards.requireRole('master-admin'), async ctx => {
    await retention.release(sessionOf(ctx).actor, parseSessionId(parse(ById, ctx.params).id));
    back(ctx);
  });
  return router;
}

function textsOf(settings: RetentionSettings): Form['values'] {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

function parseSettings(typed: z.infer<typeof SettingsForm>): RetentionSettings {
  const number = (given: string) => (/^\d{1,3}$/.test(given.trim()) ? Number(given) : Number.NaN);
  const { onlineMonths, archiveMonths, recordingMonths } = typed;
  const numbers = { onlineMonths: number(onlineMonths), archiveMonths: number(archiveMonths) };
  const result = RetentionSettings.safeParse({ ...numbers, recordingMonths: number(recordingMonths) });
  if (result.success) return result.data;
  const wrong = Object.keys(FAULTS).find(name => result.error.issues[0]?.path[0] === name) ?? 'onlineMonths';
  throw new ApplianceError('malformed', `retention.${wrong}`, FAULTS[wrong as keyof RetentionSettings]);
}

/** As it stands in the log. */
function parseId(given: string) {
  try {
    return parseSessionId(given.trim());
  } catch (cause) {
    throw new ApplianceError('malformed', 'hold.no-session', 'a session has a number of 22 characters', { cause });
  }
}

function back(ctx: PortalContext): void {
  ctx.status = 303;
  ctx.redirect('/admin/retention?saved=yes');
}
