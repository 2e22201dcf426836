// Where a file with another machine's password may be. The pages let IT name one, and what it holds is sent to a server that is named
// beside it: were any file of the appliance's user good enough, whoever has a login to the pages would have them all sent to himself.
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { ApplianceConfig } from '../config.ts';
import { ApplianceError } from '../errors.ts';
import { checkPrivate, KEYS_FOLDER } from './key-files.ts';

/** What IT lays there itself; beside the configuration. */
export const SECRETS_FOLDER = 'secrets';
/** Names the folder of systemd's LoadCredential= (systemd.exec(5)). */
export const CREDENTIALS = 'CREDENTIALS_DIRECTORY';

const KEPT = /^(mail|directory)-password-[0-9a-f]{16}$/;

/** `kept`: typed on a page, in `keys/`; `key`: anything else in there; `laid`: by IT, where it may. */
export type PasswordPlace = 'kept' | 'key' | 'laid' | 'elsewhere';

/** A password file that a configuration names. */
export interface PasswordUse {
  readonly page: 'mail' | 'directory';
  readonly key: string;
  readonly path: string;
}

export function passwordUses({ alerts: { mail }, directory }: ApplianceConfig): PasswordUse[] {
  const [ofMail, ofDirectory] = [mail?.passwordFile ?? null, directory?.bindPasswordFile ?? null];
  return [
    ...(ofMail === null ? [] : [{ page: 'mail', key: 'alerts.mail.passwordFile', path: ofMail } as const]),
    ...(ofDirectory === null
      ? []
      : [{ page: 'directory', key: 'directory.bindPasswordFile', path: ofDirectory } as const]),
  ];
}

/** Wherever a link leads. */
export function passwordPlace(dataFolder: string, path: string): PasswordPlace {
  const real = realPath(path);
  const keys = realPath(join(dataFolder, KEYS_FOLDER));
  if (dirname(real) === keys && KEPT.test(basename(real))) return 'kept';
  if (real.startsWith(keys + sep)) return 'key';
  const isLaid = real.startsWith(join(realPath(dataFolder), SECRETS_FOLDER) + sep) || isCredential(real);
  return isLaid ? 'laid' : 'elsewhere';
}

/**
 * Before anything starts with that configuration, and before it is saved.
 * @throws ApplianceError `config.key-as-password`, `config.password-place`
 */
export function checkPasswordFiles(dataFolder: string, config: ApplianceConfig): void {
  for (const use of passwordUses(config)) checkPasswordFile(dataFolder, use);
}

/** Throws as `checkPasswordFiles`. */
export function checkPasswordFile(dataFolder: string, { page, key, path }: PasswordUse): void {
  const place = passwordPlace(dataFolder, path);
  const name = basename(realPath(path));
  if (place === 'key' || (place === 'kept' && !name.startsWith(`${page}-`))) {
    throw new ApplianceError('refused', 'config.key-as-password', `${name} is a key of the appliance, no password`, {
      hint: `${key}: give another file, or type the password on the page.`,
    });
  }
  if (place !== 'elsewhere') return;
  const secrets = join(dataFolder, SECRETS_FOLDER);
  const credentials = process.env[CREDENTIALS];
  const or = credentials === undefined ? '' : `, or by systemd’s LoadCredential= in ${credentials}`;
  throw new ApplianceError('refused', 'config.password-place', `${path} is not where a password file may be`, {
    hint: `${key}: it may be in ${secrets} (or below)${or}. Move it there, readable by the appliance’s user alone, and name it there; or type the password on the page.`,
  });
}

/** @throws ApplianceError `keys.exposed` when other users of the machine can read it */
export function checkPrivatePassword(path: string): void {
  // systemd gives them to the service's user by an access list, which shows as rights of the group.
  if (isCredential(realPath(path)) && (statSync(path).mode & 0o007) === 0) return;
  checkPrivate(path);
}

function isCredential(real: string): boolean {
  const folder = process.env[CREDENTIALS];
  return folder?.startsWith('/') === true && real.startsWith(realPath(folder) + sep);
}

/** Of what is not there yet, where it would be. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    const full = resolve(path);
    return full === '/' ? full : join(realPath(dirname(full)), basename(full));
  }
}
