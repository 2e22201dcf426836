// The encoding Tight: a control byte, then one colour, a JPEG, or pixels as they are, with a palette or as differences, in
// one of four zlib streams. Source: the community's RFB specification, "Tight Encoding".
//   control   bits 0–3: start stream 0–3 anew · bits 4–7: 8 fill, 9 JPEG, else bits 4–5 the stream, bit 6 a filter follows
//   length    1 to 3 bytes, 7 + 7 + 8 bits, low first
import jpegTurbo from '@julusian/jpeg-turbo';
import { type Bytes, malformed } from '../../protocol/bytes.ts';
import type { RfbArea } from '../../protocol/rfb-client-messages.ts';
import type { ByteSource } from './byte-source.ts';
import { Inflater } from './inflater.ts';
import { CHANNELS, type Picture } from './picture.ts';
import type { PixelReader } from './pixel-reader.ts';

const FILL = 8;
const JPEG = 9;
const FILTER = { copy: 0, palette: 1, gradient: 2 } as const;
const STREAMS = 4;
/** Fewer bytes are not compressed. */
const LEAST_PACKED_BYTES = 12;
/** Of one rectangle that is compressed: 16 MiB of pixels. */
export const MAX_PACKED_PIXELS = 2 ** 22;

export class TightDecoder {
  readonly #source: ByteSource;
  readonly #streams: (Inflater | null)[] = Array.from({ length: STREAMS }, () => null);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async decode(area: RfbArea, picture: Picture, pixels: PixelReader): Promise<void> {
    const control = (await this.#source.take(1))[0] ?? 0;
    for (let stream = 0; stream < STREAMS; stream++) if ((control >> stream) & 1) this.#reset(stream);
    const kind = control >> 4;
    if (kind === FILL) return this.#fill(area, picture, pixels);
    if (area.width * area.height > MAX_PACKED_PIXELS) throw malformed('a rectangle of too many pixels');
    if (kind === JPEG) return this.#jpeg(area, picture);
    if (kind > 7) throw malformed(`a Tight rectangle of kind ${kind}`);
    const filter = (kind & 4) === 0 ? FILTER.copy : (await this.#source.take(1))[0];
    if (filter === FILTER.palette) return this.#palette(area, picture, pixels, kind & 3);
    if (filter !== FILTER.copy && filter !== FILTER.gradient) throw malformed(`a Tight filter ${filter}`);
    const plain = await this.#unpack(kind & 3, area.width * area.height * pixels.tightBytes);
    if (filter === FILTER.gradient) addGradient(plain, area.width, pixels.tightBytes);
    draw(area, picture, (row, to) =>
      pixels.readTight(plain, row * area.width * pixels.tightBytes, area.width, picture.pixels, to),
    );
  }

  close(): void {
    for (let stream = 0; stream < STREAMS; stream++) this.#reset(stream);
  }

  #reset(stream: number): void {
    this.#streams[stream]?.close();
    this.#streams[stream] = null;
  }

  async #fill(area: RfbArea, picture: Picture, pixels: PixelReader): Promise<void> {
    const colour = new Uint8Array(CHANNELS);
    pixels.readTight(await this.#source.take(pixels.tightBytes), 0, 1, colour, 0);
    const [blue = 0, green = 0, red = 0] = colour;
    picture.fill(area, blue, green, red);
  }

  async #jpeg(area: RfbArea, picture: Picture): Promise<void> {
    const jpeg = await this.#source.take(await this.#length());
    const decoded = decodeJpeg(jpeg, area, jpegTurbo.FORMAT_BGRX);
    draw(area, picture, (row, to) => {
      const from = row * area.width * CHANNELS;
      picture.pixels.set(decoded.subarray(from, from + area.width * CHANNELS), to);
    });
    picture.touchLossy(area, jpeg);
  }

  async #palette(area: RfbArea, picture: Picture, pixels: PixelReader, stream: number): Promise<void> {
    const count = ((await this.#source.take(1))[0] ?? 0) + 1;
    const colours = new Uint8Array(256 * CHANNELS);
    pixels.readTight(await this.#source.take(count * pixels.tightBytes), 0, count, colours, 0);
    const isMono = count <= 2;
    const lineBytes = isMono ? Math.ceil(area.width / 8) : area.width;
    const plain = await this.#unpack(stream, lineBytes * area.height);
    const into = picture.pixels;
    draw(area, picture, (row, to) => {
      for (let x = 0; x < area.width; x++, to += CHANNELS) {
        const byte = plain[row * lineBytes + (isMono ? x >> 3 : x)] ?? 0;
        const from = (isMono ? (byte >> (7 - (x & 7))) & 1 : byte) * CHANNELS;
        into[to] = colours[from] ?? 0;
        into[to + 1] = colours[from + 1] ?? 0;
        into[to + 2] = colours[from + 2] ?? 0;
      }
    });
  }

  async #unpack(stream: number, plainBytes: number): Promise<Bytes> {
    if (plainBytes < LEAST_PACKED_BYTES) return (await this.#source.take(plainBytes)).slice();
    const packed = await this.#source.take(await this.#length());
    const inflater = this.#streams[stream] ?? Inflater.zlib();
    this.#streams[stream] = inflater;
    return inflater.inflate(packed, plainBytes);
  }

  async #length(): Promise<number> {
    let length = 0;
    for (const shift of [0, 7, 14]) {
      const byte = (await this.#source.take(1))[0] ?? 0;
      length |= (shift === 14 ? byte : byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return length;
  }
}

/** @throws ApplianceError `protocol.malformed` for anything but a JPEG of that size */
export function decodeJpeg(jpeg: Bytes, area: { width: number; height: number }, format: number): Uint8Array {
  const image = Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.length);
  const room = Buffer.allocUnsafe(area.width * area.height * CHANNELS);
  try {
    const { width, height, data } = jpegTurbo.decompressSync(image, room, { format }); // refuses what has no room in it
    if (width === area.width && height === area.height) return data;
  } catch (cause) {
    throw malformed('a JPEG that is none', cause);
  }
  throw malformed('a JPEG of another size than its place');
}

function draw(area: RfbArea, picture: Picture, line: (row: number, to: number) => void): void {
  for (let row = 0; row < area.height; row++) line(row, picture.at(area.x, area.y + row));
  picture.touch(area);
}

/** Each value is the difference to what its neighbours to the left and above let expect. */
function addGradient(plain: Bytes, width: number, size: number): void {
  if (size !== 3) throw malformed('differences of pixels that are no bytes');
  const line = width * size;
  for (let at = 0; at < plain.length; at++) {
    const isFirst = at % line < size;
    const left = isFirst ? 0 : (plain[at - size] ?? 0);
    const above = plain[at - line] ?? 0;
    const corner = isFirst ? 0 : (plain[at - line - size] ?? 0);
    plain[at] = (plain[at] ?? 0) + Math.min(255, Math.max(0, left + above - corner));
  }
}
