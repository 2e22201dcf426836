// Recent entries of the audit log for master admins and auditors, and the whole of it as a file: verified on another machine, by
// whoever has the public key (G-02 G-03).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Router from '@koa/router';
import { z } from 'zod';
import type { AuditQuery, StoredEntry } from '../../audit/audit-store.ts';
import type { Actor } from '../../audit/entry.ts';
import type { Identity } from '../../identity/identity.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';

const PAGE = 100;
const day = z
  .union([z.iso.date(), z.literal('')])
  .catch('')
  .default('');
const DAY_MS = 86_400_000;
const Filter = z.object({
  from: day,
  until: day,
  event: z.string().max(64).default(''),
  member: z.string().max(22).default(''),
  before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().catch(undefined),
});
type Filter = z.infer<typeof Filter>;

export interface AuditParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
  /** Entries, newest first; that they were looked at is logged. */
  readonly viewAudit: (actor: Actor, query: AuditQuery) => Promise<StoredEntry[]>;
  /** Lines of the whole log, up to a head signed just now. */
  readonly exportAudit: (actor: Actor) => Promise<AsyncIterable<string>>;
  /** The data folder's `public/`. */
  readonly publicFolder: string;
}

export function auditRoutes(parts: AuditParts): PortalRouter {
  const { identity, guards, pages, viewAudit } = parts;
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addExport(router, parts);
  // As `decide` has it for 'read-log': an admin over parts of the tree is not one of those who read everything.
  router.get('/admin/audit', guards.requireRole('master-admin', 'auditor'), async ctx => {
    const filter = parse(Filter, ctx.query);
    const found = await viewAudit(sessionOf(ctx).actor, queryOf(filter));
    const members = await identity.members.list();
    const entries = found.map(({ entry }) => present(entry, members));
    const last = entries.length === PAGE ? entries.at(-1)?.seq : undefined;
    const older =
      last === undefined ? null : `/admin/audit?${new URLSearchParams({ ...searchOf(filter), before: String(last) })}`;
    pages.show(ctx, 'audit', { title: 'Audit log', filter, entries, members, older });
  });
  return router;
}

function addExport(router: PortalRouter, { guards, exportAudit, publicFolder }: AuditParts): void {
  router.post('/admin/audit/export', guards.requireRole('master-admin', 'auditor'), async ctx => {
    const lines = await exportAudit(sessionOf(ctx).actor);
    ctx.set('Content-Disposition', `attachment; filename="audit-${new Date().toISOString().slice(0, 10)}.jsonl"`);
    ctx.body = Readable.from(ended(lines));
    ctx.set('Content-Type', 'application/jsonl; charset=utf-8');
  });
  router.get('/admin/audit/log-head.pub', guards.requireRole('master-admin', 'admin', 'auditor'), ctx => {
    ctx.set('Content-Disposition', 'attachment; filename="log-head.pub"');
    ctx.body = readFileSync(join(publicFolder, 'log-head.pub'));
    ctx.set('Content-Type', 'application/x-pem-file');
  });
}

async function* ended(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

function queryOf({ from, until, event, member, before }: Filter): AuditQuery {
  return {
    limit: PAGE,
    ...(from !== '' && { from: Date.parse(from) }), // days are in UTC, as the log is
    ...(until !== '' && { until: Date.parse(until) + DAY_MS }),
    ...(event !== '' && { event }),
    ...(member !== '' && { actorId: member }),
    ...(before !== undefined && { before }),
  };
}

function searchOf({ from, until, event, member }: Filter): Record<string, string> {
  return { from, until, event, member };
}

function present(entry: StoredEntry['entry'], members: readonly { id: string; loginId: string }[]) {
  const detail = Object.entries(entry.detail).map(([name, value]) => `${name}: ${String(value)}`);
  return {
    seq: entry.seq,
    at: new Date(entry.at).toISOString().replace('T', ' ').slice(0, 19),
    event: entry.event,
    who: entry.actor.name ?? entry.actor.kind,
    address: entry.actor.address ?? '',
    session: entry.sessionId,
    subject: members.find(member => member.id === entry.subject)?.loginId ?? entry.subject ?? '',
    detail: detail.join(' · '),
  };
}
