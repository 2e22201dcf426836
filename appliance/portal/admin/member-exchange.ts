// Members as a file, for master admins: an export, and an import that is looked at before it is applied (D-08).
import Router from '@koa/router';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import type { Identity } from '../../identity/identity.ts';
import type { ImportOutcome, ImportPlan } from '../../identity/member-exchange.ts';
import {
  type ImportKind,
  MAX_IMPORT_LINES,
  MAX_IMPORT_PASSWORDS,
  memberColumns,
} from '../../identity/member-import.ts';
import { presentCsv } from '../../protocol/csv.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import { readMultipart } from '../web/multipart.ts';
import type { Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';
import { UnseenPasswords } from './unseen-passwords.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const PAGE = 100;
/** So many passwords are a table; more are for a file. */
const LISTED = 20;
const LARGE = 1000;
const page = z.coerce.number().int().min(1).max(1000).catch(1).default(1);
/** The file as it is chosen, or as the page before carries it. */
const Import = z.union([z.object({ file: z.string() }), z.object({ csv: z.string(), page })]);
const Apply = z.object({ csv: z.string(), digest: z.string().regex(/^[A-Za-z0-9_-]{43}$/) });
const FIELD_OF = { 'csv.malformed': 'file', 'members.import-columns': 'file', 'members.import-too-long': 'file' };
const kinds: Record<Exclude<ImportKind, 'same'>, readonly [badge: string, label: string]> = {
  fault: ['bad', 'is wrong'],
  create: ['good', 'new'],
  change: ['', 'changes'],
  disable: ['warn', 'is disabled'],
};

export interface MemberExchangeParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly clock: Clock;
  readonly pages: Pages;
}

interface Shown {
  readonly form?: Form;
  readonly csv?: string;
  readonly plan?: ImportPlan;
  readonly page?: number;
  readonly outcome?: Outcome;
}

/** Of an import just now, or what is left of one that nobody saw. */
type Outcome = Pick<ImportOutcome, 'passwords'> & Partial<ImportOutcome>;

export function memberExchangeRoutes({ identity, guards, pages, clock }: MemberExchangeParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const unseen = new UnseenPasswords(clock);
  identity.logins.onEnded(loginId => unseen.forget(loginId));
  const requireMaster = guards.requireRole('master-admin');
  const show = async (ctx: PortalContext, { form = emptyForm, csv = '', plan, page: at = 1, outcome }: Shown) => {
    const { temporaryDays } = await identity.passwords.policy();
    pages.show(ctx, 'member-exchange', {
      title: 'Import and export',
      temporaryDays,
      ...{ form, csv, columns: memberColumns, most: MAX_IMPORT_LINES, passwords: MAX_IMPORT_PASSWORDS },
      plan: plan === undefined ? null : presentPlan(plan, at),
      outcome: outcome === undefined ? null : presentOutcome(outcome),
      unseen: unseen.of(sessionOf(ctx).login.id),
    });
  };
  router.get('/admin/members/exchange', requireMaster, ctx => show(ctx, {}));
  router.post('/admin/members/export', requireMaster, async ctx => {
    const csv = await identity.exchange.export(sessionOf(ctx).actor);
    ctx.set('Content-Disposition', `attachment; filename="members-${new Date().toISOString().slice(0, 10)}.csv"`);
    ctx.body = `\uFEFF${csv}`; // by that mark spreadsheets know UTF-8
    ctx.set('Content-Type', 'text/csv; charset=utf-8');
  });
  const act = (path: string, run: (ctx: PortalContext, fields: Record<string, string>) => Promise<Shown>) => {
    router.post(path, requireMaster, async ctx => {
      const fields = Object.fromEntries(await readMultipart(ctx, MAX_BYTES));
      const fault = await tryForm({}, FIELD_OF, async () => show(ctx, await run(ctx, fields)));
      if (fault === undefined) return;
      ctx.status = fault.status;
      await show(ctx, { form: fault.form });
    });
  };
  act('/admin/members/import', async (ctx, fields) => {
    const given = parse(Import, fields);
    const csv = 'file' in given ? given.file : given.csv;
    const plan = await identity.exchange.plan(sessionOf(ctx).actor, csv);
    return { csv, plan, page: 'file' in given ? 1 : given.page };
  });
  act('/admin/members/import/apply', async (ctx, fields) => {
    const { csv, digest } = parse(Apply, fields);
    const { login, actor } = sessionOf(ctx);
    return { outcome: await unseen.run(login.id, ctx.res, () => identity.exchange.apply(actor, csv, digest)) };
  });
  // Sent and not opened: they are gone when they were seen.
  router.post('/admin/members/import/passwords', requireMaster, ctx =>
    show(ctx, { outcome: { passwords: unseen.take(sessionOf(ctx).login.id, ctx.res) } }),
  );
  return router;
}

/** Faults come first; who stays as he is has no row. */
function presentPlan({ lines, counts, digest }: ImportPlan, wanted: number) {
  const ordered = Object.keys(kinds).flatMap(kind => lines.filter(line => line.kind === kind));
  const last = Math.max(1, Math.ceil(ordered.length / PAGE));
  const at = Math.min(wanted, last);
  const rows = ordered.slice((at - 1) * PAGE, at * PAGE).map(({ line, kind, loginId, name, changes }) => {
    const [badge, label] = kind === 'same' ? ['', ''] : kinds[kind];
    return { line, loginId, name, changes, badge, label };
  });
  const isWork = ordered.length > counts.fault;
  const pages = { page: at, last, before: at > 1 ? at - 1 : 0, next: at < last ? at + 1 : 0 };
  return {
    rows,
    ...pages,
    digest,
    counts,
    text: countsOf(counts),
    isWork,
    isLarge: ordered.length > LARGE,
    isSlow: counts.create > LISTED && counts.create <= MAX_IMPORT_PASSWORDS,
    hasNone: hasNoPasswords(counts),
  };
}

function presentOutcome({ counts, passwords }: Outcome) {
  const isMany = passwords.length > LISTED;
  const list = isMany
    ? presentCsv([['loginId', 'password'], ...passwords.map(one => [one.loginId, one.password])])
    : '';
  const text = counts === undefined ? null : countsOf(counts);
  return { passwords, isMany, list, text, hasNone: counts !== undefined && hasNoPasswords(counts) };
}

function hasNoPasswords({ create }: ImportPlan['counts']): boolean {
  return create > MAX_IMPORT_PASSWORDS;
}

function countsOf({ create, change, disable, same, fault }: ImportPlan['counts']): string {
  const counted = `${create} new, ${change} changed, ${disable} disabled, ${same} as they are`;
  return fault === 0 ? counted : `${counted}, ${fault} wrong`;
}
