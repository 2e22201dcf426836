// Kills one process of a running packaging/run, as the kernel would for want of memory, and waits until it serves again.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markedProcesses } from '../../packaging/marked-processes.ts';
import { ask } from './appliance.ts';
import { textIn } from './watched-file.ts';

const SUPERVISOR = 'supervisor.log';

export interface Served {
  readonly data: string;
  readonly port: number;
  readonly ca: Buffer;
}

export type Killable = 'signer' | 'portal' | 'gateway' | 'recorder' | 'jobs';

/** The process manager starts it again by itself, and says so; ava's own time limit is the deadline. */
export async function killOne(at: Served, name: Killable): Promise<void> {
  const pid = find(at.data, name);
  if (pid === undefined) throw new Error(`${name} does not run`);
  const said = readFileSync(join(at.data, 'log', SUPERVISOR), 'utf8').length;
  const online = new RegExp(`"event":"pm2.process","name":"${name}[^"]*","status":"online"`);
  process.kill(pid, 'SIGKILL');
  await textIn(join(at.data, 'log'), SUPERVISOR, log => online.test(log.slice(said)));
  while (!(await isReady(at))); // it serves; the gateway may still be finding that out
}

function find(data: string, name: Killable): number | undefined {
  return markedProcesses(data).find(pid => commandOf(pid).includes(`bin/${name}.ts`));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}

function isReady(at: Served): Promise<boolean> {
  return ask(at, '/readyz').then(
    ({ status }) => status === 200,
    () => false,
  );
}
