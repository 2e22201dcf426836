// Compression the picture server is handed: portable code has none of its own.
import type { Bytes } from '../protocol/bytes.ts';
import type { Later } from './objects.ts';

/** One stream whose output goes on from call to call; each call's output can be decompressed as far as it goes. */
export interface StreamCompressor {
  /** @param bytes must not change before the answer is there; one call at a time */
  compress(bytes: Bytes): Later<Bytes>;
  close(): void;
}

export interface PictureCodecs {
  /** zlib (RFC 1950), flushed at each call (Z_SYNC_FLUSH). */
  newDeflate(level: number): StreamCompressor;
  /** zstd (RFC 8878): one frame that never ends, level 1, window of 1 MiB, flushed at each call; null where there is none. */
  readonly newZstd: (() => StreamCompressor) | null;
  /**
   * Decompresses zlib that a peer sent, which may lack its end.
   * @throws ApplianceError `protocol.malformed` for anything that is not zlib, or gives more than `mostBytes`
   */
  inflate(bytes: Bytes, mostBytes: number): Later<Bytes>;
  /**
   * A baseline JPEG of BGRX pixels, 4:2:0 below quality 80; null where there is none, and pictures go without loss.
   * @param pixels from the first pixel on; there may be more behind the last row
   * @param size stride in bytes
   * @param quality 1 to 100
   */
  readonly jpeg:
    | ((
        pixels: Bytes,
        size: { readonly width: number; readonly height: number; readonly stride: number },
        quality: number,
      ) => Later<Bytes>)
    | null;
  /** Whether both hold the same, at the speed of memory: it is asked for every row that was drawn. */
  sameBytes(a: Uint8Array, b: Uint8Array): boolean;
}
