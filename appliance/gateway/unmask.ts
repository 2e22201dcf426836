// The mask of RFC 6455 §5.3, undone in place. It protects nothing inside TLS, so it should cost as little as can be: words
// of four bytes where memory is aligned, single bytes at both ends.

const WORD = 4;

/** @param key 4 bytes; @param at how many of the masked bytes came before these */
export function unmask(bytes: Buffer, key: Buffer, at = 0): void {
  if (key.readUInt32BE(0) === 0) return;
  const head = Math.min(bytes.length, -bytes.byteOffset & (WORD - 1));
  const count = Math.floor((bytes.length - head) / WORD);
  const tail = head + count * WORD;
  unmaskBytes(bytes.subarray(0, head), key, at);
  if (count > 0) unmaskWords(new Int32Array(bytes.buffer, bytes.byteOffset + head, count), turned(key, at + head));
  unmaskBytes(bytes.subarray(tail), key, at + tail);
}

function unmaskBytes(bytes: Buffer, key: Buffer, at: number): void {
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = (bytes[index] ?? 0) ^ (key[(at + index) % WORD] ?? 0);
  }
}

function unmaskWords(words: Int32Array, key: number): void {
  for (let index = 0; index < words.length; index++) words[index] = (words[index] ?? 0) ^ key;
}

/** The key as it meets the byte at `at`, in the machine's own order of bytes, as the words are. */
function turned(key: Buffer, at: number): number {
  const bytes = Uint8Array.from({ length: WORD }, (_, index) => key[(at + index) % WORD] ?? 0);
  return new Int32Array(bytes.buffer)[0] ?? 0;
}
