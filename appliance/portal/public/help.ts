// Help inside the product: one page for each topic, for anyone, so that it is there when signing in fails.
import { join } from 'node:path';
import Router from '@koa/router';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Guards } from '../web/guards.ts';
import type { Pages } from '../web/pages.ts';
import { type ErrorCode, listErrorCodes } from './error-codes.ts';
import { genuineFacts } from './genuine.ts';

const TOPICS = [
  { name: 'genuine', title: 'For customers: is this genuine?' },
  { name: 'first-steps', title: 'First steps' },
  { name: 'helping', title: 'Helping a customer' },
  { name: 'accounts', title: 'Accounts and signing in' },
  { name: 'groups', title: 'Groups, permissions and policy' },
  { name: 'channels', title: 'Channels: customers come by themselves' },
  { name: 'two-step', title: 'Two-step' },
  { name: 'directory', title: 'Signing in by a directory (LDAP)' },
  { name: 'single-sign-on', title: 'Single sign-on (SAML)' },
  { name: 'settings', title: 'Settings of the appliance' },
  { name: 'certificates', title: 'Certificates' },
  { name: 'programs', title: 'The customer’s program' },
  { name: 'backup', title: 'Backup and restore' },
  { name: 'log', title: 'Verifying the log' },
  { name: 'player', title: 'A session and its films' },
  { name: 'share', title: 'The recording share' },
  { name: 'posts', title: 'Posting sessions to a CRM' },
  { name: 'retention', title: 'How long things are kept' },
  { name: 'erasure', title: 'Erasing a session' },
  { name: 'status', title: 'Status and alerts' },
  { name: 'errors', title: 'Error codes' },
] as const;

export interface HelpParts {
  readonly guards: Pick<Guards, 'requireRole' | 'recognise'>;
  readonly pages: Pages;
  readonly publicFolder: string;
}

export function helpRoutes({ guards, pages, publicFolder }: HelpParts): PortalRouter {
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  let codes: ErrorCode[] | undefined;
  router.get('/help', guards.requireRole('anyone'), async ctx => {
    await guards.recognise(ctx);
    pages.show(ctx, 'help', { title: 'Help', topics: TOPICS });
  });
  for (const { name, title } of TOPICS) {
    router.get(`/help/${name}`, guards.requireRole('anyone'), async ctx => {
      await guards.recognise(ctx);
      if (name === 'errors') codes ??= listErrorCodes(join(import.meta.dirname, '../..'));
      const facts = name === 'genuine' ? genuineFacts(publicFolder) : null;
      pages.show(ctx, `help-${name}`, { title, codes: codes ?? [], facts });
    });
  }
  return router;
}
