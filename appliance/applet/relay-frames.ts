// WebSocket frames as the relay passes them (RFC 6455 §5; gateway/README.md): a console's frames come still masked with the
// console's key, the gateway's own come bare. No library takes both, and no other frames than these are taken.
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { HEADER_BYTES, MAX_BULK_BYTES, TAG_BYTES } from '../protocol/record.ts';

export const OPCODE = { continuation: 0, binary: 2, close: 8, ping: 9, pong: 10 } as const;
/** The largest record; nothing longer is ours. */
export const MAX_MESSAGE_BYTES = HEADER_BYTES + MAX_BULK_BYTES + TAG_BYTES;
const MAX_CONTROL_BYTES = 125;
const FIN = 0x80;
const MASKED = 0x80;
const MASK_BYTES = 4;

export interface FrameHandler {
  /** A whole message, with a buffer of its own. */
  message(bytes: Bytes): void;
  control(opcode: 8 | 9 | 10, payload: Buffer): void;
}

interface Head {
  readonly isLast: boolean;
  readonly opcode: number;
  readonly mask: Buffer | null;
  readonly start: number;
  readonly end: number;
}

export class FrameReader {
  readonly #handler: FrameHandler;
  #buffered: Buffer = Buffer.alloc(0);
  /** Of a message that came in fragments. */
  #parts: Buffer[] | null = null;
  #partBytes = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** @throws ApplianceError `relay.protocol` for what the relay never sends */
  push(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    for (let head = readHead(this.#buffered); head !== null && head.end <= this.#buffered.length; ) {
      const payload = Buffer.from(this.#buffered.subarray(head.start, head.end)); // a copy: it is unmasked in place
      this.#buffered = this.#buffered.subarray(head.end);
      if (head.mask !== null) unmask(payload, head.mask);
      this.#frame(head, payload);
      head = readHead(this.#buffered);
    }
  }

  #frame({ opcode, isLast }: Head, payload: Buffer): void {
    const { close, ping, pong, binary, continuation } = OPCODE;
    if (opcode === close || opcode === ping || opcode === pong) {
      if (!isLast || payload.length > MAX_CONTROL_BYTES) throw protocolError('a control frame that is none');
      return void this.#handler.control(opcode, payload);
    }
    if (opcode !== binary && opcode !== continuation) throw protocolError('neither binary nor control');
    if ((opcode === continuation) !== (this.#parts !== null)) throw protocolError('a fragment out of turn');
    const parts = this.#parts ?? [];
    parts.push(payload);
    this.#partBytes += payload.length;
    if (this.#partBytes > MAX_MESSAGE_BYTES) throw protocolError('a message longer than any record');
    this.#parts = isLast ? null : parts;
    if (!isLast) return;
    this.#partBytes = 0;
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#handler.message(whole);
  }
}

/** @returns null until enough has come */
function readHead(bytes: Buffer): Head | null {
  if (bytes.length < 2) return null;
  const [first, second] = [bytes.readUInt8(0), bytes.readUInt8(1)];
  if ((first & 0x70) !== 0) throw protocolError('an extension nobody asked for');
  const short = second & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const maskAt = 2 + extended;
  const start = maskAt + ((second & MASKED) === 0 ? 0 : MASK_BYTES);
  if (bytes.length < start) return null;
  const length = extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (length > MAX_MESSAGE_BYTES) throw protocolError('a frame longer than any record');
  const mask = start === maskAt ? null : bytes.subarray(maskAt, start);
  return { isLast: (first & FIN) !== 0, opcode: first & 0x0f, mask, start, end: start + length };
}

/** In place. */
function unmask(payload: Buffer, mask: Buffer): void {
  if (mask.readUInt32BE(0) === 0) return;
  for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
}

/**
 * What goes before the payload: masked, as a client must, with a key of zeroes, as the relay wants it of an applet, so
 * that the payload goes as it is.
 */
export function writeHead(opcode: number, length: number): Buffer {
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended + MASK_BYTES);
  head.writeUInt8(FIN | opcode, 0);
  head.writeUInt8(MASKED | (extended === 0 ? length : extended === 2 ? 126 : 127), 1);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

function protocolError(what: string): ApplianceError {
  return new ApplianceError('malformed', 'relay.protocol', `the relay sent ${what}`);
}
