// Tight: fill, two colours, palette, and full colour, deflated in one stream each. Behind a rectangle's head:
//   control byte · for a palette: filter 1, colours − 1, the colours · data, with its length in front from 12 bytes on
// The places of a palette are those of the stream's own one, in its order: the same text has nearly the same bytes again.
import type { Bytes } from '../../protocol/bytes.ts';
import { concat } from '../../protocol/bytes.ts';
import { ENCODING, OWN_PIXEL_FORMAT } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';
import type { PictureCodecs, StreamCompressor } from '../picture-codecs.ts';
import type { Rectangle } from '../screen-source.ts';
import { type AreaEncoder, MAX_PAINTED_BYTES } from './area-encoder.ts';
import { MAX_AREA_PIXELS } from './merge.ts';
import { Palette, PLACES } from './palette.ts';
import { PixelWriter } from './pixel-writer.ts';
import type { Pixels } from './pixels.ts';

const FILL = 0x80;
const JPEG = 0x90;
const WITH_FILTER = 0x40;
const PALETTE_FILTER = 1;
/** Which of the four streams. */
const STREAM = { full: 0, mono: 1, palette: 2 } as const;
const MIN_DEFLATED_BYTES = 12;
/** No viewer's pixel is larger. */
const MAX_PIXEL_BYTES = 4;

interface Job {
  readonly area: Rectangle;
  /** Control byte, filter, palette. */
  readonly head: Bytes;
  readonly stream: keyof typeof STREAM | null;
  readonly data: Bytes;
}

export class TightEncoder implements AreaEncoder {
  readonly #codecs: PictureCodecs;
  #writer = new PixelWriter(OWN_PIXEL_FORMAT);
  readonly #level: number;
  readonly #streams = new Map<keyof typeof STREAM, StreamCompressor>();
  readonly #palette = new Palette();
  /** What was painted and is not deflated yet. */
  readonly #painted: Bytes = new Uint8Array(MAX_PAINTED_BYTES);
  #used = 0;
  #jobs: Job[] = [];
  /** Where in a rectangle's own palette a place of ours is. */
  readonly #localOf = new Uint8Array(PLACES);

  /** @param level 0 to 9, as the viewer asked for at first */
  constructor(codecs: PictureCodecs, level: number) {
    this.#codecs = codecs;
    this.#level = level;
  }

  get count(): number {
    return this.#jobs.length;
  }

  get full(): boolean {
    return this.#used + MAX_AREA_PIXELS * MAX_PIXEL_BYTES > MAX_PAINTED_BYTES;
  }

  writeAs(writer: PixelWriter): void {
    this.#writer = writer;
  }

  few(pixels: Pixels, area: Rectangle): boolean {
    const { width, height } = area;
    const indexes = this.#painted.subarray(this.#used, this.#used + width * height);
    if (!this.#palette.index(pixels, area, PLACES, indexes, 0)) return false;
    const colours = this.#palette.usedCount;
    if (colours === 1) {
      this.#jobs.push({ area, head: this.#fill(indexes[0] ?? 0), stream: null, data: new Uint8Array() });
      return true;
    }
    const stream = colours === 2 ? 'mono' : 'palette';
    const head = this.#paletteHead(stream);
    for (let i = 0; i < indexes.length; i++) indexes[i] = this.#localOf[indexes[i] ?? 0] ?? 0;
    const data = stream === 'mono' ? packed(indexes, width, height) : indexes;
    this.#used += data.length;
    this.#jobs.push({ area, head, stream, data });
    return true;
  }

  many(pixels: Pixels, area: Rectangle): void {
    const end = this.#writer.areaTight(pixels, area, this.#painted, this.#used);
    const data = this.#painted.subarray(this.#used, end);
    this.#used = end;
    this.#jobs.push({ area, head: Uint8Array.of(STREAM.full << 4), stream: 'full', data });
  }

  async finish(): Promise<Bytes[]> {
    const done: Bytes[] = [];
    for (const { area, head, stream, data } of this.#jobs) {
      const body = stream === null || data.length < MIN_DEFLATED_BYTES ? data : await this.#deflated(stream, data);
      done.push(writeRectangle(area, ENCODING.tight, concat(head, body)));
    }
    this.#jobs = [];
    this.#used = 0;
    return done;
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  async #deflated(name: keyof typeof STREAM, data: Bytes): Promise<Bytes> {
    const stream = this.#streams.get(name) ?? this.#codecs.newDeflate(this.#level);
    this.#streams.set(name, stream);
    const deflated = await stream.compress(data);
    return concat(compactLength(deflated.length), deflated);
  }

  #fill(place: number): Bytes {
    const head = new Uint8Array(1 + this.#writer.tightSize);
    head[0] = FILL;
    this.#writer.writeTight(this.#palette.colour(place), head, 1);
    return head;
  }

  #paletteHead(stream: 'mono' | 'palette'): Bytes {
    const colours = this.#palette.usedCount;
    const head = new Uint8Array(3 + colours * this.#writer.tightSize);
    head.set([WITH_FILTER | (STREAM[stream] << 4), PALETTE_FILTER, colours - 1]);
    let [at, local] = [3, 0];
    for (let place = 0; place < PLACES; place++) {
      if (!this.#palette.isUsed(place)) continue;
      at = this.#writer.writeTight(this.#palette.colour(place), head, at);
      this.#localOf[place] = local++;
    }
    return head;
  }
}

/** A JPEG as a rectangle of Tight. */
export function writeTightJpeg(area: Rectangle, jpeg: Bytes): Bytes {
  return writeRectangle(area, ENCODING.tight, concat(Uint8Array.of(JPEG), compactLength(jpeg.length), jpeg));
}

/** Eight pixels in a byte, the first in the highest bit; each row begins a byte. In place: bits need less room than bytes. */
function packed(indexes: Bytes, width: number, height: number): Bytes {
  let to = 0;
  for (let y = 0; y < height; y++) {
    const end = (y + 1) * width;
    for (let at = y * width; at < end; at += 8) {
      let byte = 0;
      for (let i = 0; i < 8; i++) byte = (byte << 1) | (at + i < end ? (indexes[at + i] ?? 0) : 0);
      indexes[to++] = byte;
    }
  }
  return indexes.subarray(0, to);
}

/** Seven bits in a byte, the lowest first, eight in the third: at most 4 MiB. */
function compactLength(length: number): Bytes {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x4000) return Uint8Array.of((length & 0x7f) | 0x80, length >> 7);
  return Uint8Array.of((length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14);
}
