// The page of the tree: found by name, and one act on several groups, which is looked at before it is done. What it changes is
// said by `permissions/`; here it is put into words.
import Router from '@koa/router';
import { z } from 'zod';
import { permissions } from '../../permissions/decision.ts';
import type { BulkAct, BulkEffect, BulkPlan, BulkRow } from '../../permissions/group-bulk.ts';
import { ROOT_GROUP_ID } from '../../permissions/group-store.ts';
import { type PolicyKey, policyKeys } from '../../permissions/policy.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { id as groupId, parse } from '../web/parse.ts';
import { readConsentMinutes } from './group-form.ts';
import { findGroups, growTrees, placesFor } from './group-tree.ts';
import { permissionWords, policyText, policyWords } from './group-words.ts';
import { editorOf, type GroupParts } from './groups.ts';
import { sightOf } from './sight.ts';

const q = z.string().max(128).default('');
const Search = z.object({ q });
const acts = {
  q,
  act: z.enum(['move', 'permission', 'policy', 'delete']),
  parentId: groupId.default(ROOT_GROUP_ID),
  permission: z.enum(permissions).default('launch-desktop-viewing'),
  setting: z.enum(['grant', 'deny', 'inherit']).default('inherit'),
  /** `storeChat false`; of what is typed, the key alone. */
  policy: z.string().max(64).default(''),
  minutes: z.string().max(16).default(''),
};
const many = <T>(one: z.ZodType<T>) => z.union([one.transform(only => [only]), z.array(one).max(2000)]).default([]);
const Chosen = z.strictObject({ ...acts, groups: many(groupId) });
const seenGroup = z
  .string()
  .regex(/^[\w-]{22} [\w-]{22}$/)
  .transform(both => both.split(' ') as [string, string]);
const Confirmed = z.strictObject({ ...acts, groups: many(seenGroup) });
type Chosen = z.infer<typeof Chosen>;
/** A page with more would help nobody; all of them are counted. */
const MAX_OTHERS = 200;
const FIELD_OF = { 'group.consent-minutes': 'minutes' };
const said: Readonly<Record<string, string>> = { deleted: 'The group is gone.' };

export function groupListRoutes(parts: GroupParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const { groups, guards } = parts;
  const requireAdmin = guards.requireRole('master-admin', 'admin');
  router.get('/admin/groups', requireAdmin, ctx => showTree(ctx, parts, parse(Search, ctx.query).q));
  router.post('/admin/groups/bulk', requireAdmin, async ctx => {
    const chosen = parse(Chosen, ctx.request.body);
    const fault = await tryForm(typedOf(chosen), FIELD_OF, async () => {
      showPlan(ctx, parts, chosen, await groups.bulk(editorOf(ctx), actOf(chosen), chosen.groups, null), null);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showTree(ctx, parts, chosen.q, fault.form);
  });
  router.post('/admin/groups/bulk/apply', requireAdmin, async ctx => {
    const confirmed = parse(Confirmed, ctx.request.body);
    const chosen = { ...confirmed, groups: confirmed.groups.map(([id]) => id) };
    const seen = new Map(confirmed.groups);
    const fault = await tryForm(typedOf(chosen), FIELD_OF, async () => {
      const plan = await groups.bulk(editorOf(ctx), actOf(chosen), chosen.groups, seen);
      if (plan.isDone) {
        ctx.status = 303;
        return ctx.redirect(`/admin/groups?changed=${plan.rows.filter(isChange).length}`);
      }
      ctx.status = 409;
      showPlan(ctx, parts, chosen, plan, seen);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showTree(ctx, parts, chosen.q, fault.form);
  });
  return router;
}

async function showTree(ctx: PortalContext, { groups, pages }: GroupParts, words: string, form = emptyForm) {
  const sight = await sightOf(groups, editorOf(ctx), []);
  const given = form.values.groups;
  const ticked = new Set<string>(Array.isArray(given) ? given : []);
  const roots = growTrees(sight, ticked);
  const [changed] = /^\d{1,4}$/.exec(String(ctx.query.changed)) ?? [];
  const note =
    changed === undefined ? '' : `Done: ${changed} ${changed === '1' ? 'group' : 'groups'} changed. It holds at once.`;
  const places = placesFor(sight);
  const view = {
    q: words,
    isSearch: words.trim() !== '',
    found: findGroups(sight, words, ticked),
    roots,
    total: sight.groups.length,
    canCreate: places.length > 0,
    canChange: roots.some(isOpenSomewhere),
    note: said[String(ctx.query.done)] ?? note,
    form,
    minutes: form.values.minutes ?? '',
    ...choicesOf(places, form),
  };
  pages.show(ctx, 'groups', { title: 'Technician groups', ...view });
}

interface Openable {
  readonly isOpen: boolean;
  readonly children: readonly Openable[];
}

function isOpenSomewhere({ isOpen, children }: Openable): boolean {
  return isOpen || children.some(isOpenSomewhere);
}

/** What the acts offer, chosen as typed. */
function choicesOf(places: readonly { id: string; name: string }[], { values }: Form) {
  const policies = policyKeys.map(key => ({
    name: policyWords[key].name,
    choices: [
      ...(policyWords[key].choices ?? [{ value: '', label: 'minutes, as typed beside' }]),
      { value: 'inherit', label: 'inherited' },
    ].map(({ value, label }) => {
      const both = `${key} ${value}`.trim();
      return { value: both, label, isIt: both === values.policy };
    }),
  }));
  return {
    places: places.map(place => ({ ...place, isIt: place.id === values.parentId })),
    permissions: permissions.map(one => ({
      value: one,
      name: permissionWords[one].name,
      isIt: one === values.permission,
    })),
    settings: ['grant', 'deny', 'inherit'].map(value => ({ value, isIt: value === values.setting })),
    policies,
  };
}

function typedOf({ groups, parentId, permission, setting, policy, minutes }: Chosen): Form['values'] {
  return { groups, parentId, permission, setting, policy, minutes };
}

/** @throws ApplianceError `group.consent-minutes`, `request.malformed` */
function actOf({ act, parentId, permission, setting, policy, minutes }: Chosen): BulkAct {
  if (act === 'move') return { kind: act, parentId };
  if (act === 'permission') return { kind: act, permission, setting: setting === 'inherit' ? null : setting };
  if (act === 'delete') return { kind: act };
  const [key, value = ''] = parse(z.tuple([z.enum(policyKeys), z.string().optional()]), policy.split(' '));
  if (value === 'inherit') return { kind: act, key, value: null };
  if (key === 'consentMinutes') return { kind: act, key, value: readConsentMinutes(minutes) };
  const known = policyWords[key].choices?.map(one => one.value) ?? [];
  const chosen = parse(z.enum(known), value);
  return { kind: act, key, value: chosen === 'true' || chosen === 'false' ? chosen === 'true' : chosen };
}

function showPlan(
  ctx: PortalContext,
  { pages }: GroupParts,
  chosen: Chosen,
  plan: BulkPlan,
  seen: ReadonlyMap<string, string> | null,
): void {
  const act = actOf(chosen);
  const rows = plan.rows.map(row => ({
    ...presentRow(act, row),
    isLate: seen !== null && seen.get(row.id) !== row.seen,
  }));
  const others = plan.others.slice(0, MAX_OTHERS).map(row => presentRow(act, row));
  const { groups: _groups, ...fields } = chosen;
  const view = {
    what: titleOf(act),
    rows,
    others,
    more: plan.others.length - others.length,
    changes: plan.rows.filter(isChange).length,
    isLate: seen !== null,
    late: rows.filter(({ isLate }) => isLate).map(({ path }) => path),
    fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
    isDanger: act.kind === 'delete',
  };
  pages.show(ctx, 'group-bulk', { title: 'Look at what would change', ...view });
}

function titleOf(act: BulkAct): string {
  if (act.kind === 'move') return 'Move';
  if (act.kind === 'delete') return 'Delete';
  return act.kind === 'permission' ? permissionWords[act.permission].name : policyWords[act.key].name;
}

function isChange({ before, after }: BulkRow): boolean {
  return before !== after;
}

function presentRow(act: BulkAct, row: BulkRow) {
  const { id, path, seen, before, after, effects } = row;
  const texts = [before, after].map(value => textOf(act, value));
  return {
    id,
    path,
    seen,
    before: texts[0],
    after: texts[1],
    isSame: !isChange(row),
    effects: effects.map(effectText),
  };
}

function textOf(act: BulkAct, value: BulkRow['before']): string {
  if (value === null) return act.kind === 'delete' ? 'gone' : 'inherited';
  return act.kind === 'policy' ? policyText(act.key, value) : String(value);
}

function effectText({ what, from, to }: BulkEffect): string {
  if (isPolicy(what)) return `${policyWords[what].name}: ${policyText(what, from)} → ${policyText(what, to)}`;
  const word = (allowed: unknown) => (allowed === true ? 'granted' : 'denied');
  return `${permissionWords[what].name}: ${word(from)} → ${word(to)}`;
}

function isPolicy(what: BulkEffect['what']): what is PolicyKey {
  return policyKeys.some(key => key === what);
}
