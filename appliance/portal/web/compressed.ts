// Compressed forms of style and scripts, kept from one start to the next: to make them takes the processor longer than all the
// rest of a start. A kept one is used only if it opens to the very bytes that were asked for, so nobody has to be trusted with
// the folder; where it can't be written, as by an installed appliance, they are made each time or were made by packaging.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants, gunzip, gzip } from 'node:zlib';

export interface Compressed {
  readonly brotli: Buffer;
  readonly gzip: Buffer;
}

/** One that no start has asked for in so long is thrown away. */
const KEPT_MS = 30 * 86_400_000;
const DAY_MS = 86_400_000;

const FORMS = {
  brotli: {
    compress: (plain: Buffer) =>
      promisify(brotliCompress)(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }),
    open: (bytes: Buffer, maxOutputLength: number) => promisify(brotliDecompress)(bytes, { maxOutputLength }),
  },
  gzip: {
    compress: (plain: Buffer) => promisify(gzip)(plain, { level: constants.Z_BEST_COMPRESSION }),
    open: (bytes: Buffer, maxOutputLength: number) => promisify(gunzip)(bytes, { maxOutputLength }),
  },
} as const;
type Form = keyof typeof FORMS;

/** @param folder where they are kept; undefined keeps none */
export async function compressed(plain: Buffer, folder: string | undefined): Promise<Compressed> {
  const [brotli, gzip] = await Promise.all([formOf('brotli', plain, folder), formOf('gzip', plain, folder)]);
  return { brotli, gzip };
}

async function formOf(form: Form, plain: Buffer, folder: string | undefined): Promise<Buffer> {
  if (folder === undefined || plain.length === 0) return FORMS[form].compress(plain);
  const path = join(folder, `${createHash('sha256').update(plain).digest('hex')}.${form}`);
  const kept = await keptAt(path, form, plain);
  if (kept !== undefined) return kept;
  const made = await FORMS[form].compress(plain);
  await keep(folder, path, made);
  return made;
}

async function keptAt(path: string, form: Form, plain: Buffer): Promise<Buffer | undefined> {
  try {
    const bytes = await readFile(path);
    if (!(await FORMS[form].open(bytes, plain.length)).equals(plain)) return undefined;
    await touch(path);
    return bytes;
  } catch {
    return undefined; // not there, or not what it says: it is made again
  }
}

/** Notes once a day that it is in use; where packaging made it, it is nobody's to sweep. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  if (now.getTime() - (await stat(path)).mtimeMs > DAY_MS) await utimes(path, now, now).catch(() => undefined);
}

/** Whole or not at all. A folder that can't be written is no fault: there is merely more to do at the next start. */
async function keep(folder: string, path: string, bytes: Buffer): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    const part = `${path}.${process.pid}`;
    await writeFile(part, bytes);
    await rename(part, path);
    for (const name of await readdir(folder)) {
      const old = join(folder, name);
      if (Date.now() - (await stat(old)).mtimeMs > KEPT_MS) await rm(old, { force: true });
    }
  } catch {
    // full, read-only, or another's
  }
}
