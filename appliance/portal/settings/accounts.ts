// Accounts of the settings: who may set this appliance up, and one's own password and second step.
import Router from '@koa/router';
import { z } from 'zod';
import type { SettingsAccounts } from '../../identity/settings-accounts.ts';
import { CHANGE_FAULTS } from '../account/password-form.ts';
import { drawQr, groupSecret } from '../account/qr.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { clearCookie, SETTINGS_COOKIE, setCookie } from '../web/cookies.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import type { Pages } from '../web/pages.ts';
import { ById, parse, text } from '../web/parse.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

const NameForm = z.strictObject({ name: text });
const proof = { code: text, password: text };
const NewForm = z.strictObject({ name: text, ...proof });
const Proof = z.strictObject(proof);
const Code = z.strictObject({ code: text });
const NewPassword = z.strictObject({ current: text, next: text, code: text });
const PROOF_FAULTS = { 'two-step.code-wrong': 'code', 'step-up.wrong': 'password' };
const FAULTS = {
  ...PROOF_FAULTS,
  'member.login-id-malformed': 'name',
  'settings-account.name-taken': 'name',
};

export interface SettingsAccountParts {
  readonly accounts: SettingsAccounts;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
}

export function settingsAccountRoutes(parts: SettingsAccountParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  addList(router, parts);
  addOne(router, parts);
  addOwn(router, parts);
  addOwnTwoStep(router, parts);
  return router;
}

function addList(router: PortalRouter, { accounts, guards, pages }: SettingsAccountParts): void {
  const show = async (ctx: PortalContext, form: Form) => {
    const { account } = settingsSessionOf(ctx);
    const view = { form, accounts: await accounts.list(), own: account.id, hasCode: account.twoStepEnrolled };
    pages.show(ctx, 'accounts', { title: 'Accounts', ...view });
  };
  router.get('/accounts', guards.requireAccount(), ctx => show(ctx, emptyForm));
  router.post('/accounts', guards.requireAccount(), async ctx => {
    const { name, ...typed } = parse(NewForm, ctx.request.body);
    const fault = await tryForm({ name }, FAULTS, async () => {
      await accounts.requireFree(name); // before a code is used up
      await prove(ctx, accounts, typed);
      const { account, temporaryPassword } = await accounts.create(settingsSessionOf(ctx).actor, { name });
      const view = { title: 'Temporary password', account, password: temporaryPassword };
      pages.show(ctx, 'account-password', view);
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return leave(ctx);
    await show(ctx, fault.form);
    ctx.status = fault.status;
  });
}

/** Whoever comes by an account comes by everything here: that takes more than a login that was left open. */
function prove(ctx: PortalContext, accounts: SettingsAccounts, typed: { code: string; password: string }) {
  return accounts.proveAgain(settingsSessionOf(ctx).login, { ...typed, source: ctx.state.address });
}

function addOne(router: PortalRouter, { accounts, guards, pages }: SettingsAccountParts): void {
  const show = async (ctx: PortalContext, form: Form) => {
    const one = await accounts.get(parse(ById, ctx.params).id);
    const values = { name: one.name, ...form.values };
    const { account } = settingsSessionOf(ctx);
    const view = { isOwn: account.id === one.id, hasCode: account.twoStepEnrolled };
    pages.show(ctx, 'account-of', { title: one.name, one, form: { ...form, values }, ...view });
  };
  router.get('/accounts/:id', guards.requireAccount(), ctx => show(ctx, emptyForm));
  const act = (name: string, run: (ctx: PortalContext, id: string) => Promise<void>) =>
    router.post(`/accounts/:id/${name}`, guards.requireAccount(), async ctx => {
      const { id } = parse(ById, ctx.params);
      const fault = await tryForm({}, FAULTS, () => run(ctx, id));
      if (fault === undefined) return;
      if ((await guards.find(ctx, false)) === undefined) return leave(ctx);
      await show(ctx, fault.form);
      ctx.status = fault.status;
    });
  const actor = (ctx: PortalContext) => settingsSessionOf(ctx).actor;
  act('rename', async (ctx, id) => {
    await accounts.rename(actor(ctx), id, parse(NameForm, ctx.request.body).name);
    back(ctx, `/accounts/${id}`);
  });
  act('reset', async (ctx, id) => {
    await prove(ctx, accounts, parse(Proof, ctx.request.body));
    const { temporaryPassword } = await accounts.reset(actor(ctx), id);
    const account = await accounts.get(id);
    pages.show(ctx, 'account-password', { title: 'Temporary password', account, password: temporaryPassword });
  });
  act('remove', async (ctx, id) => {
    await accounts.remove(actor(ctx), id);
    back(ctx, '/accounts');
  });
  for (const isOn of [true, false]) {
    act(isOn ? 'enable' : 'disable', async (ctx, id) => {
      await accounts.setDisabled(actor(ctx), id, !isOn);
      back(ctx, `/accounts/${id}`);
    });
    act(isOn ? 'require-two-step' : 'release-two-step', async (ctx, id) => {
      await accounts.requireTwoStep(actor(ctx), id, isOn);
      back(ctx, `/accounts/${id}`);
    });
  }
}

function addOwn(router: PortalRouter, { accounts, guards, pages }: SettingsAccountParts): void {
  router.get('/account', guards.requireAccount(), ctx =>
    pages.show(ctx, 'own-account', { title: 'My account', account: settingsSessionOf(ctx).account }),
  );
  const show = (ctx: PortalContext, form: Form) =>
    pages.show(ctx, 'settings-password', {
      ...{ title: 'Change password', form, action: '/account/password' },
      hasCode: settingsSessionOf(ctx).account.twoStepEnrolled,
    });
  router.get('/account/password', guards.requireAccount(), ctx => show(ctx, emptyForm));
  router.post('/account/password', guards.requireAccount(), async ctx => {
    const given = { ...parse(NewPassword, ctx.request.body), source: ctx.state.address };
    const fault = await tryForm({}, { ...CHANGE_FAULTS, ...PROOF_FAULTS }, async () => {
      const { token } = await accounts.changePassword(settingsSessionOf(ctx).login, given);
      setCookie(ctx, SETTINGS_COOKIE, token, { sameSite: 'Strict' });
      back(ctx, '/account');
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return leave(ctx);
    ctx.status = fault.status;
    show(ctx, fault.form);
  });
}

function addOwnTwoStep(router: PortalRouter, { accounts, guards, pages }: SettingsAccountParts): void {
  const showEnrol = async (ctx: PortalContext, form: Form, typed = '') => {
    const { secret, uri } = await accounts.beginTwoStep(settingsSessionOf(ctx).account.id, typed);
    const view = { form, secret: groupSecret(secret), qr: await drawQr(uri), action: '/account/two-step' };
    pages.show(ctx, 'settings-enrol', { title: 'Set up two-step', ...view, cancel: '/account' });
  };
  router.get('/account/two-step', guards.requireAccount(), ctx => showEnrol(ctx, emptyForm));
  router.post('/account/two-step', guards.requireAccount(), async ctx => {
    const { code, password } = parse(Proof, ctx.request.body);
    const fault = await tryForm({}, PROOF_FAULTS, async () => {
      const { login } = settingsSessionOf(ctx);
      const { token } = await accounts.confirmTwoStep(login, code, ctx.state.address, password);
      setCookie(ctx, SETTINGS_COOKIE, token, { sameSite: 'Strict' });
      back(ctx, '/account');
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return leave(ctx);
    await showEnrol(ctx, fault.form, code);
    ctx.status = fault.status;
  });
  const showRemove = (ctx: PortalContext, form: Form) =>
    pages.show(ctx, 'settings-two-step-off', { title: 'Turn off two-step', form });
  router.get('/account/two-step/remove', guards.requireAccount(), ctx => showRemove(ctx, emptyForm));
  router.post('/account/two-step/remove', guards.requireAccount(), async ctx => {
    const { code } = parse(Code, ctx.request.body);
    const fault = await tryForm({}, { 'two-step.code-wrong': 'code' }, async () => {
      await accounts.removeTwoStep(settingsSessionOf(ctx).login, code, ctx.state.address);
      back(ctx, '/account');
    });
    if (fault === undefined) return;
    if ((await guards.find(ctx, false)) === undefined) return leave(ctx);
    ctx.status = fault.status;
    showRemove(ctx, fault.form);
  });
}

/** Too many wrong ones: the login has ended. */
function leave(ctx: PortalContext): void {
  clearCookie(ctx, SETTINGS_COOKIE);
  ctx.redirect('/sign-in');
}

function back(ctx: PortalContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
