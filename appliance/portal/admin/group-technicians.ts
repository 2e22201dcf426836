// Who is in a group, and who is put into it: several at once, all or none.
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { Identity } from '../../identity/identity.ts';
import { mayManage } from '../../identity/member.ts';
import { pathName } from '../../permissions/decision.ts';
import type { Groups } from '../../permissions/groups.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import type { Guards } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, id, parse, seenPlace } from '../web/parse.ts';
import { placesFor } from './group-tree.ts';
import { editorOf } from './groups.ts';
import { requireTechnician } from './member-place.ts';
import { requireSeenGroup, sightOf } from './sight.ts';

const MAX_SHOWN = 200;
const WHERE = ['here', 'elsewhere'] as const;
const Search = z.object({
  q: z.string().max(128).default(''),
  where: z.enum(WHERE).catch('here').default('here'),
});
const Move = z.strictObject({
  to: id,
  where: z.enum(WHERE),
  members: z.union([seenPlace.transform(one => [one]), z.array(seenPlace).max(MAX_SHOWN)]).default([]),
});

export interface GroupTechnicianParts {
  readonly identity: Identity;
  readonly groups: Groups;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function groupTechnicianRoutes(parts: GroupTechnicianParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { groups, guards, identity } = parts;
  const path = '/admin/groups/:id/technicians';
  router.get(path, guards.requireRole('master-admin', 'admin'), ctx => show(ctx, parts, emptyForm));
  router.post(path, guards.requireRole('master-admin', 'admin'), async ctx => {
    const { to, where, members } = parse(Move, ctx.request.body);
    const fault = await tryForm({}, {}, async () => {
      if (members.length === 0) {
        throw new ApplianceError('malformed', 'group.nobody-ticked', 'nobody is ticked', {
          hint: 'Tick those who are to move.',
        });
      }
      const seen = new Map(members);
      for (const one of seen.keys()) requireTechnician(await identity.members.get(one));
      const moved = await groups.assign(editorOf(ctx), [...seen.keys()], to, seen);
      ctx.status = 303;
      ctx.redirect(`${ctx.path}?moved=${moved}`); // where those who were put in are seen
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, parts, fault.form, where);
  });
  return router;
}

async function show(ctx: PortalContext, parts: GroupTechnicianParts, form: Form, asked?: 'here' | 'elsewhere') {
  const { groups, identity, pages } = parts;
  const group = parse(ById, ctx.params).id;
  const { q, where: wanted } = parse(Search, ctx.query);
  const where = asked ?? wanted;
  const editor = editorOf(ctx);
  const sight = await sightOf(groups, editor);
  requireSeenGroup(sight, group);
  const { paths, reach, groupOf } = sight;
  const path = paths.get(group) ?? [];
  const { members, found } = await identity.members.search({
    ...{ words: q, role: 'technician', state: 'all', offset: 0, limit: MAX_SHOWN },
    isMeant: memberId => sight.seesMember(memberId) && (groupOf(memberId) === group) === (where === 'here'),
  });
  const people = members.map(({ id: memberId, name, loginId, state, roles }) => {
    const from = paths.get(groupOf(memberId)) ?? [];
    return {
      id: memberId,
      name,
      loginId,
      isDisabled: state !== 'enabled',
      place: groupOf(memberId),
      group: pathName(from),
      isOpen: reach(from) !== 'nothing' && mayManage(editor.roles, roles),
    };
  });
  const moved = /^\d{1,4}$/.test(String(ctx.query.moved)) ? Number(ctx.query.moved) : null;
  const view = {
    group: { id: group, name: path.at(-1)?.name ?? '' },
    crumbs: path.map(one => ({ id: one.id, name: one.name, isSeen: sight.seesGroup(one.id) })),
    isHere: where === 'here',
    where,
    q,
    people,
    total: found,
    places: where === 'here' ? placesFor(sight, one => one.at(-1)?.id !== group) : [],
    takes: reach(path) !== 'nothing',
    form,
    moved,
  };
  pages.show(ctx, 'group-technicians', { title: `Technicians of ${pathName(path)}`, ...view });
}
