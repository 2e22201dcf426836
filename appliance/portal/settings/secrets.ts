// Passwords of other machines that IT types on the pages. Each is a file of its own in `keys/`, 0600 and never overwritten; the
// configuration names the file, so that its earlier versions and a diagnostics bundle hold no password, and going back finds the old one.
// A page never gives one away: it goes to the machine it was saved for, and to no other.
import { randomBytes } from 'node:crypto';
import { readdirSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ApplianceConfig } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';
import { prepareKeysFolder, syncFolder, writeNewFile } from '../../pki/key-files.ts';
import { DAY_KEYS_FOLDER } from '../../store/session-key-backup.ts';

const OURS = /^(mail|directory)-password-[0-9a-f]{16}$/;

/** One that was typed, and the file it goes to when the configuration that names it is saved. */
export interface NewSecret {
  readonly path: string;
  readonly content: string;
}

/** Configurations that were saved, now and before. */
type Known = () => readonly ApplianceConfig[];

/** A password file that a configuration names, and whom it is for. */
interface SecretUse {
  /** Of the block it stands in. */
  readonly page: string;
  readonly key: string;
  readonly path: string;
  readonly hosts: readonly string[];
}

export class SecretFiles {
  readonly #folder: string;
  /** Nothing but ours in them is a password. */
  readonly #keyFolders: readonly string[];

  constructor(dataFolder: string) {
    this.#folder = prepareKeysFolder(dataFolder);
    this.#keyFolders = [this.#folder, join(dataFolder, DAY_KEYS_FOLDER)];
  }

  /** Nothing is written yet. */
  make(page: string, content: string): NewSecret {
    return { path: join(this.#folder, `${page}-password-${randomBytes(8).toString('hex')}`), content };
  }

  write({ path, content }: NewSecret): void {
    writeNewFile(this.#folder, basename(path), `${content}\n`);
  }

  forget({ path }: NewSecret): void {
    rmSync(path, { force: true });
  }

  /** Takes those away that no version of the configuration names any more. @param texts of all versions */
  sweep(texts: readonly string[]): void {
    const unused = readdirSync(this.#folder).filter(
      name => OURS.test(name) && !texts.some(text => text.includes(name)),
    );
    for (const name of unused) rmSync(join(this.#folder, name), { force: true });
    if (unused.length > 0) syncFolder(this.#folder);
  }

  /**
   * @param typed the password that comes with this one
   * @throws ApplianceError `settings.key-as-password`, `settings.password-elsewhere`
   */
  check(config: ApplianceConfig, known: Known, typed: NewSecret | null): void {
    for (const use of usesIn(config)) {
      if (use.path === typed?.path || isKnown(use, known)) continue;
      if (!this.#isInside(use.path)) {
        if (isNamed(use.path, known)) throw elsewhere(use, 'type it, or give another file');
        continue;
      }
      const name = basename(use.path);
      if (!OURS.test(name) || !name.startsWith(use.page)) {
        throw new ApplianceError(
          'refused',
          'settings.key-as-password',
          `${name} is a key of the appliance, no password`,
          {
            hint: `${use.key}: give another file, or type the password.`,
          },
        );
      }
      throw elsewhere(use, 'type it');
    }
  }

  /** As `check`, for a test: what stands in any file goes to the machine it was saved for. */
  checkTest(config: ApplianceConfig, known: Known, page: string, typed: NewSecret | null): void {
    const use = usesIn(config).find(one => one.page === page);
    if (use !== undefined && use.path !== typed?.path && !isKnown(use, known))
      throw elsewhere(use, 'type it for the test, or save first');
  }

  /** Wherever a link leads. */
  #isInside(path: string): boolean {
    const folder = dirname(realPath(path));
    return this.#keyFolders.some(one => realPath(one) === folder);
  }
}

function usesIn({ alerts: { mail }, directory }: ApplianceConfig): SecretUse[] {
  const ofMail = { page: 'mail', key: 'alerts.mail.passwordFile' } as const;
  const ofDirectory = { page: 'directory', key: 'directory.bindPasswordFile' } as const;
  return [
    ...(mail === null || mail.passwordFile === null
      ? []
      : [{ ...ofMail, path: mail.passwordFile, hosts: [mail.host] }]),
    ...(directory === null
      ? []
      : [{ ...ofDirectory, path: directory.bindPasswordFile, hosts: directory.servers.map(hostOf) }]),
  ];
}

function hostOf(url: string): string {
  return url.replace(/^ldaps?:\/\//, '').replace(/:\d+$/, '');
}

function isKnown({ key, path, hosts }: SecretUse, known: Known): boolean {
  const before = known()
    .flatMap(usesIn)
    .filter(one => one.key === key && one.path === path);
  return before.length > 0 && hosts.every(host => before.some(one => one.hosts.includes(host)));
}

/** Whether any of them names that file, by whatever path. */
function isNamed(path: string, known: Known): boolean {
  return known().some(config => usesIn(config).some(one => realPath(one.path) === realPath(path)));
}

/** @param way out of it */
function elsewhere({ key, hosts }: SecretUse, way: string): ApplianceError {
  const text = `the password in that file was not saved for ${hosts.join(', ')}`;
  return new ApplianceError('refused', 'settings.password-elsewhere', text, {
    hint: `${key}: ${way}. One that is kept goes to nobody but whom it was saved for.`,
  });
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return resolve(path); // not there yet
  }
}
