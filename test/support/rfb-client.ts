// An RFB viewer for tests and benchmarks, written from the documents and not from the server: it decodes what it gets into a
// picture, and complains about anything it does not expect. It works over any way to send and receive bytes.
import { createRequire } from 'node:module';
import { createInflate, createZstdDecompress, type Inflate, type ZstdDecompress } from 'node:zlib';
import { Input } from './byte-input.ts';
import { OPENING, writeClientMessage } from './rfb-messages.ts';

const jpegTurbo: {
  FORMAT_BGRX: number;
  decompressSync(image: Buffer, options: { format: number }): { data: Buffer; width: number; height: number };
} = createRequire(import.meta.url)('@julusian/jpeg-turbo');

/** Numbers of encodings, as the documents have them; `zstd` is the appliance's own. */
export const NUMBERS = {
  ...{ raw: 0, copyRect: 1, tight: 7, zstd: 0x6170705a },
  ...{ desktopSize: -223, lastRect: -224, cursor: -239, qemuKeys: -258, extendedDesktopSize: -308 },
  ...{ fence: -312, continuousUpdates: -313, cursorWithAlpha: -314, vmwareCursor: 0x574d5664 },
  ...{ extendedClipboard: -1063131698, quality6: -26, compression2: -254 },
} as const;

export interface ClientCursor {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  /** Red, green, blue, alpha. */
  readonly rgba: Uint8Array;
}

export interface ClientScreen {
  readonly id: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface ClientOptions {
  readonly send: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly encodings: readonly number[];
  /** How it gets further frames; `by-hand`: the test asks. */
  readonly mode: 'requests' | 'continuous' | 'by-hand';
}

interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class RfbClient {
  readonly #options: ClientOptions;
  readonly #input = new Input();
  readonly #inflaters = [0, 1, 2, 3].map(() => new Decompressor(createInflate()));
  readonly #zstd = new Decompressor(createZstdDecompress());
  readonly #palette = new Uint32Array(256);
  #waiting: { readonly until: (client: RfbClient) => boolean; readonly resolve: () => void }[] = [];

  /** 0x00RRGGBB, row by row. */
  pixels = new Uint32Array();
  width = 0;
  height = 0;
  name = '';
  updates = 0;
  bytes = 0;
  /** Rectangles and pixels by encoding: `tight-jpeg`, `copy`. */
  readonly counts = new Map<string, { rectangles: number; pixels: number }>();
  cursor: ClientCursor | null = null;
  screens: readonly ClientScreen[] = [];
  sizes: { readonly reason: number; readonly status: number }[] = [];
  qemuKeys = false;
  knowsContinuousUpdates = false;
  /** Clipboards from the server. */
  cutTexts: { readonly extended: boolean; readonly bytes: Uint8Array<ArrayBuffer> }[] = [];
  /** Fences it got that ask for an answer; answered at once unless `holdsFences`. */
  fences: { readonly flags: number; readonly payload: Uint8Array<ArrayBuffer> }[] = [];
  holdsFences = false;
  /** Answers to its own fences. */
  fenceAnswers: { readonly flags: number; readonly payload: Uint8Array<ArrayBuffer> }[] = [];
  /** What ended the decoding; null while it goes on. */
  failed: unknown = null;

  constructor(options: ClientOptions) {
    this.#options = options;
    void this.#run().catch(error => {
      this.failed = error;
      this.#tell();
    });
  }

  /** What the server sends, cut anywhere. */
  push(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#input.push(bytes);
  }

  /** Whether it has dealt with all it got, as far as that is whole. */
  get isIdle(): boolean {
    return this.failed !== null || this.#input.isWaiting;
  }

  /** Waits until something is so; it is asked after every message. */
  until(so: (client: RfbClient) => boolean): Promise<void> {
    if (this.failed !== null) return Promise.reject(this.failed);
    if (so(this)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ until: so, resolve: () => (this.failed === null ? resolve() : reject(this.failed)) });
    });
  }

  /** Waits for the next whole update. */
  nextUpdate(): Promise<void> {
    const { updates } = this;
    return this.until(client => client.updates > updates);
  }

  request(incremental: boolean): void {
    const area = { x: 0, y: 0, width: this.width, height: this.height };
    this.send(writeClientMessage({ type: 'update-request', incremental, area }));
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#options.send(bytes);
  }

  answerFences(): void {
    for (const { flags, payload } of this.fences.splice(0)) {
      this.send(writeClientMessage({ type: 'fence', flags: (flags & 7) >>> 0, payload }));
    }
  }

  close(): void {
    for (const inflater of this.#inflaters) inflater.close();
    this.#zstd.close();
  }

  async #run(): Promise<void> {
    await this.#open();
    for (;;) {
      await this.#message(await this.#input.u8());
      this.#tell();
    }
  }

  async #open(): Promise<void> {
    expect(Buffer.from(await this.#input.take(12)).toString() === 'RFB 003.008\n', 'version');
    this.send(OPENING.slice(0, 12));
    const types = await this.#input.take(await this.#input.u8());
    expect(types.includes(1), 'security None');
    this.send(OPENING.slice(12, 13));
    expect((await this.#input.u32()) === 0, 'security result');
    this.send(OPENING.slice(13));
    const [width, height] = [await this.#input.u16(), await this.#input.u16()];
    const format = await this.#input.take(16);
    expect(format[0] === 32 && format[1] === 24 && format[2] === 0 && format[3] === 1, 'pixel format');
    expect(format[10] === 16 && format[11] === 8 && format[12] === 0, 'order of colours');
    this.name = Buffer.from(await this.#input.take(await this.#input.u32())).toString();
    this.#resize(width, height);
    this.send(writeClientMessage({ type: 'encodings', encodings: this.#options.encodings }));
    if (this.#options.mode !== 'by-hand') this.request(false);
    this.#tell();
  }

  async #message(type: number): Promise<void> {
    switch (type) {
      case 0:
        return this.#update();
      case 3: {
        await this.#input.take(3);
        const length = (await this.#input.u32()) | 0;
        this.cutTexts.push({ extended: length < 0, bytes: await this.#input.take(Math.abs(length)) });
        return;
      }
      case 150:
        this.knowsContinuousUpdates = true;
        if (this.#options.mode === 'continuous') {
          const area = { x: 0, y: 0, width: this.width, height: this.height };
          this.send(writeClientMessage({ type: 'continuous-updates', on: true, area }));
        }
        return;
      case 248: {
        await this.#input.take(3);
        const flags = await this.#input.u32();
        const payload = await this.#input.take(await this.#input.u8());
        if (flags >>> 31 === 0) this.fenceAnswers.push({ flags, payload });
        else {
          this.fences.push({ flags, payload });
          if (!this.holdsFences) this.answerFences();
        }
        return;
      }
      default:
        throw new Error(`a server's message of type ${type}`);
    }
  }

  async #update(): Promise<void> {
    await this.#input.take(1);
    const count = await this.#input.u16();
    for (let i = 0; i < count || count === 0xffff; i++) {
      const area = {
        ...{ x: await this.#input.u16(), y: await this.#input.u16() },
        ...{ width: await this.#input.u16(), height: await this.#input.u16() },
      };
      const encoding = (await this.#input.u32()) | 0;
      if (encoding === NUMBERS.lastRect) {
        expect(count === 0xffff, 'LastRect');
        break;
      }
      expect(encoding === NUMBERS.raw || this.#options.encodings.includes(encoding), `encoding ${encoding}`);
      await this.#rectangle(area, encoding);
    }
    this.updates += 1;
    if (this.#options.mode === 'requests') this.request(true);
  }

  async #rectangle(area: Area, encoding: number): Promise<void> {
    switch (encoding) {
      case NUMBERS.desktopSize:
        return this.#resize(area.width, area.height);
      case NUMBERS.extendedDesktopSize:
        return this.#screens(area);
      case NUMBERS.qemuKeys:
        this.qemuKeys = true;
        return;
      case NUMBERS.cursor:
      case NUMBERS.cursorWithAlpha:
      case NUMBERS.vmwareCursor:
        this.cursor = await this.#cursor(area, encoding);
        return;
      default:
        expect(area.x + area.width <= this.width && area.y + area.height <= this.height, 'rectangle in the picture');
        this.#count(await this.#pixelRectangle(area, encoding), area);
    }
  }

  async #pixelRectangle(area: Area, encoding: number): Promise<string> {
    if (encoding === NUMBERS.raw) {
      const bytes = await this.#input.take(area.width * area.height * 4);
      this.#fill(area, i => u24(bytes, i * 4));
      return 'raw';
    }
    if (encoding === NUMBERS.copyRect) {
      this.#copy(area, await this.#input.u16(), await this.#input.u16());
      return 'copy';
    }
    if (encoding === NUMBERS.zstd) return this.#zstdAreas(area);
    return this.#tight(area);
  }

  async #tight(area: Area): Promise<string> {
    const control = await this.#input.u8();
    expect((control & 15) === 0, 'no stream to be reset');
    const pixels = area.width * area.height;
    if (control >> 4 === 8) {
      const colour = rgb(await this.#input.take(3), 0);
      this.#fill(area, () => colour);
      return 'tight-fill';
    }
    if (control >> 4 === 9) return this.#jpeg(area);
    const stream = (control >> 4) & 3;
    const filter = (control & 0x40) === 0 ? 0 : await this.#input.u8();
    if (filter === 0) {
      const data = await this.#tightData(stream, pixels * 3);
      this.#fill(area, i => rgb(data, i * 3));
      return 'tight-full';
    }
    expect(filter === 1, 'filter');
    const count = (await this.#input.u8()) + 1;
    const colours = await this.#input.take(count * 3);
    const palette = Array.from({ length: count }, (_, i) => rgb(colours, i * 3));
    if (count > 2) {
      const data = await this.#tightData(stream, pixels);
      this.#fill(area, i => at(palette, data[i]));
      return 'tight-palette';
    }
    const rowBytes = Math.ceil(area.width / 8);
    const data = await this.#tightData(stream, rowBytes * area.height);
    this.#fill(area, i => {
      const [x, y] = [i % area.width, Math.floor(i / area.width)];
      return at(palette, ((data[y * rowBytes + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1);
    });
    return 'tight-mono';
  }

  async #tightData(stream: number, length: number): Promise<Uint8Array> {
    if (length < 12) return this.#input.take(length);
    const packed = await this.#input.take(await this.#compactLength());
    const inflater = this.#inflaters[stream];
    if (inflater === undefined) throw new Error('stream');
    return inflater.next(packed, length);
  }

  async #jpeg(area: Area): Promise<string> {
    const image = await this.#input.take(await this.#compactLength());
    const { data, width, height } = jpegTurbo.decompressSync(Buffer.from(image), { format: jpegTurbo.FORMAT_BGRX });
    expect(width === area.width && height === area.height, 'size of a JPEG');
    this.#fill(area, i => u24(data, i * 4));
    return 'tight-jpeg';
  }

  async #compactLength(): Promise<number> {
    let length = 0;
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = await this.#input.u8();
      length |= (shift === 14 ? byte : byte & 127) << shift;
      if (byte < 128) break;
    }
    return length;
  }

  async #zstdAreas(box: Area): Promise<string> {
    const [packed, plain] = [await this.#input.u32(), await this.#input.u32()];
    expect(plain <= 1024 * 1024, 'length of a zstd rectangle');
    const bytes = await this.#zstd.next(await this.#input.take(packed), plain);
    const reader = new PlainReader(bytes);
    let pixels = 0;
    while (reader.left > 0) pixels += this.#zstdArea(reader, box);
    expect(pixels <= box.width * box.height, 'areas of a rectangle, which lie over each other, ');
    return 'zstd';
  }

  #zstdArea(reader: PlainReader, box: Area): number {
    const kind = reader.u8();
    const area = { x: reader.u16(), y: reader.u16(), width: reader.u16(), height: reader.u16() };
    expect(area.x >= box.x && area.y >= box.y, 'area in its rectangle');
    expect(area.x + area.width <= box.x + box.width && area.y + area.height <= box.y + box.height, 'area');
    if (kind === 3) {
      this.#zstdColours(reader, area);
      return area.width * area.height;
    }
    for (let left = reader.u8(); left > 0; left--) {
      const place = reader.u8();
      this.#palette[place] = reader.u8() | (reader.u8() << 8) | (reader.u8() << 16);
    }
    if (kind === 1) {
      const colour = at(this.#palette, reader.u8());
      this.#fill(area, () => colour);
    } else {
      expect(kind === 2, `area of kind ${kind}`);
      this.#fill(area, () => at(this.#palette, reader.u8()));
    }
    return area.width * area.height;
  }

  #zstdColours(reader: PlainReader, area: Area): void {
    // For each of blue − green, green, red − green: what stands left, above and above left is in `rows`.
    const rows = [0, 1, 2].map(() => new Uint8Array(area.width));
    let above = rows.map(row => row.slice());
    this.#fill(area, i => {
      const x = i % area.width;
      if (x === 0 && i > 0) above = rows.map(row => row.slice());
      const [blue = 0, green = 0, red = 0] = rows.map((row, channel) => {
        const upper = above[channel] ?? row;
        const expected = x === 0 ? at(upper, 0) : at(row, x - 1) + at(upper, x) - at(upper, x - 1);
        row[x] = reader.u8() + expected;
        return at(row, x);
      });
      return ((blue + green) & 255) | (green << 8) | (((red + green) & 255) << 16);
    });
  }

  async #cursor({ x, y, width, height }: Area, encoding: number): Promise<ClientCursor> {
    const rgba = new Uint8Array(width * height * 4);
    if (encoding === NUMBERS.cursor) {
      const pixels = await this.#input.take(width * height * 4);
      const rowBytes = Math.ceil(width / 8);
      const mask = await this.#input.take(rowBytes * height);
      for (let i = 0; i < width * height; i++) {
        const [column, row] = [i % width, Math.floor(i / width)];
        const set = ((mask[row * rowBytes + (column >> 3)] ?? 0) >> (7 - (column & 7))) & 1;
        rgba.set([at(pixels, i * 4 + 2), at(pixels, i * 4 + 1), at(pixels, i * 4), set * 255], i * 4);
      }
    } else {
      if (encoding === NUMBERS.cursorWithAlpha) expect((await this.#input.u32()) === 0, 'Raw in a cursor');
      else expect((await this.#input.u16()) === 0x100, 'cursor with alpha');
      rgba.set(await this.#input.take(rgba.length));
    }
    return { width, height, hotX: x, hotY: y, rgba };
  }

  async #screens({ x, y, width, height }: Area): Promise<void> {
    const count = await this.#input.u8();
    await this.#input.take(3);
    const screens: ClientScreen[] = [];
    for (let i = 0; i < count; i++) {
      const [id, left, top] = [await this.#input.u32(), await this.#input.u16(), await this.#input.u16()];
      screens.push({ id, x: left, y: top, width: await this.#input.u16(), height: await this.#input.u16() });
      await this.#input.u32();
    }
    this.screens = screens;
    this.sizes.push({ reason: x, status: y });
    if (x === 0 && (width !== this.width || height !== this.height)) this.#resize(width, height);
  }

  #resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height).fill(0xdeadbe); // no picture of a test begins so
  }

  #fill({ x, y, width, height }: Area, colour: (i: number) => number): void {
    for (let row = 0, i = 0; row < height; row++) {
      const start = (y + row) * this.width + x;
      for (let column = 0; column < width; column++) this.pixels[start + column] = colour(i++);
    }
  }

  #copy({ x, y, width, height }: Area, fromX: number, fromY: number): void {
    expect(fromX + width <= this.width && fromY + height <= this.height, 'source of a copy');
    const before = this.pixels.slice();
    for (let row = 0; row < height; row++) {
      const from = (fromY + row) * this.width + fromX;
      this.pixels.set(before.subarray(from, from + width), (y + row) * this.width + x);
    }
  }

  #count(name: string, { width, height }: Area): void {
    const count = this.counts.get(name) ?? { rectangles: 0, pixels: 0 };
    this.counts.set(name, { rectangles: count.rectangles + 1, pixels: count.pixels + width * height });
  }

  #tell(): void {
    const told = this.#waiting.filter(({ until }) => this.failed !== null || until(this));
    this.#waiting = this.#waiting.filter(waiting => !told.includes(waiting));
    for (const { resolve } of told) resolve();
  }
}

/** A stream that goes on from call to call. */
class Decompressor {
  readonly #stream: Inflate | ZstdDecompress;
  #parts: Buffer[] = [];
  #error: Error | null = null;

  constructor(stream: Inflate | ZstdDecompress) {
    this.#stream = stream;
    stream.on('data', (part: Buffer) => this.#parts.push(part));
    stream.on('error', error => {
      this.#error = error;
    });
  }

  async next(bytes: Uint8Array, length: number): Promise<Uint8Array> {
    await new Promise<void>(resolve => this.#stream.write(bytes, () => resolve()));
    if (this.#error !== null) throw this.#error;
    const plain = Buffer.concat(this.#parts.splice(0));
    expect(plain.length === length, `${plain.length} bytes decompressed where ${length} were due`);
    return plain;
  }

  close(): void {
    this.#stream.destroy();
  }
}

class PlainReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return at(this.#bytes, this.#at++);
  }

  u16(): number {
    return this.u8() * 256 + this.u8();
  }
}

function expect(so: boolean, what: string): asserts so {
  if (!so) throw new Error(`the server's ${what} is not as it should be`);
}

function at(values: ArrayLike<number>, i: number | undefined): number {
  const value = i === undefined ? undefined : values[i];
  if (value === undefined) throw new Error(`nothing at ${i}`);
  return value;
}

/** Blue, green, red. */
function u24(bytes: Uint8Array, i: number): number {
  return at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16);
}

function rgb(bytes: Uint8Array, i: number): number {
  return (at(bytes, i) << 16) | (at(bytes, i + 1) << 8) | at(bytes, i + 2);
}
