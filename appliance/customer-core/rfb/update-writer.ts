// One FramebufferUpdate on its way. A viewer that knows LastRect gets large ones piece by piece, as they are made; for others
// the number of rectangles stands in front, so that all of them are kept until the last is made.
import { type Bytes, concat } from '../../protocol/bytes.ts';
import { UNTIL_LAST_RECT, writeLastRect, writeUpdateHead } from '../../protocol/rfb-server-messages.ts';
import type { Later } from '../objects.ts';

export class UpdateWriter {
  readonly #send: (bytes: Bytes) => Later<void>;
  readonly #lastRect: boolean;
  #rectangles: Bytes[] = [];
  #begun = false;

  /** @param lastRect whether the viewer knows it */
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
    const head = this.#begun ? [] : [writeUpdateHead(UNTIL_LAST_RECT)];
    this.#begun = true;
    await this.#send(concat(...head, ...this.#take()));
  }

  /** @param after what follows the update at once */
  async end(after: Bytes): Promise<void> {
    if (this.#begun) await this.#send(concat(...this.#take(), writeLastRect(), after));
    else if (this.#rectangles.length > 0) {
      const head = writeUpdateHead(this.#rectangles.length);
      await this.#send(concat(head, ...this.#take(), after));
    }
  }

  #take(): Bytes[] {
    const rectangles = this.#rectangles;
    this.#rectangles = [];
    return rectangles;
  }
}
