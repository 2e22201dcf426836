// The one form of zip we write (APPNOTE 6.3.10), and its strict reading: entries stored one behind the other, sizes and CRC
// after each, one fixed date, zip64 where a number needs it. What can be computed from names, sizes and CRCs is compared
// with what is there, so that no byte of the file is free: a changed one is found wherever it is.
import { ApplianceError } from '../errors.ts';
import { type Bytes, concat, equalBytes, utf8Bytes, utf8Text } from './bytes.ts';

const MAX_32 = 0xffffffff;
/** More than a directory of so many bytes has room for. */
const MAX_ENTRIES = 16_384;
const MAX_DIRECTORY_BYTES = 1024 * 1024;
const FLAGS = 0x0808; // a descriptor follows; names are UTF-8
const DATE = 0x21; // 1980-01-01: when it was made stands in the manifest
const [END_BYTES, LOCATOR_BYTES, END_64_BYTES] = [22, 20, 56];

/** What is read of, from anywhere in it. */
export interface ByteSource {
  readonly size: number;
  /** Exactly so many bytes; throws where there are not. */
  read(offset: number, length: number): Promise<Bytes>;
}

export interface ZipEntry {
  readonly name: string;
  readonly bytes: number;
  readonly crc: number;
  /** Of its local header. */
  readonly offset: number;
}

export interface ZipFault {
  /** The entry, or null for the file as a whole. */
  readonly name: string | null;
  readonly what: string;
}

export function localHeader(name: string, bytes: number): Bytes {
  const [text, large] = [utf8Bytes(name), bytes >= MAX_32];
  const size = large ? MAX_32 : 0;
  const start = numbers([4, 0x04034b50], [2, large ? 45 : 20], [2, FLAGS], [2, 0], [2, 0], [2, DATE], [4, 0]);
  const extra = large ? numbers([2, 1], [2, 16], [8, 0], [8, 0]) : new Uint8Array(0);
  return concat(start, numbers([4, size], [4, size], [2, text.length], [2, extra.length]), text, extra);
}

/** Behind the bytes of an entry. */
export function descriptor(bytes: number, crc: number): Bytes {
  const width = bytes >= MAX_32 ? 8 : 4;
  return numbers([4, 0x08074b50], [4, crc], [width, bytes], [width, bytes]);
}

/** The directory and the end, behind the last entry. */
export function directory(entries: readonly ZipEntry[]): Bytes {
  const at = entries.reduce((_, entry) => endOf(entry), 0);
  const central = concat(...entries.map(centralHeader));
  const [count, length] = [entries.length, central.length];
  const needs64 = at >= MAX_32;
  const end64 = numbers(
    ...([
      [4, 0x06064b50],
      [8, 44],
      [2, 45],
      [2, 45],
      [4, 0],
      [4, 0],
      [8, count],
      [8, count],
    ] as const),
    ...([
      [8, length],
      [8, at],
      [4, 0x07064b50],
      [4, 0],
      [8, at + length],
      [4, 1],
    ] as const),
  );
  const end = numbers(
    ...([
      [4, 0x06054b50],
      [2, 0],
      [2, 0],
      [2, count],
      [2, count],
      [4, length],
    ] as const),
    ...([
      [4, Math.min(at, MAX_32)],
      [2, 0],
    ] as const),
  );
  return needs64 ? concat(central, end64, end) : concat(central, end);
}

/** Where the next thing stands. */
export function endOf({ name, bytes, offset }: Pick<ZipEntry, 'name' | 'bytes' | 'offset'>): number {
  return dataOf({ name, bytes, offset }) + bytes + descriptor(bytes, 0).length;
}

/** Where its bytes begin. */
export function dataOf({ name, bytes, offset }: Pick<ZipEntry, 'name' | 'bytes' | 'offset'>): number {
  return offset + localHeader(name, bytes).length;
}

/**
 * @returns the entries as the directory names them, and whatever is not as we write it
 * @throws ApplianceError `zip.malformed` where there is no directory to be read
 */
export async function readZip(source: ByteSource): Promise<{ entries: ZipEntry[]; faults: ZipFault[] }> {
  const tail = await readTail(source);
  const entries = readDirectory(tail.bytes);
  const faults: ZipFault[] = [];
  if (!equalBytes(tail.bytes, directory(entries))) faults.push({ name: null, what: 'its directory was changed' });
  let at = 0;
  for (const entry of entries) {
    if (entry.offset !== at) faults.push({ name: entry.name, what: 'it does not follow the file before it' });
    at = endOf(entry);
    if (!(await isFramed(source, entry))) faults.push({ name: entry.name, what: 'its header in the zip was changed' });
  }
  if (at !== tail.offset) faults.push({ name: null, what: 'there is something between its files and its directory' });
  return { entries, faults };
}

async function isFramed(source: ByteSource, entry: ZipEntry): Promise<boolean> {
  const [header, after] = [localHeader(entry.name, entry.bytes), descriptor(entry.bytes, entry.crc)];
  if (entry.offset > source.size - header.length || endOf(entry) > source.size) return false;
  const isHeader = equalBytes(await source.read(entry.offset, header.length), header);
  return isHeader && equalBytes(await source.read(endOf(entry) - after.length, after.length), after);
}

async function readTail(source: ByteSource): Promise<{ offset: number; bytes: Bytes }> {
  if (source.size < END_BYTES) throw malformed('it is too short to be a zip');
  const end = await source.read(source.size - END_BYTES, END_BYTES);
  if (number(end, 0, 4) !== 0x06054b50) throw malformed('its end is not the end of a zip: it was cut off, or changed');
  let [length, offset] = [number(end, 12, 4), number(end, 16, 4)];
  if (offset === MAX_32) {
    const at = source.size - END_BYTES - LOCATOR_BYTES - END_64_BYTES;
    if (at < 0) throw malformed('its end was changed');
    const large = await source.read(at, END_64_BYTES);
    [length, offset] = [number(large, 40, 8), number(large, 48, 8)];
  }
  if (length > MAX_DIRECTORY_BYTES || offset > source.size - END_BYTES)
    throw malformed('its end names a directory that is not there');
  return { offset, bytes: await source.read(offset, source.size - offset) };
}

function readDirectory(bytes: Bytes): ZipEntry[] {
  const entries: ZipEntry[] = [];
  for (let at = 0; number(bytes, at, 4) === 0x02014b50 && entries.length < MAX_ENTRIES; ) {
    const [nameLength, extraLength] = [number(bytes, at + 28, 2), number(bytes, at + 30, 2)];
    const extra = at + 46 + nameLength;
    let [size, offset] = [number(bytes, at + 24, 4), number(bytes, at + 42, 4)];
    let wide = extra + 4;
    if (size === MAX_32) [size, wide] = [number(bytes, wide, 8), wide + 16];
    if (offset === MAX_32) offset = number(bytes, wide, 8);
    if (!Number.isSafeInteger(size) || !Number.isSafeInteger(offset)) throw malformed('its directory was changed');
    entries.push({ name: nameIn(bytes.subarray(at + 46, extra)), bytes: size, crc: number(bytes, at + 16, 4), offset });
    at = extra + extraLength;
  }
  return entries;
}

function nameIn(bytes: Bytes): string {
  try {
    return utf8Text(bytes);
  } catch (cause) {
    throw new ApplianceError('malformed', 'zip.malformed', 'its directory was changed', { cause });
  }
}

function centralHeader({ name, bytes, crc, offset }: ZipEntry): Bytes {
  const text = utf8Bytes(name);
  const wide = [...(bytes >= MAX_32 ? [bytes, bytes] : []), ...(offset >= MAX_32 ? [offset] : [])];
  const needs = wide.length === 0 ? 20 : 45;
  const extra =
    wide.length === 0
      ? new Uint8Array(0)
      : numbers([2, 1], [2, wide.length * 8], ...wide.map(value => [8, value] as const));
  const [size, at] = [Math.min(bytes, MAX_32), Math.min(offset, MAX_32)];
  const start = numbers([4, 0x02014b50], [2, 45], [2, needs], [2, FLAGS], [2, 0], [2, 0], [2, DATE], [4, crc]);
  const sizes = numbers([4, size], [4, size], [2, text.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0]);
  return concat(start, sizes, numbers([4, at]), text, extra);
}

/** Little-endian. */
function numbers(...fields: readonly (readonly [width: 2 | 4 | 8, value: number])[]): Bytes {
  const bytes = new Uint8Array(fields.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of fields)
    for (let rest = value, left = width; left > 0; left--, rest = Math.floor(rest / 256)) bytes[at++] = rest % 256;
  return bytes;
}

function number(bytes: Bytes, at: number, width: 2 | 4 | 8): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function malformed(what: string): ApplianceError {
  return new ApplianceError('malformed', 'zip.malformed', what);
}
