// Single sign-on (C-04): identity providers, each switched off at a flick, and whether it is the only way in.
import Router from '@koa/router';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import { ROLES } from '../../identity/member.ts';
import { certificateFacts, type Idp, type IdpSettings } from '../../identity/saml-idp.ts';
import type { Groups } from '../../permissions/groups.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, several, text, tick } from '../web/parse.ts';
import { mappingOf, parseMapping, presentMapping, type ShownRows, storedRows } from './sso-mapping.ts';

const HOME = '/admin/single-sign-on';
const metadata = z.string().max(262_144).default('');
const revision = z.coerce.number().int().min(1);
const Added = z.strictObject({ name: text, metadata });
const Renewed = z.strictObject({ revision, metadata });
const Rule = z.strictObject({ isForced: tick, breakGlassId: z.string().max(64).default(''), seen: text });
const Settings = z.strictObject({
  ...{ revision, name: text, signInBinding: text, domains: z.string().max(8192).default(''), roles: several },
  ...{ mayStart: tick, createMembers: tick, idAttribute: text, loginIdAttribute: text, nameAttribute: text },
  groupId: text,
});
const EMPTY = z.strictObject({});
const METADATA_FIELDS = {
  ...{ 'saml.metadata': 'metadata', 'saml.malformed': 'metadata', 'saml.certificate': 'metadata' },
  ...{ 'saml.idp-twice': 'metadata', 'saml.settings': 'name' },
};
const GIVEN_ROLES = ROLES.filter(role => role !== 'master-admin');

export interface SingleSignOnParts {
  readonly identity: Identity;
  readonly groups: Groups;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function singleSignOnAdminRoutes(parts: SingleSignOnParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addOverview(router, parts);
  addProvider(router, parts);
  addMapping(router, parts);
  addActs(router, parts);
  return router;
}

function addOverview(router: PortalRouter, parts: SingleSignOnParts): void {
  const { identity, guards } = parts;
  router.get(HOME, guards.requireRole('master-admin'), ctx => showOverview(ctx, parts, {}));
  router.post(HOME, guards.requireRole('master-admin'), async ctx => {
    const given = parse(Added, ctx.request.body);
    const fault = await tryForm(given, METADATA_FIELDS, async () => {
      const { id } = await identity.idps.add(sessionOf(ctx).actor, given.metadata, given.name);
      to(ctx, `${HOME}/${id}`);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showOverview(ctx, parts, { form: fault.form });
  });
  router.post(`${HOME}/rule`, guards.requireRole('master-admin'), async ctx => {
    const { isForced, breakGlassId, seen } = parse(Rule, ctx.request.body);
    const rule = { isForced, breakGlassId: breakGlassId === '' ? null : breakGlassId };
    const fault = await tryForm({}, { 'sso.break-glass': 'breakGlassId' }, async () => {
      await identity.ssoRules.set(sessionOf(ctx).actor, rule, seen);
      to(ctx, `${HOME}?saved=yes`);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    const isNew = fault.form.fault?.code === 'changed-meanwhile';
    await showOverview(ctx, parts, { ruleForm: fault.form, ...(isNew ? {} : { rule }) });
  });
}

interface Shown {
  readonly form?: Form;
  readonly ruleForm?: Form;
  /** As it was typed. */
  readonly rule?: { readonly isForced: boolean; readonly breakGlassId: string | null };
}

async function showOverview(ctx: PortalContext, { identity, pages }: SingleSignOnParts, shown: Shown): Promise<void> {
  const { idps, ssoRules, singleSignOn, members } = identity;
  const { form = emptyForm, ruleForm = emptyForm, rule = await ssoRules.get() } = shown;
  const providers = await Promise.all(
    (await idps.list()).map(async idp => ({ ...present(idp), members: await idps.memberCount(idp.id) })),
  );
  const admins = (await members.list())
    .filter(one => one.roles.includes('master-admin') && one.singleSignOn !== 'only' && !one.inDirectory)
    .map(({ id, name, loginId }) => ({ id, label: `${name} (${loginId})`, isIt: id === rule.breakGlassId }));
  const { entityId, acsUrl, logoutUrl } = singleSignOn.service;
  const seen = seenOf(await ssoRules.get());
  const view = { form, ruleForm, rule, seen, providers, admins, entityId, acsUrl, logoutUrl };
  pages.show(ctx, 'single-sign-on', { title: 'Single sign-on', ...view, isSaved: ctx.query.saved === 'yes' });
}

function addProvider(router: PortalRouter, parts: SingleSignOnParts): void {
  const { guards, identity } = parts;
  const { idps } = identity;
  const requireMaster = guards.requireRole('master-admin');
  router.get(`${HOME}/:id`, requireMaster, async ctx => {
    const idp = await idps.get(parse(ById, ctx.params).id);
    await showProvider(ctx, parts, idp, formOf(idp));
  });
  router.post(`${HOME}/:id`, requireMaster, async ctx => {
    const { id } = parse(ById, ctx.params);
    const typed = parse(Settings, ctx.request.body);
    const fault = await tryForm(
      { ...typed, revision: String(typed.revision) },
      { 'saml.domain-twice': 'domains' },
      async () => {
        await idps.change(sessionOf(ctx).actor, id, typed.revision, settingsOf(typed));
        to(ctx, `${HOME}/${id}?saved=yes`);
      },
    );
    if (fault === undefined) return;
    ctx.status = fault.status;
    await showProvider(ctx, parts, await idps.get(id), fault.form);
  });
  router.post(`${HOME}/:id/metadata`, requireMaster, async ctx => {
    const { id } = parse(ById, ctx.params);
    const given = parse(Renewed, ctx.request.body);
    const fault = await tryForm({ metadata: given.metadata }, METADATA_FIELDS, async () => {
      await idps.change(sessionOf(ctx).actor, id, given.revision, { metadata: given.metadata });
      to(ctx, `${HOME}/${id}?saved=yes`);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    const idp = await idps.get(id);
    await showProvider(ctx, parts, idp, formOf(idp), { metadataForm: fault.form });
  });
}

function addMapping(router: PortalRouter, parts: SingleSignOnParts): void {
  const { guards, identity } = parts;
  const { idps } = identity;
  router.post(`${HOME}/:id/mapping`, guards.requireRole('master-admin'), async ctx => {
    const { id } = parse(ById, ctx.params);
    const typed = parseMapping(ctx.request.body);
    const { rows, isToSave, groupsAttribute } = typed;
    const values = { groupsAttribute, revision: String(typed.revision) };
    const fault = await tryForm(values, { 'saml.groups-attribute': 'groupsAttribute' }, async () => {
      if (!isToSave) return;
      const change = { groupsAttribute, mapping: mappingOf(rows) };
      await idps.change(sessionOf(ctx).actor, id, typed.revision, change);
      to(ctx, `${HOME}/${id}?saved=yes`);
    });
    if (fault === undefined && isToSave) return;
    if (isToSave || typed.act === 'save') ctx.status = fault?.status ?? 400;
    const idp = await idps.get(id);
    await showProvider(ctx, parts, idp, formOf(idp), { mappingForm: fault?.form ?? formWith(values), shown: typed });
  });
}

interface ProviderShown {
  readonly metadataForm?: Form;
  readonly mappingForm?: Form;
  readonly shown?: ShownRows;
}

async function showProvider(
  ctx: PortalContext,
  { groups, pages }: SingleSignOnParts,
  idp: Idp,
  form: Form,
  over: ProviderShown = {},
): Promise<void> {
  const { metadataForm = emptyForm, mappingForm = mappingFormOf(idp), shown = storedRows(idp) } = over;
  const given = form.values.roles;
  const ticked: readonly string[] = Array.isArray(given) ? given : [];
  const roles = GIVEN_ROLES.map(role => ({ role, label: role, ticked: ticked.includes(role), barred: false }));
  const names = await groups.names();
  const mapping = presentMapping(shown, names);
  const places = [...names].map(([name, id]) => ({ id, name, isIt: id === form.values.groupId }));
  const forms = { form, metadataForm, mappingForm, mapping, hasMapping: idp.mapping.length > 0 };
  const view = { idp: present(idp), ...forms, roles, groups: places, isSaved: ctx.query.saved === 'yes' };
  pages.show(ctx, 'identity-provider', { title: idp.name, ...view });
}

function addActs(router: PortalRouter, { identity, guards }: SingleSignOnParts): void {
  const { idps } = identity;
  const act = (name: string, run: (ctx: PortalContext, id: string) => Promise<unknown>) => {
    router.post(`${HOME}/:id/${name}`, guards.requireRole('master-admin'), async ctx => {
      parse(EMPTY, ctx.request.body);
      await run(ctx, parse(ById, ctx.params).id);
      // An admin who came by what he has just switched off is out himself.
      to(ctx, (await guards.find(ctx, false)) === undefined ? '/sign-in' : `${HOME}?saved=yes`);
    });
  };
  act('on', (ctx, id) => idps.switch(sessionOf(ctx).actor, id, true));
  act('off', (ctx, id) => idps.switch(sessionOf(ctx).actor, id, false));
  act('remove', (ctx, id) => idps.remove(sessionOf(ctx).actor, id));
}

function formOf(idp: Idp): Form {
  const { name, signInBinding, domains, mayStart, createMembers, idAttribute, loginIdAttribute } = idp;
  const texts = { name, signInBinding, domains: domains.join('\n'), idAttribute, loginIdAttribute };
  const { nameAttribute, roles, groupId, revision: seen } = idp;
  return formWith({ ...texts, nameAttribute, roles, groupId, mayStart, createMembers, revision: String(seen) });
}

function mappingFormOf({ groupsAttribute, revision: seen }: Idp): Form {
  return formWith({ groupsAttribute, revision: String(seen) });
}

/** As typed; `identity/` says what won't do. */
function settingsOf(typed: z.infer<typeof Settings>): Partial<IdpSettings> {
  const { revision: _seen, domains, signInBinding, roles, ...same } = typed;
  return {
    ...same,
    signInBinding: signInBinding === 'post' ? 'post' : 'redirect',
    domains: domains
      .toLowerCase()
      .split(/[\s,;]+/)
      .filter(Boolean),
    roles: GIVEN_ROLES.filter(role => roles.includes(role)),
  };
}

function present({ certificates, domains, ...idp }: Idp) {
  return { ...idp, certificates: certificates.map(certificateFacts), domains: domains.join(', ') };
}

function to(ctx: PortalContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
