// zstd of the blocks of one segment: one frame, flushed after each block, with a window that reaches back over some seconds
// of a whole screen.
import { Buffer } from 'node:buffer';
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import type { Bytes } from '../../protocol/bytes.ts';
import { RCREC_WINDOW_LOG } from '../../protocol/rcrec.ts';

/** Measured: a step more costs twice the time for nothing, a step less a third more bytes. */
const LEVEL = 12;
/** Tables of 4 MiB each instead of 32: the same bytes. */
const TABLE_LOG = 20;

export class Packer {
  readonly #stream: ZstdCompress;
  #chunks: Buffer[] = [];

  constructor() {
    this.#stream = createZstdCompress({
      chunkSize: 64 * 1024,
      params: {
        [constants.ZSTD_c_compressionLevel]: LEVEL,
        [constants.ZSTD_c_windowLog]: RCREC_WINDOW_LOG,
        [constants.ZSTD_c_hashLog]: TABLE_LOG,
        [constants.ZSTD_c_chainLog]: TABLE_LOG,
      },
    });
    this.#stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  /** One block after the other. @returns what can be unpacked to all of `plain` at once */
  async pack(plain: Bytes): Promise<Bytes> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(plain, error => (error ? reject(error) : undefined));
      this.#stream.flush(constants.ZSTD_e_flush, resolve);
    });
    const packed = new Uint8Array(Buffer.concat(this.#chunks));
    this.#chunks = [];
    return packed;
  }

  close(): void {
    this.#stream.destroy();
  }
}
