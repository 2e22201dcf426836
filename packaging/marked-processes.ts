// Which processes belong to a data folder, whoever their parent is by now. pm2 starts each in a process group of its own,
// and a supervisor that was killed leaves them behind: so each carries the folder's path in its environment.
import { readdirSync, readFileSync } from 'node:fs';

/** Environment variable that names the data folder a process works on. */
export const MARK = 'REMOTE_SUPPORT_DATA';

const LOOK_EVERY_MS = 50;

/** Process ids, of this user, that carry the mark of `dataFolder`. */
export function markedProcesses(dataFolder: string): number[] {
  const wanted = `${MARK}=${dataFolder}`;
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(name => environmentOf(name).includes(wanted))
    .map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    // A zombie has an empty environment: what has ended but wasn't collected by its parent doesn't count.
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // it ended just now, or is another user's: neither is ours
  }
}

/** Sends `signal` to each; one that ended meanwhile is no error. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Waits until no marked process is left, at most `timeoutMs`. @returns whether none is left */
export async function untilNoneIsLeft(dataFolder: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (markedProcesses(dataFolder).length > 0) {
    if (performance.now() > deadline) return false;
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}

/** Ends every marked process: asks first, then kills what is left after `graceMs`. @returns how many were killed */
export async function endAll(dataFolder: string, graceMs: number): Promise<number> {
  signalAll(markedProcesses(dataFolder), 'SIGTERM');
  if (await untilNoneIsLeft(dataFolder, graceMs)) return 0;
  let killed = 0;
  do {
    const left = markedProcesses(dataFolder);
    killed += left.length;
    signalAll(left, 'SIGKILL');
  } while (!(await untilNoneIsLeft(dataFolder, 500))); // one may have been started in between
  return killed;
}
