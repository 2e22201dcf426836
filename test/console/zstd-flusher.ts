// zstd as the applet makes it, by the runtime's own library.
import { promisify } from 'node:util';
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { bytesOf } from '../link/support.ts';

/** One frame that never ends, flushed at each call. */
export class ZstdFlusher {
  readonly #zstd: ZstdCompress;
  readonly #out: Buffer[] = [];

  constructor(windowLog = 20) {
    const { ZSTD_c_compressionLevel: level, ZSTD_c_windowLog: window } = constants;
    this.#zstd = createZstdCompress({ params: { [level]: 1, [window]: windowLog } });
    this.#zstd.on('data', (chunk: Buffer) => this.#out.push(chunk));
  }

  async flushed(plain: Uint8Array): Promise<Bytes> {
    this.#zstd.write(plain);
    await promisify((done: () => void) => this.#zstd.flush(constants.ZSTD_e_flush, done))();
    return bytesOf(Buffer.concat(this.#out.splice(0)));
  }

  async whole(plain: Uint8Array): Promise<Bytes> {
    const ended = new Promise<void>(resolve => this.#zstd.on('end', () => resolve()));
    this.#zstd.end(plain);
    await ended;
    return bytesOf(Buffer.concat(this.#out.splice(0)));
  }
}
