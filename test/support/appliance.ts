// A whole appliance for a test: its real processes on a data folder and a port of its own, without the process manager.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { stringify } from 'yaml';
import type { Role } from '../../appliance/identity/member.ts';
import type { PermissionSettings } from '../../appliance/permissions/groups.ts';
import type { PolicySettings } from '../../appliance/permissions/policy.ts';
import { lendDataFolder } from './lent-data.ts';
import { setRootPolicy } from './root-policy.ts';
import { TempFolder } from './temp-folder.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
const READY_TIMEOUT_MS = 120_000;
const KEPT_OUTPUT_LINES = 200;

export type ProcessName = 'signer' | 'portal' | 'gateway' | 'recorder' | 'jobs';

/** One of the appliance's processes, and what it has written. */
export class ApplianceProcess {
  readonly #args: readonly string[];
  readonly output: string[] = [];
  #waiting: (() => void)[] = [];
  #child: ChildProcess | undefined;

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the process says that it serves. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, this.#args, {
      cwd: ROOT,
      env: { ...process.env, UV_THREADPOOL_SIZE: '8' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) this.#read(stream);
    const said = await Promise.race([
      once(child, 'message').then(([message]) => message),
      once(child, 'exit').then(([code]) => `ended with ${code}`),
      once(AbortSignal.timeout(READY_TIMEOUT_MS), 'abort').then(() => 'said nothing in time'),
    ]);
    if (said !== 'ready') throw new Error(`${this.#args[0]} ${said}\n${this.output.join('\n')}`);
  }

  /** Resolves when it has ended. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Resolves when it ends by itself. */
  async ended(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.kill(signal);
    await this.start();
  }

  /** Resolves with the first line of its log that tells of this, and of what fits, also where it was told before. */
  async told(event: string, fits: (line: Record<string, unknown>) => boolean = () => true) {
    for (;;) {
      const lines = this.output.filter(one => one.includes(`"event":"${event}"`));
      const found = lines.map((line): Record<string, unknown> => JSON.parse(line)).find(fits);
      if (found !== undefined) return found;
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
  }

  /** Whole lines: a chunk may end in the middle of one. */
  #read(stream: Readable | null): void {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      this.#keep(lines);
    });
    stream?.on('end', () => this.#keep([rest]));
  }

  #keep(lines: readonly string[]): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.output.push(...lines.filter(line => line !== ''));
    this.output.splice(0, Math.max(0, this.output.length - KEPT_OUTPUT_LINES));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  text(): string;
  json(): unknown;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Account {
  readonly loginId: string;
  readonly password: string;
}

export interface Appliance extends AsyncDisposable {
  /** `https://localhost:PORT`, without a slash. */
  readonly url: string;
  readonly port: number;
  /** Of the settings' realm: its own address, and its own port. */
  readonly settingsUrl: string;
  readonly settingsPort: number;
  /** PEM of the appliance CA. */
  readonly ca: Buffer;
  /** PEM of the server certificate. */
  readonly certificate: Buffer;
  readonly dataFolder: string;
  /** Code of first setup; undefined when members were asked for. */
  readonly setupCode: string | undefined;
  readonly processes: Record<ProcessName, ApplianceProcess>;
  /** Every gateway, in the order of the configuration; the first is `processes.gateway`. */
  readonly gateways: readonly ApplianceProcess[];
  /** One account per role, and one of the settings, when `accounts` was asked for. */
  readonly accounts: Record<Role | 'settings', Account> | undefined;
  /** Asks over TLS, trusting nothing but the appliance CA; one connection per question. */
  fetch(path: string, asking?: Asking): Promise<Answer>;
  close(): Promise<void>;
}

export interface ApplianceOptions {
  /** With an account per role, as `packaging/run --demo` makes them. */
  readonly accounts?: boolean;
  /** How many gateways, each on a port of its own; one when left out. */
  readonly gateways?: number;
  /** Further ports: `redirectPort`, `metricsPort`. */
  readonly listen?: Readonly<Record<string, number>>;
  /** What the root group demands from the start. */
  readonly rootPolicy?: PolicySettings;
  /** Beside those everyone has. */
  readonly rootPermissions?: PermissionSettings;
  /** Done to its data folder before it starts. */
  readonly before?: (dataFolder: string) => Promise<void>;
  /** With the recorder, which takes a moment to start. */
  readonly recorder?: boolean;
  /** Written into appliance.yaml; port and what the certificates name (names, organisation) are set. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Socket of the helper that runs as root, where there is one. */
  readonly helper?: string;
}

export async function startAppliance(options: ApplianceOptions = {}): Promise<Appliance> {
  const folder = new TempFolder();
  const dataFolder = folder.path;
  const [port, settingsPort] = [await freePort(), await freePort()];
  const listen = { ...options.listen, address: '127.0.0.1', port };
  const gateways = await gatewayEntries(options.gateways ?? 1);
  const demoAccounts = await lendDataFolder(dataFolder, options.accounts ?? false);
  const accounts = demoAccounts === undefined ? undefined : JSON.parse(demoAccounts);
  writeFileSync(
    join(dataFolder, 'appliance.yaml'),
    stringify({ version: 1, gateways, settings: { port: settingsPort }, ...options.config, listen }),
  );
  if (options.rootPolicy !== undefined) await setRootPolicy(dataFolder, options.rootPolicy, options.rootPermissions);
  await options.before?.(dataFolder);
  const args = (name: string, ...more: string[]) => [`appliance/bin/${name}.ts`, '--data', dataFolder, ...more];
  const processes = {
    signer: new ApplianceProcess(args('signer')),
    portal: new ApplianceProcess(args('portal', ...(options.helper === undefined ? [] : ['--helper', options.helper]))),
    gateway: new ApplianceProcess(args('gateway', '--id', 'gateway-1')),
    recorder: new ApplianceProcess(args('recorder')),
    jobs: new ApplianceProcess(args('jobs')),
  };
  const further = gateways.slice(1).map(({ id }) => new ApplianceProcess(args('gateway', '--id', id)));
  const edges = [processes.gateway, ...further];
  const others = [processes.jobs, ...(options.recorder === true ? [processes.recorder] : []), ...edges];
  const close = async () => {
    await Promise.all(others.map(one => one.kill()));
    await processes.portal.kill(); // signs its last log head, so the signer goes last
    await processes.signer.kill();
    folder[Symbol.dispose]();
  };
  try {
    await processes.signer.start();
    await processes.portal.start();
    await Promise.all(others.map(one => one.start()));
  } catch (error) {
    await close();
    throw error;
  }
  const ca = readFileSync(join(dataFolder, 'public', 'ca.crt'));
  const codeFile = join(dataFolder, 'keys', 'setup-code');
  return {
    url: `https://localhost:${port}`,
    ...{ port, ca, settingsPort, settingsUrl: `https://localhost:${settingsPort}` },
    certificate: readFileSync(join(dataFolder, 'public', 'server.crt')),
    dataFolder,
    setupCode: existsSync(codeFile) ? readFileSync(codeFile, 'utf8').trim() : undefined,
    processes,
    gateways: edges,
    accounts,
    fetch: (path, asking = {}) => ask({ port, ca }, path, asking),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function gatewayEntries(count: number): Promise<{ id: string; port?: number }[]> {
  const entries: { id: string; port?: number }[] = [{ id: 'gateway-1' }];
  for (let number = 2; number <= count; number++) entries.push({ id: `gateway-${number}`, port: await freePort() });
  return entries;
}

/** A port nobody listens on now; below those the system gives to outgoing connections, which could take it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    const server = createServer();
    const isFree = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

export function ask(at: { port: number; ca: Buffer }, path: string, asking: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = asking;
    const host = `localhost:${at.port}`;
    const target = { host: '127.0.0.1', port: at.port, servername: 'localhost', ca: at.ca, agent: false };
    const asked = request({ ...target, method, path, headers: { host, ...headers } }, async answer => {
      try {
        const bytes = Buffer.concat(await answer.toArray());
        const text = () => bytes.toString('utf8');
        const { statusCode: status = 0, headers: got } = answer;
        resolve({ status, headers: got, body: bytes, text, json: () => JSON.parse(text()) });
      } catch (error) {
        reject(error);
      }
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
