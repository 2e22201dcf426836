// The log that stays on the customer's computer (G-07): the one thing an applet leaves behind, beside the report at the end.
// Each line is on the disk before what it tells of goes on.
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type CustomerReport, type HostLine, type HostLog, hostLine } from '../customer-core/host-log.ts';
import type { SessionId } from '../guid.ts';

const MAX_FILES = 100;
const MAX_LINES = 20_000;

export class HostLogFile implements HostLog {
  readonly path: string;
  readonly #sid: SessionId;
  readonly #lines: HostLine[] = [];
  #file: number | null;

  /** @param startedAt ms UTC; stands in the file's name */
  constructor({ folder, sid, startedAt }: { folder: string; sid: SessionId; startedAt: number }) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#sid = sid;
    const time = new Date(startedAt).toISOString().slice(0, 19).replaceAll(':', '');
    this.path = join(folder, `session-${time}-${sid}.log`);
    this.#file = openSync(this.path, 'ax', 0o600); // never another session's file, never through a link laid there
    sweep(folder);
  }

  get lines(): readonly HostLine[] {
    return this.#lines;
  }

  write(line: HostLine): void {
    if (this.#file === null) return;
    if (this.#lines.length < MAX_LINES) this.#lines.push(line);
    writeSync(this.#file, hostLine(this.#sid, line));
    fsyncSync(this.#file);
  }

  /** @returns where the report lies */
  report(report: CustomerReport): string {
    const path = this.path.replace(/\.log$/, '-report.json');
    writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    return path;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

/** `~/.local/state/<organisation>-support` (XDG base directories), `%LOCALAPPDATA%\<organisation>-support` on Windows. */
export function hostLogFolder(
  organisation: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  home = homedir(),
): string {
  const folder = `${folderName(organisation)}support`;
  if (process.platform === 'win32') return join(environment.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), folder);
  const state = environment.XDG_STATE_HOME;
  return join(state?.startsWith('/') ? state : join(home, '.local', 'state'), folder);
}

function folderName(organisation: string): string {
  const name = organisation
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase();
  return name === '' ? '' : `${name.slice(0, 60)}-`;
}

/** The oldest go first; the date leads the name. */
function sweep(folder: string): void {
  const files = readdirSync(folder).filter(name => /^session-.*\.(log|json)$/.test(name));
  for (const name of files.sort().slice(0, Math.max(0, files.length - MAX_FILES)))
    rmSync(join(folder, name), { force: true });
}
