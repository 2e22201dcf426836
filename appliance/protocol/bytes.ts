// Reading and writing bytes with bounds. All numbers are big-endian; varints are those of QUIC (RFC 9000 §16).
import { ApplianceError } from '../errors.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a peer sent is not what the format says. */
export function malformed(what: string, cause?: unknown): ApplianceError {
  return new ApplianceError('malformed', 'protocol.malformed', what, { cause });
}

export function utf8Bytes(text: string): Bytes {
  return utf8.encode(text);
}

/** @throws ApplianceError `protocol.malformed` for bytes that are not UTF-8 */
export function utf8Text(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw malformed('text that is not UTF-8', cause);
  }
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Compares in a time that depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Reads from the front; what is left must be taken or refused with `end`. */
export class ByteReader {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** A view of the next bytes, not a copy. */
  bytes(length: number): Bytes {
    const from = this.#skip(length);
    return this.#bytes.subarray(from, this.#at);
  }

  /** @param size bytes of the number, at most 6 */
  uint(size: 1 | 2 | 4 | 5 | 6): number {
    return this.#number(size, 0);
  }

  /** RFC 9000 §16; values above 2^53 − 1 are refused. */
  varint(): number {
    const first = this.uint(1);
    const value = this.#number((1 << (first >> 6)) - 1, first & 0x3f);
    if (!Number.isSafeInteger(value)) throw malformed('a varint above 2^53 − 1');
    return value;
  }

  /** Bytes with a varint length in front. */
  block(max: number): Bytes {
    const length = this.varint();
    if (length > max) throw malformed(`a block of ${length} bytes where ${max} are the most`);
    return this.bytes(length);
  }

  text(maxBytes: number): string {
    return utf8Text(this.block(maxBytes));
  }

  end(): void {
    if (this.left > 0) throw malformed(`${this.left} bytes too many`);
  }

  /** Goes on to the bytes after `above`, the number so far. No view is made for them: this runs for every frame. */
  #number(size: number, above: number): number {
    let value = above;
    for (let at = this.#skip(size); at < this.#at; at++) value = value * 256 + (this.#bytes[at] ?? 0);
    return value;
  }

  /** @returns where the next bytes start, once they are known to be there */
  #skip(length: number): number {
    if (length > this.left) throw malformed(`cut short: ${length} bytes wanted, ${this.left} left`);
    const from = this.#at;
    this.#at += length;
    return from;
  }
}

/** Writes to a buffer that grows. */
export class ByteWriter {
  #bytes: Bytes;
  #at = 0;

  constructor(expected = 64) {
    this.#bytes = new Uint8Array(expected);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length).set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  uint(size: 1 | 2 | 4 | 5 | 6, value: number): this {
    if (!Number.isSafeInteger(value) || value < 0 || value >= 256 ** size) throw malformed(`${value} in ${size} bytes`);
    const into = this.#reserve(size);
    for (let i = size - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) into[this.#at + i] = rest % 256;
    this.#at += size;
    return this;
  }

  varint(value: number): this {
    const size = varintBytes(value);
    const first = this.#at;
    if (size === 8) this.uint(2, Math.floor(value / 2 ** 48)).uint(6, value % 2 ** 48);
    else this.uint(size, value);
    this.#bytes[first] = (this.#bytes[first] ?? 0) | (size === 1 ? 0 : size === 2 ? 0x40 : size === 4 ? 0x80 : 0xc0);
    return this;
  }

  block(bytes: Uint8Array): this {
    return this.varint(bytes.length).bytes(bytes);
  }

  text(text: string): this {
    return this.block(utf8.encode(text));
  }

  done(): Bytes {
    return this.#at === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#at);
  }

  /** What was written, for good; the room for it is used again. */
  take(): Bytes {
    const taken = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    return taken;
  }

  #reserve(length: number): Bytes {
    if (this.#at + length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return this.#bytes;
  }
}

/** The fewest bytes a varint of this value takes. */
export function varintBytes(value: number): 1 | 2 | 4 | 8 {
  if (!Number.isSafeInteger(value) || value < 0) throw malformed(`${value} is no varint`);
  if (value < 2 ** 6) return 1;
  if (value < 2 ** 14) return 2;
  return value < 2 ** 30 ? 4 : 8;
}
