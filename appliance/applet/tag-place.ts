// Where in a program file the session tag stands. Windows: the blob in an unauthenticated attribute of the Authenticode
// signature, which is the last thing in the file. Linux: behind the end of what the detached signature covers.
import { ApplianceError } from '../errors.ts';
import { TAG_BLOB_SIZE, TAG_MAGIC, TAG_SIZE } from '../protocol/tag.ts';

export const PLATFORMS = ['linux-x64', 'win-x64'] as const;
export type Platform = (typeof PLATFORMS)[number];

export interface TagPlace {
  readonly offset: number;
  readonly size: number;
}

/** Reads `length` bytes at `offset`; fewer only at the end of the file. */
export type ReadAt = (offset: number, length: number) => Buffer;

// Offsets of the Portable Executable format, PE32+ only.
const PE_POINTER = 0x3c;
const PE_SIGNATURE = 0x4550; // "PE\0\0"
const FILE_HEADER = 24;
const PE32_PLUS = 0x20b;
const CERTIFICATE_ENTRY = 144; // the fifth data directory, from the start of the optional header
const OPTIONAL_HEADER = 152;
const MAX_CERTIFICATE_TABLE = 1024 * 1024;
/** How osslsigncode writes the attribute: a UTF8String of 1024 bytes (X.690 §8.1.3.5). */
const BLOB_HEADER = Buffer.from([0x0c, 0x82, TAG_BLOB_SIZE >> 8, TAG_BLOB_SIZE & 0xff]);
const FRESH_BLOB = Buffer.from('---BEGIN_BLOB---');

export interface PeParts {
  /** Of the optional header. */
  readonly optionalHeader: number;
  /** The certificate table: file offset and bytes, 0 for none. */
  readonly certificates: TagPlace;
}

/** @throws ApplianceError `applet.no-pe` */
export function readPe(read: ReadAt): PeParts {
  const start = read(0, PE_POINTER + 4);
  const at =
    start.length === PE_POINTER + 4 && start.toString('latin1', 0, 2) === 'MZ' ? start.readUInt32LE(PE_POINTER) : -1;
  if (at < 0) throw noPe();
  const header = read(at, FILE_HEADER + OPTIONAL_HEADER);
  if (header.length < FILE_HEADER + OPTIONAL_HEADER || header.readUInt32LE(0) !== PE_SIGNATURE) throw noPe();
  if (header.readUInt16LE(FILE_HEADER) !== PE32_PLUS) throw noPe();
  const entry = FILE_HEADER + CERTIFICATE_ENTRY;
  const certificates = { offset: header.readUInt32LE(entry), size: header.readUInt32LE(entry + 4) };
  return { optionalHeader: at + FILE_HEADER, certificates };
}

/**
 * @param size bytes of the file
 * @returns undefined where there is no room for a tag, or more than one
 */
export function findTagPlace(platform: Platform, size: number, read: ReadAt): TagPlace | undefined {
  if (platform === 'linux-x64') return size > TAG_SIZE ? { offset: size - TAG_SIZE, size: TAG_SIZE } : undefined;
  const { certificates } = readPe(read);
  if (certificates.size === 0 || certificates.size > MAX_CERTIFICATE_TABLE) return undefined;
  const table = read(certificates.offset, certificates.size);
  const places = [TAG_MAGIC, FRESH_BLOB].flatMap(start => occurrences(table, Buffer.concat([BLOB_HEADER, start])));
  const [place] = places;
  if (place === undefined || places.length > 1) return undefined;
  return { offset: certificates.offset + place + BLOB_HEADER.length, size: TAG_BLOB_SIZE };
}

function occurrences(haystack: Buffer, needle: Buffer): number[] {
  const found: number[] = [];
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1)) found.push(at);
  return found;
}

function noPe(): ApplianceError {
  return new ApplianceError('malformed', 'applet.no-pe', 'that is not a 64-bit Windows program');
}
