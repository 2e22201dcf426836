// Opens the window: the system's own Chrome, Chromium or Edge as an app window with a profile of its own, which is deleted
// afterwards; else whatever the system opens pages with. Its sandbox is never switched off.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, win32 } from 'node:path';
import { ApplianceError } from '../errors.ts';

const LINUX_BROWSERS = [
  'google-chrome-stable',
  'google-chrome',
  'chromium',
  'chromium-browser',
  'microsoft-edge-stable',
  'microsoft-edge',
  'brave-browser',
] as const;
const WINDOWS_BROWSERS = [
  'Microsoft\\Edge\\Application\\msedge.exe',
  'Google\\Chrome\\Application\\chrome.exe',
] as const;
const CLOSE_MS = 3000;
/** A program that only hands the page on ends at once; the window itself does not. */
const DELETE_RETRIES = 10;

export interface OpenedBrowser {
  readonly kind: 'app-window' | 'default-browser';
  /** Resolves when an app window's browser has ended; never for the default browser, which is not ours. */
  readonly gone: Promise<void>;
  /** Ends an app window and deletes its profile. */
  close(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws ApplianceError `window.no-browser` */
export async function openBrowser(address: string, environment: Environment = process.env): Promise<OpenedBrowser> {
  const program = findBrowser(environment);
  return program === undefined ? openDefault(address, environment) : openAppWindow(program, address);
}

/** @returns full path of the first that is there */
export function findBrowser(environment: Environment): string | undefined {
  if (process.platform === 'win32') {
    const roots = ['ProgramFiles(x86)', 'ProgramFiles', 'LOCALAPPDATA'].map(name => environment[name] ?? '');
    const paths = WINDOWS_BROWSERS.flatMap(name => roots.filter(Boolean).map(root => win32.join(root, name)));
    return paths.find(isProgram);
  }
  return LINUX_BROWSERS.map(name => findProgram(name, environment)).find(path => path !== undefined);
}

async function openAppWindow(program: string, address: string): Promise<OpenedBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'support-window-')); // 0700
  const options = ['--no-first-run', '--no-default-browser-check', '--disable-sync', '--disable-extensions'];
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-breakpad'];
  const args = [`--app=${address}`, `--user-data-dir=${profile}`, '--window-size=520,820', ...options, ...quiet];
  const child = spawn(program, args, { stdio: 'ignore', detached: process.platform !== 'win32' });
  const gone = ended(child);
  try {
    await started(child);
  } catch (error) {
    await rm(profile, { recursive: true, force: true });
    throw error;
  }
  return {
    kind: 'app-window',
    gone,
    close: async () => {
      await endBrowser(child, gone);
      await rm(profile, { recursive: true, force: true, maxRetries: DELETE_RETRIES, retryDelay: 200 });
    },
  };
}

async function openDefault(address: string, environment: Environment): Promise<OpenedBrowser> {
  const opener = defaultOpener(environment);
  if (opener === undefined) {
    const hint = 'Install Chrome, Chromium, Edge or Firefox.';
    throw new ApplianceError('unavailable', 'window.no-browser', 'there is no browser to show the window in', { hint });
  }
  const child = spawn(opener.program, [...opener.args, address], { stdio: 'ignore' });
  await started(child);
  return { kind: 'default-browser', gone: new Promise(() => undefined), close: async () => undefined };
}

function defaultOpener(environment: Environment): { program: string; args: string[] } | undefined {
  if (process.platform === 'win32') {
    const system = win32.join(environment.SystemRoot ?? 'C:\\Windows', 'System32', 'rundll32.exe');
    return { program: system, args: ['url.dll,FileProtocolHandler'] };
  }
  const program = findProgram('xdg-open', environment);
  return program === undefined ? undefined : { program, args: [] };
}

/** Asks it to close, then insists. It has a process group of its own, so that no helper of it stays when it has gone. */
async function endBrowser(child: ChildProcess, gone: Promise<void>): Promise<void> {
  if (child.pid === undefined) return;
  if (child.exitCode !== null || child.signalCode !== null) return void signal(child, 'SIGKILL');
  signal(child, 'SIGTERM');
  const insist = setTimeout(() => signal(child, 'SIGKILL'), CLOSE_MS);
  await gone;
  clearTimeout(insist);
  signal(child, 'SIGKILL');
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (process.platform === 'win32' || child.pid === undefined) return void child.kill(name);
  try {
    process.kill(-child.pid, name);
  } catch {
    child.kill(name); // the group is gone already, or was never made
  }
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', cause => {
      reject(new ApplianceError('unavailable', 'window.no-browser', 'the browser did not start', { cause }));
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

function findProgram(name: string, environment: Environment): string | undefined {
  // An empty or relative entry of PATH would run what lies in the current folder: the downloads.
  const folders = (environment.PATH ?? '').split(delimiter).filter(folder => folder.startsWith('/'));
  return folders.map(folder => join(folder, name)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // not there, or not ours to run
  }
}
