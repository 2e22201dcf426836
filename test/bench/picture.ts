// The customer's desktop as the picture server shows it, against TigerVNC's x0vncserver and x11vnc: one desktop, the same
// work, one measuring client, in turns, so that a busy machine slows all of them; medians of the rounds are compared.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../support/appliance.ts';
import { type Benches, type BenchLine, figure, median } from '../support/bench-line.ts';
import { BridgedSession } from '../support/bridged-session.ts';
import { type Work, WorkDesktop } from '../support/desktop-work.ts';
import type { Measured, Task } from '../support/measure-rfb.ts';
import { NUMBERS } from '../support/rfb-client.ts';
import { codecs } from '../support/rfb-session.ts';

const ROUNDS = 3;
const SECONDS = 12;
const SUPPORT = resolve(import.meta.dirname, '../support');
const COMMON = [NUMBERS.copyRect, NUMBERS.tight, NUMBERS.raw, NUMBERS.cursor, NUMBERS.desktopSize, NUMBERS.lastRect];
const LOSSLESS = [...COMMON, NUMBERS.compression2];
const LOSSY = [...LOSSLESS, NUMBERS.quality6];
/** In the terminal of the work `key`; the letter a. */
const KEY = { x: 300, y: 300, keysym: 97 };

interface Server {
  readonly port: number;
  readonly pid: number;
}

async function startOurs(desktop: WorkDesktop): Promise<Server> {
  const child = desktop.start(process.execPath, '--no-warnings', join(SUPPORT, 'picture-server.ts'));
  if (child.stdout === null) throw new Error('no output');
  const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { port: Number(port), pid: child.pid ?? 0 };
}

async function startTheirs(desktop: WorkDesktop, program: string, flags: (port: string) => string[]): Promise<Server> {
  const port = await freePort();
  const child = desktop.start(program, ...flags(String(port)));
  child.stdout?.resume();
  const failed = once(child, 'exit').then(() => Promise.reject(new Error(`${program} does not run: is it installed?`)));
  await Promise.race([listens(port), failed]);
  failed.catch(() => undefined); // it ends with the desktop
  return { port, pid: child.pid ?? 0 };
}

async function listens(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await delay(50);
    } finally {
      socket.destroy();
    }
  }
}

const startX0 = (desktop: WorkDesktop) =>
  startTheirs(desktop, 'X0tigervnc', port => ['-SecurityTypes=None', `-rfbport=${port}`, '-localhost']);
const startX11vnc = (desktop: WorkDesktop) =>
  startTheirs(desktop, 'x11vnc', port => ['-localhost', '-rfbport', port, '-forever', '-shared', '-nopw', '-quiet']);

async function measure(server: Server, encodings: readonly number[], key: Task['key']): Promise<Measured> {
  const task: Task = { port: server.port, seconds: SECONDS, encodings, key, pids: [server.pid] };
  const args = ['--no-warnings', join(SUPPORT, 'measure-rfb.ts'), JSON.stringify(task)];
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
}

type Contest = Record<string, { readonly server: Server; readonly encodings: readonly number[] }>;

/** Measures each in turn, `ROUNDS` times, each time while the work begins anew. */
async function contest(desktop: WorkDesktop, work: Work, entries: Contest): Promise<Record<string, Measured[]>> {
  const results: Record<string, Measured[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, { server, encodings }] of Object.entries(entries)) {
      await desktop.begin(work);
      const measured = await measure(server, encodings, work === 'key' ? KEY : null);
      await desktop.stop();
      results[name] = [...(results[name] ?? []), measured];
      process.stderr.write(`${work} ${name} ${JSON.stringify({ ...measured, keyMs: median(measured.keyMs) })}\n`);
    }
  }
  return results;
}

type Of = (measured: Measured) => number;
const bytes: Of = measured => measured.kilobytesPerSecond;
const cpu: Of = measured => measured.cpuMsPerSecond;

function against(
  bench: string,
  results: Record<string, Measured[]>,
  [ours, theirs]: readonly [string, string],
  of: Of,
  { unit, goal, least = false }: { readonly unit: string; readonly goal: number; readonly least?: boolean },
): BenchLine {
  const [value, other] = [ours, theirs].map(name => median((results[name] ?? []).map(of))) as [number, number];
  const ratio = value / other;
  const ok = least ? ratio >= goal : ratio <= goal;
  const round = (number: number) => Number(number.toFixed(number < 10 ? 3 : 1));
  return { bench, value: round(value), unit, against: theirs, other: round(other), ratio: round(ratio), goal, ok };
}

/** A desktop, our server on it, and theirs. */
async function withServers<T>(work: (desktop: WorkDesktop, ours: Server, x0: Server) => Promise<T>): Promise<T> {
  await using desktop = await WorkDesktop.open();
  const [ours, x0] = [await startOurs(desktop), await startX0(desktop)];
  desktop.keep();
  return await work(desktop, ours, x0);
}

function lossless(work: Work): Promise<Record<string, Measured[]>> {
  return withServers((desktop, ours, x0) =>
    contest(desktop, work, {
      tight: { server: ours, encodings: LOSSLESS },
      zstd: { server: ours, encodings: [NUMBERS.zstd, ...LOSSLESS] },
      x0: { server: x0, encodings: LOSSLESS },
    }),
  );
}

async function scroll(): Promise<BenchLine[]> {
  const results = await lossless('scroll');
  return [
    against('scroll-bytes', results, ['tight', 'x0'], bytes, { unit: 'kB/s', goal: 0.1 }),
    against('scroll-bytes-zstd', results, ['zstd', 'x0'], bytes, { unit: 'kB/s', goal: 0.1 }),
    against('scroll-cpu', results, ['zstd', 'x0'], cpu, { unit: 'CPU ms/s', goal: 1 }),
  ];
}

async function office(): Promise<BenchLine[]> {
  const results = await lossless('office');
  return [
    against('office-bytes-zstd', results, ['zstd', 'x0'], bytes, { unit: 'kB/s', goal: 0.3 }),
    against('office-bytes-tight', results, ['tight', 'x0'], bytes, { unit: 'kB/s', goal: 0.6 }),
    against('office-cpu', results, ['zstd', 'x0'], cpu, { unit: 'CPU ms/s', goal: 0.75 }),
  ];
}

async function video(): Promise<BenchLine[]> {
  const results = await withServers((desktop, ours, x0) =>
    contest(desktop, 'video', {
      ours: { server: ours, encodings: [NUMBERS.zstd, ...LOSSY] },
      x0: { server: x0, encodings: LOSSY },
    }),
  );
  const perUpdate: Of = measured => measured.cpuMsPerSecond / measured.updatesPerSecond;
  const updates: Of = measured => measured.updatesPerSecond;
  return [
    against('video-cpu', results, ['ours', 'x0'], perUpdate, { unit: 'CPU ms/update', goal: 1.2 }),
    against('video-updates', results, ['ours', 'x0'], updates, { unit: '/s', goal: 0.95, least: true }),
  ];
}

async function idle(): Promise<BenchLine[]> {
  const results = await withServers((desktop, ours) =>
    contest(desktop, 'idle', { ours: { server: ours, encodings: [NUMBERS.zstd, ...LOSSY] } }),
  );
  return [figure('idle-cpu', median((results.ours ?? []).map(cpu)), 'CPU ms/s', 1)];
}

const middleKey: Of = measured => median(measured.keyMs);

/** From the key to the changed pixels at the viewer, without a link, and through link, relay and gateway. */
async function key(): Promise<BenchLine[]> {
  await using desktop = await WorkDesktop.open();
  const [ours, x0, x11vnc] = [await startOurs(desktop), await startX0(desktop), await startX11vnc(desktop)];
  await using session = await BridgedSession.open(desktop.environment, codecs);
  desktop.keep();
  const encodings = [NUMBERS.zstd, ...LOSSLESS];
  const results = await contest(desktop, 'key', {
    link: { server: { port: session.port, pid: process.pid }, encodings },
    direct: { server: ours, encodings },
    x0: { server: x0, encodings: LOSSLESS },
    x11vnc: { server: x11vnc, encodings: LOSSLESS },
  });
  return [
    against('key-to-pixel', results, ['link', 'x0'], middleKey, { unit: 'ms', goal: 0.5 }),
    against('key-to-pixel-direct', results, ['direct', 'x0'], middleKey, { unit: 'ms', goal: 0.5 }),
    against('key-to-pixel-direct', results, ['direct', 'x11vnc'], middleKey, { unit: 'ms', goal: 0.5 }),
  ];
}

export const benches: Benches = { 'scroll-bytes': scroll, office, video, 'idle-cpu': idle, 'key-to-pixel': key };
