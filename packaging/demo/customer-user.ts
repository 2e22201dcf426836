// Who the demo's customer is on this machine: as root a user of his own without name, files or rights, so that the applet
// runs as it does at a customer's; else whoever has started the demo.
import { randomBytes, randomInt } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MARK, signalAll } from '../marked-processes.ts';

// Of the range systemd draws its dynamic users from (systemd.exec(5)); another one for each start, so that two demos don't
// end each other. Without a line in /etc/passwd there is nothing to remove afterwards.
const UIDS = { from: 61_184, below: 65_000 } as const;
const HOME_PREFIX = join(tmpdir(), 'remote-support-demo-');
const COOKIE_BYTES = 16;
const DELETE_RETRIES = 20; // a browser that is just ending still writes

export class CustomerUser {
  readonly home = mkdtempSync(HOME_PREFIX);
  readonly #ids: { readonly uid: number; readonly gid: number } | undefined;
  readonly #dataFolder: string;

  /** @param dataFolder its mark goes to all he starts, so that a later run finds what a killed one left */
  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder;
    const uid = process.getuid?.() === 0 ? freeUid() : undefined;
    this.#ids = uid === undefined ? undefined : { uid, gid: uid };
    this.own(this.home);
    for (const name of ['tmp', 'run']) {
      mkdirSync(join(this.home, name), { mode: 0o700 });
      this.own(join(this.home, name));
    }
  }

  /** Gives him a file or folder. */
  own(path: string): void {
    if (this.#ids !== undefined) chownSync(path, this.#ids.uid, this.#ids.gid);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.home, name);
    writeFileSync(path, content, { mode: 0o600 });
    this.own(path);
    return path;
  }

  /** The key to his screen, good for any display (Xau(7)). @returns path of the file */
  writeScreenKey(): string {
    const name = Buffer.from('MIT-MAGIC-COOKIE-1');
    const short = (value: number) => Buffer.from([value >> 8, value & 255]);
    const [anyFamily, empty] = [short(0xffff), short(0)];
    const parts = [anyFamily, empty, empty, short(name.length), name, short(COOKIE_BYTES), randomBytes(COOKIE_BYTES)];
    return this.write('.Xauthority', Buffer.concat(parts));
  }

  /** For child_process: as whom, where and in which surroundings he works. */
  options(display?: string) {
    const env = {
      [MARK]: this.#dataFolder,
      HOME: this.home,
      TMPDIR: join(this.home, 'tmp'),
      XDG_RUNTIME_DIR: join(this.home, 'run'),
      XAUTHORITY: join(this.home, '.Xauthority'),
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'C.UTF-8',
      SHELL: '/bin/bash',
      ...(display !== undefined && { DISPLAY: display }),
    };
    return { ...this.#ids, cwd: this.home, env };
  }

  /** Ends what runs under his own user id, then removes his home. */
  close(): void {
    if (this.#ids !== undefined) signalAll(processesOf(this.#ids.uid), 'SIGKILL');
    rmSync(this.home, { recursive: true, force: true, maxRetries: DELETE_RETRIES, retryDelay: 50 });
  }
}

/** Removes the home that a killed run has left; whatever else a path names is not ours to remove. */
export function removeHome(home: string): void {
  const isHome = home.startsWith(HOME_PREFIX) && /^[A-Za-z0-9]{6}$/.test(home.slice(HOME_PREFIX.length));
  if (isHome) rmSync(home, { recursive: true, force: true });
}

function freeUid(): number {
  for (;;) {
    const uid = randomInt(UIDS.from, UIDS.below);
    if (processesOf(uid).length === 0) return uid;
  }
}

function processesOf(uid: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid === uid)
    .map(Number);
}
