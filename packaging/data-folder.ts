// The data folder at the start: it is there, ours, writable, has room, and nothing half of it is gone. Whatever is wrong
// is said before a process starts, because a key made anew over an old store would lose that store.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { type ApplianceConfig, CONFIG_FILE, readConfig } from '../appliance/config.ts';
import { ApplianceError, describeError } from '../appliance/errors.ts';

/** Least free space to start with: the store's logs, a backup and its check must fit for a while. */
export const LEAST_FREE_BYTES = 256 * 1024 * 1024;

// A Unix socket's path has at most 107 bytes (unix(7)); this is the longest we put into a data folder.
const LONGEST_SOCKET = 'run/portal-internal.sock';
const MAX_SOCKET_PATH_BYTES = 107;

const FOLDERS = ['keys', 'public', 'store', 'backups', 'recordings', 'applet', 'log', 'run'];

/**
 * Makes a new data folder, or checks one that has been used before.
 * @returns its absolute path
 * @throws ApplianceError `data-folder.…`, saying what to do
 */
export function openDataFolder(path: string, leastFreeBytes = LEAST_FREE_BYTES): string {
  const folder = resolve(path);
  checkName(folder);
  makeWritable(folder);
  checkWhole(folder);
  checkSpace(folder, leastFreeBytes);
  for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  return folder;
}

function checkName(folder: string): void {
  const longest = Buffer.byteLength(join(folder, LONGEST_SOCKET));
  if (longest > MAX_SOCKET_PATH_BYTES) {
    throw new ApplianceError('malformed', 'data-folder.too-long', `the path ${folder} is too long`, {
      hint: `Sockets live below it, so it may have ${MAX_SOCKET_PATH_BYTES - LONGEST_SOCKET.length - 1} bytes: choose a shorter one with --data.`,
    });
  }
  if (/[\p{Cc}]/u.test(folder)) {
    throw new ApplianceError('malformed', 'data-folder.name', 'the path of the data folder holds control characters');
  }
}

function makeWritable(folder: string): void {
  const probe = join(folder, `.write-check-${process.pid}`);
  try {
    makeFolder(folder);
    writeFileSync(probe, 'x', { flag: 'wx', flush: true });
    rmSync(probe);
  } catch (cause) {
    if (existsSync(probe)) rmSync(probe);
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    if (full) throw noSpace(folder, 0);
    throw new ApplianceError(
      'unavailable',
      'data-folder.unwritable',
      `${folder} can't be written: ${describeError(cause)}`,
      {
        hint: 'Give this user a folder it may write to, with --data.',
        cause,
      },
    );
  }
}

// Step by step: Node's own `recursive` never returns where the system answers ENOENT to a new folder, as /proc does.
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** Refuses a folder that is somebody else's, and one that has lost a part which can't be made again. */
function checkWhole(folder: string): void {
  const has = (name: string) => existsSync(join(folder, name));
  if (!has(CONFIG_FILE)) {
    if (has('store/core.db') || has('keys/ca.key')) throw broken(folder, `${CONFIG_FILE} is missing`);
    const strangers = readdirSync(folder).filter(name => !FOLDERS.includes(name));
    if (strangers.length > 0) {
      throw new ApplianceError(
        'refused',
        'data-folder.not-ours',
        `${folder} holds other files (${strangers.slice(0, 3).join(', ')})`,
        {
          hint: 'Name an empty or a new folder with --data.',
        },
      );
    }
    return;
  }
  if (!has('store/core.db')) return;
  const lost = ['store.key', 'key-encryption.key', 'ca.key', 'log-head.key'].filter(name => !has(`keys/${name}`));
  if (lost.length > 0) throw broken(folder, `its store is there, but keys/${lost.join(', keys/')} is not`);
}

function broken(folder: string, what: string): ApplianceError {
  return new ApplianceError('unavailable', 'data-folder.broken', `${folder} is not whole: ${what}`, {
    hint: 'Nothing was changed. Bring back what is missing from a backup, or name another folder with --data.',
  });
}

/** @throws ApplianceError `data-folder.no-space` when fewer than `least` bytes are free */
export function checkSpace(folder: string, least: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < least) throw noSpace(folder, bavail * bsize, least);
}

function noSpace(folder: string, free: number, least = LEAST_FREE_BYTES): ApplianceError {
  const mib = (bytes: number) => Math.floor(bytes / 1024 / 1024);
  return new ApplianceError('unavailable', 'data-folder.no-space', `only ${mib(free)} MiB are free in ${folder}`, {
    hint: `At least ${mib(least)} MiB are needed to start. Free some space, or move the folder to a larger disk.`,
  });
}

export interface Wishes {
  /** Port for browsers and applets; what stands in the configuration when undefined. */
  readonly port: number | undefined;
  /** Address for a new folder: `::`, or 0.0.0.0 on a machine without IPv6. */
  readonly address: string;
}

/**
 * Writes the configuration of a new data folder, or notes another port in the one there is.
 * @param template the text of `config/appliance.yaml`
 */
export function settleConfig(folder: string, template: string, wishes: Wishes): ApplianceConfig {
  const path = join(folder, CONFIG_FILE);
  const isNew = !existsSync(path);
  if (!isNew && (wishes.port === undefined || readConfig(folder).listen.port === wishes.port))
    return readConfig(folder);
  // Edited as a document, so that its explanations and an administrator's own notes stay.
  const document = parseDocument(isNew ? template : readFileSync(path, 'utf8'));
  if (isNew) document.setIn(['listen', 'address'], wishes.address);
  if (wishes.port !== undefined) document.setIn(['listen', 'port'], wishes.port);
  writeFileSync(`${path}.new`, document.toString({ lineWidth: 0 }), { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path); // whole or not at all
  return readConfig(folder);
}
