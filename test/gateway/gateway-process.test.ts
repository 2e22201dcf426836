import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import WebSocket, { type ClientOptions, WebSocketServer } from 'ws';
import { writeLegMessage } from '../../appliance/protocol/applet-leg.ts';
import { makeListKey, signedList } from '../applet/test-gateway.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { TestAuthority } from '../support/test-certificates.ts';
import { readToEnd } from '../support/test-edge.ts';
import { CHALLENGE } from '../support/test-hand-off.ts';

const PROCESS = join(import.meta.dirname, '..', '..', 'appliance', 'bin', 'gateway.ts');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

class GatewayProcess {
  readonly port: number;
  readonly child: ChildProcess;
  readonly authority = new TestAuthority();
  readonly folder: string;
  output = '';

  constructor(folder: string, port: number, id = 'gateway-1') {
    this.folder = folder;
    this.port = port;
    for (const name of ['public', 'keys', 'run']) mkdirSync(join(folder, name));
    this.putCertificate('localhost');
    this.configure('localhost');
    this.child = this.fork(id);
  }

  /** One more process on the same data folder, or the first one. */
  fork(id: string): ChildProcess {
    const child = fork(PROCESS, ['--data', this.folder, '--id', id], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    child.stdout?.on('data', chunk => {
      this.output += String(chunk);
    });
    return child;
  }

  configure(...names: string[]): void {
    const text = `version: 1\nnames: [${names.join(', ')}]\nlisten: { address: 127.0.0.1, port: ${this.port} }\n`;
    writeFileSync(join(this.folder, 'appliance.yaml'), text);
  }

  /** What a gateway on this data folder gives as the list, once it can. */
  async list(port: number): Promise<string> {
    for (;;) {
      const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: this.authority.certificate });
      socket.write('GET /gateway/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      const [head = '', body = ''] = (await readToEnd(socket)).split('\r\n\r\n');
      if (head.startsWith('HTTP/1.1 200')) return body;
      if (!head.startsWith('HTTP/1.1 503')) throw new Error(head);
    }
  }

  /** Status of `/healthz` under a name. */
  async statusFor(host: string): Promise<string> {
    const socket = connect({
      host: '127.0.0.1',
      port: this.port,
      servername: 'localhost',
      ca: this.authority.certificate,
    });
    socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return (await readToEnd(socket)).slice(9, 12);
  }

  putCertificate(...names: string[]): void {
    const made = this.authority.issue({ names });
    writeFileSync(join(this.folder, 'public', 'server.crt'), made.certificate);
    writeFileSync(join(this.folder, 'keys', 'server.key'), made.key, { mode: 0o600 });
  }

  async namesShown(): Promise<string> {
    const socket = connect({
      host: '127.0.0.1',
      port: this.port,
      servername: 'localhost',
      ca: this.authority.certificate,
    });
    await once(socket, 'secureConnect');
    const names = socket.getPeerX509Certificate()?.subjectAltName ?? '';
    socket.destroy();
    return names;
  }

  async says(event: string): Promise<void> {
    while (!this.output.includes(event)) await once(this.child.stdout ?? process, 'data');
  }
}

async function start(t: ExecutionContext, id?: string): Promise<GatewayProcess> {
  const folder = new TempFolder();
  const gateway = new GatewayProcess(folder.path, await freePort(), id);
  t.teardown(() => {
    gateway.child.kill('SIGKILL');
    folder[Symbol.dispose]();
  });
  return gateway;
}

test('A-06 the gateway process says when it serves, reads certificates at SIGHUP, and ends within 3 s of SIGTERM', async t => {
  const gateway = await start(t);
  const [message] = await once(gateway.child, 'message');
  t.is(message, 'ready');
  t.notRegex(await gateway.namesShown(), /renewed/);
  gateway.putCertificate('localhost', 'renewed.test');
  gateway.child.kill('SIGHUP');
  await gateway.says('gateway.certificates-loaded');
  t.regex(await gateway.namesShown(), /renewed/);
  const idle = connect({
    host: '127.0.0.1',
    port: gateway.port,
    servername: 'localhost',
    ca: gateway.authority.certificate,
  });
  await once(idle, 'secureConnect');
  const from = performance.now();
  gateway.child.kill('SIGTERM');
  const [code] = await once(gateway.child, 'exit');
  t.is(code, 0);
  t.true(performance.now() - from < 3000);
  idle.destroy();
});

test('A-06 a gateway that is not configured does not start, and says what would be right', async t => {
  const gateway = await start(t, 'gateway-9');
  const [code] = await once(gateway.child, 'exit');
  t.is(code, 1);
  t.regex(gateway.output, /no port is configured for gateway-9.*under `gateways`/);
});

test('A-06 a port that is taken stops the start with a line in the log', async t => {
  const gateway = await start(t);
  await once(gateway.child, 'message');
  const second = fork(PROCESS, ['--data', gateway.folder], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  let output = '';
  second.stdout?.on('data', chunk => {
    output += String(chunk);
  });
  const [code] = await once(second, 'close');
  t.is(code, 1);
  t.regex(output, /gateway\.start-failed.*EADDRINUSE/);
});

test('A-06 a changed configuration holds after SIGHUP, and a torn one leaves the last that could be read', async t => {
  const gateway = await start(t);
  await once(gateway.child, 'message');
  t.is(await gateway.statusFor('renamed.test'), '421');
  gateway.configure('localhost', 'renamed.test');
  gateway.child.kill('SIGHUP');
  await gateway.says('gateway.certificates-loaded');
  t.is(await gateway.statusFor('renamed.test'), '200');
  writeFileSync(join(gateway.folder, 'appliance.yaml'), 'names: [');
  gateway.child.kill('SIGHUP');
  await gateway.says('gateway.reload-failed');
  t.is(await gateway.statusFor('renamed.test'), '200');
});

test('F-04 the process relays for legs its portal knows, and tells them when it ends', async t => {
  const gateway = await start(t);
  await once(gateway.child, 'message');
  const portal = createHttpServer((_request, response) => response.end('{"pairId":"one"}'));
  await new Promise<void>(resolve => portal.listen(join(gateway.folder, 'run', 'portal-internal.sock'), resolve));
  t.teardown(() => portal.close());
  const options: ClientOptions & ConnectionOptions = {
    ca: gateway.authority.certificate,
    origin: `https://localhost:${gateway.port}`,
    generateMask: mask => mask.fill(0), // as the applet does, so that this side can be either
  };
  const attach = async (role: string) => {
    const address = `wss://localhost:${gateway.port}/gateway/relay/${role}`;
    const leg = new WebSocket(address, ['appliance.link.v1', `token.${'A'.repeat(43)}`], options);
    await once(leg, 'open');
    return leg;
  };
  const technician = await attach('console');
  const applet = await attach('applet');
  applet.send(Buffer.from('through the process'));
  t.is(String((await once(technician, 'message'))[0]), 'through the process');
  const closed = Promise.all([once(technician, 'close'), once(applet, 'close')]);
  gateway.child.kill('SIGTERM');
  t.deepEqual(
    (await closed).map(([code]) => code),
    [1001, 1001],
  );
  const [code] = gateway.child.exitCode === null ? await once(gateway.child, 'exit') : [gateway.child.exitCode];
  t.is(code, 0);
});

test('F-02 F-04 two gateways serve one data folder, and a page of the first may attach at the second', async t => {
  const gateway = await start(t);
  await once(gateway.child, 'message');
  const port = await freePort();
  const gateways = `gateways: [{ id: gateway-1 }, { id: gateway-2, port: ${port} }]\n`;
  appendFileSync(join(gateway.folder, 'appliance.yaml'), gateways);
  gateway.child.kill('SIGHUP');
  await gateway.says('gateway.certificates-loaded');
  const second = gateway.fork('gateway-2');
  t.teardown(() => second.kill('SIGKILL'));
  await once(second, 'message');
  const legs: unknown[] = [];
  const list = signedList(makeListKey(), [{ id: 'gateway-2', host: 'localhost', port }], Date.now());
  const sockets = new WebSocketServer({ noServer: true });
  const portal = createHttpServer((request, response) => {
    response.end(request.url === '/internal/gateway-list' ? list : '{"pairId":"one"}');
  });
  portal.on('upgrade', (request, socket, head) => {
    legs.push(request.headers['x-appliance-gateway']);
    sockets.handleUpgrade(request, socket, head, accepted => accepted.send(writeLegMessage(CHALLENGE)));
  });
  await new Promise<void>(resolve => portal.listen(join(gateway.folder, 'run', 'portal-internal.sock'), resolve));
  t.teardown(() => {
    for (const child of [gateway.child, second]) child.kill('SIGKILL');
    portal.closeAllConnections();
    portal.close();
  });
  const { certificate: ca } = gateway.authority;
  for (const at of [gateway.port, port]) {
    const options = { ca, origin: `https://localhost:${gateway.port}`, servername: 'localhost' };
    const relay = `wss://localhost:${at}/gateway/relay/console`;
    const leg = new WebSocket(relay, ['appliance.link.v1', `token.${'A'.repeat(43)}`], options);
    await once(leg, 'open');
    leg.terminate();
    const applet = new WebSocket(`wss://localhost:${at}/gateway/applet`, ['appliance.applet-leg.v1'], options);
    await once(applet, 'open');
    applet.terminate();
    t.is(await gateway.list(at), list);
  }
  t.deepEqual(legs, ['gateway-1', 'gateway-2']);
});
