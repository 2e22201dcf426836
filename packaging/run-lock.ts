// One packaging/run per data folder. The kernel's own lock (flock(2)) is held by a helper that ends with us, so that a lock
// is never left behind; the file holds our process id, for the message to whoever comes second.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplianceError } from '../appliance/errors.ts';

const TAKEN = 75; // exit code we ask flock(1) for

export class RunLock {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  /** @throws ApplianceError `run.already-running` when another run holds the data folder */
  static async take(dataFolder: string): Promise<RunLock> {
    const path = join(dataFolder, 'run', 'lock');
    // cat(1) tells us by its first byte that the lock is held, and ends when our end of its input goes.
    const command = ['--nonblock', '--conflict-exit-code', String(TAKEN), '--no-fork', path, 'cat'];
    const holder = spawn('flock', command, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    holder.stdin.on('error', () => undefined); // EPIPE, when flock has refused: the exit code below says it
    holder.stdin.write('held\n');
    const held = await Promise.race([
      once(holder.stdout, 'data').then(() => null),
      once(holder, 'exit').then(([code]) => code as number | null),
    ]);
    if (held !== null) throw taken(dataFolder, path, held);
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
    return new RunLock(holder);
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await ended;
  }
}

function taken(dataFolder: string, path: string, code: number): ApplianceError {
  if (code !== TAKEN) {
    return new ApplianceError('unavailable', 'run.no-lock', `${path} can't be locked (flock ended with ${code})`);
  }
  const pid = readFileSync(path, 'utf8').trim();
  return new ApplianceError('conflict', 'run.already-running', `process ${pid} already serves ${dataFolder}`, {
    hint: 'Use that one, stop it with Ctrl-C or kill, or name another folder with --data (and another --port).',
  });
}
