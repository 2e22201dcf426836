// The demo customer's computer: a virtual screen with a window manager, an editor and a terminal, and a VNC server of it on
// a Unix socket that the portal's demo page opens.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ApplianceError } from '../../appliance/errors.ts';
import type { CustomerUser } from './customer-user.ts';

const SIZE = '1440x900';
const START_TIMEOUT_MS = 15_000;
const LOOK_EVERY_MS = 50;
const NOTES = `Notes of the demo's customer

This file is open in an editor on a virtual desktop.
Change it as you like: all of it is thrown away at the end.
`;

export class DemoDesktop {
  readonly display: string;
  /** Where its VNC server listens. */
  readonly socketPath: string;
  readonly #programs: readonly ChildProcess[];

  private constructor(display: string, socketPath: string, programs: readonly ChildProcess[]) {
    this.display = display;
    this.socketPath = socketPath;
    this.#programs = programs;
  }

  /** @param logFile takes what its programs say @throws ApplianceError `demo.desktop` when its screen can't be had */
  static async start(user: CustomerUser, logFile: string): Promise<DemoDesktop> {
    const said = openSync(logFile, 'a', 0o600);
    user.write('.bashrc', "PS1='customer:\\w\\$ '\n"); // the user has no name of his own to show
    const screenKey = user.writeScreenKey();
    // `-noreset`: else the server begins anew, and refuses those who come, when the only one who was there has left.
    const screenFlags = [
      '-displayfd',
      '3',
      '-screen',
      '0',
      `${SIZE}x24`,
      '-noreset',
      '-nolisten',
      'tcp',
      '-auth',
      screenKey,
    ];
    const stdio = ['ignore', said, said] as const;
    const screen = spawn('Xvfb', screenFlags, { ...user.options(), stdio: [...stdio, 'pipe'], detached: true });
    const display = `:${await firstLine(screen)}`;
    const socketPath = join(user.home, 'run', 'vnc.sock');
    const run = (program: string, ...args: string[]) => {
      const child = spawn(program, args, { ...user.options(display), stdio: [...stdio], detached: true });
      child.on('error', () => undefined); // not installed: the desktop does without it
      return child;
    };
    const onlySocket = ['-rfbport', '-1', '-rfbunixpath', socketPath, '-rfbunixmode', '0600', '-SecurityTypes', 'None'];
    const programs = [
      screen,
      run('X0tigervnc', '-display', display, ...onlySocket),
      run('openbox'),
      run('xsetroot', '-solid', '#3b5b73'),
      run('xterm', '-geometry', '84x20-20+20', '-fa', 'Monospace', '-fs', '10', '-title', 'Terminal'),
      run('mousepad', user.write('Notes.txt', NOTES)),
    ];
    await untilListening(socketPath);
    return new DemoDesktop(display, socketPath, programs);
  }

  close(): void {
    for (const { pid } of this.#programs) if (pid !== undefined) endGroup(pid);
  }
}

/** Each program leads a process group, so that what it has started goes with it. */
export function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}

async function firstLine(screen: ChildProcess): Promise<string> {
  const failed = Promise.race([
    once(screen, 'error').then(([error]) => String(error)),
    once(screen, 'exit').then(([code]) => `Xvfb ended with ${code}`),
  ]);
  const lines = createInterface({ input: screen.stdio[3] as Readable });
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => String(text)),
    failed.then(why => {
      throw new ApplianceError('unavailable', 'demo.desktop', `the demo has no virtual screen: ${why}`);
    }),
  ]);
  return line;
}

async function untilListening(socketPath: string): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(existsSync(socketPath) && (await answers(socketPath)))) {
    if (performance.now() > deadline) {
      throw new ApplianceError('unavailable', 'demo.desktop', 'the VNC server of the demo does not answer', {
        hint: 'The Debian package tigervnc-scraping-server has it; log/demo.log says more.',
      });
    }
    await new Promise(resume => setTimeout(resume, LOOK_EVERY_MS));
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath, () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
