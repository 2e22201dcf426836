// A real logind with one session, on a bus of its own, in a mount namespace of its own: this machine's is not touched. Its state
// is made as it would find it after a restart of itself, since only PID 1 opens sessions.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TempFolder } from './temp-folder.ts';

const SESSION = 'c1';
const SESSION_PATH = `/org/freedesktop/login1/session/${SESSION}`;
const READY = `New session ${SESSION} of user`;

const STATE = `
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/sessions /run/systemd/users /run/systemd/system
cat >/run/systemd/sessions/${SESSION} <<END
UID=0
USER=root
ACTIVE=1
STATE=active
REMOTE=0
TYPE=x11
CLASS=user
SCOPE=session-${SESSION}.scope
LEADER=$$
END
printf 'NAME=root\\nSTATE=active\\nSESSIONS=${SESSION}\\nACTIVE_SESSIONS=${SESSION}\\nDISPLAY=${SESSION}\\n' >/run/systemd/users/0
exec /lib/systemd/systemd-logind
`;

export class Logind implements Disposable {
  readonly #folder: TempFolder;
  readonly #processes: readonly ChildProcess[];
  /** For whoever asks it. */
  readonly environment: NodeJS.ProcessEnv;

  private constructor(folder: TempFolder, processes: readonly ChildProcess[], environment: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#processes = processes;
    this.environment = environment;
  }

  static async start(): Promise<Logind> {
    const folder = new TempFolder();
    const socket = join(folder.path, 'bus');
    const configuration = join(folder.path, 'bus.conf');
    writeFileSync(configuration, busConfiguration(socket));
    const address = `unix:path=${socket}`;
    const environment = { PATH: process.env.PATH, DBUS_SYSTEM_BUS_ADDRESS: address, XDG_SESSION_ID: SESSION };
    const bus = spawn('dbus-daemon', ['--config-file', configuration, '--nofork', '--print-address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await said(bus.stdout, 'unix:path=');
    const logind = spawn('unshare', ['--mount', 'sh', '-ec', STATE], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await said(logind.stderr, READY);
    // There is a logind only in its namespace, and so it is asked there.
    const ask = `#!/bin/sh\nexec /usr/bin/nsenter --mount --target ${logind.pid} /usr/bin/loginctl "$@"\n`;
    writeFileSync(join(folder.path, 'loginctl'), ask, { mode: 0o755 });
    return new Logind(folder, [logind, bus], { ...environment, PATH: `${folder.path}:${process.env.PATH}` });
  }

  /** As a desktop does when its screen is locked, and unlocked. */
  lock(isLocked: boolean): void {
    const call = ['--system', 'call', 'org.freedesktop.login1', SESSION_PATH, 'org.freedesktop.login1.Session'];
    execFileSync('busctl', [...call, 'SetLockedHint', 'b', String(isLocked)], { env: this.environment });
  }

  [Symbol.dispose](): void {
    for (const one of this.#processes) one.kill('SIGKILL');
    this.#folder[Symbol.dispose]();
  }
}

async function said(stream: NodeJS.ReadableStream, words: string): Promise<void> {
  let text = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.on('data', piece => {
    text += piece;
    if (text.includes(words)) resolve();
  });
  once(stream, 'end').then(() => reject(new Error(`it ended: ${text}`)));
  await promise;
}

function busConfiguration(socket: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
`;
}
