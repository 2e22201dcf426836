// A technician group (D-01 D-08): what it grants and demands, who is in it, and where it comes from. Whether an
// admin may do it is decided in `permissions/`, in the act's own transaction; pages leave out what would be refused.
import Router from '@koa/router';
import { z } from 'zod';
import { pathName } from '../../permissions/decision.ts';
import { ROOT_GROUP_ID } from '../../permissions/group-store.ts';
import { type Editor, type Groups, MAX_GROUP_NAME } from '../../permissions/groups.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, id as groupId, parse, text } from '../web/parse.ts';
import {
  PermissionForm,
  PolicyForm,
  permissionRows,
  permissionsShown,
  policyRows,
  policyShown,
  readPermissions,
  readPolicy,
} from './group-form.ts';
import { placesFor } from './group-tree.ts';
import { requireSeenGroup, sightOf } from './sight.ts';

const Parent = z.object({ parent: groupId.catch(ROOT_GROUP_ID).default(ROOT_GROUP_ID) });
const NewGroup = z.strictObject({ name: text, parentId: groupId });
const Name = z.strictObject({ name: text, seen: text });
const Place = z.strictObject({ parentId: groupId, seen: groupId });
/** Where those in it go, and how many the page said there are. */
const Deletion = z.strictObject({ to: groupId.default(ROOT_GROUP_ID), seen: z.coerce.number().int().min(0).max(1e6) });
const FIELD_OF = {
  'group.name': 'name',
  'group.name-taken': 'name',
  'group.consent-minutes': 'consentMinutes',
};
const said: Readonly<Record<string, string>> = {
  created: 'The group is there. It inherits everything until you set something.',
  saved: 'Saved. It holds at once, in sessions that are open too.',
  moved: 'Moved. What it inherits comes from its new place now.',
};

export interface GroupParts {
  readonly groups: Groups;
  readonly guards: Guards;
  readonly pages: Pages;
}

/** What the group's page was asked to show beside what is stored: a form that was refused. */
interface Refused {
  readonly which: 'name' | 'place' | 'permissions' | 'policy' | 'delete';
  readonly form: Form;
  readonly permissions?: PermissionForm;
  readonly policy?: PolicyForm;
}

export function groupRoutes(parts: GroupParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addCreation(router, parts);
  addGroup(router, parts);
  addPlace(router, parts);
  addSettings(router, parts);
  return router;
}

export function editorOf(ctx: PortalContext): Editor {
  const { actor, member } = sessionOf(ctx);
  return { actor, roles: member.roles };
}

function addCreation(router: PortalRouter, { groups, guards, pages }: GroupParts): void {
  const requireAdmin = guards.requireRole('master-admin', 'admin');
  const show = async (ctx: PortalContext, form: Form, parentId: string) => {
    const sight = await sightOf(groups, editorOf(ctx), []);
    const places = placesFor(sight).map(place => ({ ...place, isTicked: place.id === parentId }));
    pages.show(ctx, 'new-group', { title: 'New group', form, places, maxName: MAX_GROUP_NAME });
  };
  router.get('/admin/groups/new', requireAdmin, ctx => show(ctx, emptyForm, parse(Parent, ctx.query).parent));
  router.post('/admin/groups/new', requireAdmin, async ctx => {
    const request = parse(NewGroup, ctx.request.body);
    const fault = await tryForm(request, FIELD_OF, async () => {
      const { id } = await groups.create(editorOf(ctx), request);
      done(ctx, `/admin/groups/${id}`, 'created');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form, request.parentId);
  });
}

function addGroup(router: PortalRouter, parts: GroupParts): void {
  const { groups, guards } = parts;
  router.get('/admin/groups/:id', guards.requireRole('master-admin', 'admin'), async ctx => {
    await showGroup(ctx, parts, parse(ById, ctx.params).id, null);
  });
  router.post('/admin/groups/:id/delete', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const { to, seen } = parse(Deletion, ctx.request.body);
    const fault = await tryForm({}, {}, async () => {
      await groups.delete(editorOf(ctx), id, seen === 0 ? undefined : { to, seen });
      done(ctx, '/admin/groups', 'deleted');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showGroup(ctx, parts, id, { which: 'delete', form: fault.form });
  });
}

function addPlace(router: PortalRouter, parts: GroupParts): void {
  const { groups, guards } = parts;
  router.post('/admin/groups/:id/name', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const { name, seen } = parse(Name, ctx.request.body);
    const fault = await tryForm({ name }, FIELD_OF, async () => {
      await groups.rename(editorOf(ctx), id, name, seen);
      done(ctx, `/admin/groups/${id}`, 'saved');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showGroup(ctx, parts, id, { which: 'name', form: fault.form });
  });
  router.post('/admin/groups/:id/place', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const { parentId, seen } = parse(Place, ctx.request.body);
    const fault = await tryForm({ parentId }, {}, async () => {
      await groups.move(editorOf(ctx), id, parentId, seen);
      done(ctx, `/admin/groups/${id}`, 'moved');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showGroup(ctx, parts, id, { which: 'place', form: fault.form });
  });
}

function addSettings(router: PortalRouter, parts: GroupParts): void {
  const { groups, guards } = parts;
  router.post('/admin/groups/:id/permissions', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const typed = parse(PermissionForm, ctx.request.body);
    const fault = await tryForm({}, {}, async () => {
      const { settings, seen } = readPermissions(typed);
      await groups.setPermissions(editorOf(ctx), id, settings, seen);
      done(ctx, `/admin/groups/${id}`, 'saved');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showGroup(ctx, parts, id, { which: 'permissions', form: fault.form, permissions: typed });
  });
  router.post('/admin/groups/:id/policy', guards.requireRole('master-admin', 'admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const typed = parse(PolicyForm, ctx.request.body);
    const fault = await tryForm(typed, FIELD_OF, async () => {
      const { settings, seen } = readPolicy(typed);
      await groups.setPolicy(editorOf(ctx), id, settings, seen);
      done(ctx, `/admin/groups/${id}`, 'saved');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showGroup(ctx, parts, id, { which: 'policy', form: fault.form, policy: typed });
  });
}

async function showGroup(ctx: PortalContext, parts: GroupParts, id: string, refused: Refused | null): Promise<void> {
  const { groups, pages } = parts;
  const sight = await sightOf(groups, editorOf(ctx), []);
  requireSeenGroup(sight, id);
  const effective = await groups.effective(id);
  const { groups: all, reach } = sight;
  const { path } = effective;
  const own = path.at(-1);
  const isLate = refused?.form.fault?.code === 'group.changed-meanwhile';
  const permissions = permissionsShown(own?.permissions ?? {}, refused?.permissions, isLate);
  const policy = policyShown(own?.policy ?? {}, refused?.policy, isLate);
  const formOf = (which: Refused['which']) => (refused?.which === which ? refused.form : emptyForm);
  const places = placesFor(sight, one => !one.some(group => group.id === id));
  const view = {
    group: { id, name: own?.name ?? '', parentId: own?.parentId ?? '', technicians: own?.memberCount ?? 0 },
    crumbs: path.slice(0, -1).map(group => ({ id: group.id, name: group.name, isSeen: sight.seesGroup(group.id) })),
    children: all.filter(one => one.parentId === id).map(one => ({ id: one.id, name: one.name })),
    isRoot: own?.parentId === null,
    mayChange: reach(path) === 'settings',
    takes: reach(path) !== 'nothing',
    places: places.map(place => ({ ...place, isTicked: place.id === own?.parentId })),
    nameForm: refused?.which === 'name' ? refused.form : formWith({ name: own?.name ?? '' }),
    placeForm: formOf('place'),
    permissionForm: formOf('permissions'),
    policyForm: formOf('policy'),
    deleteForm: formOf('delete'),
    permissions: permissionRows(effective, permissions),
    seenPermissions: permissions.values.seen,
    policies: policyRows(effective, policy),
    seenPolicy: policy.values.seen,
    maxName: MAX_GROUP_NAME,
    note: said[String(ctx.query.done)] ?? '',
  };
  pages.show(ctx, 'group', { title: pathName(path), ...view });
}

function done(ctx: PortalContext, path: string, what: string): void {
  ctx.status = 303;
  ctx.redirect(`${path}?done=${what}`);
}
