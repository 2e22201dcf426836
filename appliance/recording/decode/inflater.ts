// A compressed stream that goes on from one rectangle to the next. How much comes out of each piece is known before, so
// that nothing unpacks to more than it may.
import type { Transform } from 'node:stream';
import { constants, createInflate, createZstdDecompress } from 'node:zlib';
import { type Bytes, malformed } from '../../protocol/bytes.ts';

const CHUNK_BYTES = 64 * 1024;

export class Inflater {
  readonly #stream: Transform;
  #into: Bytes = new Uint8Array();
  #at = 0;
  #excess = false;
  #fail: (cause: unknown) => void = () => undefined;

  private constructor(stream: Transform) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#add(chunk));
    stream.on('error', error => this.#fail(error));
  }

  /** RFC 1950. */
  static zlib(): Inflater {
    return new Inflater(createInflate({ chunkSize: CHUNK_BYTES }));
  }

  /** RFC 8878. @param windowLog of the largest window that is taken */
  static zstd(windowLog: number): Inflater {
    const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
    return new Inflater(createZstdDecompress({ chunkSize: CHUNK_BYTES, params }));
  }

  /**
   * One piece after the other; the next one when this one is there.
   * @returns exactly `plainBytes`
   * @throws ApplianceError `protocol.malformed` where that is not what is in it; then the stream is of no more use
   */
  async inflate(packed: Bytes, plainBytes: number): Promise<Bytes> {
    this.#into = new Uint8Array(plainBytes);
    this.#at = 0;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        this.#stream.write(packed, error => (error ? reject(error) : resolve()));
      });
      // What was unpacked last may be told of only in the next turn.
      if (this.#at < plainBytes) await new Promise(resolve => setImmediate(resolve));
    } catch (cause) {
      throw malformed('a picture that can’t be unpacked', cause);
    }
    if (this.#excess || this.#at !== plainBytes) throw malformed('a picture that unpacks to another size than it has');
    return this.#into;
  }

  close(): void {
    this.#stream.destroy();
  }

  #add(chunk: Buffer): void {
    if (this.#at + chunk.length > this.#into.length) {
      this.#excess = true;
      this.#stream.destroy();
      this.#fail(new RangeError('more than there may be'));
      return;
    }
    this.#into.set(chunk, this.#at);
    this.#at += chunk.length;
  }
}
