// Writes what a picture server sends, for tests; its own code, so that what is read was not written by what reads it.
import { constants, createDeflate, createZstdCompress } from 'node:zlib';
import jpegTurbo from '@julusian/jpeg-turbo';

type Rgb = readonly [red: number, green: number, blue: number];

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
export const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value)];

/** Version, security None and its result, size, 32 bits with blue first, a name. */
export function opening(width: number, height: number): number[] {
  const format = [32, 24, 0, 1, ...u16(255), ...u16(255), ...u16(255), 16, 8, 0, 0, 0, 0];
  return [
    ...Buffer.from('RFB 003.008\n'),
    1,
    1,
    ...u32(0),
    ...u16(width),
    ...u16(height),
    ...format,
    ...u32(4),
    ...Buffer.from('desk'),
  ];
}

export function update(...rectangles: (readonly number[])[]): number[] {
  return [0, 0, ...u16(rectangles.length), ...rectangles.flat()];
}

/** As many as come, with a last one. */
export function openUpdate(...rectangles: (readonly number[])[]): number[] {
  return [0, 0, 0xff, 0xff, ...rectangles.flat(), ...rectangle({ x: 0, y: 0, width: 0, height: 0 }, -224)];
}

export function rectangle({ x, y, width, height }: Box, encoding: number, ...body: number[]): number[] {
  return [...u16(x), ...u16(y), ...u16(width), ...u16(height), ...u32(encoding), ...body];
}

export type Pixels = (x: number, y: number) => Rgb;

function each(box: Box, pixel: (x: number, y: number) => readonly number[]): number[] {
  const all: number[] = [];
  for (let y = 0; y < box.height; y++) for (let x = 0; x < box.width; x++) all.push(...pixel(x, y));
  return all;
}

export function raw(box: Box, pixels: Pixels): number[] {
  return rectangle(box, 0, ...each(box, (x, y) => [pixels(x, y)[2], pixels(x, y)[1], pixels(x, y)[0], 0]));
}

export function copyRect(box: Box, fromX: number, fromY: number): number[] {
  return rectangle(box, 1, ...u16(fromX), ...u16(fromY));
}

export function tightFill(box: Box, colour: Rgb): number[] {
  return rectangle(box, 7, 0x80, ...colour);
}

export function tightJpeg(box: Box, pixels: Pixels): number[] {
  const bgrx = Buffer.from(each(box, (x, y) => [pixels(x, y)[2], pixels(x, y)[1], pixels(x, y)[0], 0]));
  const { width, height } = box;
  const jpeg = jpegTurbo.compressSync(bgrx, { format: jpegTurbo.FORMAT_BGRX, width, height, quality: 80 });
  return rectangle(box, 7, 0x90, ...compact(jpeg.length), ...jpeg);
}

/** Four streams that go on from rectangle to rectangle, as Tight has them. */
export class TightStreams {
  readonly #streams = Array.from({ length: 4 }, () => new Deflate());

  full(box: Box, pixels: Pixels, stream = 0): Promise<number[]> {
    return this.#packed(box, [stream << 4], each(box, pixels), stream);
  }

  gradient(box: Box, pixels: Pixels, stream = 1): Promise<number[]> {
    const at = (x: number, y: number, c: number) => (x < 0 || y < 0 ? 0 : (pixels(x, y)[c] ?? 0));
    const differences = each(box, (x, y) =>
      [0, 1, 2].map(c => {
        const expected = Math.min(255, Math.max(0, at(x - 1, y, c) + at(x, y - 1, c) - at(x - 1, y - 1, c)));
        return (at(x, y, c) - expected) & 255;
      }),
    );
    return this.#packed(box, [((stream | 4) << 4) & 0xf0, 2], differences, stream);
  }

  palette(box: Box, colours: readonly Rgb[], index: (x: number, y: number) => number, stream = 2): Promise<number[]> {
    const head = [((stream | 4) << 4) & 0xf0, 1, colours.length - 1, ...colours.flat()];
    if (colours.length > 2)
      return this.#packed(
        box,
        head,
        each(box, (x, y) => [index(x, y)]),
        stream,
      );
    const bits: number[] = [];
    for (let y = 0; y < box.height; y++) {
      for (let x = 0; x < box.width; x += 8) {
        let byte = 0;
        for (let bit = 0; bit < 8 && x + bit < box.width; bit++) byte |= index(x + bit, y) << (7 - bit);
        bits.push(byte);
      }
    }
    return this.#packed(box, head, bits, stream);
  }

  /** The stream begins anew with its next rectangle, and the reader is told so. */
  async restarted(stream: number, write: () => Promise<number[]>): Promise<number[]> {
    this.#streams[stream] = new Deflate();
    const bytes = await write();
    const control = 12;
    bytes[control] = (bytes[control] ?? 0) | (1 << stream);
    return bytes;
  }

  async #packed(box: Box, head: number[], plain: number[], stream: number): Promise<number[]> {
    if (plain.length < 12) return rectangle(box, 7, ...head, ...plain);
    const packed = (await this.#streams[stream]?.deflate(plain)) ?? [];
    return rectangle(box, 7, ...head, ...compact(packed.length), ...packed);
  }
}

/** Our own encoding: areas in one rectangle around them, one zstd stream from the first to the last. */
export class ZstdStream {
  readonly #stream = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 20 } });
  #chunks: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  async rectangle(box: Box, areas: number[][], plainBytes?: number): Promise<number[]> {
    const plain = areas.flat();
    this.#stream.write(Uint8Array.from(plain));
    await new Promise<void>(resolve => this.#stream.flush(constants.ZSTD_e_flush, resolve));
    const packed = [...Buffer.concat(this.#chunks)];
    this.#chunks = [];
    return rectangle(box, 0x6170705a, ...u32(packed.length), ...u32(plainBytes ?? plain.length), ...packed);
  }
}

function areaHead(kind: number, { x, y, width, height }: Box): number[] {
  return [kind, ...u16(x), ...u16(y), ...u16(width), ...u16(height)];
}

/** @param changes place, blue, green, red each */
export function zstdFill(box: Box, changes: readonly number[], place: number): number[] {
  return [...areaHead(1, box), changes.length / 4, ...changes, place];
}

export function zstdPlaces(box: Box, changes: readonly number[], index: (x: number, y: number) => number): number[] {
  return [...areaHead(2, box), changes.length / 4, ...changes, ...each(box, (x, y) => [index(x, y)])];
}

export function zstdColours(box: Box, pixels: Pixels): number[] {
  const at = (x: number, y: number, c: number) => (x < 0 || y < 0 ? 0 : (pixels(x, y)[c] ?? 0));
  const less = (x: number, y: number, c: number) =>
    at(x, y, c) - at(x - 1, y, c) - at(x, y - 1, c) + at(x - 1, y - 1, c);
  const sent = each(box, (x, y) => [less(x, y, 2) - less(x, y, 1), less(x, y, 1), less(x, y, 0) - less(x, y, 1)]);
  return [...areaHead(3, box), ...sent.map(value => value & 255)];
}

/** A zlib stream that is flushed after each piece. */
class Deflate {
  readonly #stream = createDeflate();
  #chunks: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  async deflate(plain: number[]): Promise<number[]> {
    this.#stream.write(Uint8Array.from(plain));
    await new Promise<void>(resolve => this.#stream.flush(constants.Z_SYNC_FLUSH, resolve));
    const piece = [...Buffer.concat(this.#chunks)];
    this.#chunks = [];
    return piece;
  }
}

function compact(length: number): number[] {
  if (length < 0x80) return [length];
  if (length < 0x4000) return [(length & 0x7f) | 0x80, length >> 7];
  return [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
}
