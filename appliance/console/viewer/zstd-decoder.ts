// Our own picture encoding for noVNC: it reads whole rectangles, has them decoded in a Worker, and draws them in their turn.
import type { Rectangle } from '../../customer-core/screen-source.ts';
import type { DecoderWorker, FromDecoder } from '../decoder-messages.ts';
import { AREA_NUMBERS, OWN_PIXELS, type Painted } from './painted-areas.ts';

const HEAD_BYTES = 8;
/** Of one rectangle, as its encoder bounds it. */
const MAX_PLAIN_BYTES = 1024 * 1024;
/** What can't be compressed grows by a little. */
const MAX_COMPRESSED_BYTES = MAX_PLAIN_BYTES + 64 * 1024;
/** In the Worker's hands; then the next rectangle waits where it is. */
const MAX_UNDER_WAY_BYTES = 8 * MAX_PLAIN_BYTES;

/** Of noVNC's, what is used here (browser/novnc.d.ts). */
interface Source {
  rQwait(what: string, bytes: number, goBack?: number): boolean;
  rQshift32(): number;
  rQshiftBytes(length: number): Uint8Array<ArrayBuffer>;
}
interface Canvas {
  fillRect(x: number, y: number, width: number, height: number, colour: readonly number[], now: boolean): void;
  blitImage(
    ...[x, y, width, height, rgba, offset, now]: [number, number, number, number, Uint8Array, number, boolean]
  ): void;
}
interface Queue extends Canvas {
  videoFrame(x: number, y: number, width: number, height: number, frame: object): void;
}

/** Stands in noVNC's queue of what is to be drawn, as a frame of a film would. */
export class PaintedFrame {
  ready = false;
  readonly promise: Promise<void>;
  readonly codedWidth: number;
  readonly codedHeight: number;
  readonly plainBytes: number;
  #painted: Painted | null = null;
  #resolve: () => void;

  constructor({ width, height }: Rectangle, plainBytes: number) {
    this.codedWidth = width;
    this.codedHeight = height;
    this.plainBytes = plainBytes;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.promise = promise;
    this.#resolve = resolve;
  }

  /** noVNC draws this, and closes it. */
  get frame(): this {
    return this;
  }

  take(painted: Painted): void {
    this.#painted = painted;
    this.ready = true;
    this.#resolve();
  }

  draw(canvas: Canvas): void {
    const { areas, pixels } = this.#painted ?? { areas: new Int32Array(0), pixels: new Uint8Array(0) };
    let offset = 0;
    for (let at = 0; at < areas.length; at += AREA_NUMBERS) {
      const [x = 0, y = 0, width = 0, height = 0, colour = 0] = areas.subarray(at, at + AREA_NUMBERS);
      if (colour === OWN_PIXELS) {
        canvas.blitImage(x, y, width, height, pixels, offset, true);
        offset += 4 * width * height;
      } else {
        canvas.fillRect(x, y, width, height, [colour >> 16, (colour >> 8) & 255, colour & 255], true);
      }
    }
  }

  close(): void {
    this.#painted = null;
  }
}

export interface ZstdDecoderParts {
  readonly worker: DecoderWorker;
  /** It is nothing an encoder writes. */
  readonly failed: (why: string) => void;
  /** Rectangles that were left where they are can be read now. */
  readonly goOn: () => void;
}

export class ZstdDecoder {
  readonly #parts: ZstdDecoderParts;
  readonly #waiting: PaintedFrame[] = [];
  #head: { compressedBytes: number; plainBytes: number } | null = null;
  #underWay = 0;
  #room: (() => void) | null = null;

  constructor(parts: ZstdDecoderParts) {
    this.#parts = parts;
    parts.worker.onmessage = ({ data }) => this.#answered(data);
    parts.worker.onerror = () => parts.failed('the decoder ended');
  }

  /** Whether rectangles wait where they are. */
  get isFull(): boolean {
    return this.#underWay >= MAX_UNDER_WAY_BYTES;
  }

  /** Resolves when the next rectangle can be taken; undefined when it can now. */
  busy(): Promise<void> | undefined {
    if (!this.isFull) return undefined;
    return new Promise(resolve => {
      const before = this.#room;
      this.#room = () => {
        before?.();
        resolve();
      };
    });
  }

  /** @returns false when bytes are missing, or too many are under way */
  decodeRect(x: number, y: number, width: number, height: number, source: Source, queue: Queue): boolean {
    if (this.#head === null) {
      if (source.rQwait('zstd head', HEAD_BYTES)) return false;
      this.#head = { compressedBytes: source.rQshift32(), plainBytes: source.rQshift32() };
      if (this.#head.compressedBytes > MAX_COMPRESSED_BYTES || this.#head.plainBytes > MAX_PLAIN_BYTES)
        throw new RangeError('a rectangle that is too large');
    }
    const { compressedBytes, plainBytes } = this.#head;
    if (this.isFull || source.rQwait('zstd data', compressedBytes)) return false;
    this.#head = null;
    const compressed = source.rQshiftBytes(compressedBytes);
    const box = { x, y, width, height };
    const frame = new PaintedFrame(box, plainBytes);
    this.#waiting.push(frame);
    this.#underWay += plainBytes;
    this.#parts.worker.postMessage({ compressed, plainBytes, box }, [compressed.buffer]);
    queue.videoFrame(x, y, width, height, frame);
    return true;
  }

  close(): void {
    this.#parts.worker.terminate();
  }

  #answered(answer: FromDecoder): void {
    if ('fault' in answer) {
      this.#parts.failed(answer.fault);
      return;
    }
    const frame = this.#waiting.shift();
    if (frame === undefined) return;
    const wasFull = this.isFull;
    this.#underWay -= frame.plainBytes;
    frame.take(answer);
    if (!wasFull || this.isFull) return;
    const room = this.#room;
    this.#room = null;
    this.#parts.goOn();
    room?.();
  }
}
