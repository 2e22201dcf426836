// The port before the start (is it free, and if not, who has it) and after it (does the appliance answer).
import { execFile } from 'node:child_process';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { ApplianceError } from '../appliance/errors.ts';

const PROBE_TIMEOUT_MS = 1000;

/** Listens for a moment. @throws ApplianceError `run.port-taken` or `run.port-forbidden` */
export async function checkPort(address: string, port: number): Promise<void> {
  const code = await tryToListen(address, port);
  if (code === null) return;
  if (code === 'EADDRINUSE') {
    const holder = await findHolder(port);
    throw new ApplianceError('conflict', 'run.port-taken', `port ${port} is in use${holder ? ` by ${holder}` : ''}`, {
      hint: 'Stop that program, or choose another port with --port.',
    });
  }
  if (code === 'EACCES') {
    throw new ApplianceError('refused', 'run.port-forbidden', `this user may not listen on port ${port}`, {
      hint: 'Choose a port from 1024 with --port, or install as a service: packaging/install.',
    });
  }
  throw new ApplianceError('unavailable', 'run.address', `can't listen on ${address} port ${port} (${code})`, {
    hint: 'listen.address in appliance.yaml must be an address of this machine; 0.0.0.0 is all of them.',
  });
}

/** `::`, or 0.0.0.0 where the machine has no IPv6, as many containers. */
export async function anyAddress(): Promise<string> {
  return (await tryToListen('::', 0)) === null ? '::' : '0.0.0.0';
}

function tryToListen(address: string, port: number): Promise<string | null> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** Name and process id of whoever listens on a port, when ss(8) may tell: another user's is only told to root. */
async function findHolder(port: number): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('ss', ['-H', '-ltnp', `sport = :${port}`]);
    const [, name, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(stdout) ?? [];
    return name === undefined ? undefined : `${name} (process ${pid})`;
  } catch {
    return undefined; // no ss here: the message does without
  }
}

export interface Endpoint {
  /** As the configuration says it; `::` and 0.0.0.0 are asked on the loopback. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** PEM; nothing else is trusted. */
  readonly ca: Buffer;
}

/** Asks /readyz once. @returns the status, or undefined when there is no answer */
export function askReadiness(endpoint: Endpoint): Promise<number | undefined> {
  return new Promise(resolve => {
    const asked = request({
      host: { '::': '127.0.0.1', '0.0.0.0': '127.0.0.1' }[endpoint.address] ?? endpoint.address,
      port: endpoint.port,
      path: '/readyz',
      ca: endpoint.ca,
      servername: `applet.${endpoint.host}`, // by this name it shows the appliance CA's certificate, never an uploaded one
      headers: { host: `${endpoint.host}:${endpoint.port}` },
      agent: false,
      timeout: PROBE_TIMEOUT_MS,
    });
    asked.once('response', response => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.once('error', () => resolve(undefined)); // not there yet: the caller asks again
    asked.end();
  });
}
