// Frames inside a control record, sealed for one attachment and never sent again:
//   ACK    1  next varint: every record below it was delivered
//   PING   2  number varint          PONG 3  number varint: the same
//   SWITCH 4  generation varint, flags 1 (bit 0: records may have been lost), from varint, next varint
//   CLOSE  5  code varint
// WINDOW is a stream frame: it must arrive, and what is in a data record is sent again until it does.
import { ByteReader, type Bytes, ByteWriter, malformed } from './bytes.ts';

const TYPE = { ack: 1, ping: 2, pong: 3, switch: 4, close: 5 } as const;

export const CLOSE_CODE = { ended: 0, protocol: 1, limit: 2, exhausted: 3 } as const;

export interface SwitchFrame {
  readonly type: 'switch';
  readonly generation: number;
  /** Records may have been lost with a path: both sides send again from the other's `next`. */
  readonly lossy: boolean;
  /** The sequence number of the first record the author sends on this path. */
  readonly from: number;
  /** The next record the author waits for. */
  readonly next: number;
}

export type ControlFrame =
  | { readonly type: 'ack'; readonly next: number }
  | { readonly type: 'ping' | 'pong'; readonly number: number }
  | SwitchFrame
  | { readonly type: 'close'; readonly code: number };

export function writeControl(frame: ControlFrame): Bytes {
  const writer = new ByteWriter(32).uint(1, TYPE[frame.type]);
  switch (frame.type) {
    case 'ack':
      return writer.varint(frame.next).done();
    case 'ping':
    case 'pong':
      return writer.varint(frame.number).done();
    case 'switch':
      return writer
        .varint(frame.generation)
        .uint(1, frame.lossy ? 1 : 0)
        .varint(frame.from)
        .varint(frame.next)
        .done();
    case 'close':
      return writer.varint(frame.code).done();
  }
}

export function readControl(record: Bytes): ControlFrame[] {
  const reader = new ByteReader(record);
  const frames: ControlFrame[] = [];
  while (reader.left > 0) frames.push(readFrame(reader));
  return frames;
}

function readFrame(reader: ByteReader): ControlFrame {
  const type = reader.uint(1);
  switch (type) {
    case TYPE.ack:
      return { type: 'ack', next: reader.varint() };
    case TYPE.ping:
    case TYPE.pong:
      return { type: type === TYPE.ping ? 'ping' : 'pong', number: reader.varint() };
    case TYPE.switch: {
      const generation = reader.varint();
      const flags = reader.uint(1);
      if (flags > 1) throw malformed('SWITCH with unknown flags');
      return { type: 'switch', generation, lossy: flags === 1, from: reader.varint(), next: reader.varint() };
    }
    case TYPE.close:
      return { type: 'close', code: reader.varint() };
    default:
      throw malformed(`a control frame of type ${type}`);
  }
}
