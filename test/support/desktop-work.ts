// Work on a virtual desktop, always the same, for measuring what shows it: a terminal that scrolls, a day in an office made
// short, a calm session of support, a film, a key that is pressed, and nothing at all.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { TempFolder } from './temp-folder.ts';
import { windowManagerOn } from './window-manager.ts';

const run = promisify(execFile);

export const WORK = ['scroll', 'office', 'calm', 'video', 'idle', 'key'] as const;
export type Work = (typeof WORK)[number];

export class WorkDesktop implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly #programs: ChildProcess[] = [];
  readonly environment: NodeJS.ProcessEnv;
  #kept = 0;
  #working = true;
  #done: Promise<void> = Promise.resolve();
  /** Called in the work of an editor's user when he has done nothing for a while, and goes on doing nothing. */
  atRest: () => Promise<void> = () => Promise.resolve();

  private constructor(display: string, server: ChildProcess) {
    this.environment = { ...process.env, DISPLAY: `:${display}`, HOME: this.#folder.path };
    this.#programs.push(server);
  }

  static async open(): Promise<WorkDesktop> {
    const flags = ['-displayfd', '3', '-screen', '0', '1920x1080x24', '-noreset', '-ac', '-nolisten', 'tcp'];
    const server = spawn('Xvfb', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const [display] = (await once(createInterface({ input: server.stdio[3] as Readable }), 'line')) as [string];
    const desktop = new WorkDesktop(display, server);
    desktop.start('openbox');
    await windowManagerOn(desktop.environment);
    desktop.keep();
    await run('xsetroot', ['-solid', '#336699'], { env: desktop.environment });
    return desktop;
  }

  start(program: string, ...args: string[]): ChildProcess {
    const child = spawn(program, args, { env: this.environment, stdio: ['pipe', 'pipe', 'ignore'] });
    this.#programs.push(child);
    return child;
  }

  /** What runs now stays when work is stopped. */
  keep(): void {
    this.#kept = this.#programs.length;
  }

  /** Begins work that goes on until `stop`; resolves when it is under way. */
  async begin(work: Work): Promise<void> {
    this.#working = true;
    if (work === 'scroll') await this.#terminal('150x60+60+40', process.execPath, program('scroll-lines.ts'));
    if (work === 'key') await this.#terminal('100x40+100+100', 'cat');
    if (work === 'video') {
      const film = this.start(process.execPath, '--no-warnings', program('video-window.ts'));
      if (film.stdout !== null) await once(createInterface({ input: film.stdout }), 'line');
    }
    if (work === 'office' || work === 'calm') {
      const window = await this.#editor();
      this.#done = work === 'office' ? this.#office(window) : this.#calm(window);
    }
  }

  /** Ends what `begin` began. */
  async stop(): Promise<void> {
    this.#working = false;
    await this.#done;
    for (const child of this.#programs.splice(this.#kept)) await end(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    for (const child of this.#programs.reverse()) await end(child);
    this.#folder[Symbol.dispose]();
  }

  async #terminal(geometry: string, ...command: string[]): Promise<void> {
    this.start('xterm', '-geometry', geometry, '-fa', 'DejaVu Sans Mono', '-fs', '10', '-T', 'work', '-e', ...command);
    await this.#tool('search', '--sync', '--onlyvisible', '--name', '^work$');
    await run('wmctrl', ['-a', 'work'], { env: this.environment });
  }

  async #editor(): Promise<string> {
    const lines = Array.from({ length: 400 }, (_, i) => {
      const words = 'lorem ipsum dolor sit amet, consectetur adipiscing elit';
      return `Line ${i + 1}: ${words} ${(i + 1) * 7919}, sed do eiusmod tempor.\n`;
    });
    const file = join(this.#folder.path, 'work.txt');
    writeFileSync(file, lines.join(''));
    const editor = this.start('mousepad', '--disable-server', file);
    const found = await this.#tool('search', '--sync', '--onlyvisible', '--pid', String(editor.pid));
    const window = found.trim().split('\n').at(-1) ?? '';
    await this.#tool('windowsize', window, '1200', '800', 'windowmove', window, '150', '100', 'windowactivate', window);
    return window;
  }

  /** Typing, menus, pages, and a window that is pulled about. */
  async #office(window: string): Promise<void> {
    for (let round = 1; this.#working; round++) {
      for (const text of ['Dear customer, the printer', ' driver was updated today. ']) await this.#type(90, text);
      await this.#keys(0, 'Return');
      await this.#keys(700, 'alt+f');
      await this.#keys(600, 'Right');
      await this.#keys(600, 'Right');
      await this.#keys(300, 'Escape', 'Escape');
      for (let page = 0; page < 6; page++) await this.#keys(250, 'Next');
      await this.#keys(1000, 'ctrl+Home');
      for (let step = 1; step <= 15; step++) {
        const place = round % 2 === 1 ? step : 15 - step;
        await this.#move(window, 150 + place * 20, 100 + place * 6, 50);
      }
      await this.#rest(1500);
    }
  }

  /** Mostly typing and reading; a menu, a page and a window that is moved once every twenty seconds. */
  async #calm(window: string): Promise<void> {
    for (let round = 1; this.#working; round++) {
      for (const text of ['The printer driver', ' was updated today. ']) await this.#type(160, text);
      await this.#keys(0, 'Return');
      await this.#rest(2000);
      await this.#keys(1200, 'alt+f');
      await this.#keys(2000, 'Escape', 'Escape');
      await this.#keys(2000, 'Next');
      await this.#keys(1500, 'ctrl+Home');
      for (let step = 1; step <= 5; step++) {
        const place = round % 2 === 1 ? step : 5 - step;
        await this.#move(window, 150 + place * 30, 100 + place * 10, 100);
      }
      await this.#rest(3000);
    }
  }

  async #type(delayMs: number, text: string): Promise<void> {
    if (this.#working) await this.#tool('type', '--delay', String(delayMs), text);
  }

  async #keys(pauseMs: number, ...names: string[]): Promise<void> {
    if (!this.#working) return;
    await this.#tool('key', ...names);
    await delay(pauseMs);
  }

  async #move(window: string, x: number, y: number, pauseMs: number): Promise<void> {
    if (!this.#working) return;
    await this.#tool('windowmove', window, String(x), String(y));
    await delay(pauseMs);
  }

  async #rest(ms: number): Promise<void> {
    if (!this.#working) return;
    await delay(ms / 2);
    const from = performance.now();
    await this.atRest();
    await delay(Math.max(0, ms / 2 - (performance.now() - from))); // looking does not make it rest longer
  }

  async #tool(...args: string[]): Promise<string> {
    return (await run('xdotool', args, { env: this.environment })).stdout;
  }
}

function program(name: string): string {
  return resolve(import.meta.dirname, name);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
