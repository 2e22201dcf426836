// What the relay is measured against, each in a process of its own: our gateway, Debian's HAProxy with TLS on both legs,
// and a bare Node pipe of two TLS sockets. A peer takes a connection and is at the other end of a second one.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import {
  type ConnectionOptions,
  connect,
  createServer as createTls,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { tlsSettings } from '../../appliance/gateway/tls-settings.ts';
import { GATEWAY_FLAGS } from '../../packaging/ecosystem.ts';
import { TempFolder } from './temp-folder.ts';
import { TestAuthority } from './test-certificates.ts';
import { clientFrame } from './websocket-bytes.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MS_PER_NS = 1e-6;
const ALIVE_MS = 4000;
/** Masked with the zero key. */
export const PONG = Buffer.from('8a8000000000', 'hex');
const CLIENT = { host: '127.0.0.1', servername: 'localhost', ...tlsSettings };

/** Two TLS connections of ours; what is written to one comes out of the other. */
export interface JoinedLegs {
  readonly from: TLSSocket;
  readonly to: TLSSocket;
  end(): void;
}

/** One message as bytes to be written, and how many bytes arrive, each way. */
export interface Carried {
  readonly bytes: Buffer;
  readonly there: number;
  readonly back: number;
}

export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  join(): Promise<JoinedLegs>;
  carried(payloadBytes: number): Carried;
}

/** Processor time of a process, all its threads that are there, ms. */
export function cpuMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const spent = tasks.map(task => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]));
  return spent.reduce((sum, one) => sum + one, 0) * MS_PER_NS;
}

export function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Certificates and ports that all peers of one bench share. */
export class BenchGround implements Disposable {
  readonly authority = new TestAuthority();
  readonly #folder = new TempFolder();
  readonly own = this.authority.issue({ names: ['localhost'], addresses: ['127.0.0.1'] });

  get folder(): string {
    return this.#folder.path;
  }

  connect(port: number, localAddress = '127.0.0.1'): Promise<TLSSocket> {
    const options: ConnectionOptions & { localAddress: string } = {
      ...CLIENT,
      port,
      localAddress,
      ca: this.authority.certificate,
    };
    const socket = connect(options);
    socket.setNoDelay(true);
    return new Promise((resolve, reject) => {
      socket.once('secureConnect', () => resolve(socket));
      socket.once('error', reject);
    });
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** The gateway's real process, started as pm2 starts it; its portal is here and knows the tokens. */
export class GatewayPeer implements Peer {
  readonly name = 'gateway';
  readonly port: number;
  readonly #ground: BenchGround;
  readonly #child: ChildProcess;
  readonly #portal: Server;
  readonly #pairs = new Map<string, string>(); // by the digest of a token

  private constructor(ground: BenchGround, port: number, child: ChildProcess, portal: Server) {
    this.#ground = ground;
    this.port = port;
    this.#child = child;
    this.#portal = portal;
    portal.on('request', async (request, response) => {
      if (request.method !== 'POST') return void response.writeHead(404).end();
      const { digest } = JSON.parse(Buffer.concat(await request.toArray()).toString());
      const pairId = this.#pairs.get(digest);
      this.#pairs.delete(digest);
      response.end(JSON.stringify({ pairId }));
    });
  }

  static async start(ground: BenchGround): Promise<GatewayPeer> {
    const folder = join(ground.folder, 'gateway');
    for (const name of ['', 'public', 'keys', 'run']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'public', 'server.crt'), ground.own.certificate);
    writeFileSync(join(folder, 'keys', 'server.key'), ground.own.key, { mode: 0o600 });
    const port = await freePort();
    writeFileSync(join(folder, 'appliance.yaml'), `version: 1\nlisten: { address: 127.0.0.1, port: ${port} }\n`);
    const portal = createServer().listen(join(folder, 'run', 'portal-internal.sock'));
    const bin = join(ROOT, 'appliance', 'bin', 'gateway.ts');
    const child = fork(bin, ['--data', folder], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [...GATEWAY_FLAGS],
    });
    await once(child, 'message');
    return new GatewayPeer(ground, port, child, portal);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async join(): Promise<JoinedLegs> {
    const [from, to] = await this.attachPair(randomBytes(8).toString('hex'));
    // A sign of life from both, so that the gateway need not ask: its pings would be counted as what came through.
    const alive = setInterval(() => [from, to].forEach(leg => void leg.write(PONG)), ALIVE_MS);
    const end = () => {
      clearInterval(alive);
      for (const leg of [from, to]) leg.destroy();
    };
    for (const leg of [from, to]) leg.on('error', () => leg.destroy());
    return { from, to, end };
  }

  async attachPair(pairId: string, localAddress?: string): Promise<[applet: TLSSocket, console: TLSSocket]> {
    return Promise.all([this.#attach('applet', pairId, localAddress), this.#attach('console', pairId, localAddress)]);
  }

  /** An applet's frame, masked with the zero key, which comes out without it; and a console's, which stays as it is. */
  carried(payloadBytes: number): Carried {
    const bytes = clientFrame({ opcode: 2, payload: Buffer.alloc(payloadBytes, 'x'), mask: Buffer.alloc(4) });
    return { bytes, there: bytes.length - 4, back: bytes.length };
  }

  async #attach(role: 'applet' | 'console', pairId: string, localAddress?: string): Promise<TLSSocket> {
    const token = randomBytes(32);
    this.#pairs.set(createHash('sha256').update(token).digest('base64url'), pairId);
    const socket = await this.#ground.connect(this.port, localAddress);
    const head = [
      `GET /gateway/relay/${role} HTTP/1.1`,
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Origin: https://localhost',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      `Sec-WebSocket-Protocol: appliance.link.v1, token.${token.toString('base64url')}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    if (!String(answer).startsWith('HTTP/1.1 101 ')) throw new Error(`not attached: ${answer}`);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child);
    this.#portal.closeAllConnections();
    this.#portal.close();
  }
}

/** A process that takes TLS and opens TLS to a server of ours for each connection. */
export class ProxyPeer implements Peer {
  readonly name: string;
  readonly #ground: BenchGround;
  readonly #port: number;
  readonly #child: ChildProcess | undefined;
  readonly #far: TlsServer;

  private constructor(
    name: string,
    at: { ground: BenchGround; port: number; child: ChildProcess | undefined; far: TlsServer },
  ) {
    this.name = name;
    this.#ground = at.ground;
    this.#port = at.port;
    this.#child = at.child;
    this.#far = at.far;
  }

  static async startHaproxy(ground: BenchGround): Promise<ProxyPeer> {
    const pem = join(ground.folder, 'haproxy.pem');
    writeFileSync(pem, ground.own.certificate + ground.own.key, { mode: 0o600 });
    return ProxyPeer.#start(ground, 'HAProxy', (port, farPort) => {
      const config = join(ground.folder, 'haproxy.cfg');
      writeFileSync(config, haproxyConfig({ port, farPort, pem, ca: join(ground.folder, 'ca.crt') }));
      return spawn('haproxy', ['-db', '-q', '-f', config], { stdio: 'inherit' });
    });
  }

  static async startPipe(ground: BenchGround): Promise<ProxyPeer> {
    writeFileSync(join(ground.folder, 'own.crt'), ground.own.certificate);
    writeFileSync(join(ground.folder, 'own.key'), ground.own.key, { mode: 0o600 });
    const script = join(ROOT, 'test', 'support', 'tls-pipe.ts');
    return ProxyPeer.#start(ground, 'Node pipe', (port, farPort) =>
      fork(script, [ground.folder, String(port), String(farPort)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
  }

  /** The two ends with nobody between. */
  static async startNothing(ground: BenchGround): Promise<ProxyPeer> {
    return ProxyPeer.#start(ground, 'nothing', undefined);
  }

  static async #start(
    ground: BenchGround,
    name: string,
    run: ((port: number, farPort: number) => ChildProcess) | undefined,
  ): Promise<ProxyPeer> {
    writeFileSync(join(ground.folder, 'ca.crt'), ground.authority.certificate);
    const far = createTls({ ...tlsSettings, cert: ground.own.certificate, key: ground.own.key, noDelay: true });
    far.listen(0, '127.0.0.1');
    await once(far, 'listening');
    const address = far.address();
    const farPort = typeof address === 'object' && address ? address.port : 0;
    const port = run === undefined ? farPort : await freePort();
    const child = run?.(port, farPort);
    const peer = new ProxyPeer(name, { ground, port, child, far });
    await peer.#answers();
    return peer;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async join(): Promise<JoinedLegs> {
    const gone = new AbortController();
    const arrived = once(this.#far, 'secureConnection', { signal: gone.signal });
    arrived.catch(() => undefined); // told below
    const from = await this.#ground.connect(this.#port).catch((error: unknown) => {
      gone.abort();
      throw error;
    });
    const [to]: TLSSocket[] = await arrived;
    if (to === undefined) throw new Error('nothing came through');
    to.on('error', () => to.destroy());
    from.on('error', () => from.destroy());
    return { from, to, end: () => [from, to].forEach(leg => void leg.destroy()) };
  }

  /** The same bytes, which all come out. */
  carried(payloadBytes: number): Carried {
    const bytes = clientFrame({ opcode: 2, payload: Buffer.alloc(payloadBytes, 'x'), mask: Buffer.alloc(4) });
    return { bytes, there: bytes.length, back: bytes.length };
  }

  /** Until it takes connections. */
  async #answers(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        (await this.join()).end();
        return;
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise(resolve => setTimeout(resolve, 50));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child);
    this.#far.close();
  }
}

function haproxyConfig(at: { port: number; farPort: number; pem: string; ca: string }): string {
  const tls = 'ssl-min-ver TLSv1.3 ciphersuites TLS_AES_256_GCM_SHA384';
  return `global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen relay
  bind 127.0.0.1:${at.port} ssl crt ${at.pem} ${tls}
  server far 127.0.0.1:${at.farPort} ssl verify required ca-file ${at.ca} sni str(localhost) verifyhost localhost ${tls}
`;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
