// Records of RCREC: what a block holds once it is unpacked, one after the other, none over two blocks.
//   1 time     ms uint40 of the recording: a picture that is complete with the next `time`
//   2 size     width uint16 | height uint16: a new picture, black; first of all in a segment, with an empty tile memory
//   3 copy     tile varint | from x, y uint16: pixels of the picture as it was at the last `time`; before the other tiles
//   4 tile     tile varint | its pixels, blue green red, row by row; the tile memory takes it
//   5 known    tile varint | place varint in the tile memory, which keeps the last TILE_MEMORY tiles in turn
//   6 cursor   hot x, y, width, height uint16 | blue green red alpha; width 0: none is shown
//   7 pointer  x, y uint16 | buttons uint8
//   8 mark     canonical JSON with a varint length in front: a mark of the hashed stream, or a note of the recorder
//   9 jpeg     x, y, width, height uint16 | JPEG with a varint length in front; what was sent lossy stays so
// Tiles are 64 × 64, numbered row by row, and smaller at the right and bottom edges.
import { ByteReader, type Bytes, type ByteWriter, malformed } from './bytes.ts';
import { MAX_SIDE } from './screen.ts';

export const TILE_SIDE = 64;
/** Tiles a player has to remember: 24 MiB. */
export const TILE_MEMORY = 2048;
/** Bytes of a pixel in a tile. */
export const TILE_PIXEL_BYTES = 3;
/** Two screens of 4K and one of the usual size. */
export const MAX_PICTURE_PIXELS = 2 ** 25;
export const MAX_CURSOR_SIDE = 512;
const MAX_JSON_BYTES = 64 * 1024;
const MAX_JPEG_BYTES = 16 * 1024 * 1024;
const RECORD = { time: 1, size: 2, copy: 3, tile: 4, known: 5, cursor: 6, pointer: 7, mark: 8, jpeg: 9 } as const;

export interface RcrecCursor {
  readonly hotX: number;
  readonly hotY: number;
  /** 0: none is shown. */
  readonly width: number;
  readonly height: number;
  /** Blue, green, red, alpha, not premultiplied. */
  readonly pixels: Bytes;
}

export type RcrecRecord =
  | { readonly type: 'time'; readonly ms: number }
  | { readonly type: 'size'; readonly width: number; readonly height: number }
  | { readonly type: 'copy'; readonly tile: number; readonly x: number; readonly y: number }
  | { readonly type: 'tile'; readonly tile: number; readonly pixels: Bytes }
  | { readonly type: 'known'; readonly tile: number; readonly place: number }
  | ({ readonly type: 'cursor' } & RcrecCursor)
  | { readonly type: 'pointer'; readonly x: number; readonly y: number; readonly buttons: number }
  | { readonly type: 'mark'; readonly json: Bytes }
  | {
      readonly type: 'jpeg';
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
      readonly jpeg: Bytes;
    };

/** Where a tile lies in a picture. */
export interface TileArea {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Tiles of a picture of a size. */
export class TileGrid {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly count: number;

  /** @throws ApplianceError `protocol.malformed` for a size no picture has */
  constructor(width: number, height: number) {
    if (!isSide(width) || !isSide(height) || width * height > MAX_PICTURE_PIXELS)
      throw malformed(`a picture of ${width} × ${height}`);
    this.width = width;
    this.height = height;
    this.columns = Math.ceil(width / TILE_SIDE);
    this.count = this.columns * Math.ceil(height / TILE_SIDE);
  }

  area(tile: number): TileArea {
    if (tile >= this.count) throw malformed(`tile ${tile} of ${this.count}`);
    const x = (tile % this.columns) * TILE_SIDE;
    const y = Math.floor(tile / this.columns) * TILE_SIDE;
    return { x, y, width: Math.min(TILE_SIDE, this.width - x), height: Math.min(TILE_SIDE, this.height - y) };
  }
}

export function writeRecord(writer: ByteWriter, record: RcrecRecord): void {
  writer.uint(1, RECORD[record.type]);
  switch (record.type) {
    case 'time':
      writer.uint(5, record.ms);
      break;
    case 'size':
      writer.uint(2, record.width).uint(2, record.height);
      break;
    case 'copy':
      writer.varint(record.tile).uint(2, record.x).uint(2, record.y);
      break;
    case 'tile':
      writer.varint(record.tile).bytes(record.pixels);
      break;
    case 'known':
      writer.varint(record.tile).varint(record.place);
      break;
    case 'cursor':
      writer.uint(2, record.hotX).uint(2, record.hotY).uint(2, record.width).uint(2, record.height);
      writer.bytes(record.pixels);
      break;
    case 'pointer':
      writer.uint(2, record.x).uint(2, record.y).uint(1, record.buttons);
      break;
    case 'mark':
      writer.block(record.json);
      break;
    case 'jpeg':
      writer.uint(2, record.x).uint(2, record.y).uint(2, record.width).uint(2, record.height).block(record.jpeg);
      break;
  }
}

/** Reads the records of a segment, block by block; the size of the picture decides how long a tile is. */
export class RecordReader {
  #grid: TileGrid | null = null;

  /** @throws ApplianceError `protocol.malformed`, after the records that were good */
  *read(plain: Bytes): Generator<RcrecRecord> {
    const reader = new ByteReader(plain);
    while (reader.left > 0) yield this.#record(reader);
  }

  #record(reader: ByteReader): RcrecRecord {
    const type = reader.uint(1);
    switch (type) {
      case RECORD.time:
        return { type: 'time', ms: reader.uint(5) };
      case RECORD.size:
        return this.#size(reader.uint(2), reader.uint(2));
      case RECORD.cursor:
        return readCursor(reader);
      case RECORD.mark:
        return { type: 'mark', json: reader.block(MAX_JSON_BYTES) };
    }
    const grid = this.#grid;
    if (grid === null) throw malformed('a picture before its size');
    switch (type) {
      case RECORD.copy:
        return { type: 'copy', tile: reader.varint(), x: reader.uint(2), y: reader.uint(2) };
      case RECORD.tile: {
        const tile = reader.varint();
        const { width, height } = grid.area(tile);
        return { type: 'tile', tile, pixels: reader.bytes(width * height * TILE_PIXEL_BYTES) };
      }
      case RECORD.known:
        return { type: 'known', tile: reader.varint(), place: reader.varint() };
      case RECORD.pointer:
        return { type: 'pointer', x: reader.uint(2), y: reader.uint(2), buttons: reader.uint(1) };
      case RECORD.jpeg:
        return {
          ...{ type: 'jpeg', x: reader.uint(2), y: reader.uint(2), width: reader.uint(2), height: reader.uint(2) },
          jpeg: reader.block(MAX_JPEG_BYTES),
        };
      default:
        throw malformed(`a record of type ${type}`);
    }
  }

  #size(width: number, height: number): RcrecRecord {
    this.#grid = new TileGrid(width, height);
    return { type: 'size', width, height };
  }
}

function readCursor(reader: ByteReader): RcrecRecord {
  const [hotX, hotY, width, height] = [reader.uint(2), reader.uint(2), reader.uint(2), reader.uint(2)];
  if (width > MAX_CURSOR_SIDE || height > MAX_CURSOR_SIDE) throw malformed(`a cursor of ${width} × ${height}`);
  return { type: 'cursor', hotX, hotY, width, height, pixels: reader.bytes(width * height * 4) };
}

function isSide(side: number): boolean {
  return side >= 1 && side <= MAX_SIDE;
}
