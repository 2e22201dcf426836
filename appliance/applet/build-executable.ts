// Puts the program, its window and the configuration into a runtime: one file, nothing to install. Node builds for another
// operating system too, only without a code cache, which belongs to one build of V8.
import { execFile } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type AppletTemplate, addonFiles, PROGRAM, RUNTIMES, WINDOW_FILES } from './build-template.ts';
import { CONFIGURATION_ASSET } from './configuration.ts';
import { type Platform, readPe } from './tag-place.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;
const SUBSYSTEM = 68; // in the optional header of a PE
const WINDOWS_GUI = 2; // a console program would open a black window beside ours

export interface ExecutableWish {
  readonly template: AppletTemplate;
  readonly platform: Platform;
  /** Canonical text of the configuration. */
  readonly configuration: string;
  readonly output: string;
  readonly signal: AbortSignal | undefined;
}

/** Not signed yet. */
export async function writeExecutable({
  template,
  platform,
  configuration,
  output,
  signal,
}: ExecutableWish): Promise<void> {
  // The program is compiled under the name it has here: relative, so that no path of this machine is in it.
  const work = await mkdtemp(`${output}-`);
  try {
    for (const name of [PROGRAM, ...WINDOW_FILES]) await copyFile(join(template.folder, name), join(work, name));
    await writeFile(join(work, CONFIGURATION_ASSET), configuration);
    const addons = addonFiles(platform);
    for (const { asset, file } of addons) await copyFile(join(template.folder, file), join(work, asset));
    const names = [CONFIGURATION_ASSET, ...WINDOW_FILES, ...addons.map(({ asset }) => asset)];
    const recipe = {
      main: PROGRAM,
      output,
      executable: join(template.folder, RUNTIMES[platform]),
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      useCodeCache: platform === 'linux-x64',
      execArgv: ['--disable-warning=ExperimentalWarning'], // node:ffi is one in Node 26; the customer has no use for it
      execArgvExtension: 'none', // or else NODE_OPTIONS on the customer's machine would put code into a signed program
      assets: Object.fromEntries(names.map(name => [name, name])),
    };
    await writeFile(join(work, 'recipe.json'), JSON.stringify(recipe));
    const builder = join(template.folder, RUNTIMES['linux-x64']);
    await run(builder, ['--build-sea', 'recipe.json'], {
      cwd: work,
      env: {},
      timeout: TIMEOUT_MS,
      ...(signal && { signal }),
    });
    if (platform === 'win-x64') becomeWindowed(output);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function becomeWindowed(path: string): void {
  const file = openSync(path, 'r+');
  try {
    const { optionalHeader } = readPe((offset, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    });
    writeSync(file, Uint8Array.of(WINDOWS_GUI, 0), 0, 2, optionalHeader + SUBSYSTEM);
  } finally {
    closeSync(file);
  }
}
