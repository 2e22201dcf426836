// Compression for the picture server, from the runtime (zlib, zstd) and from libjpeg-turbo, whose add-on is handed in.
import { constants, createDeflate, createZstdCompress, type Deflate, inflate, type ZstdCompress } from 'node:zlib';
import type { PictureCodecs, StreamCompressor } from '../customer-core/picture-codecs.ts';
import { PIXEL_BYTES } from '../customer-core/screen-source.ts';
import { type Bytes, concat, malformed } from '../protocol/bytes.ts';

/** What we use of @julusian/jpeg-turbo. */
export interface JpegTurbo {
  readonly FORMAT_BGRX: number;
  readonly SAMP_420: number;
  readonly SAMP_444: number;
  bufferSize(options: { width: number; height: number; subsampling: number }): number;
  /** @returns the beginning of `out` */
  compress(raw: Buffer, out: Buffer, options: JpegOptions): Promise<Buffer>;
}

export interface JpegOptions {
  readonly format: number;
  readonly width: number;
  readonly height: number;
  /** Pixels. */
  readonly stride: number;
  readonly subsampling: number;
  readonly quality: number;
}

const ZSTD_LEVEL = 1;
/** 1 MiB: what a decoder has to keep. */
const ZSTD_WINDOW_LOG = 20;
/** What comes out of a stream at a time. */
const CHUNK_BYTES = 64 * 1024;
const FULL_COLOUR_QUALITY = 80;
/** Buffers that wait for the next JPEG. */
const MAX_SPARE_BUFFERS = 4;

export class NodePictureCodecs implements PictureCodecs {
  readonly #spare: Buffer[] = [];
  readonly jpeg: PictureCodecs['jpeg'];

  /** @param jpegTurbo null where it does not run */
  constructor(jpegTurbo: JpegTurbo | null) {
    this.jpeg = jpegTurbo && ((pixels, size, quality) => this.#compressJpeg(jpegTurbo, pixels, size, quality));
  }

  newDeflate(level: number): StreamCompressor {
    return new NodeCompressor(createDeflate({ level, flush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK_BYTES }));
  }

  newZstd = (): StreamCompressor =>
    new NodeCompressor(
      createZstdCompress({
        ...{ flush: constants.ZSTD_e_flush, chunkSize: CHUNK_BYTES },
        params: {
          [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
          [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_LOG,
        },
      }),
    );

  inflate(bytes: Bytes, mostBytes: number): Promise<Bytes> {
    const options = { maxOutputLength: mostBytes, finishFlush: constants.Z_SYNC_FLUSH };
    return new Promise((resolve, reject) => {
      inflate(bytes, options, (error, plain) => {
        if (error) reject(malformed('what does not decompress, or to too much', error));
        else resolve(new Uint8Array(plain));
      });
    });
  }

  async #compressJpeg(
    turbo: JpegTurbo,
    pixels: Bytes,
    { width, height, stride }: { readonly width: number; readonly height: number; readonly stride: number },
    quality: number,
  ): Promise<Bytes> {
    const subsampling = quality < FULL_COLOUR_QUALITY ? turbo.SAMP_420 : turbo.SAMP_444;
    const room = turbo.bufferSize({ width, height, subsampling });
    const spare = this.#spare.pop();
    const out = spare !== undefined && spare.length >= room ? spare : Buffer.allocUnsafeSlow(room);
    const raw = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.length);
    const options = { format: turbo.FORMAT_BGRX, width, height, stride: stride / PIXEL_BYTES, subsampling, quality };
    const jpeg = new Uint8Array(await turbo.compress(raw, out, options));
    if (this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(out);
    return jpeg;
  }

  sameBytes(a: Uint8Array, b: Uint8Array): boolean {
    return Buffer.compare(a, b) === 0;
  }
}

/** A stream of the runtime that flushes after each write, so that what a write gives is there when it is done. */
class NodeCompressor implements StreamCompressor {
  readonly #stream: Deflate | ZstdCompress;
  #parts: Uint8Array[] = [];
  #failed: ((error: Error) => void) | null = null;

  constructor(stream: Deflate | ZstdCompress) {
    this.#stream = stream;
    stream.on('data', (part: Uint8Array) => this.#parts.push(part));
    stream.on('error', error => this.#failed?.(error));
  }

  compress(bytes: Bytes): Promise<Bytes> {
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#stream.write(bytes, error => {
        if (error) return;
        const parts = this.#parts;
        this.#parts = [];
        resolve(concat(...parts));
      });
    });
  }

  close(): void {
    this.#stream.destroy();
  }
}
