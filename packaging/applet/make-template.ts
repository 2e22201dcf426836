// Makes what every applet is built from (appliance/applet/build-template.ts): bundles the program and its window, and takes
// the pinned runtimes. At package time: an appliance in use has no need of a bundler.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import {
  addonFiles,
  PROGRAM,
  RUNTIMES,
  sha256Of,
  TEMPLATE_MANIFEST,
  WINDOW_FILES,
} from '../../appliance/applet/build-template.ts';
import { deflatedFiles, writeDeflated } from '../../appliance/applet/deflated.ts';
import type { Platform } from '../../appliance/applet/tag-place.ts';

const run = promisify(execFile);
const PREBUILDS: Record<Platform, string> = { 'linux-x64': 'jpeg-turbo-linux-x64', 'win-x64': 'jpeg-turbo-win32-x64' };

export interface TemplateOptions {
  /** Of the checkout. */
  readonly root: string;
  /** Replaced as a whole. */
  readonly folder: string;
  readonly version: string;
  /** Paths of the pinned runtimes; a platform left out can't be built. */
  readonly runtimes: Partial<Record<Platform, string>>;
}

/** @returns the template's hash, to be known to whoever opens it */
export async function makeTemplate({ root, folder, version, runtimes }: TemplateOptions): Promise<string> {
  const made = `${folder}.part`;
  await rm(made, { recursive: true, force: true });
  await mkdir(made, { recursive: true });
  await bundle(root, made);
  if (runtimes['linux-x64'] !== undefined) {
    // Without its debugging symbols it is 33 MB smaller.
    await run('strip', ['-s', '-o', join(made, RUNTIMES['linux-x64']), runtimes['linux-x64']]);
    await chmod(join(made, RUNTIMES['linux-x64']), 0o755);
  }
  if (runtimes['win-x64'] !== undefined) await copyFile(runtimes['win-x64'], join(made, RUNTIMES['win-x64']));
  const names: string[] = [PROGRAM, ...WINDOW_FILES];
  for (const platform of platformsOf(runtimes)) {
    const deflated = deflatedFiles(RUNTIMES[platform]);
    await writeDeflated(join(made, RUNTIMES[platform]));
    names.push(RUNTIMES[platform], deflated.pieces, deflated.index, ...(await copyAddons(root, made, platform)));
  }
  const files: Record<string, string> = {};
  for (const name of names) files[name] = await sha256Of(join(made, name));
  const manifest = `${JSON.stringify({ v: 1, version, files }, null, 2)}\n`;
  await writeFile(join(made, TEMPLATE_MANIFEST), manifest);
  await rm(folder, { recursive: true, force: true });
  await rename(made, folder);
  return createHash('sha256').update(manifest).digest('hex');
}

async function bundle(root: string, into: string): Promise<void> {
  const applet = join(root, 'appliance/applet');
  const common = { bundle: true, legalComments: 'none', charset: 'utf8', logLevel: 'silent' } as const;
  await build({
    ...common,
    entryPoints: [join(applet, 'main.ts')],
    outfile: join(into, PROGRAM),
    platform: 'node',
    format: 'cjs',
    target: 'node26',
  });
  await build({
    ...common,
    entryPoints: [join(applet, 'window/window.client.ts')],
    outfile: join(into, 'window.js'),
    platform: 'browser',
    format: 'esm',
    target: ['chrome133', 'firefox130', 'safari17'],
  });
  await copyFile(join(applet, 'window/window.html'), join(into, 'window.html'));
  const style = join(root, 'appliance/browser/customer-window/customer-window.css');
  await copyFile(style, join(into, 'window.css'));
}

/** libjpeg-turbo, as its package has it built for each system. @returns the names in the template */
async function copyAddons(root: string, into: string, platform: Platform): Promise<string[]> {
  const folder = join(root, 'node_modules/@julusian/jpeg-turbo/prebuilds', PREBUILDS[platform]);
  const files = addonFiles(platform);
  for (const { asset, file } of files) {
    const name = asset.endsWith('.node') ? 'node-napi-v10.node' : asset;
    await copyFile(join(folder, name), join(into, file));
  }
  return files.map(({ file }) => file);
}

function platformsOf(runtimes: TemplateOptions['runtimes']): Platform[] {
  return (Object.keys(RUNTIMES) as Platform[]).filter(platform => runtimes[platform] !== undefined);
}
