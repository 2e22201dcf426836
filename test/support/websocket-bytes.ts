// WebSocket frames as bytes, written from RFC 6455 §5.2 without the appliance's own code.

export interface FrameWish {
  readonly opcode: number;
  readonly fin?: boolean;
  readonly payload: Buffer;
  readonly mask: Buffer;
}

export function clientFrame({ opcode, fin = true, payload, mask }: FrameWish): Buffer {
  const masked = Buffer.from(payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
  return Buffer.concat([head(opcode, fin, payload.length, 0x80), mask, masked]);
}

/** The same payload as a server would send it. */
export function serverFrame({ opcode, fin = true, payload }: FrameWish): Buffer {
  return Buffer.concat([head(opcode, fin, payload.length, 0), payload]);
}

export interface ReadFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly masked: boolean;
  readonly payload: Buffer;
  /** Bytes of the whole frame. */
  readonly size: number;
}

/** Reads the first frame, unmasked; undefined while it is not whole. */
export function readFrame(bytes: Buffer): ReadFrame | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const masked = (second & 0x80) !== 0;
  const short = second & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const start = 2 + extended + (masked ? 4 : 0);
  if (bytes.length < start) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < start + length) return undefined;
  const key = bytes.subarray(start - 4, start);
  const body = bytes.subarray(start, start + length);
  const payload = masked ? Buffer.from(body.map((byte, at) => byte ^ (key[at % 4] ?? 0))) : Buffer.from(body);
  return { opcode: first & 0x0f, fin: (first & 0x80) !== 0, masked, payload, size: start + length };
}

function head(opcode: number, fin: boolean, length: number, maskBit: number): Buffer {
  const first = (fin ? 0x80 : 0) | opcode;
  if (length < 126) return Buffer.of(first, maskBit | length);
  const bytes = Buffer.alloc(length < 65_536 ? 4 : 10);
  bytes[0] = first;
  bytes[1] = maskBit | (length < 65_536 ? 126 : 127);
  if (length < 65_536) bytes.writeUInt16BE(length, 2);
  else bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}
