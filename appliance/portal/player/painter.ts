// Paints what a recording shows: its picture, the customer's cursor where the technician's pointer is, and a ring around a click.

import type { RcrecPicture } from '../../protocol/rcrec-picture.ts';
import type { RcrecCursor } from '../../protocol/rcrec-records.ts';
import type { Click } from './playback.ts';

const CHANNELS = 4;
/** So long a click can be seen. */
const CLICK_MS = 600;
const RING = { radius: 14, width: 4, colour: '#e02020' } as const;

export class Painter {
  readonly #canvas = new OffscreenCanvas(1, 1);
  #drawn = '';
  #cursor: { readonly of: RcrecCursor; readonly image: OffscreenCanvas | null } | null = null;

  /** @returns null where nothing is different from the last time */
  paint(picture: RcrecPicture, ms: number, click: Click | null): ImageBitmap | null {
    const { width, height, version, pointer, cursor } = picture;
    if (width === 0) return null;
    const isClicked = click !== null && ms >= click.ms && ms - click.ms < CLICK_MS;
    const isCursorOther = cursor !== (this.#cursor?.of ?? null);
    const ring = isClicked ? click : pointer !== null && pointer.buttons !== 0 ? pointer : null;
    const now = JSON.stringify([version, width, height, pointer, ring]);
    if (now === this.#drawn && !isCursorOther) return null;
    this.#drawn = now;
    if (isCursorOther) this.#cursor = cursor === null ? null : { of: cursor, image: imageOf(cursor) };
    this.#draw(picture, ring);
    return this.#canvas.transferToImageBitmap();
  }

  #draw({ width, height, pixels, pointer, cursor }: RcrecPicture, ring: { x: number; y: number } | null): void {
    const canvas = this.#canvas;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext('2d');
    if (context === null) return;
    context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
    const image = this.#cursor?.image ?? null;
    if (pointer !== null && cursor !== null && image !== null)
      context.drawImage(image, pointer.x - cursor.hotX, pointer.y - cursor.hotY);
    if (ring === null) return;
    context.strokeStyle = RING.colour;
    context.lineWidth = RING.width;
    context.beginPath();
    context.arc(ring.x, ring.y, RING.radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

function imageOf({ width, height, pixels }: RcrecCursor): OffscreenCanvas | null {
  const image = new OffscreenCanvas(width, height);
  const rgba = new Uint8ClampedArray(width * height * CHANNELS);
  for (let at = 0; at < rgba.length; at += CHANNELS) {
    rgba[at] = pixels[at + 2] ?? 0;
    rgba[at + 1] = pixels[at + 1] ?? 0;
    rgba[at + 2] = pixels[at] ?? 0;
    rgba[at + 3] = pixels[at + 3] ?? 0;
  }
  image.getContext('2d')?.putImageData(new ImageData(rgba, width, height), 0, 0);
  return image;
}
