// Files in `keys/`: 0600 in a 0700 folder, written whole or not at all, never overwritten.
import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ApplianceError } from '../errors.ts';

export const KEYS_FOLDER = 'keys';
export const PUBLIC_FOLDER = 'public';
const PART = /^\..+\.[0-9a-f]{12}$/;
const PART_AGE_MS = 10 * 60_000; // another writer may be at work on a younger one

/** @throws ApplianceError `keys.exposed` when another user of the machine can look into it */
export function prepareKeysFolder(dataFolder: string): string {
  const folder = join(dataFolder, KEYS_FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkPrivate(folder);
  return folder;
}

/** @throws ApplianceError `keys.exposed` */
export function checkPrivate(path: string): void {
  const { mode, uid } = statSync(path);
  const own = process.getuid?.() ?? uid;
  if ((mode & 0o077) === 0 && (uid === own || own === 0)) return;
  throw new ApplianceError('refused', 'keys.exposed', `${path} can be read by other users of this machine`, {
    hint: `Find out who has read it, then: chmod go-rwx ${path}`,
  });
}

/**
 * Writes a new file. Under its name it is there complete or not at all, after a power cut too.
 * @returns false when it was there already; it is left as it is
 */
export function writeNewFile(folder: string, name: string, content: string | Uint8Array, mode = 0o600): boolean {
  const path = join(folder, name);
  if (existsSync(path)) return false;
  const part = join(folder, `.${name}.${randomBytes(6).toString('hex')}`);
  try {
    writeFileSync(part, content, { flag: 'wx', mode, flush: true });
    chmodSync(part, mode); // whatever the umask is
    linkSync(part, path); // unlike a rename, it fails when the name is taken
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(part, { force: true });
    syncFolder(folder);
  }
}

/** Replaces what may be replaced (a certificate, a note), whole or not at all; keys never. */
export function replaceFile(folder: string, name: string, content: string, mode = 0o600): void {
  const part = join(folder, `.${name}.${randomBytes(6).toString('hex')}`);
  try {
    writeFileSync(part, content, { flag: 'wx', mode, flush: true });
    chmodSync(part, mode);
    renameSync(part, join(folder, name));
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/** Makes the names in a folder as durable as what they name. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Takes away what a writer that was killed half-way left behind; no key is among it. */
export function sweepParts(folder: string, now: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (PART.test(name) && now - statSync(path).mtimeMs > PART_AGE_MS) rmSync(path, { force: true });
  }
}

/**
 * @param name as in the folder: `session.key`
 * @throws ApplianceError `keys.missing`, `keys.exposed`
 */
export function readKeyFile(dataFolder: string, name: string): Buffer {
  const path = join(dataFolder, KEYS_FOLDER, name);
  if (!existsSync(path)) {
    throw new ApplianceError('missing', 'keys.missing', `${path} is missing`, {
      hint: 'Restore it from a backup. A new key would not open what the old one closed.',
    });
  }
  checkPrivate(path);
  return readFileSync(path);
}

/** @throws ApplianceError `keys.damaged` when it has not `bytes` bytes */
export function readSecretFile(dataFolder: string, name: string, bytes: number): Buffer {
  const content = readKeyFile(dataFolder, name);
  if (content.length === bytes) return content;
  throw damagedKey(join(dataFolder, KEYS_FOLDER, name), `it has ${content.length} bytes instead of ${bytes}`);
}

/** @throws ApplianceError `keys.missing`, `keys.exposed`, `keys.damaged` */
export function loadPrivateKey(dataFolder: string, name: string): KeyObject {
  const pem = readKeyFile(dataFolder, name);
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw damagedKey(join(dataFolder, KEYS_FOLDER, name), 'it holds no private key', cause);
  }
}

export function damagedKey(path: string, why: string, cause?: unknown): ApplianceError {
  return new ApplianceError('unavailable', 'keys.damaged', `${path} is not the key it should be: ${why}`, {
    hint: 'Nothing was changed. Restore the file from a backup.',
    cause,
  });
}
