// noVNC, told less and believing less: it offers what our picture server sends and refuses anything else, and no size is
// used before it was compared with what may be. Whatever a customer's program sends, the stream ends and the page lives.
import RFB from '@novnc/novnc';
import { jpegSize } from '../../browser/jpeg-size.ts';
import { ENCODING, MAX_CUT_TEXT_BYTES, SECURITY_NONE } from '../../protocol/rfb.ts';
import { MAX_SIDE } from '../../protocol/screen.ts';
import type { DecoderWorker } from '../decoder-messages.ts';
import type { RfbChannel } from '../rfb-channel.ts';
import type { ViewerListener } from '../screen-viewer.ts';
import { KeyCatcher, keysymsOf } from './key-catcher.ts';
import { PaintedFrame, ZstdDecoder } from './zstd-decoder.ts';

/** Four 4K monitors side by side: 160 MB, twice. */
const MAX_PIXELS = 40_000_000;
const MAX_CURSOR_SIDE = 256;
/** How often one update may paint the whole picture: what waits for a JPEG before it is held until then. */
const MAX_COATS = 4;
const MIN_PAINT = 64 * 64;
/** Of one message that has not come wholly. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;
/** Pixels on the page over which their scale is measured, for noVNC gives whole ones only. */
const SPAN = 10_000;
const MAX_NAME_BYTES = 1024;
const HEAD_BYTES = 7;

/** What stands first is liked best. */
const PICTURES: readonly number[] = [ENCODING.zstd, ENCODING.copyRect, ENCODING.tight, ENCODING.raw];
const FACTS: readonly number[] = [
  ...[ENCODING.desktopSize, ENCODING.lastRect, ENCODING.qemuKeys, ENCODING.desktopName, ENCODING.extendedDesktopSize],
];
const CURSORS: readonly number[] = [ENCODING.cursorWithAlpha, ENCODING.cursor];
/** Said by the viewer, and nothing that could come in an update. */
const ABILITIES: readonly number[] = [ENCODING.fence, ENCODING.continuousUpdates];
const QUALITY = 6;
const COMPRESSION = 2;

/** What noVNC draws in its turn, once it is ready. */
interface Frame {
  ready: boolean;
  frame: (ImageBitmap & { codedWidth: number; codedHeight: number }) | null;
  promise: Promise<void>;
}

export class CheckedRfb extends RFB {
  readonly #channel: RfbChannel;
  readonly #listener: ViewerListener;
  readonly #zstd: ZstdDecoder;
  readonly #catcher = new KeyCatcher(text => this.type(text));
  #frames = 0;
  /** Pixels of the update that is being read. */
  #painted = 0;

  constructor(target: HTMLElement, channel: RfbChannel, listener: ViewerListener, worker: DecoderWorker) {
    super(target, channel, { shared: true });
    this.#channel = channel;
    this.#listener = listener;
    this.viewOnly = true;
    this.background = 'transparent';
    this._display.imageRect = (x, y, width, height, _type, bytes) => this.#jpeg({ x, y, width, height }, bytes);
    const drawImage = this._display.drawImage.bind(this._display);
    this._display.drawImage = (image, ...place) => {
      if (image instanceof PaintedFrame) image.draw(this._display);
      else drawImage(image, ...place);
    };
    this.#zstd = new ZstdDecoder({ worker, failed: why => this._fail(why), goOn: () => this.#goOn() });
    this._decoders[ENCODING.zstd] = this.#zstd;
    channel.busy = () => (this._flushing ? this._display.flush() : this.#zstd.busy());
    this._keyboard._target = this.#catcher.field;
    this.#catcher.field.addEventListener('blur', () => this.releaseKeys());
    target.append(this.#catcher.field);
    this._canvas.setAttribute('role', 'img');
    this._canvas.setAttribute('aria-label', 'Picture of the screen');
  }

  get frames(): number {
    return this.#frames;
  }

  get width(): number {
    return this._fbWidth;
  }

  get height(): number {
    return this._fbHeight;
  }

  override focus(options?: FocusOptions): void {
    this.#catcher.field.focus(options);
  }

  override blur(): void {
    this.#catcher.field.blur();
  }

  /** As keys, one after the other. */
  type(text: string): void {
    for (const keysym of keysymsOf(text)) this.sendKey(keysym, '');
  }

  /** noVNC lets go of keys when the window loses the focus, not when the picture does. */
  releaseKeys(): void {
    this._keyboard._allKeysUp();
  }

  control(isOn: boolean): void {
    if (!isOn) this.releaseKeys();
    this.viewOnly = !isOn;
    this.#catcher.enable(isOn);
    // Without control the customer's cursor is a part of the picture; with it, it follows this hand without delay.
    if (this._rfbConnectionState === 'connected') this._sendEncodings();
    if (!isOn) this._canvas.style.cursor = '';
  }

  pixelAt(pageX: number, pageY: number): { readonly x: number; readonly y: number } | null {
    const { left, top } = this._canvas.getBoundingClientRect();
    const [x, y] = [this._display.absX(pageX - left), this._display.absY(pageY - top)];
    return x >= 0 && y >= 0 && x < this._fbWidth && y < this._fbHeight ? { x, y } : null;
  }

  /** The other way: where on the page a pixel's corner is. */
  placeOf(x: number, y: number): { readonly pageX: number; readonly pageY: number } {
    const { left, top } = this._canvas.getBoundingClientRect();
    // What is at the canvas's corner, and how many pixels of the picture one of the page is.
    const [fromX, fromY] = [this._display.absX(0), this._display.absY(0)];
    const scale = (this._display.absX(SPAN) - fromX) / SPAN;
    return { pageX: left + (x - fromX) / scale, pageY: top + (y - fromY) / scale };
  }

  close(): void {
    if (this._rfbConnectionState !== 'disconnected') this.disconnect();
  }

  toBlob(): Promise<Blob> {
    return new Promise((resolve, reject) => {
      const made = (blob: Blob | null) => (blob === null ? reject(new Error('no picture')) : resolve(blob));
      this._display.toBlob(made, 'image/png');
    });
  }

  protected override _isSupportedSecurityType(type: number): boolean {
    return type === SECURITY_NONE;
  }

  protected override _sendEncodings(): void {
    const cursor = this.viewOnly ? [] : CURSORS;
    const levels = [ENCODING.quality0 + QUALITY, ENCODING.compression0 + COMPRESSION];
    const clipboard = [ENCODING.extendedClipboard];
    RFB.messages.clientEncodings(this._sock, [
      ...[...PICTURES, ...levels, ...FACTS, ...cursor, ...ABILITIES, ...clipboard],
    ]);
  }

  /** What had come before the end may be taken up after it, as when a picture was being drawn just then: it is nobody's. */
  protected override _handleMessage(): void {
    if (this._rfbConnectionState === 'disconnected') return;
    super._handleMessage();
    const isBusy = this._flushing || this.#zstd.isFull; // what waits then is held back by its sender's credit
    if (!isBusy && this._sock.rQlen() > MAX_HELD_BYTES) this._fail('a message that never ends');
  }

  protected override _framebufferUpdate(): boolean {
    const isWhole = super._framebufferUpdate();
    if (isWhole) {
      this.#painted = 0;
      if (this._display.pending()) void this._display.flush().then(() => this.#drawn());
      else this.#drawn();
    }
    return isWhole;
  }

  #drawn(): void {
    this.#frames++;
    this.#listener.drawn();
  }

  protected override _handleRect(): boolean {
    const { x, y, width, height, encoding } = this._FBU;
    if (PICTURES.includes(encoding)) return this.#paint(x, y, width, height);
    if (!CURSORS.includes(encoding)) {
      if (!FACTS.includes(encoding)) return this._fail(`encoding ${encoding}, which was not asked for`);
      return super._handleRect();
    }
    if (width > MAX_CURSOR_SIDE || height > MAX_CURSOR_SIDE) return this._fail(`a cursor of ${width} × ${height}`);
    return encoding === ENCODING.cursor ? super._handleRect() : this.#cursorWithAlpha(x, y, width, height);
  }

  /** Colours are multiplied with alpha there (community extension), and are not here. */
  #cursorWithAlpha(hotX: number, hotY: number, width: number, height: number): boolean {
    const size = 4 * width * height;
    if (this._sock.rQwait('cursor', 4 + size)) return false;
    if (this._sock.rQshift32() !== ENCODING.raw) return this._fail('a cursor that is not as it was asked for');
    const rgba = this._sock.rQshiftBytes(size);
    for (let at = 0; at < size; at += 4) {
      const alpha = rgba[at + 3] ?? 0;
      for (let c = at; alpha > 0 && c < at + 3; c++)
        rgba[c] = Math.min(255, Math.round(((rgba[c] ?? 0) * 255) / alpha));
    }
    this._updateCursor(rgba, hotX, hotY, width, height);
    return true;
  }

  #paint(x: number, y: number, width: number, height: number): boolean {
    if (x + width > this._fbWidth || y + height > this._fbHeight)
      return this._fail(`a rectangle that lies outside of ${this._fbWidth} × ${this._fbHeight}`);
    const painted = this.#painted + width * height;
    if (painted > MAX_COATS * Math.max(this._fbWidth * this._fbHeight, MIN_PAINT))
      return this._fail('an update that paints the picture over and over');
    const isWhole = super._handleRect();
    if (isWhole) this.#painted = painted;
    return isWhole;
  }

  protected override _resize(width: number, height: number): void {
    const isSane = width > 0 && height > 0 && width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS;
    // Thrown, for its callers go on when it returns; the channel takes it for what it is.
    if (!isSane) throw new RangeError(`a picture of ${width} × ${height}`);
    super._resize(width, height);
  }

  protected override _updateCursor(rgba: Uint8Array, x: number, y: number, width: number, height: number): void {
    if (!this.viewOnly) super._updateCursor(rgba, x, y, width, height);
  }

  protected override _setDesktopName(name: string): void {
    if (name.length > MAX_NAME_BYTES) throw new RangeError(`a name of ${name.length} letters`);
  }

  /** A clipboard is the session's affair, for it has a grant of its own and bounds that noVNC does not keep. */
  protected override _handleServerCutText(): boolean {
    if (this._sock.rQwait('cut text', HEAD_BYTES, 1)) return false;
    const head = this._sock.rQpeekBytes(HEAD_BYTES);
    const length = Math.abs(new DataView(head.buffer, head.byteOffset).getInt32(3));
    if (length > MAX_CUT_TEXT_BYTES) return this._fail(`a clipboard of ${length} bytes`);
    if (this._sock.rQwait('cut text', HEAD_BYTES + length, 1)) return false;
    this.#listener.cutText(this._sock.rQshiftBytes(HEAD_BYTES + length));
    return true;
  }

  protected override _handleXvpMsg(): boolean {
    return this._fail('a message that was not asked for');
  }

  /** The last picture stays where it is, without a hand on it. */
  protected override _disconnect(): void {
    super._disconnect();
    this.#zstd.close();
    this._canvas.style.cursor = '';
    this._target.append(this._screen);
  }

  /** The sender may end before it has shown anything, as when the technician stops at once: noVNC would call that a failure. */
  protected override _socketClose(event: { readonly code: number; readonly reason: string }): void {
    if (this._rfbConnectionState === 'connecting') this._updateConnectionState('disconnecting');
    super._socketClose(event);
  }

  protected override _fail(details: string): false {
    this.#channel.fail(details);
    return super._fail(details);
  }

  #goOn(): void {
    if (this._rfbConnectionState === 'connected' && this._sock.rQlen() > 0) this._handleMessage();
  }

  /** Decoded beside, and drawn in its turn; a file that lies about its size, or is none, ends the stream. */
  #jpeg({ x, y, width, height }: { x: number; y: number; width: number; height: number }, bytes: Uint8Array): void {
    const size = jpegSize(bytes);
    if (size?.width !== width || size.height !== height) throw new RangeError('a JPEG of another size than its place');
    const { promise, resolve } = Promise.withResolvers<void>();
    const frame: Frame = { ready: false, frame: null, promise };
    const decode = async () => {
      try {
        const bitmap = await createImageBitmap(new Blob([bytes.slice()], { type: 'image/jpeg' }));
        frame.frame = Object.assign(bitmap, { codedWidth: bitmap.width, codedHeight: bitmap.height });
        frame.ready = true;
        resolve();
      } catch {
        this._fail('a JPEG that can’t be decoded'); // never resolved: noVNC would ask for it for ever
      }
    };
    void decode();
    this._display.videoFrame(x, y, width, height, frame);
  }
}
