// A film that lies elsewhere, fetched in parts as it is looked at: never all of it, and nothing twice while it is still held.
import { type Bytes, concat } from '../../protocol/bytes.ts';
import type { RcrecSource } from '../../protocol/rcrec-file.ts';

export const CHUNK_BYTES = 128 * 1024;
/** A segment of calm work, and a film of harsh work for a minute or two. */
const MAX_CHUNKS = 128;

/** Exactly these bytes, from the first to the last. */
export type FetchPart = (first: number, last: number) => Promise<Bytes>;

export class FilmSource implements RcrecSource {
  readonly bytes: number;
  readonly #fetch: FetchPart;
  readonly #chunkBytes: number;
  /** By number; who was asked for last stands last. */
  readonly #chunks = new Map<number, Promise<Bytes>>();

  /** @param chunkBytes of which parts are made, for a test */
  constructor(bytes: number, fetch: FetchPart, chunkBytes = CHUNK_BYTES) {
    this.bytes = bytes;
    this.#fetch = fetch;
    this.#chunkBytes = chunkBytes;
  }

  async read(position: number, length: number): Promise<Bytes> {
    const end = Math.min(position + length, this.bytes);
    if (end <= position) return new Uint8Array();
    const [first, last] = [Math.floor(position / this.#chunkBytes), Math.floor((end - 1) / this.#chunkBytes)];
    const wanted = this.#hold(first, last);
    if ((last + 1) * this.#chunkBytes < this.bytes) this.#hold(last + 1, last + 1); // what is likely wanted next
    const parts = await Promise.all(wanted);
    const [only] = parts;
    const all = parts.length === 1 && only !== undefined ? only : concat(...parts);
    return all.subarray(position - first * this.#chunkBytes, end - first * this.#chunkBytes);
  }

  /** Chunks that are next to each other are asked for as one part. */
  #hold(first: number, last: number): Promise<Bytes>[] {
    const wanted: Promise<Bytes>[] = [];
    for (let number = first; number <= last; number++) {
      if (!this.#chunks.has(number)) this.#ask(number, last);
      const chunk = this.#chunks.get(number);
      if (chunk === undefined) continue;
      this.#chunks.delete(number);
      this.#chunks.set(number, chunk);
      wanted.push(chunk);
    }
    for (const number of this.#chunks.keys()) {
      if (this.#chunks.size <= MAX_CHUNKS) break;
      this.#chunks.delete(number);
    }
    return wanted;
  }

  #ask(from: number, most: number): void {
    let last = from;
    while (last < most && !this.#chunks.has(last + 1)) last++;
    const start = from * this.#chunkBytes;
    const part = this.#fetch(start, Math.min((last + 1) * this.#chunkBytes, this.bytes) - 1);
    for (let number = from; number <= last; number++) {
      const at = (number - from) * this.#chunkBytes;
      const chunk = part.then(bytes => bytes.subarray(at, at + this.#chunkBytes));
      this.#chunks.set(number, chunk);
      chunk.catch(() => {
        if (this.#chunks.get(number) === chunk) this.#chunks.delete(number); // who wants it next tries again
      });
    }
  }
}
