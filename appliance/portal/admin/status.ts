// How the appliance is: what runs, what fills up, what ends soon, what to do about it, and how it was over time.
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { Status } from '../status.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';

const WORDS = { good: 'Good', look: 'Look at it', act: 'Act' } as const;
const BADGES = { good: 'good', look: 'warn', act: 'bad' } as const;
const RANGE_LABELS = { hour: 'Hour', day: 'Day', month: '30 days', year: 'Year' } as const;
const ENDED_SHOWN = 10;
const Query = z.object({ range: z.enum(['hour', 'day', 'month', 'year']).catch('hour') });

export interface StatusRouteParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly status: Status;
}

export function statusRoutes({ guards, pages, status }: StatusRouteParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/admin/status', guards.requireRole('master-admin', 'admin'), async ctx => {
    pages.show(ctx, 'status', await present(ctx, status));
  });
  // What the page asks for by itself: it keeps no idle login alive.
  router.get('/admin/status/now', guards.requireRoleQuietly('master-admin', 'admin'), async ctx => {
    pages.showWhole(ctx, 'status-now', await present(ctx, status));
  });
  router.post('/admin/status/test-alert', guards.requireRole('master-admin'), async ctx => {
    const steps: string[] = [];
    let fault: ApplianceError | null = null;
    try {
      await status.alerts.tryOut(sessionOf(ctx).actor, step => steps.push(step));
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      fault = error;
      ctx.status = error.status;
    }
    const tried = { steps, fault: fault && { message: fault.message, hint: fault.hint, code: fault.code } };
    pages.show(ctx, 'status', { ...(await present(ctx, status)), tried });
  });
  router.post('/admin/status/log-dealt-with', guards.requireRole('master-admin'), async ctx => {
    await status.logCheck.dealtWith(sessionOf(ctx).actor);
    await status.look();
    ctx.status = 303;
    ctx.redirect('/admin/status');
  });
  return router;
}

async function present(ctx: PortalContext, status: Status) {
  const { range } = parse(Query, ctx.query);
  const { at, sections } = await status.sections();
  const facts = sections.flatMap(section => section.facts);
  const count = (verdict: keyof typeof WORDS) => facts.filter(fact => fact.verdict === verdict).length;
  return {
    title: 'Status',
    at,
    tried: null,
    mayTry: ctx.state.session?.member.roles.includes('master-admin') === true,
    open: status.alerts.open,
    ended: await status.alerts.ended(ENDED_SHOWN),
    sentTo: status.sentTo.join(', and to '),
    unsent: status.alerts.fault,
    range,
    ranges: Object.entries(RANGE_LABELS).map(([name, label]) => ({ name, label, here: name === range })),
    isLogDamaged: await status.logCheck.isDamaged(),
    plots: await status.plots(range),
    acts: count('act'),
    looks: count('look'),
    sections: sections.map(({ title, facts: own }) => ({
      title,
      facts: own.map(fact => ({ ...fact, word: WORDS[fact.verdict], badge: BADGES[fact.verdict] })),
    })),
  };
}
