// Everything a process reads and writes, by strace: on sockets of every kind, and so also what lies plain in its memory
// between TLS on one side and a Unix socket on the other.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TempFolder } from './temp-folder.ts';

const CALLS = 'read,write,readv,writev,recvfrom,sendto,recvmsg,sendmsg,recvmmsg,sendmmsg,pread64,pwrite64,splice';

export class GatewayCapture implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #strace: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  private constructor(folder: TempFolder, strace: ChildProcess) {
    this.#folder = folder;
    this.#strace = strace;
    this.#ended = once(strace, 'exit');
  }

  static async start(pid: number): Promise<GatewayCapture> {
    const folder = new TempFolder();
    const args = [
      '-f',
      '-ff',
      '-s',
      '1048576',
      '-e',
      `trace=${CALLS}`,
      '-o',
      join(folder.path, 'calls'),
      '-p',
      String(pid),
    ];
    const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const capture = new GatewayCapture(folder, strace);
    if (strace.stderr === null) throw new Error('strace has no output');
    const lines = createInterface({ input: strace.stderr }); // read to its end: strace tells of each new thread there
    const [line] = await Promise.race([once(lines, 'line'), capture.#ended]);
    if (!/attached/.test(String(line))) throw new Error(`strace: ${line}`);
    return capture;
  }

  /** Ends it. @returns all of it, as one text */
  async stop(): Promise<string> {
    this.#strace.kill('SIGINT'); // detaches; the process goes on
    await this.#ended;
    const files = readdirSync(this.#folder.path).map(name => readFileSync(join(this.#folder.path, name), 'latin1'));
    return files.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#strace.exitCode === null && this.#strace.signalCode === null) await this.stop();
    this.#folder[Symbol.dispose]();
  }
}
