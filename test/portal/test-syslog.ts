// Syslog servers as they are met: over TLS with octet counting (RFC 5425), and by UDP.
import { createSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { SyslogConfig } from '../../appliance/config.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { TestAuthority } from '../support/test-certificates.ts';

export interface TestSyslog extends AsyncDisposable {
  readonly config: SyslogConfig;
  /** Lines it has got, in their order. */
  readonly lines: readonly string[];
  /** Resolves once it has got so many. */
  until(count: number): Promise<void>;
  /** Nobody answers there any more. */
  stop(): Promise<unknown>;
}

const authority = new TestAuthority();

/** @param names of its certificate */
export async function startTlsSyslog(names: readonly string[] = ['localhost']): Promise<TestSyslog> {
  const folder = new TempFolder();
  const authorities = join(folder.path, 'ca.pem');
  writeFileSync(authorities, authority.certificate);
  const lines: string[] = [];
  const got = new EventEmitter();
  const { certificate: cert, key } = authority.issue({ names });
  const server = createServer({ cert, key }, async socket => {
    socket.on('error', () => undefined); // who doesn't trust us tells us so
    const bytes = Buffer.concat(await socket.toArray().catch(() => []));
    lines.push(...takeApart(bytes));
    got.emit('lines');
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () => new Promise(resolve => server.close(resolve));
  const { port } = server.address() as AddressInfo;
  return {
    config: { protocol: 'tls', host: 'localhost', port, authorities },
    lines,
    until: async count => {
      while (lines.length < count) await once(got, 'lines');
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      if (server.listening) await stop();
      folder[Symbol.dispose]();
    },
  };
}

/** RFC 5425 §4.3: MSG-LEN SP SYSLOG-MSG, without anything between. */
function takeApart(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const space = rest.indexOf(' ');
    const length = Number(rest.subarray(0, space).toString('latin1'));
    const message = rest.subarray(space + 1, space + 1 + length);
    if (!(length > 0) || message.length !== length) throw new Error('that is no frame');
    lines.push(message.toString('utf8'));
    rest = rest.subarray(space + 1 + length);
  }
  return lines;
}

/** `next` resolves with the next datagram. */
export async function startUdpSyslog(): Promise<{ config: SyslogConfig; next: Promise<string> } & Disposable> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const next = once(socket, 'message').then(([message]) => String(message));
  const config = { protocol: 'udp', host: '127.0.0.1', port: socket.address().port, authorities: null } as const;
  return { config, next, [Symbol.dispose]: () => socket.close() };
}
