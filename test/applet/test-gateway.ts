// A real TLS server that serves a signed list of gateways, with what is needed to make it lie.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcp, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AppletConfiguration } from '../../appliance/applet/configuration.ts';
import { GATEWAY_LIST_PATH } from '../../appliance/applet/gateways.ts';
import { publicKeyInfo, signPayload } from '../../appliance/pki/signature.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import type { TestCertificate } from '../support/test-certificates.ts';

export interface ListKey {
  readonly privateKey: KeyObject;
  readonly info: AppletConfiguration['keys']['tag'][number];
}

export function makeListKey(): ListKey {
  return listKeyFrom(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

export function listKeyFrom(privateKey: KeyObject | string): ListKey {
  const key = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
  const publicKey = createPublicKey(key);
  return { privateKey: key, info: publicKeyInfo(publicKey) };
}

export function signedList(key: ListKey, gateways: readonly { id: string; host: string; port: number }[], now: number) {
  const { kid } = key.info;
  const list = { v: 1, type: 'gateway-list', kid, issuedAt: now, expiresAt: now + 86_400_000, gateways: [...gateways] };
  const payload = canonicalBytes(list);
  const signature = signPayload('appliance/gateway-list/v1', payload, key.privateKey);
  return JSON.stringify({ payload: Buffer.from(payload).toString('base64url'), kid, signature });
}

/** Answers with whatever `list` says at the time; names itself as the only gateway unless told. */
export class TestGateway implements AsyncDisposable {
  readonly #server: ReturnType<typeof createServer>;
  readonly serverNames: string[] = [];
  readonly connections = new Set<Socket>();
  requests = 0;
  list: (port: number) => string;
  /** What answers WebSockets: nobody, unless it is set. */
  upgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | null = null;

  private constructor(certificate: TestCertificate, list: (port: number) => string) {
    this.list = list;
    const context = { cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2' as const };
    this.#server = createServer(context, (request, response) => {
      this.requests++;
      response.writeHead(request.url === GATEWAY_LIST_PATH ? 200 : 404);
      response.end(this.list(this.port));
    });
    this.#server.on('secureConnection', socket => {
      this.serverNames.push(socket.servername || '');
      socket.on('error', () => socket.destroy());
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (this.upgrade === null) socket.destroy();
      else this.upgrade(request, socket, head);
    });
    this.#server.on('connection', (socket: Socket) => {
      this.connections.add(socket);
      socket.on('close', () => this.connections.delete(socket));
    });
  }

  static async start(certificate: TestCertificate, list: (port: number) => string): Promise<TestGateway> {
    const gateway = new TestGateway(certificate, list);
    gateway.#server.listen(0, '127.0.0.1');
    await once(gateway.#server, 'listening');
    return gateway;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.connections) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** An HTTP proxy: CONNECT only, with a password or without. */
export class TestProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly asked: string[] = [];

  private constructor(authorization: string | null, answer: string) {
    this.#server = createTcp(client => {
      this.#sockets.add(client);
      client.on('error', () => client.destroy());
      client.once('data', head => {
        const text = head.toString('latin1');
        this.asked.push(text.split('\r\n')[0] ?? '');
        const isAllowed = authorization === null || text.includes(`Proxy-Authorization: ${authorization}\r\n`);
        if (!isAllowed) return client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
        const port = Number(/^CONNECT \S+:(\d+) /.exec(text)?.[1]);
        const upstream = connect(port, '127.0.0.1', () => {
          client.write(answer);
          client.pipe(upstream).pipe(client);
        });
        this.#sockets.add(upstream);
        upstream.on('error', () => client.destroy());
        return undefined;
      });
    });
  }

  static async start(authorization: string | null = null, answer = 'HTTP/1.1 200 OK\r\n\r\n'): Promise<TestProxy> {
    const proxy = new TestProxy(authorization, answer);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
