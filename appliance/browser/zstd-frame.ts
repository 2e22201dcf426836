// Cuts a zstd frame (RFC 8878 §3.1.1) into its blocks as they come. Nothing is decompressed before it is known that the frame
// keeps to the window it may have, and that whatever was flushed ends where a block ends.
const MAGIC = 0xfd2f_b528;
const MAX_BLOCK_BYTES = 128 * 1024;
const BLOCK_HEAD_BYTES = 3;
const BLOCK = { rle: 1, reserved: 3 } as const;

export class ZstdFrame {
  readonly #maxWindowBytes: number;
  #begun = false;

  constructor(maxWindowBytes: number) {
    this.#maxWindowBytes = maxWindowBytes;
  }

  /**
   * @param bytes what was flushed at one time
   * @returns whole blocks, the first one of all with the frame's head before it
   * @throws RangeError when it is no part of one frame
   */
  blocks(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    const blocks: Uint8Array<ArrayBuffer>[] = [];
    let at = this.#begun ? 0 : headBytes(bytes, this.#maxWindowBytes);
    for (let from = 0; at < bytes.length; from = at) {
      const head = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
      const [isLast, kind, size] = [(head & 1) === 1, (head >> 1) & 3, head >> 3];
      if (isLast || kind === BLOCK.reserved || size > MAX_BLOCK_BYTES)
        throw new RangeError('no block of an open frame');
      at += BLOCK_HEAD_BYTES + (kind === BLOCK.rle ? 1 : size);
      if (at > bytes.length) throw new RangeError('a block that is cut off');
      blocks.push(bytes.subarray(from, at));
    }
    this.#begun = true;
    return blocks;
  }
}

/** Length of the frame's head: no dictionary, and a window of bounded size. */
function headBytes(bytes: Uint8Array, maxWindowBytes: number): number {
  if (bytes.length < 6) throw new RangeError('no head of a frame');
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const descriptor = bytes[4] ?? 0;
  const [sizeFlag, isSingle, dictionary] = [descriptor >> 6, (descriptor >> 5) & 1, descriptor & 3];
  // A single segment's window is its content's size, which an endless frame can't tell.
  if (magic !== MAGIC || isSingle === 1 || dictionary !== 0) throw new RangeError('no frame of ours');
  const window = bytes[5] ?? 0;
  const base = 2 ** (10 + (window >> 3));
  if (base + (base / 8) * (window & 7) > maxWindowBytes) throw new RangeError('a window that is too large');
  return 6 + (sizeFlag === 0 ? 0 : 2 ** sizeFlag);
}
