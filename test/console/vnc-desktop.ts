// An X server with programs on it and Debian's TigerVNC server of it: a picture that is none of our making.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { TempFolder } from '../support/temp-folder.ts';

export class VncDesktop implements AsyncDisposable {
  readonly display: string;
  readonly #folder: TempFolder;
  readonly #programs: ChildProcess[];

  private constructor(display: string, folder: TempFolder, server: ChildProcess) {
    this.display = display;
    this.#folder = folder;
    this.#programs = [server];
  }

  static async open(size = '1280x800'): Promise<VncDesktop> {
    const flags = ['-displayfd', '3', '-screen', '0', `${size}x24`, '-noreset', '-nolisten', 'tcp', '-ac'];
    const server = spawn('Xvfb', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const lines = createInterface({ input: server.stdio[3] as Readable });
    const [number] = (await once(lines, 'line')) as [string];
    const desktop = new VncDesktop(`:${number}`, new TempFolder(), server);
    const socket = ['-rfbport', '-1', '-rfbunixpath', desktop.#socketPath, '-SecurityTypes', 'None'];
    const vnc = desktop.run('X0tigervnc', '-display', desktop.display, ...socket);
    await saysListening(vnc);
    return desktop;
  }

  get #socketPath(): string {
    return join(this.#folder.path, 'vnc');
  }

  /** Starts a program on it. */
  run(program: string, ...args: string[]): ChildProcess {
    const env = { PATH: process.env.PATH ?? '', DISPLAY: this.display, HOME: this.#folder.path, LANG: 'C.UTF-8' };
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#programs.push(child);
    return child;
  }

  /** A viewer's way in. */
  async connect(): Promise<Socket> {
    const socket = connect(this.#socketPath);
    await once(socket, 'connect');
    return socket;
  }

  /** Runs a program to its end. @returns what it wrote */
  ask(program: string, ...args: string[]): string {
    const env = { PATH: process.env.PATH ?? '', DISPLAY: this.display };
    return execFileSync(program, args, { env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#programs.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    this.#folder[Symbol.dispose]();
  }
}

async function saysListening(vnc: ChildProcess): Promise<void> {
  const said: string[] = [];
  for (const stream of [vnc.stdout, vnc.stderr]) {
    createInterface({ input: stream as Readable }).on('line', line => {
      said.push(line);
      if (/Listening/i.test(line)) vnc.emit('listening');
    });
  }
  const ended = once(vnc, 'exit').then(() => {
    throw new Error(`the VNC server ended: ${said.join('\n')}`);
  });
  await Promise.race([once(vnc, 'listening'), ended]);
}
