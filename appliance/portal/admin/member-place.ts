// Where a member stands in the tree: the group a technician is in, and the parts an admin was given (D-01 D-08).
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { Identity } from '../../identity/identity.ts';
import { type Member, mayManage } from '../../identity/member.ts';
import { pathName } from '../../permissions/decision.ts';
import type { Editor, Groups } from '../../permissions/groups.ts';
import type { PortalContext, PortalRouter } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import type { Guards } from '../web/guards.ts';
import { ById, id, parse } from '../web/parse.ts';
import { placesFor } from './group-tree.ts';
import { editorOf } from './groups.ts';
import { sightOf } from './sight.ts';

const MAX_PARTS = 200;
const ids = z.union([id.transform(one => [one]), z.array(id).max(MAX_PARTS)]).default([]);
const Group = z.strictObject({ groupId: id, seen: id });
/** Those that stay, and one more. */
const Parts = z.strictObject({ parts: ids, more: id.or(z.literal('')).default(''), seen: ids });

export interface MemberPlaceParts {
  readonly identity: Identity;
  readonly groups: Groups;
  readonly guards: Guards;
}

export interface PlaceForms {
  readonly group: Form;
  readonly parts: Form;
}

/** @param show the member's page, with the forms that were refused */
export function addMemberPlace(
  router: PortalRouter,
  { identity, groups, guards }: MemberPlaceParts,
  show: (ctx: PortalContext, member: Member, forms: Partial<PlaceForms>) => Promise<void>,
): void {
  const add = (name: keyof PlaceForms, act: (ctx: PortalContext, member: Member) => Promise<void>) => {
    router.post(`/admin/members/:id/${name}`, guards.requireRole('master-admin', 'admin'), async ctx => {
      const member = await identity.members.get(parse(ById, ctx.params).id);
      const fault = await tryForm({}, {}, async () => {
        await act(ctx, member);
        ctx.status = 303;
        ctx.redirect(`/admin/members/${member.id}`);
      });
      if (fault === undefined) return;
      ctx.status = fault.status;
      await show(ctx, member, { [name]: fault.form });
    });
  };
  add('group', async (ctx, member) => {
    const { groupId, seen } = parse(Group, ctx.request.body);
    await groups.assign(editorOf(ctx), requireTechnician(member).id, groupId, seen);
  });
  add('parts', async (ctx, member) => {
    const { parts, more, seen } = parse(Parts, ctx.request.body);
    await groups.setParts(editorOf(ctx), member.id, more === '' ? parts : [...parts, more], seen);
  });
}

/** @throws ApplianceError `member.no-technician` */
export function requireTechnician(member: Member): Member {
  if (member.roles.includes('technician')) return member;
  throw new ApplianceError('conflict', 'member.no-technician', 'only technicians are in groups');
}

/** What the member's page says of his place, and what of it this editor may change. */
export async function presentPlace(groups: Groups, editor: Editor, member: Member, forms: Partial<PlaceForms>) {
  const sight = await sightOf(groups, editor, [member.id]);
  const { paths, reach } = sight;
  const current = sight.groupOf(member.id);
  const path = paths.get(current) ?? [];
  const given = (await groups.partsOf(member.id)).filter(sight.seesGroup);
  const parts = given.map(part => ({ id: part, name: pathName(paths.get(part) ?? []) }));
  const isMaster = editor.roles.includes('master-admin');
  const places = placesFor(sight).map(place => ({ ...place, isTicked: place.id === current }));
  return {
    group: member.roles.includes('technician') ? { id: current, name: pathName(path) } : null,
    mayMove: reach(path) !== 'nothing' && mayManage(editor.roles, member.roles),
    places,
    hasParts: member.roles.includes('admin'),
    parts,
    mayGive: isMaster,
    otherPlaces: places.filter(({ id: place }) => !parts.some(part => part.id === place)),
    groupForm: forms.group ?? emptyForm,
    partsForm: forms.parts ?? emptyForm,
  };
}
