// Certificates of the appliance: what browsers are shown, a request for one, one that IT brings along.
import Router from '@koa/router';
import { z } from 'zod';
import type { CertificateDesk } from '../certificate-desk.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';
import { type SettingsGuards, settingsSessionOf } from './settings-guards.ts';

const pem = z.string().max(32_768).default('');
const InstallForm = z.strictObject({ chain: pem, key: pem });
const ByLabel = z.strictObject({ label: z.string().max(64) });
/** Which field a fault is about. */
const fields = {
  'certificate.no-key': 'key',
  'certificate.other-key': 'key',
  ...Object.fromEntries(
    ['malformed', 'name', 'dates', 'weak', 'chain', 'purpose'].map(code => [`certificate.${code}`, 'chain']),
  ),
};

export interface CertificateParts {
  readonly certificates: CertificateDesk;
  readonly guards: SettingsGuards;
  readonly pages: Pages;
}

export function certificateRoutes({ certificates, guards, pages }: CertificateParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const account = guards.requireAccount();
  const show = (ctx: PortalContext, form: Form, isDone: boolean) => {
    const list = certificates.list();
    const view = { form, isDone, list, waiting: certificates.waiting(), anchors: certificates.anchors() };
    pages.show(ctx, 'certificates', { title: 'Certificates', ...view });
  };
  router.get('/certificates', account, ctx => {
    show(ctx, emptyForm, parse(z.object({ done: text }), { done: ctx.query.done }).done === 'yes');
  });
  router.post('/certificates', account, async ctx => {
    const { chain, key } = parse(InstallForm, ctx.request.body);
    // The key is never shown again, not even to whoever has just typed it.
    const fault = await tryForm({ chain }, fields, async () => {
      await certificates.install(settingsSessionOf(ctx).actor, chain, key);
      goBack(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    show(ctx, fault.form, false);
  });
  router.post('/certificates/request', account, async ctx => {
    const request = await certificates.request(settingsSessionOf(ctx).actor);
    ctx.set('Content-Disposition', 'attachment; filename="server.csr"');
    ctx.body = request;
    ctx.set('Content-Type', 'application/pkcs10');
  });
  router.post('/certificates/renew', account, async ctx => {
    await certificates.renew(settingsSessionOf(ctx).actor);
    goBack(ctx);
  });
  router.post('/certificates/:label/remove', account, async ctx => {
    await certificates.remove(settingsSessionOf(ctx).actor, parse(ByLabel, ctx.params).label);
    goBack(ctx);
  });
  return router;
}

function goBack(ctx: PortalContext): void {
  ctx.status = 303;
  ctx.redirect('/certificates?done=yes');
}
