// Our own encoding (its layout stands in customer-core/README.md): many areas in one rectangle, out of one zstd stream that
// lasts as long as the picture does, and a palette that lasts with it.
import { ByteReader, type Bytes, malformed } from '../../protocol/bytes.ts';
import type { RfbArea } from '../../protocol/rfb-client-messages.ts';
import type { ByteSource } from './byte-source.ts';
import { Inflater } from './inflater.ts';
import { CHANNELS, type Picture } from './picture.ts';

const KIND = { fill: 1, places: 2, colours: 3 } as const;
const PLACES = 256;
const WINDOW_LOG = 20;
/** More than any rectangle of ours unpacks to. */
const MAX_PLAIN_BYTES = 4 * 1024 * 1024;

export class ZstdDecoder {
  readonly #source: ByteSource;
  #stream: Inflater | null = null;
  /** Blue, green, red from the lowest byte. */
  readonly #palette = new Uint32Array(PLACES);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async decode(picture: Picture): Promise<void> {
    const lengths = new ByteReader(await this.#source.take(8));
    const [packedBytes, plainBytes] = [lengths.uint(4), lengths.uint(4)];
    if (plainBytes > MAX_PLAIN_BYTES) throw malformed(`a rectangle that unpacks to ${plainBytes} bytes`);
    const packed = await this.#source.take(packedBytes);
    this.#stream ??= Inflater.zstd(WINDOW_LOG);
    const plain = new ByteReader(await this.#stream.inflate(packed, plainBytes));
    while (plain.left > 0) this.#area(plain, picture);
  }

  close(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  #area(plain: ByteReader, picture: Picture): void {
    const kind = plain.uint(1);
    const area = { x: plain.uint(2), y: plain.uint(2), width: plain.uint(2), height: plain.uint(2) };
    picture.check(area);
    if (kind === KIND.colours) return void drawColours(plain.bytes(area.width * area.height * 3), area, picture);
    if (kind !== KIND.fill && kind !== KIND.places) throw malformed(`an area of kind ${kind}`);
    this.#change(plain);
    const palette = this.#palette;
    if (kind === KIND.fill) {
      const colour = palette[plain.uint(1)] ?? 0;
      return void picture.fill(area, colour & 255, (colour >> 8) & 255, colour >> 16);
    }
    const places = plain.bytes(area.width * area.height);
    const { words, grid } = picture;
    let from = 0;
    for (let row = area.y; row < area.y + area.height; row++) {
      const start = row * grid.width + area.x;
      for (let to = start; to < start + area.width; to++) words[to] = palette[places[from++] ?? 0] ?? 0;
    }
    picture.touch(area);
  }

  #change(plain: ByteReader): void {
    for (let changes = plain.uint(1); changes > 0; changes--) {
      const at = plain.uint(1);
      const [blue = 0, green = 0, red = 0] = plain.bytes(3);
      this.#palette[at] = blue | (green << 8) | (red << 16);
    }
  }
}

/** Blue − green, green, red − green, each less left + above − above left, which are 0 outside of the area. */
function drawColours(sent: Bytes, { x, y, width, height }: RfbArea, picture: Picture): void {
  const { pixels } = picture;
  const line = picture.grid.width * CHANNELS;
  let from = 0;
  for (let row = 0; row < height; row++) {
    let to = picture.at(x, y + row);
    for (let column = 0; column < width; column++, to += CHANNELS, from += 3) {
      const green = sent[from + 1] ?? 0;
      for (let channel = 0; channel < 3; channel++) {
        const left = column === 0 ? 0 : (pixels[to + channel - CHANNELS] ?? 0);
        const above = row === 0 ? 0 : (pixels[to + channel - line] ?? 0);
        const corner = row === 0 || column === 0 ? 0 : (pixels[to + channel - line - CHANNELS] ?? 0);
        const difference = (sent[from + channel] ?? 0) + (channel === 1 ? 0 : green);
        pixels[to + channel] = difference + left + above - corner;
      }
    }
  }
  picture.touch({ x, y, width, height });
}
