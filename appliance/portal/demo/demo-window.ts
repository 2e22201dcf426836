// The window onto the demo's virtual customer desktop. It is there only where `packaging/run --demo` has started such a
// desktop, and opens only with the secret that this start has drawn and printed: whoever has it sits at that desktop.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import Router from '@koa/router';
import { type WebSocket, WebSocketServer } from 'ws';
import { ApplianceError } from '../../errors.ts';
import type { Assets } from '../web/assets.ts';
import type { PortalRouter, PortalState } from '../web/context.ts';
import type { Guards } from '../web/guards.ts';
import { contentSecurityPolicy } from '../web/headers.ts';
import type { Pages } from '../web/pages.ts';

export const DEMO_STREAM_PATH = '/demo/desktop/stream';
const MAX_MESSAGE_BYTES = 1024 * 1024; // keys, pointer and clipboard of one person
const MAX_UNSENT_BYTES = 16 * 1024 * 1024; // pictures the browser has not taken yet
const SECRET = /^secret\.([A-Za-z0-9_-]{43})$/;

/** Script and style of the page, to be bundled. */
export const demoSources = {
  'demo-window.js': join(import.meta.dirname, 'demo-window.client.ts'),
  'demo-window.css': join(import.meta.dirname, 'demo-window.css'),
} as const;

export interface DemoDesktop {
  /** 32 random bytes as base64url; the page has it in its address, after the `#`. */
  readonly secret: string;
  /** Unix socket of a VNC server (RFC 6143). */
  readonly socketPath: string;
}

export interface DemoWindowParts {
  readonly desktop: DemoDesktop;
  readonly guards: Guards;
  readonly pages: Pages;
  readonly assets: Assets;
}

export class DemoWindow {
  readonly router: PortalRouter = new Router<PortalState>({ sensitive: true, strict: true });
  readonly #desktop: DemoDesktop;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: () => 'binary',
  });

  constructor({ desktop, guards, pages, assets }: DemoWindowParts) {
    this.#desktop = desktop;
    this.router.get('/demo/desktop', guards.requireRole('anyone'), ctx => {
      ctx.set('Content-Security-Policy', contentSecurityPolicy({ connect: [`wss://${ctx.host}`] }));
      pages.showWhole(ctx, 'demo-window', {
        title: 'The customer’s desktop',
        windowStyle: assets.path('demo-window.css'),
        script: assets.path('demo-window.js'),
        stream: DEMO_STREAM_PATH,
      });
    });
  }

  /** @throws ApplianceError `demo.refused` without the secret of this start */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.#isAllowed(request.headers['sec-websocket-protocol'] ?? '')) {
      throw new ApplianceError(
        'refused',
        'demo.refused',
        'the address of the demo’s desktop is that of another start',
        {
          hint: 'Open customer.window of the last READY line.',
        },
      );
    }
    this.#server.handleUpgrade(request, socket, head, opened => pump(opened, this.#desktop.socketPath));
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
  }

  #isAllowed(protocols: string): boolean {
    const offered = protocols.split(',').flatMap(name => SECRET.exec(name.trim())?.[1] ?? []);
    const digest = (text: string) => createHash('sha256').update(text).digest();
    return offered.some(secret => timingSafeEqual(digest(secret), digest(this.#desktop.secret)));
  }
}

/** Passes bytes both ways until either side ends; a browser that takes no more pictures is waited for. */
function pump(browser: WebSocket, socketPath: string): void {
  const desktop = connect(socketPath);
  const end = () => {
    desktop.destroy();
    browser.terminate();
  };
  browser.on('message', data => desktop.write(data as Buffer));
  desktop.on('data', chunk => {
    browser.send(chunk, () => {
      if (browser.bufferedAmount < MAX_UNSENT_BYTES / 2) desktop.resume();
    });
    if (browser.bufferedAmount > MAX_UNSENT_BYTES) desktop.pause();
  });
  browser.on('error', end).on('close', end);
  desktop.on('error', end).on('close', end);
}
