// Allow lists (C-06): where a member, or the technicians of a group, may come from.
import Router from '@koa/router';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import { pathName } from '../../permissions/decision.ts';
import type { Groups } from '../../permissions/groups.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { afterFault, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse } from '../web/parse.ts';
import { editorOf } from './groups.ts';
import { requireSeenMember } from './sight.ts';

const MAX_TEXT = 8192; // 64 ranges, each on a line, with room for what is typed wrong
const ListForm = z.strictObject({
  ranges: z.string().max(MAX_TEXT).default(''),
  seen: z.string().max(MAX_TEXT),
});
const FIELD_OF = {
  'allow-list.malformed': 'ranges',
  'allow-list.too-long': 'ranges',
  'allow-list.locks-you-out': 'ranges',
};
const BASES = { member: '/admin/members', group: '/admin/addresses' } as const;
type Kind = keyof typeof BASES;

export interface AllowListParts {
  readonly identity: Identity;
  readonly groups: Groups;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function allowListRoutes(parts: AllowListParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { identity, groups, guards, pages } = parts;
  router.get('/admin/addresses', guards.requireRole('master-admin'), async ctx => {
    const counts = await identity.allowLists.groupCounts();
    const all = await Promise.all(
      (await groups.list()).map(async ({ id }) => {
        return { id, name: pathName(await groups.path(id)), ranges: counts.get(id) ?? 0 };
      }),
    );
    all.sort((a, b) => a.name.localeCompare(b.name));
    pages.show(ctx, 'allow-lists', { title: 'Allow lists', groups: all });
  });
  addList(router, parts, 'member', `${BASES.member}/:id/addresses`, guards.requireRole('master-admin', 'admin'));
  addList(router, parts, 'group', `${BASES.group}/:id`, guards.requireRole('master-admin'));
  return router;
}

function addList(
  router: PortalRouter,
  { identity, groups, pages, guards }: AllowListParts,
  kind: Kind,
  path: string,
  guard: ReturnType<Guards['requireRole']>,
): void {
  const { allowLists, members } = identity;
  const show = async (ctx: PortalContext, id: string, form: Form) => {
    if (kind === 'member') await requireSeenMember(groups, editorOf(ctx), id);
    const name = kind === 'member' ? (await members.get(id)).name : pathName(await groups.path(id));
    const of = { name, isGroup: kind === 'group', back: kind === 'member' ? `${BASES.member}/${id}` : BASES.group };
    const seen = seenOf(await allowLists.get({ kind, id }));
    const view = { of, form, seen, action: ctx.path, here: ctx.state.address, isSaved: ctx.query.saved === 'yes' };
    pages.show(ctx, 'allow-list', { title: 'Allow list', ...view });
  };
  const stored = async (id: string) => formWith({ ranges: (await allowLists.get({ kind, id })).join('\n') });
  router.get(path, guard, async ctx => {
    const { id } = parse(ById, ctx.params);
    await show(ctx, id, await stored(id));
  });
  router.post(path, guard, async ctx => {
    const { id } = parse(ById, ctx.params);
    const typed = parse(ListForm, ctx.request.body);
    const fault = await tryForm(typed, FIELD_OF, async () => {
      await allowLists.set(sessionOf(ctx).actor, { kind, id }, typed.ranges, typed.seen);
      ctx.status = 303;
      ctx.redirect((await guards.find(ctx, false)) === undefined ? '/sign-in' : `${ctx.path}?saved=yes`);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, id, afterFault(fault.form, await stored(id)));
  });
}
