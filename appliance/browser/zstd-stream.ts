// One zstd frame that never ends, decompressed flush by flush. The package's decoder takes blocks from a list and gives what
// each of them holds; it is fed one at a time, so that it never runs dry, and a block it can't read is noticed at once.
import { ZSTDDecoder } from 'zstddec/stream';
import { ZstdFrame } from './zstd-frame.ts';

/** The link's have 1 MiB. */
const LINK_WINDOW_BYTES = 8 * 1024 * 1024;

export class ZstdStream {
  readonly #frame: ZstdFrame;
  readonly #fed: Uint8Array[] = [];
  readonly #parts: Generator<Uint8Array>;

  private constructor(decoder: ZSTDDecoder, maxWindowBytes: number) {
    this.#frame = new ZstdFrame(maxWindowBytes);
    const fed = this.#fed;
    this.#parts = decoder.decodeStreaming({
      *[Symbol.iterator]() {
        for (let block = fed.shift(); block !== undefined; block = fed.shift()) yield block;
      },
    });
  }

  static async open(maxWindowBytes = LINK_WINDOW_BYTES): Promise<ZstdStream> {
    const decoder = new ZSTDDecoder();
    await decoder.init();
    return new ZstdStream(decoder, maxWindowBytes);
  }

  /**
   * @param length of what comes out: no more is made, whatever the bytes claim
   * @throws RangeError, Error when it is another length, or no zstd; what comes after can't be read any more
   */
  decompress(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
    const plain = new Uint8Array(length);
    let at = 0;
    for (const block of this.#frame.blocks(bytes)) {
      this.#fed.push(block);
      const { value, done } = this.#parts.next();
      // A block that can't be read is asked for again and again, and stays in the list.
      if (done === true || this.#fed.length > 0) throw new RangeError('data that is no zstd');
      if (at + value.length > length) throw new RangeError('more than was said');
      plain.set(value, at);
      at += value.length;
    }
    if (at !== length) throw new RangeError('less than was said');
    return plain;
  }

  /** Gives back what the decoder holds, of which there is one for all streams: its window above all. */
  close(): void {
    this.#fed.length = 0;
    try {
      this.#parts.next();
    } catch {
      // Whoever runs dry in the middle of a frame is told so, and this frame has no end.
    }
  }
}
