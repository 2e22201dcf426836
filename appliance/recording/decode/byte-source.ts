// Bytes that come in any pieces, for a decoder that asks for so many and waits until they are there.
import { type Bytes, concat, malformed } from '../../protocol/bytes.ts';

/** More than this is never wanted at once. */
export const MAX_TAKE_BYTES = 16 * 1024 * 1024;

interface Waiting {
  readonly bytes: number;
  readonly resolve: (bytes: Bytes) => void;
}

export class ByteSource {
  #chunks: Bytes[] = [];
  #held = 0;
  #taken = 0;
  #waiting: Waiting | null = null;
  #idle = Promise.withResolvers<void>();
  #error: unknown = null;

  /** Bytes that were asked for and given so far. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * @param bytes must not change afterwards
   * @returns once the decoder wants more than there is
   * @throws what `fail` was told
   */
  push(bytes: Bytes): Promise<void> {
    if (this.#error !== null) return this.#idle.promise;
    this.#chunks.push(bytes);
    this.#held += bytes.length;
    const waiting = this.#waiting;
    if (waiting !== null && this.#held < waiting.bytes) return Promise.resolve();
    if (waiting !== null) {
      this.#waiting = null;
      this.#idle = Promise.withResolvers();
      waiting.resolve(this.#cut(waiting.bytes));
    }
    return this.#idle.promise;
  }

  /** @returns exactly so many bytes, as soon as they are there. @throws ApplianceError `protocol.malformed` */
  take(bytes: number): Bytes | Promise<Bytes> {
    if (bytes > MAX_TAKE_BYTES) throw malformed(`${bytes} bytes at once`);
    if (this.#held >= bytes) return this.#cut(bytes);
    const { promise, resolve } = Promise.withResolvers<Bytes>();
    this.#waiting = { bytes, resolve };
    this.#idle.resolve();
    return promise;
  }

  /** The decoder has ended: what comes is not read any more. */
  fail(error: unknown): void {
    this.#error = error;
    this.#chunks = [];
    this.#idle.promise.catch(() => undefined); // who pushes next is told; nobody may be pushing just now
    this.#idle.reject(error);
  }

  #cut(bytes: number): Bytes {
    const parts: Bytes[] = [];
    for (let wanted = bytes; wanted > 0; ) {
      const first = this.#chunks[0] ?? new Uint8Array();
      const part = first.subarray(0, wanted);
      parts.push(part);
      wanted -= part.length;
      if (part.length === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(part.length);
    }
    this.#held -= bytes;
    this.#taken += bytes;
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : concat(...parts);
  }
}
