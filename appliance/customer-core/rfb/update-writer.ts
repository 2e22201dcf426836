// One FramebufferUpdate on its way, in pieces that end where a rectangle ends: what a recorder has of it can then be drawn, and
// so be proved, however little that is. A viewer that knows LastRect gets large ones piece by piece, as they are made; for others
// the number of rectangles stands in front, so that all of them are kept until the last is made.
import { type Bytes, concat } from '../../protocol/bytes.ts';
import { UNTIL_LAST_RECT, writeLastRect, writeUpdateHead } from '../../protocol/rfb-server-messages.ts';
import type { Later } from '../objects.ts';

/** Smaller rectangles go together. */
const PIECE_BYTES = 64 * 1024;

export class UpdateWriter {
  readonly #send: (bytes: Bytes) => Later<void>;
  readonly #lastRect: boolean;
  #rectangles: Bytes[] = [];
  #begun = false;

  /**
   * @param send takes a piece
   * @param lastRect whether the viewer knows it
   */
  constructor(send: (bytes: Bytes) => Later<void>, lastRect: boolean) {
    this.#send = send;
    this.#lastRect = lastRect;
  }

  /** Whether there is anything to tell the viewer. */
  get isEmpty(): boolean {
    return !this.#begun && this.#rectangles.length === 0;
  }

  add(...rectangles: Bytes[]): void {
    this.#rectangles.push(...rectangles);
  }

  /** Sends what is there, if that can be done before the end. */
  async flush(): Promise<void> {
    if (!this.#lastRect || this.#rectangles.length === 0) return;
    const head = this.#begun ? new Uint8Array() : writeUpdateHead(UNTIL_LAST_RECT);
    this.#begun = true;
    await this.#sendAll(head, new Uint8Array());
  }

  /** @param after what follows the update at once */
  async end(after: Bytes): Promise<void> {
    if (this.#begun) await this.#sendAll(new Uint8Array(), concat(writeLastRect(), after));
    else if (this.#rectangles.length > 0) await this.#sendAll(writeUpdateHead(this.#rectangles.length), after);
  }

  /** The head with the first, for alone it is nothing yet. */
  async #sendAll(head: Bytes, after: Bytes): Promise<void> {
    const rectangles = this.#rectangles;
    this.#rectangles = [];
    let piece: Bytes[] = [head];
    let bytes = head.length;
    for (const rectangle of rectangles) {
      if (bytes > head.length && bytes + rectangle.length > PIECE_BYTES) {
        await this.#send(concat(...piece));
        [piece, bytes] = [[], 0];
      }
      piece.push(rectangle);
      bytes += rectangle.length;
    }
    await this.#send(concat(...piece, after));
  }
}
