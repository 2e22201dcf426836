// A picture server that keeps to RFB as far as the picture, and then says whatever a test likes.
import { deflateSync } from 'node:zlib';
import { type Bytes, ByteWriter, concat, utf8Bytes } from '../../appliance/protocol/bytes.ts';
import { OWN_PIXEL_FORMAT, RFB_VERSION, writePixelFormat } from '../../appliance/protocol/rfb.ts';
import { bytesOf } from '../link/support.ts';

/** Each in a message of its own, as a server that waits for its viewer would send them. */
export function opening(width: number, height: number, name = 'desktop'): readonly Bytes[] {
  return [RFB_VERSION, Uint8Array.of(1, 1), new Uint8Array(4), serverInit(width, height, utf8Bytes(name))];
}

export function serverInit(width: number, height: number, name: Bytes, nameBytes = name.length): Bytes {
  const writer = writePixelFormat(new ByteWriter().uint(2, width).uint(2, height), OWN_PIXEL_FORMAT);
  return writer.uint(4, nameBytes).bytes(name).done();
}

export interface TestRectangle {
  readonly x?: number;
  readonly y?: number;
  readonly width: number;
  readonly height: number;
  readonly encoding: number;
  readonly body?: Bytes;
}

export function update(...rectangles: readonly TestRectangle[]): Bytes {
  const head = new ByteWriter().uint(1, 0).uint(1, 0).uint(2, rectangles.length).done();
  return concat(head, ...rectangles.map(rectangle));
}

/** Tight with its one-colour, JPEG and zlib kinds. */
export const tight = {
  fill: (red: number, green: number, blue: number): Bytes => Uint8Array.of(0x80, red, green, blue),
  jpeg: (file: Bytes): Bytes => concat(Uint8Array.of(0x90), compactLength(file.length), file),
  zlib: (plain: Uint8Array): Bytes => {
    const data = bytesOf(deflateSync(plain));
    return concat(Uint8Array.of(0x00), compactLength(data.length), data);
  },
} as const;

/** A rectangle's body in our own encoding. */
export function zstdBody(compressed: Bytes, plainBytes: number, compressedBytes = compressed.length): Bytes {
  return new ByteWriter().uint(4, compressedBytes).uint(4, plainBytes).bytes(compressed).done();
}

/** The plain bytes of an area of one colour. */
export function zstdFill(width: number, height: number, [red, green, blue]: readonly [number, number, number]): Bytes {
  const head = new ByteWriter().uint(1, 1).uint(2, 0).uint(2, 0).uint(2, width).uint(2, height);
  return head.bytes(Uint8Array.of(1, 7, blue, green, red, 7)).done();
}

/** A JPEG's head that claims this size and 99 bits for a colour, which no decoder has. */
export function jpegOf(width: number, height: number): Bytes {
  const frame = new ByteWriter().uint(2, 0xffc0).uint(2, 11).uint(1, 99).uint(2, height).uint(2, width);
  return concat(Uint8Array.of(0xff, 0xd8), frame.bytes(Uint8Array.of(1, 1, 0x11, 0)).done(), new Uint8Array(32));
}

function rectangle({ x = 0, y = 0, width, height, encoding, body = new Uint8Array(0) }: TestRectangle): Bytes {
  const head = new ByteWriter()
    .uint(2, x)
    .uint(2, y)
    .uint(2, width)
    .uint(2, height)
    .uint(4, encoding >>> 0);
  return head.bytes(body).done();
}

function compactLength(length: number): Bytes {
  if (length < 128) return Uint8Array.of(length);
  if (length < 16_384) return Uint8Array.of((length & 127) | 128, length >> 7);
  return Uint8Array.of((length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14);
}
