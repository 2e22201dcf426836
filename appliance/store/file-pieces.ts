// A file that is sent in pieces, as long as it was when its length was told: what has grown since is sent as it was.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ApplianceError } from '../errors.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * @param path not followed where it is a link
 * @param cut what is thrown when the file got shorter meanwhile
 */
export async function* piecesOf(path: string, bytes: number, cut: () => ApplianceError): AsyncGenerator<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (let at = 0; at < bytes; ) {
      const piece = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw cut();
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
