// An applet ready to be downloaded: the signed file, its constant part compressed once, and what a download needs to know.
// The compressed part ends at a byte boundary (an empty stored block, RFC 1951 §3.2.4), so that the tail of each download
// follows as one stored block and the sum of both is an ordinary gzip stream (RFC 1952) of one member.
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { ApplianceError } from '../errors.ts';
import { DeflatedPieces, deflatePieces } from './deflated.ts';
import { PLATFORMS, type Platform, type TagPlace } from './tag-place.ts';

/** Each download sends a tail of its own: one stored block can't be longer. */
const MAX_TAIL = 65_535;
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const Manifest = z.strictObject({
  v: z.literal(1),
  platform: z.enum(PLATFORMS),
  version: z.string(),
  /** Of the template, and of the signed file before any tag. */
  template: hash,
  sha256: hash,
  /** Of all it was built from (order.ts). */
  inputs: hash,
  builtAt: z.int(),
  /** Bytes of the file with its tag. */
  size: z.int().min(1),
  tag: z.strictObject({ offset: z.int().min(1), size: z.int().min(1) }),
  compressed: z.strictObject({ bytes: z.int().min(1), crc32: z.int().min(0) }),
});
export type PreparedManifest = z.infer<typeof Manifest>;

export interface PreparedApplet extends PreparedManifest {
  /** The file: for Linux without its tag, for Windows with an empty one. */
  readonly path: string;
  /** gzip header and deflated bytes of everything before the tag. */
  readonly compressedPath: string;
  /** Detached CMS; Linux only. */
  readonly signaturePath: string;
  /** What comes after the tag: the rest of the Windows signature. */
  readonly after: Buffer;
}

const fileNames: Record<Platform, string> = { 'linux-x64': 'support', 'win-x64': 'support.exe' };

export function preparedPaths(folder: string, platform: Platform) {
  const path = join(folder, fileNames[platform]);
  return { path, compressedPath: `${path}.gz-part`, signaturePath: `${path}.p7s`, manifestPath: `${path}.json` };
}

/**
 * Compresses what stands before the tag and writes the manifest, which comes last: without it nothing is served.
 * @param runtime the template's, whose pieces are compressed already
 */
export async function prepare(
  folder: string,
  facts: Pick<PreparedManifest, 'platform' | 'version' | 'template' | 'sha256' | 'inputs' | 'builtAt'>,
  tag: TagPlace,
  runtime: string,
): Promise<PreparedApplet> {
  const { path, compressedPath, manifestPath } = preparedPaths(folder, facts.platform);
  const { size } = await stat(path);
  const after = Math.max(0, size - tag.offset - tag.size);
  if (tag.size + after > MAX_TAIL)
    throw new ApplianceError('defect', 'applet.tail-too-long', `${after} bytes after the tag`);
  const compressed = await compress(path, tag.offset, compressedPath, runtime);
  const manifest = { v: 1, ...facts, size: tag.offset + tag.size + after, tag, compressed };
  await writeFile(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`);
  return openPrepared(folder, facts.platform);
}

/** @throws ApplianceError `applet.not-prepared`: the download page says "being prepared" */
export async function openPrepared(folder: string, platform: Platform): Promise<PreparedApplet> {
  const { manifestPath, ...paths } = preparedPaths(folder, platform);
  try {
    const manifest = Manifest.parse(JSON.parse(await readFile(manifestPath, 'utf8')));
    const from = manifest.tag.offset + manifest.tag.size;
    const after = platform === 'win-x64' ? await tailOf(paths.path, from) : Buffer.alloc(0);
    if (from + after.length !== manifest.size) throw new RangeError('the file is not as long as its manifest says');
    if ((await stat(paths.compressedPath)).size !== manifest.compressed.bytes) throw new RangeError('cut short');
    return { ...manifest, ...paths, after };
  } catch (cause) {
    throw new ApplianceError('unavailable', 'applet.not-prepared', `the applet for ${platform} is not there yet`, {
      cause,
    });
  }
}

async function tailOf(path: string, from: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start: from })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// ID1 ID2, deflate, no flags, no time, no extra flags, unknown system (RFC 1952 §2.3).
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

async function compress(
  path: string,
  until: number,
  into: string,
  runtime: string,
): Promise<PreparedManifest['compressed']> {
  await using known = await DeflatedPieces.open(runtime);
  let sum = 0;
  async function* compressed(): AsyncGenerator<Uint8Array> {
    yield GZIP_HEADER;
    for await (const { plain, deflated } of deflatePieces(path, until, known)) {
      sum = crc32(plain, sum);
      yield deflated;
    }
  }
  await pipeline(compressed, createWriteStream(into, { mode: 0o644 }));
  return { bytes: (await stat(into)).size, crc32: sum };
}
