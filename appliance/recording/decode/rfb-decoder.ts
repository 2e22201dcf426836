// Draws what a picture server sends (RFC 6143 from its version line on). Everything here comes from a customer's computer
// through a technician's console: it is read strictly, what it may make us hold is bounded, and a mistake ends it.
import { ByteReader, type Bytes, equalBytes, malformed } from '../../protocol/bytes.ts';
import { MAX_CURSOR_SIDE, type RcrecCursor } from '../../protocol/rcrec-records.ts';
import {
  ENCODING,
  MAX_CUT_TEXT_BYTES,
  MAX_FENCE_BYTES,
  MAX_RFB_SCREENS,
  OWN_PIXEL_FORMAT,
  type PixelFormat,
  RFB_VERSION,
  readPixelFormat,
  SERVER_MESSAGE,
} from '../../protocol/rfb.ts';
import type { RfbArea } from '../../protocol/rfb-client-messages.ts';
import { ByteSource } from './byte-source.ts';
import { readAlphaCursor, readCursor, readVmwareCursor } from './cursor.ts';
import { Picture } from './picture.ts';
import { PixelReader } from './pixel-reader.ts';
import { TightDecoder } from './tight.ts';
import { ZstdDecoder } from './zstd.ts';

const MAX_NAME_BYTES = 4096;
const MAX_RECTANGLES = 0xffff;

export interface RfbListener {
  /** Null: none is shown. */
  cursor(cursor: RcrecCursor | null): void;
}

export class RfbDecoder {
  readonly #source = new ByteSource();
  readonly #listener: RfbListener;
  readonly #tight: TightDecoder;
  readonly #zstd: ZstdDecoder;
  #pixels = new PixelReader(OWN_PIXEL_FORMAT);
  #picture: Picture | null = null;
  #settled = 0;
  #isBetween = false;
  #updates = 0;

  constructor(listener: RfbListener) {
    this.#listener = listener;
    this.#tight = new TightDecoder(this.#source);
    this.#zstd = new ZstdDecoder(this.#source);
    this.#run().catch(error => this.#source.fail(error));
  }

  /** Null before the server has said how large it is. */
  get picture(): Picture | null {
    return this.#picture;
  }

  /** Bytes that were read, and everything they say was drawn. */
  get settled(): number {
    return this.#settled;
  }

  /** Whole updates of the picture. */
  get updates(): number {
    return this.#updates;
  }

  /**
   * @param bytes as they came, cut anywhere; they must not change afterwards
   * @returns once everything that can be drawn is drawn
   * @throws ApplianceError `protocol.malformed`; nothing more is read then
   */
  push(bytes: Bytes): Promise<void> {
    return this.#source.push(bytes);
  }

  /** What follows is sent in this format. @throws ApplianceError `protocol.malformed` in the middle of a message */
  format(format: PixelFormat): void {
    if (!this.#isBetween && this.#picture !== null) throw malformed('another format in the middle of an update');
    this.#pixels = new PixelReader(format);
  }

  close(): void {
    this.#source.fail(malformed('the stream has ended'));
    this.#tight.close();
    this.#zstd.close();
  }

  async #run(): Promise<never> {
    await this.#opening();
    for (;;) {
      this.#settle(true);
      const [type] = await this.#take(1);
      this.#isBetween = false;
      await this.#message(type);
    }
  }

  #settle(isBetween = false): void {
    this.#settled = this.#source.taken;
    this.#isBetween = isBetween;
  }

  #take(bytes: number): Bytes | Promise<Bytes> {
    return this.#source.take(bytes);
  }

  async #reader(bytes: number): Promise<ByteReader> {
    return new ByteReader(await this.#take(bytes));
  }

  async #opening(): Promise<void> {
    if (!equalBytes(await this.#take(RFB_VERSION.length), RFB_VERSION)) throw malformed('another version than RFB 3.8');
    this.#settle();
    const [types = 0] = await this.#take(1);
    if (types === 0) throw malformed('a server that offers no security type');
    await this.#take(types);
    this.#settle();
    if ((await this.#reader(4)).uint(4) !== 0) throw malformed('a server that refuses its viewer');
    this.#settle();
    const init = await this.#reader(24);
    const [width, height] = [init.uint(2), init.uint(2)];
    this.format(readPixelFormat(init));
    const nameBytes = init.uint(4);
    if (nameBytes > MAX_NAME_BYTES) throw malformed(`a name of ${nameBytes} bytes`);
    await this.#take(nameBytes);
    this.#picture = new Picture(width, height);
  }

  async #message(type: number | undefined): Promise<void> {
    switch (type) {
      case SERVER_MESSAGE.update:
        return this.#update();
      case SERVER_MESSAGE.bell:
      case SERVER_MESSAGE.endOfContinuousUpdates:
        return;
      case SERVER_MESSAGE.cutText:
        return this.#cutText();
      case SERVER_MESSAGE.fence: {
        const [, , , , , , , length = 0] = await this.#take(8);
        if (length > MAX_FENCE_BYTES) throw malformed(`a fence of ${length} bytes`);
        await this.#take(length);
        return;
      }
      default:
        throw malformed(`a server's message of type ${type}`);
    }
  }

  /** A clipboard is read past: it is no part of a recording. */
  async #cutText(): Promise<void> {
    const head = await this.#reader(7);
    head.bytes(3);
    const length = Math.abs(head.uint(4) | 0);
    if (length > MAX_CUT_TEXT_BYTES) throw malformed(`a clipboard of ${length} bytes`);
    await this.#take(length);
  }

  async #update(): Promise<void> {
    const head = await this.#reader(3);
    head.bytes(1);
    const count = head.uint(2);
    for (let done = 0; done < count || count === MAX_RECTANGLES; done++) {
      if (!(await this.#rectangle())) break;
      this.#settle();
    }
    this.#updates++;
  }

  /** @returns whether another may follow */
  async #rectangle(): Promise<boolean> {
    const head = await this.#reader(12);
    const area = { x: head.uint(2), y: head.uint(2), width: head.uint(2), height: head.uint(2) };
    const encoding = head.uint(4) | 0;
    if (encoding === ENCODING.lastRect) return false;
    const picture = this.#picture;
    if (picture === null) throw malformed('an update before there is a picture');
    if (await this.#pseudo(encoding, area, picture)) return true;
    picture.check(area);
    switch (encoding) {
      case ENCODING.raw:
        await this.#raw(area, picture);
        break;
      case ENCODING.copyRect: {
        const from = await this.#reader(4);
        picture.copy(area, from.uint(2), from.uint(2));
        break;
      }
      case ENCODING.tight:
        await this.#tight.decode(area, picture, this.#pixels);
        break;
      case ENCODING.zstd:
        await this.#zstd.decode(picture);
        break;
      default:
        throw malformed(`a rectangle in encoding ${encoding}`);
    }
    return true;
  }

  /** @returns whether it was one that is no picture */
  async #pseudo(encoding: number, area: RfbArea, picture: Picture): Promise<boolean> {
    switch (encoding) {
      case ENCODING.desktopSize:
        picture.resize(area.width, area.height);
        return true;
      case ENCODING.extendedDesktopSize:
        await this.#screens(area, picture);
        return true;
      case ENCODING.cursor:
        this.#listener.cursor(await readCursor(this.#source, checkedCursor(area), this.#pixels));
        return true;
      case ENCODING.cursorWithAlpha:
        this.#listener.cursor(await readAlphaCursor(this.#source, checkedCursor(area)));
        return true;
      case ENCODING.vmwareCursor:
        this.#listener.cursor(await readVmwareCursor(this.#source, checkedCursor(area)));
        return true;
      case ENCODING.qemuKeys:
        return true;
      case ENCODING.desktopName: {
        const length = (await this.#reader(4)).uint(4);
        if (length > MAX_NAME_BYTES) throw malformed(`a name of ${length} bytes`);
        await this.#take(length);
        return true;
      }
      default:
        return false;
    }
  }

  /** x: who asked for it, y: what became of it; anything but 0 there left the size as it was. */
  async #screens({ x, y, width, height }: RfbArea, picture: Picture): Promise<void> {
    const [count = 0] = await this.#take(4);
    if (count > MAX_RFB_SCREENS) throw malformed(`${count} screens`);
    await this.#take(count * 16);
    if (x !== 1 || y === 0) picture.resize(width, height);
  }

  async #raw(area: RfbArea, picture: Picture): Promise<void> {
    const pixels = this.#pixels;
    for (let row = 0; row < area.height; row++) {
      const line = await this.#take(area.width * pixels.bytes);
      pixels.read(line, 0, area.width, picture.pixels, picture.at(area.x, area.y + row));
    }
    picture.touch(area);
  }
}

function checkedCursor(area: RfbArea): RfbArea {
  if (area.width > MAX_CURSOR_SIDE || area.height > MAX_CURSOR_SIDE)
    throw malformed(`a cursor of ${area.width} × ${area.height}`);
  return area;
}
