// Raw (RFC 6143 §7.7.1): pixels as they are, in the viewer's format. For viewers that know nothing better.
import type { Bytes } from '../../protocol/bytes.ts';
import { ENCODING, OWN_PIXEL_FORMAT } from '../../protocol/rfb.ts';
import { writeRectangle } from '../../protocol/rfb-server-messages.ts';
import type { Rectangle } from '../screen-source.ts';
import { type AreaEncoder, MAX_PAINTED_BYTES } from './area-encoder.ts';
import { PixelWriter } from './pixel-writer.ts';
import type { Pixels } from './pixels.ts';

export class RawEncoder implements AreaEncoder {
  #writer = new PixelWriter(OWN_PIXEL_FORMAT);
  #done: Bytes[] = [];
  #bytes = 0;

  get count(): number {
    return this.#done.length;
  }

  get full(): boolean {
    return this.#bytes >= MAX_PAINTED_BYTES;
  }

  writeAs(writer: PixelWriter): void {
    this.#writer = writer;
  }

  few(pixels: Pixels, area: Rectangle): boolean {
    this.many(pixels, area);
    return true;
  }

  many(pixels: Pixels, area: Rectangle): void {
    const bytes = new Uint8Array(area.width * area.height * this.#writer.size);
    this.#writer.area(pixels, area, bytes, 0);
    this.#done.push(writeRectangle(area, ENCODING.raw, bytes));
    this.#bytes += bytes.length;
  }

  finish(): Bytes[] {
    const done = this.#done;
    this.#done = [];
    this.#bytes = 0;
    return done;
  }

  close(): void {
    this.#done = [];
  }
}
