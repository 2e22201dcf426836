// Members, for those who manage them. Who may do what to whom is decided in `identity/`, in the act's own transaction;
// the page only leaves out what would be refused.
import Router from '@koa/router';
import { z } from 'zod';
import type { Actor } from '../../audit/entry.ts';
import type { Clock } from '../../clock.ts';
import type { Identity } from '../../identity/identity.ts';
import { isLocked } from '../../identity/lock-out.ts';
import { type Member, mayManage, ROLES, type Role } from '../../identity/member.ts';
import { ROOT_GROUP_ID } from '../../permissions/group-store.ts';
import type { Groups } from '../../permissions/groups.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { afterFault, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, id, parse, several, text } from '../web/parse.ts';
import { placesFor } from './group-tree.ts';
import { editorOf } from './groups.ts';
import { addMemberPlace, type PlaceForms, presentPlace } from './member-place.ts';
import { requireSeenMember, sightOf } from './sight.ts';

const NewMember = z.strictObject({ loginId: text, name: text, roles: several, groupId: id.default(ROOT_GROUP_ID) });
const Change = z.strictObject({ name: text, roles: several, seen: text });
const FIELD_OF = {
  'member.login-id-malformed': 'loginId',
  'member.login-id-taken': 'loginId',
  'member.name-malformed': 'name',
  'member.roles-malformed': 'roles',
};
const SHOWN_RANGES = 4;
const EMPTY = z.strictObject({});
const roleLabels: Record<Role, string> = {
  'master-admin': 'Master admin: everything',
  admin: 'Admin: technicians and groups of his parts of the tree',
  technician: 'Technician: support sessions',
  auditor: 'Auditor: reads logs and recordings, changes nothing',
};

export interface MemberParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
  readonly clock: Clock;
  readonly groups: Groups;
}

export function memberRoutes(parts: MemberParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addCreation(router, parts);
  addMember(router, parts);
  addActs(router, parts);
  return router;
}

function addCreation(router: PortalRouter, parts: MemberParts): void {
  const { identity, guards, pages, groups } = parts;
  const show = async (ctx: PortalContext, form: Form) => {
    const isTicked = (place: string) => place === (form.values.groupId ?? ROOT_GROUP_ID);
    const places = placesFor(await sightOf(groups, editorOf(ctx), [])).map(place => ({
      ...place,
      isTicked: isTicked(place.id),
    }));
    const { temporaryDays } = await identity.passwords.policy();
    const view = { form, places, roles: rolesFor(sessionOf(ctx).member, form), temporaryDays };
    pages.show(ctx, 'new-member', { title: 'New member', ...view });
  };
  const requireAdmin = guards.requireRole('master-admin', 'admin');
  router.get('/admin/members/new', requireAdmin, ctx => show(ctx, formWith({ roles: ['technician'] })));
  router.post('/admin/members/new', requireAdmin, async ctx => {
    const request = parse(NewMember, ctx.request.body);
    const fault = await tryForm(request, FIELD_OF, async () => {
      const roles = asRoles(request.roles);
      const { member, temporaryPassword } = await identity.members.create(sessionOf(ctx).actor, { ...request, roles });
      await showPassword(ctx, parts, member, temporaryPassword ?? '');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form);
  });
}

function addMember(router: PortalRouter, parts: MemberParts): void {
  const { identity, guards, pages, clock, groups } = parts;
  const show = async (ctx: PortalContext, member: Member, form: Form, placeForms: Partial<PlaceForms> = {}) => {
    const actor = sessionOf(ctx).member;
    await requireSeenMember(groups, editorOf(ctx), member.id);
    const logins = await identity.logins.list(member.id);
    const policy = await identity.passwords.policy();
    const place = await presentPlace(groups, editorOf(ctx), member, placeForms);
    const may = place.mayMove;
    const isMaster = actor.roles.includes('master-admin');
    const isSelf = actor.id === member.id;
    const all = await identity.allowLists.get({ kind: 'member', id: member.id });
    const list = { ranges: all.slice(0, SHOWN_RANGES), rangesMore: Math.max(0, all.length - SHOWN_RANGES) };
    const view = {
      account: presentMember(member, clock.now()),
      temporaryUntil: identity.passwords.temporaryUntil(member, policy),
      hasRunOut: identity.passwords.hasRunOut(member, policy),
      logins,
      may,
      isMaster,
      isSelf,
      roles: rolesFor(actor, form),
    };
    const seen = seenOf({ name: member.name, roles: member.roles });
    const rolesFrom = await rolesSource(identity, member);
    pages.show(ctx, 'member', { title: member.name, form, seen, rolesFrom, ...list, ...view, place });
  };
  const stored = ({ name, roles }: Member) => formWith({ name, roles });
  addMemberPlace(router, parts, (ctx, member, forms) => show(ctx, member, stored(member), forms));
  router.get('/admin/members/:id', guards.requireRole('master-admin', 'admin'), async ctx => {
    const member = await identity.members.get(parse(ById, ctx.params).id);
    await show(ctx, member, stored(member));
  });
  router.post('/admin/members/:id', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const change = parse(Change, ctx.request.body);
    const fault = await tryForm(change, FIELD_OF, async () => {
      const roles = asRoles(change.roles);
      await identity.members.update(sessionOf(ctx).actor, id, { name: change.name, roles }, change.seen);
      back(ctx, id);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    const member = await identity.members.get(id);
    await show(ctx, member, afterFault(fault.form, stored(member)));
  });
}

function addActs(router: PortalRouter, parts: MemberParts): void {
  const { identity, guards } = parts;
  const { members } = identity;
  const acts: Record<string, (actor: Actor, id: string) => Promise<unknown>> = {
    disable: (actor, id) => members.disable(actor, id),
    enable: (actor, id) => members.enable(actor, id),
    unlock: (actor, id) => members.unlock(actor, id),
    'force-change': (actor, id) => members.forceChange(actor, id),
    'require-two-step': (actor, id) => members.requireTwoStep(actor, id, true),
    'release-two-step': (actor, id) => members.requireTwoStep(actor, id, false),
    'reset-two-step': (actor, id) => members.resetTwoStep(actor, id),
    'end-logins': (actor, id) => identity.logins.endAllOf(actor, id),
  };
  for (const [name, act] of Object.entries(acts)) {
    router.post(`/admin/members/:id/${name}`, guards.requireRole('master-admin', 'admin'), async ctx => {
      const { id } = parse(ById, ctx.params);
      parse(EMPTY, ctx.request.body);
      await act(sessionOf(ctx).actor, id);
      back(ctx, id);
    });
  }
  router.post('/admin/members/:id/reset-password', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    parse(EMPTY, ctx.request.body);
    const { member, temporaryPassword } = await members.resetPassword(sessionOf(ctx).actor, id);
    await showPassword(ctx, parts, member, temporaryPassword);
  });
}

/** In the answer itself and nowhere else: it is shown once. */
async function showPassword(
  ctx: PortalContext,
  { identity: { passwords }, pages }: MemberParts,
  account: Member,
  password: string,
): Promise<void> {
  const until = passwords.temporaryUntil(account, await passwords.policy());
  pages.show(ctx, 'temporary-password', { title: 'Temporary password', account, password, until });
}

export function presentMember(member: Member, now: number) {
  return { ...member, isEnabled: member.state === 'enabled', isLocked: isLocked(member, now) };
}

/** The identity provider whose groups set a member's roles at each login; '' where none does. */
async function rolesSource({ idps }: Identity, { id: memberId, singleSignOn }: Member): Promise<string> {
  const link = singleSignOn === 'none' ? undefined : await idps.linkOf(memberId);
  const idp = link && (await idps.get(link.idpId));
  return idp === undefined || idp.mapping.length === 0 ? '' : idp.name;
}

/** The check boxes of a form: the roles that this actor may give, ticked as the form says. */
function rolesFor(actor: Member, form: Form) {
  const given = form.values.roles;
  const ticked: readonly string[] = Array.isArray(given) ? given : [];
  return ROLES.map(role => ({
    role,
    label: roleLabels[role],
    ticked: ticked.includes(role),
    barred: !mayManage(actor.roles, [role]),
  }));
}

/** Only what is a role; `identity/` refuses an empty list. */
function asRoles(given: readonly string[]): Role[] {
  return ROLES.filter(role => given.includes(role));
}

function back(ctx: PortalContext, id: string): void {
  ctx.status = 303;
  ctx.redirect(`/admin/members/${id}`);
}
