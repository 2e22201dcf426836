// Runs pm2-runtime on an ecosystem file, watches it, and ends it with everything it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Cancel, systemClock } from '../appliance/clock.ts';
import { createLog, type Log } from '../appliance/log.ts';
import { CREDENTIALS } from '../appliance/pki/password-files.ts';
import type { Ecosystem } from './ecosystem.ts';
import { rotateLogs } from './log-rotation.ts';
import { endAll, MARK } from './marked-processes.ts';

const STOP_GRACE_MS = 4000; // the promise is 5 s for all of it
const ROTATE_EVERY_MS = 60_000;

export class Supervisor {
  readonly #dataFolder: string;
  readonly #pm2: ChildProcess;
  readonly #log: Log;
  readonly #exits = new Map<string, number>();
  readonly #cancelRotation: Cancel;
  /** Resolves when pm2-runtime has ended, asked or not. */
  readonly ended: Promise<void>;

  /** @param node the pinned runtime, @param pm2Runtime path of pm2's own start script */
  constructor(dataFolder: string, node: string, pm2Runtime: string, ecosystem: Ecosystem) {
    this.#dataFolder = dataFolder;
    const logFile = join(dataFolder, 'log', 'supervisor.log');
    this.#log = createLog('supervisor', { write: line => appendFileSync(logFile, line, { mode: 0o600 }) });
    const description = join(dataFolder, 'run', 'ecosystem.json');
    writeFileSync(description, JSON.stringify(ecosystem, null, 2), { mode: 0o600 });
    this.#pm2 = spawn(node, [pm2Runtime, 'start', description, '--no-auto-exit', '--json'], {
      cwd: dataFolder,
      env: environmentFor(dataFolder),
      detached: true, // Ctrl-C in the terminal reaches us only, and we stop it in order
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = once(this.#pm2, 'exit').then(() => undefined);
    for (const stream of [this.#pm2.stdout, this.#pm2.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', line => this.#hear(line));
    }
    this.#cancelRotation = systemClock.every(ROTATE_EVERY_MS, () => {
      for (const file of rotateLogs(join(dataFolder, 'log'))) this.#log.info('log.rotated', { file });
    });
  }

  /** Name of a process that has ended `times` times or more since the start. */
  findRestless(times: number): string | undefined {
    return [...this.#exits].find(([, exits]) => exits >= times)?.[0];
  }

  /** Ends every process of the data folder, in 5 s at most. */
  async close(): Promise<void> {
    this.#cancelRotation();
    const killed = await endAll(this.#dataFolder, STOP_GRACE_MS);
    if (killed > 0) this.#log.warn('stop.killed', { processes: killed });
    await this.ended;
    this.#log.info('stop.done');
  }

  // With --json pm2 tells of its processes in JSON lines. Their own lines come too, but are in their own files already.
  #hear(line: string): void {
    const told = parseLine(line);
    if (told === undefined) {
      if (line.trim() !== '') this.#log.info('pm2.said', { text: line.slice(0, 500) });
    } else if (told.type === 'process_event') {
      this.#log.info('pm2.process', { name: told.app_name, status: told.status });
      if (told.status === 'exit') this.#exits.set(told.app_name, (this.#exits.get(told.app_name) ?? 0) + 1);
    }
  }
}

interface Told {
  readonly type: string;
  readonly app_name: string;
  readonly status: string;
}

function parseLine(line: string): Told | undefined {
  try {
    const { type, app_name, status } = JSON.parse(line);
    return { type: String(type), app_name: String(app_name), status: String(status) };
  } catch {
    return undefined; // plain text of pm2's own
  }
}

// Only what is named here: what stands in our own environment (a key of a monitoring service, NODE_OPTIONS) stays out.
function environmentFor(dataFolder: string): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'NODE_COMPILE_CACHE', CREDENTIALS];
  const kept = names.map(name => [name, process.env[name]]);
  return {
    ...Object.fromEntries(kept.filter(([, value]) => value !== undefined)),
    [MARK]: dataFolder,
    PM2_HOME: join(dataFolder, 'run', 'pm2'),
    PM2_DISABLE_VERSION_CHECK: 'true', // else it asks a server of its maker's once a day
    PM2_CONCURRENT_ACTIONS: '1', // in the order of the list: the signer serves before the portal starts
  };
}
