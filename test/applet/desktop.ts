// A customer's desktop: an X server and an unprivileged user with a home of his own. The applet runs on it as that user, with
// his real browser and its real sandbox; a script first on his PATH opens that browser's debugging port for the test.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { on, once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type Browser, chromium, type Page } from 'playwright-core';
import { WebSocket } from 'ws';
import { TempFolder } from '../support/temp-folder.ts';
import { textIn } from '../support/watched-file.ts';
import { windowManagerOn } from '../support/window-manager.ts';

/** Users nobody has: each desktop's is its own, so that what one leaves behind is seen, and no other's. */
const UIDS = { from: 40_000, below: 60_000 } as const;
const BROWSER = '/usr/bin/chromium';

export interface DesktopOptions {
  /** Width, height and depth of its screen. */
  readonly screen?: string;
  /** More of Xvfb's flags, with the folder its files may go into. */
  readonly flags?: (folder: string) => readonly string[];
}

export class Desktop implements AsyncDisposable {
  readonly #temp: TempFolder;
  readonly #server: ChildProcess;
  readonly #programs: ChildProcess[] = [];
  /** The customer's, who has no more rights than any user. */
  readonly uid = randomInt(UIDS.from, UIDS.below);
  readonly environment: Readonly<Record<string, string>>;

  private constructor(temp: TempFolder, server: ChildProcess, display: string) {
    this.#temp = temp;
    this.#server = server;
    this.environment = {
      HOME: this.home,
      DISPLAY: `:${display}`,
      XDG_RUNTIME_DIR: this.home,
      TMPDIR: join(this.home, 'tmp'),
      PATH: `${join(this.home, 'bin')}:/usr/bin:/bin`,
      LANG: 'C.UTF-8',
    };
  }

  static async open({ screen = '1280x900x24', flags: more = () => [] }: DesktopOptions = {}): Promise<Desktop> {
    if (process.getuid?.() !== 0) throw new Error('a customer of his own needs root: run the tests as root');
    const temp = new TempFolder();
    // `-noreset`: else the server begins anew, and drops who is just coming, when the only one who was there has left: a
    // browser that looks for a display before it opens its window is such a one.
    const flags = ['-displayfd', '3', '-screen', '0', screen, '-noreset', '-nolisten', 'tcp'];
    const access = more(temp.path);
    const server = spawn('Xvfb', [...flags, ...(access.includes('-auth') ? access : ['-ac', ...access])], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const lines = createInterface({ input: server.stdio[3] as Readable });
    const [display] = (await once(lines, 'line')) as [string];
    chmodSync(temp.path, 0o755);
    const desktop = new Desktop(temp, server, display);
    for (const folder of [desktop.home, join(desktop.home, 'tmp'), join(desktop.home, 'bin')]) {
      mkdirSync(folder, { mode: 0o700 });
      chownSync(folder, desktop.uid, desktop.uid);
    }
    return desktop;
  }

  /** Where its server's own files are. */
  get folder(): string {
    return this.#temp.path;
  }

  /** To the X server: SIGSTOP makes it stuck, SIGKILL ends it. */
  signal(signal: NodeJS.Signals): void {
    this.#server.kill(signal);
  }

  get home(): string {
    return join(this.#temp.path, 'home');
  }

  /** Puts a browser first on the customer's PATH. */
  installBrowser(): void {
    const script = [
      '#!/bin/sh',
      'for a in "$@"; do case "$a" in',
      `  --app=*) printf '%s' "\${a#--app=}" > ${this.home}/address;;`,
      `  --user-data-dir=*) printf '%s' "\${a#--user-data-dir=}" > ${this.home}/profile;;`,
      'esac; done',
      `exec ${BROWSER} --remote-debugging-port=0 --disable-gpu --disable-dev-shm-usage "$@"`,
    ];
    writeFileSync(join(this.home, 'bin/google-chrome-stable'), `${script.join('\n')}\n`, { mode: 0o755 });
  }

  /** Starts a program as the customer. */
  run(program: string, args: readonly string[] = []): ChildProcess {
    const options = { uid: this.uid, gid: this.uid, env: this.environment, cwd: this.home };
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
    this.#programs.push(child);
    return child;
  }

  /** Starts its window manager. */
  async manage(): Promise<void> {
    this.run('openbox');
    await windowManagerOn({ ...this.environment });
  }

  /** The address the applet gave its browser. */
  address(): string {
    return readFileSync(join(this.home, 'address'), 'utf8');
  }

  /** The window, once its browser is there. */
  async window(): Promise<{ browser: Browser; page: Page }> {
    const profile = await fileIn(this.home, 'profile');
    const [port, path] = (await fileIn(profile, 'DevToolsActivePort')).split('\n');
    const endpoint = `ws://127.0.0.1:${port}${path}`;
    await pageIsOpen(endpoint);
    const browser = await chromium.connectOverCDP(endpoint, { timeout: 0 });
    const [context] = browser.contexts();
    const page = context?.pages()[0] ?? (await context?.waitForEvent('page'));
    if (page === undefined) throw new Error('the browser has no window');
    return { browser, page };
  }

  /** Command lines of the customer's processes. One that is ending has none any more: it shows as `[name]`, and does nothing. */
  async processes(): Promise<string[]> {
    const ps = spawn('ps', ['-u', String(this.uid), '-o', 'args='], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = (await text(ps.stdout)).split('\n');
    return lines.filter(line => line !== '' && !line.startsWith('['));
  }

  /** Resolves when he has no process left: a browser's helpers end a moment after it. Ava's own time limit is the deadline. */
  async isEmpty(): Promise<void> {
    while ((await this.processes()).length > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#programs, this.#server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    this.#temp[Symbol.dispose]();
  }
}

/**
 * Resolves when the window's page has run its script, which takes the code out of its address. A client that comes while the
 * page is being made may wait for its first navigation for ever. Ava's own time limit is the deadline.
 */
async function pageIsOpen(endpoint: string): Promise<void> {
  const socket = new WebSocket(endpoint);
  const messages = on(socket, 'message');
  socket.on('open', () => {
    socket.send(JSON.stringify({ id: 1, method: 'Target.setDiscoverTargets', params: { discover: true } }));
  });
  for await (const [data] of messages) {
    const { type, url } = JSON.parse(String(data)).params?.targetInfo ?? {};
    if (type === 'page' && /^http:[^#]*$/.test(url)) break;
  }
  socket.terminate();
}

/** The text of a file, as soon as there is one. */
export function fileIn(folder: string, name: string): Promise<string> {
  return textIn(folder, name, found => found !== '');
}
