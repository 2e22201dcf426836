// The console's viewer in Chromium, joined to the applet's own picture server in this process by one WebSocket.
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../appliance/clock.ts';
import type { PictureCodecs } from '../../appliance/customer-core/picture-codecs.ts';
import { RfbServer } from '../../appliance/customer-core/rfb-server.ts';
import { DECODER_POLICY } from '../../appliance/portal/web/headers.ts';
import { bytesOf } from '../link/support.ts';
import { ROOT } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { TestAuthority } from '../support/test-certificates.ts';
import type { TestScreen } from '../support/test-screen.ts';

/** Under way to the page at most. */
const MAX_UNDER_WAY_BYTES = 256 * 1024;
const SCRIPTS: Readonly<Record<string, { entry: string; format: 'esm' | 'iife'; policy: string }>> = {
  '/viewer.js': { entry: join(import.meta.dirname, 'viewer-page.client.ts'), format: 'esm', policy: '' },
  '/zstd-worker.js': {
    ...{ entry: join(ROOT, 'appliance/console/zstd-worker.client.ts'), format: 'iife', policy: DECODER_POLICY },
  },
};
const BUILD = { bundle: true, write: false, logLevel: 'silent' } as const;
const PAGE =
  '<!doctype html><title>Viewer</title><link rel="icon" href="data:,"><script src="/viewer.js" type="module"></script>';

export class ViewerPage implements AsyncDisposable {
  readonly screen: TestScreen;
  readonly browser: TestBrowser;
  readonly server: RfbServer;
  /** Of the picture, sent so far. */
  sentBytes = 0;
  readonly #socket: WebSocket;
  readonly #web: Server;
  #underWay = 0;
  readonly #lengths: number[] = [];

  private constructor(
    web: Server,
    {
      screen,
      codecs,
      browser,
      socket,
    }: { screen: TestScreen; codecs: PictureCodecs; browser: TestBrowser; socket: WebSocket },
  ) {
    this.#web = web;
    this.#socket = socket;
    this.screen = screen;
    this.browser = browser;
    this.server = new RfbServer({
      ...{ clock: systemClock, source: screen, codecs, name: '<b>desktop</b>' },
      area: () => ({ x: 0, y: 0, width: screen.layout.width, height: screen.layout.height }),
      send: bytes => this.#send(bytes),
      ended: (why, error) => {
        throw new Error(`the picture server has ended: ${why}`, { cause: error });
      },
    });
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.server.receive(bytesOf(data));
      else this.#took();
    });
    this.server.start();
  }

  static async open(screen: TestScreen, codecs: PictureCodecs): Promise<ViewerPage> {
    const authority = new TestAuthority();
    const certificate = authority.issue({ names: ['localhost'] });
    const scripts = new Map<string, { text: string; policy: string }>();
    for (const [path, { entry, format, policy }] of Object.entries(SCRIPTS)) {
      const { outputFiles } = await build({ ...BUILD, entryPoints: [entry], format });
      scripts.set(path, { text: outputFiles[0]?.text ?? '', policy });
    }
    const web = createServer({ cert: certificate.certificate, key: certificate.key }, (request, response) => {
      const script = scripts.get(request.url ?? '');
      if (script === undefined) return void response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      const policy = script.policy === '' ? {} : { 'content-security-policy': script.policy };
      response.writeHead(200, { 'content-type': 'text/javascript', ...policy }).end(script.text);
    });
    const sockets = new WebSocketServer({ server: web });
    web.listen(0, '127.0.0.1');
    await once(web, 'listening');
    const address = web.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const ca = Buffer.from(authority.certificate);
    const browser = await openBrowser({ ca, certificate: Buffer.from(certificate.certificate) });
    const connected = once(sockets, 'connection');
    await browser.page.goto(`https://localhost:${port}/`);
    const [socket] = (await connected) as [WebSocket];
    return new ViewerPage(web, { screen, codecs, browser, socket });
  }

  /** Resolves when the page shows the very pixels of the screen. */
  async settled(): Promise<void> {
    const { page } = this.browser;
    for (;;) {
      const [frames, fault] = await page.evaluate(() => [viewer.frames, over] as const);
      if (fault !== null) throw new Error(`the viewer gave up: ${fault}`);
      if (await this.isExact()) return;
      await page.evaluate(before => drawnAfter(before), frames);
    }
  }

  async isExact(): Promise<boolean> {
    const shown = Buffer.from(await this.browser.page.evaluate(() => pixels()), 'base64');
    const { pixels: wanted } = this.screen;
    if (shown.length !== wanted.length * 3) return false;
    return wanted.every((word, at) => shown.readUIntBE(at * 3, 3) === (word & 0xff_ffff));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    this.#socket.terminate();
    await this.browser.close();
    this.#web.closeAllConnections();
    this.#web.close();
  }

  #send(bytes: Uint8Array): boolean {
    this.#socket.send(bytes);
    this.#lengths.push(bytes.length);
    this.#underWay += bytes.length;
    this.sentBytes += bytes.length;
    return this.#underWay < MAX_UNDER_WAY_BYTES;
  }

  #took(): void {
    const wasFull = this.#underWay >= MAX_UNDER_WAY_BYTES;
    this.#underWay -= this.#lengths.shift() ?? 0;
    if (wasFull && this.#underWay < MAX_UNDER_WAY_BYTES) this.server.drained();
  }
}
