// The relay's reframer: reads a client's frames from chunks cut anywhere, and gives back the same frames for the other
// leg. Headers are read and checked; payload is never copied or looked at. Where the other leg is a browser the mask has to
// go: an applet masks with the zero key, which changes no byte (LINK.md, "Gateway's side"); between two browsers, the
// customer's having no program, it is undone in place.
import { ApplianceError } from '../errors.ts';
import { unmask } from './unmask.ts';
import {
  FIN,
  LENGTH_16,
  LENGTH_64,
  MASK_BYTES,
  MASKED,
  MAX_CONTROL_BYTES,
  MAX_FRAME_BYTES,
  MAX_HEADER_BYTES,
  OPCODE,
  RESERVED,
} from './websocket-frame.ts';

/** Chrome fragments what its pipe holds in part; nobody honest needs more pieces than this. */
const MAX_FRAGMENTS = 64;
/** A frame that came in more pieces is gathered, so that a peer sending byte by byte costs bytes and not objects. */
const MAX_PARTS = 16;
const BASE_HEADER_BYTES = 2;

/**
 * `kept`: frames go on as they are. `cleared`: frames must have the zero key, and go on without mask bit and key.
 * `opened`: frames have any key, and go on unmasked.
 */
export type MaskRule = 'kept' | 'cleared' | 'opened';

export interface FrameSink {
  /** Whole data frames, one or many. The buffer is the sink's from here on. */
  data(frames: Buffer): void;
  /** A ping, pong or close, its payload unmasked. */
  control(opcode: number, payload: Buffer): void;
}

export class FrameReader {
  #rule: MaskRule;
  readonly #sink: FrameSink;
  readonly #header = Buffer.alloc(MAX_HEADER_BYTES);
  #headerBytes = 0; // read so far
  #headerFromChunk = 0; // of these, from the chunk at hand
  #inPayload = false;
  #payloadLeft = 0;
  #parts: Buffer[] = []; // of the frame at hand, ready for the other leg
  #ready: Buffer[] = []; // whole frames
  #inMessage = false;
  #messageBytes = 0;
  #fragments = 0;
  #stopped = false;

  constructor(rule: MaskRule, sink: FrameSink) {
    this.#rule = rule;
    this.#sink = sink;
  }

  /**
   * Takes the next bytes of the connection; headers in them may be rewritten in place.
   * @throws ApplianceError `relay.protocol`, `relay.text`, `relay.too-large`; all frames before that one were given on
   */
  push(chunk: Buffer): void {
    this.#headerFromChunk = 0;
    try {
      for (let at = 0; at < chunk.length && !this.#stopped; ) {
        at = this.#inPayload ? this.#takePayload(chunk, at) : this.#takeHeader(chunk, at);
      }
    } finally {
      this.#flush();
    }
  }

  /** From the frame at hand on, also where its first part was taken before: when the other leg is known. */
  openMasks(): void {
    if (this.#rule === 'kept') this.#rule = 'opened';
  }

  /** Nothing is read any more. */
  stop(): void {
    this.#stopped = true;
    this.#parts = [];
    this.#ready = [];
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const wanted = this.#headerBytes < BASE_HEADER_BYTES ? BASE_HEADER_BYTES : headerBytes(this.#header);
    const taken = Math.min(wanted - this.#headerBytes, chunk.length - at);
    chunk.copy(this.#header, this.#headerBytes, at, at + taken);
    this.#headerBytes += taken;
    this.#headerFromChunk += taken;
    if (this.#headerBytes === BASE_HEADER_BYTES) this.#checkStart();
    else if (this.#headerBytes === headerBytes(this.#header)) this.#beginPayload(chunk, at + taken);
    return at + taken;
  }

  /** Refuses by the first two bytes what they already show. */
  #checkStart(): void {
    const [first = 0, second = 0] = this.#header;
    const opcode = first & 0x0f;
    const length = second & ~MASKED;
    if ((first & RESERVED) !== 0) throw protocol('a reserved bit is set');
    if ((second & MASKED) === 0) throw protocol('a client’s frame is not masked');
    if (opcode === OPCODE.text) throw new ApplianceError('malformed', 'relay.text', 'the link is binary');
    if (opcode >= OPCODE.close) {
      if (opcode > OPCODE.pong) throw protocol('the opcode is unknown');
      if ((first & FIN) === 0 || length > MAX_CONTROL_BYTES) throw protocol('a control frame is long or fragmented');
    } else {
      if (opcode > OPCODE.binary) throw protocol('the opcode is unknown');
      if ((opcode === OPCODE.continuation) !== this.#inMessage) throw protocol('fragments are out of order');
    }
  }

  #beginPayload(chunk: Buffer, end: number): void {
    const [first = 0] = this.#header;
    this.#payloadLeft = payloadBytes(this.#header);
    if (!isControl(first)) {
      this.#countMessage((first & FIN) !== 0);
      this.#addHeader(chunk, end);
    }
    this.#inPayload = true;
    if (this.#payloadLeft === 0) this.#endFrame();
  }

  #countMessage(last: boolean): void {
    if (last && !this.#inMessage && this.#payloadLeft === 0) throw protocol('an empty message');
    this.#messageBytes += this.#payloadLeft;
    this.#fragments += 1;
    if (this.#messageBytes > MAX_FRAME_BYTES) throw tooLarge();
    if (this.#fragments > MAX_FRAGMENTS) throw protocol('too many fragments');
    this.#inMessage = !last;
    if (!last) return;
    this.#messageBytes = 0;
    this.#fragments = 0;
  }

  /** Puts the header for the other leg right before the payload, in place where the chunk holds enough of the old one. */
  #addHeader(chunk: Buffer, end: number): void {
    const clear = this.#rule === 'cleared';
    const length = this.#headerBytes - (clear ? MASK_BYTES : 0);
    if (clear) {
      if (this.#header.readUInt32BE(length) !== 0) throw protocol('this leg masks with the zero key');
      this.#header[1] = (this.#header[1] ?? 0) & ~MASKED;
    }
    if (this.#headerFromChunk < length) {
      this.#parts.push(Buffer.from(this.#header.subarray(0, length)));
      return;
    }
    if (clear) this.#header.copy(chunk, end - length, 0, length);
    this.#parts.push(chunk.subarray(end - length, end));
  }

  #takePayload(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#payloadLeft, chunk.length - at);
    append(this.#parts, chunk.subarray(at, at + taken));
    if (this.#parts.length > MAX_PARTS) this.#parts = [Buffer.concat(this.#parts)];
    this.#payloadLeft -= taken;
    if (this.#payloadLeft === 0) this.#endFrame();
    return at + taken;
  }

  #endFrame(): void {
    const [first = 0] = this.#header;
    const parts = this.#parts;
    const length = this.#headerBytes;
    const key = this.#header.subarray(length - MASK_BYTES, length);
    this.#parts = [];
    this.#inPayload = false;
    this.#headerBytes = 0;
    this.#headerFromChunk = 0;
    if (!isControl(first)) {
      if (this.#rule === 'opened') this.#open(parts, length, key);
      for (const part of parts) append(this.#ready, part);
      return;
    }
    const payload = Buffer.concat(parts);
    unmask(payload, key);
    this.#flush(); // frames before a close go before it
    this.#sink.control(first & 0x0f, payload);
  }

  /**
   * Undoes the mask of a whole frame where it lies, and moves the shorter header up to the payload.
   * @param length of the header as it came, with which the first part begins
   */
  #open(parts: Buffer[], length: number, key: Buffer): void {
    const [start, ...rest] = parts;
    if (start === undefined) return;
    let at = 0;
    for (const payload of [start.subarray(length), ...rest]) {
      unmask(payload, key, at);
      at += payload.length;
    }
    this.#header[1] = (this.#header[1] ?? 0) & ~MASKED;
    this.#header.copy(start, MASK_BYTES, 0, length - MASK_BYTES);
    parts[0] = start.subarray(MASK_BYTES);
  }

  #flush(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const frames of ready) this.#sink.data(frames);
  }
}

/** Adds a part; where it follows the last one in memory as well, the two become one, and one write. */
function append(parts: Buffer[], next: Buffer): void {
  const last = parts.at(-1);
  if (!last || last.buffer !== next.buffer || last.byteOffset + last.length !== next.byteOffset) {
    parts.push(next);
    return;
  }
  parts[parts.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + next.length);
}

function isControl(first: number): boolean {
  return (first & 0x0f) >= OPCODE.close;
}

/** Of a masked frame, from its first two bytes. */
function headerBytes(header: Buffer): number {
  const length = (header[1] ?? 0) & ~MASKED;
  const extended = length === LENGTH_16 ? 2 : length === LENGTH_64 ? 8 : 0;
  return BASE_HEADER_BYTES + extended + MASK_BYTES;
}

/** Lengths are in their shortest form only (§5.2), and never beyond MAX_FRAME_BYTES. */
function payloadBytes(header: Buffer): number {
  const length = (header[1] ?? 0) & ~MASKED;
  if (length < LENGTH_16) return length;
  if (length === LENGTH_64 && header.readUInt32BE(2) !== 0) throw tooLarge();
  const extended = length === LENGTH_16 ? header.readUInt16BE(2) : header.readUInt32BE(6);
  if (extended > MAX_FRAME_BYTES) throw tooLarge();
  if (extended < (length === LENGTH_16 ? LENGTH_16 : 0x10000)) throw protocol('a length is not in its shortest form');
  return extended;
}

function protocol(why: string): ApplianceError {
  return new ApplianceError('malformed', 'relay.protocol', why);
}

function tooLarge(): ApplianceError {
  return new ApplianceError('malformed', 'relay.too-large', `a message has at most ${MAX_FRAME_BYTES} bytes`);
}
