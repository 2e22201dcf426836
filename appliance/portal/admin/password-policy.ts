// What passwords must be from now on (C-02).
import Router from '@koa/router';
import { z } from 'zod';
import { ApplianceError } from '../../errors.ts';
import type { Identity } from '../../identity/identity.ts';
import { PasswordPolicy } from '../../identity/password-policy.ts';
import { seenOf } from '../../store/seen.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { afterFault, type Form, formWith, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text, tick } from '../web/parse.ts';

const PolicyForm = z.strictObject({
  minScore: text,
  minLength: text,
  maxAgeDays: text,
  history: text,
  temporaryDays: text,
  seen: text,
});
const PasskeyForm = z.strictObject({ aloneAllowed: tick, seen: text });
const faults: Record<keyof PasswordPolicy, string> = {
  minScore: 'The strength is a number from 0 to 4.',
  minLength: 'The length is a number from 8 to 64.',
  maxAgeDays: 'The age is a number of days from 1 to 3650, or nothing at all.',
  history: 'The history is a number from 0 to 12.',
  temporaryDays: 'The time is a number of days from 1 to 30.',
};

export interface PolicyParts {
  readonly identity: Identity;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function policyRoutes({ identity, guards, pages }: PolicyParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const show = async (ctx: PortalContext, form: Form, isSaved: boolean) => {
    const passkeys = await identity.passkeys.policy();
    const seen = { password: seenOf(await identity.passwords.policy()), passkey: seenOf(passkeys) };
    pages.show(ctx, 'password-policy', { title: 'Password policy', form, isSaved, ...passkeys, seen });
  };
  const stored = async () => {
    const policy = await identity.passwords.policy();
    const values = { ...policy, maxAgeDays: policy.maxAgeDays ?? '' };
    return formWith(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)])));
  };
  router.get('/admin/password-policy', guards.requireRole('master-admin'), async ctx => {
    await show(ctx, await stored(), ctx.query.saved === 'yes');
  });
  router.post('/admin/password-policy', guards.requireRole('master-admin'), async ctx => {
    const typed = parse(PolicyForm, ctx.request.body);
    const fieldOf = Object.fromEntries(Object.keys(faults).map(name => [`password-policy.${name}`, name]));
    const fault = await tryForm(typed, fieldOf, async () => {
      await identity.passwords.setPolicy(sessionOf(ctx).actor, parsePolicy(typed), typed.seen);
      ctx.status = 303;
      ctx.redirect('/admin/password-policy?saved=yes');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, afterFault(fault.form, await stored()), false);
  });
  router.post('/admin/passkey-policy', guards.requireRole('master-admin'), async ctx => {
    const { seen, ...policy } = parse(PasskeyForm, ctx.request.body);
    const now = await stored();
    const fault = await tryForm(now.values, {}, async () => {
      await identity.passkeys.setPolicy(sessionOf(ctx).actor, policy, seen);
      ctx.status = 303;
      ctx.redirect('/admin/password-policy?saved=yes');
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    await show(ctx, fault.form, false);
  });
  return router;
}

function parsePolicy(typed: z.infer<typeof PolicyForm>): PasswordPolicy {
  const number = (text: string) => (/^\d{1,4}$/.test(text.trim()) ? Number(text) : Number.NaN);
  const result = PasswordPolicy.safeParse({
    minScore: number(typed.minScore),
    minLength: number(typed.minLength),
    maxAgeDays: typed.maxAgeDays.trim() === '' ? null : number(typed.maxAgeDays),
    history: number(typed.history),
    temporaryDays: number(typed.temporaryDays),
  });
  if (result.success) return result.data;
  const wrong = Object.keys(faults).find(name => result.error.issues[0]?.path[0] === name) ?? 'minScore';
  const message = faults[wrong as keyof PasswordPolicy];
  throw new ApplianceError('malformed', `password-policy.${wrong}`, message);
}
