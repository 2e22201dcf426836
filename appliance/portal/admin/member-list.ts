// The list of members: search, page by page, and acts on several at once. Each act is decided for each member on his own, in
// the act's own transaction; who can't be changed is named with the reason, and the others are changed all the same.
import Router from '@koa/router';
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import type { Identity } from '../../identity/identity.ts';
import { type Member, mayManage, ROLES } from '../../identity/member.ts';
import { MEMBER_ORDERS } from '../../identity/member-store.ts';
import { pathName } from '../../permissions/decision.ts';
import type { Groups } from '../../permissions/groups.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { id, parse, seenPlace } from '../web/parse.ts';
import { placesFor } from './group-tree.ts';
import { editorOf } from './groups.ts';
import { requireTechnician } from './member-place.ts';
import { presentMember } from './members.ts';
import { type Sight, sightOf } from './sight.ts';

const PAGE = 50;
const STATES = ['all', 'enabled', 'disabled', 'locked'] as const;
const ACTS = ['disable', 'enable', 'move', 'give', 'take'] as const;
type Act = (typeof ACTS)[number];
const filter = {
  q: z.string().max(128).default(''),
  role: z
    .enum([...ROLES, 'all'])
    .catch('all')
    .default('all'),
  state: z.enum(STATES).catch('all').default('all'),
  group: id.or(z.literal('')).catch('').default(''),
  sort: z.enum(MEMBER_ORDERS).catch('login').default('login'),
  page: z.coerce.number().int().min(1).max(100_000).catch(1).default(1),
};
const Filter = z.object(filter);
type Filter = z.infer<typeof Filter>;
const Bulk = z.strictObject({
  ...filter,
  act: z.enum(ACTS),
  to: id.or(z.literal('')).default(''),
  /** The role that is given or taken. */
  which: z.enum(ROLES).default('technician'),
  members: z.union([seenPlace.transform(one => [one]), z.array(seenPlace).max(PAGE)]).default([]),
});
type Bulk = z.infer<typeof Bulk>;
const doneWords: Readonly<Record<Act, string>> = {
  ...{ disable: 'Disabled', enable: 'Enabled', move: 'Moved' },
  ...{ give: 'Given the role', take: 'Without the role now' },
};

export interface MemberListParts {
  readonly identity: Identity;
  readonly groups: Groups;
  readonly guards: Guards;
  readonly pages: Pages;
  readonly clock: Clock;
}

/** What became of an act on several. */
interface Outcome {
  readonly act: Act;
  readonly count: number;
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

export function memberListRoutes(parts: MemberListParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const requireAdmin = parts.guards.requireRole('master-admin', 'admin');
  router.get('/admin/members', requireAdmin, async ctx => {
    const [, act, count] = /^([a-z]+)-(\d{1,3})$/.exec(String(ctx.query.done)) ?? [];
    const done = ACTS.find(one => one === act);
    const outcome = done === undefined ? null : { act: done, count: Number(count), left: [] };
    await show(ctx, parts, parse(Filter, ctx.query), outcome);
  });
  router.post('/admin/members/bulk', requireAdmin, async ctx => {
    const bulk = parse(Bulk, ctx.request.body);
    const outcome = await actOn(ctx, parts, bulk);
    if (outcome.left.length === 0 && outcome.count > 0) {
      ctx.status = 303;
      return ctx.redirect(addressOf(bulk, { done: `${outcome.act}-${outcome.count}` }));
    }
    ctx.status = 409;
    await show(ctx, parts, bulk, outcome);
  });
  return router;
}

async function actOn(ctx: PortalContext, parts: MemberListParts, { act, members, to, which }: Bulk): Promise<Outcome> {
  const { identity, groups } = parts;
  const { actor } = sessionOf(ctx);
  const left: Outcome['left'][number][] = [];
  const { seesMember } = await sightOf(
    groups,
    editorOf(ctx),
    members.map(([one]) => one),
  );
  let count = 0;
  for (const [memberId, seen] of members) {
    const member = await identity.members.find(memberId);
    if (member === undefined) continue;
    if (!seesMember(memberId)) {
      left.push({ name: 'Somebody', why: 'not in your part of the tree' });
      continue;
    }
    try {
      if (act === 'disable') await identity.members.disable(actor, memberId);
      if (act === 'enable') await identity.members.enable(actor, memberId);
      if (act === 'move') await groups.assign(editorOf(ctx), requireTechnician(member).id, to, seen);
      if (act === 'give' || act === 'take') {
        const { name, roles } = member;
        const others = roles.filter(role => role !== which);
        if (memberId === actor.id) throw yourself();
        if (act === 'take' && others.length === 0) throw onlyRole();
        const wanted = act === 'give' ? [...others, which] : others;
        await identity.members.update(actor, memberId, { name, roles: wanted }, seenOf({ name, roles }));
      }
      count += 1;
    } catch (error) {
      if (!(error instanceof ApplianceError) || error.kind === 'defect') throw error;
      left.push({ name: member.name, why: error.message });
    }
  }
  return { act, count, left };
}

/** Whoever changed his own roles here would be out, with the others half done. */
function yourself(): ApplianceError {
  return new ApplianceError(
    'conflict',
    'member.own-roles',
    'that is yourself; change your roles on your own page here',
  );
}

function onlyRole(): ApplianceError {
  return new ApplianceError('conflict', 'member.only-role', 'that is the only role; disable the member instead');
}

async function show(ctx: PortalContext, parts: MemberListParts, filter: Filter, outcome: Outcome | null) {
  const { identity, groups, pages, clock } = parts;
  const { roles } = sessionOf(ctx).member;
  const isMaster = roles.includes('master-admin');
  // Who sees all asks for the groups of those on the page alone.
  const before = isMaster && filter.group === '' ? null : await sightOf(groups, editorOf(ctx));
  const { q: words, role, state, sort: order, page } = filter;
  const group = before?.seesGroup(filter.group) === true ? filter.group : '';
  const query = {
    words,
    role,
    state,
    order,
    ...(before && { isMeant: meantBy(before, group) }),
    offset: (page - 1) * PAGE,
    limit: PAGE,
  };
  const [{ members, found }, total] = await Promise.all([identity.members.search(query), countSeen(identity, before)]);
  const sight =
    before ??
    (await sightOf(
      groups,
      editorOf(ctx),
      members.map(member => member.id),
    ));
  const { paths, reach, groupOf } = sight;
  const isMine = (member: Member) =>
    mayManage(roles, member.roles) && reach(paths.get(groupOf(member.id)) ?? []) !== 'nothing';
  const rows = members.map(member => ({
    ...presentMember(member, clock.now()),
    place: groupOf(member.id),
    group: member.roles.includes('technician') ? pathName(paths.get(groupOf(member.id)) ?? []) : '',
    isOpen: isMine(member),
  }));
  const last = Math.max(1, Math.ceil(found / PAGE));
  const view = {
    members: rows,
    filter,
    sorts: sortsOf(filter),
    ...{ roles: ROLES, states: STATES, total, found, last },
    inGroup: group === '' ? '' : pathName(paths.get(group) ?? []),
    places: placesFor(sight),
    given: ROLES.filter(one => mayManage(roles, [one])),
    newer: page > 1 ? addressOf(filter, { page: String(Math.min(page - 1, last)) }) : '',
    older: page < last ? addressOf(filter, { page: String(page + 1) }) : '',
    outcome: outcome && { ...outcome, text: `${doneWords[outcome.act]}: ${outcome.count}.` },
    isMaster,
  };
  pages.show(ctx, 'members', { title: 'Members', ...view });
}

/** @param group empty for any */
function meantBy({ seesMember, groupOf }: Sight, group: string): (memberId: string) => boolean {
  return memberId => seesMember(memberId) && (group === '' || groupOf(memberId) === group);
}

async function countSeen({ members }: Identity, sight: Sight | null): Promise<number> {
  if (sight === null || sight.isMaster) return members.count();
  return (await members.list()).filter(({ id: one }) => sight.seesMember(one)).length;
}

/** What the heads of the columns lead to: once more turns the order round. */
function sortsOf(filter: Filter) {
  const head = (by: 'login' | 'name' | 'state' | 'last') => {
    const way = filter.sort === by ? 'ascending' : filter.sort === `-${by}` ? 'descending' : '';
    return { way, path: addressOf(filter, { sort: way === 'ascending' ? `-${by}` : by, page: '1' }) };
  };
  return { login: head('login'), name: head('name'), state: head('state'), last: head('last') };
}

function addressOf({ q, role, state, group, sort, page }: Filter, over: Readonly<Record<string, string>>): string {
  return `/admin/members?${new URLSearchParams({ q, role, state, group, sort, page: String(page), ...over })}`;
}
