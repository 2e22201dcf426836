// Passwords of other machines that IT types on the pages. Each is a file of its own in `keys/`, 0600 and never overwritten; the
// configuration names the file, so that its earlier versions and a diagnostics bundle hold no password, and going back finds the old one.
// A page never gives one away: it goes to the machine and port it was saved for, and to no other.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { ApplianceConfig } from '../../config.ts';
import { ApplianceError } from '../../errors.ts';
import { prepareKeysFolder, syncFolder, writeNewFile } from '../../pki/key-files.ts';
import { checkPasswordFile, passwordPlace, passwordUses, realPath } from '../../pki/password-files.ts';
import { mailPort } from '../status/mail.ts';

const OURS = /^(mail|directory)-password-[0-9a-f]{16}$/;

/** One that was typed, and the file it goes to when the configuration that names it is saved. */
export interface NewSecret {
  readonly path: string;
  readonly content: string;
}

const SecretUse = z.strictObject({
  page: z.enum(['mail', 'directory']),
  key: z.string(),
  path: z.string(),
  /** Whom it is for: host and port. */
  servers: z.array(z.string()),
});
export type SecretUse = z.infer<typeof SecretUse>;
/** Of files that IT laid: whom each was saved for, whatever versions of the configuration are still there. */
export const LaidFiles = z.array(SecretUse);

export class SecretFiles {
  readonly #dataFolder: string;
  readonly #folder: string;

  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder;
    this.#folder = prepareKeysFolder(dataFolder);
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

  /** @param laid before @returns with those of these configurations */
  remember(laid: readonly SecretUse[], ...configs: readonly ApplianceConfig[]): readonly SecretUse[] {
    const isNew = (use: SecretUse) =>
      passwordPlace(this.#dataFolder, use.path) === 'laid' && existsSync(use.path) && !isKnown(use, laid);
    return [...laid, ...configs.flatMap(usesIn).filter(isNew)];
  }

  /**
   * @param known what was saved, now and before
   * @param typed the password that comes with this one
   * @throws ApplianceError `settings.password-elsewhere`, or as `checkPasswordFile`
   */
  check(config: ApplianceConfig, known: readonly SecretUse[], typed: NewSecret | null): void {
    for (const use of usesIn(config)) {
      if (use.path === typed?.path) continue;
      checkPasswordFile(this.#dataFolder, use);
      if (isKnown(use, known)) continue;
      if (passwordPlace(this.#dataFolder, use.path) === 'kept') throw elsewhere(use, 'type it');
      if (isNamed(use.path, known)) throw elsewhere(use, 'type it, or give another file');
    }
  }

  /** As `check`, for a test: what stands in any file goes to the machine it was saved for. */
  checkTest(config: ApplianceConfig, known: readonly SecretUse[], page: string, typed: NewSecret | null): void {
    const use = usesIn(config).find(one => one.page === page);
    if (use === undefined || use.path === typed?.path) return;
    checkPasswordFile(this.#dataFolder, use);
    if (!isKnown(use, known)) throw elsewhere(use, 'type it for the test, or save first');
  }
}

export function usesIn(config: ApplianceConfig): SecretUse[] {
  const { mail } = config.alerts;
  const servers = {
    mail: mail === null ? [] : [`${mail.host}:${mailPort(mail)}`],
    directory: config.directory?.servers.map(serverOf) ?? [],
  };
  return passwordUses(config).map(use => ({ ...use, servers: servers[use.page] }));
}

/** With the port that holds where none is named (RFC 4516). */
function serverOf(url: string): string {
  const server = url.replace(/^ldaps?:\/\//, '');
  return /:\d+$/.test(server) ? server : `${server}:${url.startsWith('ldaps:') ? 636 : 389}`;
}

function isKnown({ key, path, servers }: SecretUse, known: readonly SecretUse[]): boolean {
  const before = known.filter(one => one.key === key && realPath(one.path) === realPath(path));
  return before.length > 0 && servers.every(server => before.some(one => one.servers.includes(server)));
}

/** Whether any of them names that file, by whatever path. */
function isNamed(path: string, known: readonly SecretUse[]): boolean {
  return known.some(one => realPath(one.path) === realPath(path));
}

/** @param way out of it */
function elsewhere({ key, servers }: SecretUse, way: string): ApplianceError {
  const text = `the password in that file was not saved for ${servers.join(', ')}`;
  return new ApplianceError('refused', 'settings.password-elsewhere', text, {
    hint: `${key}: ${way}. One that is kept goes to nobody but whom it was saved for.`,
  });
}
