// The directory's settings with what stands in files beside them. Read anew for each question, so that a password that was
// changed holds at once.
import { readFileSync, statSync } from 'node:fs';
import type { DirectoryConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';
import { checkPrivatePassword } from '../pki/password-files.ts';
import type { DirectorySettings } from './directory.ts';

const MAX_FILE_BYTES = 2 ** 20;

/**
 * @param typed password in place of the one in the file
 * @throws ApplianceError `directory.password-file`, `directory.authorities-file`
 */
export function readDirectorySettings(config: DirectoryConfig, typed?: string): DirectorySettings {
  const { authorities, bindPasswordFile, mapping, ...rest } = config;
  const groupNames = [...new Set(mapping.map(({ group }) => group))];
  const password = typed ?? readPassword(bindPasswordFile).replace(/\r?\n$/, '');
  if (password === '') throw unreadable('directory.password-file', bindPasswordFile, 'is empty');
  const pem = authorities === null ? null : readText(authorities, 'directory.authorities-file');
  return { ...rest, groupNames, bindPassword: password, authorities: pem };
}

function readPassword(path: string): string {
  const code = 'directory.password-file';
  const text = readText(path, code);
  try {
    checkPrivatePassword(path);
    return text;
  } catch (cause) {
    throw unreadable(code, path, 'can be read by others; chmod 600', cause);
  }
}

function readText(path: string, code: string): string {
  try {
    const file = statSync(path);
    if (!file.isFile()) throw unreadable(code, path, 'is no file');
    if (file.size > MAX_FILE_BYTES) throw unreadable(code, path, 'is too large');
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof ApplianceError) throw cause;
    throw unreadable(code, path, 'can’t be read by the appliance', cause);
  }
}

function unreadable(code: string, path: string, why: string, cause?: unknown): ApplianceError {
  return new ApplianceError('unavailable', code, `${path} ${why}`, {
    hint: 'See `directory` in appliance.yaml.',
    cause,
  });
}
