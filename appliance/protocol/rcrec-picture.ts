// The picture of a recording as its records draw it.
import { type Bytes, malformed } from './bytes.ts';
import { type RcrecCursor, type RcrecRecord, TILE_MEMORY, TILE_PIXEL_BYTES, TileGrid } from './rcrec-records.ts';

/** A value now, or later: what is handed in may be either. */
export type Later<T> = T | Promise<T>;

export interface RcrecPointer {
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
}

/** Red, green, blue, and 255; row by row. @throws for what is no JPEG of that size */
export type JpegDecoder = (jpeg: Bytes, size: { readonly width: number; readonly height: number }) => Later<Uint8Array>;

const CHANNELS = 4;

export class RcrecPicture {
  readonly #decodeJpeg: JpegDecoder;
  #grid: TileGrid | null = null;
  #pixels: Bytes = new Uint8Array();
  readonly #memory: Bytes[] = [];
  #memorised = 0;
  /** Copies of the picture that comes, until all of them have been read. */
  #copies: { readonly tile: number; readonly pixels: Bytes }[] = [];
  cursor: RcrecCursor | null = null;
  pointer: RcrecPointer | null = null;
  /** Counts what changed pixels, so that a viewer knows when to draw. */
  version = 0;

  constructor(decodeJpeg: JpegDecoder) {
    this.#decodeJpeg = decodeJpeg;
  }

  get width(): number {
    return this.#grid?.width ?? 0;
  }

  get height(): number {
    return this.#grid?.height ?? 0;
  }

  /** Red, green, blue, 255 for each pixel, row by row; valid until the size changes. */
  get pixels(): Bytes {
    return this.#pixels;
  }

  /** @throws ApplianceError `protocol.malformed` for what can't be drawn */
  apply(record: RcrecRecord): Later<void> {
    if (record.type === 'copy') return this.#keepCopy(record.tile, record.x, record.y);
    this.settle();
    switch (record.type) {
      case 'size':
        return this.#resize(record.width, record.height);
      case 'tile':
        this.#memory[this.#memorised++ % TILE_MEMORY] = record.pixels.slice();
        return this.#drawTile(record.tile, record.pixels);
      case 'known':
        return this.#drawKnown(record.tile, record.place);
      case 'cursor':
        this.cursor = record.width === 0 ? null : { ...record, pixels: record.pixels.slice() };
        return;
      case 'pointer':
        this.pointer = { x: record.x, y: record.y, buttons: record.buttons };
        return;
      case 'jpeg':
        return this.#drawJpeg(record);
      default: // a time and a mark draw nothing
    }
  }

  #resize(width: number, height: number): void {
    this.#grid = new TileGrid(width, height);
    this.#pixels = new Uint8Array(width * height * CHANNELS);
    new Uint32Array(this.#pixels.buffer).fill(0xff000000);
    this.#memory.length = 0;
    this.#memorised = 0;
    this.version++;
  }

  #drawKnown(tile: number, place: number): void {
    const pixels = this.#memory[place];
    const { width, height } = this.#area(tile);
    if (pixels?.length !== width * height * TILE_PIXEL_BYTES) throw malformed('a tile nobody remembers');
    this.#drawTile(tile, pixels);
  }

  #drawTile(tile: number, bgr: Bytes): void {
    const { x, y, width, height } = this.#area(tile);
    const pixels = this.#pixels;
    let from = 0;
    for (let row = y; row < y + height; row++) {
      let to = (row * this.width + x) * CHANNELS;
      for (const end = to + width * CHANNELS; to < end; to += CHANNELS, from += TILE_PIXEL_BYTES) {
        pixels[to] = bgr[from + 2] ?? 0;
        pixels[to + 1] = bgr[from + 1] ?? 0;
        pixels[to + 2] = bgr[from] ?? 0;
      }
    }
    this.version++;
  }

  #keepCopy(tile: number, x: number, y: number): void {
    const { width, height } = this.#area(tile);
    if (x + width > this.width || y + height > this.height) throw malformed('a copy from outside of the picture');
    const pixels = new Uint8Array(width * height * CHANNELS);
    for (let row = 0; row < height; row++) {
      const from = ((y + row) * this.width + x) * CHANNELS;
      pixels.set(this.#pixels.subarray(from, from + width * CHANNELS), row * width * CHANNELS);
    }
    this.#copies.push({ tile, pixels });
    if (this.#copies.length > (this.#grid?.count ?? 0)) throw malformed('more copies than there are tiles');
  }

  /** Draws the copies, all at once, for they may lie over each other; whatever record follows does so too. */
  settle(): void {
    if (this.#copies.length === 0) return;
    for (const { tile, pixels } of this.#copies) {
      const { x, y, width, height } = this.#area(tile);
      for (let row = 0; row < height; row++) {
        const line = pixels.subarray(row * width * CHANNELS, (row + 1) * width * CHANNELS);
        this.#pixels.set(line, ((y + row) * this.width + x) * CHANNELS);
      }
    }
    this.#copies = [];
    this.version++;
  }

  async #drawJpeg({ x, y, width, height, jpeg }: Extract<RcrecRecord, { type: 'jpeg' }>): Promise<void> {
    if (width === 0 || height === 0 || x + width > this.width || y + height > this.height)
      throw malformed('a JPEG outside of the picture');
    const decoded = await this.#decodeJpeg(jpeg, { width, height });
    if (decoded.length < width * height * CHANNELS) throw malformed('a JPEG of another size');
    for (let row = 0; row < height; row++) {
      const line = decoded.subarray(row * width * CHANNELS, (row + 1) * width * CHANNELS);
      this.#pixels.set(line, ((y + row) * this.width + x) * CHANNELS);
    }
    this.version++;
  }

  #area(tile: number) {
    if (this.#grid === null) throw malformed('a tile before there is a picture');
    return this.#grid.area(tile);
  }
}
