// The audit log for master admins and auditors: searched page by page, what was found as a file, and the whole of it, verified on
// another machine by whoever has the public key (G-02 G-03 G-04).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Router from '@koa/router';
import { z } from 'zod';
import type { StoredEntry } from '../../audit/audit-store.ts';
import { FOUND_FORMATS, FOUND_TYPES } from '../../audit/found-export.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Groups } from '../../permissions/groups.ts';
import type { Channels } from '../../sessions/channels.ts';
import type { AuditDesk, LogCriteria } from '../audit-desk.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { detailParts, subjectPart } from '../web/detail-words.ts';
import { type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import { AUDIT_FIELDS, criteriaOf, type LogFilter, searchOf } from './audit-filter.ts';

const PAGE = 100;
const Filter = z.object({
  ...{
    from: text,
    until: text,
    event: text,
    member: text,
    group: text,
    channel: text,
    customer: text,
    session: text,
    text,
    before: text,
  },
});
const LABELS = { csv: 'CSV', json: 'JSON', jsonl: 'JSON lines', xml: 'XML' } as const;
const formats = FOUND_FORMATS.map(value => ({ value, label: LABELS[value] }));
const Export = Filter.extend({ format: z.enum(FOUND_FORMATS) });

/** What auditors look for first; any other event, or beginning of one, is typed. */
const EVENTS: readonly { readonly value: string; readonly label: string }[] = [
  { value: 'action.started', label: 'a screen was seen or controlled, files went …' },
  { value: 'action.consent', label: 'a customer was asked, and what he answered' },
  { value: 'action.', label: 'all that was asked and done with a customer' },
  { value: 'session.', label: 'sessions, from their making to their end' },
  { value: 'recording.', label: 'recordings' },
  { value: 'chat.', label: 'chat' },
  { value: 'rights.', label: 'rights given, refused and taken back' },
  { value: 'login.', label: 'people who signed in, or tried to' },
  { value: 'member', label: 'members made, changed and disabled' },
  { value: 'group.', label: 'groups, their permissions and policy' },
  { value: 'settings', label: 'settings of the appliance, and who signed in there' },
  { value: 'backup', label: 'backups' },
  { value: 'audit.', label: 'who read this log' },
];

export interface AuditParts extends Pick<AuditDesk, 'viewAudit' | 'exportAudit' | 'exportFound'> {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
  readonly groups: Pick<Groups, 'names'>;
  readonly channels: Pick<Channels, 'listEver'>;
  /** The data folder's `public/`. */
  readonly publicFolder: string;
}

export function auditRoutes(parts: AuditParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = (ctx: PortalContext, form: Form, found: Found) => showLog(parts, ctx, form, found);
  addWholeLog(router, parts);
  addFoundExport(router, parts, show);
  // As `decide` has it for 'read-log': an admin over parts of the tree is not one of those who read everything.
  router.get('/admin/audit', parts.guards.requireRole('master-admin', 'auditor'), async ctx => {
    const filter = parse(Filter, ctx.query);
    const fault = await tryForm(filter, AUDIT_FIELDS, async () => {
      const criteria = criteriaOf(filter);
      const { next, ...page } = await parts.viewAudit(sessionOf(ctx).actor, criteria, PAGE);
      await show(ctx, formWith(filter), { ...page, older: next === null ? null : pageOf(filter, next), criteria });
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form, null);
  });
  return router;
}

type Found = {
  readonly entries: readonly StoredEntry[];
  readonly older: string | null;
  readonly isPartial: boolean;
  readonly criteria: LogCriteria;
} | null;

async function showLog(
  { identity, pages, groups, channels }: AuditParts,
  ctx: PortalContext,
  form: Form,
  found: Found,
) {
  const members = await identity.members.list();
  const ever = await channels.listEver();
  const names = [...(await groups.names())].map(([name, id]) => ({ name, id }));
  const named = new Map([
    ...members.map(({ id, loginId }) => [id, loginId] as const),
    ...names.map(({ id, name }) => [id, name] as const),
    ...ever.map(({ id, name }) => [id, name] as const),
  ]);
  const entries = (found?.entries ?? []).map(({ entry }) => present(entry, named));
  const view = {
    ...{
      form,
      formats,
      events: EVENTS,
      entries,
      members,
      older: found?.older ?? null,
      isEmpty: found?.entries.length === 0 && found.older === null,
    },
    groups: names.sort((a, b) => (a.name < b.name ? -1 : 1)),
    channels: ever.map(({ id, name, deletedAt }) => ({
      id,
      name: deletedAt === null ? name : `${name} (deleted)`,
    })),
    isNarrowed: found !== null && Object.keys(found.criteria).length > 0,
    newest: found?.criteria.before === undefined ? null : pageOf(form.values as LogFilter, null),
    told: found === null ? '' : toldOf(entries, found),
  };
  pages.show(ctx, 'audit', { title: 'Audit log', ...view });
}

/** Says what is shown and not how many there are altogether: they are looked for page by page, and counted in an export. */
function toldOf(entries: readonly { seq: number }[], { older, isPartial, criteria }: NonNullable<Found>): string {
  const [count, first] = [entries.length, entries.at(-1)?.seq];
  const which = criteria.before === undefined ? 'newest' : 'next';
  if (isPartial)
    return `These entries are still being taken into the index. So far ${count} were found; “Older” goes on looking.`;
  if (count === 0) return '';
  if (older !== null) return `The ${which} ${count} that fit; there are older ones.`;
  if (criteria.before === undefined) return count === 1 ? 'One entry fits.' : `${count} entries fit.`;
  return first === undefined ? '' : `The last ${count} that fit, back to No. ${first}.`;
}

function addFoundExport(
  router: PortalRouter,
  { guards, exportFound }: AuditParts,
  show: (ctx: PortalContext, form: Form, found: Found) => Promise<void>,
): void {
  router.post('/admin/audit/export-found', guards.requireRole('master-admin', 'auditor'), async ctx => {
    const { format, ...filter } = parse(Export, ctx.request.body);
    const fault = await tryForm(filter, AUDIT_FIELDS, async () => {
      const { before: _, ...criteria } = criteriaOf(filter);
      const pieces = await exportFound(sessionOf(ctx).actor, criteria, format);
      attach(ctx, `audit-found-${today()}.${format}`, Readable.from(pieces), FOUND_TYPES[format]);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form, null);
  });
}

function addWholeLog(router: PortalRouter, { guards, exportAudit, publicFolder }: AuditParts): void {
  router.post('/admin/audit/export', guards.requireRole('master-admin', 'auditor'), async ctx => {
    const lines = await exportAudit(sessionOf(ctx).actor);
    attach(ctx, `audit-${today()}.jsonl`, Readable.from(ended(lines)), 'application/jsonl; charset=utf-8');
  });
  router.get('/admin/audit/log-head.pub', guards.requireRole('master-admin', 'admin', 'auditor'), ctx => {
    attach(ctx, 'log-head.pub', readFileSync(join(publicFolder, 'log-head.pub')), 'application/x-pem-file');
  });
}

function attach(ctx: PortalContext, name: string, body: Readable | Buffer, type: string): void {
  ctx.set('Content-Disposition', `attachment; filename="${name}"`);
  ctx.body = body;
  ctx.set('Content-Type', type); // after the body, which would set another
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

async function* ended(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

function pageOf(filter: LogFilter, before: number | null): string {
  return `/admin/audit?${new URLSearchParams({ ...searchOf(filter), ...(before !== null && { before: String(before) }) })}`;
}

/** @param named login ids and paths of groups that are there, by their ids */
function present(entry: StoredEntry['entry'], named: ReadonlyMap<string, string>) {
  const subject = subjectPart(entry.subject, named);
  return {
    seq: entry.seq,
    at: new Date(entry.at).toISOString().replace('T', ' ').slice(0, 19),
    event: entry.event,
    who: entry.actor.name ?? entry.actor.kind,
    address: entry.actor.address ?? '',
    session: entry.sessionId,
    subject: subject === null ? [] : [subject],
    detail: detailParts(entry.detail, named),
  };
}
