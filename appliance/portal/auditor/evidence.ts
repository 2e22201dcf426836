// The evidence bundle of a session, for whoever audits (K-03), and the key it is verified with.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Router from '@koa/router';
import { z } from 'zod';
import { parseSessionId } from '../../guid.ts';
import type { EvidenceDesk } from '../evidence-desk.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import { type Guards, sessionOf } from '../web/guards.ts';
import { parse } from '../web/parse.ts';

const OfSession = z.object({ id: z.string().transform(parseSessionId) });

export interface EvidenceParts {
  readonly guards: Guards;
  readonly evidence: Pick<EvidenceDesk, 'bundle' | 'verifier'>;
  /** The data folder's `public/`. */
  readonly publicFolder: string;
}

export function evidenceRoutes({ guards, evidence, publicFolder }: EvidenceParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/auditor/sessions/:id/evidence.zip', guards.requireRole('auditor', 'master-admin'), async ctx => {
    const { id } = parse(OfSession, ctx.params);
    const { bytes, stream } = await evidence.bundle(id, sessionOf(ctx).actor);
    ctx.set('Content-Disposition', `attachment; filename="evidence-${id}.zip"`);
    ctx.body = Readable.from(stream(), { objectMode: false });
    ctx.set('Content-Type', 'application/zip');
    ctx.length = bytes;
  });
  // To be kept: the page inside of a bundle is as good as the bundle.
  router.get('/auditor/verify.html', guards.requireRole('auditor', 'master-admin', 'admin'), async ctx => {
    ctx.set('Content-Disposition', 'attachment; filename="verify.html"');
    ctx.body = await evidence.verifier();
    ctx.set('Content-Type', 'text/html; charset=utf-8');
  });
  router.get('/auditor/manifest.pub', guards.requireRole('auditor', 'master-admin', 'admin'), ctx => {
    ctx.set('Content-Disposition', 'attachment; filename="manifest.pub"');
    ctx.body = readFileSync(join(publicFolder, 'manifest.pub'));
    ctx.set('Content-Type', 'application/x-pem-file');
  });
  return router;
}
