// A bundle as it goes out: one file behind the other, read in pieces, so that a film of many gigabytes takes no memory.
import { crc32 } from 'node:zlib';
import { ApplianceError } from '../../errors.ts';
import { descriptor, directory, endOf, localHeader, type ZipEntry } from '../../protocol/zip.ts';
import { piecesOf } from '../../store/file-pieces.ts';

/** Its bytes, or where they are. */
export type BundleFile = { readonly name: string; readonly bytes: number } & (
  | { readonly content: Uint8Array }
  | { readonly path: string }
);

/** How long the zip will be. */
export function bundleBytes(files: readonly BundleFile[]): number {
  const entries: ZipEntry[] = [];
  for (const { name, bytes } of files) {
    const last = entries.at(-1);
    entries.push({ name, bytes, crc: 0, offset: last === undefined ? 0 : endOf(last) });
  }
  const last = entries.at(-1);
  return (last === undefined ? 0 : endOf(last)) + directory(entries).length;
}

/** @throws ApplianceError `evidence.cut` where a film got shorter meanwhile: the zip then has no end */
export async function* streamBundle(files: readonly BundleFile[]): AsyncGenerator<Uint8Array> {
  const entries: ZipEntry[] = [];
  let offset = 0;
  for (const file of files) {
    const { name, bytes } = file;
    yield localHeader(name, bytes);
    let crc = 0;
    for await (const piece of 'path' in file ? piecesOf(file.path, file.bytes, cut) : [file.content]) {
      crc = crc32(piece, crc);
      yield piece;
    }
    yield descriptor(bytes, crc);
    const entry = { name, bytes, crc, offset };
    entries.push(entry);
    offset = endOf(entry);
  }
  yield directory(entries);
}

function cut(): ApplianceError {
  return new ApplianceError('unavailable', 'evidence.cut', 'a recording got shorter while read');
}
