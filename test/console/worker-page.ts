// A page in Chromium with the console's link Worker, and the wire it meets: TLS, one WebSocket for each path, and the
// three answers of a portal that a link needs. The applet's end is Node, on the other side of the very same WebSocket.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../appliance/clock.ts';
import type { FromLinkWorker, ToLinkWorker } from '../../appliance/console/link-messages.ts';
import { ApplianceError } from '../../appliance/errors.ts';
import { fromBase64Url, toBase64Url } from '../../appliance/guid.ts';
import { Link } from '../../appliance/link/link.ts';
import { type OpenSocket, WebSocketPath } from '../../appliance/link/web-socket-path.ts';
import { NOW, type TestSession, testSession } from '../link/support.ts';
import { ROOT } from '../support/appliance.ts';
import { openBrowser, type TestBrowser } from '../support/chromium.ts';
import { TestAuthority } from '../support/test-certificates.ts';

export class WorkerPage implements AsyncDisposable {
  readonly session: TestSession = testSession();
  /** Sockets of paths, oldest first, as the applet has them. */
  readonly sockets: WebSocket[] = [];
  /** What the Worker has told the page. */
  readonly heard: FromLinkWorker[] = [];
  /** Gateways that take connections. */
  gateways = ['gateway-1'];
  readonly #server: Server;
  readonly #paths = new WebSocketServer({ noServer: true, handleProtocols: () => 'appliance.link.v1' });
  #browser: TestBrowser | undefined;
  #applet: Link | undefined;
  #waiting: (() => void)[] = [];
  #script = '';
  #port = 0;

  private constructor(certificate: { certificate: string; key: string }) {
    const options = { cert: certificate.certificate, key: certificate.key };
    this.#server = createServer(options, (request, response) => void this.#answer(request, response));
    this.#server.on('upgrade', (request, socket, head) => {
      this.#paths.handleUpgrade(request, socket, head, path => void this.#attach(path, request.url ?? ''));
    });
  }

  static async open(): Promise<WorkerPage> {
    const authority = new TestAuthority();
    const certificate = authority.issue({ names: ['localhost'] });
    const page = new WorkerPage(certificate);
    const worker = join(ROOT, 'appliance/console/link-worker.client.ts');
    const made = await build({ entryPoints: [worker], bundle: true, write: false, format: 'iife', logLevel: 'silent' });
    page.#script = made.outputFiles[0]?.text ?? '';
    page.#server.listen(0, '127.0.0.1');
    await once(page.#server, 'listening');
    const address = page.#server.address();
    page.#port = typeof address === 'object' && address !== null ? address.port : 0;
    const ca = Buffer.from(authority.certificate);
    page.#browser = await openBrowser({ ca, certificate: Buffer.from(certificate.certificate) });
    await page.#start();
    return page;
  }

  get complaints(): readonly string[] {
    return this.#browser?.complaints ?? [];
  }

  get applet(): Link {
    if (this.#applet === undefined) throw new Error('no link yet');
    return this.#applet;
  }

  async post(message: ToLinkWorker): Promise<void> {
    const plain = 'bytes' in message ? { ...message, bytes: [...message.bytes] } : message;
    await this.#browser?.page.evaluate(`postToWorker(${JSON.stringify(plain)})`);
  }

  /** Resolves with the first thing the Worker tells, or has told, that fits. */
  async until<T extends FromLinkWorker>(fits: (message: FromLinkWorker) => message is T): Promise<T>;
  async until(fits: (message: FromLinkWorker) => boolean): Promise<FromLinkWorker>;
  async until(fits: (message: FromLinkWorker) => boolean): Promise<FromLinkWorker> {
    for (;;) {
      const found = this.heard.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#applet?.close();
    await this.#browser?.close();
    for (const socket of this.sockets) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #start(): Promise<void> {
    const page = this.#browser?.page;
    await page?.exposeFunction('told', (message: FromLinkWorker | { bytes: number[] }) => {
      const whole = 'bytes' in message ? { ...message, bytes: Uint8Array.from(message.bytes) } : message;
      this.heard.push(whole as FromLinkWorker);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    await page?.goto(`https://localhost:${this.#port}/`);
    await page?.evaluate(`
      const worker = new Worker('/link-worker.js');
      worker.onmessage = ({ data }) => told('bytes' in data ? { ...data, bytes: [...data.bytes] } : data);
      globalThis.postToWorker = message =>
        worker.postMessage('bytes' in message ? { ...message, bytes: Uint8Array.from(message.bytes) } : message);
      undefined`);
    await this.post({ type: 'start', sessionId: this.session.sid });
  }

  async #attach(socket: WebSocket, url: string): Promise<void> {
    this.sockets.push(socket);
    const path = new WebSocketPath('relay', socket as unknown as OpenSocket, systemClock);
    try {
      if (url.endsWith('/attach')) await this.applet.attachPath(path);
      else this.#applet = await Link.acceptApplet(this.session.options('applet'), path);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      path.close(); // the link has ended, as it does when a test is over, while a path to it was being made
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (type: string, body: string) => response.writeHead(200, { 'content-type': type }).end(body);
    const url = request.url ?? '';
    const body = Buffer.concat(await request.toArray()).toString();
    if (url === '/link-worker.js') send('text/javascript', this.#script);
    else if (url.startsWith('/technician/api/')) send('application/json', JSON.stringify(this.#portal(url, body)));
    else send('text/html', '<!doctype html><title>Worker</title><link rel="icon" href="data:,">');
  }

  #portal(url: string, body: string): object {
    const { session } = this;
    const { kid, publicKey } = session.issuer.pinned;
    const asked = JSON.parse(body);
    if (url.endsWith('/link'))
      return {
        ...{ sid: session.sid, psk: toBase64Url(session.psk), time: NOW },
        ...{ keys: [{ kid, spki: toBase64Url(publicKey) }], codesMatch: false, storeChat: true },
      };
    if (url.endsWith('/certify')) {
      const signed = session.issuer.credential('console', session.sid, fromBase64Url(asked.spk));
      return { payload: toBase64Url(signed.payload), signature: toBase64Url(signed.signature) };
    }
    const free = this.gateways.filter(id => !asked.except.includes(id));
    const token = toBase64Url(randomBytes(32));
    const paths = free.map(gateway => ({ gateway, token, url: `wss://localhost:${this.#port}/${asked.purpose}` }));
    return { paths };
  }
}
