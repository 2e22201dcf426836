// The directory people sign in by (C-05): what is set, a test of each step, what a sync would change, and doing that.
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { DirectoryStep } from '../../identity/directory.ts';
import type { DirectoryDoor } from '../../identity/directory-door.ts';
import type { DirectoryPlan, PlannedKind } from '../../identity/directory-plan.ts';
import type { Identity } from '../../identity/identity.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse } from '../web/parse.ts';

/** A page with more would help nobody; the counts are of all. */
const MAX_ROWS = 500;
const EMPTY = z.strictObject({});
const Apply = z.strictObject({ digest: z.string().regex(/^[A-Za-z0-9_-]{43}$/) });
const kinds: Record<PlannedKind, readonly [badge: string, label: string]> = {
  create: ['good', 'new'],
  change: ['', 'changes'],
  restore: ['good', 'comes back'],
  withdraw: ['bad', 'is disabled'],
  conflict: ['warn', 'left alone'],
};
const states: Record<DirectoryStep['state'], readonly [badge: string, label: string]> = {
  done: ['good', 'works'],
  failed: ['bad', 'fails'],
  skipped: ['', 'not tried'],
};

export interface DirectoryPageParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
}

interface Shown {
  readonly form?: Form;
  readonly steps?: readonly DirectoryStep[];
  readonly plan?: DirectoryPlan;
  readonly applied?: DirectoryPlan;
}

export function directoryRoutes({ identity, guards, pages }: DirectoryPageParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = async (ctx: PortalContext, { form = emptyForm, steps = [], plan, applied }: Shown) => {
    const unknown = (await identity.directory?.unknownGroups()) ?? [];
    pages.show(ctx, 'directory', {
      title: 'Directory',
      form,
      settings: presentSettings(identity.directory),
      sync: await presentSync(identity.directory),
      unknown: unknown.join(', '),
      fault: identity.directory?.fault?.why ?? '',
      steps: steps.map(step => ({ ...step, badge: states[step.state][0], label: states[step.state][1] })),
      plan: plan === undefined ? null : presentPlan(plan),
      applied: applied === undefined ? null : countsOf(applied),
    });
  };
  router.get('/admin/directory', guards.requireRole('master-admin'), ctx => show(ctx, {}));
  const act = (name: string, run: (ctx: PortalContext, directory: DirectoryDoor) => Promise<Shown>) => {
    router.post(`/admin/directory/${name}`, guards.requireRole('master-admin'), async ctx => {
      const fault = await tryForm({}, {}, async () => show(ctx, await run(ctx, requireDirectory(identity))));
      if (fault === undefined) return;
      ctx.status = fault.status;
      await show(ctx, { form: fault.form });
    });
  };
  act('test', async (ctx, directory) => {
    parse(EMPTY, ctx.request.body);
    return { steps: await directory.test(sessionOf(ctx).actor) };
  });
  act('preview', async (ctx, directory) => {
    parse(EMPTY, ctx.request.body);
    return { plan: await directory.preview(sessionOf(ctx).actor) };
  });
  act('apply', async (ctx, directory) => {
    const { digest } = parse(Apply, ctx.request.body);
    return { applied: await directory.apply(sessionOf(ctx).actor, digest) };
  });
  return router;
}

/** @throws ApplianceError `directory.none` */
function requireDirectory({ directory }: Identity): DirectoryDoor {
  if (directory !== null) return directory;
  throw new ApplianceError('conflict', 'directory.none', 'no directory is set', {
    hint: 'See `directory` in appliance.yaml, then start again.',
  });
}

/** Without what is secret: the password stands in its file and nowhere else. */
function presentSettings(directory: DirectoryDoor | null) {
  if (directory === null) return null;
  const { servers, users, groups, mapping, library, createMembers, bindDn, timeoutSeconds } = directory.config;
  return {
    servers: servers.map(url => ({ url, how: url.startsWith('ldaps:') ? 'LDAPS' : 'StartTLS' })),
    people: `class ${users.objectClass} below ${users.base}; ${users.loginId}, ${users.name}, ${users.id}`,
    groups: `class ${groups.objectClass} below ${groups.base}; ${groups.member}`,
    mapping: mapping.map(({ group, roles, technicianGroup }) => ({ group, roles, place: technicianGroup ?? '' })),
    ...{ library, createMembers, bindDn, timeoutSeconds },
  };
}

async function presentSync(directory: DirectoryDoor | null) {
  if (directory === null || directory.config.syncHours === 0) return null;
  const last = await directory.lastSync();
  return { hours: directory.config.syncHours, at: last?.at ?? null, fault: last?.fault ?? '' };
}

function presentPlan(plan: DirectoryPlan) {
  const rows = plan.rows.slice(0, MAX_ROWS).map(({ kind, loginId, name, changes }) => {
    const [badge, label] = kinds[kind];
    return { loginId, name, changes, badge, label };
  });
  const { conflict } = plan.counts;
  const isWork = plan.rows.length > conflict;
  return { digest: plan.digest, rows, counts: countsOf(plan), more: plan.rows.length - rows.length, isWork };
}

function countsOf({ counts }: DirectoryPlan): string {
  const { create, change, restore, withdraw, conflict, unchanged, noRole } = counts;
  return [
    `${create} new, ${change} changed, ${restore} back, ${withdraw} disabled`,
    `${conflict} left alone, ${unchanged} as they are, ${noRole} in no group of the mapping`,
  ].join('; ');
}
