// packaging/run as a person starts it: from a shell, on a data folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ROOT } from './appliance.ts';

export interface Ready {
  readonly portal: string;
  readonly settings: string;
  readonly ca: string;
  readonly setup?: string;
  readonly accounts?: Record<string, { loginId: string; password: string }>;
  readonly customer?: { readonly pin?: string; readonly window: string };
}

/** The real packaging/run, as from a shell without terminal and home. */
export class Run implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly lines: string[] = [];
  readonly ended: Promise<number | null>;
  /** What it said on standard error. */
  errors = '';

  constructor(...flags: string[]) {
    const env = { PATH: process.env.PATH ?? '', HOME: '' };
    this.#child = spawn('packaging/run', flags, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr?.on('data', chunk => {
      this.errors += String(chunk);
    });
    if (this.#child.stdout) createInterface({ input: this.#child.stdout }).on('line', line => this.lines.push(line));
    this.ended = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  async ready(): Promise<Ready> {
    const gone = this.ended.then(code => {
      throw new Error(`packaging/run ended with ${code}: ${this.errors}`);
    });
    for (;;) {
      const line = this.lines.find(text => text.startsWith('READY '));
      if (line !== undefined) return JSON.parse(line.slice('READY '.length));
      if (this.#child.stdout === null) throw new Error('no standard output');
      await Promise.race([once(this.#child.stdout, 'data'), gone]);
    }
  }

  async stop(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGTERM');
  }
}

/** Runs it to its end, which is to be a refusal. */
export async function refusal(...flags: string[]): Promise<string> {
  const run = new Run(...flags);
  const code = await run.ended;
  if (code !== 1) throw new Error(`it ended with ${code}: ${run.lines.join('\n')}`);
  return run.errors;
}
