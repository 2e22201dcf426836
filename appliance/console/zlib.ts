// zlib (RFC 1950) by the browser's own streams.
import type { Bytes } from '../protocol/bytes.ts';

export async function deflate(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Decompresses as far as it goes: what was flushed and not ended has no end.
 * @throws RangeError when it gives more than `most` bytes
 */
export async function inflate(bytes: Bytes, most: number): Promise<Bytes> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  const whole = new Uint8Array(most);
  let length = 0;
  for (let part = await next(reader); part !== null; part = await next(reader)) {
    if (length + part.length > most) {
      void reader.cancel();
      throw new RangeError(`more than ${most} bytes`);
    }
    whole.set(part, length);
    length += part.length;
  }
  return whole.slice(0, length);
}

/** @returns null at the end, and where it can't be read further */
async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | null> {
  try {
    return (await reader.read()).value ?? null;
  } catch {
    return null; // cut off, or no zlib: whether what came is whole is for who parses it
  }
}
