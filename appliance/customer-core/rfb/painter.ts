// Paints areas of a picture for one viewer: few colours and exact pictures in his encoding, photographs as JPEG where he
// shows it and losses are allowed. The compressors live as long as the stream, whatever else changes.
import type { Bytes } from '../../protocol/bytes.ts';
import type { PixelFormat } from '../../protocol/rfb.ts';
import type { PictureCodecs } from '../picture-codecs.ts';
import { PIXEL_BYTES, type Rectangle } from '../screen-source.ts';
import type { AreaEncoder } from './area-encoder.ts';
import { AreaSorter, cut } from './area-sorter.ts';
import { MAX_AREA_PIXELS } from './merge.ts';
import type { Picture } from './picture.ts';
import { PixelWriter } from './pixel-writer.ts';
import { RawEncoder } from './raw.ts';
import { TightEncoder, writeTightJpeg } from './tight.ts';
import type { UpdateWriter } from './update-writer.ts';
import type { PictureEncoding, Viewer } from './viewer.ts';
import { ZstdEncoder } from './zstd.ts';

/** Larger pieces have less around them, and still keep several processors busy. */
const MAX_JPEG_PIXELS = 512 * 1024;
/** What is exact and has many colours hardly gets smaller: a rectangle of it has to stay one that a line takes at once. */
const MAX_EXACT_PIXELS = 32 * 1024;
/** JPEGs that are made at a time: more than processors would only take memory. */
const JPEGS_AT_ONCE = 4;

export class Painter {
  readonly #codecs: PictureCodecs;
  readonly #encoders = new Map<PictureEncoding, AreaEncoder>();
  #sorter = new AreaSorter(0, 0);
  #encoder: AreaEncoder;

  constructor(codecs: PictureCodecs) {
    this.#codecs = codecs;
    this.#encoder = new RawEncoder();
    this.#encoders.set('raw', this.#encoder);
  }

  /** Before the first frame, and between frames when the viewer asks for something else. */
  use(viewer: Viewer, format: PixelFormat): void {
    this.#encoder = this.#encoderFor(viewer);
    this.#encoder.writeAs?.(new PixelWriter(format));
  }

  resize(width: number, height: number): void {
    this.#sorter = new AreaSorter(width, height);
  }

  /**
   * @param areas of at most MAX_AREA_PIXELS each
   * @param jpegQuality 1 to 100; null: nothing is to lose anything
   * @param at ms, monotonic
   */
  async paint(
    picture: Picture,
    areas: readonly Rectangle[],
    jpegQuality: number | null,
    at: number,
    update: UpdateWriter,
  ): Promise<void> {
    const sorter = this.#sorter;
    for (const area of areas) {
      const few = !sorter.isRich(picture.shown, area) && this.#paintFew(picture, area);
      if (!few) sorter.divide(picture.shown, area);
      await this.#makeRoom(update);
    }
    for (const area of sorter.takeFew(MAX_AREA_PIXELS)) await this.#paintOrCut(picture, area, update);
    const { jpeg } = this.#codecs;
    if (jpegQuality !== null && jpeg !== null) {
      const write = (area: Rectangle) => writeJpeg(jpeg, picture, area, jpegQuality);
      await this.#paintJpegs(picture, sorter.takeRich(MAX_JPEG_PIXELS), write, at, update);
    } else {
      for (const area of sorter.takeRich(MAX_EXACT_PIXELS)) {
        this.#encoder.many(picture.shown, area);
        picture.paintedExactly(area);
        await this.#makeRoom(update);
      }
    }
    if (this.#encoder.count > 0) update.add(...(await this.#encoder.finish()));
  }

  close(): void {
    for (const encoder of this.#encoders.values()) encoder.close();
    this.#encoders.clear();
  }

  #paintFew(picture: Picture, area: Rectangle): boolean {
    if (!this.#encoder.few(picture.shown, area)) return false;
    picture.paintedExactly(area);
    return true;
  }

  async #paintOrCut(picture: Picture, area: Rectangle, update: UpdateWriter): Promise<void> {
    if (this.#paintFew(picture, area)) return this.#makeRoom(update);
    const halves = cut(area);
    if (halves === null) this.#sorter.addRich(area);
    else for (const half of halves) await this.#paintOrCut(picture, half, update);
  }

  async #paintJpegs(
    picture: Picture,
    areas: readonly Rectangle[],
    write: (area: Rectangle) => Promise<Bytes>,
    at: number,
    update: UpdateWriter,
  ): Promise<void> {
    for (let i = 0; i < areas.length; i += JPEGS_AT_ONCE) {
      const some = areas.slice(i, i + JPEGS_AT_ONCE);
      const jpegs = await Promise.all(some.map(write));
      for (const area of some) picture.paintedWithLosses(area, at);
      update.add(...jpegs);
      if (i + JPEGS_AT_ONCE < areas.length) await update.flush();
    }
  }

  /** Finishes what was painted where no more would fit. */
  async #makeRoom(update: UpdateWriter): Promise<void> {
    if (!this.#encoder.full) return;
    update.add(...(await this.#encoder.finish()));
    await update.flush();
  }

  #encoderFor({ pictures, compression }: Viewer): AreaEncoder {
    const encoder = this.#encoders.get(pictures) ?? this.#newEncoder(pictures, compression);
    this.#encoders.set(pictures, encoder);
    return encoder;
  }

  #newEncoder(pictures: PictureEncoding, compression: number): AreaEncoder {
    const { newZstd } = this.#codecs;
    if (pictures === 'zstd' && newZstd !== null) return new ZstdEncoder(newZstd());
    return pictures === 'tight' ? new TightEncoder(this.#codecs, compression) : new RawEncoder();
  }
}

async function writeJpeg(
  jpeg: NonNullable<PictureCodecs['jpeg']>,
  { shown }: Picture,
  area: Rectangle,
  quality: number,
): Promise<Bytes> {
  const { words, stride } = shown;
  const pixels = new Uint8Array(words.buffer, words.byteOffset + (area.y * stride + area.x) * PIXEL_BYTES);
  const { width, height } = area;
  return writeTightJpeg(area, await jpeg(pixels, { width, height, stride: stride * PIXEL_BYTES }, quality));
}
