// Frames of RFC 6455 §5.2, as far as the relay needs them:
//   | FIN 1, RSV 3, opcode 4 | MASK 1, length 7 | length 16 or 64, when 126 or 127 | masking key 32, when MASK | payload |

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A record of the link (64 KiB and its header and tag) with room to spare; also the limit of a fragmented message. */
export const MAX_FRAME_BYTES = 81_920;
export const MAX_CONTROL_BYTES = 125;
export const MAX_HEADER_BYTES = 14;
export const MASK_BYTES = 4;

export const FIN = 0x80;
export const RESERVED = 0x70;
export const MASKED = 0x80;
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

/** Close codes; 4000 and up are the relay's own (§7.4.2). */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocol: 1002,
  unsupported: 1003,
  policy: 1008,
  tooLarge: 1009,
  peerLeft: 4001,
  peerNeverCame: 4002,
} as const;

/** A control frame as a server sends it: not masked, at most MAX_CONTROL_BYTES of payload. */
export function controlFrame(opcode: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([Buffer.of(FIN | opcode, payload.length), payload]);
}

export function closeFrame(code: number): Buffer {
  return controlFrame(OPCODE.close, Buffer.of(code >> 8, code & 0xff));
}
