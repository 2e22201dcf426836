// The screen, window or tab a customer shows from his browser, as the picture server sees any screen. There is one monitor,
// no cursor of its own (it is in the picture), and nothing to control.
import type { Grabbed, Rectangle, ScreenLayout, ScreenListener, ScreenSource } from '../customer-core/screen-source.ts';
import { PIXEL_BYTES } from '../customer-core/screen-source.ts';
import { ApplianceError } from '../errors.ts';
import type { Bytes } from '../protocol/bytes.ts';
import { MAX_SIDE } from '../protocol/screen.ts';
import type { ShareFromWorker, ShareToWorker } from './share-messages.ts';

type Say = (message: ShareFromWorker) => void;

/** Asks the page for a screen, and takes what comes of it. One at a time. */
export class SharedScreens {
  readonly #say: Say;
  #asking: PromiseWithResolvers<ScreenSource> | null = null;
  #shown: SharedScreen | null = null;

  constructor(say: Say) {
    this.#say = say;
  }

  /** @throws ApplianceError `screen.unavailable` when the customer shows nothing */
  open(): Promise<ScreenSource> {
    this.#asking?.reject(notShown());
    this.#asking = Promise.withResolvers();
    this.#say({ type: 'share' });
    return this.#asking.promise;
  }

  handle(message: ShareToWorker): void {
    if (message.type === 'shared') void this.#opened(new FrameSource(message.frames, this.#say));
    else if (message.type === 'shared-page') void this.#opened(new PageSource(message, this.#say));
    else if (message.type === 'not-shared') this.#refused();
    else if (message.type === 'share-ended') this.#shown?.lost();
    else this.#shown?.told(message);
  }

  async #opened(pictures: Pictures): Promise<void> {
    const asking = this.#asking;
    this.#asking = null;
    try {
      const screen = new SharedScreen(await pictures.start(), pictures, () => this.#say({ type: 'unshare' }));
      this.#shown = screen;
      if (asking === null) screen.close();
      else asking.resolve(screen);
    } catch (error) {
      if (!(error instanceof ApplianceError)) throw error;
      asking?.reject(error);
    }
  }

  #refused(): void {
    this.#asking?.reject(notShown());
    this.#asking = null;
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Picture extends Size {
  /** BGRX, rows without gaps. */
  readonly pixels: Bytes;
}

/** Where pictures come from. */
interface Pictures {
  /** Resolves with the size of the first one. @throws ApplianceError `screen.unavailable` */
  start(): Promise<Size>;
  listen(listener: { moved(): void; lost(): void }): void;
  /** The newest one; null where there has been none since. */
  take(): Promise<Picture | null>;
  told(message: ShareToWorker): void;
  close(): void;
}

class SharedScreen implements ScreenSource {
  readonly cursor = null;
  readonly #pictures: Pictures;
  readonly #unshare: () => void;
  #layout: ScreenLayout;
  #picture: Picture | null = null;
  #listener: ScreenListener | null = null;
  #isDamageTold = false;
  #isOver = false;

  constructor(size: Size, pictures: Pictures, unshare: () => void) {
    this.#layout = layoutOf(size);
    this.#pictures = pictures;
    this.#unshare = unshare;
    pictures.listen({ moved: () => this.#moved(), lost: () => this.lost() });
  }

  get layout(): ScreenLayout {
    return this.#layout;
  }

  listen(listener: ScreenListener): void {
    this.#listener = listener;
  }

  told(message: ShareToWorker): void {
    this.#pictures.told(message);
  }

  async grab(area: Rectangle): Promise<Grabbed> {
    this.#isDamageTold = false;
    const taken = await this.#pictures.take();
    if (this.#isOver) throw notShown();
    if (taken !== null) this.#picture = taken;
    const picture = this.#picture;
    if (picture === null) throw notShown();
    this.#sized(picture);
    const stride = picture.width * PIXEL_BYTES;
    const start = Math.min(area.y, picture.height - 1) * stride + Math.min(area.x, picture.width - 1) * PIXEL_BYTES;
    return { pixels: picture.pixels.subarray(start), stride, damage: null };
  }

  /** The customer has ended it, or the window that was shown is gone. */
  lost(): void {
    if (this.#isOver) return;
    this.close();
    this.#listener?.lost('display-lost');
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pictures.close();
    this.#unshare();
  }

  #moved(): void {
    if (this.#isDamageTold || this.#isOver) return;
    this.#isDamageTold = true;
    this.#listener?.damaged();
  }

  /** A window that is shown may change its size at any time. */
  #sized({ width, height }: Picture): void {
    if (width === this.#layout.width && height === this.#layout.height) return;
    this.#layout = layoutOf({ width, height });
    this.#listener?.layoutChanged(this.#layout);
  }
}

/** Frames of a track, read here: the newest is kept, the others are let go of at once. */
class FrameSource implements Pictures {
  readonly #reader: ReadableStreamDefaultReader<VideoFrame>;
  readonly #say: Say;
  #frame: VideoFrame | null = null;
  #listener: { moved(): void; lost(): void } | null = null;

  constructor(frames: ReadableStream<VideoFrame>, say: Say) {
    this.#reader = frames.getReader();
    this.#say = say;
  }

  async start(): Promise<Size> {
    const { value } = await this.#reader.read();
    if (value === undefined) throw notShown();
    this.#frame = value;
    this.#say({ type: 'seen' });
    return sizeOf(value);
  }

  listen(listener: { moved(): void; lost(): void }): void {
    this.#listener = listener;
    void this.#read();
  }

  async take(): Promise<Picture | null> {
    const frame = this.#frame;
    this.#frame = null;
    if (frame === null) return null;
    try {
      const { width, height } = sizeOf(frame);
      const pixels = new Uint8Array(width * height * PIXEL_BYTES);
      await frame.copyTo(pixels, { format: 'BGRX', colorSpace: 'srgb' } as VideoFrameCopyToOptions);
      return { width, height, pixels };
    } finally {
      frame.close();
    }
  }

  told(): void {
    // Nothing comes from the page: the frames are here.
  }

  close(): void {
    this.#frame?.close();
    this.#frame = null;
    this.#reader.cancel().catch(() => undefined); // it has ended by itself
  }

  async #read(): Promise<void> {
    for (;;) {
      const { value } = await this.#reader.read();
      if (value === undefined) break;
      this.#frame?.close();
      this.#frame = value;
      this.#listener?.moved();
    }
    this.#listener?.lost();
  }
}

/** Pictures the page makes, one at a time, when they are wanted. */
class PageSource implements Pictures {
  readonly #size: Size;
  readonly #say: Say;
  #listener: { moved(): void } | null = null;
  #wanted: PromiseWithResolvers<Picture | null> | null = null;

  constructor({ width, height }: Size, say: Say) {
    this.#size = { width, height };
    this.#say = say;
  }

  async start(): Promise<Size> {
    return this.#size;
  }

  listen(listener: { moved(): void }): void {
    this.#listener = listener;
  }

  take(): Promise<Picture | null> {
    this.#wanted?.resolve(null);
    this.#wanted = Promise.withResolvers();
    this.#say({ type: 'grab' });
    return this.#wanted.promise;
  }

  told(message: ShareToWorker): void {
    if (message.type === 'moved') this.#listener?.moved();
    if (message.type !== 'picture') return;
    const { width, height, data } = message.picture;
    this.#wanted?.resolve({ width, height, pixels: swapped(data) });
    this.#wanted = null;
  }

  close(): void {
    this.#wanted?.resolve(null);
    this.#wanted = null;
  }
}

/** Red and blue change places, in the same memory. */
function swapped(data: Uint8ClampedArray<ArrayBufferLike>): Bytes {
  const pixels = new Uint8Array(data);
  for (let at = 0; at < pixels.length; at += PIXEL_BYTES) {
    const red = pixels[at] ?? 0;
    pixels[at] = pixels[at + 2] ?? 0;
    pixels[at + 2] = red;
  }
  return pixels;
}

function sizeOf({ displayWidth, displayHeight }: VideoFrame): Size {
  return { width: displayWidth, height: displayHeight };
}

function layoutOf({ width, height }: Size): ScreenLayout {
  if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) throw notShown();
  const monitor = { id: 1, name: 'What the customer shows', x: 0, y: 0, width, height, primary: true };
  return { width, height, monitors: [monitor] };
}

function notShown(): ApplianceError {
  return new ApplianceError('unavailable', 'screen.unavailable', 'the customer shows no screen', {
    hint: 'Ask for it again; the customer chooses a screen, a window or a tab.',
  });
}
