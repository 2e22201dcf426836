// The page of the technician's console: a frame around its script, with a policy of its own. What the console asks and is
// told is `/technician/api` and `/technician/events`.
import { join } from 'node:path';
import Router from '@koa/router';
import type { Assets } from '../web/assets.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Guards } from '../web/guards.ts';
import { contentSecurityPolicy, DECODER_POLICY } from '../web/headers.ts';
import type { Organisation, Pages } from '../web/pages.ts';

const CONSOLE_FOLDER = join(import.meta.dirname, '../../console');
const LINK_WORKER = 'link-worker.js';
const VIEWER = 'screen-viewer.js';
const DECODER = 'zstd-worker.js';

/** The console's script, style and Worker, to be bundled. */
export const consoleSources = {
  'console.js': join(CONSOLE_FOLDER, 'console.client.ts'),
  'console.css': join(CONSOLE_FOLDER, 'console.css'),
  [LINK_WORKER]: join(CONSOLE_FOLDER, 'link-worker.client.ts'),
  [DECODER]: join(CONSOLE_FOLDER, 'zstd-worker.client.ts'),
} as const;

/** What the console loads with the first picture: noVNC awaits at its top level, so these are modules. */
export const viewerSources = {
  [VIEWER]: join(CONSOLE_FOLDER, 'screen-viewer.client.ts'),
} as const;

/** Every icon the console's components name; a test compares. */
const ICONS = [
  ...['arrow-right-left', 'camera', 'check', 'check-check', 'circle-alert', 'circle-help', 'circle-user-round'],
  ...['clipboard', 'clock', 'copy', 'download', 'expand', 'eye', 'folder', 'fullscreen', 'globe', 'headset'],
  ...['info', 'key-round', 'keyboard', 'list-checks', 'log-out', 'message-square', 'message-square-text'],
  ...['minimize', 'monitor-up', 'mouse-pointer-2', 'panel-right', 'pause', 'phone-off', 'play', 'plus'],
  ...['pointer', 'power', 'refresh-cw', 'scan', 'send', 'settings', 'terminal', 'trash-2', 'triangle-alert'],
  ...['undo-2', 'upload', 'video', 'x'],
];

export interface ConsolePageParts {
  readonly guards: Guards;
  readonly pages: Pages;
  readonly assets: Assets;
  readonly organisation: Organisation;
  /** The Worker opens the relay's legs there. */
  readonly gateways: () => readonly { readonly port: number }[];
}

export function consolePageRoutes(parts: ConsolePageParts): PortalRouter {
  const { guards, pages, assets, organisation, gateways } = parts;
  const pathOf = (name: string) => assets.path(name).replace('/assets/', '/technician/');
  const [workerPath, decoderPath] = [pathOf(LINK_WORKER), pathOf(DECODER)];
  const router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  router.get('/technician', guards.requireRole('technician'), ctx => {
    // Lit makes its templates under the one policy, scripts of Workers are named by the other.
    const policies = ['lit-html', 'workers'];
    ctx.set('Content-Security-Policy', contentSecurityPolicy({ connect: [`wss://${ctx.host}`], policies, app: true }));
    pages.showWhole(ctx, 'console', {
      title: 'Console',
      icons: ICONS,
      consoleStyle: assets.path('console.css'),
      script: assets.path('console.js'),
      worker: workerPath,
      viewer: assets.path(VIEWER),
      decoder: decoderPath,
    });
  });
  router.get(workerPath, guards.requireRole('anyone'), ctx => {
    // A Worker has the policy its own script came with: it opens legs at every gateway, and nothing else.
    const relays = gateways().map(({ port }) => `wss://${ctx.hostname}:${port}`);
    ctx.set('Content-Security-Policy', contentSecurityPolicy({ connect: [`wss://${ctx.host}`, ...relays] }));
    assets.answer(ctx, LINK_WORKER);
  });
  router.get(decoderPath, guards.requireRole('anyone'), ctx => {
    ctx.set('Content-Security-Policy', DECODER_POLICY);
    assets.answer(ctx, DECODER);
  });
  router.get('/technician/console.webmanifest', guards.requireRole('anyone'), ctx => {
    ctx.body = JSON.stringify(manifest(organisation, assets));
    ctx.set('Content-Type', 'application/manifest+json');
    ctx.set('Cache-Control', 'max-age=3600');
  });
  return router;
}

function manifest({ name }: Organisation, assets: Assets): object {
  const icon = { src: assets.path('favicon.svg'), type: 'image/svg+xml', sizes: 'any' };
  return {
    id: '/technician',
    name: name === '' ? 'Support console' : `${name} support console`,
    short_name: 'Support',
    start_url: '/technician',
    scope: '/technician',
    display: 'standalone',
    background_color: '#f4f6f9',
    theme_color: '#1f5fbf',
    icons: [
      { ...icon, purpose: 'any' },
      { ...icon, purpose: 'maskable' },
    ],
  };
}
