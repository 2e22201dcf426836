// What a picture of an AVI shows: the recorded picture with the technician's pointer in it, in one size from the first
// picture to the last.
import type { Bytes } from '../../protocol/bytes.ts';
import type { RcrecPicture } from '../../protocol/rcrec-picture.ts';

const CHANNELS = 4;
/** A ring around the pointer while a button is pressed. */
const RING = { from: 9, to: 12, red: 0xe0, green: 0x20, blue: 0x20 } as const;

/** What it was made of; pointers and cursors are never changed, only replaced. */
type Drawn = Pick<RcrecPicture, 'pointer' | 'cursor' | 'version'>;

export class Canvas {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, 255. */
  readonly pixels: Bytes;
  #drawn: Drawn | null = null;

  /** Both sides are made even: codecs want them so. */
  constructor(width: number, height: number) {
    this.width = width + (width % 2);
    this.height = height + (height % 2);
    this.pixels = new Uint8Array(this.width * this.height * CHANNELS);
  }

  /** @returns whether anything is different from the last time */
  draw(picture: RcrecPicture): boolean {
    const { pointer, cursor, version } = picture;
    const before = this.#drawn;
    this.#drawn = { pointer, cursor, version };
    if (before?.version === version && before.pointer === pointer && before.cursor === cursor) return false;
    this.#drawPicture(picture);
    if (pointer === null) return true;
    if (cursor !== null) this.#drawCursor(cursor, pointer.x - cursor.hotX, pointer.y - cursor.hotY);
    if (pointer.buttons !== 0) this.#drawRing(pointer.x, pointer.y);
    return true;
  }

  #drawPicture({ width, height, pixels }: RcrecPicture): void {
    if (width !== this.width || height !== this.height) new Uint32Array(this.pixels.buffer).fill(0xff000000);
    const shown = Math.min(width, this.width) * CHANNELS;
    for (let row = 0; row < Math.min(height, this.height); row++) {
      const from = row * width * CHANNELS;
      this.pixels.set(pixels.subarray(from, from + shown), row * this.width * CHANNELS);
    }
  }

  #drawCursor({ width, height, pixels }: { width: number; height: number; pixels: Uint8Array }, x: number, y: number) {
    for (let at = 0; at < width * height; at++) {
      const alpha = pixels[at * CHANNELS + 3] ?? 0;
      const [red, green, blue] = [pixels[at * CHANNELS + 2], pixels[at * CHANNELS + 1], pixels[at * CHANNELS]];
      this.#blend(x + (at % width), y + Math.floor(at / width), red ?? 0, green ?? 0, blue ?? 0, alpha);
    }
  }

  #drawRing(x: number, y: number): void {
    for (let dy = -RING.to; dy <= RING.to; dy++) {
      for (let dx = -RING.to; dx <= RING.to; dx++) {
        const distance = Math.hypot(dx, dy);
        if (distance < RING.from || distance > RING.to) continue;
        this.#blend(x + dx, y + dy, RING.red, RING.green, RING.blue, 255);
      }
    }
  }

  #blend(x: number, y: number, red: number, green: number, blue: number, alpha: number): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height || alpha === 0) return;
    const at = (y * this.width + x) * CHANNELS;
    for (const [channel, value] of [red, green, blue].entries()) {
      const below = this.pixels[at + channel] ?? 0;
      this.pixels[at + channel] = Math.round((value * alpha + below * (255 - alpha)) / 255);
    }
  }
}
