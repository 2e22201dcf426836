// The sign-in page over the real edge: what it weighs, what it costs gateway and portal, and what a flood of sign-ins
// does to memory and to everyone else (C-07).
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { type Appliance, startAppliance } from '../support/appliance.ts';
import { type Benches, type BenchLine, figure } from '../support/bench-line.ts';

const REQUESTS = 3000;
const WARM_UP = 500;
const ROUNDS = 5;
const TICK_MS = 10; // USER_HZ is 100 on every Linux we run on
const FLOOD = 600;
const FLOOD_AT_ONCE = 200;
const ASK_EVERY_MS = 50;

interface Answered {
  readonly status: number;
  readonly text: string;
  /** Status line, headers and body, as HTTP carries them inside TLS. */
  readonly bytes: number;
}

type Asking = RequestOptions & { readonly body?: string };

async function ask(at: Appliance, path: string, asking: Asking = {}): Promise<Answered> {
  const { headers, body, ...options } = asking;
  const target = { host: '127.0.0.1', servername: 'localhost', port: at.port, ca: at.ca, path };
  const sent = request({ ...target, ...options, headers: { host: `localhost:${at.port}`, ...headers } });
  sent.end(body);
  const [socket] = (await once(sent, 'socket')) as [TLSSocket];
  const before = socket.bytesRead;
  const [answer] = await once(sent, 'response');
  const text = Buffer.concat(await answer.toArray()).toString('latin1');
  return { status: answer.statusCode, text, bytes: socket.bytesRead - before };
}

/** The page with its style and scripts, as a browser that was never here fetches them. */
async function pageBytes(): Promise<BenchLine[]> {
  await using appliance = await startAppliance({ accounts: true });
  const { text } = await ask(appliance, '/sign-in', { agent: false });
  const paths = new Set([...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? ''));
  if (paths.size < 2) throw new RangeError('the page names no style or script');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let bytes = 0;
  for (const path of ['/sign-in', ...paths]) {
    bytes += (await ask(appliance, path, { agent, headers: { 'accept-encoding': 'gzip, br' } })).bytes;
  }
  agent.destroy();
  return [figure('signin-page-bytes', bytes / 1024, 'KiB', 20)];
}

/** Processor time a process has used, in ms (proc_pid_stat(5)). */
function cpuMs(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function residentMib(pid: number | undefined): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/** Each request comes without a cookie, so that no login of the one before makes it cheaper. */
async function pageCpu(): Promise<BenchLine[]> {
  await using appliance = await startAppliance({ accounts: true });
  const { portal, gateway } = appliance.processes;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const fetchMany = async (count: number) => {
    let left = count;
    const client = async () => {
      while (left-- > 0) await ask(appliance, '/sign-in', { agent, headers: { 'accept-encoding': 'gzip, br' } });
    };
    await Promise.all([client(), client(), client(), client()]);
  };
  await fetchMany(WARM_UP);
  const perRequest: { portal: number; both: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = [cpuMs(portal.pid), cpuMs(gateway.pid)] as const;
    await fetchMany(REQUESTS);
    const spent = [cpuMs(portal.pid) - before[0], cpuMs(gateway.pid) - before[1]] as const;
    perRequest.push({ portal: spent[0] / REQUESTS, both: (spent[0] + spent[1]) / REQUESTS });
  }
  agent.destroy();
  const middle = perRequest.toSorted((a, b) => a.both - b.both)[Math.floor(ROUNDS / 2)] ?? { portal: 0, both: 0 };
  return [
    figure('signin-page-cpu', middle.both, 'ms/request, portal and gateway', 1),
    figure('signin-page-cpu-portal', middle.portal, 'ms/request', 1),
  ];
}

/** One address each, or the limiter would turn all but the first few away for nothing. */
async function tryToSignIn(at: Appliance, n: number): Promise<number> {
  const body = `loginId=nobody-${n}%40example.com&password=a-wrong-password`;
  const origin = `https://localhost:${at.port}`;
  const headers = { origin, 'sec-fetch-site': 'same-origin', 'content-type': 'application/x-www-form-urlencoded' };
  const localAddress = `127.0.${1 + Math.floor(n / 200)}.${1 + (n % 200)}`;
  return (await ask(at, '/sign-in', { method: 'POST', agent: false, localAddress, headers, body })).status;
}

async function flood(): Promise<BenchLine[]> {
  await using appliance = await startAppliance({ accounts: true });
  const { pid } = appliance.processes.portal;
  await tryToSignIn(appliance, 0); // warm: the first hash makes its threads
  const base = residentMib(pid);
  const seen = { peakMib: base, slowestMs: 0 };
  let isOver = false;
  const watch = async () => {
    while (!isOver) {
      for (const path of ['/healthz', '/readyz', '/sign-in']) {
        const startedAt = performance.now();
        const { status } = await ask(appliance, path, { agent: false });
        if (status !== 200) throw new Error(`${path} answered ${status}`);
        seen.slowestMs = Math.max(seen.slowestMs, performance.now() - startedAt);
      }
      seen.peakMib = Math.max(seen.peakMib, residentMib(pid));
      await new Promise(resolve => setTimeout(resolve, ASK_EVERY_MS));
    }
  };
  const watching = watch();
  const statuses = new Map<number, number>();
  let next = 1;
  const client = async () => {
    for (let n = next++; n <= FLOOD; n = next++) {
      const status = await tryToSignIn(appliance, n);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: FLOOD_AT_ONCE }, client));
  isOver = true;
  await watching;
  if (statuses.has(200) || statuses.has(303)) throw new Error('a stranger was let in');
  process.stderr.write(`answers: ${JSON.stringify(Object.fromEntries(statuses))}\n`);
  return [
    figure('login-flood-rss', seen.peakMib - base, 'MiB above base', 400),
    figure('login-flood-health', seen.slowestMs / 1000, 's, slowest of health, readiness and page', 1),
  ];
}

export const benches: Benches = {
  'signin-page-bytes': pageBytes,
  'signin-page-cpu': pageCpu,
  'login-flood-rss': flood,
};
