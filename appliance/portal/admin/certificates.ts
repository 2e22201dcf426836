// Certificates of the appliance: what browsers are shown, a request for one, one that IT brings along.
import Router from '@koa/router';
import { z } from 'zod';
import type { CertificateDesk } from '../certificate-desk.ts';
import { admittedTo } from '../settings/admitted.ts';
import type { SettingsDesk } from '../settings-desk.ts';
import type { PortalContext, PortalRouter, PortalState } from '../web/context.ts';
import { emptyForm, type Form, tryForm } from '../web/forms.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { parse, text } from '../web/parse.ts';

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
  readonly settings: SettingsDesk;
  readonly guards: Guards;
  readonly pages: Pages;
}

export function certificateRoutes({ certificates, settings, guards, pages }: CertificateParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  const master = guards.requireRole('master-admin');
  const admitted = admittedTo(settings);
  const show = (ctx: PortalContext, form: Form, isDone: boolean) => {
    const list = certificates.list();
    const view = { form, isDone, list, waiting: certificates.waiting(), anchors: certificates.anchors() };
    pages.show(ctx, 'certificates', { title: 'Certificates', ...view });
  };
  router.get('/admin/certificates', master, admitted, ctx => {
    show(ctx, emptyForm, parse(z.object({ done: text }), { done: ctx.query.done }).done === 'yes');
  });
  router.post('/admin/certificates', master, admitted, async ctx => {
    const { chain, key } = parse(InstallForm, ctx.request.body);
    // The key is never shown again, not even to whoever has just typed it.
    const fault = await tryForm({ chain }, fields, async () => {
      await certificates.install(sessionOf(ctx).actor, chain, key);
      goBack(ctx);
    });
    if (fault === undefined) return;
    ctx.status = fault.status;
    show(ctx, fault.form, false);
  });
  router.post('/admin/certificates/request', master, admitted, async ctx => {
    const request = await certificates.request(sessionOf(ctx).actor);
    ctx.set('Content-Disposition', 'attachment; filename="server.csr"');
    ctx.body = request;
    ctx.set('Content-Type', 'application/pkcs10');
  });
  router.post('/admin/certificates/renew', master, admitted, async ctx => {
    await certificates.renew(sessionOf(ctx).actor);
    goBack(ctx);
  });
  router.post('/admin/certificates/:label/remove', master, admitted, async ctx => {
    await certificates.remove(sessionOf(ctx).actor, parse(ByLabel, ctx.params).label);
    goBack(ctx);
  });
  return router;
}

function goBack(ctx: PortalContext): void {
  ctx.status = 303;
  ctx.redirect('/admin/certificates?done=yes');
}
