// The one form of tar we write (POSIX ustar: regular files, one behind the other), and a strict reading of its headers. Sizes from
// 8 GiB on are in base 256, as GNU tar has them. Links, devices and long names are refused: nothing we write needs them.
import { type Bytes, malformed, utf8Bytes, utf8Text } from './bytes.ts';

export const TAR_BLOCK = 512;
const MAX_NAME_BYTES = 100;
const MAX_OCTAL = 8 ** 11; // eleven digits
const [SIZE_AT, TIME_AT, SUM_AT, TYPE_AT, MAGIC_AT] = [124, 136, 148, 156, 257];
const PREFIX = { at: 345, bytes: 155 };

export interface TarEntry {
  /** With slashes, as it is written. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly bytes: number;
}

/** @param at when it was made, ms UTC */
export function tarHeader(name: string, bytes: number, at: number): Bytes {
  const text = utf8Bytes(name);
  if (text.length > MAX_NAME_BYTES) throw malformed('a name is too long for a tar');
  const block = new Uint8Array(TAR_BLOCK);
  const put = (offset: number, value: string) => block.set(utf8Bytes(value), offset);
  block.set(text);
  put(100, '0000600\0');
  for (const offset of [108, 116]) put(offset, '0000000\0');
  if (bytes < MAX_OCTAL) put(SIZE_AT, `${octal(bytes, 11)}\0`);
  else new DataView(block.buffer).setBigUint64(SIZE_AT + 4, BigInt(bytes));
  if (bytes >= MAX_OCTAL) block[SIZE_AT] = 0x80;
  put(TIME_AT, `${octal(Math.floor(at / 1000), 11)}\0`);
  put(TYPE_AT, '0');
  put(MAGIC_AT, 'ustar\x0000');
  put(SUM_AT, `${octal(sumOf(block), 6)}\0 `);
  return block;
}

/** Behind the bytes of an entry. */
export function tarPadding(bytes: number): number {
  return (TAR_BLOCK - (bytes % TAR_BLOCK)) % TAR_BLOCK;
}

/** @returns null for a block of zeros, which is half of the end @throws ApplianceError `protocol.malformed` */
export function parseTarHeader(block: Uint8Array): TarEntry | null {
  if (block.length !== TAR_BLOCK) throw malformed('a header of another length');
  if (block.every(byte => byte === 0)) return null;
  if (textAt(block, MAGIC_AT, 5) !== 'ustar' || numberAt(block, SUM_AT, 8) !== sumOf(block)) {
    throw malformed('that is no header of a tar');
  }
  const type = String.fromCharCode(block[TYPE_AT] ?? 0);
  if (type !== '0' && type !== '\0' && type !== '5') throw malformed('an entry that is no regular file');
  const isGnu = block[MAGIC_AT + 5] === 0x20; // without a prefix
  const prefix = isGnu ? '' : textAt(block, PREFIX.at, PREFIX.bytes);
  const name = textAt(block, 0, MAX_NAME_BYTES);
  const bytes = numberAt(block, SIZE_AT, 12);
  if (type === '5' && bytes !== 0) throw malformed('a folder with content');
  return { name: prefix === '' ? name : `${prefix}/${name}`, isFolder: type === '5', bytes };
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

/** Of all bytes, the sum's own place taken for spaces. */
function sumOf(block: Uint8Array): number {
  let sum = 0;
  for (const [at, byte] of block.entries()) sum += at >= SUM_AT && at < SUM_AT + 8 ? 0x20 : byte;
  return sum;
}

function textAt(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return utf8Text(end === -1 ? field : field.subarray(0, end));
}

function numberAt(block: Uint8Array, offset: number, length: number): number {
  if (block[offset] === 0x80 && length === 12) {
    const view = new DataView(block.buffer, block.byteOffset + offset, length);
    const value = view.getBigUint64(4);
    if (view.getUint32(0) !== 0x80000000 || value > BigInt(Number.MAX_SAFE_INTEGER))
      throw malformed('a size is too large');
    return Number(value);
  }
  const digits = textAt(block, offset, length).trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw malformed('a number that is none');
  return Number.parseInt(digits, 8);
}
