// What every applet is built from: the bundled program, its window, and the runtimes, as packaging made them. Their hash is
// what the signer knows, so that nobody hands it another program to sign (TRUST: "sign applet" takes no bytes).
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { JPEG_FILES } from './addon.ts';
import { PLATFORMS, type Platform } from './tag-place.ts';

export const TEMPLATE_MANIFEST = 'template.json';
export const PROGRAM = 'applet.cjs';
export const WINDOW_FILES = ['window.html', 'window.css', 'window.js'] as const;
export const RUNTIMES: Record<Platform, string> = { 'linux-x64': 'node-linux-x64', 'win-x64': 'node-win-x64.exe' };

/** Of the add-ons' files: each under its name in the program, and that in the template, where both platforms' are. */
export function addonFiles(platform: Platform): { readonly asset: string; readonly file: string }[] {
  return JPEG_FILES[platform].map(asset => ({ asset, file: `${platform}-${asset}` }));
}

const Manifest = z.strictObject({
  v: z.literal(1),
  version: z.string(),
  files: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
});

export interface AppletTemplate {
  readonly folder: string;
  readonly version: string;
  readonly platforms: readonly Platform[];
}

/** @throws ApplianceError `applet.no-template`, `applet.template-altered` unless every file is what this hash stands for */
export async function openTemplate(folder: string, sha256: string): Promise<AppletTemplate> {
  const { version, files } = await readManifest(folder, sha256);
  for (const [name, expected] of Object.entries(files)) {
    if ((await sha256Of(join(folder, name))) !== expected) throw altered(name);
  }
  return { folder, version, platforms: platformsIn(files) };
}

/** What it can build; reads no more than its manifest. Throws as `openTemplate`. */
export async function templatePlatforms(folder: string, sha256: string): Promise<readonly Platform[]> {
  return platformsIn((await readManifest(folder, sha256)).files);
}

async function readManifest(folder: string, sha256: string): Promise<z.infer<typeof Manifest>> {
  const text = await readFile(join(folder, TEMPLATE_MANIFEST)).catch(cause => {
    throw new ApplianceError('missing', 'applet.no-template', `there is no applet template in ${folder}`, {
      hint: 'Run packaging/prepare, then start the appliance again.',
      cause,
    });
  });
  if (createHash('sha256').update(text).digest('hex') !== sha256) throw altered(TEMPLATE_MANIFEST);
  return Manifest.parse(JSON.parse(text.toString('utf8')));
}

function platformsIn(files: Readonly<Record<string, string>>): Platform[] {
  return PLATFORMS.filter(platform => files[RUNTIMES[platform]] !== undefined);
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}

function altered(name: string): ApplianceError {
  return new ApplianceError(
    'refused',
    'applet.template-altered',
    `${name} is not part of the applet template known here`,
    {
      hint: 'Install the package again; nothing was built or signed.',
    },
  );
}
