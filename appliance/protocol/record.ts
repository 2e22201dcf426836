// What travels on a path: one message is one record.
//   | type 1 | epoch 1 | seq 6 | length 4 | body: length bytes | tag: 16 bytes, sealed records only |
// Sealed: data (record keys of the epoch) and control (keys of the attachment, its own counter in place of seq).
// Plain: the flights of the handshake and the messages of ATTACH, which protect themselves.
import { type Bytes, malformed } from './bytes.ts';

export const HEADER_BYTES = 12;
export const TAG_BYTES = 16;
export const NONCE_BYTES = 12;
export const LINK_ID_BYTES = 16;

/** Plaintext of a record that holds anything but files: with all headers it fits one TLS record (RFC 8446 §5.1). */
export const MAX_INTERACTIVE_BYTES = 16 * 1024 - 64;
/** Plaintext of a record that holds files only; nothing longer is read. */
export const MAX_BULK_BYTES = 64 * 1024;
export const MAX_CONTROL_BYTES = 1024;
export const MAX_FLIGHT_BYTES = 8 * 1024;
export const MAX_ATTACH_BYTES = 256;

export const RECORD = {
  data: 1,
  control: 2,
  attachBegin: 3,
  attachProve: 4,
  attachConfirm: 5,
  hello: 16,
  noise1: 17,
  noise2: 18,
  noise3: 19,
} as const;
export type RecordType = (typeof RECORD)[keyof typeof RECORD];

const maxBody = new Map<number, number>([
  [RECORD.data, MAX_BULK_BYTES],
  [RECORD.control, MAX_CONTROL_BYTES],
  [RECORD.attachBegin, MAX_ATTACH_BYTES],
  [RECORD.attachProve, MAX_ATTACH_BYTES],
  [RECORD.attachConfirm, MAX_ATTACH_BYTES],
  [RECORD.hello, MAX_FLIGHT_BYTES],
  [RECORD.noise1, MAX_FLIGHT_BYTES],
  [RECORD.noise2, MAX_FLIGHT_BYTES],
  [RECORD.noise3, MAX_FLIGHT_BYTES],
]);

export interface RecordHeader {
  readonly type: RecordType;
  readonly epoch: number;
  readonly seq: number;
  /** Bytes of the body, without the tag. */
  readonly length: number;
}

/** Who sends: part of what each tag covers, so that nothing can be sent back to its author. */
export const DIRECTION = { appletToConsole: 1, consoleToApplet: 2 } as const;
export type Direction = (typeof DIRECTION)[keyof typeof DIRECTION];

/** Reads the header and checks the size of the whole message against it. */
export function parseRecord(message: Bytes): RecordHeader {
  if (message.length < HEADER_BYTES) throw malformed(`a record of ${message.length} bytes`);
  const type = message[0] ?? 0;
  const most = maxBody.get(type);
  if (most === undefined) throw malformed(`a record of type ${type}`);
  const length = uint32(message, 8);
  if (length === 0 || length > most) throw malformed(`a body of ${length} bytes where 1 to ${most} are allowed`);
  const tag = type === RECORD.data || type === RECORD.control ? TAG_BYTES : 0;
  if (message.length !== HEADER_BYTES + length + tag) throw malformed('a message longer or shorter than its record');
  const seq = ((message[2] ?? 0) * 256 + (message[3] ?? 0)) * 2 ** 32 + uint32(message, 4);
  return { type: type as RecordType, epoch: message[1] ?? 0, seq, length };
}

/** Writes the header at the front of `into`. */
export function writeHeader(into: Bytes, { type, epoch, seq, length }: RecordHeader): void {
  into[0] = type;
  into[1] = epoch;
  writeUint48(into, 2, seq);
  into[8] = length >>> 24;
  into[9] = length >>> 16;
  into[10] = length >>> 8;
  into[11] = length;
}

/** A plain record: a flight of the handshake or a message of ATTACH. */
export function plainRecord(type: RecordType, body: Bytes): Bytes {
  const message = new Uint8Array(HEADER_BYTES + body.length);
  writeHeader(message, { type, epoch: 0, seq: 0, length: body.length });
  message.set(body, HEADER_BYTES);
  return message;
}

/** Four zero bytes and the 64-bit number (the form of RFC 8446 §5.3, without a secret part: each key is used once). */
export function nonceOf(seq: number): Bytes {
  const nonce = new Uint8Array(NONCE_BYTES);
  writeUint48(nonce, 6, seq);
  return nonce;
}

/** Associated data: header, link and direction. */
export function associatedData(header: Bytes, linkId: Bytes, direction: Direction): Bytes {
  const data = new Uint8Array(HEADER_BYTES + LINK_ID_BYTES + 1);
  for (let i = 0; i < HEADER_BYTES; i++) data[i] = header[i] ?? 0;
  data.set(linkId, HEADER_BYTES);
  data[HEADER_BYTES + LINK_ID_BYTES] = direction;
  return data;
}

function uint32(bytes: Bytes, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return a * 2 ** 24 + (b << 16) + (c << 8) + d;
}

function writeUint48(into: Bytes, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  into[at] = high >>> 8;
  into[at + 1] = high;
  into[at + 2] = value >>> 24;
  into[at + 3] = value >>> 16;
  into[at + 4] = value >>> 8;
  into[at + 5] = value;
}
