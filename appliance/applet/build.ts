// Builds, signs and compresses the applets of this appliance: about four seconds of work each. Runs in the signer, which alone reads the code-signing key; the caller names no program and no server.
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { canonicalJson } from '../protocol/canonical-json.ts';
import { TAG_SIZE } from '../protocol/tag.ts';
import { writeExecutable } from './build-executable.ts';
import { signLinux, signWindows } from './build-signature.ts';
import { openTemplate, RUNTIMES, sha256Of } from './build-template.ts';
import { AppletConfiguration } from './configuration.ts';
import { type BuildWish, digestOf } from './order.ts';
import { openPrepared, type PreparedApplet, prepare, preparedPaths } from './prepared.ts';
import { PLATFORMS, type Platform, type TagPlace } from './tag-place.ts';

const WORK = '.build-';

export interface BuildOptions extends BuildWish {
  /** The data folder's `applet/`; what is there stays until the new one is whole. */
  readonly folder: string;
  readonly clock: Clock;
  /** Told of each one, for the log. */
  readonly built: (platform: Platform, durationMs: number) => void;
  /** Ends the tools that are at work; what was there stays. */
  readonly signal?: AbortSignal;
}

/**
 * @returns the applets, one a platform the template has a runtime for
 * @throws ApplianceError `applet.template-altered`, `applet.not-signed`
 */
export async function buildApplet(options: BuildOptions): Promise<PreparedApplet[]> {
  const { clock, folder, signal } = options;
  const template = await openTemplate(options.template.folder, options.template.sha256);
  const configuration = canonicalJson(AppletConfiguration.parse(options.configuration));
  await sweep(folder, template.platforms);
  const inputs = await digestOf(options);
  const applets: PreparedApplet[] = [];
  for (const platform of template.platforms) {
    const startedAt = clock.monotonic();
    const work = await mkdtemp(join(folder, WORK));
    try {
      const { path, signaturePath } = preparedPaths(work, platform);
      await writeExecutable({ template, platform, configuration, output: path, signal });
      const tag = await signFor(platform, path, signaturePath, options);
      const facts = { platform, version: template.version, template: options.template.sha256, inputs };
      const runtime = join(template.folder, RUNTIMES[platform]);
      await prepare(work, { ...facts, sha256: await sha256Of(path), builtAt: clock.now() }, tag, runtime);
      await publish(work, folder, platform);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    applets.push(await openPrepared(folder, platform));
    options.built(platform, Math.round(clock.monotonic() - startedAt));
  }
  return applets;
}

async function signFor(platform: Platform, path: string, signature: string, options: BuildOptions): Promise<TagPlace> {
  const title = `${options.configuration.organisation} remote support`.trim();
  if (platform === 'win-x64') return signWindows(path, options.keys, title, options.signal);
  await signLinux(path, options.keys, signature, options.signal);
  return { offset: (await stat(path)).size, size: TAG_SIZE };
}

/** Takes away what a build that was killed left behind, and applets nobody can build any more. */
async function sweep(folder: string, platforms: readonly Platform[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (name.startsWith(WORK)) await rm(join(folder, name), { recursive: true, force: true });
  }
  for (const platform of PLATFORMS.filter(one => !platforms.includes(one))) {
    await rm(preparedPaths(folder, platform).manifestPath, { force: true });
  }
}

/** The old manifest goes first and the new one comes last, so that a download never mixes two builds. */
async function publish(from: string, to: string, platform: Platform): Promise<void> {
  const source = preparedPaths(from, platform);
  const target = preparedPaths(to, platform);
  await rm(target.manifestPath, { force: true });
  if (platform === 'linux-x64') await rename(source.signaturePath, target.signaturePath);
  await rename(source.path, target.path);
  await rename(source.compressedPath, target.compressedPath);
  await rename(source.manifestPath, target.manifestPath);
}
