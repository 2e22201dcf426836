// The pages of an SQLCipher file and of its write-ahead log as they stand on the disk, decrypted: free ones, too, and what is left
// in pages that are in use. No SQL shows these.
import { createDecipheriv } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

const PAGE_BYTES = 4096;
const RESERVED_BYTES = 80; // IV, HMAC-SHA-512
const IV_BYTES = 16;
const SALT_BYTES = 16; // instead of the first bytes of page 1
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** @param key as the store's files are opened with @returns one after the other */
export function readRawPages(path: string, key: Uint8Array): Buffer {
  const file = readFileSync(path);
  const pages: Buffer[] = [];
  for (let at = 0; at < file.length; at += PAGE_BYTES)
    pages.push(open(file.subarray(at, at + PAGE_BYTES), at === 0, key));
  const wal = existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);
  for (let at = WAL_HEADER_BYTES; at < wal.length; at += FRAME_HEADER_BYTES + PAGE_BYTES) {
    const frame = wal.subarray(at, at + FRAME_HEADER_BYTES + PAGE_BYTES);
    pages.push(open(frame.subarray(FRAME_HEADER_BYTES), frame.readUInt32BE(0) === 1, key));
  }
  return Buffer.concat(pages);
}

function open(page: Buffer, isFirst: boolean, key: Uint8Array): Buffer {
  const end = PAGE_BYTES - RESERVED_BYTES;
  const decipher = createDecipheriv('aes-256-cbc', key, page.subarray(end, end + IV_BYTES)).setAutoPadding(false);
  return Buffer.concat([decipher.update(page.subarray(isFirst ? SALT_BYTES : 0, end)), decipher.final()]);
}
