// ExtendedClipboard (community extension): behind a cut text's negative length stand
//   flags uint32: formats in bits 0 to 15, one action in bits 24 to 28, then
//   caps     for each format, from the lowest bit, the most bytes that may come without being asked for: uint32
//   request, peek, notify   nothing
//   provide  zlib: for each format, from the lowest bit: length uint32 · bytes
// Text is UTF-8 with CR LF and a NUL at its end. Pictures go as PNG under a bit of our own; viewers that don't know it never
// ask for it.
import { ByteReader, type Bytes, ByteWriter, malformed, utf8Bytes, utf8Text } from './bytes.ts';
import { MAX_CUT_TEXT_BYTES } from './rfb.ts';
import { MAX_CLIPBOARD_BYTES } from './screen.ts';

export const CLIPBOARD_FORMAT = { text: 1, png: 1 << 8 } as const;
const FORMATS = 0xffff;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const ACTION = { caps: 1 << 24, request: 1 << 25, peek: 1 << 26, notify: 1 << 27, provide: 1 << 28 } as const;
const ACTIONS = Object.values(ACTION).reduce((all, bit) => all | bit, 0);

/** CR LF may double it, in the worst case; and the NUL. */
const MAX_TEXT_ON_WIRE = 2 * MAX_CLIPBOARD_BYTES + 1;
/** What a `provide` may hold when it is decompressed: text, picture, and their lengths. */
export const MAX_PROVIDED_BYTES = MAX_TEXT_ON_WIRE + MAX_CUT_TEXT_BYTES + 8;

export type ClipboardMessage =
  /** What the peer takes. */
  | { readonly type: 'caps'; readonly formats: number }
  | { readonly type: 'request' | 'peek' | 'notify'; readonly formats: number }
  /** Still compressed. */
  | { readonly type: 'provide'; readonly formats: number; readonly zlib: Bytes };

export interface Provided {
  readonly text: string | null;
  readonly png: Bytes | null;
}

/** @throws ApplianceError `protocol.malformed` */
export function parseClipboardMessage(bytes: Bytes): ClipboardMessage {
  const reader = new ByteReader(bytes);
  const flags = reader.uint(4);
  const formats = flags & FORMATS;
  // Caps name what the peer takes: several actions, and that this is about them.
  if ((flags & ACTION.caps) !== 0) {
    reader.bytes(4 * bitsOf(formats).length); // sizes that may come unasked: none does
    reader.end();
    return { type: 'caps', formats };
  }
  const zlib = reader.bytes(reader.left);
  switch (flags & ACTIONS) {
    case ACTION.provide:
      return { type: 'provide', formats, zlib };
    case ACTION.request:
      return asked('request', formats, zlib);
    case ACTION.peek:
      return asked('peek', formats, zlib);
    case ACTION.notify:
      return asked('notify', formats, zlib);
    default:
      throw malformed('a clipboard message of no kind, or of several');
  }
}

/** What this side takes: everything, and text of `most` bytes unasked. */
export function writeClipboardCaps(most: ReadonlyMap<number, number>): Bytes {
  const formats = [...most.keys()].sort((a, b) => a - b);
  const writer = new ByteWriter(4 + 4 * formats.length);
  writer.uint(4, (ACTIONS | formats.reduce((all, bit) => all | bit, 0)) >>> 0);
  for (const bit of formats) writer.uint(4, most.get(bit) ?? 0);
  return writer.done();
}

export function writeClipboardAsk(type: 'request' | 'peek' | 'notify', formats: number): Bytes {
  return new ByteWriter(4).uint(4, (ACTION[type] | formats) >>> 0).done();
}

/** @param zlib what `writeProvided` gave, compressed */
export function writeClipboardProvide(formats: number, zlib: Uint8Array): Bytes {
  return new ByteWriter(4 + zlib.length)
    .uint(4, (ACTION.provide | formats) >>> 0)
    .bytes(zlib)
    .done();
}

/** The formats of what there is. */
export function formatsOf({ text, png }: Provided): number {
  return (text === null ? 0 : CLIPBOARD_FORMAT.text) | (png === null ? 0 : CLIPBOARD_FORMAT.png);
}

/** Content as it goes into a `provide`, before it is compressed. */
export function writeProvided({ text, png }: Provided): Bytes {
  const writer = new ByteWriter(1024);
  if (text !== null) {
    const bytes = utf8Bytes(`${text.replace(/\r\n|\r|\n/g, '\r\n')}\0`);
    writer.uint(4, bytes.length).bytes(bytes);
  }
  if (png !== null) writer.uint(4, png.length).bytes(png);
  return writer.done();
}

/** @throws ApplianceError `protocol.malformed`, for text and pictures that are too large too */
export function parseProvided(formats: number, plain: Bytes): Provided {
  const reader = new ByteReader(plain);
  let [text, png]: [string | null, Bytes | null] = [null, null];
  for (const bit of bitsOf(formats)) {
    const bytes = reader.bytes(reader.uint(4));
    if (bit === CLIPBOARD_FORMAT.text) text = parseText(bytes);
    if (bit === CLIPBOARD_FORMAT.png) png = parsePng(bytes);
  }
  reader.end();
  return { text, png };
}

function parseText(bytes: Bytes): string {
  const end = bytes.indexOf(0);
  const text = utf8Text(end < 0 ? bytes : bytes.subarray(0, end)).replace(/\r\n?/g, '\n');
  if (utf8Bytes(text).length > MAX_CLIPBOARD_BYTES) throw malformed('a clipboard text that is too long');
  return text;
}

function parsePng(bytes: Bytes): Bytes {
  if (bytes.length > MAX_CUT_TEXT_BYTES) throw malformed('a clipboard picture that is too large');
  if (PNG_SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw malformed('a clipboard picture that is no PNG');
  return bytes;
}

function asked(type: 'request' | 'peek' | 'notify', formats: number, rest: Bytes): ClipboardMessage {
  if (rest.length > 0) throw malformed(`a clipboard message with ${rest.length} bytes too many`);
  return { type, formats };
}

function bitsOf(formats: number): number[] {
  return Array.from({ length: 16 }, (_, i) => 1 << i).filter(bit => (formats & bit) !== 0);
}
