// Debian's own firefox-esr, driven by WebDriver BiDi (W3C), with a profile of its own that trusts the test's CA and nothing
// else beside what Firefox does. A second engine for what customers open in whatever browser they have.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { TempFolder } from './temp-folder.ts';

const PROGRAM = '/usr/bin/firefox-esr';
const SCREENSHOTS = resolve(import.meta.dirname, '../../test-output/screenshots');
const WAIT_MS = 60_000;
const LOOK_EVERY_MS = 50;

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
}

export class TestFirefox implements AsyncDisposable {
  readonly #home: TempFolder;
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #context = '';
  #count = 0;

  private constructor(home: TempFolder, process_: ChildProcess, socket: WebSocket) {
    this.#home = home;
    this.#process = process_;
    this.#socket = socket;
    socket.on('message', data => {
      const answer: Answer = JSON.parse(String(data));
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  /** @param ca PEM */
  static async open({ ca, width = 1280, height = 720 }: { ca: string | Buffer; width?: number; height?: number }) {
    const home = new TempFolder();
    const profile = join(home.path, 'profile');
    mkdirSync(profile);
    writeFileSync(join(home.path, 'ca.crt'), ca);
    const certutil = (...args: string[]) => promisify(execFile)('certutil', [...args, '-d', `sql:${profile}`]);
    await certutil('-N', '--empty-password');
    await certutil('-A', '-n', 'test', '-t', 'C,,', '-i', join(home.path, 'ca.crt'));
    const flags = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
    const started = spawn(PROGRAM, [...flags, '--width', String(width), '--height', String(height)], {
      env: { PATH: process.env.PATH ?? '', HOME: home.path, LANG: 'C.UTF-8', MOZ_HEADLESS: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const socket = new WebSocket(`${await addressOf(started)}/session`);
    await once(socket, 'open');
    const firefox = new TestFirefox(home, started, socket);
    await firefox.#ask('session.new', { capabilities: {} });
    const { contexts } = (await firefox.#ask('browsingContext.getTree', {})) as { contexts: { context: string }[] };
    firefox.#context = contexts[0]?.context ?? '';
    return firefox;
  }

  async goto(url: string): Promise<void> {
    await this.#ask('browsingContext.navigate', { context: this.#context, url, wait: 'complete' });
  }

  /** @param expression of JavaScript; a promise is waited for. @returns a string, number, boolean or null */
  async evaluate(expression: string): Promise<unknown> {
    const target = { context: this.#context };
    const answer = await this.#ask('script.evaluate', { expression, target, awaitPromise: true, userActivation: true });
    const { type, result, exceptionDetails } = answer as {
      type: string;
      result?: { value?: unknown };
      exceptionDetails?: { text: string };
    };
    if (type !== 'success') throw new Error(exceptionDetails?.text ?? 'the script failed');
    return result?.value ?? null;
  }

  /** Until the expression is true, whatever page is there meanwhile. */
  async until(expression: string): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while ((await this.evaluate(`Boolean(${expression})`).catch(() => false)) !== true) {
      if (performance.now() > deadline) {
        throw new Error(`never became true: ${expression}\n${String(await this.evaluate('document.body.innerText'))}`);
      }
      await new Promise(done => setTimeout(done, LOOK_EVERY_MS));
    }
  }

  /** Waits for a text on the page. */
  async shows(text: string): Promise<void> {
    await this.until(`document.body.innerText.includes(${JSON.stringify(text)})`);
  }

  /** Clicks the button with this text. */
  async press(text: string): Promise<void> {
    const found = `[...document.querySelectorAll('button')].find(one => one.textContent.includes(${JSON.stringify(text)}))`;
    await this.until(found);
    await this.evaluate(`${found}.click()`);
  }

  async screenshot(name: string): Promise<void> {
    const { data } = (await this.#ask('browsingContext.captureScreenshot', { context: this.#context })) as {
      data: string;
    };
    mkdirSync(SCREENSHOTS, { recursive: true });
    writeFileSync(join(SCREENSHOTS, `${name}.png`), Buffer.from(data, 'base64'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#socket.close();
    this.#process.kill('SIGKILL');
    await ended;
    this.#home[Symbol.dispose]();
  }

  #ask(method: string, params: object): Promise<unknown> {
    const id = ++this.#count;
    const { promise, resolve: done, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, ({ result, error, message }) => {
      this.#waiting.delete(id);
      if (error === undefined) done(result);
      else reject(new Error(`${method}: ${error} ${message}`));
    });
    this.#socket.send(JSON.stringify({ id, method, params }));
    return promise;
  }
}

/** What Firefox says on standard error once it listens. */
async function addressOf(started: ChildProcess): Promise<string> {
  if (started.stderr === null) throw new Error('Firefox has no standard error');
  for await (const line of createInterface({ input: started.stderr })) {
    const address = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(line)?.[1];
    if (address === undefined) continue;
    started.stderr.resume();
    return address;
  }
  throw new Error('Firefox ended before it listened');
}
