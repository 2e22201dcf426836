// Compression of the shared screen in a browser: zlib in script, JPEG by the browser itself.
import { Unzlib, Zlib } from 'fflate';
import type { PictureCodecs, StreamCompressor } from '../customer-core/picture-codecs.ts';
import { type Bytes, concat, equalBytes, malformed } from '../protocol/bytes.ts';

/** 1 to 9 as zlib has it; a page has time for the fast ones only. */
type Level = 1 | 6;

/** So little of a bomb's fuse burns before what came of it is counted. */
const INFLATE_STEP = 1024;

class Deflate implements StreamCompressor {
  readonly #stream: Zlib;
  #pieces: Bytes[] = [];

  constructor(level: Level) {
    this.#stream = new Zlib({ level }, piece => this.#pieces.push(piece));
  }

  compress(bytes: Bytes): Bytes {
    this.#stream.push(bytes);
    this.#stream.flush(true);
    const whole = concat(...this.#pieces);
    this.#pieces = [];
    return whole;
  }

  close(): void {
    this.#pieces = [];
  }
}

export const browserCodecs: PictureCodecs = {
  newDeflate: level => new Deflate(level > 4 ? 6 : 1),
  newZstd: null,
  inflate: (bytes, mostBytes) => {
    const pieces: Bytes[] = [];
    let room = mostBytes;
    const stream = new Unzlib(piece => {
      room -= piece.length;
      if (room < 0) throw malformed('more than may come of it');
      pieces.push(piece);
    });
    try {
      for (let at = 0; at < bytes.length; at += INFLATE_STEP) stream.push(bytes.subarray(at, at + INFLATE_STEP));
    } catch (cause) {
      throw malformed('what does not decompress, or to too much', cause);
    }
    return concat(...pieces);
  },
  sameBytes: (a, b) => {
    const isAligned = ((a.byteOffset | b.byteOffset | a.length) & 3) === 0 && a.length === b.length;
    return isAligned ? sameWords(wordsOf(a), wordsOf(b)) : equalBytes(a, b);
  },
  jpeg: async (pixels, { width, height, stride }, quality) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) throw new TypeError('no canvas');
    context.putImageData(new ImageData(rgbaOf(pixels, { width, height, stride }), width, height), 0, 0);
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: quality / 100 });
    return new Uint8Array(await blob.arrayBuffer());
  },
};

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** From blue, green, red, nothing. */
function rgbaOf(
  pixels: Bytes,
  size: { width: number; height: number; stride: number },
): Uint8ClampedArray<ArrayBuffer> {
  const { width, height, stride } = size;
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let y = 0, to = 0; y < height; y++) {
    for (let from = y * stride, end = from + width * 4; from < end; from += 4, to += 4) {
      rgba[to] = pixels[from + 2] ?? 0;
      rgba[to + 1] = pixels[from + 1] ?? 0;
      rgba[to + 2] = pixels[from] ?? 0;
      rgba[to + 3] = 255;
    }
  }
  return rgba;
}
