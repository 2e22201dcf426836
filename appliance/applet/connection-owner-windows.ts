// Windows: netstat names the process of a connection, tasklist its user and its session. Both are part of Windows and are
// called by their full path, so that nothing lying beside the applet is run in their place.
import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { win32 } from 'node:path';
import { promisify } from 'node:util';
import type { LoopbackConnection } from './connection-owner.ts';

const run = promisify(execFile);
const OPTIONS = { timeout: 10_000, windowsHide: true, maxBuffer: 4 * 1024 * 1024 } as const;

export async function windowsConnectionOwner(connection: LoopbackConnection): Promise<boolean> {
  const table = await run(system32('netstat.exe'), ['-ano', '-p', 'TCP'], OPTIONS);
  const process_ = findProcess(table.stdout, connection);
  if (process_ === undefined) return false;
  const [own, theirs] = await Promise.all([describe(process.pid), describe(process_)]);
  if (own === undefined || theirs === undefined) return false;
  return own.user === theirs.user && own.session === theirs.session && own.user.endsWith(`\\${userInfo().username}`);
}

/** The state is a word in the language of the system, so it is not looked at: both addresses are enough. */
export function findProcess(table: string, { clientPort, serverPort }: LoopbackConnection): number | undefined {
  for (const line of table.split(/\r?\n/)) {
    const columns = line.trim().split(/\s+/);
    const [, local, remote] = columns;
    const pid = Number(columns.at(-1));
    if (local !== `127.0.0.1:${clientPort}` || remote !== `127.0.0.1:${serverPort}`) continue;
    if (Number.isSafeInteger(pid) && pid > 0) return pid;
  }
  return undefined;
}

async function describe(pid: number): Promise<{ user: string; session: string } | undefined> {
  const list = await run(system32('tasklist.exe'), ['/V', '/FO', 'CSV', '/NH', '/FI', `PID eq ${pid}`], OPTIONS);
  return findUser(list.stdout, pid);
}

/** Image name, PID, session name, session number, memory, status, user name, … */
export function findUser(csv: string, pid: number): { user: string; session: string } | undefined {
  for (const line of csv.split(/\r?\n/)) {
    const columns = [...line.matchAll(/"([^"]*)"/g)].map(match => match[1]);
    const [, number, , session, , , user] = columns;
    if (number === String(pid) && session !== undefined && user) return { user, session };
  }
  return undefined;
}

function system32(program: string): string {
  return win32.join(process.env.SystemRoot ?? 'C:\\Windows', 'System32', program);
}
