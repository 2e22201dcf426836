// One download: the constant part as it lies on the disk, then the tail with this session's tag in it. The cost does not
// depend on how the file is made: nothing is compressed, signed or hashed again but the tag and the tail.
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { ApplianceError } from '../errors.ts';
import { type Bytes, concat } from '../protocol/bytes.ts';
import { TAG_SIZE, writeTagBlob } from '../protocol/tag.ts';
import type { PreparedApplet } from './prepared.ts';

const CHUNK = 128 * 1024;
export type DownloadEncoding = 'gzip' | 'identity';

export interface Download {
  /** For Content-Length. */
  readonly bytes: number;
  readonly stream: Readable;
}

/**
 * @param tag 94 bytes, signed
 * @param encoding what the client takes (Content-Encoding); every browser takes gzip
 */
export async function tagDownload(applet: PreparedApplet, tag: Bytes, encoding: DownloadEncoding): Promise<Download> {
  if (tag.length !== TAG_SIZE) throw new ApplianceError('defect', 'applet.no-tag', `a tag of ${tag.length} bytes`);
  const tail = concat(applet.tag.size === TAG_SIZE ? tag : writeTagBlob(tag), applet.after);
  const end = encoding === 'gzip' ? gzipEnd(tail, applet.compressed.crc32, applet.size) : tail;
  const constant = encoding === 'gzip' ? applet.compressed.bytes : applet.tag.offset;
  // Opened before anything is sent, and read by this handle: a build that comes between takes the name, not the file.
  const file = await open(encoding === 'gzip' ? applet.compressedPath : applet.path, 'r');
  const start = file.createReadStream({ end: constant - 1, highWaterMark: CHUNK });
  const stream = Readable.from(joined(start, end), { objectMode: false, highWaterMark: CHUNK });
  stream.on('close', () => start.destroy()); // a download given up before its first byte never entered `joined`
  return { bytes: constant + end.length, stream };
}

async function* joined(start: AsyncIterable<Buffer>, end: Bytes): AsyncGenerator<Uint8Array> {
  yield* start;
  yield end;
}

/** A last stored block (RFC 1951 §3.2.4), the checksum over all and the length (RFC 1952 §2.3.1). */
function gzipEnd(tail: Bytes, sumBefore: number, size: number): Bytes {
  const block = Buffer.alloc(5);
  block.writeUInt8(1, 0); // BFINAL, BTYPE 00
  block.writeUInt16LE(tail.length, 1);
  block.writeUInt16LE(~tail.length & 0xffff, 3);
  const footer = Buffer.alloc(8);
  footer.writeUInt32LE(crc32(tail, sumBefore), 0);
  footer.writeUInt32LE(size % 2 ** 32, 4);
  return concat(block, tail, footer);
}
